/* SPDX-License-Identifier: MIT
 *
 * What is kept: the segments, the index of records, and what goes when there is
 * too much, too old, or no memory. Runs on writers' threads, in the reads that
 * find something too old, and in sweeps. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "ring/ring.h"

#define FIRST_INDEX 64u
#define FIRST_DIR 16u

/* ---- the index ---- */

struct gos__span gos__window_span_locked(gos_ring *ring)
{
    struct gos__span s = {.floor = ring->floor};

    /* Relaxed: written under the lock that we hold. */
    s.first = atomic_load_explicit(&ring->oldest_record, memory_order_relaxed);
    /* Acquire: the entries and bytes of these records are there. An append stores
     * `records` first, so `tail` may still be the one before the newest record,
     * or already that of later ones. */
    s.records = atomic_load_explicit(&ring->records, memory_order_acquire);
    s.tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (s.records > s.first) {
        const struct gos__entry *last = gos__window_entry(ring, s.records - 1);
        if (s.tail <= last->off)
            s.records--;
        else
            s.tail = last->off + last->len;
    } else {
        s.tail = s.floor; /* what was kept has been given up to its end */
    }
    s.newest = s.records > s.first ? gos__window_entry(ring, s.records - 1)->off : s.tail;
    return s;
}

struct gos__span gos__window_edge_locked(gos_ring *ring)
{
    /* Acquire: the bytes before the tail are there. What is stored before the tail
     * is loaded after it, so `newest` is of this tail's record, or of a later one. */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t newest = atomic_load_explicit(&ring->newest, memory_order_acquire);

    if (newest >= tail || newest < ring->floor)
        return gos__window_span_locked(ring);
    return (struct gos__span){.floor = ring->floor, .tail = tail, .newest = newest};
}

uint64_t gos__window_find(const gos_ring *ring, const struct gos__span *span, uint64_t off)
{
    uint64_t low = span->first, high = span->records;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (gos__window_entry(ring, middle)->off < off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t gos__window_find_containing(const gos_ring *ring, const struct gos__span *span,
                                     uint64_t off)
{
    uint64_t n = gos__window_find(ring, span, off);

    if (n < span->records && gos__window_entry(ring, n)->off == off)
        return n;
    if (n > span->first && off < span->tail)
        return n - 1;
    return span->records;
}

uint64_t gos__window_find_time(const gos_ring *ring, const struct gos__span *span, int64_t mono_ns)
{
    uint64_t low = span->first, high = span->records;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (gos__window_entry(ring, middle)->mono_ns < mono_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t gos__window_begin(const gos_ring *ring, const struct gos__span *span, uint64_t number)
{
    return number < span->records ? gos__window_entry(ring, number)->off : span->tail;
}

uint64_t gos__window_history(const gos_ring *ring, const struct gos__span *span)
{
    uint64_t from = span->tail > ring->opts.ring_bytes ? span->tail - ring->opts.ring_bytes : 0;

    return gos__window_begin(ring, span, gos__window_find(ring, span, from));
}

void gos__window_describe_locked(gos_ring *ring, uint64_t number, struct gos_ring_record *out)
{
    const struct gos__entry *e = gos__window_entry(ring, number);

    *out = (struct gos_ring_record){
        .offset = e->off,
        .number = number,
        .mono_ns = e->mono_ns,
        .wall_ns = e->wall_ns,
        .len = e->len,
        .writer = e->writer,
        .epoch = gos__epoch_at_locked(ring, e->off),
        .flags = e->mark ? GOS_RING_MARK : 0,
    };
}

/* ---- giving up ---- */

static struct gos__segment **slot_locked(gos_ring *ring, uint64_t number) GOS_REQUIRES(ring->lock)
{
    return &ring->dir[number & (ring->dir_cap - 1)];
}

static void drop_first_segment_locked(gos_ring *ring, bool release) GOS_REQUIRES(ring->lock)
{
    struct gos__segment *s = *slot_locked(ring, ring->first_seg);

    ring->first_seg++;
    ring->n_segs--;
    gos__room_keep_locked(ring, s);
    gos__segment_unref_locked(ring, s, release);
}

void gos__window_evict_locked(gos_ring *ring, uint64_t off, bool release)
{
    if (off <= ring->floor)
        return;
    struct gos__span span = gos__window_span_locked(ring);
    if (off > span.tail)
        off = span.tail;
    while (ring->n_segs > 0 && (ring->first_seg + 1) << ring->shift <= off)
        drop_first_segment_locked(ring, release);
    ring->floor = off;
    /* Release: an append that reuses an entry comes after those who read it. */
    atomic_store_explicit(&ring->oldest_record, gos__window_find(ring, &span, off),
                          memory_order_release);
    gos__epoch_prune_locked(ring);
}

/* Up to `off`, but never into a record: the rest of one that has no entry any more
 * could not be told from nothing, were it the newest. */
static uint64_t whole_before(const gos_ring *ring, const struct gos__span *span, uint64_t off)
{
    uint64_t n = gos__window_find(ring, span, off);

    if (gos__window_begin(ring, span, n) == off)
        return off;
    return n > span->first ? gos__window_begin(ring, span, n - 1) : 0;
}

int64_t gos__window_age_locked(gos_ring *ring, int64_t now)
{
    if (ring->opts.max_age_ns == 0)
        return INT64_MAX;
    struct gos__span span = gos__window_span_locked(ring);
    uint64_t young = gos__window_find_time(ring, &span, now - ring->opts.max_age_ns);
    if (young > span.first) {
        uint64_t off = gos__window_begin(ring, &span, young);
        off = gos__min_u64(off, gos__room_pinned_locked(ring));
        gos__window_evict_locked(ring, whole_before(ring, &span, off), true);
        span = gos__window_span_locked(ring);
    }
    int64_t oldest = span.first < span.records ? gos__window_entry(ring, span.first)->mono_ns : now;
    /* What a blocking reader has not read yet is too old already. */
    return gos__max_i64(oldest, now - ring->opts.max_age_ns) + ring->opts.max_age_ns;
}

uint64_t gos__window_give_up(gos_ring *ring, uint64_t *evicted)
{
    gos__lock(&ring->lock);
    uint64_t before = atomic_load_explicit(&ring->memory, memory_order_relaxed);
    uint64_t floor = ring->floor, freed = 0;
    gos__segment_free_spare_locked(ring);
    struct gos__span span = gos__window_span_locked(ring);
    uint64_t limit = gos__min_u64(span.newest, gos__room_pinned_locked(ring));
    for (;;) {
        uint64_t now = atomic_load_explicit(&ring->memory, memory_order_relaxed);
        /* An append may be taking memory meanwhile: then there is nothing to see yet. */
        freed = now < before ? before - now : 0;
        uint64_t next = (ring->first_seg + 1) << ring->shift;
        if (freed || ring->n_segs == 0 || next > limit)
            break;
        gos__window_evict_locked(ring, next, true);
    }
    *evicted = ring->floor - floor;
    gos__unlock(&ring->lock);
    return freed;
}

/* ---- growing ---- */

static int grow_dir_locked(gos_ring *ring) GOS_REQUIRES(ring->lock)
{
    uint64_t cap = ring->dir_cap ? ring->dir_cap * 2 : FIRST_DIR;
    struct gos__segment **dir = gos__calloc(cap, sizeof *dir);

    if (!dir)
        return gos__error_nomem();
    for (uint64_t i = 0; i < ring->n_segs; i++)
        dir[(ring->first_seg + i) & (cap - 1)] = *slot_locked(ring, ring->first_seg + i);
    gos__free(ring->dir);
    ring->dir = dir;
    ring->dir_cap = cap;
    return 0;
}

static void add_segment_locked(gos_ring *ring, struct gos__segment *s) GOS_REQUIRES(ring->lock)
{
    uint64_t number = ring->first_seg + ring->n_segs;

    atomic_store_explicit(&s->refs, 1, memory_order_relaxed); /* nobody else has it */
    s->next = NULL;
    s->base = number << ring->shift;
    if (ring->n_segs > 0)
        (*slot_locked(ring, number - 1))->next = s;
    *slot_locked(ring, number) = s;
    ring->n_segs++;
}

/* Add segments that are there until the last byte before `end` has its place.
 * Returns 1 when it has, 0 when there are too few. */
static int take_spare_locked(gos_ring *ring, uint64_t end) GOS_REQUIRES(ring->lock)
{
    while ((ring->first_seg + ring->n_segs) << ring->shift < end) {
        if (!ring->spare)
            return 0;
        if (ring->n_segs == ring->dir_cap) {
            int rc = grow_dir_locked(ring);
            if (rc < 0)
                return rc;
        }
        struct gos__segment *s = ring->spare;
        ring->spare = s->next;
        ring->n_spare--;
        add_segment_locked(ring, s);
    }
    return 1;
}

/* Give up what does not fit beside the bytes before `end`; one segment more than
 * the storage is kept, so that a reader that begins at the edge is not overtaken
 * by the very next record. False if a blocking reader needs it: it may have come
 * after the append has asked for room. */
static bool evict_surplus_locked(gos_ring *ring, uint64_t end) GOS_REQUIRES(ring->lock)
{
    uint64_t keep = ring->storage + (UINT64_C(1) << ring->shift);

    if (end <= keep)
        return true;
    uint64_t off = (end - keep) >> ring->shift << ring->shift;
    if (gos__room_pinned_locked(ring) < off)
        return false;
    gos__window_evict_locked(ring, off, false);
    return true;
}

void gos__window_add_spare_locked(gos_ring *ring, struct gos__segment *s)
{
    s->next = ring->spare;
    ring->spare = s;
    ring->n_spare++;
}

int gos__window_extend_locked(gos_ring *ring, uint64_t len)
{
    uint64_t tail = atomic_load_explicit(&ring->tail,
                                         memory_order_relaxed); /* append_lock is ours */

    if (!evict_surplus_locked(ring, tail + len))
        return GOS_EAGAIN;
    int rc = take_spare_locked(ring, tail + len);
    if (rc > 0 && !ring->at)
        ring->at = *slot_locked(ring, tail >> ring->shift);
    return rc;
}

static int grow_index(gos_ring *ring) GOS_REQUIRES(ring->append_lock)
{
    uint64_t cap = ring->index_cap ? ring->index_cap * 2 : FIRST_INDEX;
    uint64_t more = (cap - ring->index_cap) * sizeof(struct gos__entry);
    int rc = gos__segment_charge(ring, more);
    if (rc < 0)
        return rc;
    struct gos__entry *index = gos__malloc(cap * sizeof *index);
    if (!index) {
        gos__segment_discharge(ring, more);
        return gos__error_nomem();
    }
    gos__lock(&ring->lock);
    uint64_t records = atomic_load_explicit(&ring->records, memory_order_relaxed);
    for (uint64_t n = atomic_load_explicit(&ring->oldest_record, memory_order_relaxed); n < records;
         n++)
        index[n & (cap - 1)] = *gos__window_entry(ring, n);
    struct gos__entry *old = ring->index;
    ring->index = index;
    ring->index_cap = cap;
    gos__unlock(&ring->lock);
    gos__free(old);
    return 0;
}

/* Records that are very short would fill the index before the storage: then the
 * oldest eighth goes, unless a blocking reader still needs them. */
static int make_entries(gos_ring *ring) GOS_REQUIRES(ring->append_lock)
{
    gos__lock(&ring->lock);
    struct gos__span span = gos__window_span_locked(ring);
    uint64_t number = span.first + ring->index_cap / 8;
    uint64_t off = gos__window_begin(ring, &span, number);
    off = gos__min_u64(off, gos__room_pinned_locked(ring));
    gos__window_evict_locked(ring, whole_before(ring, &span, off), false);
    uint64_t first = atomic_load_explicit(&ring->oldest_record, memory_order_relaxed);
    gos__unlock(&ring->lock);
    return first > span.first ? 0 : GOS_EAGAIN;
}

int gos__window_reserve_index(gos_ring *ring)
{
    uint64_t used = atomic_load_explicit(&ring->records, memory_order_relaxed) -
                    atomic_load_explicit(&ring->oldest_record, memory_order_acquire);
    if (used < ring->index_cap)
        return 0;
    return ring->index_cap < ring->max_records ? grow_index(ring) : make_entries(ring);
}
