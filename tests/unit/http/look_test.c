/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/look.h"

enum { MOST = 60000 };

static void a_loop_that_is_asked_rarely_never_looks(void **state)
{
    (void)state;
    struct http_look k = http_look_init(MOST);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(http_look_for(&k), 0);
        http_look_slept(&k, 1000000);
    }
}

static void short_sleeps_begin_looking_and_success_keeps_it(void **state)
{
    (void)state;
    struct http_look k = http_look_init(MOST);
    http_look_slept(&k, MOST);
    assert_int_equal(http_look_for(&k), 0);
    http_look_slept(&k, MOST);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(http_look_for(&k), MOST);
        http_look_looked(&k, true);
    }
}

/* Requests that come just after the look would have ended: by their sleeps they look
 * as if looking was worth it, each time. */
static void looks_in_vain_become_rare(void **state)
{
    (void)state;
    struct http_look k = http_look_init(MOST);
    unsigned looks = 0;
    for (int i = 0; i < 100000; i++) {
        if (http_look_for(&k)) {
            http_look_looked(&k, false);
            looks++;
        } else {
            http_look_slept(&k, 2 * MOST);
        }
    }
    assert_in_range(looks, 50, 200);
}

static void one_success_forgets_what_was_in_vain(void **state)
{
    (void)state;
    struct http_look k = http_look_init(MOST);
    unsigned sleeps = 0;
    while (!http_look_for(&k))
        http_look_slept(&k, 0);
    for (int i = 0; i < 6; i++) {
        http_look_looked(&k, false);
        while (!http_look_for(&k))
            http_look_slept(&k, 0);
    }
    http_look_looked(&k, true);
    http_look_looked(&k, false);
    for (; !http_look_for(&k); sleeps++)
        http_look_slept(&k, 0);
    assert_int_equal(sleeps, 2);
}

static void nobody_looks_who_must_not(void **state)
{
    (void)state;
    struct http_look k = http_look_init(0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(http_look_for(&k), 0);
        http_look_slept(&k, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_is_asked_rarely_never_looks),
        cmocka_unit_test(short_sleeps_begin_looking_and_success_keeps_it),
        cmocka_unit_test(looks_in_vain_become_rare),
        cmocka_unit_test(one_success_forgets_what_was_in_vain),
        cmocka_unit_test(nobody_looks_who_must_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
