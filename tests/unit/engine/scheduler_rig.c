/* SPDX-License-Identifier: MIT
 *
 * See scheduler_rig.h. One thread. */
#include "unit/engine/scheduler_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool out_has(void *user, void *peer, uint32_t piece)
{
    const struct srig_peer *p = peer;
    (void)user;
    return piece < SRIG_PIECES && p->has[piece];
}

static void out_interested(void *user, void *peer)
{
    struct srig_peer *p = peer;
    (void)user;
    p->interested++;
}

static void note(struct srig_peer *p, bool cancel, uint32_t piece, uint32_t block)
{
    assert_true(p->n < SRIG_LOG);
    p->log[p->n++] = (struct srig_message){cancel, piece, block};
    p->n_requests += !cancel;
    p->n_cancels += cancel;
}

static void out_request(void *user, void *peer, uint32_t piece, uint32_t block)
{
    (void)user;
    note(peer, false, piece, block);
}

static void out_cancel(void *user, void *peer, uint32_t piece, uint32_t block)
{
    (void)user;
    note(peer, true, piece, block);
}

static void out_flush(void *user, void *peer)
{
    struct srig_peer *p = peer;
    (void)user;
    p->flushes++;
}

static const struct gos__sched_out table = {out_has, out_interested, out_request, out_cancel,
                                            out_flush};

int srig_setup(void **state)
{
    struct srig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    assert_int_equal(gos__sched_new(&r->s, &table, r), 0);
    r->now = 1000 * GOS__SECOND;
    *state = r;
    return 0;
}

int srig_teardown(void **state)
{
    struct srig *r = *state;
    gos__sched_free(r->s);
    free(r);
    return 0;
}

struct srig_peer *srig_join(struct srig *r, unsigned i)
{
    struct srig_peer *p = &r->peer[i];
    memset(p, 0, sizeof *p);
    p->rig = r;
    assert_int_equal(gos__sched_join(r->s, &p->p, p, 100 + i), 0);
    gos__sched_set_cap(r->s, p->p, 0, true);
    return p;
}

struct srig_peer *srig_seed(struct srig *r, unsigned i)
{
    struct srig_peer *p = srig_join(r, i);
    for (unsigned k = 0; k < SRIG_PIECES; k++)
        p->has[k] = true;
    gos__sched_have(r->s, p->p, -1);
    gos__sched_choke(r->s, p->p, false);
    return p;
}

void srig_step(struct srig *r, int64_t ns)
{
    r->now += ns;
    r->next = gos__sched_step(r->s, r->now);
    const char *wrong = gos__sched_check(r->s);
    if (wrong)
        fail_msg("%s", wrong);
    assert_true(r->next > r->now); /* else whoever obeys it spins */
}

void srig_clear(struct srig *r)
{
    for (unsigned i = 0; i < SRIG_PEERS; i++)
        r->peer[i].n = r->peer[i].n_requests = r->peer[i].n_cancels = r->peer[i].flushes = 0;
}

void srig_want(struct srig *r, uint32_t n, uint32_t n_blocks, size_t awaited)
{
    uint32_t order[SRIG_PIECES];
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
        assert_int_equal(gos__sched_begin(r->s, i, n_blocks, NULL), 0);
    }
    assert_int_equal(gos__sched_order(r->s, order, n, awaited), 0);
}

void srig_want_one(struct srig *r, uint32_t piece, uint32_t n_blocks, size_t awaited)
{
    assert_int_equal(gos__sched_begin(r->s, piece, n_blocks, NULL), 0);
    assert_int_equal(gos__sched_order(r->s, &piece, 1, awaited), 0);
}

void srig_deliver(struct srig *r, struct srig_peer *p, uint32_t piece, uint32_t block)
{
    gos__sched_received(r->s, p->p, piece, block, SRIG_BLOCK, r->now);
    gos__sched_stored(r->s, piece, block);
}

void srig_deliver_all(struct srig *r, struct srig_peer *p, int64_t ns)
{
    unsigned n = p->n;
    for (unsigned i = 0; i < n; i++) {
        r->now += ns / n;
        if (!p->log[i].cancel)
            srig_deliver(r, p, p->log[i].piece, p->log[i].block);
    }
    p->n = p->n_requests = p->n_cancels = 0;
}

void srig_measure(struct srig *r, struct srig_peer *p, uint32_t piece, uint32_t n, int64_t gap)
{
    gos__sched_choke(r->s, p->p, false);
    srig_want_one(r, piece, n, 1);
    srig_clear(r);
    srig_step(r, 0);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(i < p->n && !p->log[i].cancel);
        r->now += gap;
        srig_deliver(r, p, p->log[i].piece, p->log[i].block);
        srig_step(r, 0);
    }
    gos__sched_end(r->s, piece);
    gos__sched_choke(r->s, p->p, true);
    srig_step(r, 0);
    srig_clear(r);
}

/* There is always more to ask it for, nothing of it awaited. */
void srig_pulses(struct srig *r, struct srig_peer *p)
{
    enum { FIRST = 20, PIECES = 20, PULSES = 5 };
    uint32_t order[PIECES];
    uint64_t cancels = srig_stats(r).cancels;
    for (uint32_t i = 0; i < PIECES; i++) {
        order[i] = FIRST + i;
        assert_int_equal(gos__sched_begin(r->s, order[i], 64, NULL), 0);
    }
    assert_int_equal(gos__sched_order(r->s, order, PIECES, 0), 0);
    gos__sched_choke(r->s, p->p, false);
    srig_clear(r);
    srig_step(r, 0);
    for (unsigned i = 0; i < PULSES * 40; i++) {
        if (i > 0 && i % 40 == 0)
            srig_step(r, SRIG_PAUSE_NS);
        assert_true(i < p->n);
        r->now += 2 * GOS__MS;
        srig_deliver(r, p, p->log[i].piece, p->log[i].block);
        srig_step(r, 0);
    }
    assert_int_equal(srig_stats(r).cancels, cancels);
    for (uint32_t i = 0; i < PIECES; i++)
        gos__sched_end(r->s, order[i]);
    srig_step(r, 0);
    srig_clear(r);
}

static bool noted(const struct srig_peer *p, bool cancel, uint32_t piece, uint32_t block)
{
    for (unsigned i = 0; i < p->n; i++) {
        const struct srig_message *m = &p->log[i];
        if (m->cancel == cancel && m->piece == piece && m->block == block)
            return true;
    }
    return false;
}

bool srig_asked(const struct srig_peer *p, uint32_t piece, uint32_t block)
{
    return noted(p, false, piece, block);
}

bool srig_cancelled(const struct srig_peer *p, uint32_t piece, uint32_t block)
{
    return noted(p, true, piece, block);
}

struct gos__sched_stats srig_stats(const struct srig *r)
{
    struct gos__sched_stats stats;
    gos__sched_get_stats(r->s, &stats);
    return stats;
}
