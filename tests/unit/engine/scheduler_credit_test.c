/* SPDX-License-Identifier: MIT
 *
 * What asking twice may cost: a block that comes twice is paid for with blocks that
 * came once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/engine/scheduler_rig.h"

#define STEADY_NS (12 * GOS__MS)
#define SLOW_NS (60 * GOS__MS)
#define FAST_NS (5 * GOS__MS)    /* twelve times as fast as the slow one */
#define BLOCKS 2                 /* of a piece */
#define SOON_NS (750 * GOS__MS)  /* asked twice before that: late by what was expected */
#define LATE_NS (1050 * GOS__MS) /* ... after that: late by half a second more */

struct two {
    struct srig_peer *slow, *steady;
    int64_t gap;    /* of the steady one, from block to block */
    uint32_t piece; /* the next one */
};

static struct srig_peer *known_seed(struct srig *r, unsigned i, uint32_t n, int64_t gap)
{
    struct srig_peer *p = srig_seed(r, i);
    gos__sched_choke(r->s, p->p, true);
    srig_measure(r, p, 50 + i, n, gap);
    return p;
}

static struct two two_peers(struct srig *r)
{
    struct two t = {.gap = STEADY_NS, .piece = 1};
    t.steady = known_seed(r, 1, 64, t.gap);
    t.slow = known_seed(r, 0, 16, SLOW_NS);
    return t;
}

/* A piece is asked from the slow one, then the other one may be asked, too. Returns after
 * how long he is, and has all of it then. */
static int64_t asked_twice_after(struct srig *r, struct two *t)
{
    uint64_t before = srig_stats(r).hedges;
    gos__sched_choke(r->s, t->slow->p, false);
    srig_want_one(r, t->piece, BLOCKS, 1);
    srig_step(r, 0);
    assert_int_equal(t->slow->n_requests, BLOCKS);
    int64_t asked = r->now;
    gos__sched_choke(r->s, t->steady->p, false);
    while (srig_stats(r).hedges < before + BLOCKS && r->now < asked + 4 * GOS__SECOND)
        srig_step(r, r->next - r->now);
    assert_int_equal(srig_stats(r).hedges, before + BLOCKS);
    int64_t after = r->now - asked;
    for (uint32_t i = 0; i < BLOCKS; i++)
        srig_deliver(r, t->steady, t->piece, i);
    srig_step(r, 0);
    return after;
}

/* It has answered before it was told that it need not. */
static void answer_as_well(struct srig *r, struct two *t)
{
    for (uint32_t i = 0; i < BLOCKS; i++)
        srig_deliver(r, t->slow, t->piece, i);
}

static void next_piece(struct srig *r, struct two *t)
{
    /* Others in their places, who were never late and never sent two blocks at once. */
    gos__sched_leave(r->s, t->steady->p);
    gos__sched_leave(r->s, t->slow->p);
    t->steady = known_seed(r, 1, 64, t->gap);
    t->slow = known_seed(r, 0, 16, SLOW_NS);
    t->piece++;
}

/* Until that is no longer done at the usual moment. */
static void use_up(struct srig *r, struct two *t)
{
    int64_t after = 0;
    for (unsigned i = 0; i < 8 && after < LATE_NS; i++) {
        after = asked_twice_after(r, t);
        answer_as_well(r, t);
        next_piece(r, t);
        assert_true(after < SOON_NS || i >= 8 / BLOCKS); /* eight may come twice in any case */
    }
    assert_true(after > LATE_NS);
}

static void send_on(struct srig *r, const struct two *t, unsigned blocks)
{
    for (unsigned i = 0; i < blocks / 64; i++)
        srig_measure(r, t->steady, 51, 64, STEADY_NS);
}

static void who_came_twice_too_often_is_waited_for_longer(void **state)
{
    struct srig *r = *state;
    struct two t = two_peers(r);
    use_up(r, &t);
    assert_true(asked_twice_after(r, &t) > LATE_NS);
}

static void who_is_far_faster_is_asked_all_the_same(void **state)
{
    struct srig *r = *state;
    struct two t = two_peers(r);
    use_up(r, &t);
    t.gap = FAST_NS;
    next_piece(r, &t);
    assert_true(asked_twice_after(r, &t) < SOON_NS);
}

static void blocks_that_come_once_pay_for_it(void **state)
{
    struct srig *r = *state;
    struct two t = two_peers(r);
    use_up(r, &t);
    send_on(r, &t, 512);
    next_piece(r, &t);
    assert_true(asked_twice_after(r, &t) < SOON_NS);
}

static void who_sent_much_may_not_come_twice_without_end(void **state)
{
    struct srig *r = *state;
    struct two t = two_peers(r);
    send_on(r, &t, 6400);
    next_piece(r, &t);
    use_up(r, &t);
}

static void who_came_twice_for_long_is_forgiven(void **state)
{
    struct srig *r = *state;
    struct two t = two_peers(r);
    for (unsigned i = 0; i < 30; i++) {
        asked_twice_after(r, &t);
        answer_as_well(r, &t);
        next_piece(r, &t);
    }
    send_on(r, &t, 1280);
    next_piece(r, &t);
    assert_true(asked_twice_after(r, &t) < SOON_NS);
}

/* It was told in time, or never meant to answer. */
static void who_does_not_answer_as_well_costs_nothing(void **state)
{
    struct srig *r = *state;
    struct two t = two_peers(r);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(asked_twice_after(r, &t) < SOON_NS);
        next_piece(r, &t);
    }
}

/* What is called off because nobody wants it any more says nothing about asking twice. */
static void what_was_called_off_for_a_jump_costs_nothing(void **state)
{
    struct srig *r = *state;
    struct two t = two_peers(r);
    for (unsigned i = 0; i < 10; i++) {
        gos__sched_choke(r->s, t.slow->p, false);
        srig_want_one(r, t.piece, BLOCKS, 1);
        srig_step(r, 0);
        assert_int_equal(t.slow->n_requests, BLOCKS);
        gos__sched_end(r->s, t.piece);
        srig_step(r, 0);
        answer_as_well(r, &t);
        next_piece(r, &t);
    }
    assert_true(asked_twice_after(r, &t) < SOON_NS);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, srig_setup, srig_teardown)
    const struct CMUnitTest tests[] = {
        T(who_came_twice_too_often_is_waited_for_longer),
        T(who_is_far_faster_is_asked_all_the_same),
        T(blocks_that_come_once_pay_for_it),
        T(who_sent_much_may_not_come_twice_without_end),
        T(who_came_twice_for_long_is_forgiven),
        T(who_does_not_answer_as_well_costs_nothing),
        T(what_was_called_off_for_a_jump_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
