/* SPDX-License-Identifier: MIT
 *
 * Peers that want a read to fail: they send what nobody asked for, and keep what
 * they were asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/engine/scheduler_rig.h"

#define HONEST 0
#define LIAR 1
#define WHO(i) (100 + (i))

static void received(struct srig *r, const struct srig_peer *p, uint32_t piece, uint32_t block)
{
    gos__sched_received(r->s, p->p, piece, block, SRIG_BLOCK, r->now);
}

/* One wrong block in each copy, sent unasked, would keep it from ever being good
 * and nobody from being found out. */
static void a_piece_that_failed_takes_blocks_from_its_sender_only(void **state)
{
    struct srig *r = *state;
    struct srig_peer *honest = srig_seed(r, HONEST), *liar = srig_seed(r, LIAR);
    srig_want(r, 1, 4, 1);
    srig_step(r, 0);
    received(r, liar, 0, 3);
    assert_true(gos__sched_takes(r->s, 0, 3)); /* no copy failed yet */
    gos__sched_restart(r->s, 0, NULL, WHO(HONEST));
    srig_clear(r);
    srig_step(r, GOS__MS);
    assert_int_equal(honest->n_requests, 4);
    assert_int_equal(liar->n_requests, 0);

    received(r, liar, 0, 3);
    assert_false(gos__sched_takes(r->s, 0, 3));
    srig_step(r, GOS__MS);
    received(r, honest, 0, 3);
    assert_true(gos__sched_takes(r->s, 0, 3));
    gos__sched_stored(r->s, 0, 3);
    assert_int_equal(gos__sched_sender(r->s, 0, 3), WHO(HONEST));
}

static void what_nobody_asked_for_is_no_sign_of_life(void **state)
{
    struct srig *r = *state;
    struct srig_peer *liar = srig_seed(r, LIAR);
    srig_want(r, 2, 4, 1);
    srig_step(r, 0);
    assert_true(srig_asked(liar, 0, 0));
    struct srig_peer *honest = srig_seed(r, HONEST);
    for (int i = 0; i < 40; i++) {
        received(r, liar, 7, 0);
        srig_step(r, 100 * GOS__MS);
    }
    assert_true(srig_cancelled(liar, 0, 0));
    assert_true(srig_asked(honest, 0, 0));
}

/* The sender of the only copy answers everything but one block of it. */
static void a_piece_is_not_left_to_a_sender_that_keeps_a_block(void **state)
{
    struct srig *r = *state;
    struct srig_peer *honest = srig_seed(r, HONEST), *liar = srig_seed(r, LIAR);
    srig_want(r, 40, 16, 1);
    gos__sched_restart(r->s, 0, NULL, WHO(LIAR));
    for (int i = 0; i < 300 && !srig_asked(honest, 0, 5); i++) {
        srig_clear(r);
        srig_step(r, 100 * GOS__MS);
        for (unsigned k = 0; k < liar->n; k++) {
            const struct srig_message *m = &liar->log[k];
            if (!m->cancel && (m->piece != 0 || m->block != 5))
                srig_deliver(r, liar, m->piece, m->block);
        }
        /* The other one is busy elsewhere, and quick. */
        for (unsigned k = 0; k < honest->n && !srig_asked(honest, 0, 5); k++)
            if (!honest->log[k].cancel)
                srig_deliver(r, honest, honest->log[k].piece, honest->log[k].block);
        gos__sched_end(r->s, 1 + (uint32_t)i % 39); /* there is always more to ask */
        assert_int_equal(gos__sched_begin(r->s, 1 + (uint32_t)i % 39, 16, NULL), 0);
    }
    assert_true(srig_asked(honest, 0, 5));
}

/* Measured: the liar as quick, the honest one as slow. Then a reader waits for piece
 * 62, which is the quick one's to send. */
static void wait_for_the_quick_one(struct srig *r)
{
    struct srig_peer *honest = srig_seed(r, HONEST), *liar = srig_seed(r, LIAR);
    static const uint32_t piece[] = {60, 61, 62};
    for (unsigned i = 0; i < 2; i++) {
        gos__sched_choke(r->s, honest->p, i == 0);
        gos__sched_choke(r->s, liar->p, i == 1);
        assert_int_equal(gos__sched_begin(r->s, piece[i], 8, NULL), 0);
        assert_int_equal(gos__sched_order(r->s, &piece[i], 1, 1), 0);
        srig_step(r, 0);
        for (uint32_t k = 0; k < 8; k++) {
            r->now += i == 0 ? 10 * GOS__MS : 200 * GOS__MS;
            srig_deliver(r, i == 0 ? liar : honest, piece[i], k);
            srig_step(r, 0);
        }
    }
    gos__sched_choke(r->s, liar->p, false);
    srig_step(r, 0);
    srig_clear(r);
    assert_int_equal(gos__sched_begin(r->s, 62, 4, NULL), 0);
    assert_int_equal(gos__sched_order(r->s, &piece[2], 1, 1), 0);
    srig_step(r, 0);
    assert_int_equal(liar->n_requests, 4);
    assert_int_equal(honest->n_requests, 0);
}

/* Each time the requests would look new, and never late. */
static void choking_for_a_moment_keeps_no_block_from_others(void **state)
{
    struct srig *r = *state;
    wait_for_the_quick_one(r);
    for (int i = 0; i < 20 && r->peer[HONEST].n_requests < 4; i++) {
        for (int k = 0; k < 4; k++)
            srig_step(r, 100 * GOS__MS);
        gos__sched_choke(r->s, r->peer[LIAR].p, true);
        gos__sched_choke(r->s, r->peer[LIAR].p, false);
        srig_step(r, 0);
    }
    for (uint32_t k = 0; k < 4; k++)
        assert_true(srig_asked(&r->peer[HONEST], 62, k));
}

/* An unchoke made its rejects forgotten, and it was asked again at once, for ever. */
static void rejects_are_not_forgotten_with_an_unchoke(void **state)
{
    struct srig *r = *state;
    wait_for_the_quick_one(r);
    for (int i = 0; i < 20; i++) {
        for (uint32_t k = 0; k < 4; k++)
            gos__sched_reject(r->s, r->peer[LIAR].p, 62, k);
        gos__sched_choke(r->s, r->peer[LIAR].p, true);
        gos__sched_choke(r->s, r->peer[LIAR].p, false);
        srig_step(r, GOS__MS);
    }
    for (uint32_t k = 0; k < 4; k++)
        assert_true(srig_asked(&r->peer[HONEST], 62, k));
    assert_int_equal(r->peer[LIAR].n_requests, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_piece_that_failed_takes_blocks_from_its_sender_only,
                                        srig_setup, srig_teardown),
        cmocka_unit_test_setup_teardown(what_nobody_asked_for_is_no_sign_of_life, srig_setup,
                                        srig_teardown),
        cmocka_unit_test_setup_teardown(a_piece_is_not_left_to_a_sender_that_keeps_a_block,
                                        srig_setup, srig_teardown),
        cmocka_unit_test_setup_teardown(choking_for_a_moment_keeps_no_block_from_others, srig_setup,
                                        srig_teardown),
        cmocka_unit_test_setup_teardown(rejects_are_not_forgotten_with_an_unchoke, srig_setup,
                                        srig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
