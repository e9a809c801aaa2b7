/* SPDX-License-Identifier: MIT
 *
 * The pass that acts on what the events left behind: whom to ask for which
 * block, and when to look again. Network thread only. */
#include "engine/scheduler.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/minmax.h"
#include "engine/scheduler_private.h"

#define HEDGE_EVERY_NS (100 * GOS__MS)
#define HEDGE_EXTRA                                                                                \
    4 /* queues are kept full of read-ahead: what is late need not wait for a place */
/* Seeds drop a peer that asks nothing for 60 s. */
#define KEEPALIVE_NS (40 * GOS__SECOND)
#define KEEPALIVE_AGAIN_NS (5 * GOS__SECOND) /* nothing to ask for was found */
#define KEEPALIVE_SCAN 256

static bool has(const struct gos__sched *s, const struct gos__sched_peer *p, uint32_t piece)
{
    return s->out.has(s->user, p->handle, piece);
}

static bool may_ask(const struct gos__sched_peer *p, const struct gos__sched_piece *piece)
{
    return piece->only == GOS__SCHED_NOBODY || piece->only == p->who;
}

/* ---- pieces that are asked from one peer only ---- */

static bool can_deliver(const struct gos__sched *s, uint32_t who, uint32_t piece)
{
    GOS__SCHED_EACH_PEER(s, p)
    {
        if (p->who == who && !p->choked && !p->stalled && has(s, p, piece))
            return true;
    }
    return false;
}

/* Better a mixed copy than none. */
static void release_abandoned(struct gos__sched *s)
{
    for (uint32_t i = 0; s->n_only && i < s->order_len; i++) {
        struct gos__sched_piece *piece = s->order[i].piece;
        if (piece && piece->only != GOS__SCHED_NOBODY &&
            !can_deliver(s, piece->only, piece->number))
            gos__sched_release_only(s, piece);
    }
}

/* ---- filling the queues ---- */

/* A silent peer may be silent for ever, so what a reader waits for is asked from
 * it only when nobody better has it. */
static bool too_urgent(const struct gos__sched *s, const struct gos__sched_peer *stalled,
                       uint32_t place)
{
    if (place >= s->awaited)
        return false;
    GOS__SCHED_EACH_PEER(s, p)
    {
        if (p != stalled && !p->choked && !p->stalled && may_ask(p, s->order[place].piece) &&
            has(s, p, s->order[place].number))
            return true;
    }
    return false;
}

static bool is_for(const struct gos__sched *s, const struct gos__sched_peer *p, uint32_t place)
{
    const struct gos__sched_piece *piece = s->order[place].piece;
    return piece && piece->n_free && may_ask(p, piece) && has(s, p, piece->number) &&
           !(p->stalled && too_urgent(s, p, place));
}

static void skip_places_without_free_blocks(struct gos__sched *s)
{
    while (s->cursor < s->order_len) {
        const struct gos__sched_piece *piece = s->order[s->cursor].piece;
        if (piece && piece->n_free)
            return;
        s->cursor++;
    }
}

/* The first place before `limit` where p has something to be asked for, or `limit`. */
static uint32_t seek_place(struct gos__sched *s, struct gos__sched_peer *p, uint32_t limit)
{
    skip_places_without_free_blocks(s);
    uint32_t i = s->cursor;
    if (p->cursor_change == s->change && p->cursor > i)
        i = p->cursor;
    while (i < limit && !is_for(s, p, i))
        i++;
    p->cursor = i;
    p->cursor_change = s->change;
    return i;
}

/* Of the peers that may have something before `limit`, the one that should
 * deliver it first. */
static struct gos__sched_peer *best_peer(const struct gos__sched *s, uint32_t limit, bool stalled)
{
    struct gos__sched_peer *best = NULL;
    int64_t best_ns = INT64_MAX;
    GOS__SCHED_EACH_PEER(s, p)
    {
        if (p->stalled != stalled || !gos__sched_room(s, p, 0))
            continue;
        if (p->cursor_change == s->change && p->cursor >= limit)
            continue;
        int64_t ns = gos__sched_expect(p);
        if (ns < best_ns) {
            best_ns = ns;
            best = p;
        }
    }
    return best;
}

static void fill(struct gos__sched *s, uint32_t limit, bool stalled)
{
    for (;;) {
        struct gos__sched_peer *p = best_peer(s, limit, stalled);
        if (!p)
            return;
        uint32_t place = seek_place(s, p, limit);
        if (place >= limit)
            continue; /* its cursor says so now */
        struct gos__sched_piece *piece = s->order[place].piece;
        gos__sched_ask(s, p, piece, gos__sched_first_free(piece));
    }
}

/* ---- hedging: a late block that a reader waits for is asked twice ---- */

static struct gos__sched_peer *second_peer(const struct gos__sched *s,
                                           const struct gos__sched_piece *piece,
                                           const struct gos__sched_peer *first)
{
    struct gos__sched_peer *best = NULL;
    GOS__SCHED_EACH_PEER(s, p)
    {
        if (p == first || p->stalled || !gos__sched_room(s, p, HEDGE_EXTRA) || !may_ask(p, piece))
            continue;
        if (best && gos__sched_expect(p) >= gos__sched_expect(best))
            continue;
        if (has(s, p, piece->number))
            best = p;
    }
    return best;
}

static void hedge_piece(struct gos__sched *s, struct gos__sched_piece *piece)
{
    for (uint32_t i = 0; i < piece->n_blocks; i++) {
        const struct gos__sched_block *b = &piece->block[i];
        if (b->n_owners != 1)
            continue;
        const struct gos__sched_peer *first = b->owner[0].peer;
        if (s->now < first->request[b->owner[0].slot].until)
            continue;
        struct gos__sched_peer *p = second_peer(s, piece, first);
        if (!p)
            return;
        gos__sched_ask(s, p, piece, i);
        s->stats.hedges++;
    }
}

static bool anybody_has_room(const struct gos__sched *s)
{
    GOS__SCHED_EACH_PEER(s, p)
    {
        if (!p->stalled && gos__sched_room(s, p, HEDGE_EXTRA))
            return true;
    }
    return false;
}

static void hedge(struct gos__sched *s)
{
    if (s->now < s->next_hedge)
        return;
    s->next_hedge = s->now + HEDGE_EVERY_NS;
    for (uint32_t i = 0; i < s->awaited && anybody_has_room(s); i++) {
        struct gos__sched_piece *piece = s->order[i].piece;
        if (piece && piece->n_asked)
            hedge_piece(s, piece);
    }
}

/* Whether a look at late blocks makes sense at all. */
static bool may_hedge(const struct gos__sched *s)
{
    unsigned unchoked = 0;
    GOS__SCHED_EACH_PEER(s, p)
    {
        unchoked += !p->choked;
    }
    if (unchoked < 2)
        return false;
    for (uint32_t i = 0; i < s->awaited; i++) {
        if (s->order[i].piece && s->order[i].piece->n_asked)
            return true;
    }
    return false;
}

/* ---- keeping peers ---- */

/* A block that costs nothing but its bytes: best of a piece that is not begun,
 * since the store drops it unseen. */
static bool find_redundant(const struct gos__sched *s, const struct gos__sched_peer *p,
                           uint32_t *piece, uint32_t *block)
{
    *block = 0;
    for (*piece = 0; *piece < KEEPALIVE_SCAN; ++*piece) {
        if (!gos__sched_find(s, *piece) && has(s, p, *piece))
            return true;
    }
    for (uint32_t i = 0; i < s->order_len; i++) {
        const struct gos__sched_piece *pc = s->order[i].piece;
        *piece = s->order[i].number;
        if (!has(s, p, *piece))
            continue;
        if (!pc && !gos__sched_find(s, *piece))
            return true;
        for (*block = 0; pc && *block < pc->n_blocks; ++*block) {
            if (pc->block[*block].state == GOS__SCHED_STORED)
                return true;
        }
        *block = 0;
    }
    return false;
}

static void keep_alive(struct gos__sched *s, struct gos__sched_peer *p)
{
    if (p->choked || p->n_live)
        return;
    if (p->last_ask == GOS__SCHED_NEXT_PASS)
        p->last_ask = s->now;
    if (s->now - p->last_ask < KEEPALIVE_NS)
        return;
    uint32_t piece, block;
    if (p->n_stale < p->cap && find_redundant(s, p, &piece, &block))
        gos__sched_ask_redundant(s, p, piece, block);
    else
        p->last_ask = s->now - KEEPALIVE_NS + KEEPALIVE_AGAIN_NS;
}

static void show_interest(struct gos__sched *s, struct gos__sched_peer *p)
{
    if (p->interested || p->interest_order == s->order_number)
        return;
    p->interest_order = s->order_number;
    for (uint32_t i = 0; i < s->order_len; i++) {
        if (!has(s, p, s->order[i].number))
            continue;
        p->interested = true;
        s->out.interested(s->user, p->handle);
        return;
    }
}

/* ---- the pass ---- */

static int64_t finish_pass(struct gos__sched *s)
{
    int64_t next = INT64_MAX;
    GOS__SCHED_EACH_PEER(s, p)
    {
        keep_alive(s, p);
        if (p->unflushed) {
            p->unflushed = false;
            s->out.flush(s->user, p->handle);
        }
        next = gos__min_i64(next, gos__sched_peer_next(s, p));
        if (!p->choked && !p->n_live)
            next = gos__min_i64(next, p->last_ask + KEEPALIVE_NS);
    }
    if (may_hedge(s))
        next = gos__min_i64(next, s->next_hedge);
    return next;
}

int64_t gos__sched_step(struct gos__sched *s, int64_t now)
{
    s->now = gos__max_i64(s->now, now);
    gos__sched_settle(s);
    GOS__SCHED_EACH_PEER(s, p)
    {
        gos__sched_expire(s, p);
        if (p->stalled)
            p->cursor_change = 0; /* what is too urgent for it depends on the others */
        show_interest(s, p);
        /* Before the requests and in the same write: a second small one would
         * wait for the acknowledgement of the first. */
        gos__sched_send_cancels(s, p);
    }
    release_abandoned(s);
    fill(s, s->awaited, false);
    hedge(s);
    fill(s, s->order_len, false);
    fill(s, s->order_len, true);
    return finish_pass(s);
}

uint32_t gos__sched_pick(const struct gos__sched *s, uint32_t piece, const uint32_t *not_these,
                         size_t n)
{
    const struct gos__sched_peer *best = NULL;
    GOS__SCHED_EACH_PEER(s, p)
    {
        bool excluded = p->choked || (best && (p->stalled || p->rate <= best->rate));
        for (size_t i = 0; i < n && !excluded; i++)
            excluded = not_these[i] == p->who;
        if (!excluded && has(s, p, piece))
            best = p;
    }
    return best ? best->who : GOS__SCHED_NOBODY;
}

/* ---- life ---- */

int gos__sched_new(struct gos__sched **out, const struct gos__sched_out *table, void *user)
{
    struct gos__sched *s = gos__calloc(1, sizeof *s);
    if (!s)
        return gos__error_nomem();
    s->out = *table;
    s->user = user;
    s->change = 1;
    s->order_number = 1;
    gos__list_init(&s->peers);
    *out = s;
    return 0;
}

void gos__sched_free(struct gos__sched *s)
{
    if (!s)
        return;
    while (!gos__list_empty(&s->peers)) {
        struct gos__list *link = s->peers.next;
        gos__list_remove(link);
        gos__free(GOS__LIST_OWNER(link, struct gos__sched_peer, link));
    }
    gos__sched_drop_pieces(s);
    gos__free(s);
}

void gos__sched_get_stats(const struct gos__sched *s, struct gos__sched_stats *out)
{
    *out = s->stats;
}
