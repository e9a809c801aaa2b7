/* SPDX-License-Identifier: MIT
 *
 * A buffer as a source. */
#include <gostream/source.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static unsigned frees;

static void count_free(void *base)
{
    (void)base;
    frees++;
}

static void buffer_is_given_back_at_the_end(void **state)
{
    char bytes[10] = "0123456789";
    gos_source *s;

    (void)state;
    frees = 0;
    assert_int_equal(gos_source_memory(&s, bytes, sizeof bytes, count_free), 0);
    gos_source_ref(s);
    gos_source_unref(s);
    assert_int_equal(frees, 0);
    gos_source_unref(s);
    assert_int_equal(frees, 1);
}

static void buffer_stays_the_callers_on_failure(void **state)
{
    char bytes[10];
    gos_source *s = NULL;

    (void)state;
    frees = 0;
    for (long n = 1; n <= 2; n++) {
        gos__alloc_fail_at(n, 0);
        assert_int_equal(gos_source_memory(&s, bytes, sizeof bytes, count_free), GOS_ENOMEM);
        gos__alloc_fail_at(0, 0);
    }
    assert_int_equal(gos_source_memory(&s, NULL, 1, count_free), GOS_EINVAL);
    assert_int_equal(gos_source_memory(&s, bytes, SIZE_MAX, count_free), GOS_EINVAL);
    assert_int_equal(gos_source_memory(NULL, bytes, 1, count_free), GOS_EINVAL);
    assert_null(s);
    assert_int_equal(frees, 0);
}

static void all_of_it_is_present(void **state)
{
    char bytes[10] = "0123456789", buf[10];
    gos_source *s;
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = 1};

    (void)state;
    assert_int_equal(gos_source_memory(&s, bytes, sizeof bytes, NULL), 0);
    assert_int_equal(gos_source_present(s, 3, 100), 7);
    assert_int_equal(gos_source_pread(s, buf, 10, 3, &io), 7); /* so no deadline matters */
    assert_memory_equal(buf, "3456789", 7);
    gos_source_unref(s);
}

static void nothing_is_a_buffer_too(void **state)
{
    gos_source *s;
    char buf[1];

    (void)state;
    assert_int_equal(gos_source_memory(&s, NULL, 0, NULL), 0);
    assert_int_equal(gos_source_size(s), 0);
    assert_int_equal(gos_source_pread(s, buf, 1, 0, NULL), 0);
    gos_source_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_is_given_back_at_the_end),
        cmocka_unit_test(buffer_stays_the_callers_on_failure),
        cmocka_unit_test(all_of_it_is_present),
        cmocka_unit_test(nothing_is_a_buffer_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
