/* SPDX-License-Identifier: MIT
 *
 * Who gets a block, where several could: the slow, those that send in pulses, and
 * a limit for all of them together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/engine/scheduler_rig.h"

#define KIB UINT64_C(1024)
#define FAST_NS (3 * GOS__MS)       /* from block to block: 5 MiB/s */
#define SLOW_NS GOS__SECOND         /* 16 KiB/s */
#define SLUGGISH_NS (250 * GOS__MS) /* 64 KiB/s */
#define STEADY_NS (6 * GOS__MS)

/* Both have everything, and still choke us. */
static void measure_two(struct srig *r, int64_t first_ns, int64_t second_ns)
{
    struct srig_peer *a = srig_seed(r, 0), *b = srig_seed(r, 1);
    gos__sched_choke(r->s, a->p, true);
    gos__sched_choke(r->s, b->p, true);
    srig_measure(r, a, 50, 128, first_ns);
    srig_measure(r, b, 51, second_ns == FAST_NS ? 128 : 12, second_ns);
    srig_clear(r);
}

static void let_them_send(struct srig *r)
{
    gos__sched_choke(r->s, r->peer[0].p, false);
    gos__sched_choke(r->s, r->peer[1].p, false);
}

/* ---- slow peers ---- */

static void what_a_reader_waits_for_is_not_given_to_a_slow_peer_beside_a_fast_one(void **state)
{
    struct srig *r = *state;
    measure_two(r, FAST_NS, SLOW_NS);
    let_them_send(r);
    srig_want_one(r, 0, 250, 1); /* more than the fast one has room for */
    srig_step(r, 0);
    assert_in_range(r->peer[0].n_requests, 80, 249);
    assert_int_equal(r->peer[1].n_requests, 0);
}

static void what_no_reader_waits_for_is_given_to_a_slow_peer_too(void **state)
{
    struct srig *r = *state;
    measure_two(r, FAST_NS, SLOW_NS);
    let_them_send(r);
    srig_want_one(r, 0, 250, 0);
    srig_step(r, 0);
    assert_in_range(r->peer[0].n_requests, 60, 249);
    assert_true(r->peer[1].n_requests > 0);
}

static void a_slow_peer_is_asked_where_the_fast_one_is_gone_or_has_it_not(void **state)
{
    struct srig *r = *state;
    measure_two(r, FAST_NS, SLOW_NS);
    let_them_send(r);
    r->peer[0].has[0] = false;
    gos__sched_have(r->s, r->peer[0].p, -1);
    srig_want_one(r, 0, 4, 1);
    srig_step(r, 0);
    assert_int_equal(r->peer[0].n_requests, 0);
    assert_int_equal(r->peer[1].n_requests, 4);
    gos__sched_end(r->s, 0);
    srig_clear(r);
    srig_want_one(r, 1, 4, 1);
    gos__sched_choke(r->s, r->peer[0].p, true);
    srig_step(r, 0);
    assert_int_equal(r->peer[1].n_requests, 4);
}

static void peers_that_are_about_as_fast_share_what_a_reader_waits_for(void **state)
{
    struct srig *r = *state;
    measure_two(r, FAST_NS, FAST_NS);
    let_them_send(r);
    srig_want_one(r, 0, 64, 1);
    srig_step(r, 0);
    assert_true(r->peer[0].n_requests >= 16);
    assert_true(r->peer[1].n_requests >= 16);
    assert_int_equal(r->peer[0].n_requests + r->peer[1].n_requests, 64);
}

/* Its queue may last a quarter longer: else it would stand still while the other is full. */
static void a_peer_that_is_a_little_slower_is_not_left_out(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0), *b = srig_seed(r, 1);
    gos__sched_choke(r->s, a->p, true);
    gos__sched_choke(r->s, b->p, true);
    srig_measure(r, a, 50, 128, FAST_NS);
    srig_measure(r, b, 51, 64, STEADY_NS);
    let_them_send(r);
    srig_want_one(r, 0, 250, 1);
    srig_step(r, 0);
    assert_true(b->n_requests * STEADY_NS > a->n_requests * FAST_NS + STEADY_NS);
}

/* The last of its queue would come after two seconds. */
static void a_block_in_the_queue_of_a_slow_peer_is_asked_twice_before_it_is_late(void **state)
{
    struct srig *r = *state;
    measure_two(r, FAST_NS, SLUGGISH_NS);
    gos__sched_choke(r->s, r->peer[1].p, false);
    srig_want_one(r, 0, 8, 1);
    srig_step(r, 0);
    assert_int_equal(r->peer[1].n_requests, 8);
    gos__sched_choke(r->s, r->peer[0].p, false);
    srig_step(r, 330 * GOS__MS);
    assert_true(srig_asked(&r->peer[0], 0, 7));
    assert_false(srig_asked(&r->peer[0], 0, 0)); /* that one is due */
    assert_int_equal(srig_stats(r).hedges, r->peer[0].n_requests);
}

/* ---- peers that send in pulses ---- */

/* The first peer sends in pulses, and has been silent for 400 ms then. The
 * other sent `n` blocks, one each `gap`, and chokes us. */
static struct srig_peer *meet_pulsing_beside(struct srig *r, uint32_t n, int64_t gap)
{
    struct srig_peer *pulsing = srig_seed(r, 0), *other = srig_seed(r, 1);
    gos__sched_choke(r->s, pulsing->p, true);
    gos__sched_choke(r->s, other->p, true);
    srig_measure(r, other, 50, n, gap);
    srig_pulses(r, pulsing);
    srig_step(r, 400 * GOS__MS);
    return other;
}

static void nobody_waits_for_the_next_pulse_of_a_peer_where_another_sends(void **state)
{
    struct srig *r = *state;
    struct srig_peer *steady = meet_pulsing_beside(r, 64, STEADY_NS);
    struct srig_peer *pulsing = &r->peer[0];
    gos__sched_choke(r->s, steady->p, false);
    srig_want_one(r, 0, 4, 1); /* it has been silent for 400 ms */
    srig_step(r, 0);
    assert_int_equal(steady->n_requests, 4);
    assert_int_equal(pulsing->n_requests, 0);
}

static void what_waits_is_never_left_to_a_peer_between_pulses_that_has_its_taste(void **state)
{
    struct srig *r = *state;
    /* Much slower than the other, when that one sends. */
    struct srig_peer *steady = meet_pulsing_beside(r, 64, 16 * GOS__MS);
    struct srig_peer *pulsing = &r->peer[0];
    gos__sched_choke(r->s, steady->p, false);
    srig_want_one(r, 0, 8, 1);
    srig_step(r, 0);
    assert_int_equal(steady->n_requests + pulsing->n_requests, 8);
}

/* Each of its blocks takes a second, the pause of the other half of one. */
static void a_slow_peer_gets_little_while_the_fast_one_is_between_pulses(void **state)
{
    struct srig *r = *state;
    struct srig_peer *slow = meet_pulsing_beside(r, 8, GOS__SECOND);
    struct srig_peer *pulsing = &r->peer[0];
    gos__sched_choke(r->s, slow->p, false);
    srig_want_one(r, 0, 32, 1);
    srig_step(r, 0);
    assert_int_equal(pulsing->n_requests, 1); /* its taste */
    assert_in_range(slow->n_requests, 0, 2);
    /* The rest is nobody's until the pulse begins, and then the fast one's. */
    srig_deliver(r, pulsing, pulsing->log[pulsing->n - 1].piece,
                 pulsing->log[pulsing->n - 1].block);
    srig_step(r, 0);
    assert_true(pulsing->n_requests > 2);
    assert_in_range(slow->n_requests, 0, 2);
}

/* It takes one request, and owes the answer to one that was called off: nothing can
 * be left to it, since nothing of it will come. */
static void nothing_is_left_to_a_peer_that_may_not_be_asked(void **state)
{
    struct srig *r = *state;
    measure_two(r, FAST_NS, STEADY_NS);
    struct srig_peer *one = &r->peer[0], *other = &r->peer[1];
    gos__sched_set_cap(r->s, one->p, 1, true);
    gos__sched_choke(r->s, one->p, false);
    srig_want_one(r, 0, 1, 1);
    srig_step(r, 0);
    assert_int_equal(one->n_requests, 1);
    gos__sched_end(r->s, 0);
    gos__sched_choke(r->s, other->p, false);
    srig_clear(r);
    srig_want_one(r, 1, 4, 1);
    srig_step(r, 0);
    assert_int_equal(one->n_requests, 0);
    assert_int_equal(other->n_requests, 4);
}

/* What it is asked lies in its socket by then: after the next jump it would come first. */
static void after_a_jump_a_peer_between_pulses_is_asked_for_one_block(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    gos__sched_choke(r->s, p->p, true);
    srig_pulses(r, p);
    srig_step(r, 400 * GOS__MS);
    srig_want_one(r, 0, 16, 1);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 1);
    r->now += 20 * GOS__MS;
    srig_deliver(r, p, 0, 0); /* it sends: more */
    srig_step(r, 0);
    assert_true(p->n_requests > 2);
}

/* Who reads on will need all of it: its queue is full when the pulse begins. */
static void read_ahead_does_not_come_before_what_waits_at_a_peer_with_pulses(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    gos__sched_choke(r->s, p->p, true);
    srig_pulses(r, p);
    srig_step(r, 400 * GOS__MS);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(gos__sched_begin(r->s, i, 16, NULL), 0);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){0, 1, 2, 3}, 4, 1), 0);
    srig_step(r, 0);
    assert_true(p->n_requests > 16);
    for (uint32_t i = 0; i < 16; i++)
        assert_true(srig_asked(p, 0, i));
}

/* ---- a limit for all peers ---- */

/* Two seeds, four pieces of 16 blocks, one of them awaited. */
static void ask_two_under(struct srig *r, uint64_t limit)
{
    srig_seed(r, 0);
    srig_seed(r, 1);
    gos__sched_set_limit(r->s, limit);
    srig_want(r, 4, 16, 1);
    srig_step(r, 0);
}

static unsigned asked(const struct srig *r)
{
    return r->peer[0].n_requests + r->peer[1].n_requests;
}

static void no_more_is_asked_than_the_limit_lets_through_in_a_second(void **state)
{
    struct srig *r = *state;
    ask_two_under(r, 160 * KIB);
    assert_int_equal(asked(r), 9); /* the tenth would come at the end of it */
    srig_deliver(r, &r->peer[0], r->peer[0].log[0].piece, r->peer[0].log[0].block);
    srig_step(r, 0);
    assert_int_equal(asked(r), 10);
}

static void a_few_are_asked_for_under_the_lowest_limit(void **state)
{
    struct srig *r = *state;
    ask_two_under(r, 1);
    assert_int_equal(asked(r), 4);
}

static void the_limit_can_be_lifted(void **state)
{
    struct srig *r = *state;
    ask_two_under(r, 16 * KIB);
    gos__sched_set_limit(r->s, 0);
    srig_step(r, 0);
    assert_int_equal(asked(r), 16); /* what two unknown peers hold */
}

/* Four blocks take four seconds then, and nobody is to blame. */
static void who_is_held_back_by_the_limit_is_not_taken_for_silent(void **state)
{
    struct srig *r = *state;
    ask_two_under(r, 16 * KIB);
    for (int i = 0; i < 10; i++)
        srig_step(r, GOS__SECOND);
    assert_int_equal(srig_stats(r).stalls, 0);
    for (int i = 0; i < 10; i++)
        srig_step(r, GOS__SECOND);
    assert_true(srig_stats(r).stalls > 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, srig_setup, srig_teardown)
    const struct CMUnitTest tests[] = {
        T(what_a_reader_waits_for_is_not_given_to_a_slow_peer_beside_a_fast_one),
        T(what_no_reader_waits_for_is_given_to_a_slow_peer_too),
        T(a_slow_peer_is_asked_where_the_fast_one_is_gone_or_has_it_not),
        T(peers_that_are_about_as_fast_share_what_a_reader_waits_for),
        T(a_peer_that_is_a_little_slower_is_not_left_out),
        T(a_block_in_the_queue_of_a_slow_peer_is_asked_twice_before_it_is_late),
        T(nobody_waits_for_the_next_pulse_of_a_peer_where_another_sends),
        T(a_slow_peer_gets_little_while_the_fast_one_is_between_pulses),
        T(nothing_is_left_to_a_peer_that_may_not_be_asked),
        T(what_waits_is_never_left_to_a_peer_between_pulses_that_has_its_taste),
        T(after_a_jump_a_peer_between_pulses_is_asked_for_one_block),
        T(read_ahead_does_not_come_before_what_waits_at_a_peer_with_pulses),
        T(no_more_is_asked_than_the_limit_lets_through_in_a_second),
        T(a_few_are_asked_for_under_the_lowest_limit),
        T(the_limit_can_be_lifted),
        T(who_is_held_back_by_the_limit_is_not_taken_for_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
