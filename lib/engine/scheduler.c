/* SPDX-License-Identifier: MIT
 *
 * The pass that acts on what the events left behind: whom to ask for which
 * block, and when to look again. Network thread only. */
#include "engine/scheduler.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/minmax.h"
#include "engine/scheduler_private.h"

#define HEDGE_EVERY_NS (50 * GOS__MS)
#define HEDGE_ON_NS (5 * GOS__MS) /* there was something to hedge, and may be more */
#define HEDGE_EXTRA 4             /* what is late need not wait for a place in a queue either */
#define SOONER_NS (20 * GOS__MS)  /* what is less does not count */
#define HEDGE_SOONER_NS (200 * GOS__MS)  /* what is not late yet must come so much sooner */
#define HEDGE_OVERDUE_NS (500 * GOS__MS) /* ... and so much if only what was expected is past */
#define HEDGE_LOOKS 16                   /* for a second peer, in vain, for blocks of one piece */
/* So much later than the first the second may come to its own pause: who limits
 * himself all at once with the others helps nobody. */
#define HEDGE_PAUSE_NS (120 * GOS__MS)
#define HEDGE_ANYWAY_NS (500 * GOS__MS) /* late by so much, whatever it costs */
#define HEDGE_FASTER 8                  /* ... or from who is so much faster */
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

/* Whether q would have the piece here before p, in all likelihood: a silent peer may
 * be silent for ever, and who sat on a request of this piece may do so again, however
 * fast he sends the others. */
static bool is_sooner(const struct gos__sched *s, const struct gos__sched_piece *piece,
                      const struct gos__sched_peer *q, const struct gos__sched_peer *p)
{
    bool p_sat = gos__sched_sat_on(piece, p), q_sat = gos__sched_sat_on(piece, q);
    if (p->stalled || p_sat != q_sat)
        return p->stalled || p_sat;
    /* It has its taste. Until that comes nobody would be asked for what is left to it. */
    bool waits = gos__sched_paused(s, q) && !gos__sched_paused(s, p);
    int64_t pause = waits ? q->pace.silence : 0;
    return gos__sched_expect_steady(q) * 5 / 4 + SOONER_NS + pause < gos__sched_expect_steady(p);
}

/* What a reader waits for is left to whoever would have it here first, even when
 * that one has no room at this moment. */
static bool leave_to_another(const struct gos__sched *s, struct gos__sched_peer *p, uint32_t place)
{
    if (place >= s->awaited)
        return false;
    const struct gos__sched_piece *piece = s->order[place].piece;
    GOS__SCHED_EACH_PEER(s, q)
    {
        if (q == p || q->choked || q->stalled || s->now < q->quiet_until)
            continue;
        if (!q->n_live && !gos__sched_urgent_room(s, q, 0))
            continue; /* asked nothing, and may not be: no answer would bring it back here */
        if (is_sooner(s, piece, q, p) && may_ask(q, piece) && has(s, q, piece->number)) {
            p->deferred = true;
            return true;
        }
    }
    return false;
}

static bool is_for(const struct gos__sched *s, struct gos__sched_peer *p, uint32_t place)
{
    const struct gos__sched_piece *piece = s->order[place].piece;
    return piece && piece->n_free && may_ask(p, piece) && has(s, p, piece->number) &&
           !leave_to_another(s, p, place);
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
    bool urgent = limit <= s->awaited;
    GOS__SCHED_EACH_PEER(s, p)
    {
        if (p->stalled != stalled ||
            !(urgent ? gos__sched_urgent_room(s, p, 0) : gos__sched_room(s, p)))
            continue;
        if (p->cursor_change == s->change && p->cursor >= limit)
            continue;
        int64_t ns = gos__sched_expect(s, p);
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
        gos__sched_ask(s, p, piece, gos__sched_first_free(piece), false);
    }
}

/* ---- hedging: a late block that a reader waits for is asked twice ---- */

static bool has_room_for_late(const struct gos__sched *s, const struct gos__sched_peer *p)
{
    return gos__sched_urgent_room(s, p, HEDGE_EXTRA);
}

/* How much time is left to be won, less what is not worth it. What is overdue may be
 * here at any moment, and is expected to need as long again. */
static int64_t to_win(const struct gos__sched *s, const struct gos__sched_request *r)
{
    return r->due > s->now ? r->due - s->now - HEDGE_SOONER_NS : s->now - r->due - HEDGE_OVERDUE_NS;
}

/* Whether to look for a second peer at all. */
static bool is_suspect(const struct gos__sched *s, const struct gos__sched_peer *first,
                       const struct gos__sched_request *r)
{
    return s->now >= r->until || to_win(s, r) > 0 || gos__sched_paused(s, first);
}

/* When too much came twice only he is asked who must be far sooner, or for what is
 * very late. */
static bool is_affordable(const struct gos__sched *s, const struct gos__sched_peer *first,
                          const struct gos__sched_request *r, const struct gos__sched_peer *second)
{
    return s->hedge_credit > 0 || s->now >= r->until + HEDGE_ANYWAY_NS ||
           (first->pace.rate && second->pace.rate / HEDGE_FASTER > first->pace.rate);
}

/* Late already, or certain to be: it sits in the queue of a slow peer, and one
 * that was measured would have it here much sooner. */
static bool worth_it(const struct gos__sched *s, const struct gos__sched_peer *first,
                     const struct gos__sched_request *r, const struct gos__sched_peer *second)
{
    if (!is_affordable(s, first, r, second))
        return false;
    if (s->now >= r->until)
        return true;
    if (gos__sched_paused(s, first) && !gos__sched_paused(s, second))
        return s->now - first->waiting_since > HEDGE_PAUSE_NS &&
               !gos__pace_pulse_is_due(&first->pace, s->now);
    if (!second->pace.rate || gos__sched_paused(s, second))
        return false;
    return to_win(s, r) > 2 * gos__sched_expect(s, second);
}

/* Of those whom it is worth to ask, the one that should have it here first; who sat on
 * a request of this piece comes last. */
static struct gos__sched_peer *second_peer(const struct gos__sched *s,
                                           const struct gos__sched_piece *piece,
                                           const struct gos__sched_peer *first,
                                           const struct gos__sched_request *r)
{
    struct gos__sched_peer *best = NULL;
    GOS__SCHED_EACH_PEER(s, p)
    {
        if (p == first || p->stalled || !has_room_for_late(s, p) || !may_ask(p, piece))
            continue;
        bool sat = gos__sched_sat_on(piece, p), best_sat = best && gos__sched_sat_on(piece, best);
        if (best && (sat != best_sat ? sat : gos__sched_expect(s, p) >= gos__sched_expect(s, best)))
            continue;
        if (worth_it(s, first, r, p) && has(s, p, piece->number))
            best = p;
    }
    return best;
}

static void hedge_piece(struct gos__sched *s, struct gos__sched_piece *piece)
{
    unsigned in_vain = 0; /* each look at all peers costs */

    for (uint32_t i = 0; i < piece->n_blocks; i++) {
        const struct gos__sched_block *b = &piece->block[i];
        if (b->n_owners != 1)
            continue;
        const struct gos__sched_peer *first = b->owner[0].peer;
        const struct gos__sched_request *r = &first->request[b->owner[0].slot];
        if (!is_suspect(s, first, r))
            continue;
        struct gos__sched_peer *p = second_peer(s, piece, first, r);
        /* There may be one for a block of another peer. */
        if (!p && ++in_vain == HEDGE_LOOKS)
            return;
        if (!p)
            continue;
        gos__sched_ask(s, p, piece, i, true);
        s->stats.hedges++;
    }
}

static bool anybody_has_room(const struct gos__sched *s)
{
    GOS__SCHED_EACH_PEER(s, p)
    {
        if (!p->stalled && has_room_for_late(s, p))
            return true;
    }
    return false;
}

static void hedge(struct gos__sched *s)
{
    if (s->now < s->next_hedge)
        return;
    uint64_t before = s->stats.hedges;
    for (uint32_t i = 0; i < s->awaited && anybody_has_room(s); i++) {
        struct gos__sched_piece *piece = s->order[i].piece;
        if (piece && piece->n_asked)
            hedge_piece(s, piece);
    }
    s->next_hedge = s->now + (s->stats.hedges > before ? HEDGE_ON_NS : HEDGE_EVERY_NS);
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
 * since the store drops it unseen. Each time another one: the last request may
 * not be answered yet. */
static bool find_redundant(const struct gos__sched *s, const struct gos__sched_peer *p,
                           uint32_t *piece, uint32_t *block)
{
    *block = 0;
    for (uint32_t i = 0; i < KEEPALIVE_SCAN; i++) {
        *piece = (p->n_kept_up + i) % KEEPALIVE_SCAN;
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
        for (uint32_t k = 0; pc && k < pc->n_blocks; k++) {
            *block = (p->n_kept_up + k) % pc->n_blocks;
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
    /* Who does not answer even this is asked no more, and may go. */
    if (!p->owes && p->n_stale < p->cap && find_redundant(s, p, &piece, &block))
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
        if (p->stalled || p->deferred)
            p->cursor_change = 0; /* what is left to others depends on them */
        p->deferred = false;
        show_interest(s, p);
        /* Before the requests and in the same write: a second small one would
         * wait for the acknowledgement of the first. */
        gos__sched_send_cancels(s, p);
    }
    release_abandoned(s);
    fill(s, s->awaited, false);
    hedge(s);
    /* Where there is read-ahead, what is awaited and still nobody's goes before it, to
     * peers between two pulses as well: who reads on calls nothing off. */
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
        bool excluded = p->choked || (best && (p->stalled || p->pace.rate <= best->pace.rate));
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
    s->hedge_credit = GOS__SCHED_HEDGE_CREDIT;
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
