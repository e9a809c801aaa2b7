/* SPDX-License-Identifier: MIT
 *
 * Cursors of a reader. Pure. */
#include "engine/window.h"

#include "base/clock.h"
#include "base/minmax.h"

#define REST_NS (5 * GOS__SECOND)        /* a cursor that was left is remembered for so long */
#define RATE_NS GOS__SECOND              /* a rate is measured over so much at least */
#define PAUSE_NS (10 * GOS__SECOND)      /* time without a read that says nothing about the rate */
#define GUESSED_RATE (UINT64_C(4) << 20) /* of a reader that was not measured */
#define TIME_LEAST (UINT64_C(4) << 20)   /* ahead, however slowly it is read */
#define PROVEN (256u * 1024)             /* who read so much in sequence reads on */
#define HOPS_FORGIVEN 1 /* jumps in a row after which something is still fetched ahead */

void gos__window_init(struct gos__window *w, uint64_t size,
                      const struct gos_torrent_reader_opts *opts)
{
    static const struct gos_torrent_reader_opts none;
    const struct gos_torrent_reader_opts *o = opts ? opts : &none;
    *w = (struct gos__window){
        .kind = o->kind,
        .size = size,
        .ahead_max = o->ahead ? o->ahead : GOS__WINDOW_MAX,
        .behind_max = o->behind ? o->behind : GOS__WINDOW_BEHIND,
        .ahead_ns = o->ahead_ns > 0 ? o->ahead_ns : GOS__WINDOW_TIME_NS,
        .rate_given = o->rate,
    };
}

uint64_t gos__window_rate(const struct gos__window *w, const struct gos__cursor *c)
{
    if (w->rate_given)
        return w->rate_given;
    return c->rate ? c->rate : GUESSED_RATE;
}

/* ---- how far ahead ---- */

/* Bytes read in `ns`, without overflow. */
static uint64_t in_time(uint64_t rate, int64_t ns)
{
    uint64_t s = (uint64_t)(ns / GOS__SECOND), rest = (uint64_t)(ns % GOS__SECOND);
    if (rate > (UINT64_C(1) << 40) || s > (UINT64_C(1) << 20))
        return UINT64_MAX;
    return rate * s + rate / 1000 * rest / (uint64_t)GOS__MS;
}

/* As much as was read since the jump, doubled, and a little to begin with; after
 * several jumps in a row nothing, until one is read on from: who reads here and
 * there would never use it. */
static uint64_t ahead_of(const struct gos__window *w, const struct gos__cursor *c)
{
    if (w->kind == GOS_READER_PROBE)
        return 0;
    uint64_t ahead = w->kind == GOS_READER_PLAY ? GOS__WINDOW_PLAY : GOS__WINDOW_FIRST;
    if (w->kind != GOS_READER_PLAY && c->run < PROVEN && w->hops > HOPS_FORGIVEN)
        return 0;
    ahead += 2 * c->run;
    if (w->rate_given || c->rate)
        ahead = gos__min_u64(
            ahead, gos__max_u64(in_time(gos__window_rate(w, c), w->ahead_ns), TIME_LEAST));
    return gos__min_u64(ahead, w->ahead_max);
}

/* True when more is wanted than before. A window that was full is filled again
 * by steps: not for each read. */
static bool move_edge(const struct gos__window *w, struct gos__cursor *c, uint64_t step)
{
    uint64_t ahead = ahead_of(w, c);
    uint64_t left = w->size - gos__min_u64(c->next, w->size);
    uint64_t edge = gos__min_u64(c->next, w->size) + gos__min_u64(ahead, left);
    uint64_t least = gos__max_u64(step, ahead / 8);
    if (edge <= c->edge)
        return false;
    if (c->edge >= c->next && edge < w->size && edge - c->edge < least)
        return false;
    c->edge = edge;
    return true;
}

/* ---- reading ---- */

static bool belongs(const struct gos__cursor *c, uint64_t off)
{
    uint64_t low = c->next > GOS__WINDOW_TOLERANCE ? c->next - GOS__WINDOW_TOLERANCE : 0;
    low = gos__min_u64(low, c->at);
    uint64_t high = gos__max_u64(c->next + GOS__WINDOW_TOLERANCE, c->edge);
    return c->used && off >= low && off <= high;
}

static struct gos__cursor *find(struct gos__window *w, uint64_t off)
{
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++) {
        if (belongs(&w->cursor[i], off))
            return &w->cursor[i];
    }
    return NULL;
}

static struct gos__cursor *oldest(struct gos__window *w)
{
    struct gos__cursor *c = &w->cursor[0];
    for (unsigned i = 1; i < GOS__WINDOW_CURSORS; i++) {
        if (w->cursor[i].used < c->used)
            c = &w->cursor[i];
    }
    return c;
}

static void measure(struct gos__cursor *c, uint64_t bytes, int64_t now)
{
    if (!c->rate_since || now - c->used_ns > PAUSE_NS) {
        c->rate_since = now;
        c->rate_bytes = 0;
        return;
    }
    c->rate_bytes += bytes;
    int64_t ns = now - c->rate_since;
    if (ns < RATE_NS)
        return;
    uint64_t rate = c->rate_bytes / (uint64_t)(ns / GOS__MS) * 1000;
    rate = gos__max_u64(rate, 1);
    c->rate = c->rate ? (3 * c->rate + rate) / 4 : rate;
    c->rate_since = now;
    c->rate_bytes = 0;
}

static void jump(struct gos__window *w, struct gos__cursor *c, uint64_t off, uint64_t end,
                 int64_t now)
{
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++)
        w->cursor[i].resting = w->cursor[i].used != 0;
    if (w->reads > 1) {
        w->jumps++;
        w->hops++;
    }
    *c = (struct gos__cursor){
        .used = w->reads, .run = end - off, .at = off, .next = end, .edge = off, .used_ns = now};
}

enum gos__window_change gos__window_read(struct gos__window *w, uint64_t off, uint64_t len,
                                         uint64_t step, int64_t now)
{
    uint64_t end = off + len;
    struct gos__cursor *c = find(w, off);
    w->reads++;
    if (!c) {
        c = oldest(w);
        jump(w, c, off, end, now);
        move_edge(w, c, step);
        c->edge = gos__max_u64(c->edge, end);
        return GOS__WINDOW_JUMPED;
    }
    bool woke = c->resting;
    c->resting = false;
    c->used = w->reads;
    if (end > c->next) {
        uint64_t fresh = end - gos__max_u64(off, c->next);
        measure(c, fresh, now);
        c->run += fresh;
        c->at = off;
        c->next = end;
        if (c->run >= PROVEN)
            w->hops = 0;
    }
    c->used_ns = now;
    bool moved = move_edge(w, c, step);
    c->edge = gos__max_u64(c->edge, c->next);
    if (woke)
        return GOS__WINDOW_JUMPED;
    return moved ? GOS__WINDOW_MOVED : GOS__WINDOW_SAME;
}

void gos__window_kind_changed(struct gos__window *w)
{
    w->hops = 0;
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++) {
        struct gos__cursor *c = &w->cursor[i];
        if (!c->used)
            continue;
        c->edge = gos__min_u64(c->next, w->size);
        move_edge(w, c, 0);
    }
}

void gos__window_given(struct gos__window *w, uint64_t off, uint64_t end)
{
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++) {
        struct gos__cursor *c = &w->cursor[i];
        if (c->used && c->at >= off && c->at < end && end <= c->next)
            c->at = end;
    }
}

bool gos__window_rests(const struct gos__window *w, uint64_t off)
{
    bool rests = false;
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++) {
        if (!belongs(&w->cursor[i], off))
            continue;
        if (!w->cursor[i].resting)
            return false;
        rests = true;
    }
    return rests;
}

int64_t gos__window_tidy(struct gos__window *w, int64_t now)
{
    int64_t next = INT64_MAX;
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++) {
        struct gos__cursor *c = &w->cursor[i];
        if (!c->used || c->used == w->reads)
            continue;
        if (now - c->used_ns >= REST_NS)
            *c = (struct gos__cursor){0};
        else
            next = gos__min_i64(next, c->used_ns + REST_NS);
    }
    return next;
}

void gos__window_forget(struct gos__window *w, uint64_t off, uint64_t len)
{
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++) {
        struct gos__cursor *c = &w->cursor[i];
        if (c->used && c->at < off + len && c->edge >= off)
            *c = (struct gos__cursor){0};
    }
}

const struct gos__cursor *gos__window_current(const struct gos__window *w)
{
    const struct gos__cursor *best = NULL;
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++) {
        const struct gos__cursor *c = &w->cursor[i];
        if (c->used && (!best || c->used > best->used))
            best = c;
    }
    return best;
}
