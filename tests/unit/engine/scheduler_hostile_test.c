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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_piece_that_failed_takes_blocks_from_its_sender_only,
                                        srig_setup, srig_teardown),
        cmocka_unit_test_setup_teardown(what_nobody_asked_for_is_no_sign_of_life, srig_setup,
                                        srig_teardown),
        cmocka_unit_test_setup_teardown(a_piece_is_not_left_to_a_sender_that_keeps_a_block,
                                        srig_setup, srig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
