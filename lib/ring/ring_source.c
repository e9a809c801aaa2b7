/* SPDX-License-Identifier: MIT
 *
 * A ring as a source. What is there is given at once, on the reader's thread;
 * reads that have to wait are finished by a thread of the source's own, started
 * by the first of them. It is woken by the writer's publish, copies what came,
 * and ends reads that are whole, late, or cancelled. When the source is closed
 * nobody waits for that thread: it frees what is left. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "ring/ring.h"

struct ring_source {
    /* immutable after new */
    gos_ring *ring;
    gos__mutex lock;
    gos__cond changed;
    struct gos_ring_watch watch; /* of the thread */
    /* guarded by lock */
    struct gos_read *first; /* pending, by next_of() */
    bool running, closed;
    bool due; /* there is news: bytes, an end, a cancel, a new read */
    /* any thread, atomic */
    _Atomic uint64_t held; /* bytes lent */
};

/* A read's `lib`: ptr[0] is the next one, ptr[1] the first segment lent; num[0]
 * the bytes copied, num[1] when they moved last, num[2] whether it was
 * cancelled, num[3] the segments lent. */
static struct gos_read *next_of(const struct gos_read *r)
{
    return r->lib.ptr[0];
}

/* ---- taking bytes ---- */

struct lent {
    struct gos__segment *first;
    uint64_t n;
};

/* The segments of [off, off + len), which is kept. */
static void refer_locked(gos_ring *ring, uint64_t off, uint64_t len, struct lent *out)
    GOS_REQUIRES(ring->lock)
{
    uint64_t from = off >> ring->shift, to = (off + len - 1) >> ring->shift;

    out->first = ring->dir[from & (ring->dir_cap - 1)];
    out->n = to - from + 1;
    struct gos__segment *s = out->first;
    for (uint64_t i = 0; i < out->n; i++) {
        gos__segment_ref(s);
        if (i + 1 < out->n)
            s = s->next;
    }
}

/* What there is of [off, off + len): its length, 0 at the end, or GOS_EAGAIN,
 * GOS_ELAPPED without a sentence. */
static int64_t refer(gos_ring *ring, uint64_t off, uint64_t len, struct lent *out)
{
    int64_t n;

    gos__lock(&ring->lock);
    bool ended = gos__wake_ended(ring); /* before the span: then its tail is the last */
    gos__window_age_locked(ring, gos__clock_ns());
    struct gos__span span = gos__window_span_locked(ring);
    if (off >= span.tail) {
        n = ended ? 0 : GOS_EAGAIN;
    } else if (off < span.floor) {
        n = GOS_ELAPPED;
    } else {
        len = gos__min_u64(len, span.tail - off);
        refer_locked(ring, off, len, out);
        n = (int64_t)len;
    }
    gos__unlock(&ring->lock);
    return n;
}

static void copy(const struct lent *l, void *buf, uint64_t off, uint64_t len)
{
    const struct gos__segment *s = l->first;
    char *to = buf;

    for (;;) {
        uint64_t n = gos__min_u64(len, s->base + s->size - off);
        memcpy(to, s->data + (off - s->base), n);
        to += n;
        off += n;
        len -= n;
        if (len == 0)
            return;
        s = s->next;
    }
}

static int say(int64_t code)
{
    switch (code) {
    case GOS_ELAPPED:
        return gos__error(GOS_ELAPPED, "offset is no longer kept");
    case GOS_ECANCELED:
        return gos__error(GOS_ECANCELED, "cancelled");
    case GOS_ETIMEDOUT:
        return gos__error(GOS_ETIMEDOUT, "deadline passed");
    default:
        return (int)code;
    }
}

/* ---- one read ---- */

/* Copy what there is. The result when the read is over, else GOS_EAGAIN. */
static int64_t copy_more(gos_ring *ring, struct gos_read *r)
{
    struct lent l;

    while (r->lib.num[0] < r->len) {
        uint64_t got = r->lib.num[0];
        /* A megabyte at a time, so that little is kept from being used anew. */
        int64_t n = refer(ring, r->off + got, gos__min_u64(r->len - got, 1u << 20), &l);
        if (n == GOS_EAGAIN && !(got > 0 && (r->flags & GOS_READ_PARTIAL)))
            return GOS_EAGAIN;
        if (n <= 0)
            return got > 0 ? (int64_t)got : n;
        copy(&l, (char *)r->buf + got, r->off + got, (uint64_t)n);
        gos__segment_unref_chain(ring, l.first, l.n);
        r->lib.num[0] += (uint64_t)n;
        r->lib.num[1] = (uint64_t)gos__clock_ns();
    }
    return (int64_t)r->len;
}

static uint64_t most_slices(const gos_ring *ring, const struct gos_read *r)
{
    uint64_t size = UINT64_C(1) << ring->shift;

    return size * r->max_slices - (r->off & (size - 1));
}

static void fill_slices(struct gos_read *r, const struct lent *l, uint64_t len)
{
    const struct gos__segment *s = l->first;
    uint64_t at = r->off, end = r->off + len;

    for (uint64_t i = 0; i < l->n; i++) {
        uint64_t n = gos__min_u64(s->base + s->size, end) - at;
        r->slices[i] = (struct gos_slice){s->data + (at - s->base), n};
        at += n;
        if (i + 1 < l->n)
            s = s->next;
    }
    r->n_slices = (unsigned)l->n;
    r->lib.ptr[1] = l->first;
    r->lib.num[3] = l->n;
}

/* Lend what there is: all that was asked for, unless less is enough or all there
 * will be. */
static int64_t lend(struct ring_source *rs, struct gos_read *r)
{
    uint64_t len = gos__min_u64(r->len, most_slices(rs->ring, r));
    bool partial = r->flags & GOS_READ_PARTIAL;
    struct lent l;

    if (len < r->len && !partial)
        return gos__error(GOS_E2BIG, "the bytes lie in more slices than there is room for");
    if (len > GOS__RING_HELD_MAX && !partial)
        return gos__error(GOS_EBUSY, "at most 4 MiB may be borrowed");
    bool ended = gos__wake_ended(rs->ring);
    int64_t n = refer(rs->ring, r->off, gos__min_u64(len, GOS__RING_HELD_MAX), &l);
    if (n <= 0)
        return n;
    if ((uint64_t)n < len && !partial && !ended) {
        gos__segment_unref_chain(rs->ring, l.first, l.n);
        return GOS_EAGAIN;
    }
    uint64_t held = atomic_fetch_add(&rs->held, (uint64_t)n);
    if (held + (uint64_t)n > 4 * GOS__RING_HELD_MAX) {
        atomic_fetch_sub(&rs->held, (uint64_t)n);
        gos__segment_unref_chain(rs->ring, l.first, l.n);
        return gos__error(GOS_EBUSY, "too much is borrowed of the stream, read with buf");
    }
    fill_slices(r, &l, (uint64_t)n);
    return n;
}

static int64_t attempt(struct ring_source *rs, struct gos_read *r)
{
    return r->buf ? copy_more(rs->ring, r) : lend(rs, r);
}

/* ---- the thread ---- */

/* When the read has to end without its bytes; INT64_MAX. */
static int64_t deadline_of(const struct gos_read *r)
{
    int64_t at = r->deadline_ns == GOS_NO_DEADLINE ? INT64_MAX : r->deadline_ns;
    int64_t moved = (int64_t)r->lib.num[1];

    if (r->idle_ns != GOS_NO_DEADLINE && r->idle_ns < INT64_MAX - moved)
        at = gos__min_i64(at, moved + r->idle_ns);
    return at;
}

/* The result of a read that may wait no longer, else GOS_EAGAIN. */
static int64_t judge_waiting(struct ring_source *rs, struct gos_read *r)
{
    int64_t result = GOS_EAGAIN;

    gos__lock(&rs->lock);
    bool cancelled = r->lib.num[2];
    gos__unlock(&rs->lock);
    if (cancelled)
        result = GOS_ECANCELED;
    else if (gos__clock_ns() >= deadline_of(r))
        result = GOS_ETIMEDOUT;
    /* Bytes that came before are not lost. */
    return result != GOS_EAGAIN && r->lib.num[0] > 0 ? (int64_t)r->lib.num[0] : result;
}

static void finish(struct gos_read *r, int64_t result)
{
    gos_read_complete(r, result < 0 ? say(result) : result);
}

/* Look at each pending read once. Returns when to look again at the latest. */
static int64_t serve_locked(struct ring_source *rs) GOS_REQUIRES(rs->lock)
{
    struct gos_read *todo = rs->first, *waiting = NULL;
    int64_t until = INT64_MAX;

    rs->first = NULL;
    while (todo) {
        struct gos_read *r = todo;
        todo = next_of(r);
        gos__unlock(&rs->lock);
        int64_t result = attempt(rs, r);
        if (result == GOS_EAGAIN)
            result = judge_waiting(rs, r);
        if (result == GOS_EAGAIN) {
            until = gos__min_i64(until, deadline_of(r));
            r->lib.ptr[0] = waiting;
            waiting = r;
        } else {
            finish(r, result);
        }
        gos__lock(&rs->lock);
    }
    while (waiting) {
        struct gos_read *r = waiting;
        waiting = next_of(r);
        r->lib.ptr[0] = rs->first;
        rs->first = r;
    }
    return until;
}

static void destroy(struct ring_source *rs)
{
    gos_ring_unref(rs->ring);
    gos__cond_finish(&rs->changed);
    gos__mutex_finish(&rs->lock);
    gos__free(rs);
}

static void hear(struct gos_ring_watch *w)
{
    struct ring_source *rs = w->user;

    gos__lock(&rs->lock);
    rs->due = true;
    gos__cond_signal(&rs->changed);
    gos__unlock(&rs->lock);
}

/* Watch for what comes after what is seen now. Whether there is something already. */
static bool watch_again(struct ring_source *rs, uint64_t seen)
{
    return gos_ring_arm(rs->ring, seen, &rs->watch) == 1;
}

static void *serve(void *arg)
{
    struct ring_source *rs = arg;

    gos__lock(&rs->lock);
    while (!rs->closed) {
        rs->due = false;
        gos__unlock(&rs->lock);
        /* Armed before the reads look: what comes after this wakes us. */
        uint64_t seen = atomic_load_explicit(&rs->ring->tail, memory_order_acquire);
        bool ended = gos__wake_ended(rs->ring);
        bool more = !ended && watch_again(rs, seen);
        gos__lock(&rs->lock);
        int64_t until = serve_locked(rs);
        if (more)
            continue;
        while (!rs->due && !rs->closed) {
            if (!gos__cond_wait_until(&rs->changed, &rs->lock, until))
                break;
        }
    }
    gos__unlock(&rs->lock);
    gos_ring_disarm(rs->ring, &rs->watch);
    destroy(rs);
    return NULL;
}

/* ---- the source ---- */

static int queue(struct ring_source *rs, struct gos_read *r)
{
    int rc = 0;

    gos__lock(&rs->lock);
    if (!rs->running) {
        rc = gos__thread_start_detached("gos-ring", serve, rs);
        rs->running = rc == 0;
    }
    if (rc == 0) {
        r->lib.ptr[0] = rs->first;
        rs->first = r;
        rs->due = true;
        gos__cond_signal(&rs->changed);
    }
    gos__unlock(&rs->lock);
    return rc;
}

static int ring_source_start(void *self, struct gos_read *r)
{
    struct ring_source *rs = self;

    memset(r->lib.ptr, 0, sizeof r->lib.ptr);
    memset(r->lib.num, 0, sizeof r->lib.num);
    r->lib.num[1] = (uint64_t)gos__clock_ns();
    int64_t n = attempt(rs, r);
    if (n == GOS_EAGAIN)
        return queue(rs, r);
    if (n < 0)
        return say(n);
    r->result = n;
    return 1;
}

static void ring_source_cancel(void *self, struct gos_read *r)
{
    struct ring_source *rs = self;

    gos__lock(&rs->lock);
    r->lib.num[2] = 1;
    rs->due = true;
    gos__cond_signal(&rs->changed);
    gos__unlock(&rs->lock);
}

static void ring_source_release(void *self, struct gos_read *r)
{
    struct ring_source *rs = self;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < r->n_slices; i++)
        bytes += r->slices[i].len;
    gos__segment_unref_chain(rs->ring, r->lib.ptr[1], r->lib.num[3]);
    atomic_fetch_sub(&rs->held, bytes);
}

static int64_t ring_source_size(void *self)
{
    struct ring_source *rs = self;

    if (!gos__wake_ended(rs->ring))
        return GOS_SIZE_UNKNOWN;
    return (int64_t)atomic_load_explicit(&rs->ring->tail, memory_order_acquire);
}

static int64_t ring_source_present(void *self, uint64_t off, uint64_t len)
{
    struct ring_source *rs = self;

    gos__lock(&rs->ring->lock);
    struct gos__span span = gos__window_span_locked(rs->ring);
    gos__unlock(&rs->ring->lock);
    return off < span.floor || off >= span.tail ? 0 : (int64_t)gos__min_u64(len, span.tail - off);
}

static void ring_source_close(void *self)
{
    struct ring_source *rs = self;

    gos__lock(&rs->lock);
    bool running = rs->running;
    rs->closed = true;
    gos__cond_signal(&rs->changed);
    gos__unlock(&rs->lock);
    if (!running)
        destroy(rs);
}

static const struct gos_source_ops ring_source_ops = {
    .struct_size = sizeof ring_source_ops,
    .name = "ring",
    .start = ring_source_start,
    .cancel = ring_source_cancel,
    .release = ring_source_release,
    .size = ring_source_size,
    .present = ring_source_present,
    .close = ring_source_close,
};

int gos_ring_source(gos_source **out, gos_ring *ring)
{
    if (!out || !ring)
        return gos__error(GOS_EINVAL, "no ring, or nowhere to put the source");
    struct ring_source *rs = gos__calloc(1, sizeof *rs);
    if (!rs)
        return gos__error_nomem();
    int rc = gos__mutex_init(&rs->lock);
    if (rc < 0)
        goto fail;
    rc = gos__cond_init(&rs->changed);
    if (rc < 0)
        goto fail_lock;
    rs->watch = (struct gos_ring_watch){.struct_size = sizeof rs->watch, .wake = hear, .user = rs};
    rs->ring = gos_ring_ref(ring);
    rc = gos_source_new(out, &ring_source_ops, rs);
    if (rc < 0) {
        destroy(rs);
        return rc;
    }
    return 0;
fail_lock:
    gos__mutex_finish(&rs->lock);
fail:
    gos__free(rs);
    return rc;
}
