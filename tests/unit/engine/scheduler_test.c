/* SPDX-License-Identifier: MIT
 *
 * What is asked from whom, and what events change about it. */
#include "engine/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "unit/engine/scheduler_rig.h"

/* ---- what is asked ---- */

static void blocks_are_asked_in_the_order_given(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 10, 4, 1);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){7, 3, 5}, 3, 1), 0);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 8);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(p->log[i].piece, i < 4 ? 7 : 3);
        assert_int_equal(p->log[i].block, i % 4);
    }
    assert_int_equal(p->flushes, 1);
}

static void nothing_is_asked_while_choked(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    gos__sched_choke(r->s, p->p, true);
    srig_want(r, 1, 4, 1);
    srig_step(r, 0);
    assert_int_equal(p->n, 0);
    gos__sched_choke(r->s, p->p, false);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 4);
}

static void only_pieces_that_the_peer_has_are_asked(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_join(r, 0);
    gos__sched_choke(r->s, p->p, false);
    srig_want(r, 4, 2, 4);
    srig_step(r, 0);
    assert_int_equal(p->n, 0);
    p->has[2] = true;
    gos__sched_have(r->s, p->p, -1);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 2);
    assert_true(srig_asked(p, 2, 0) && srig_asked(p, 2, 1));
}

static void padding_is_never_asked(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    assert_int_equal(gos__sched_begin(r->s, 0, 4, (uint8_t[]){0, 1, 0, 1}), 0);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){0}, 1, 1), 0);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 2);
    assert_true(srig_asked(p, 0, 0) && srig_asked(p, 0, 2));
    assert_true(gos__sched_sender(r->s, 0, 1) == GOS__SCHED_NOBODY);
}

static void piece_in_the_order_that_begins_later_takes_its_place(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){4, 9}, 2, 1), 0);
    assert_int_equal(gos__sched_begin(r->s, 9, 1, NULL), 0);
    assert_int_equal(gos__sched_begin(r->s, 4, 1, NULL), 0);
    srig_step(r, 0);
    assert_int_equal(p->log[0].piece, 4);
    assert_int_equal(p->log[1].piece, 9);
}

static void piece_listed_twice_is_asked_once(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 2, 2, 0);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){1, 1, 0, 1}, 4, 2), 0);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 4);
    gos__sched_end(r->s, 1);
    srig_step(r, 0);
    assert_int_equal(p->n_cancels, 2);
}

static void what_leaves_the_order_is_called_off_but_may_arrive(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 3, 2, 1);
    srig_step(r, 0);
    srig_clear(r);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){1}, 1, 1), 0);
    srig_step(r, 0);
    assert_int_equal(p->n_cancels, 4);
    assert_int_equal(p->n_requests, 0); /* of piece 1 everything is asked already */
    assert_false(srig_cancelled(p, 1, 0));
    srig_deliver(r, p, 0, 0); /* was on its way */
    assert_int_equal(gos__sched_sender(r->s, 0, 0), 100);
    srig_clear(r);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){0, 1}, 2, 1), 0);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 1);
    assert_true(srig_asked(p, 0, 1));
}

static void a_jump_asks_for_its_first_block_in_the_same_pass(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 20, 64, 0);
    for (int i = 0; i < 4; i++) {
        srig_step(r, 0);
        srig_deliver_all(r, p, 200 * GOS__MS);
    }
    srig_step(r, 0);
    srig_clear(r);
    assert_int_equal(gos__sched_begin(r->s, 40, 64, NULL), 0);
    assert_int_equal(gos__sched_order(r->s, (uint32_t[]){40}, 1, 1), 0);
    srig_step(r, 0);
    assert_true(p->n_cancels > 0);
    assert_true(srig_asked(p, 40, 0));
    assert_int_equal(p->flushes, 1); /* cancels and requests in one write */
}

static void block_goes_to_the_peer_that_should_deliver_it_first(void **state)
{
    struct srig *r = *state;
    struct srig_peer *fast = srig_seed(r, 0), *slow = srig_seed(r, 1);
    srig_want(r, 64, 64, 1);
    for (int i = 0; i < 10; i++) {
        srig_step(r, 0);
        srig_deliver_all(r, fast, 150 * GOS__MS);
        if (slow->n_requests)
            srig_deliver(r, slow, slow->log[i].piece, slow->log[i].block);
    }
    srig_step(r, 0);
    assert_true(fast->n_requests > 3 * slow->n_requests);
    assert_int_equal(gos__sched_pick(r->s, 0, NULL, 0), 100);
    assert_int_equal(gos__sched_pick(r->s, 0, (uint32_t[]){100}, 1), 101);
    assert_true(gos__sched_pick(r->s, 0, (uint32_t[]){100, 101}, 2) == GOS__SCHED_NOBODY);
}

static void peer_is_told_once_that_it_has_what_we_want(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_join(r, 0);
    srig_want(r, 4, 2, 4);
    srig_step(r, 0);
    assert_int_equal(p->interested, 0);
    p->has[3] = true;
    gos__sched_have(r->s, p->p, -1);
    srig_step(r, 0);
    srig_step(r, 0);
    assert_int_equal(p->interested, 1);
}

/* ---- the depth of a queue ---- */

static void queue_grows_with_the_rate_and_stops_at_the_cap(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 64, 256, 1);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 8);
    srig_deliver_all(r, p, 40 * GOS__MS);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 16);
    /* 100 MB/s: far over the cap */
    for (int i = 0; i < 20; i++) {
        srig_deliver_all(r, p, p->n * 160 * GOS__MS / 1000);
        srig_step(r, 0);
        assert_true(p->n_requests <= GOS__SCHED_MAX_QUEUE);
    }
    assert_int_equal(p->n_requests, GOS__SCHED_MAX_QUEUE);
    /* 1 MB/s: 18 for 0.3 s, and 8 */
    for (int i = 0; i < 4; i++) {
        srig_deliver_all(r, p, p->n * 16384 * GOS__MS / 1000);
        srig_step(r, 0);
    }
    assert_in_range(p->n_requests, 20, 40);
}

static void small_queue_of_a_peer_is_respected(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    gos__sched_set_cap(r->s, p->p, 5, true);
    srig_want(r, 4, 16, 1);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 5);
}

static void cancelled_requests_fill_the_peers_queue_until_answered(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    gos__sched_set_cap(r->s, p->p, 8, true);
    srig_want(r, 2, 16, 1);
    srig_step(r, 0);
    gos__sched_end(r->s, 0);
    srig_clear(r);
    srig_step(r, 0);
    assert_int_equal(p->n_cancels, 8);
    assert_int_equal(p->n_requests, 0);
    assert_int_equal(p->flushes, 1);
    gos__sched_reject(r->s, p->p, 0, 0);
    gos__sched_received(r->s, p->p, 0, 1, SRIG_BLOCK, r->now);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 2);
}

/* ---- what becomes of requests ---- */

static void block_that_was_not_stored_is_asked_again(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 1, 2, 1);
    srig_step(r, 0);
    srig_clear(r);
    gos__sched_received(r->s, p->p, 0, 0, SRIG_BLOCK, r->now);
    assert_null(gos__sched_check(r->s));
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 1);
    assert_true(srig_asked(p, 0, 0));
}

static void stored_block_is_not_asked_again_and_its_sender_is_known(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 1, 2, 1);
    srig_step(r, 0);
    srig_clear(r);
    srig_deliver(r, p, 0, 1);
    srig_step(r, 0);
    assert_int_equal(p->n, 0);
    assert_int_equal(gos__sched_sender(r->s, 0, 1), 100);
    assert_true(gos__sched_sender(r->s, 0, 0) == GOS__SCHED_NOBODY);
    assert_true(gos__sched_sender(r->s, 5, 0) == GOS__SCHED_NOBODY);
    /* A second copy from elsewhere changes nothing. */
    struct srig_peer *q = srig_seed(r, 1);
    gos__sched_received(r->s, q->p, 0, 1, SRIG_BLOCK, r->now);
    srig_step(r, 0);
    assert_int_equal(gos__sched_sender(r->s, 0, 1), 100);
}

static void requests_of_a_peer_that_left_go_to_another(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0), *b = srig_seed(r, 1);
    srig_want(r, 1, 8, 1);
    srig_step(r, 0);
    assert_int_equal(a->n_requests + b->n_requests, 8);
    gos__sched_leave(r->s, a->p);
    srig_step(r, 0);
    assert_int_equal(b->n_requests, 8);
}

static void choke_frees_the_requests(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0);
    srig_want(r, 1, 4, 1);
    srig_step(r, 0);
    struct srig_peer *b = srig_seed(r, 1);
    gos__sched_choke(r->s, a->p, true);
    srig_step(r, 0);
    assert_int_equal(b->n_requests, 4);
    /* What it still sends is welcome, and spares the other the work. */
    srig_deliver(r, a, 0, 2);
    srig_step(r, 0);
    assert_true(srig_cancelled(b, 0, 2));
    assert_int_equal(gos__sched_sender(r->s, 0, 2), 100);
}

static void choke_without_the_fast_extension_empties_the_queue(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    gos__sched_set_cap(r->s, p->p, 4, false);
    srig_want(r, 1, 4, 1);
    srig_step(r, 0);
    gos__sched_choke(r->s, p->p, true);
    gos__sched_choke(r->s, p->p, false);
    srig_clear(r);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 4);
}

static void rejected_block_is_asked_elsewhere_at_once(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0);
    srig_want(r, 1, 1, 1);
    srig_step(r, 0);
    struct srig_peer *b = srig_seed(r, 1);
    gos__sched_reject(r->s, a->p, 0, 0);
    srig_step(r, 0);
    assert_int_equal(b->n_requests, 1);
    assert_int_equal(srig_stats(r).rejects, 1);
}

static void peer_that_rejects_all_is_asked_ever_more_seldom(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 1, 1, 1);
    int64_t end = r->now + 10 * GOS__SECOND;
    srig_step(r, 0);
    while (r->now < end) {
        if (p->n_requests)
            gos__sched_reject(r->s, p->p, 0, 0);
        srig_clear(r);
        srig_step(r, GOS__MS);
    }
    assert_in_range(srig_stats(r).requests, 5, 12);
}

static void ended_piece_is_cancelled(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 2, 4, 1);
    srig_step(r, 0);
    srig_clear(r);
    gos__sched_end(r->s, 0);
    gos__sched_end(r->s, 17);
    srig_step(r, 0);
    assert_int_equal(p->n_cancels, 4);
    assert_int_equal(p->flushes, 1);
    assert_int_equal(gos__sched_begin(r->s, 0, 4, NULL), 0);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 4);
    srig_deliver(r, p, 0, 0);
    srig_step(r, 0);
    assert_int_equal(gos__sched_sender(r->s, 0, 0), 100);
}

static void first_of_two_answers_is_enough(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    srig_want(r, 1, 1, 1);
    srig_step(r, 0);
    gos__sched_end(r->s, 0);
    srig_want(r, 1, 1, 1);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 2);
    srig_deliver(r, p, 0, 0); /* it had left before the cancel came */
    srig_clear(r);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 0);
    assert_int_equal(p->n_cancels, 1);
}

/* ---- after a failed hash ---- */

static void restarted_piece_is_asked_from_one_peer_only(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0), *b = srig_seed(r, 1);
    srig_want(r, 1, 8, 1);
    srig_step(r, 0);
    for (uint32_t i = 0; i < 8; i++)
        srig_deliver(r, srig_asked(a, 0, i) ? a : b, 0, i);
    srig_clear(r);
    gos__sched_restart(r->s, 0, NULL, 101);
    srig_step(r, 0);
    assert_int_equal(a->n_requests, 0);
    assert_int_equal(b->n_requests, 8);
}

static void only_peer_that_leaves_or_chokes_or_rejects_is_replaced(void **state)
{
    struct srig *r = *state;
    struct srig_peer *a = srig_seed(r, 0), *b = srig_seed(r, 1);
    srig_want(r, 1, 4, 0);
    for (int how = 0; how < 3; how++) {
        gos__sched_restart(r->s, 0, NULL, 101);
        srig_step(r, 0);
        srig_clear(r);
        if (how == 0) {
            gos__sched_choke(r->s, b->p, true);
        } else if (how == 1) {
            for (uint32_t i = 0; i < 4; i++)
                gos__sched_reject(r->s, b->p, 0, i);
        } else {
            gos__sched_leave(r->s, b->p);
        }
        srig_step(r, 0);
        assert_int_equal(a->n_requests, 4);
        if (how == 0) {
            for (uint32_t i = 0; i < 4; i++)
                gos__sched_reject(r->s, b->p, 0, i);
            gos__sched_choke(r->s, b->p, false);
        }
        srig_step(r, GOS__SECOND);
        srig_clear(r);
    }
}

/* ---- without memory ---- */

static void lack_of_memory_changes_nothing(void **state)
{
    struct srig *r = *state;
    struct srig_peer *p = srig_seed(r, 0);
    struct gos__sched_peer *peer;
    uint32_t many[SRIG_PIECES] = {0};
    srig_want(r, 2, 2, 1);
    gos__alloc_fail_at(1, 1);
    assert_int_equal(gos__sched_begin(r->s, 5, 2, NULL), GOS_ENOMEM);
    assert_int_equal(gos__sched_join(r->s, &peer, NULL, 7), GOS_ENOMEM);
    assert_int_equal(gos__sched_order(r->s, many, SRIG_PIECES, 0), GOS_ENOMEM);
    srig_step(r, 0);
    assert_int_equal(p->n_requests, 4);
    gos__sched_end(r->s, 0);
    srig_deliver(r, p, 1, 0);
    srig_step(r, 0);
    gos__alloc_fail_at(0, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, srig_setup, srig_teardown)
    const struct CMUnitTest tests[] = {
        T(blocks_are_asked_in_the_order_given),
        T(nothing_is_asked_while_choked),
        T(only_pieces_that_the_peer_has_are_asked),
        T(padding_is_never_asked),
        T(piece_in_the_order_that_begins_later_takes_its_place),
        T(piece_listed_twice_is_asked_once),
        T(what_leaves_the_order_is_called_off_but_may_arrive),
        T(a_jump_asks_for_its_first_block_in_the_same_pass),
        T(block_goes_to_the_peer_that_should_deliver_it_first),
        T(peer_is_told_once_that_it_has_what_we_want),
        T(queue_grows_with_the_rate_and_stops_at_the_cap),
        T(small_queue_of_a_peer_is_respected),
        T(cancelled_requests_fill_the_peers_queue_until_answered),
        T(block_that_was_not_stored_is_asked_again),
        T(stored_block_is_not_asked_again_and_its_sender_is_known),
        T(requests_of_a_peer_that_left_go_to_another),
        T(choke_frees_the_requests),
        T(choke_without_the_fast_extension_empties_the_queue),
        T(rejected_block_is_asked_elsewhere_at_once),
        T(peer_that_rejects_all_is_asked_ever_more_seldom),
        T(ended_piece_is_cancelled),
        T(first_of_two_answers_is_enough),
        T(restarted_piece_is_asked_from_one_peer_only),
        T(only_peer_that_leaves_or_chokes_or_rejects_is_replaced),
        T(lack_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
