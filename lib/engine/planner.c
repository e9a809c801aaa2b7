/* SPDX-License-Identifier: MIT
 *
 * Which pieces shall be in memory. A plan is an ordered list: first the pieces
 * that readers wait for; then what lies ahead of their cursors, by the time at
 * which each reader will need it. As much of it as the arena holds is begun;
 * what is in no window makes room, least recently used first. Runs on the
 * network thread when wishes have changed. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/minmax.h"
#include "engine/engine.h"
#include "engine/layout.h"

#define RETRY_NS (100 * GOS__MS) /* after memory was short */
/* A reader that nobody hears from keeps what it has while nobody else needs the
 * room, but nothing is fetched for it. */
#define IDLE_NS (60 * GOS__SECOND)
/* Reads that were overtaken by a jump of their reader, and those that nobody
 * waits for, come after the others for so long. */
#define OVERTAKEN_NS (2 * GOS__SECOND)
#define PREFETCH_NS (10 * GOS__SECOND)
#define LEAST_RATE (UINT64_C(256) << 10) /* of a reader, for the order of read-ahead */

/* A cursor and what is wanted ahead of it. */
struct gos__plan_cursor {
    gos_torrent *torrent;
    uint64_t wants;      /* bytes, from `next` on */
    uint64_t next;       /* in the torrent: where its reader will go on */
    uint64_t piece, end; /* the next one to choose; behind the last one */
    int64_t needed_ns;   /* its reader needs that one in so long; INT64_MAX: there is none */
    uint64_t rate;
    int64_t later; /* nobody waits for it */
};

struct plan {
    gos_session *s;
    int64_t now;
    uint64_t number;
    uint32_t left; /* slots not promised yet */
    uint32_t n;    /* entries of s->plan */
    uint32_t n_awaited;
    uint32_t n_cursors;
    uint64_t limit; /* bytes a second */
    bool kept_marked;
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

int gos__plan_init(gos_session *s)
{
    s->plan = gos__calloc(s->arena.n_slots, sizeof *s->plan);
    s->plan_cursors = gos__calloc(GOS__PLAN_CURSORS, sizeof *s->plan_cursors);
    s->replan_at = s->tidy_at = INT64_MAX;
    return s->plan && s->plan_cursors ? 0 : gos__error_nomem();
}

void gos__plan_finish(gos_session *s)
{
    gos__free(s->plan);
    gos__free(s->plan_cursors);
}

/* ---- what readers wait for ---- */

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

/* Whether the others come before it: for a while only, nobody waits for ever. */
static bool can_wait(const struct plan *pl, const struct gos__waiter *w)
{
    const struct gos__torrent_source *f = w->source;
    int64_t age = pl->now - w->began_ns;
    if (f->window.kind == GOS_READER_PREFETCH)
        return age < PREFETCH_NS;
    return age < OVERTAKEN_NS && gos__window_rests(&f->window, w->off + w->got - f->offset);
}

/* Readers that wait, oldest first. Once one has to wait for room, those after it
 * only join pieces that are planned already: nobody is overtaken for ever. */
static void choose_awaited(gos_session *s, struct plan *pl) GOS_REQUIRES(s->lock)
{
    bool line = false;
    for (int later = 0; later <= 1; later++) {
        for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next) {
            struct gos__waiter *w = GOS__LIST_OWNER(l, struct gos__waiter, link);
            gos_torrent *t = w->torrent;
            if (w->result != 0 || !t->live || can_wait(pl, w) != later)
                continue;
            w->piece = (uint32_t)((w->off + w->got) / t->view->piece_length);
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
    }
    s->line = line;
    pl->n_awaited = pl->n;
}

/* ---- what lies ahead ---- */

static void add_cursor(gos_session *s, struct plan *pl, const struct gos__torrent_source *f,
                       const struct gos__cursor *c) GOS_REQUIRES(s->lock)
{
    uint64_t ahead = gos__min_u64(c->edge - gos__min_u64(c->next, c->edge), s->ahead_max);
    uint64_t piece = f->torrent->view->piece_length;
    s->plan_cursors[pl->n_cursors++] = (struct gos__plan_cursor){
        .torrent = f->torrent,
        .wants = ahead,
        .next = f->offset + c->next,
        .piece = (f->offset + c->at) / piece,
        .rate = gos__max_u64(gos__window_rate(&f->window, c), LEAST_RATE),
        .later = f->window.kind == GOS_READER_PREFETCH ? PREFETCH_NS : 0,
    };
}

static void add_reader(gos_session *s, struct plan *pl, struct gos__torrent_source *f)
    GOS_REQUIRES(s->lock)
{
    s->tidy_at = gos__min_i64(s->tidy_at, gos__window_tidy(&f->window, pl->now));
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS && pl->n_cursors < GOS__PLAN_CURSORS; i++) {
        const struct gos__cursor *c = &f->window.cursor[i];
        if (c->used && !c->resting && pl->now - c->used_ns < IDLE_NS)
            add_cursor(s, pl, f, c);
    }
}

/* Three quarters of the arena are for what lies ahead; the rest keeps what was
 * just read. Who wants less than an equal share leaves the rest of it to those
 * who want more, so the sum of all windows fits. A quarter of it is all that
 * those get for whom nobody waits. */
static void share(gos_session *s, struct plan *pl, bool later) GOS_REQUIRES(s->lock)
{
    uint64_t left = (uint64_t)s->arena.n_slots * GOS__SLOT_SIZE / 4 * 3, part = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < pl->n_cursors; i++)
        n += (s->plan_cursors[i].later > 0) == later;
    if (later)
        left /= 4;
    for (bool again = n > 0; again;) {
        uint64_t next_left = left;
        uint32_t next_n = n;
        again = false;
        part = left / n;
        for (uint32_t i = 0; i < pl->n_cursors; i++) {
            struct gos__plan_cursor *c = &s->plan_cursors[i];
            if ((c->later > 0) != later || c->end || c->wants > part)
                continue;
            c->end = 1; /* it gets all it wants */
            next_left -= c->wants;
            next_n--;
        }
        again = next_n > 0 && next_n < n;
        left = next_left;
        n = next_n;
    }
    for (uint32_t i = 0; i < pl->n_cursors; i++) {
        struct gos__plan_cursor *c = &s->plan_cursors[i];
        if ((c->later > 0) != later)
            continue;
        uint64_t piece = c->torrent->view->piece_length;
        uint64_t gets = c->end ? c->wants : gos__min_u64(c->wants, part);
        c->end = (c->next + gets + piece - 1) / piece;
    }
}

/* When the reader will need the next piece, counted from now. */
static int64_t needed_in(const struct gos__plan_cursor *c)
{
    if (c->piece >= c->end)
        return INT64_MAX;
    uint64_t at = c->piece * c->torrent->view->piece_length;
    uint64_t ahead = at > c->next ? at - c->next : 0; /* at most a window: no overflow */
    return (int64_t)(ahead * 1000 / c->rate) * GOS__MS + c->later;
}

/* Many cursors and many small pieces meet here: only what has changed is computed again. */
static void choose_ahead(gos_session *s, struct plan *pl) GOS_REQUIRES(s->lock)
{
    for (uint32_t i = 0; i < pl->n_cursors; i++)
        s->plan_cursors[i].needed_ns = needed_in(&s->plan_cursors[i]);
    for (;;) {
        struct gos__plan_cursor *first = NULL;
        for (uint32_t i = 0; i < pl->n_cursors; i++) {
            struct gos__plan_cursor *c = &s->plan_cursors[i];
            if (c->needed_ns < (first ? first->needed_ns : INT64_MAX))
                first = c;
        }
        if (!first)
            return;
        /* What does not fit ends this window, not those of films with smaller pieces. */
        if (want_piece(s, pl, first->torrent, (uint32_t)first->piece))
            first->piece++;
        else
            first->end = 0;
        first->needed_ns = needed_in(first);
    }
}

static void choose(gos_session *s, struct plan *pl) GOS_REQUIRES(s->lock)
{
    pl->left = s->arena.n_slots - s->arena.n_orphans;
    s->tidy_at = INT64_MAX;
    choose_awaited(s, pl);
    for (struct gos__list *l = s->readers.next; l != &s->readers; l = l->next) {
        struct gos__torrent_source *f = GOS__LIST_OWNER(l, struct gos__torrent_source, use_link);
        if (f->torrent->live)
            add_reader(s, pl, f);
    }
    share(s, pl, false);
    share(s, pl, true);
    choose_ahead(s, pl);
}

/* ---- making room ---- */

void gos__plan_evict_locked(gos_session *s, struct gos__piece *p, struct gos__list *gone)
{
    gos_torrent *t = p->owner;
    bool was_verified = p->verified;
    gos__list_remove(&p->link);
    gos__list_append(gone, &p->link);
    p->gone = true;
    p->pins++; /* until gos__plan_let_go() */
    p->verified = false;
    t->pieces[p->index] = NULL;
    if (p->begun) {
        if (!was_verified)
            t->stats.traffic.late += gos__piece_fetched(p);
        else if (p->hashing) /* the good verdict will find it gone: counted here */
            t->stats.traffic.verified += gos__piece_fetched(p);
        gos__arena_give(&s->arena, p->slots, p->n_blocks);
        t->n_resident -= p->n_blocks;
        t->stats.evicted_pieces++;
    }
}

static void keep(gos_torrent *t, uint64_t from, uint64_t to, uint64_t number)
{
    uint64_t piece = t->view->piece_length;
    for (uint64_t i = from / piece; i * piece < to; i++) {
        if (t->pieces[i])
            t->pieces[i]->kept = number;
    }
}

/* What is not wanted now, but is the next best thing: where a reader was a moment
 * ago, and what it left behind for a short way back. */
static void mark_kept(gos_session *s, struct plan *pl) GOS_REQUIRES(s->lock)
{
    uint64_t most = (uint64_t)s->arena.n_slots * GOS__SLOT_SIZE / 8;
    for (struct gos__list *l = s->readers.next; l != &s->readers; l = l->next) {
        struct gos__torrent_source *f = GOS__LIST_OWNER(l, struct gos__torrent_source, use_link);
        for (unsigned i = 0; f->torrent->live && i < GOS__WINDOW_CURSORS; i++) {
            const struct gos__cursor *c = &f->window.cursor[i];
            uint64_t behind = gos__min_u64(gos__min_u64(f->window.behind_max, most), c->at);
            if (c->used)
                keep(f->torrent, f->offset + c->at - behind, f->offset + c->edge, pl->number);
        }
    }
    pl->kept_marked = true;
}

/* Evict pieces outside the plan until `need` slots are free. */
static bool make_room(gos_session *s, struct plan *pl, uint32_t need, struct gos__list *gone)
    GOS_REQUIRES(s->lock)
{
    if (s->arena.n_free >= need)
        return true;
    if (!pl->kept_marked)
        mark_kept(s, pl);
    for (int kept = 0; kept <= 1; kept++) {
        for (struct gos__list *l = s->pieces.next; s->arena.n_free < need && l != &s->pieces;) {
            struct gos__piece *p = GOS__LIST_OWNER(l, struct gos__piece, link);
            l = l->next;
            if (p->plan != pl->number && (kept || p->kept != pl->number))
                gos__plan_evict_locked(s, p, gone);
        }
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

/* Where libtorrent picks, it is told what; once the pump has it. */
static void want(gos_session *s, gos_torrent *t)
{
    gos__lock(&s->lock);
    ltc_torrent *lt = t->lt;
    gos__unlock(&s->lock);
    if (lt)
        ltc_torrent_want(lt, t->order, t->n_order, t->n_awaited);
}

/* To the torrents in the swarm that want something, or did at the last plan. */
static void hand_over_orders(struct plan *pl)
{
    gos_session *s = pl->s;
    for (struct gos__list *l = s->known.next; l != &s->known; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, net_link);
        if (!t->sched || !t->live || (t->n_order == 0 && !t->ordered))
            continue;
        t->ordered = t->n_order > 0;
        gos__sched_set_limit(t->sched, pl->limit);
        if (s->libtorrent_picks)
            want(s, t);
        else if (gos__sched_order(t->sched, t->order, t->n_order, t->n_awaited) < 0)
            gos__plan_retry(s, pl->now);
        t->next_step = 0;
    }
}

void gos__plan(gos_session *s, int64_t now)
{
    struct gos__list gone;
    gos__list_init(&gone);
    struct plan pl = {.s = s, .now = now, .number = ++s->plan_number};
    gos__lock(&s->lock);
    s->wishes_changed = false;
    for (struct gos__list *l = s->known.next; l != &s->known; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, net_link);
        t->n_order = t->n_awaited = 0;
    }
    pl.limit = s->limits.download_bps;
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
