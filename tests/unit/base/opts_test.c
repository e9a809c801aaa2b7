/* SPDX-License-Identifier: MIT
 *
 * Options of older and newer programs. */
#include "base/opts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gostream/error.h>

struct old_opts {
    size_t struct_size;
    uint64_t a;
};
struct our_opts {
    size_t struct_size;
    uint64_t a, b;
};
struct new_opts {
    size_t struct_size;
    uint64_t a, b, c;
};

static void null_is_all_defaults(void **state)
{
    struct our_opts out = {1, 2, 3};

    (void)state;
    assert_int_equal(gos__opts_copy(&out, sizeof out, NULL), 0);
    assert_int_equal(out.struct_size, sizeof out);
    assert_int_equal(out.a, 0);
    assert_int_equal(out.b, 0);
}

static void same_age_is_copied(void **state)
{
    struct our_opts out;

    (void)state;
    assert_int_equal(gos__opts_copy(&out, sizeof out, &(struct our_opts){sizeof out, 5, 6}), 0);
    assert_int_equal(out.a, 5);
    assert_int_equal(out.b, 6);
}

static void older_leaves_the_rest_default(void **state)
{
    struct our_opts out = {1, 2, 3};
    struct old_opts old = {sizeof old, 5};

    (void)state;
    assert_int_equal(gos__opts_copy(&out, sizeof out, &old), 0);
    assert_int_equal(out.struct_size, sizeof out);
    assert_int_equal(out.a, 5);
    assert_int_equal(out.b, 0);
}

static void newer_may_only_say_nothing_new(void **state)
{
    struct our_opts out = {1, 2, 3};
    struct new_opts new = {sizeof new, 5, 6, 7};

    (void)state;
    assert_int_equal(gos__opts_copy(&out, sizeof out, &new), GOS_E2BIG);
    assert_int_equal(out.a, 2); /* untouched */
    new.c = 0;
    assert_int_equal(gos__opts_copy(&out, sizeof out, &new), 0);
    assert_int_equal(out.b, 6);
}

static void missing_size_is_refused(void **state)
{
    struct our_opts out;

    (void)state;
    assert_int_equal(gos__opts_copy(&out, sizeof out, &(struct our_opts){0, 5, 6}), GOS_EINVAL);
    assert_int_equal(gos__opts_give(&(struct our_opts){0, 5, 6}, &out, sizeof out), GOS_EINVAL);
}

static void giving_fills_what_the_caller_knows(void **state)
{
    struct our_opts ours = {sizeof ours, 5, 6};
    struct old_opts old[2] = {{sizeof(struct old_opts), 1}, {77, 88}};
    struct new_opts new = {sizeof new, 1, 1, 1};

    (void)state;
    assert_int_equal(gos__opts_give(old, &ours, sizeof ours), 0);
    assert_int_equal(old[0].struct_size, sizeof old[0]);
    assert_int_equal(old[0].a, 5);
    assert_int_equal(old[1].struct_size, 77); /* nothing behind it was written */
    assert_int_equal(gos__opts_give(&new, &ours, sizeof ours), 0);
    assert_int_equal(new.struct_size, sizeof new);
    assert_int_equal(new.b, 6);
    assert_int_equal(new.c, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_all_defaults),
        cmocka_unit_test(same_age_is_copied),
        cmocka_unit_test(older_leaves_the_rest_default),
        cmocka_unit_test(newer_may_only_say_nothing_new),
        cmocka_unit_test(missing_size_is_refused),
        cmocka_unit_test(giving_fills_what_the_caller_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
