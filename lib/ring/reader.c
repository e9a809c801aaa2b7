/* SPDX-License-Identifier: MIT
 *
 * A reader's life, where it begins, and what becomes of it when it lags. Runs on
 * the reader's thread; a writer may disconnect it, under the ring's lock. */
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "base/opts.h"
#include "ring/ring.h"

#define DEFAULT_BLOCK_NS (10 * GOS__SECOND)
#define FIRST_SPIN_NS 20000u

/* ---- where it begins ---- */

static uint64_t begin_of_record(const gos_ring *ring, const struct gos__span *span, uint64_t off)
{
    uint64_t number = gos__window_find_containing(ring, span, off);

    return number < span->records ? gos__window_begin(ring, span, number) : off;
}

static uint64_t start_of(gos_ring_reader *r, const struct gos__span *span, uint64_t mark)
{
    gos_ring *ring = r->ring;
    uint64_t value = r->opts.start_value, history = gos__window_history(ring, span), off = history;

    switch (r->opts.start) {
    case GOS_RING_OLDEST:
        return history;
    case GOS_RING_NOW:
        return span->tail;
    case GOS_RING_OFFSET:
        off = value;
        break;
    case GOS_RING_BYTES_BACK:
        off = gos__max_u64(history, span->tail - gos__min_u64(span->tail, value));
        break;
    case GOS_RING_TIME_BACK: {
        int64_t since = gos__clock_ns() - (int64_t)gos__min_u64(value, INT64_MAX);
        uint64_t number = gos__window_find_time(ring, span, since);
        return gos__max_u64(history, gos__window_begin(ring, span, number));
    }
    case GOS_RING_LAST_MARK:
        return mark != GOS__RING_NONE && mark >= history ? mark : history;
    }
    return r->opts.flags & GOS_RING_ALIGN ? begin_of_record(ring, span, off) : off;
}

static void take_head_locked(gos_ring *ring, gos_ring_reader *r, const struct gos__span *span)
    GOS_REQUIRES(ring->lock)
{
    struct gos__segment *head = ring->head;

    if (!head || r->pos <= head->base || r->opts.start == GOS_RING_OFFSET ||
        (r->opts.flags & GOS_RING_NO_HEAD))
        return;
    uint64_t end = gos__min_u64(head->base + ring->head_len, gos__min_u64(r->pos, span->tail));
    if (end <= head->base)
        return;
    gos__segment_ref(head);
    r->head = head;
    r->head_at = head->base;
    r->head_end = end;
}

static void skip_locked(gos_ring *ring, gos_ring_reader *r, uint64_t to) GOS_REQUIRES(ring->lock)
{
    if (to <= r->pos)
        return;
    if (!r->gap) {
        r->gap = true;
        r->gap_from = r->pos;
        r->gaps++;
        ring->gaps++;
    }
    r->gap_to = to;
    r->dropped_bytes += to - r->pos;
    ring->dropped_bytes += to - r->pos;
    r->pos = to;
}

/* The begin of the record is kept no more, only a rest of it: that is lost, too. */
static void leave_torn_locked(gos_ring *ring, gos_ring_reader *r, const struct gos__span *span)
    GOS_REQUIRES(ring->lock)
{
    if (r->pos < span->floor || r->pos >= span->tail ||
        gos__window_find_containing(ring, span, r->pos) < span->records)
        return;
    skip_locked(ring, r, gos__window_begin(ring, span, gos__window_find(ring, span, r->pos)));
}

void gos__reader_settle_locked(gos_ring *ring, gos_ring_reader *r)
{
    if (r->settled)
        return;
    /* Acquire, and before the span: the marked record is within it. */
    uint64_t mark = atomic_load_explicit(&ring->last_mark, memory_order_acquire);
    struct gos__span span = gos__window_span_locked(ring);
    r->pos = start_of(r, &span, mark);
    r->settled = true;
    if (r->opts.flags & GOS_RING_ALIGN)
        leave_torn_locked(ring, r, &span);
    r->caught_up = r->pos >= span.tail;
    r->epoch = gos__epoch_at_locked(ring, r->pos);
    take_head_locked(ring, r, &span);
    if (!gos__list_empty(&r->holder_link))
        atomic_store_explicit(&ring->recheck, true, memory_order_release);
}

/* A late reader begins with the history that there is when it begins to read:
 * between opening and reading none of it can be overtaken. All others begin now. */
static bool begins_when_it_reads(const gos_ring_reader *r, const struct gos__span *span)
{
    return r->opts.start == GOS_RING_OLDEST && r->opts.policy != GOS_RING_BLOCK &&
           r->opts.policy != GOS_RING_DROP_NEW && gos__window_history(r->ring, span) < span->tail;
}

/* ---- lagging ---- */

void gos__reader_drop_kept_locked(gos_ring *ring, gos_ring_reader *r, uint64_t until)
{
    while (r->kept_first < r->kept_end &&
           r->kept[r->kept_first]->base + r->kept[r->kept_first]->size <= until)
        gos__segment_unref_locked(ring, r->kept[r->kept_first++], true);
    if (r->kept_first == r->kept_end)
        r->kept_first = r->kept_end = 0;
}

void gos__reader_disconnect_locked(gos_ring *ring, gos_ring_reader *r, int code)
{
    /* Release: only the code itself is to be seen. */
    atomic_store_explicit(&r->status, code, memory_order_release);
    gos__list_remove(&r->holder_link);
    gos__reader_drop_kept_locked(ring, r, UINT64_MAX);
}

static uint64_t oldest_within_limit(const gos_ring *ring, const gos_ring_reader *r,
                                    const struct gos__span *span)
{
    uint64_t from = span->floor;

    if (r->caught_up && span->tail > r->opts.max_lag)
        from = gos__max_u64(from, span->tail - r->opts.max_lag);
    uint64_t number = gos__window_find(ring, span, from);
    return gos__min_u64(span->newest, gos__window_begin(ring, span, number));
}

uint64_t gos__reader_keep_up_locked(gos_ring *ring, gos_ring_reader *r, struct gos__span *span)
{
    if (r->stop != GOS__RING_NONE) {
        if (r->pos < r->stop)
            return r->stop;
        gos__reader_drop_kept_locked(ring, r, UINT64_MAX);
        skip_locked(ring, r, span->tail);
        r->stop = GOS__RING_NONE;
        return span->tail;
    }
    bool lossy = r->opts.policy != GOS_RING_BLOCK && r->opts.policy != GOS_RING_DROP_NEW;
    bool over = lossy && r->caught_up && span->newest > r->pos &&
                span->newest - r->pos > r->opts.max_lag;
    if (r->pos >= span->floor && !over)
        return span->tail;
    *span = gos__window_span_locked(ring); /* with the index */
    if (r->opts.policy == GOS_RING_DISCONNECT)
        gos__reader_disconnect_locked(ring, r, GOS_ELAPPED);
    else if (r->opts.policy == GOS_RING_DROP_LATEST)
        skip_locked(ring, r, span->newest);
    else
        skip_locked(ring, r, oldest_within_limit(ring, r, span));
    return span->tail;
}

struct gos__segment *gos__reader_segment_locked(gos_ring *ring, gos_ring_reader *r, uint64_t off)
{

    for (unsigned i = r->kept_first; i < r->kept_end; i++) {
        if (off - r->kept[i]->base < r->kept[i]->size)
            return r->kept[i];
    }
    return ring->dir[(off >> ring->shift) & (ring->dir_cap - 1)];
}

/* ---- life ---- */

static int settle_opts(struct gos_ring_reader_opts *o, const gos_ring *ring)
{
    if ((unsigned)o->start > GOS_RING_LAST_MARK || (unsigned)o->policy > GOS_RING_DROP_NEW)
        return gos__error(GOS_EINVAL, "no such start, or no such policy");
    if (o->flags & ~(GOS_RING_ALIGN | GOS_RING_NO_HEAD))
        return gos__error(GOS_EINVAL, "a reader has no such flags");
    if (o->block_ns < 0 || o->spin_ns < -1)
        return gos__error(GOS_EINVAL, "a time of the reader is negative");
    if (o->max_lag == 0)
        o->max_lag = ring->opts.channel_bytes;
    o->max_lag = gos__min_u64(o->max_lag, ring->storage);
    if (o->policy == GOS_RING_DROP_NEW)
        o->max_lag = gos__min_u64(o->max_lag, GOS__RING_HELD_MAX);
    if (o->block_ns == 0)
        o->block_ns = DEFAULT_BLOCK_NS;
    o->block_ns = gos__min_i64(o->block_ns, GOS__RING_FOR_EVER);
    return 0;
}

static int prepare(gos_ring_reader *r, const struct gos_ring_reader_opts *opts)
{
    int rc = gos__opts_copy(&r->opts, sizeof r->opts, opts);
    if (rc == 0)
        rc = settle_opts(&r->opts, r->ring);
    if (rc < 0)
        return rc;
    r->fd = -1;
    r->stop = GOS__RING_NONE;
    r->spin_ns = r->opts.spin_ns > 0 ? (uint64_t)r->opts.spin_ns : FIRST_SPIN_NS;
    gos__list_init(&r->link);
    gos__list_init(&r->holder_link);
    gos__list_init(&r->sleeper.link);
    if (r->opts.policy == GOS_RING_DROP_NEW) {
        /* Enough for the limit and the one record that may pass it, wherever in a
         * segment they begin. */
        uint64_t most = r->opts.max_lag + r->ring->max_record;
        r->kept_cap = (unsigned)(most >> r->ring->shift) + 2;
        r->kept = gos__calloc(r->kept_cap, sizeof *r->kept);
        if (!r->kept)
            return gos__error_nomem();
    }
    return 0;
}

static int enter_locked(gos_ring *ring, gos_ring_reader *r) GOS_REQUIRES(ring->lock)
{

    if (atomic_load(&ring->state) == GOS_RING_STATE_DELETED)
        return gos__error(GOS_ENOENT, "stream is deleted");
    if (ring->opts.max_readers && ring->n_readers >= ring->opts.max_readers)
        return gos__error(GOS_EBUDGET, "the stream has %u readers already", ring->opts.max_readers);
    gos__window_age_locked(ring, gos__clock_ns());
    struct gos__span span = gos__window_span_locked(ring);
    if (r->opts.start == GOS_RING_OFFSET && r->opts.start_value > span.tail)
        return gos__error(GOS_EINVAL, "offset %llu is behind the end of the stream, %llu",
                          (unsigned long long)r->opts.start_value, (unsigned long long)span.tail);
    gos__list_append(&ring->readers, &r->link);
    ring->n_readers++;
    r->id = ++ring->last_reader;
    r->opened_ns = gos__clock_ns();
    if (r->opts.policy == GOS_RING_BLOCK || r->opts.policy == GOS_RING_DROP_NEW)
        gos__list_append(&ring->holders, &r->holder_link);
    if (!begins_when_it_reads(r, &span))
        gos__reader_settle_locked(ring, r);
    return 0;
}

int gos_ring_reader_open(gos_ring_reader **out, gos_ring *ring,
                         const struct gos_ring_reader_opts *opts)
{
    if (!out || !ring)
        return gos__error(GOS_EINVAL, "no ring, or nowhere to put the reader");
    gos_ring_reader *r = gos__calloc(1, sizeof *r);
    if (!r)
        return gos__error_nomem();
    r->ring = ring;
    int rc = prepare(r, opts);
    if (rc < 0)
        goto fail;
    rc = ring->opts.set ? gos__set_add_reader(ring->opts.set) : 0;
    if (rc < 0)
        goto fail;
    gos__lock(&ring->lock);
    rc = enter_locked(ring, r);
    gos__unlock(&ring->lock);
    if (rc < 0)
        goto fail_set;
    gos_ring_ref(ring);
    *out = r;
    return 0;
fail_set:
    if (ring->opts.set)
        gos__set_drop_reader(ring->opts.set);
fail:
    gos__free(r->kept);
    gos__free(r);
    return rc;
}

void gos_ring_reader_close(gos_ring_reader *r)
{
    if (!r)
        return;
    gos_ring *ring = r->ring;
    if (r->fd >= 0) {
        gos_ring_disarm(ring, &r->watch);
        close(r->fd);
    }
    atomic_store_explicit(&ring->left_ns, gos__clock_ns(), memory_order_relaxed);
    gos__lock(&ring->lock);
    bool held_up = !gos__list_empty(&r->holder_link);
    gos__list_remove(&r->link);
    gos__list_remove(&r->holder_link);
    gos__list_remove(&r->sleeper.link);
    ring->n_readers--;
    gos__reader_drop_kept_locked(ring, r, UINT64_MAX);
    if (r->head)
        gos__segment_unref_locked(ring, r->head, true);
    bool wake = held_up && gos__room_moved_locked(ring);
    gos__unlock(&ring->lock);
    if (wake)
        gos__wake_room(ring);
    if (ring->opts.set)
        gos__set_drop_reader(ring->opts.set);
    gos__free(r->kept);
    gos__free(r);
    gos_ring_unref(ring);
}

int64_t gos_ring_reader_offset(gos_ring_reader *r)
{
    if (!r)
        return gos__error(GOS_EINVAL, "no reader");
    gos_ring *ring = r->ring;
    gos__lock(&ring->lock);
    gos__reader_settle_locked(ring, r);
    uint64_t pos = r->pos;
    gos__unlock(&ring->lock);
    return (int64_t)pos;
}
