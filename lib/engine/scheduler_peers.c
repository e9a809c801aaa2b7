/* SPDX-License-Identifier: MIT
 *
 * The scheduler's peers: what each was asked for, how fast it answers, and how
 * long to believe that it will. Network thread only. */
#include "engine/scheduler_private.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/minmax.h"

/* A queue holds what a peer delivers in this time: deep enough to keep it busy
 * over a round trip, shallow enough that a seek is not stuck behind it. */
#define LEAD_NS (300 * GOS__MS)
#define SILENCE_MAX_NS GOS__SECOND
#define RATE_WINDOW_NS (200 * GOS__MS)
#define SHORT_WINDOW_NS (50 * GOS__MS) /* enough when the queue ran dry in it */
#define GUESSED_RATE 500000            /* bytes a second, of a peer never measured */
#define HEDGE_NS (600 * GOS__MS)
#define STALL_NS (3 * GOS__SECOND)
#define STALL_MAX_NS (30 * GOS__SECOND)
#define LOST_NS (20 * GOS__SECOND) /* others were answered meanwhile: this one was forgotten */
#define STALE_NS (10 * GOS__SECOND)
#define SWEEP_NS GOS__SECOND
#define REJECTED_NS (50 * GOS__MS) /* doubled with each further reject */
#define REJECTS_COUNTED 6

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
static void take_back(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot,
                      enum gos__sched_request_state state)
{
    struct gos__sched_request r = p->request[slot];
    retire(s, p, slot, state);
    gos__sched_disown(s, r.piece, r.block, p);
}

static void forget_stale(struct gos__sched_peer *p, uint8_t slot)
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

void gos__sched_give_up(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot)
{
    retire(s, p, slot, GOS__SCHED_CANCEL_DUE);
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

/* ---- rate ---- */

static void close_window(struct gos__sched_peer *p, int64_t ns)
{
    uint64_t rate = p->window_bytes * (uint64_t)GOS__SECOND / (uint64_t)ns;
    /* Quick to believe that it is faster: too short a queue would make it slow. */
    if (!p->rate)
        p->rate = rate;
    else if (rate > p->rate)
        p->rate = (p->rate + 3 * rate) / 4;
    else
        p->rate = (p->rate + rate) / 2;
    p->rate = gos__max_u64(p->rate, 1);
    /* A peer that sends in bursts must find enough in its queue for a whole one. */
    p->silence = gos__max_i64(p->window_silence, p->silence - p->silence / 8);
    int64_t lead_ns = LEAD_NS + gos__min_i64(2 * p->silence, SILENCE_MAX_NS);
    uint64_t lead = p->rate * (uint64_t)(lead_ns / GOS__MS) / 1000 / GOS__SCHED_BLOCK;
    p->depth = (uint32_t)gos__min_u64(lead + GOS__SCHED_MIN_DEPTH, GOS__SCHED_MAX_QUEUE);
}

static void open_window(struct gos__sched_peer *p, int64_t now)
{
    p->window_start = now;
    p->window_bytes = 0;
    p->window_silence = 0;
}

/* Time in which nothing was asked says nothing about the peer. */
static void skip_idle_time(struct gos__sched_peer *p, int64_t now)
{
    int64_t busy = p->last_delivery - p->window_start;
    if (busy >= SHORT_WINDOW_NS)
        close_window(p, busy);
    open_window(p, now);
}

static void feed_rate(struct gos__sched_peer *p, uint32_t len, int64_t now)
{
    if (!p->n_live && !p->stalled)
        return; /* a late answer or a keep-alive: the time before it was idle */
    p->window_bytes += len;
    p->window_silence = gos__max_i64(p->window_silence, now - p->waiting_since);
    if (now - p->window_start >= RATE_WINDOW_NS) {
        close_window(p, now - p->window_start);
        open_window(p, now);
    } else if (!p->rate && p->depth < GOS__SCHED_MAX_QUEUE) {
        p->depth++; /* until it is measured the queue doubles with each round trip */
    }
    p->last_delivery = now;
    p->waiting_since = now;
}

static int64_t time_of(const struct gos__sched_peer *p, uint64_t blocks)
{
    uint64_t rate = p->rate ? p->rate : GUESSED_RATE;
    return (int64_t)(blocks * GOS__SCHED_BLOCK * (uint64_t)GOS__SECOND / rate);
}

int64_t gos__sched_expect(const struct gos__sched_peer *p)
{
    return time_of(p, p->n_live + 1);
}

static int64_t patience(const struct gos__sched_peer *p)
{
    int64_t ns = p->rate ? 2 * time_of(p, 1) : 0;
    return gos__min_i64(gos__max_i64(ns, STALL_NS), STALL_MAX_NS);
}

/* ---- asking ---- */

bool gos__sched_room(const struct gos__sched *s, const struct gos__sched_peer *p, uint32_t extra)
{
    if (p->choked || s->now < p->quiet_until)
        return false;
    return p->n_live < (p->stalled ? 1 : p->depth + extra) && p->n_live + p->n_stale < p->cap;
}

static void send_request(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot,
                         const struct gos__sched_request *r)
{
    p->request[slot] = *r;
    p->last_ask = s->now;
    p->unflushed = true;
    s->out.request(s->user, p->handle, r->piece, r->block);
}

void gos__sched_ask(struct gos__sched *s, struct gos__sched_peer *p, struct gos__sched_piece *piece,
                    uint32_t block)
{
    uint8_t slot = slot_take(p);
    if (!p->n_live) {
        p->waiting_since = s->now;
        if (!p->stalled) /* else the silence counts */
            skip_idle_time(p, s->now);
    }
    int64_t late = gos__max_i64(HEDGE_NS, 2 * gos__sched_expect(p));
    struct gos__sched_request r = {piece->number, block, s->now, s->now + late, GOS__SCHED_LIVE};
    gos__sched_own(piece, block, p, slot);
    p->n_live++;
    s->stats.requests++;
    send_request(s, p, slot, &r);
}

void gos__sched_ask_redundant(struct gos__sched *s, struct gos__sched_peer *p, uint32_t piece,
                              uint32_t block)
{
    struct gos__sched_request r = {piece, block, s->now, s->now + STALE_NS, GOS__SCHED_STALE};
    p->n_stale++;
    s->stats.keepalives++;
    send_request(s, p, slot_take(p), &r);
}

/* ---- what time does ---- */

/* It answers other requests, not this one. Who does that on purpose shall not be
 * able to keep a piece that only he may send. */
static void lose(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot)
{
    struct gos__sched_piece *piece = gos__sched_find(s, p->request[slot].piece);
    take_back(s, p, slot, GOS__SCHED_CANCEL_DUE);
    if (piece && piece->only == p->who)
        gos__sched_release_only(s, piece);
}

static void sweep(struct gos__sched *s, struct gos__sched_peer *p)
{
    for (unsigned i = 0; i < GOS__SCHED_MAX_QUEUE; i++) {
        const struct gos__sched_request *r = &p->request[i];
        if (r->state == GOS__SCHED_STALE && s->now >= r->until) {
            forget_stale(p, (uint8_t)i);
            s->stats.stale_expired++;
        } else if (r->state == GOS__SCHED_LIVE &&
                   s->now - r->asked >= gos__max_i64(LOST_NS, 2 * (r->until - r->asked))) {
            lose(s, p, (uint8_t)i);
        }
    }
}

void gos__sched_expire(struct gos__sched *s, struct gos__sched_peer *p)
{
    if (p->n_live && s->now - p->waiting_since >= patience(p)) {
        for (unsigned i = 0; i < GOS__SCHED_MAX_QUEUE; i++) {
            if (p->request[i].state == GOS__SCHED_LIVE)
                take_back(s, p, (uint8_t)i, GOS__SCHED_CANCEL_DUE);
        }
        p->stalled = true;
        s->stats.stalls++;
    }
    if (s->now >= p->next_sweep) {
        sweep(s, p);
        p->next_sweep = s->now + SWEEP_NS;
    }
}

int64_t gos__sched_peer_next(const struct gos__sched *s, const struct gos__sched_peer *p)
{
    int64_t next = INT64_MAX;
    if (p->n_live)
        next = p->waiting_since + patience(p);
    if (p->n_live || p->n_stale)
        next = gos__min_i64(next, p->next_sweep);
    if (!p->choked && p->quiet_until > s->now)
        next = gos__min_i64(next, p->quiet_until);
    return next;
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
    p->cap = GOS__SCHED_MAX_QUEUE;
    p->depth = GOS__SCHED_MIN_DEPTH;
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
            take_back(s, p, (uint8_t)i, GOS__SCHED_UNUSED);
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
    for (unsigned i = 0; i < GOS__SCHED_MAX_QUEUE; i++) {
        struct gos__sched_request *r = &p->request[i];
        if (r->state == GOS__SCHED_LIVE) {
            take_back(s, p, (uint8_t)i, p->fast ? GOS__SCHED_STALE : GOS__SCHED_UNUSED);
        } else if (r->state != GOS__SCHED_UNUSED && !p->fast) {
            forget_stale(p, (uint8_t)i);
        } else if (r->state == GOS__SCHED_CANCEL_DUE) {
            r->state = GOS__SCHED_STALE;
            p->n_cancel_due--;
        }
    }
}

void gos__sched_choke(struct gos__sched *s, struct gos__sched_peer *p, bool choked)
{
    if (p->choked == choked)
        return;
    p->choked = choked;
    if (choked) {
        drop_queue(s, p);
        return;
    }
    p->stalled = false;
    p->quiet_until = 0;
    p->last_ask = GOS__SCHED_NEXT_PASS; /* this event carries no time */
}

void gos__sched_reject(struct gos__sched *s, struct gos__sched_peer *p, uint32_t piece,
                       uint32_t block)
{
    s->stats.rejects++;
    uint8_t slot;
    /* What was given up was asked first, so it is answered first. */
    if (find_stale(p, piece, block, &slot)) {
        forget_stale(p, slot);
        return;
    }
    struct gos__sched_piece *pc = gos__sched_find(s, piece);
    if (!pc || block >= pc->n_blocks || !gos__sched_owns(&pc->block[block], p, &slot))
        return;
    take_back(s, p, slot, GOS__SCHED_UNUSED);
    if (pc->only == p->who)
        gos__sched_release_only(s, pc);
    /* It may reject for ever: ask it again, but not in a circle as fast as the link is. */
    p->quiet_until = s->now + (REJECTED_NS << p->rejects);
    if (p->rejects < REJECTS_COUNTED)
        p->rejects++;
}

void gos__sched_have(struct gos__sched *s, struct gos__sched_peer *p)
{
    (void)s;
    p->cursor_change = 0;
    p->interest_order = 0;
}

static void answered(struct gos__sched_peer *p, uint32_t len, int64_t now)
{
    feed_rate(p, len, now);
    p->rejects = 0;
    if (p->stalled) {
        p->stalled = false;
        p->cursor_change = 0;
    }
}

void gos__sched_received(struct gos__sched *s, struct gos__sched_peer *p, uint32_t piece,
                         uint32_t block, uint32_t len, int64_t now)
{
    s->now = gos__max_i64(s->now, now);
    struct gos__sched_piece *pc = gos__sched_find(s, piece);
    struct gos__sched_block *b = pc && block < pc->n_blocks ? &pc->block[block] : NULL;
    uint8_t slot, older;
    bool given_up = find_stale(p, piece, block, &older);
    bool owned = b && gos__sched_owns(b, p, &slot);
    /* Only answers are signs of life: else whoever sends what nobody asked for
     * could sit on what he was asked. */
    if (given_up || owned)
        answered(p, len, s->now);
    if (given_up)
        forget_stale(p, older);
    if (owned) {
        /* Asked twice, it answered the first: the second can be cancelled. */
        retire(s, p, slot, given_up ? GOS__SCHED_CANCEL_DUE : GOS__SCHED_UNUSED);
        gos__sched_remove_owner(b, p);
    }
    if (b)
        gos__sched_arrive(s, pc, block, p->who);
}
