/* SPDX-License-Identifier: MIT
 *
 * When what a reader waits for is asked a second time, and from whom: each rule of
 * hedging by itself, on the moment at which it takes effect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/engine/scheduler_rig.h"

#define STEADY_NS (6 * GOS__MS)     /* from block to block: 2.6 MiB/s */
#define SLOW_NS GOS__SECOND         /* 16 KiB/s */
#define SLUGGISH_NS (250 * GOS__MS) /* 64 KiB/s */
#define LOOK_NS (51 * GOS__MS)      /* the scheduler looks for late blocks that often */

static struct srig_peer *choking_seed(struct srig *r, unsigned i)
{
    struct srig_peer *p = srig_seed(r, i);
    gos__sched_choke(r->s, p->p, true);
    return p;
}

static void unchoke(struct srig *r, struct srig_peer *p)
{
    gos__sched_choke(r->s, p->p, false);
}

static struct srig_peer *known_seed(struct srig *r, unsigned i, uint32_t n, int64_t gap)
{
    struct srig_peer *p = choking_seed(r, i);
    srig_measure(r, p, 50 + i, n, gap);
    return p;
}

/* It has just stopped to send. */
static struct srig_peer *pulsing_seed(struct srig *r, unsigned i)
{
    struct srig_peer *p = choking_seed(r, i);
    srig_pulses(r, p);
    return p;
}

/* Step as the scheduler says until that moment; from then on this clock counts. */
static void pass_time_until(struct srig *r, int64_t when)
{
    while (r->next <= when)
        srig_step(r, r->next - r->now);
    if (r->now < when)
        srig_step(r, when - r->now);
}

/* Nothing is asked twice before `from`, and something is before `to`. */
static void assert_hedged_between(struct srig *r, int64_t from, int64_t to)
{
    pass_time_until(r, from);
    assert_int_equal(srig_stats(r).hedges, 0);
    pass_time_until(r, to);
    assert_true(srig_stats(r).hedges > 0);
}

/* ---- the first one has stopped to send ---- */

static void who_stops_to_send_is_helped_after_120_ms(void **state)
{
    struct srig *r = *state;
    struct srig_peer *steady = known_seed(r, 1, 64, STEADY_NS), *pulsing = pulsing_seed(r, 0);
    int64_t stopped = r->now;
    srig_want_one(r, 0, 2, 1);
    srig_step(r, 0);
    assert_int_equal(pulsing->n_requests, 2);
    unchoke(r, steady);
    assert_hedged_between(r, stopped + 120 * GOS__MS, stopped + 120 * GOS__MS + LOOK_NS);
    assert_int_equal(steady->n_requests, 2);
}

static void who_is_about_to_send_again_is_waited_for(void **state)
{
    struct srig *r = *state;
    struct srig_peer *steady = known_seed(r, 1, 64, STEADY_NS), *pulsing = pulsing_seed(r, 0);
    int64_t due = r->now + SRIG_PAUSE_NS;
    srig_want_one(r, 0, 2, 1);
    srig_step(r, 0);
    assert_int_equal(pulsing->n_requests, 2);
    pass_time_until(r, due - 45 * GOS__MS);
    unchoke(r, steady);
    /* Both are late only after 860 ms. */
    assert_hedged_between(r, due + 50 * GOS__MS, due + 60 * GOS__MS + LOOK_NS);
}

/* The other one may begin to send later than the first. */
static void who_has_stopped_to_send_himself_is_no_help(void **state)
{
    struct srig *r = *state;
    struct srig_peer *first = pulsing_seed(r, 0);
    gos__sched_choke(r->s, first->p, true);
    struct srig_peer *second = pulsing_seed(r, 1);
    gos__sched_choke(r->s, second->p, true);
    unchoke(r, first);
    int64_t stopped = r->now;
    srig_want_one(r, 0, 1, 1);
    srig_step(r, 0);
    assert_int_equal(first->n_requests, 1);
    pass_time_until(r, stopped + 130 * GOS__MS);
    unchoke(r, second);
    /* When it was asked nothing for as long as it ever pauses, it does not pause. */
    assert_hedged_between(r, stopped + SRIG_PAUSE_NS,
                          stopped + SRIG_PAUSE_NS + 10 * GOS__MS + LOOK_NS);
    assert_int_equal(second->n_requests, 1);
}

/* ---- the first one is slow ---- */

static void who_has_stopped_to_send_is_not_asked_in_place_of_a_slow_one(void **state)
{
    struct srig *r = *state;
    struct srig_peer *slow = known_seed(r, 0, 8, SLOW_NS), *pulsing = pulsing_seed(r, 1);
    int64_t stopped = r->now;
    gos__sched_choke(r->s, pulsing->p, true);
    unchoke(r, slow);
    srig_want_one(r, 0, 4, 1); /* the last of them in five seconds */
    srig_step(r, 0);
    assert_int_equal(slow->n_requests, 4);
    pass_time_until(r, stopped + 60 * GOS__MS);
    unchoke(r, pulsing);
    assert_hedged_between(r, stopped + SRIG_PAUSE_NS,
                          stopped + SRIG_PAUSE_NS + 10 * GOS__MS + LOOK_NS);
}

/* It was asked nothing for long: that it is silent does not mean that it pauses. */
static void who_was_asked_nothing_for_long_is_asked_at_once(void **state)
{
    struct srig *r = *state;
    struct srig_peer *pulsing = pulsing_seed(r, 1);
    gos__sched_choke(r->s, pulsing->p, true);
    struct srig_peer *slow = known_seed(r, 0, 8, SLOW_NS);
    unchoke(r, slow);
    srig_want_one(r, 0, 4, 1);
    srig_step(r, 0);
    assert_int_equal(slow->n_requests, 4);
    unchoke(r, pulsing);
    srig_step(r, LOOK_NS);
    assert_true(pulsing->n_requests > 0); /* they are late in four seconds and more */
}

/* In half a second instead of a few milliseconds. */
static void what_another_would_have_here_much_sooner_is_asked_twice_at_once(void **state)
{
    struct srig *r = *state;
    struct srig_peer *steady = known_seed(r, 1, 64, STEADY_NS);
    struct srig_peer *sluggish = known_seed(r, 0, 12, SLUGGISH_NS);
    unchoke(r, sluggish);
    srig_want_one(r, 0, 1, 1);
    srig_step(r, 0);
    assert_int_equal(sluggish->n_requests, 1);
    unchoke(r, steady);
    srig_step(r, LOOK_NS);
    assert_int_equal(steady->n_requests, 1);
}

/* By how much it will be late nobody knows: by as long again as it is. */
static void what_is_overdue_by_half_a_second_is_asked_twice_before_it_is_late(void **state)
{
    struct srig *r = *state;
    struct srig_peer *steady = known_seed(r, 1, 64, STEADY_NS);
    struct srig_peer *slow = known_seed(r, 0, 8, SLOW_NS);
    unchoke(r, slow);
    srig_want_one(r, 0, 1, 1);
    srig_step(r, 0);
    int64_t due = r->now + 2 * SLOW_NS; /* its delay, and one block; late three times as late */
    pass_time_until(r, due - 100 * GOS__MS);
    unchoke(r, steady);
    assert_hedged_between(r, due + 450 * GOS__MS, due + 600 * GOS__MS + LOOK_NS);
}

static void a_slow_one_is_not_asked_for_what_is_due_soon(void **state)
{
    struct srig *r = *state;
    struct srig_peer *sluggish = known_seed(r, 1, 12, SLUGGISH_NS);
    struct srig_peer *slow = known_seed(r, 0, 8, SLOW_NS);
    unchoke(r, slow);
    srig_want_one(r, 0, 1, 1);
    srig_step(r, 0);
    int64_t asked = r->now;
    pass_time_until(r, asked + GOS__SECOND);
    unchoke(r, sluggish);
    /* Half a second instead of one: not worth its bytes. */
    pass_time_until(r, asked + 2900 * GOS__MS);
    assert_int_equal(srig_stats(r).hedges, 0);
    assert_int_equal(sluggish->n_requests, 0);
}

static void who_was_never_measured_is_not_asked_for_what_is_not_late(void **state)
{
    struct srig *r = *state;
    struct srig_peer *unknown = choking_seed(r, 1), *slow = known_seed(r, 0, 8, SLOW_NS);
    unchoke(r, slow);
    srig_want_one(r, 0, 4, 1); /* the last of them in five seconds */
    srig_step(r, 0);
    int64_t asked = r->now;
    unchoke(r, unknown);
    pass_time_until(r, asked + 2 * GOS__SECOND);
    assert_int_equal(unknown->n_requests, 0);
}

/* ---- it is late ---- */

static void what_is_late_is_asked_twice_after_600_ms(void **state)
{
    struct srig *r = *state;
    struct srig_peer *steady = known_seed(r, 1, 64, STEADY_NS);
    struct srig_peer *first = known_seed(r, 0, 16, 60 * GOS__MS);
    unchoke(r, first);
    srig_want_one(r, 0, 2, 1); /* due in 180 ms at most */
    srig_step(r, 0);
    int64_t asked = r->now;
    unchoke(r, steady);
    assert_hedged_between(r, asked + 590 * GOS__MS, asked + 600 * GOS__MS + LOOK_NS);
    assert_int_equal(srig_stats(r).hedges, 2);
}

/* It stops often, and for less than makes a pulse: it is no later than it usually is. */
static void who_often_stops_to_send_is_waited_for_as_long_again(void **state)
{
    struct srig *r = *state;
    struct srig_peer *steady = known_seed(r, 1, 64, STEADY_NS), *first = choking_seed(r, 0);
    unchoke(r, first);
    srig_want_one(r, 0, 40, 1);
    srig_step(r, 0);
    for (uint32_t i = 0; i < 40; i++) { /* six at once, far away */
        srig_step(r, (i % 6 ? 2 : 300) * GOS__MS);
        srig_deliver(r, first, 0, i);
    }
    srig_clear(r);
    srig_want_one(r, 1, 1, 1);
    srig_step(r, 0);
    assert_int_equal(first->n_requests, 1);
    int64_t asked = r->now;
    pass_time_until(r, asked + 200 * GOS__MS); /* due in 150 ms */
    unchoke(r, steady);
    assert_hedged_between(r, asked + 800 * GOS__MS, asked + GOS__SECOND + LOOK_NS);
}

/* ---- who is asked ---- */

static void of_two_that_can_help_the_faster_one_is_asked(void **state)
{
    struct srig *r = *state;
    struct srig_peer *steady = known_seed(r, 2, 64, STEADY_NS);
    struct srig_peer *sluggish[] = {known_seed(r, 1, 12, SLUGGISH_NS),
                                    known_seed(r, 3, 12, SLUGGISH_NS)};
    struct srig_peer *first = choking_seed(r, 0);
    unchoke(r, first);
    srig_want_one(r, 0, 1, 1);
    srig_step(r, 0);
    assert_int_equal(first->n_requests, 1);
    int64_t asked = r->now;
    unchoke(r, steady);
    unchoke(r, sluggish[0]);
    unchoke(r, sluggish[1]);
    assert_hedged_between(r, asked + 500 * GOS__MS, asked + 600 * GOS__MS + LOOK_NS);
    assert_int_equal(steady->n_requests, 1);
}

/* The fastest of the others pauses; the next one is slow, but a tenth of what the first
 * one needs is better than nothing. */
static void the_next_best_is_asked_when_the_best_is_no_help(void **state)
{
    struct srig *r = *state;
    struct srig_peer *slow = known_seed(r, 0, 8, SLOW_NS);
    struct srig_peer *sluggish = known_seed(r, 2, 12, SLUGGISH_NS), *best = pulsing_seed(r, 1);
    int64_t stopped = r->now;
    gos__sched_choke(r->s, best->p, true);
    unchoke(r, slow);
    srig_want_one(r, 0, 8, 1); /* the last of them in five seconds and more */
    srig_step(r, 0);
    assert_int_equal(slow->n_requests, 8);
    pass_time_until(r, stopped + 60 * GOS__MS);
    unchoke(r, best);
    unchoke(r, sluggish);
    srig_step(r, LOOK_NS);
    assert_int_equal(best->n_requests, 0);
    assert_true(sluggish->n_requests > 0);
}

/* It answered everything but a block of this piece: it may do so again. */
static void who_sat_on_a_piece_is_asked_for_it_last(void **state)
{
    struct srig *r = *state;
    struct srig_peer *first = known_seed(r, 0, 64, STEADY_NS);
    struct srig_peer *other = known_seed(r, 2, 12, SLUGGISH_NS);
    struct srig_peer *sitter = known_seed(r, 1, 64, STEADY_NS);
    unchoke(r, sitter);
    srig_want(r, 2, 64, 1);
    for (unsigned i = 0, done = 0; i < 60 && !srig_stats(r).lost; i++) {
        srig_step(r, 50 * GOS__MS);
        if (i == 20)
            unchoke(r, first);
        for (; done < sitter->n; done++) {
            const struct srig_message *m = &sitter->log[done];
            if (!m->cancel && (m->piece || m->block))
                srig_deliver(r, sitter, m->piece, m->block);
        }
    }
    assert_int_equal(srig_stats(r).lost, 1);
    assert_true(srig_asked(first, 0, 0));
    srig_clear(r);
    unchoke(r, other);
    pass_time_until(r, r->now + GOS__SECOND); /* the first one is silent, too */
    assert_true(srig_asked(other, 0, 0));
    assert_false(srig_asked(sitter, 0, 0));
}

/* Nobody has room for the first block but its own peer: that says nothing about the
 * second one. */
static void a_block_that_nobody_can_help_with_does_not_hide_the_next(void **state)
{
    struct srig *r = *state;
    struct srig_peer *one = choking_seed(r, 0), *other = choking_seed(r, 1);
    gos__sched_set_cap(r->s, one->p, 1, true);
    gos__sched_set_cap(r->s, other->p, 1, true);
    unchoke(r, one);
    srig_want_one(r, 0, 2, 1);
    srig_step(r, 0);
    unchoke(r, other);
    srig_step(r, 0);
    assert_true(srig_asked(one, 0, 0) && srig_asked(other, 0, 1));
    gos__sched_set_cap(r->s, one->p, 0, true);
    int64_t asked = r->now;
    assert_hedged_between(r, asked + 590 * GOS__MS, asked + 600 * GOS__MS + LOOK_NS);
    assert_true(srig_asked(one, 0, 1));
}

/* ---- much is late at once ---- */

static void what_else_is_late_is_asked_as_soon_as_the_helper_has_room(void **state)
{
    struct srig *r = *state;
    struct srig_peer *silent = known_seed(r, 0, 64, STEADY_NS), *helper = choking_seed(r, 1);
    unchoke(r, silent);
    srig_want_one(r, 0, 30, 1);
    srig_step(r, 0);
    assert_int_equal(silent->n_requests, 30);
    int64_t asked = r->now;
    pass_time_until(r, asked + 590 * GOS__MS);
    unchoke(r, helper);
    while (!srig_stats(r).hedges && r->now < asked + GOS__SECOND)
        srig_step(r, r->next - r->now);
    unsigned taste = helper->n_requests;
    assert_in_range(taste, 8, 29);
    r->now += 4 * GOS__MS;
    srig_deliver(r, helper, helper->log[0].piece, helper->log[0].block);
    srig_step(r, 2 * GOS__MS);
    assert_true(helper->n_requests > taste);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, srig_setup, srig_teardown)
    const struct CMUnitTest tests[] = {
        T(who_stops_to_send_is_helped_after_120_ms),
        T(who_is_about_to_send_again_is_waited_for),
        T(who_has_stopped_to_send_himself_is_no_help),
        T(who_has_stopped_to_send_is_not_asked_in_place_of_a_slow_one),
        T(who_was_asked_nothing_for_long_is_asked_at_once),
        T(what_another_would_have_here_much_sooner_is_asked_twice_at_once),
        T(what_is_overdue_by_half_a_second_is_asked_twice_before_it_is_late),
        T(a_slow_one_is_not_asked_for_what_is_due_soon),
        T(who_was_never_measured_is_not_asked_for_what_is_not_late),
        T(what_is_late_is_asked_twice_after_600_ms),
        T(who_often_stops_to_send_is_waited_for_as_long_again),
        T(of_two_that_can_help_the_faster_one_is_asked),
        T(the_next_best_is_asked_when_the_best_is_no_help),
        T(who_sat_on_a_piece_is_asked_for_it_last),
        T(a_block_that_nobody_can_help_with_does_not_hide_the_next),
        T(what_else_is_late_is_asked_as_soon_as_the_helper_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
