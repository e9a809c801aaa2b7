/* SPDX-License-Identifier: MIT
 *
 * Lending what comes next: a few segments are referred to under the ring's lock
 * and read where they lie. Runs on the reader's thread. */
#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "ring/ring.h"

/* A view's `lib`: the first segment and how many follow each other, and the
 * bytes that count as held. */
static struct gos__segment *first_of(const struct gos_ring_view *v)
{
    return v->lib.ptr[0];
}

bool gos__reader_idle(const gos_ring_reader *r)
{
    /* The state first: a stream that is still open after this may only grow. */
    return r->settled && !gos__wake_ended(r->ring) &&
           atomic_load_explicit(&r->ring->tail, memory_order_seq_cst) == r->pos && !r->head &&
           atomic_load_explicit(&r->status, memory_order_acquire) == 0;
}

/* What happened right before the bytes at the position. */
static void fill_note_locked(gos_ring *ring, gos_ring_reader *r, struct gos_ring_note *note)
    GOS_REQUIRES(ring->lock)
{
    uint32_t epoch = gos__epoch_at_locked(ring, r->pos);

    *note = (struct gos_ring_note){.struct_size = sizeof *note, .epoch = epoch, .offset = r->pos};
    if (epoch != r->epoch)
        note->events |= GOS_RING_EPOCH;
    r->epoch = epoch;
    if (r->gap) {
        note->events |= GOS_RING_GAP;
        note->gap_from = r->gap_from;
        note->gap_to = r->gap_to;
    }
    r->gap = false;
}

static int64_t lend_end_locked(gos_ring *ring, gos_ring_reader *r, struct gos_ring_view *v)
    GOS_REQUIRES(ring->lock)
{
    uint32_t epoch = r->epoch;

    fill_note_locked(ring, r, &v->note);
    v->note.events &= ~GOS_RING_EPOCH; /* there are no bytes of another one */
    v->note.epoch = r->epoch = epoch;
    v->note.events |= atomic_load(&ring->state) == GOS_RING_STATE_DELETED ? GOS_RING_DELETED
                                                                          : GOS_RING_SEALED;
    return 0;
}

static int64_t lend_head_locked(gos_ring *ring, gos_ring_reader *r, struct gos_ring_view *v)
    GOS_REQUIRES(ring->lock)
{
    struct gos__segment *head = r->head;
    uint64_t n = r->head_end - r->head_at;

    if (v->max_bytes)
        n = gos__min_u64(n, v->max_bytes);
    v->note = (struct gos_ring_note){
        .struct_size = sizeof v->note,
        .events = GOS_RING_HEAD,
        .epoch = gos__epoch_at_locked(ring, r->head_at),
        .offset = r->head_at,
    };
    v->slices[0] = (struct gos_slice){head->data + (r->head_at - head->base), n};
    v->n_slices = 1;
    v->bytes = n;
    gos__segment_ref(head);
    v->lib.ptr[0] = head;
    v->lib.num[0] = 1;
    r->head_at += n;
    r->head_bytes += n;
    if (r->head_at == r->head_end) {
        gos__segment_unref_locked(ring, head, true);
        r->head = NULL;
    }
    return (int64_t)n;
}

/* How many of `n` bytes are whole records; they are described. */
static uint64_t frame_locked(gos_ring *ring, gos_ring_reader *r, const struct gos__span *span,
                             uint64_t n, struct gos_ring_view *v) GOS_REQUIRES(ring->lock)
{
    uint64_t number = gos__window_find_containing(ring, span, r->pos), end = r->pos + n;
    uint64_t whole = r->pos;

    if (number == span->records || gos__window_entry(ring, number)->off > r->pos) {
        /* The record's begin is kept no more, and its entry neither. */
        number = gos__window_find(ring, span, r->pos);
        return gos__min_u64(n, gos__window_begin(ring, span, number) - r->pos);
    }
    while (v->n_records < v->max_records && number < span->records && whole < end) {
        const struct gos__entry *e = gos__window_entry(ring, number);
        bool fits = e->off + e->len <= end;
        if (!fits && v->n_records > 0)
            break;
        gos__window_describe_locked(ring, number++, &v->records[v->n_records++]);
        whole = fits ? e->off + e->len : end;
    }
    return whole - r->pos;
}

static void lend_segments_locked(gos_ring *ring, gos_ring_reader *r, uint64_t n,
                                 struct gos_ring_view *v) GOS_REQUIRES(ring->lock)
{
    struct gos__segment *s = gos__reader_segment_locked(ring, r, r->pos);
    uint64_t at = r->pos, end = r->pos + n;

    v->lib.ptr[0] = s;
    for (;;) {
        uint64_t part = gos__min_u64(s->base + s->size, end) - at;
        gos__segment_ref(s);
        v->slices[v->n_slices++] = (struct gos_slice){s->data + (at - s->base), part};
        at += part;
        if (at == end)
            break;
        s = s->next;
    }
    v->lib.num[0] = v->n_slices;
    v->bytes = n;
}

/* How much may be lent at once, by the caller's wishes and arrays. */
static uint64_t most_of(const gos_ring_reader *r, const struct gos_ring_view *v)
{
    uint64_t size = UINT64_C(1) << r->ring->shift;
    uint64_t most = size * v->max_slices - (r->pos & (size - 1));

    return v->max_bytes ? gos__min_u64(most, v->max_bytes) : most;
}

static int64_t lend_bytes_locked(gos_ring *ring, gos_ring_reader *r, const struct gos__span *span,
                                 uint64_t end, bool counted, struct gos_ring_view *v)
    GOS_REQUIRES(ring->lock)
{
    uint64_t n = gos__min_u64(end - r->pos, most_of(r, v));

    n = gos__min_u64(n, gos__epoch_next_locked(ring, r->pos) - r->pos);
    if (counted) {
        /* Relaxed: a release that is not seen yet comes too late. */
        uint64_t held = atomic_load_explicit(&r->held, memory_order_relaxed);
        if (held >= GOS__RING_HELD_MAX) {
            gos__reader_disconnect_locked(ring, r, GOS_EBUSY);
            return GOS_EBUSY;
        }
        n = gos__min_u64(n, GOS__RING_HELD_MAX - held);
    }
    if (v->records && v->max_records > 0)
        n = frame_locked(ring, r, span, n, v);
    fill_note_locked(ring, r, &v->note);
    lend_segments_locked(ring, r, n, v);
    if (counted) {
        v->lib.num[1] = n;
        atomic_fetch_add_explicit(&r->held, n, memory_order_relaxed);
    }
    r->pos += n;
    r->read_bytes += n;
    r->blocked_since = 0; /* it reads */
    if (!r->caught_up && r->pos == span->tail) {
        r->caught_up = true;
        if (!gos__list_empty(&r->holder_link)) /* its limit is another one now */
            atomic_store_explicit(&ring->recheck, true, memory_order_release);
    }
    if (r->kept_end > 0)
        gos__reader_drop_kept_locked(ring, r, r->pos);
    return (int64_t)n;
}

static int64_t lend_locked(gos_ring *ring, gos_ring_reader *r, struct gos_ring_view *v,
                           bool counted) GOS_REQUIRES(ring->lock)
{
    bool ended = gos__wake_ended(ring); /* before the span: then its tail is the last */

    gos__reader_settle_locked(ring, r);
    if (atomic_load(&r->status) < 0)
        return atomic_load(&r->status);
    if (r->head)
        return lend_head_locked(ring, r, v);
    if (ring->opts.max_age_ns)
        gos__window_age_locked(ring, gos__clock_ns());
    struct gos__span span = v->records ? gos__window_span_locked(ring)
                                       : gos__window_edge_locked(ring);
    uint64_t end = gos__reader_keep_up_locked(ring, r, &span);
    if (atomic_load(&r->status) < 0)
        return atomic_load(&r->status);
    if (r->pos < end)
        return lend_bytes_locked(ring, r, &span, end, counted, v);
    return ended ? lend_end_locked(ring, r, v) : GOS_EAGAIN;
}

int64_t gos__borrow(gos_ring_reader *r, struct gos_ring_view *v, bool counted)
{
    gos_ring *ring = r->ring;

    v->n_slices = v->n_records = 0;
    v->bytes = 0;
    v->lib.ptr[0] = v->lib.ptr[1] = NULL;
    v->lib.num[0] = v->lib.num[1] = 0;
    v->note = (struct gos_ring_note){.struct_size = sizeof v->note};
    if (gos__reader_idle(r))
        return GOS_EAGAIN;
    gos__lock(&ring->lock);
    int64_t n = lend_locked(ring, r, v, counted);
    bool wake = r->opts.policy == GOS_RING_BLOCK && n != GOS_EAGAIN && gos__room_moved_locked(ring);
    gos__unlock(&ring->lock);
    if (wake)
        gos__wake_room(ring);
    return n;
}

static int check_view(const gos_ring_reader *r, const struct gos_ring_view *v)
{
    if (!r || !v || !v->slices || v->max_slices == 0)
        return gos__error(GOS_EINVAL, "no reader, or a view without slices");
    if (v->struct_size != sizeof *v)
        return gos__error(GOS_EINVAL, "struct_size of the view is not this library's");
    return 0;
}

int gos__borrow_say(int64_t code)
{
    switch (code) {
    case GOS_EAGAIN:
        return gos__error(GOS_EAGAIN, "nothing to read now");
    case GOS_ELAPPED:
        return gos__error(GOS_ELAPPED, "reader fell too far behind");
    case GOS_ETIMEDOUT:
        return gos__error(GOS_ETIMEDOUT, "reader held writers up for too long");
    default:
        return gos__error((int)code, "reader has borrowed too much");
    }
}

int64_t gos_ring_reader_borrow(gos_ring_reader *r, struct gos_ring_view *view)
{
    int rc = check_view(r, view);
    if (rc < 0)
        return rc;
    int64_t n;
    do {
        n = gos__borrow(r, view, true);
    } while (n == GOS_EAGAIN && r->fd >= 0 && !gos__read_arm_fd(r));
    return n < 0 ? gos__borrow_say(n) : n;
}

void gos_ring_reader_release(gos_ring_reader *r, struct gos_ring_view *view)
{
    if (!r || !view || view->lib.num[0] == 0)
        return;
    gos__segment_unref_chain(r->ring, first_of(view), view->lib.num[0]);
    atomic_fetch_sub_explicit(&r->held, view->lib.num[1], memory_order_relaxed);
    view->lib.num[0] = view->lib.num[1] = 0;
    view->n_slices = 0;
}
