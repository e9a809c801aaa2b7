/* SPDX-License-Identifier: MIT
 *
 * What the scheduler does when nothing happens: silent peers, late blocks,
 * unanswered cancels, idle connections. */
#include "engine/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/scheduler_private.h"
#include "unit/engine/scheduler_rig.h"

/* Step whenever the scheduler said so, for `ns`. */
static void pass_time(struct srig *r, int64_t ns)
{
    int64_t end = r->now + ns;
    srig_step(r, 0);
    while (r->next <= end)
        srig_step(r, r->next - r->now);
    if (r->now < end)
        srig_step(r, end - r->now);
}

static void silent_peer_loses_its_requests_to_another(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0);
    srig_want(r, 2, 4, 0);
    srig_step(r, 0);
    assert_int_equal(a->n_requests, 8);
    struct srig_peer *b = srig_seed(r, 1);
    pass_time(r, 2990 * GOS__MS);
    assert_int_equal(b->n_requests, 0);
    pass_time(r, 10 * GOS__MS);
    assert_int_equal(b->n_requests, 8);
    assert_int_equal(a->n_cancels, 8);
    assert_int_equal(srig_stats(r).stalls, 1);
}

static void only_peer_is_asked_again_with_one_block_at_a_time(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 2, 4, 1);
    srig_step(r, 0);
    srig_clear(r);
    pass_time(r, 3 * GOS__SECOND);
    assert_int_equal(p->n_requests, 1);
    assert_true(srig_asked(p, 0, 0));
    pass_time(r, 3 * GOS__SECOND);
    assert_int_equal(p->n_requests, 2);
    /* It is back: so is its queue. */
    srig_clear(r);
    srig_deliver(r, p, 0, 0);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 7);
}

static void silent_peer_is_not_given_what_a_reader_waits_for(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0);
    srig_want(r, 1, 4, 0);
    srig_step(r, 0);
    pass_time(r, 3 * GOS__SECOND);
    struct srig_peer *b = srig_seed(r, 1);
    gos__sched_end(r->s, 0);
    srig_clear(r);
    srig_want(r, 6, 4, 3);
    pass_time(r, 2 * GOS__SECOND);
    for (unsigned i = 0; i < a->n; i++)
        assert_true(a->log[i].cancel || a->log[i].piece >= 3);
    assert_true(srig_asked(b, 0, 0));
}

static void slow_peer_is_not_taken_for_a_silent_one(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 1, 16, 1);
    srig_step(r, 0);
    for (unsigned i = 0; i < 8; i++) {
        pass_time(r, 2900 * GOS__MS);
        srig_deliver(r, p, p->log[i].piece, p->log[i].block);
    }
    for (unsigned i = 8; i < 12; i++) {
        pass_time(r, 5 * GOS__SECOND); /* within twice the time it usually takes */
        srig_deliver(r, p, p->log[i].piece, p->log[i].block);
    }
    assert_int_equal(srig_stats(r).stalls, 0);
}

/* What was called off comes when the next request is on its way already: the time
 * between the two says nothing about how far away the peer is. */
static void answer_of_what_was_called_off_does_not_shorten_the_delay(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 1, 1, 1);
    srig_step(r, 0);
    r->now += 40 * GOS__MS;
    srig_deliver(r, p, 0, 0);
    assert_int_equal(p->p->pace.latency, 40 * GOS__MS);
    assert_int_equal(gos__sched_begin(r->s, 1, 1, NULL), 0);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){1}, 1, 1), 0);
    srig_step(r, 0);
    gos__sched_end(r->s, 1);
    assert_int_equal(gos__sched_begin(r->s, 2, 1, NULL), 0);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){2}, 1, 1), 0);
    srig_step(r, 0);
    r->now += 39 * GOS__MS;
    gos__sched_received(r->s, p->p, 1, 0, SRIG_BLOCK, r->now);
    r->now += GOS__MS;
    srig_deliver(r, p, 2, 0);
    assert_int_equal(p->p->pace.latency, 40 * GOS__MS);
}

static void late_block_that_is_awaited_is_asked_twice(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0);
    srig_want(r, 2, 1, 1);
    srig_step(r, 0);
    struct srig_peer *b = srig_seed(r, 1), *c = srig_seed(r, 2);
    pass_time(r, 590 * GOS__MS);
    assert_int_equal(b->n_requests + c->n_requests, 0);
    pass_time(r, 1000 * GOS__MS);
    assert_int_equal(b->n_requests + c->n_requests, 1); /* not three owners, not piece 1 */
    assert_true(srig_asked(b, 0, 0) || srig_asked(c, 0, 0));
    assert_int_equal(srig_stats(r).hedges, 1);

    struct srig_peer *second = b->n_requests ? b : c;
    srig_deliver(r, second, 0, 0);
    srig_step(r, 0);
    assert_true(srig_cancelled(a, 0, 0));
    assert_int_equal(second->n_cancels, 0);
    assert_int_equal(gos__sched_sender(r->s, 0, 0), (uint32_t)(100 + (second == c) + 1));
}

static void late_block_is_asked_twice_although_read_ahead_remains(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0);
    srig_want(r, 1, 1, 1);
    srig_step(r, 0);
    pass_time(r, 550 * GOS__MS);
    struct srig_peer *b = srig_seed(r, 1);
    (void)a;
    srig_want(r, 20, 16, 1);
    pass_time(r, 150 * GOS__MS);
    assert_true(srig_asked(b, 0, 0));
    assert_int_equal(srig_stats(r).hedges, 1);
}

static void unanswered_cancels_are_forgotten_after_ten_seconds(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    gos__sched_set_cap(r->s, p->p, 8, true);
    srig_want(r, 2, 8, 1);
    srig_step(r, 0);
    gos__sched_end(r->s, 0);
    srig_clear(r);
    pass_time(r, 9900 * GOS__MS);
    assert_int_equal(p->n_cancels, 8);
    assert_int_equal(p->n_requests, 0);
    pass_time(r, 1100 * GOS__MS);
    assert_int_equal(p->n_requests, 8);
    assert_int_equal(srig_stats(r).stale_expired, 8);
}

static void request_that_a_busy_peer_forgot_is_asked_again(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 40, 4, 0);
    srig_step(r, 0);
    for (unsigned i = 1; i <= 30; i++) {
        srig_deliver(r, p, p->log[i].piece, p->log[i].block);
        srig_step(r, GOS__SECOND);
    }
    assert_true(srig_cancelled(p, 0, 0));
    unsigned asked = 0;
    for (unsigned i = 0; i < p->n; i++)
        asked += !p->log[i].cancel && p->log[i].piece == 0 && p->log[i].block == 0;
    assert_int_equal(asked, 2);
}

/* All that was wanted of it is there. */
static struct srig_peer *idle_peer(struct srig *r)
{
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 2, 1, 1);
    srig_step(r, 0);
    srig_deliver(r, p, 0, 0);
    srig_deliver(r, p, 1, 0);
    srig_clear(r);
    return p;
}

static void idle_peer_is_asked_for_something_each_forty_seconds(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = idle_peer(r);
    pass_time(r, 39 * GOS__SECOND);
    assert_int_equal(p->n, 0);
    pass_time(r, GOS__SECOND);
    assert_int_equal(p->n_requests, 1);
    assert_int_equal(p->flushes, 1);
    assert_int_equal(p->log[0].piece, 2); /* the first that is not begun: the store drops it */
    for (unsigned n = 1; n <= 3; n++) {
        const struct srig_message *last = &p->log[p->n - 1];
        assert_int_equal(p->n_requests, n);
        gos__sched_received(r->s, p->p, last->piece, last->block, SRIG_BLOCK, r->now);
        pass_time(r, 40 * GOS__SECOND);
    }
    assert_int_equal(srig_stats(r).keepalives, 4);
    assert_int_equal(srig_stats(r).requests, 2); /* these were wanted */
}

static void idle_peer_that_does_not_answer_even_this_is_asked_no_more(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = idle_peer(r);
    pass_time(r, 300 * GOS__SECOND);
    assert_int_equal(p->n_requests, 1);
    assert_int_equal(p->n_cancels, 1); /* or the same block could be asked for while it is owed */
    /* Something comes from it after all. */
    gos__sched_received(r->s, p->p, 7, 0, SRIG_BLOCK, r->now);
    pass_time(r, 40 * GOS__SECOND);
    assert_int_equal(p->n_requests, 2);
}

/* A reader waits for a piece of one block. */
static void want_block(struct srig *r, uint32_t piece)
{
    assert_int_equal(gos__sched_begin(r->s, piece, 1, NULL), 0);
    assert_int_equal(gos__sched_order(r->s, &piece, 1, 1), 0);
}

static void what_was_asked_to_keep_a_peer_is_called_off_when_it_is_wanted(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = idle_peer(r);
    pass_time(r, 40 * GOS__SECOND);
    assert_true(srig_asked(p, 2, 0));
    want_block(r, 2);
    srig_step(r, GOS__SECOND); /* it is owed still */
    assert_int_equal(p->n, 3);
    assert_true(p->log[1].cancel);
    assert_int_equal(p->log[1].piece, 2);
    assert_false(p->log[2].cancel);
    assert_int_equal(p->log[2].piece, 2);
    /* Once: what is called off next is the other request. */
    gos__sched_end(r->s, 2);
    want_block(r, 2);
    srig_step(r, GOS__SECOND);
    assert_int_equal(p->n_cancels, 2);
    assert_int_equal(p->n_requests, 3);
}

/* A slow peer owes the same block already, to a request that was called off. */
static void what_was_asked_to_keep_a_peer_is_called_off_beside_an_older_request(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    assert_int_equal(gos__sched_begin(r->s, 50, 20, NULL), 0);
    assert_int_equal(gos__sched_begin(r->s, 0, 1, NULL), 0);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){50}, 1, 1), 0);
    srig_step(r, 0);
    for (uint32_t i = 0; i < 6; i++) { /* a block a second */
        pass_time(r, GOS__SECOND);
        srig_deliver(r, p, 50, i);
    }
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){50, 0}, 2, 2), 0);
    srig_step(r, 0);
    assert_true(srig_asked(p, 0, 0));
    for (uint32_t i = 6; i < 20; i++) {
        pass_time(r, 2400 * GOS__MS);
        srig_deliver(r, p, 50, i);
    }
    gos__sched_end(r->s, 0); /* after 33.6 s: a cancel is remembered for 10 s */
    srig_clear(r);
    pass_time(r, 6500 * GOS__MS);
    assert_int_equal(p->n_cancels, 1);
    assert_int_equal(p->n_requests, 1); /* after 40 s, to keep it */
    assert_true(srig_asked(p, 0, 0));
    want_block(r, 0);
    srig_step(r, GOS__SECOND);
    assert_int_equal(p->n_requests, 2);
    assert_int_equal(p->n_cancels, 2);
    assert_false(p->log[p->n - 1].cancel);
}

/* Without the fast extension the choke is all the answer there is. */
static void peer_that_choked_instead_of_answering_is_kept_when_it_unchokes(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = idle_peer(r);
    gos__sched_set_cap(r->s, p->p, 0, false);
    pass_time(r, 40 * GOS__SECOND);
    assert_int_equal(p->n_requests, 1);
    gos__sched_choke(r->s, p->p, true);
    pass_time(r, 10 * GOS__SECOND);
    gos__sched_choke(r->s, p->p, false);
    pass_time(r, 41 * GOS__SECOND);
    assert_int_equal(p->n_requests, 2);
}

static void idle_peer_whose_pieces_are_all_begun_is_asked_for_a_stored_block(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_join(r, 0);
    p->has[1] = true;
    gos__sched_have(r->s, p->p, -1);
    gos__sched_choke(r->s, p->p, false);
    srig_want(r, 2, 2, 1);
    srig_step(r, 0);
    srig_deliver(r, p, 1, 0);
    srig_deliver(r, p, 1, 1);
    srig_clear(r);
    pass_time(r, 41 * GOS__SECOND);
    assert_true(srig_asked(p, 1, 0));
}

static void peer_without_a_piece_does_not_keep_us_busy(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_join(r, 0);
    gos__sched_choke(r->s, p->p, false);
    srig_want(r, 2, 2, 1);
    unsigned steps = 0;
    int64_t end = r->now + 100 * GOS__SECOND;
    srig_step(r, 0);
    while (r->next <= end) {
        srig_step(r, r->next - r->now);
        steps++;
    }
    assert_true(steps < 30);
    assert_int_equal(p->n, 0);
}

static void keep_alive_says_nothing_about_the_rate(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 40, 32, 1);
    for (int i = 0; i < 10; i++) {
        srig_clear(r);
        srig_step(r, 0);
        srig_deliver_all(r, p, 100 * GOS__MS);
    }
    srig_step(r, 0);
    unsigned depth = p->n_requests;
    assert_int_equal(gos__sched_order(r->s, NULL, 0, 0), 0);
    srig_deliver_all(r, p, 100 * GOS__MS);
    pass_time(r, 41 * GOS__SECOND);
    assert_int_equal(p->n_requests, 1);
    gos__sched_received(r->s, p->p, p->log[0].piece, 0, SRIG_BLOCK, r->now);
    uint32_t order[20];
    for (uint32_t i = 0; i < 20; i++)
        order[i] = 20 + i;
    assert_int_equal(gos__sched_order(r->s, order, 20, 1), 0);
    srig_clear(r);
    srig_step(r, 0);
    assert_true(p->n_requests + 4 >= depth);
}

static void restarted_piece_goes_to_others_when_its_peer_is_silent(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0), *b = srig_seed(r, 1);
    srig_want(r, 1, 4, 1);
    gos__sched_restart(r->s, 0, NULL, 101);
    pass_time(r, 2 * GOS__SECOND);
    assert_int_equal(a->n_requests, 0); /* nor as a second one */
    assert_int_equal(b->n_requests, 4);
    pass_time(r, GOS__SECOND);
    assert_int_equal(a->n_requests, 4);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, srig_setup, srig_teardown)
    const struct CMUnitTest tests[] = {
        T(silent_peer_loses_its_requests_to_another),
        T(only_peer_is_asked_again_with_one_block_at_a_time),
        T(silent_peer_is_not_given_what_a_reader_waits_for),
        T(slow_peer_is_not_taken_for_a_silent_one),
        T(answer_of_what_was_called_off_does_not_shorten_the_delay),
        T(late_block_that_is_awaited_is_asked_twice),
        T(late_block_is_asked_twice_although_read_ahead_remains),
        T(unanswered_cancels_are_forgotten_after_ten_seconds),
        T(request_that_a_busy_peer_forgot_is_asked_again),
        T(idle_peer_is_asked_for_something_each_forty_seconds),
        T(idle_peer_that_does_not_answer_even_this_is_asked_no_more),
        T(what_was_asked_to_keep_a_peer_is_called_off_when_it_is_wanted),
        T(what_was_asked_to_keep_a_peer_is_called_off_beside_an_older_request),
        T(peer_that_choked_instead_of_answering_is_kept_when_it_unchokes),
        T(idle_peer_whose_pieces_are_all_begun_is_asked_for_a_stored_block),
        T(peer_without_a_piece_does_not_keep_us_busy),
        T(keep_alive_says_nothing_about_the_rate),
        T(restarted_piece_goes_to_others_when_its_peer_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
