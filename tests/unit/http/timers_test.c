/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/timers.h"
#include "random.h"

static void timers_come_in_order_of_their_moments(void **state)
{
    (void)state;
    struct http_timers t = {0};
    struct http_timer a = {0}, b = {0}, c = {0};
    assert_int_equal(http_timers_next(&t), INT64_MAX);
    http_timers_set(&t, &b, 20);
    http_timers_set(&t, &a, 10);
    http_timers_set(&t, &c, 30);
    assert_int_equal(http_timers_next(&t), 10);
    assert_null(http_timers_pop(&t, 9));
    assert_ptr_equal(http_timers_pop(&t, 25), &a);
    assert_ptr_equal(http_timers_pop(&t, 25), &b);
    assert_null(http_timers_pop(&t, 25));
    assert_ptr_equal(http_timers_pop(&t, 30), &c);
    assert_int_equal(http_timers_next(&t), INT64_MAX);
}

static void a_timer_can_be_put_off_brought_forward_and_cleared(void **state)
{
    (void)state;
    struct http_timers t = {0};
    struct http_timer a = {0}, b = {0};
    http_timers_set(&t, &a, 10);
    http_timers_set(&t, &a, 50);
    assert_null(http_timers_pop(&t, 49));
    http_timers_set(&t, &a, 20);
    http_timers_set(&t, &b, 15);
    http_timers_clear(&t, &b);
    http_timers_clear(&t, &b);
    assert_null(http_timers_pop(&t, 19));
    assert_ptr_equal(http_timers_pop(&t, 20), &a);
    assert_null(http_timers_pop(&t, INT64_MAX));
}

#define N 200

/* Beside a table in which everything is looked up the slow way. */
static void many_timers_agree_with_a_plain_table(void **state)
{
    (void)state;
    struct dice d = dice_new(__func__);
    struct http_timers t = {0};
    static struct http_timer timers[N];
    int64_t due[N], now = 0;
    memset(timers, 0, sizeof timers);
    for (int i = 0; i < N; i++)
        due[i] = -1;
    for (int round = 0; round < 100000; round++) {
        size_t i = dice_below(&d, N);
        switch (dice_below(&d, 4)) {
        case 0:
        case 1:
            due[i] = now + (int64_t)dice_below(&d, 1000);
            http_timers_set(&t, &timers[i], due[i]);
            continue;
        case 2:
            due[i] = -1;
            http_timers_clear(&t, &timers[i]);
            continue;
        }
        now += (int64_t)dice_below(&d, 20);
        struct http_timer *one;
        while ((one = http_timers_pop(&t, now))) {
            assert_in_range(due[one - timers], 0, now);
            due[one - timers] = -1;
        }
        int64_t first = INT64_MAX;
        for (int k = 0; k < N; k++) {
            assert_true(due[k] < 0 || due[k] > now);
            if (due[k] >= 0 && due[k] < first)
                first = due[k];
        }
        assert_true(http_timers_next(&t) <= first);
        assert_int_equal(http_timers_next(&t) == INT64_MAX, first == INT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_in_order_of_their_moments),
        cmocka_unit_test(a_timer_can_be_put_off_brought_forward_and_cleared),
        cmocka_unit_test(many_timers_agree_with_a_plain_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
