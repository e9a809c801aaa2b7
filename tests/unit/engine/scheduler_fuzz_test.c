/* SPDX-License-Identifier: MIT
 *
 * Long random lives of a torrent: peers that answer in any order, late, twice,
 * not at all; pieces that come, fail and go. The invariants are checked after
 * each event, and at the end honest peers must be able to complete everything.
 * GOS_SEED repeats a run. */
#include "engine/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

#define PEERS 8
#define PIECES 24
#define BLOCKS 20
#define QUEUE 512
#define BLOCK_BYTES 16384

/* What the wire carries to a peer, in order. */
struct wire {
    uint32_t piece, block;
    bool cancelled;
    int64_t since; /* asked, or cancelled */
};

struct peer {
    struct gos__sched_peer *p; /* NULL: not connected */
    bool has[PIECES];
    bool choked, fast, ignores_cancel, silent;
    uint32_t cap;
    unsigned n;
    struct wire queue[QUEUE];
};

struct world {
    uint64_t random;
    struct gos__sched *s;
    int64_t now, next;
    struct peer peer[PEERS];
    bool begun[PIECES], ordered[PIECES], stored[PIECES][BLOCKS];
    bool in_step;
    uint64_t delivered;
};

static uint32_t roll(struct world *w, uint32_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32_t)((w->random >> 32) % n);
}

/* ---- the wire ---- */

static void remove_wire(struct peer *p, unsigned i)
{
    memmove(p->queue + i, p->queue + i + 1, (p->n - i - 1) * sizeof *p->queue);
    p->n--;
}

/* An answer out of the blue: nothing of it is left to answer. */
static void drop_wire(struct peer *p, uint32_t piece, uint32_t block)
{
    for (unsigned i = p->n; i-- > 0;) {
        if (p->queue[i].piece == piece && p->queue[i].block == block)
            remove_wire(p, i);
    }
}

/* ---- the scheduler's hands ---- */

static bool out_has(void *user, void *peer, uint32_t piece)
{
    const struct peer *p = peer;
    (void)user;
    return piece < PIECES && p->has[piece];
}

static void out_nothing(void *user, void *peer)
{
    (void)user;
    (void)peer;
}

static void out_request(void *user, void *peer, uint32_t piece, uint32_t block)
{
    struct world *w = user;
    struct peer *p = peer;
    assert_true(w->in_step);
    assert_non_null(p->p);
    assert_false(p->choked);
    assert_true(piece < PIECES && block < BLOCKS && p->has[piece]);
    /* Outside the windows only what is asked for to keep the peer, and costs nothing. */
    assert_true(w->ordered[piece] || !w->begun[piece] || w->stored[piece][block]);
    unsigned outstanding = 0;
    for (unsigned i = 0; i < p->n; i++)
        outstanding += w->now - p->queue[i].since < 10 * GOS__SECOND;
    assert_true(outstanding < p->cap);
    assert_true(p->n < QUEUE);
    p->queue[p->n++] = (struct wire){piece, block, false, w->now};
}

static void out_cancel(void *user, void *peer, uint32_t piece, uint32_t block)
{
    struct world *w = user;
    struct peer *p = peer;
    assert_true(w->in_step);
    for (unsigned i = p->n; i-- > 0;) {
        if (p->queue[i].piece == piece && p->queue[i].block == block && !p->queue[i].cancelled) {
            p->queue[i].cancelled = true;
            p->queue[i].since = w->now;
            return;
        }
    }
    /* It was answered while the cancel was under way: nothing to cancel. */
}

/* ---- what happens ---- */

static void check(struct world *w)
{
    const char *wrong = gos__sched_check(w->s);
    if (wrong)
        fail_msg("%s", wrong);
}

static void step(struct world *w, int64_t ns)
{
    w->now += ns;
    w->in_step = true;
    w->next = gos__sched_step(w->s, w->now);
    w->in_step = false;
    assert_true(w->next > w->now);
}

static void join(struct world *w, struct peer *p)
{
    memset(p, 0, sizeof *p);
    p->choked = true;
    p->fast = roll(w, 2);
    p->ignores_cancel = roll(w, 3) == 0;
    p->silent = roll(w, 8) == 0;
    p->cap = roll(w, 3) ? 250 : 1 + roll(w, 20);
    for (unsigned i = 0; i < PIECES; i++)
        p->has[i] = roll(w, 4) > 0;
    /* Two connections may come from one address. */
    uint32_t who = 10 + roll(w, PEERS);
    assert_int_equal(gos__sched_join(w->s, &p->p, p, who), 0);
    gos__sched_set_cap(w->s, p->p, p->cap == 250 ? 0 : p->cap, p->fast);
}

static void leave(struct world *w, struct peer *p)
{
    gos__sched_leave(w->s, p->p);
    p->p = NULL;
    (void)w;
}

static void choke(struct world *w, struct peer *p, bool choked)
{
    p->choked = choked;
    if (choked && !p->fast)
        p->n = 0;
    gos__sched_choke(w->s, p->p, choked);
}

static void receive(struct world *w, struct peer *p, uint32_t piece, uint32_t block, bool store)
{
    gos__sched_received(w->s, p->p, piece, block, BLOCK_BYTES, w->now);
    check(w);
    if (!store || !w->begun[piece])
        return;
    gos__sched_stored(w->s, piece, block);
    w->stored[piece][block] = true;
    w->delivered++;
}

/* What was asked twice is answered in order, the rest in any. */
static struct wire take_wire(struct world *w, struct peer *p, bool honest)
{
    unsigned i = honest || roll(w, 4) ? 0 : roll(w, p->n);
    for (unsigned k = 0; k < i; k++) {
        if (p->queue[k].piece == p->queue[i].piece && p->queue[k].block == p->queue[i].block)
            i = k;
    }
    struct wire r = p->queue[i];
    remove_wire(p, i);
    return r;
}

static void answer(struct world *w, struct peer *p, bool honest)
{
    if (!p->n)
        return;
    struct wire r = take_wire(w, p, honest);
    /* After so long it may have been forgotten: then nobody could tell this answer from the
     * one to a second request. */
    if (w->now - r.since >= 10 * GOS__SECOND)
        return;
    bool refused = r.cancelled || (p->choked && p->fast);
    if (refused ? p->fast && !p->ignores_cancel : !honest && p->fast && roll(w, 10) == 0)
        gos__sched_reject(w->s, p->p, r.piece, r.block);
    else if (!refused && (honest || roll(w, 20)))
        receive(w, p, r.piece, r.block, honest || roll(w, 10));
    /* else it forgot */
}

static void begin(struct world *w, uint32_t piece)
{
    uint8_t have[BLOCKS] = {0};
    for (unsigned i = 0; i < BLOCKS; i++)
        have[i] = roll(w, 16) == 0;
    assert_int_equal(gos__sched_begin(w->s, piece, BLOCKS, have), 0);
    for (unsigned i = 0; i < BLOCKS && !w->begun[piece]; i++)
        w->stored[piece][i] = have[i];
    w->begun[piece] = true;
}

static void restart(struct world *w, uint32_t piece)
{
    gos__sched_restart(w->s, piece, NULL, roll(w, 3) ? 10 + roll(w, PEERS) : GOS__SCHED_NOBODY);
    memset(w->stored[piece], 0, sizeof w->stored[piece]);
}

static void order(struct world *w, bool all)
{
    uint32_t list[PIECES];
    unsigned n = all ? PIECES : roll(w, PIECES + 1), first = roll(w, PIECES);
    for (unsigned i = 0; i < n; i++)
        list[i] = roll(w, 8) || all ? (first + i) % PIECES : roll(w, PIECES);
    memset(w->ordered, 0, sizeof w->ordered);
    for (unsigned i = 0; i < n; i++)
        w->ordered[list[i]] = true;
    assert_int_equal(gos__sched_order(w->s, list, n, roll(w, n + 1)), 0);
}

static void change_peer(struct world *w, struct peer *p)
{
    switch (roll(w, 60)) {
    case 0:
        leave(w, p);
        break;
    case 1:
    case 2:
    case 3:
        choke(w, p, !p->choked);
        break;
    case 4: {
        uint32_t piece = roll(w, PIECES);
        p->has[piece] = true;
        gos__sched_have(w->s, p->p, roll(w, 4) ? (int64_t)piece : -1);
        break;
    }
    case 5: { /* whether it was asked or not */
        uint32_t piece = roll(w, PIECES), block = roll(w, BLOCKS);
        drop_wire(p, piece, block);
        receive(w, p, piece, block, roll(w, 2));
        break;
    }
    case 6: {
        uint32_t piece = roll(w, PIECES), block = roll(w, BLOCKS + 2);
        drop_wire(p, piece, block);
        gos__sched_reject(w->s, p->p, piece, block);
        break;
    }
    case 7:
        gos__sched_received(w->s, p->p, roll(w, PIECES * 2), BLOCKS + roll(w, 2), 1, w->now);
        break;
    default:
        if (!p->silent)
            answer(w, p, false);
    }
}

static void change_pieces(struct world *w)
{
    uint32_t piece = roll(w, PIECES);
    switch (roll(w, 5)) {
    case 0:
    case 1:
        begin(w, piece);
        break;
    case 2:
        gos__sched_end(w->s, piece);
        w->begun[piece] = false;
        break;
    case 3:
        restart(w, piece);
        break;
    default:
        order(w, false);
    }
}

static void one_event(struct world *w)
{
    struct peer *p = &w->peer[roll(w, PEERS)];
    uint32_t kind = roll(w, 100);
    if (kind < 3)
        change_pieces(w);
    else if (kind < 45)
        step(w, roll(w, 50) ? roll(w, 20) * GOS__MS : roll(w, 5000) * GOS__MS);
    else if (!p->p)
        join(w, p);
    else
        change_peer(w, p);
    check(w);
}

/* ---- the end: everything must become stored ---- */

static bool complete(const struct world *w)
{
    for (unsigned i = 0; i < PIECES; i++) {
        for (unsigned b = 0; b < BLOCKS; b++) {
            if (!w->stored[i][b])
                return false;
        }
    }
    return true;
}

/* The peers there are stay as they are, silent ones too; two good ones join. */
static void finish(struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        struct peer *p = &w->peer[i];
        if (p->p)
            leave(w, p);
        join(w, p);
        p->silent = p->ignores_cancel = false;
        memset(p->has, 1, sizeof p->has);
        gos__sched_have(w->s, p->p, -1);
        choke(w, p, false);
    }
    for (uint32_t i = 0; i < PIECES; i++)
        begin(w, i);
    order(w, true);
    int64_t end = w->now + 300 * GOS__SECOND;
    while (!complete(w) && w->now < end) {
        step(w, 5 * GOS__MS);
        check(w);
        for (unsigned i = 0; i < PEERS; i++) {
            if (w->peer[i].p && !w->peer[i].silent)
                answer(w, &w->peer[i], i < 2);
        }
        check(w);
    }
    assert_true(complete(w));
}

static void run(uint64_t seed, unsigned n_events)
{
    static const struct gos__sched_out table = {out_has, out_nothing, out_request, out_cancel,
                                                out_nothing};
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->random = seed * 0x9e3779b97f4a7c15u + 1;
    w->now = 1000 * GOS__SECOND;
    assert_int_equal(gos__sched_new(&w->s, &table, w), 0);
    for (unsigned i = 0; i < n_events; i++)
        one_event(w);
    finish(w);
    struct gos__sched_stats stats;
    gos__sched_get_stats(w->s, &stats);
    assert_true(w->delivered > 0 && stats.requests > 0);
    gos__sched_free(w->s);
    free(w);
}

static void invariants_hold_whatever_happens_and_all_is_stored_in_the_end(void **state)
{
    (void)state;
    const char *given = getenv("GOS_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    for (unsigned i = 0; i < (given ? 1 : 12); i++) {
        print_message("GOS_SEED=%llu\n", (unsigned long long)seed + i);
        run(seed + i, 4000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invariants_hold_whatever_happens_and_all_is_stored_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
