/* SPDX-License-Identifier: MIT
 *
 * Appending. A writer takes the append lock, looks whether the record fits into
 * what it already has (the short cut; else the window and the readers that
 * block are asked), copies, and publishes. Runs on writers' threads. */
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "base/opts.h"
#include "ring/ring.h"

#define WALL_CHECK_NS (100 * GOS__MS)
#define LINES_AHEAD 1024u /* bytes */

/* The caller's bytes, and how many of them were taken. */
struct cursor {
    const struct gos_slice *part;
    size_t used; /* of *part */
    uint64_t left;
};

struct request {
    struct cursor from;
    uint32_t flags;
    uint64_t len; /* of the record at hand */
    int64_t now;
};

static void copy_in(gos_ring *ring, struct cursor *from, uint64_t off, uint64_t len)
    GOS_REQUIRES(ring->append_lock)
{
    struct gos__segment *s = ring->at;
    size_t at = (size_t)(off - s->base);

    from->left -= len;
    while (len > 0) {
        while (from->used == from->part->len) {
            from->part++;
            from->used = 0;
        }
        size_t n = (size_t)gos__min_u64(len, from->part->len - from->used);
        n = (size_t)gos__min_u64(n, s->size - at);
        memcpy(s->data + at, (const char *)from->part->base + from->used, n);
        from->used += n;
        at += n;
        len -= n;
        if (at == s->size) {
            s = s->next;
            at = 0;
        }
    }
    /* Before it is published: from then on a full segment may be evicted. */
    ring->at = s;
}

static inline void prefetch_to_write(const void *p)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" ::"m"(*(const char *)p)); /* the builtin only reads */
#else
    __builtin_prefetch(p, 1);
#endif
}

/* The lines that the appends after the next few will write were last with a
 * reader: call them back while there is time. A long record does so by itself. */
static void call_lines_back(gos_ring *ring, uint64_t tail, uint64_t len)
    GOS_REQUIRES(ring->append_lock)
{
    const struct gos__segment *s = ring->at;

    if (!s || len > LINES_AHEAD)
        return;
    uint64_t from = tail + len - s->base + LINES_AHEAD;
    for (uint64_t i = 0; i < len && from + i < s->size; i += GOS__RING_LINE)
        prefetch_to_write(s->data + from + i);
}

/* Wall time by the monotonic clock: one clock is enough for a record. */
static int64_t wall_of(gos_ring *ring, int64_t now) GOS_REQUIRES(ring->append_lock)
{
    if (now - ring->wall_checked_ns >= WALL_CHECK_NS || ring->wall_checked_ns == 0) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        ring->wall_offset = (int64_t)t.tv_sec * GOS__SECOND + t.tv_nsec - now;
        ring->wall_checked_ns = now;
    }
    return now + ring->wall_offset;
}

/* Room and an entry for it are there. */
static void commit(gos_ring *ring, gos_ring_writer *w, struct request *q)
    GOS_REQUIRES(ring->append_lock)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t number = atomic_load_explicit(&ring->records, memory_order_relaxed);
    struct gos__segment *first = ring->at;

    copy_in(ring, &q->from, tail, q->len);
    call_lines_back(ring, tail, q->len);
    if (ring->head_left > 0)
        gos__epoch_add_head(ring, first, tail, q->len);
    ring->index[number & (ring->index_cap - 1)] = (struct gos__entry){
        .off = tail,
        .mono_ns = q->now,
        .wall_ns = wall_of(ring, q->now),
        .len = (uint32_t)q->len & 0x7fffffffu,
        .mark = (q->flags & GOS_RING_MARK) != 0,
        .writer = w->id,
    };
    atomic_store_explicit(&ring->newest, tail, memory_order_release);
    atomic_store_explicit(&ring->records, number + 1, memory_order_release);
    /* Sequentially consistent: see note_armed_locked() in wake.c. */
    atomic_store_explicit(&ring->tail, tail + q->len, memory_order_seq_cst);
    if (q->flags & GOS_RING_MARK) /* after the tail: who sees the mark sees its bytes */
        atomic_store_explicit(&ring->last_mark, tail, memory_order_release);
    q->flags = 0; /* they go with the first part */
}

static bool is_quick(gos_ring *ring, gos_ring_writer *w, const struct request *q)
    GOS_REQUIRES(ring->append_lock)
{
    uint64_t used = atomic_load_explicit(&ring->records, memory_order_relaxed) -
                    atomic_load_explicit(&ring->oldest_record, memory_order_acquire);

    return atomic_load_explicit(&ring->tail, memory_order_relaxed) + q->len <= ring->fast_until &&
           used < ring->index_cap && q->now < ring->age_due && !w->new_epoch && !w->unknown &&
           !(q->flags & GOS_RING_NEW_EPOCH) &&
           !atomic_load_explicit(&ring->recheck, memory_order_acquire);
}

/* The first record of a writer, or of an epoch. */
static int begin_writing(gos_ring *ring, gos_ring_writer *w, const struct request *q)
    GOS_REQUIRES(ring->append_lock)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    /* The ring's first record begins an epoch as well: it may have a sticky head. */
    if (w->new_epoch || (q->flags & GOS_RING_NEW_EPOCH) || tail == 0) {
        int rc = gos__epoch_begin(ring, tail);
        if (rc < 0)
            return rc;
    }
    if (w->unknown) {
        gos__lock(&ring->lock);
        gos__epoch_remember_locked(ring, w->name);
        gos__unlock(&ring->lock);
    }
    w->new_epoch = w->unknown = false;
    return 0;
}

/* Segments that are not there yet are made with no lock held: readers go on, and
 * another ring may have to give up memory for them. As gos__window_extend_locked(). */
static int make_segments(gos_ring *ring, uint64_t len) GOS_REQUIRES(ring->append_lock)
{
    int rc;

    do {
        struct gos__segment *s;
        rc = gos__segment_new(&s, ring, (size_t)1 << ring->shift);
        if (rc < 0)
            return rc;
        gos__lock(&ring->lock);
        gos__window_add_spare_locked(ring, s);
        rc = gos__window_extend_locked(ring, len);
        gos__unlock(&ring->lock);
    } while (rc == 0);
    return rc;
}

/* Make sure that the record can be committed. GOS_EAGAIN when a reader holds it up. */
static int prepare(gos_ring *ring, gos_ring_writer *w, const struct request *q, bool *alarm)
    GOS_REQUIRES(ring->append_lock)
{
    struct gos__room room;

    ring->fast_until = 0;
    int rc = gos__window_reserve_index(ring);
    if (rc < 0)
        return rc;
    gos__lock(&ring->lock);
    atomic_store_explicit(&ring->recheck, false, memory_order_relaxed); /* set under this lock */
    ring->age_due = gos__window_age_locked(ring, q->now);
    bool fits = gos__room_check_locked(ring, q->len, q->now, &room);
    rc = fits ? gos__window_extend_locked(ring, q->len) : GOS_EAGAIN;
    gos__unlock(&ring->lock);
    *alarm = *alarm || room.alarm;
    if (rc == 0)
        rc = make_segments(ring, q->len);
    if (rc > 0)
        rc = begin_writing(ring, w, q);
    if (rc < 0)
        return rc;
    uint64_t end = atomic_load_explicit(&ring->tail, memory_order_relaxed) + q->len;
    uint64_t segment = UINT64_C(1) << ring->shift;
    ring->fast_until = gos__min_u64((end + segment - 1) & ~(segment - 1), room.until);
    return 0;
}

/* Append what is left, one record at most. */
static int append_record(gos_ring_writer *w, struct request *q, bool *alarm)
{
    gos_ring *ring = w->ring;
    int rc = 0;

    gos__lock(&ring->append_lock);
    q->len = gos__min_u64(q->from.left, ring->max_record);
    q->now = gos__clock_ns();
    if (gos__wake_ended(ring))
        rc = gos__error(-EPIPE, "stream is closed");
    else if (q->len > 0 && !is_quick(ring, w, q))
        rc = prepare(ring, w, q, alarm);
    if (rc == 0) {
        if (q->len > 0)
            commit(ring, w, q);
        /* Relaxed: only the time of day hangs on it. */
        atomic_store_explicit(&ring->written_ns, q->now, memory_order_relaxed);
    }
    gos__unlock(&ring->append_lock);
    return rc;
}

/* Record by record, so that readers go on with the first while the next is copied. */
static int64_t append(gos_ring_writer *w, const struct gos_slice *parts, uint64_t len,
                      uint32_t flags, const struct gos_io *io)
{
    struct request q = {.from = {.part = parts, .left = len}, .flags = flags};
    gos_ring *ring = w->ring;
    int rc;

    do {
        bool alarm = false;
        rc = append_record(w, &q, &alarm);
        /* See note_armed_locked() for the order. */
        if (rc == 0 && atomic_load_explicit(&ring->armed, memory_order_seq_cst))
            gos__wake_bytes(ring);
        if (alarm)
            gos__wake_room(ring);
        if (rc == GOS_EAGAIN && io)
            rc = gos__room_wait(ring, q.len, io);
    } while (rc == 0 && q.from.left > 0);
    return rc < 0 && q.from.left == len ? rc : (int64_t)(len - q.from.left);
}

/* The sum of the parts, or an error. */
static int64_t sum_parts(const gos_ring_writer *w, const struct gos_slice *parts, unsigned n,
                         uint32_t flags)
{
    uint64_t sum = 0;

    if (!w || (!parts && n > 0))
        return gos__error(GOS_EINVAL, "no writer, or no bytes");
    if (flags & ~(GOS_RING_MARK | GOS_RING_NEW_EPOCH))
        return gos__error(GOS_EINVAL, "an append has no such flags");
    for (unsigned i = 0; i < n; i++) {
        if ((!parts[i].base && parts[i].len > 0) || parts[i].len > INT64_MAX - sum)
            return gos__error(GOS_EINVAL, "a part has no bytes, or all are too many");
        sum += parts[i].len;
    }
    return (int64_t)sum;
}

int64_t gos_ring_writer_appendv(gos_ring_writer *w, const struct gos_slice *parts, unsigned n,
                                uint32_t flags, const struct gos_io *io)
{
    struct gos_io how;
    int64_t sum = sum_parts(w, parts, n, flags);
    if (sum < 0)
        return sum;
    int rc = gos__opts_copy(&how, sizeof how, io);
    if (rc < 0)
        return rc;
    return append(w, parts, (uint64_t)sum, flags, &how);
}

int64_t gos_ring_writer_append(gos_ring_writer *w, const void *data, size_t len, uint32_t flags,
                               const struct gos_io *io)
{
    struct gos_slice part = {.base = data, .len = len};

    return gos_ring_writer_appendv(w, &part, 1, flags, io);
}

int64_t gos_ring_writer_try_appendv(gos_ring_writer *w, const struct gos_slice *parts, unsigned n,
                                    uint32_t flags)
{
    int64_t sum = sum_parts(w, parts, n, flags);
    if (sum < 0)
        return sum;
    int64_t done = append(w, parts, (uint64_t)sum, flags, NULL);
    return done == GOS_EAGAIN ? gos__error(GOS_EAGAIN, "a reader holds writers up") : done;
}

/* ---- life of a writer ---- */

static int set_name(gos_ring_writer *w, const struct gos_ring_writer_opts *o)
{
    if (!o->name || !o->name[0])
        return 0;
    size_t size = strnlen(o->name, sizeof w->name) + 1;
    if (size > sizeof w->name)
        return gos__error(GOS_EINVAL, "a writer's name has 63 bytes at most");
    memcpy(w->name, o->name, size);
    int rc = gos__epoch_reserve_names(w->ring);
    if (rc < 0)
        return rc;
    w->unknown = true;
    return 0;
}

int gos_ring_writer_open(gos_ring_writer **out, gos_ring *ring,
                         const struct gos_ring_writer_opts *opts)
{
    struct gos_ring_writer_opts o;

    if (!out || !ring)
        return gos__error(GOS_EINVAL, "no ring, or nowhere to put the writer");
    int rc = gos__opts_copy(&o, sizeof o, opts);
    if (rc < 0)
        return rc;
    if (o.flags & ~GOS_RING_NEW_EPOCH)
        return gos__error(GOS_EINVAL, "a writer has no such flags");
    if (gos__wake_ended(ring))
        return gos__error(-EPIPE, "stream is closed");
    gos_ring_writer *w = gos__calloc(1, sizeof *w);
    if (!w)
        return gos__error_nomem();
    w->ring = ring;
    rc = set_name(w, &o);
    if (rc < 0) {
        gos__free(w);
        return rc;
    }
    gos__lock(&ring->lock);
    w->new_epoch = (o.flags & GOS_RING_NEW_EPOCH) || gos__epoch_name_known_locked(ring, w->name);
    gos__unlock(&ring->lock);
    w->id = o.id ? o.id : 1 + atomic_fetch_add(&ring->next_writer, 1);
    atomic_fetch_add(&ring->writers, 1);
    gos_ring_ref(ring);
    *out = w;
    return 0;
}

void gos_ring_writer_close(gos_ring_writer *w)
{
    if (!w)
        return;
    gos_ring *ring = w->ring;
    atomic_store_explicit(&ring->left_ns, gos__clock_ns(), memory_order_relaxed);
    atomic_fetch_sub(&ring->writers, 1);
    gos__free(w);
    gos_ring_unref(ring);
}
