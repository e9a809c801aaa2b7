/* SPDX-License-Identifier: MIT
 *
 * The cancel latch. */
#include "source/cancel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct ear {
    struct gos__cancel_sub sub;
    unsigned heard;
};

static void hear(struct gos__cancel_sub *sub)
{
    GOS__LIST_OWNER(sub, struct ear, sub)->heard++;
}

static void all_subscribers_hear_it_once(void **state)
{
    gos_cancel *c;
    struct ear ears[3] = {{{.fired = hear}, 0}, {{.fired = hear}, 0}, {{.fired = hear}, 0}};

    (void)state;
    assert_int_equal(gos_cancel_new(&c), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(gos__cancel_subscribe(c, &ears[i].sub));
    gos__cancel_unsubscribe(c, &ears[1].sub);
    assert_int_equal(gos_cancel_fired(c), 0);
    gos_cancel_fire(c);
    gos_cancel_fire(c);
    assert_int_equal(gos_cancel_fired(c), 1);
    assert_int_equal(ears[0].heard, 1);
    assert_int_equal(ears[1].heard, 0);
    assert_int_equal(ears[2].heard, 1);
    gos__cancel_unsubscribe(c, &ears[0].sub);
    gos__cancel_unsubscribe(c, &ears[2].sub);
    gos_cancel_free(c);
}

static void late_subscriber_is_told_by_the_result(void **state)
{
    gos_cancel *c;
    struct ear ear = {{.fired = hear}, 0};

    (void)state;
    assert_int_equal(gos_cancel_new(&c), 0);
    gos_cancel_fire(c);
    assert_false(gos__cancel_subscribe(c, &ear.sub));
    assert_int_equal(ear.heard, 0);
    gos_cancel_free(c);
}

static void null_is_harmless(void **state)
{
    (void)state;
    gos_cancel_free(NULL);
    gos_cancel_fire(NULL);
    assert_int_equal(gos_cancel_fired(NULL), 0);
    assert_int_equal(gos_cancel_new(NULL), GOS_EINVAL);
}

/* A subscriber whose callback takes its time: it goes on only when the other
 * thread is about to unsubscribe. */
struct slow {
    struct gos__cancel_sub sub;
    gos_cancel *cancel;
    atomic_bool entered, leaving;
    atomic_bool finished;
};

static void hear_slowly(struct gos__cancel_sub *sub)
{
    struct slow *s = GOS__LIST_OWNER(sub, struct slow, sub);

    atomic_store(&s->entered, true);
    while (!atomic_load(&s->leaving))
        sched_yield();
    atomic_store(&s->finished, true);
}

static void *fire(void *arg)
{
    struct slow *s = arg;

    gos_cancel_fire(s->cancel);
    return NULL;
}

static void unsubscribing_waits_for_a_callback_that_runs(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct slow s = {.sub = {.fired = hear_slowly}};
        pthread_t thread;
        assert_int_equal(gos_cancel_new(&s.cancel), 0);
        assert_true(gos__cancel_subscribe(s.cancel, &s.sub));
        assert_int_equal(pthread_create(&thread, NULL, fire, &s), 0);
        while (!atomic_load(&s.entered))
            sched_yield();
        atomic_store(&s.leaving, true);
        gos__cancel_unsubscribe(s.cancel, &s.sub);
        assert_true(atomic_load(&s.finished));
        assert_int_equal(pthread_join(thread, NULL), 0);
        gos_cancel_free(s.cancel);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_subscribers_hear_it_once),
        cmocka_unit_test(late_subscriber_is_told_by_the_result),
        cmocka_unit_test(null_is_harmless),
        cmocka_unit_test(unsubscribing_waits_for_a_callback_that_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
