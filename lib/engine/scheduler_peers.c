/* SPDX-License-Identifier: MIT
 *
 * The scheduler's peers: what each was asked for, what it may be asked for more,
 * and what it says. Network thread only. */
#include "engine/scheduler_private.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/minmax.h"

#define HEDGE_NS (600 * GOS__MS) /* clients that limit themselves send twice a second */
#define STALE_NS (10 * GOS__SECOND)
#define REJECTED_NS (50 * GOS__MS) /* doubled with each further reject */
#define REJECTS_COUNTED 6
#define CHOKE_LEAST_NS (2 * GOS__SECOND) /* clients choose whom to choke every 10 s or more */
/* Answers may come that late that the request was forgotten, or twice. */
#define UNASKED_LEAST 256
#define UNASKED_SHARE 2
#define LIMIT_LEAST 4             /* requests of all peers that there may always be */
#define LIMIT_LEAD_NS GOS__SECOND /* what the limit lets through in this time is asked for */
#define URGENT_EXTRA 8

/* ---- the queue ---- */

static uint8_t slot_take(struct gos__sched_peer *p)
{
    assert(p->n_unused > 0);
    return p->unused[--p->n_unused];
}

static void slot_put(struct gos__sched_peer *p, uint8_t slot)
{
    p->request[slot].state = GOS__SCHED_UNUSED;
    p->unused[p->n_unused++] = slot;
}

/* A live request ends, or goes on as one that nobody waits for. */
static void retire(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot,
                   enum gos__sched_request_state state)
{
    struct gos__sched_request *r = &p->request[slot];
    assert(r->state == GOS__SCHED_LIVE);
    p->n_live--;
    s->n_live--;
    if (state == GOS__SCHED_UNUSED) {
        slot_put(p, slot);
        return;
    }
    r->state = (uint8_t)state;
    r->until = s->now + STALE_NS;
    p->n_stale++;
    p->n_cancel_due += state == GOS__SCHED_CANCEL_DUE;
}

/* The same, and its block is free unless somebody else was asked for it too. */
void gos__sched_take_back(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot,
                          enum gos__sched_request_state state)
{
    struct gos__sched_request r = p->request[slot];
    retire(s, p, slot, state);
    gos__sched_disown(s, r.piece, r.block, p);
}

void gos__sched_forget_stale(struct gos__sched_peer *p, uint8_t slot)
{
    p->n_stale--;
    p->n_cancel_due -= p->request[slot].state == GOS__SCHED_CANCEL_DUE;
    slot_put(p, slot);
}

/* Of the requests for a block that were given up, the one to be forgotten first. */
static bool find_stale(const struct gos__sched_peer *p, uint32_t piece, uint32_t block,
                       uint8_t *slot)
{
    int64_t oldest = INT64_MAX;
    for (unsigned i = 0; p->n_stale && i < GOS__SCHED_MAX_QUEUE; i++) {
        const struct gos__sched_request *r = &p->request[i];
        if (r->state > GOS__SCHED_LIVE && r->piece == piece && r->block == block &&
            r->until < oldest) {
            oldest = r->until;
            *slot = (uint8_t)i;
        }
    }
    return oldest < INT64_MAX;
}

void gos__sched_give_up(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot, bool twice)
{
    retire(s, p, slot, GOS__SCHED_CANCEL_DUE);
    p->request[slot].twice = twice;
}

/* For each block that answers a request, and each that came twice since it was asked
 * twice. */
static void account_hedges(struct gos__sched *s, bool twice)
{
    s->hedge_credit += twice ? -GOS__SCHED_HEDGE_PRICE : 1;
    s->hedge_credit = gos__min_i64(s->hedge_credit, GOS__SCHED_HEDGE_CREDIT);
    s->hedge_credit = gos__max_i64(s->hedge_credit, -GOS__SCHED_HEDGE_CREDIT);
}

void gos__sched_send_cancels(struct gos__sched *s, struct gos__sched_peer *p)
{
    for (unsigned i = 0; p->n_cancel_due && i < GOS__SCHED_MAX_QUEUE; i++) {
        struct gos__sched_request *r = &p->request[i];
        if (r->state != GOS__SCHED_CANCEL_DUE)
            continue;
        r->state = GOS__SCHED_STALE;
        r->until = s->now + STALE_NS;
        p->n_cancel_due--;
        p->unflushed = true;
        s->stats.cancels++;
        s->out.cancel(s->user, p->handle, r->piece, r->block);
    }
}

/* ---- what to expect of it ---- */

int64_t gos__sched_expect(const struct gos__sched *s, const struct gos__sched_peer *p)
{
    return gos__pace_expect(&p->pace, p->n_live, s->now) << p->distrust;
}

int64_t gos__sched_expect_steady(const struct gos__sched_peer *p)
{
    return (p->pace.latency + gos__pace_time_of(&p->pace, p->n_live + 1)) << p->distrust;
}

/* What is asked of all peers takes so long with the limit that there is. */
int64_t gos__sched_time_of_limit(const struct gos__sched *s)
{
    uint64_t bytes = ((uint64_t)s->n_live + 1) * GOS__SCHED_BLOCK;
    return s->limit ? (int64_t)(bytes * (uint64_t)GOS__MS / s->limit) * 1000 : 0;
}

void gos__sched_set_limit(struct gos__sched *s, uint64_t bytes_per_second)
{
    s->limit = bytes_per_second;
}

static bool within_limit(const struct gos__sched *s)
{
    return !s->limit || s->n_live < LIMIT_LEAST || gos__sched_time_of_limit(s) < LIMIT_LEAD_NS;
}

/* ---- asking ---- */

bool gos__sched_room(const struct gos__sched *s, const struct gos__sched_peer *p)
{
    if (p->choked || s->now < p->quiet_until || p->n_live >= p->ceiling || !within_limit(s))
        return false;
    return p->n_live < (p->stalled ? 1 : p->pace.depth) && p->n_live + p->n_stale < p->cap;
}

/* It has stopped to send, as clients do that limit themselves. Who was silent because
 * it was asked nothing may be between two pulses as well, but not for longer than one. */
bool gos__sched_paused(const struct gos__sched *s, const struct gos__sched_peer *p)
{
    if (p->n_live)
        return gos__pace_between_pulses(&p->pace, s->now - p->waiting_since);
    int64_t idle = s->now - p->pace.last_delivery;
    return gos__pace_between_pulses(&p->pace, idle) && idle < p->pace.pause;
}

bool gos__sched_urgent_room(const struct gos__sched *s, const struct gos__sched_peer *p,
                            uint32_t extra)
{
    if (p->choked || s->now < p->quiet_until || p->n_live + p->n_stale >= p->cap ||
        p->n_live >= p->ceiling || !within_limit(s))
        return false;
    if (p->stalled)
        return p->n_live < 1;
    uint32_t pulse_depth = gos__pace_pulse_depth(&p->pace, s->now);
    if (pulse_depth)
        return p->n_live < pulse_depth;
    /* Who was never measured may be slow: it gets no more than a taste. */
    return p->n_live <
           p->pace.depth + extra + (p->pace.rate ? URGENT_EXTRA + p->pace.depth / 4 : 0);
}

static void send_request(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot,
                         const struct gos__sched_request *r)
{
    p->request[slot] = *r;
    p->last_ask = s->now;
    p->n_asked++;
    p->unflushed = true;
    s->out.request(s->user, p->handle, r->piece, r->block);
}

/* A request that was only to keep the peer is called off before the same block is
 * asked for in earnest: it may not be asked of one peer twice at a time. (What was
 * given up before was called off then.) */
static void call_off_kept_up(struct gos__sched *s, struct gos__sched_peer *p, uint32_t piece,
                             uint32_t block)
{
    for (unsigned i = 0; p->n_kept_up && p->n_stale && i < GOS__SCHED_MAX_QUEUE; i++) {
        struct gos__sched_request *r = &p->request[i];
        if (r->state != GOS__SCHED_STALE || !r->kept_up || r->called_off || r->piece != piece ||
            r->block != block)
            continue;
        r->called_off = true;
        r->until = s->now + STALE_NS;
        s->stats.cancels++;
        s->out.cancel(s->user, p->handle, piece, block);
    }
}

void gos__sched_ask(struct gos__sched *s, struct gos__sched_peer *p, struct gos__sched_piece *piece,
                    uint32_t block, bool hedge)
{
    call_off_kept_up(s, p, piece->number, block);
    uint8_t slot = slot_take(p);
    if (!p->n_live) {
        p->waiting_since = s->now;
        if (!p->stalled) /* else the silence counts */
            gos__pace_begin(&p->pace, s->now);
    }
    int64_t expect = gos__sched_expect(s, p);
    /* Who sends in bursts is not late between two of them. */
    int64_t late = gos__max_i64(HEDGE_NS, 2 * expect + 2 * p->pace.silence);
    struct gos__sched_request r = {.piece = piece->number,
                                   .block = block,
                                   .asked = s->now,
                                   .due = s->now + expect,
                                   .until = s->now + late,
                                   .state = GOS__SCHED_LIVE,
                                   .alone = p->n_live == 0,
                                   .queue = (uint8_t)p->n_live,
                                   .answered = p->n_answered,
                                   .hedge = hedge};
    gos__sched_own(piece, block, p, slot);
    p->n_live++;
    s->n_live++;
    s->stats.requests++;
    send_request(s, p, slot, &r);
}

void gos__sched_ask_redundant(struct gos__sched *s, struct gos__sched_peer *p, uint32_t piece,
                              uint32_t block)
{
    struct gos__sched_request r = {.piece = piece,
                                   .block = block,
                                   .asked = s->now,
                                   .until = s->now + STALE_NS,
                                   .state = GOS__SCHED_STALE,
                                   .kept_up = true};
    p->n_stale++;
    p->n_kept_up++;
    p->owes = true;
    s->stats.keepalives++;
    send_request(s, p, slot_take(p), &r);
}

/* ---- events ---- */

int gos__sched_join(struct gos__sched *s, struct gos__sched_peer **out, void *peer, uint32_t who)
{
    struct gos__sched_peer *p = gos__calloc(1, sizeof *p);
    if (!p)
        return gos__error_nomem();
    p->handle = peer;
    p->who = who;
    p->choked = true;
    p->cap = p->ceiling = GOS__SCHED_MAX_QUEUE;
    gos__pace_init(&p->pace);
    while (p->n_unused < GOS__SCHED_MAX_QUEUE) {
        p->unused[p->n_unused] = (uint8_t)(GOS__SCHED_MAX_QUEUE - 1 - p->n_unused);
        p->n_unused++;
    }
    gos__list_append(&s->peers, &p->link);
    *out = p;
    return 0;
}

void gos__sched_leave(struct gos__sched *s, struct gos__sched_peer *p)
{
    for (unsigned i = 0; p->n_live && i < GOS__SCHED_MAX_QUEUE; i++) {
        if (p->request[i].state == GOS__SCHED_LIVE)
            gos__sched_take_back(s, p, (uint8_t)i, GOS__SCHED_UNUSED);
    }
    gos__list_remove(&p->link);
    gos__free(p);
}

void gos__sched_set_cap(struct gos__sched *s, struct gos__sched_peer *p, uint32_t max_requests,
                        bool fast)
{
    (void)s;
    p->cap = GOS__SCHED_MAX_QUEUE;
    if (max_requests && max_requests < p->cap)
        p->cap = max_requests;
    p->fast = fast;
}

/* Without the fast extension a choke ends all requests; with it each will be
 * rejected, or still be served. Nobody waits for that either way. */
static void drop_queue(struct gos__sched *s, struct gos__sched_peer *p)
{
    p->owes = p->owes && p->fast; /* else it could not be kept when it unchokes us */
    for (unsigned i = 0; i < GOS__SCHED_MAX_QUEUE; i++) {
        struct gos__sched_request *r = &p->request[i];
        if (r->state == GOS__SCHED_LIVE) {
            gos__sched_take_back(s, p, (uint8_t)i, p->fast ? GOS__SCHED_STALE : GOS__SCHED_UNUSED);
        } else if (r->state != GOS__SCHED_UNUSED && !p->fast) {
            gos__sched_forget_stale(p, (uint8_t)i);
        } else if (r->state == GOS__SCHED_CANCEL_DUE) {
            r->state = GOS__SCHED_STALE;
            p->n_cancel_due--;
        }
    }
}

/* It does not want to be asked: ask it again, but not in a circle as fast as the
 * link is. Counts from the next pass, since this event carries no time. */
static void refused(struct gos__sched_peer *p)
{
    p->quiet_due = REJECTED_NS << p->rejects;
    if (p->rejects < REJECTS_COUNTED)
        p->rejects++;
}

void gos__sched_choke(struct gos__sched *s, struct gos__sched_peer *p, bool choked)
{
    if (p->choked == choked)
        return;
    p->choked = choked;
    if (choked) {
        p->choke_broke = p->n_live > 0;
        p->choked_at = s->now;
        drop_queue(s, p);
        return;
    }
    /* Who chokes for a moment, again and again, only wants its requests to look new:
     * others shall be asked, who may be slower, but answer. */
    if (s->now - p->choked_at >= CHOKE_LEAST_NS)
        p->brief_chokes = 0;
    else if (p->choke_broke && p->brief_chokes++)
        refused(p);
    p->stalled = false;
    p->last_ask = GOS__SCHED_NEXT_PASS; /* this event carries no time */
}

void gos__sched_reject(struct gos__sched *s, struct gos__sched_peer *p, uint32_t piece,
                       uint32_t block)
{
    s->stats.rejects++;
    p->owes = false;
    uint8_t slot;
    /* What was given up was asked first, so it is answered first. */
    if (find_stale(p, piece, block, &slot)) {
        gos__sched_forget_stale(p, slot);
        return;
    }
    struct gos__sched_piece *pc = gos__sched_find(s, piece);
    if (!pc || block >= pc->n_blocks || !gos__sched_owns(&pc->block[block], p, &slot))
        return;
    gos__sched_take_back(s, p, slot, GOS__SCHED_UNUSED);
    if (pc->only == p->who)
        gos__sched_release_only(s, pc);
    refused(p); /* it may reject for ever */
}

/* Of one piece it costs a look-up, whatever the piece: who sends these without end
 * shall not make us look through the order again for each. */
void gos__sched_have(struct gos__sched *s, struct gos__sched_peer *p, int64_t piece)
{
    if (piece < 0) {
        p->cursor_change = 0;
        p->interest_order = 0;
        return;
    }
    const struct gos__sched_piece *pc = gos__sched_find(s, (uint32_t)piece);
    if (!pc || pc->place == GOS__SCHED_UNORDERED)
        return;
    p->interest_order = 0;
    if (pc->place < p->cursor)
        p->cursor = pc->place;
}

bool gos__sched_floods(const struct gos__sched_peer *p)
{
    return p->n_unasked > UNASKED_LEAST + UNASKED_SHARE * p->n_asked;
}

bool gos__sched_stalled(const struct gos__sched_peer *p)
{
    return p->stalled;
}

static void answered(struct gos__sched_peer *p, uint32_t len, int64_t alone, int64_t now)
{
    if (p->n_live || p->stalled) { /* else a late answer: the time before it was idle */
        struct gos__pace_answer a = {
            .len = len, .queued = p->n_live, .quiet = now - p->waiting_since, .alone = alone};
        gos__pace_received(&p->pace, &a, now);
        p->waiting_since = now;
    }
    p->rejects = 0;
    if (p->stalled) {
        p->stalled = false;
        p->cursor_change = 0;
    }
}

bool gos__sched_received(struct gos__sched *s, struct gos__sched_peer *p, uint32_t piece,
                         uint32_t block, uint32_t len, int64_t now)
{
    s->now = gos__max_i64(s->now, now);
    bool kept_up = false;
    p->owes = false;
    struct gos__sched_piece *pc = gos__sched_find(s, piece);
    struct gos__sched_block *b = pc && block < pc->n_blocks ? &pc->block[block] : NULL;
    uint8_t slot, older;
    bool given_up = find_stale(p, piece, block, &older);
    bool owned = b && gos__sched_owns(b, p, &slot);
    /* Only answers are signs of life: else whoever sends what nobody asked for
     * could sit on what he was asked. */
    p->n_answered += owned;
    bool first = owned && !given_up && p->request[slot].alone;
    int64_t alone = first ? s->now - p->request[slot].asked : 0;
    if (given_up || owned)
        answered(p, len, alone, s->now);
    if (!given_up && !owned)
        p->n_unasked++;
    if (given_up) {
        kept_up = p->request[older].kept_up;
        if (p->request[older].twice)
            account_hedges(s, true);
        gos__sched_forget_stale(p, older);
    }
    if (owned) {
        account_hedges(s, false);
        /* Asked twice, it answered the first: the second can be cancelled. */
        retire(s, p, slot, given_up ? GOS__SCHED_CANCEL_DUE : GOS__SCHED_UNUSED);
        gos__sched_remove_owner(b, p);
    }
    if (b)
        gos__sched_arrive(s, pc, block, p->who);
    return kept_up;
}
