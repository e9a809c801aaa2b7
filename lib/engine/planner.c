/* SPDX-License-Identifier: MIT
 *
 * Which pieces shall be in memory. A plan is an ordered list: first the pieces
 * that readers wait for, the reader that came first before the others; then what
 * lies ahead of the cursors, in turns. As much of it as the arena holds is begun;
 * what is in no plan makes room, least recently used first. Runs on the network
 * thread when wishes have changed. */
#include <string.h>

#include "base/clock.h"
#include "base/minmax.h"
#include "engine/engine.h"
#include "engine/layout.h"

#define RETRY_NS (100 * GOS__MS) /* after memory was short */

struct plan {
    gos_session *s;
    int64_t now;
    uint64_t number;
    uint32_t left; /* slots not promised yet */
    uint32_t n;    /* entries of s->plan */
    uint32_t n_awaited;
    bool no_memory;
};

/* ---- when to plan ---- */

void gos__plan_soon_locked(gos_session *s)
{
    s->wishes_changed = true;
    if (!s->closing)
        ltc_wake(s->lt);
}

void gos__plan_retry(gos_session *s, int64_t now)
{
    s->replan_at = gos__min_i64(s->replan_at, now + RETRY_NS);
}

/* ---- choosing ---- */

/* Put a piece on the list. False: it does not fit, or there is no memory for it. */
static bool want_piece(gos_session *s, struct plan *pl, gos_torrent *t, uint32_t index)
    GOS_REQUIRES(s->lock)
{
    struct gos__piece *p = t->pieces[index];
    if (p && p->plan == pl->number)
        return true;
    uint32_t size = gos__layout_piece_size(t->view, index);
    uint32_t need = (size + GOS__SLOT_SIZE - 1) / GOS__SLOT_SIZE;
    if (need > pl->left)
        return false;
    if (!p) {
        p = gos__piece_new(t, index, size);
        if (!p) {
            pl->no_memory = true;
            return false;
        }
        t->pieces[index] = p;
    }
    p->plan = pl->number;
    pl->left -= need;
    s->plan[pl->n++] = p;
    return true;
}

/* Readers that wait, oldest first. Once one has to wait for room, those after it
 * only join pieces that are planned already: nobody is overtaken for ever. */
static void choose_awaited(gos_session *s, struct plan *pl) GOS_REQUIRES(s->lock)
{
    bool line = false;
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next) {
        struct gos__waiter *w = GOS__LIST_OWNER(l, struct gos__waiter, link);
        gos_torrent *t = w->torrent;
        if (w->result != 0 || !t->live)
            continue;
        const struct gos__piece *p = t->pieces[w->piece];
        bool in_plan = p && p->plan == pl->number;
        if (in_plan || (!line && want_piece(s, pl, t, w->piece)))
            continue;
        if (pl->no_memory)
            gos__waiters_end_locked(s, w, GOS_ENOMEM);
        else
            line = true;
        pl->no_memory = false;
    }
    pl->n_awaited = pl->n;
}

/* One step of every cursor: its `k`-th piece. True if any wants more. */
static bool choose_ahead(gos_session *s, struct plan *pl, uint32_t k, uint64_t cap)
    GOS_REQUIRES(s->lock)
{
    bool more = false;
    for (struct gos__list *l = s->torrents.next; l != &s->torrents; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, link);
        if (!t->live)
            continue;
        for (struct gos__list *m = t->sources.next; m != &t->sources; m = m->next) {
            struct gos__torrent_source *f = GOS__LIST_OWNER(m, struct gos__torrent_source, link);
            for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++) {
                const struct gos__cursor *c = &f->window.cursor[i];
                if (!c->used)
                    continue;
                uint64_t end = gos__min_u64(c->next + gos__window_ahead(c, cap), f->size);
                uint64_t piece = (f->offset + c->at) / t->view->piece_length + k;
                if (piece * t->view->piece_length >= f->offset + end)
                    continue;
                if (want_piece(s, pl, t, (uint32_t)piece))
                    more = true;
            }
        }
    }
    return more;
}

static uint32_t count_cursors(gos_session *s) GOS_REQUIRES(s->lock)
{
    uint32_t n = 0;
    for (struct gos__list *l = s->torrents.next; l != &s->torrents; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, link);
        for (struct gos__list *m = t->sources.next; m != &t->sources; m = m->next) {
            const struct gos__torrent_source *f = GOS__LIST_OWNER(m, struct gos__torrent_source,
                                                                  link);
            for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++)
                n += f->window.cursor[i].used != 0;
        }
    }
    return n;
}

static void choose(gos_session *s, struct plan *pl) GOS_REQUIRES(s->lock)
{
    pl->left = s->arena.n_slots - s->arena.n_orphans;
    choose_awaited(s, pl);
    /* Cursors share three quarters of the arena; the rest keeps what was just read. */
    uint64_t share = (uint64_t)s->arena.n_slots * GOS__SLOT_SIZE / 4 * 3;
    uint64_t cap = gos__min_u64(share / gos__max_u64(count_cursors(s), 1), GOS__WINDOW_MAX);
    for (uint32_t k = 0; choose_ahead(s, pl, k, cap); k++) {
    }
}

/* ---- making room ---- */

void gos__plan_evict_locked(gos_session *s, struct gos__piece *p, struct gos__list *gone)
{
    gos_torrent *t = p->owner;
    gos__list_remove(&p->link);
    gos__list_append(gone, &p->link);
    p->gone = true;
    p->pins++; /* until gos__plan_let_go() */
    p->verified = false;
    t->pieces[p->index] = NULL;
    if (p->begun) {
        gos__arena_give(&s->arena, p->slots, p->n_blocks);
        t->n_resident -= p->n_blocks;
        t->stats.evicted_pieces++;
    }
}

/* Evict pieces outside the plan until `need` slots are free. */
static bool make_room(gos_session *s, struct plan *pl, uint32_t need, struct gos__list *gone)
    GOS_REQUIRES(s->lock)
{
    for (struct gos__list *l = s->pieces.next; s->arena.n_free < need && l != &s->pieces;) {
        struct gos__piece *p = GOS__LIST_OWNER(l, struct gos__piece, link);
        l = l->next;
        if (p->plan != pl->number)
            gos__plan_evict_locked(s, p, gone);
    }
    return s->arena.n_free >= need;
}

/* Blocks that hold only padding are zeros and need no peer. */
static void fill_padding(gos_session *s, gos_torrent *t, struct gos__piece *p) GOS_REQUIRES(s->lock)
{
    if (gos__layout_padding(t->view, p->index, t->padding, p->n_blocks) == 0)
        return;
    for (uint32_t i = 0; i < p->n_blocks; i++) {
        if (!t->padding[i])
            continue;
        memset(gos__arena_at(&s->arena, p->slots[i]), 0, GOS__SLOT_SIZE);
        p->stored[i] = GOS__BLOCK_PADDING;
        p->n_stored++;
    }
}

/* Give slots to what was chosen, in order. What must wait for slots stays out. */
static void begin(gos_session *s, struct plan *pl, struct gos__list *gone) GOS_REQUIRES(s->lock)
{
    bool full = false;
    uint32_t kept = 0, awaited = 0;
    for (uint32_t i = 0; i < pl->n; i++) {
        struct gos__piece *p = s->plan[i];
        gos_torrent *t = p->owner;
        if (!p->begun && !full) {
            full = !make_room(s, pl, p->n_blocks, gone) || !gos__piece_begin(p, &s->arena);
            if (!full) {
                p->progress_ns = pl->now;
                /* Of a failed copy that was evicted meanwhile the prints are kept. */
                p->want_prints = gos__blame_suspects(t->blame, p->index);
                t->n_resident += p->n_blocks;
                gos__list_append(&s->pieces, &p->link);
                fill_padding(s, t, p);
            }
        }
        if (!p->begun) {
            t->pieces[p->index] = NULL;
            gos__piece_free(p);
            continue;
        }
        s->plan[kept++] = p;
        if (i < pl->n_awaited)
            awaited = kept;
    }
    s->plan_starved = full;
    /* What was evicted may be borrowed still, perhaps by the very reader that
     * waits for room: the next plan knows and asks for less. It ends, because
     * each round of it evicts something. */
    if (full && !gos__list_empty(gone))
        gos__plan_soon_locked(s);
    pl->n = kept;
    pl->n_awaited = awaited;
}

/* The clock of a read that waits for room stands still; it starts when its piece
 * is begun. Before the torrent is live nothing but the swarm is in its way. */
static void start_clocks(gos_session *s, struct plan *pl) GOS_REQUIRES(s->lock)
{
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next) {
        struct gos__waiter *w = GOS__LIST_OWNER(l, struct gos__waiter, link);
        const struct gos__piece *p = w->torrent->live ? w->torrent->pieces[w->piece] : NULL;
        bool served = !w->torrent->live || (p && p->plan == pl->number);
        if (served && !w->served)
            w->since_ns = pl->now;
        if (served != w->served)
            s->next_expiry = 0; /* look at all of them once */
        w->served = served;
    }
}

/* ---- telling the scheduler ---- */

void gos__plan_give_writes_back(gos_session *s, struct gos__piece *p)
{
    for (uint32_t i = 0; i < p->n_blocks; i++) {
        if (p->withheld[i])
            ltc_write_done(s->lt, p->slots[i]);
        p->withheld[i] = 0;
    }
}

void gos__plan_let_go(gos_session *s, struct gos__list *gone)
{
    for (struct gos__list *l = gone->next; l != gone; l = l->next) {
        struct gos__piece *p = GOS__LIST_OWNER(l, struct gos__piece, link);
        gos_torrent *t = p->owner;
        if (t->sched && p->scheduled)
            gos__sched_end(t->sched, p->index);
        t->next_step = 0;
        gos__plan_give_writes_back(s, p);
    }
    gos__lock(&s->lock);
    while (!gos__list_empty(gone)) {
        struct gos__piece *p = GOS__LIST_OWNER(gone->next, struct gos__piece, link);
        gos__list_remove(&p->link);
        gos__piece_unpin(p);
    }
    gos__unlock(&s->lock);
}

/* Pieces that are begun and still miss blocks, in the plan's order, to each
 * torrent's scheduler. Blocks are stored on this thread, so no lock is needed to
 * count them. */
static void tell_schedulers(struct plan *pl)
{
    gos_session *s = pl->s;
    for (uint32_t i = 0; i < pl->n; i++) {
        struct gos__piece *p = s->plan[i];
        gos_torrent *t = p->owner;
        if (gos__piece_complete(p))
            continue;
        if (!p->scheduled) {
            gos__layout_padding(t->view, p->index, t->padding, p->n_blocks);
            if (gos__sched_begin(t->sched, p->index, p->n_blocks, t->padding) < 0) {
                gos__plan_retry(s, pl->now);
                continue;
            }
            p->scheduled = true;
        }
        t->order[t->n_order++] = p->index;
        if (i < pl->n_awaited)
            t->n_awaited = t->n_order;
    }
}

/* All torrents of the session that have a scheduler; the list itself changes
 * under the lock, but torrents leave it on this thread or unseen by it. */
static void hand_over_orders(struct plan *pl)
{
    gos_session *s = pl->s;
    gos__lock(&s->lock);
    for (struct gos__list *l = s->torrents.next; l != &s->torrents; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, link);
        if (!t->live)
            continue;
        if (gos__sched_order(t->sched, t->order, t->n_order, t->n_awaited) < 0)
            gos__plan_retry(s, pl->now);
        t->next_step = 0;
    }
    gos__unlock(&s->lock);
}

void gos__plan(gos_session *s, int64_t now)
{
    struct gos__list gone;
    gos__list_init(&gone);
    struct plan pl = {.s = s, .now = now, .number = ++s->plan_number};
    gos__lock(&s->lock);
    s->wishes_changed = false;
    for (struct gos__list *l = s->torrents.next; l != &s->torrents; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, link);
        t->n_order = t->n_awaited = 0;
    }
    choose(s, &pl);
    begin(s, &pl, &gone);
    start_clocks(s, &pl);
    gos__unlock(&s->lock);
    if (pl.no_memory)
        gos__plan_retry(s, now);
    gos__plan_let_go(s, &gone);
    tell_schedulers(&pl);
    hand_over_orders(&pl);
}
