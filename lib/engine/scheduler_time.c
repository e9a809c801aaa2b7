/* SPDX-License-Identifier: MIT
 *
 * What time does to the scheduler's peers: how long to believe that one will
 * answer, and what follows when it does not. Network thread only. */
#include "base/minmax.h"
#include "engine/scheduler_private.h"

#define STALL_NS (3 * GOS__SECOND)
#define STALL_MAX_NS (30 * GOS__SECOND)
#define LOST_NS (20 * GOS__SECOND) /* others were answered meanwhile: this one was forgotten */
#define OVERTAKEN 8                /* so many that were asked later were answered ... */
#define OVERTAKEN_NS GOS__SECOND   /* ... and it was asked so long ago */
#define CEILING_LEAST 4
#define CEILING_NS (60 * GOS__SECOND)
#define DISTRUST_NS (60 * GOS__SECOND)
#define DISTRUST_MAX 6 /* each doubles the time that it is expected to need */
#define SWEEP_NS GOS__SECOND

static int64_t patience(const struct gos__sched *s, const struct gos__sched_peer *p)
{
    int64_t ns = p->pace.rate ? 2 * gos__pace_time_of(&p->pace, 1) : 0;
    ns = gos__min_i64(gos__max_i64(ns, STALL_NS), STALL_MAX_NS);
    return ns + 2 * gos__sched_time_of_limit(s);
}

/* It was silent about a request that came with so many others: some clients take
 * fewer than they say, and drop the rest without a word. */
static void lower_ceiling(const struct gos__sched *s, struct gos__sched_peer *p, uint32_t queue)
{
    uint32_t ceiling = (uint32_t)gos__max_u64(queue / 4 * 3, CEILING_LEAST);
    p->ceiling = (uint32_t)gos__min_u64(p->ceiling, ceiling);
    p->ceiling_until = s->now + CEILING_NS;
}

static void raise_ceiling(const struct gos__sched *s, struct gos__sched_peer *p)
{
    if (p->ceiling == GOS__SCHED_MAX_QUEUE || s->now < p->ceiling_until)
        return;
    p->ceiling = (uint32_t)gos__min_u64(2 * p->ceiling, GOS__SCHED_MAX_QUEUE);
    p->ceiling_until = s->now + CEILING_NS;
}

/* Others come before it for this piece from now on, until all of them did the same. */
static void remember_sitter(const struct gos__sched *s, struct gos__sched_piece *piece,
                            const struct gos__sched_peer *sitter)
{
    uint64_t bit = UINT64_C(1) << (sitter->who % 64);
    piece->sat_on |= bit;
    GOS__SCHED_EACH_PEER(s, p)
    {
        if (!p->choked && !p->stalled && !gos__sched_sat_on(piece, p))
            return;
    }
    piece->sat_on = bit;
}

/* It answers other requests, not this one. Who does that on purpose shall not be
 * able to keep a piece that only he may send. */
static void lose(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot)
{
    struct gos__sched_piece *piece = gos__sched_find(s, p->request[slot].piece);
    gos__sched_take_back(s, p, slot, GOS__SCHED_CANCEL_DUE);
    if (piece && piece->only == p->who)
        gos__sched_release_only(s, piece);
    if (piece)
        remember_sitter(s, piece, p);
    lower_ceiling(s, p, p->request[slot].queue);
    if (p->distrust < DISTRUST_MAX)
        p->distrust++;
    p->distrust_until = s->now + DISTRUST_NS;
    s->stats.lost++;
}

/* Whether a request was forgotten: what was asked after it was answered before it.
 * In the end it is given up in any case, since not all is answered in turn. */
static bool is_lost(const struct gos__sched *s, const struct gos__sched_peer *p,
                    const struct gos__sched_request *r)
{
    int64_t age = s->now - r->asked, usual = 2 * (r->until - r->asked);
    bool overtaken = p->n_answered - r->answered > (uint32_t)r->queue + OVERTAKEN;
    return age >= gos__max_i64(overtaken ? OVERTAKEN_NS : LOST_NS, usual);
}

static void sweep(struct gos__sched *s, struct gos__sched_peer *p)
{
    if (p->distrust && s->now >= p->distrust_until) {
        p->distrust--;
        p->distrust_until = s->now + DISTRUST_NS;
    }
    for (unsigned i = 0; i < GOS__SCHED_MAX_QUEUE; i++) {
        const struct gos__sched_request *r = &p->request[i];
        if (r->state == GOS__SCHED_STALE && s->now >= r->until && r->kept_up && !r->called_off) {
            /* Else the same block could be asked for again while it is owed. */
            p->request[i].called_off = true;
            p->request[i].state = GOS__SCHED_CANCEL_DUE;
            p->n_cancel_due++;
        } else if (r->state == GOS__SCHED_STALE && s->now >= r->until) {
            gos__sched_forget_stale(p, (uint8_t)i);
            s->stats.stale_expired++;
        } else if (r->state == GOS__SCHED_LIVE && is_lost(s, p, r)) {
            lose(s, p, (uint8_t)i);
        }
    }
}

void gos__sched_expire(struct gos__sched *s, struct gos__sched_peer *p)
{
    if (p->quiet_due) {
        p->quiet_until = s->now + p->quiet_due;
        p->quiet_due = 0;
    }
    if (!p->n_live)
        gos__pace_age(&p->pace, s->now);
    raise_ceiling(s, p);
    if (p->n_live && s->now - p->waiting_since >= patience(s, p)) {
        if (p->n_answered && !p->stalled)
            lower_ceiling(s, p, p->n_live);
        for (unsigned i = 0; i < GOS__SCHED_MAX_QUEUE; i++) {
            if (p->request[i].state == GOS__SCHED_LIVE)
                gos__sched_take_back(s, p, (uint8_t)i, GOS__SCHED_CANCEL_DUE);
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
        next = p->waiting_since + patience(s, p);
    if (p->n_live || p->n_stale)
        next = gos__min_i64(next, p->next_sweep);
    if (!p->choked && p->quiet_until > s->now)
        next = gos__min_i64(next, p->quiet_until);
    return next;
}
