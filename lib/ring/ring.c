/* SPDX-License-Identifier: MIT
 *
 * A ring's life, its end, and what it has to say of itself. Any thread. */
#include "ring/ring.h"

#include <sched.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "base/opts.h"

#define DEFAULT_BYTES (UINT64_C(6) << 20)
#define MIN_BYTES (UINT64_C(64) << 10)
#define MAX_BYTES (UINT64_C(1) << 40)
#define MAX_RECORD (UINT64_C(1) << 20)
#define MAX_HEAD (1u << 20)
#define MAX_SEGMENT_SHIFT 16u
#define MIN_SEGMENT_SHIFT 12u
#define BYTES_PER_RECORD 32u /* the index is no larger than the storage */

static int64_t wall_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * GOS__SECOND + t.tv_nsec;
}

static unsigned processors(void)
{
    cpu_set_t cpus;

    return sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
}

static int settle_opts(struct gos_ring_opts *o)
{
    if (o->ring_bytes > MAX_BYTES || o->channel_bytes > MAX_BYTES)
        return gos__error(GOS_EINVAL, "a ring holds 1 TiB at most");
    if (o->head_bytes > MAX_HEAD)
        return gos__error(GOS_EINVAL, "a sticky head has 1 MiB at most");
    if (o->max_age_ns < 0 || o->idle_ns < 0)
        return gos__error(GOS_EINVAL, "a time of the ring is negative");
    if (o->ring_bytes == 0)
        o->ring_bytes = DEFAULT_BYTES;
    if (o->channel_bytes == 0)
        o->channel_bytes = DEFAULT_BYTES;
    o->ring_bytes = gos__max_u64(o->ring_bytes, MIN_BYTES);
    o->max_age_ns = gos__min_i64(o->max_age_ns, GOS__RING_FOR_EVER);
    return 0;
}

/* Sixteen segments or more to a ring, so that little more is kept than was asked for. */
static unsigned segment_shift(uint64_t storage)
{
    unsigned shift = MAX_SEGMENT_SHIFT;

    while (shift > MIN_SEGMENT_SHIFT && storage >> shift < 16)
        shift--;
    return shift;
}

static void settle_sizes(gos_ring *ring)
{
    ring->storage = gos__max_u64(ring->opts.ring_bytes, ring->opts.channel_bytes);
    ring->max_record = gos__min_u64(MAX_RECORD, ring->opts.ring_bytes / 2);
    ring->shift = segment_shift(ring->storage);
    ring->max_spare = (unsigned)(ring->max_record >> ring->shift) + 1;
    ring->max_records = 1;
    while (ring->max_records < ring->storage / BYTES_PER_RECORD)
        ring->max_records *= 2;
}

static void init_lists(gos_ring *ring) GOS_NO_TSA
{
    gos__list_init(&ring->readers);
    gos__list_init(&ring->holders);
    gos__list_init(&ring->sleepers);
    gos__list_init(&ring->room_sleepers);
}

/* Held for so short a time that who finds it taken had better look again. */
static int init_lock(gos__mutex *m)
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);

    if (!rc) {
        pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
        rc = pthread_mutex_init(&m->m, &attr);
        pthread_mutexattr_destroy(&attr);
    }
    return rc ? gos__error(-rc, "make a mutex") : 0;
}

static int init_locks(gos_ring *ring)
{
    int rc = init_lock(&ring->append_lock);
    if (rc < 0)
        return rc;
    rc = init_lock(&ring->lock);
    if (rc < 0)
        goto fail_append;
    rc = gos__cond_init(&ring->fired);
    if (rc < 0)
        goto fail_lock;
    return 0;
fail_lock:
    gos__mutex_finish(&ring->lock);
fail_append:
    gos__mutex_finish(&ring->append_lock);
    return rc;
}

int gos_ring_new(gos_ring **out, const struct gos_ring_opts *opts)
{
    if (!out)
        return gos__error(GOS_EINVAL, "nowhere to put the ring");
    gos_ring *ring = gos__calloc(1, sizeof *ring);
    if (!ring)
        return gos__error_nomem();
    int rc = gos__opts_copy(&ring->opts, sizeof ring->opts, opts);
    if (rc == 0)
        rc = settle_opts(&ring->opts);
    if (rc < 0)
        goto fail;
    settle_sizes(ring);
    init_lists(ring);
    ring->max_spinners = processors() - 1;
    atomic_init(&ring->last_mark, GOS__RING_NONE);
    ring->created_mono_ns = gos__clock_ns();
    ring->created_wall_ns = wall_ns();
    atomic_init(&ring->refs, 1);
    atomic_init(&ring->left_ns, ring->created_mono_ns);
    atomic_init(&ring->written_ns, ring->created_mono_ns);
    rc = init_locks(ring);
    if (rc < 0)
        goto fail;
    if (ring->opts.set) {
        rc = gos__set_join(ring->opts.set, ring);
        if (rc < 0)
            goto fail_locks;
        gos__set_ref(ring->opts.set);
    }
    *out = ring;
    return 0;
fail_locks:
    gos__cond_finish(&ring->fired);
    gos__mutex_finish(&ring->lock);
    gos__mutex_finish(&ring->append_lock);
fail:
    gos__free(ring);
    return rc;
}

gos_ring *gos_ring_ref(gos_ring *ring)
{
    if (ring)
        atomic_fetch_add_explicit(&ring->refs, 1, memory_order_relaxed);
    return ring;
}

bool gos__ring_try_ref(gos_ring *ring)
{
    unsigned refs = atomic_load_explicit(&ring->refs, memory_order_relaxed);

    do {
        if (refs == 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&ring->refs, &refs, refs + 1,
                                                    memory_order_acquire, memory_order_relaxed));
    return true;
}

static void free_contents(gos_ring *ring)
{
    gos__lock(&ring->lock);
    while (ring->n_segs > 0) {
        gos__segment_free(ring, ring->dir[ring->first_seg & (ring->dir_cap - 1)]);
        ring->first_seg++;
        ring->n_segs--;
    }
    gos__segment_free_spare_locked(ring);
    if (ring->head)
        gos__segment_free(ring, ring->head);
    gos__unlock(&ring->lock);
    gos__segment_discharge(ring, ring->index_cap * sizeof *ring->index);
    gos__free(ring->index);
    gos__free(ring->dir);
    gos__free(ring->epochs);
    gos__free(ring->names);
}

void gos_ring_unref(gos_ring *ring)
{
    /* Acquire and release: who frees it comes after all others. */
    if (!ring || atomic_fetch_sub_explicit(&ring->refs, 1, memory_order_acq_rel) > 1)
        return;
    gos_ring_set *set = ring->opts.set;
    if (set)
        gos__set_leave(set, ring); /* nobody finds it any more */
    free_contents(ring);
    if (set && atomic_load(&ring->state) != GOS_RING_STATE_DELETED)
        gos__set_leave_stream(set);
    gos_ring_set_unref(set);
    gos__cond_finish(&ring->fired);
    gos__mutex_finish(&ring->lock);
    gos__mutex_finish(&ring->append_lock);
    gos__free(ring);
}

void *gos_ring_user(const gos_ring *ring)
{
    return ring ? ring->opts.user : NULL;
}

/* ---- the end ---- */

/* Returns the state that it had. */
static int end(gos_ring *ring, int state)
{
    gos__lock(&ring->append_lock); /* an append in progress is finished before */
    gos__lock(&ring->lock);
    int before = atomic_load(&ring->state);
    if (before < state)
        atomic_store_explicit(&ring->state, state, memory_order_release);
    gos__segment_free_spare_locked(ring);
    gos__unlock(&ring->lock);
    gos__unlock(&ring->append_lock);
    gos__wake_bytes(ring);
    gos__wake_room(ring);
    return before;
}

void gos_ring_seal(gos_ring *ring)
{
    if (ring)
        end(ring, GOS_RING_STATE_SEALED);
}

void gos_ring_delete(gos_ring *ring)
{
    if (ring && end(ring, GOS_RING_STATE_DELETED) != GOS_RING_STATE_DELETED && ring->opts.set)
        gos__set_leave_stream(ring->opts.set);
}

void gos_ring_sweep(gos_ring *ring)
{
    struct gos__room room;

    if (!ring)
        return;
    int64_t now = gos__clock_ns();
    gos__lock(&ring->lock);
    gos__window_age_locked(ring, now);
    /* Only where a writer waits is there a reader whose time runs. */
    bool wake = gos__room_moved_locked(ring);
    bool waits = ring->room_watches.first || !gos__list_empty(&ring->room_sleepers);
    if (waits)
        gos__room_check_locked(ring, ring->max_record, now, &room);
    wake = wake || (waits && room.alarm);
    gos__unlock(&ring->lock);
    if (wake)
        gos__wake_room(ring);
}

/* ---- questions ---- */

int64_t gos__ring_idle_ns(gos_ring *ring, int64_t now)
{
    int64_t since = gos__max_i64(atomic_load_explicit(&ring->left_ns, memory_order_relaxed),
                                 atomic_load_explicit(&ring->written_ns, memory_order_relaxed));

    gos__lock(&ring->lock);
    bool used = ring->n_readers > 0 || atomic_load(&ring->writers) > 0;
    gos__unlock(&ring->lock);
    return used ? 0 : gos__max_i64(0, now - since);
}

int gos_ring_get_span(gos_ring *ring, struct gos_ring_span *out)
{
    if (!ring || !out)
        return gos__error(GOS_EINVAL, "no ring, or nothing to fill");
    struct gos_ring_span s = {.struct_size = sizeof s};
    gos__lock(&ring->lock);
    struct gos__span span = gos__window_span_locked(ring);
    s.oldest = gos__window_history(ring, &span);
    s.tail = span.tail;
    s.epoch = gos__epoch_at_locked(ring, span.tail);
    s.state = (enum gos_ring_state)atomic_load(&ring->state);
    gos__unlock(&ring->lock);
    return gos__opts_give(out, &s, sizeof s);
}

static uint64_t largest_lag_locked(gos_ring *ring, uint64_t tail) GOS_REQUIRES(ring->lock)
{
    uint64_t most = 0;

    for (struct gos__list *l = ring->readers.next; l != &ring->readers; l = l->next) {
        const gos_ring_reader *r = GOS__LIST_OWNER(l, gos_ring_reader, link);
        if (r->settled && r->pos < tail && atomic_load(&r->status) == 0)
            most = gos__max_u64(most, tail - r->pos);
    }
    return most;
}

int gos_ring_get_stats(gos_ring *ring, struct gos_ring_stats *out)
{
    if (!ring || !out)
        return gos__error(GOS_EINVAL, "no ring, or nothing to fill");
    int64_t now = gos__clock_ns(), wall = wall_ns();
    struct gos_ring_stats s = {
        .struct_size = sizeof s,
        .ring_bytes = ring->opts.ring_bytes,
        .channel_bytes = ring->opts.channel_bytes,
        .max_record = ring->max_record,
        .created_wall_ns = ring->created_wall_ns,
        .idle_ns = gos__ring_idle_ns(ring, now),
    };
    gos__lock(&ring->lock);
    gos__window_age_locked(ring, now);
    struct gos__span span = gos__window_span_locked(ring);
    s.tail = span.tail;
    s.oldest = gos__window_history(ring, &span);
    s.retained = s.tail - s.oldest;
    s.records = span.records;
    s.memory = atomic_load(&ring->memory);
    s.gaps = ring->gaps;
    s.dropped_bytes = ring->dropped_bytes;
    s.readers = ring->n_readers;
    s.writers = atomic_load(&ring->writers);
    s.max_lag = largest_lag_locked(ring, span.tail);
    s.blocked_ns = ring->blocked_ns;
    s.written_wall_ns = span.records ? wall - (now - atomic_load(&ring->written_ns))
                                     : ring->created_wall_ns;
    s.epoch = gos__epoch_at_locked(ring, span.tail);
    s.state = (enum gos_ring_state)atomic_load(&ring->state);
    gos__unlock(&ring->lock);
    return gos__opts_give(out, &s, sizeof s);
}

int gos_ring_find(gos_ring *ring, uint64_t offset, struct gos_ring_record *out)
{
    int rc = 0;

    if (!ring || !out)
        return gos__error(GOS_EINVAL, "no ring, or nowhere to put the record");
    gos__lock(&ring->lock);
    struct gos__span span = gos__window_span_locked(ring);
    uint64_t number = gos__window_find_containing(ring, &span, offset);
    if (number < span.records)
        gos__window_describe_locked(ring, number, out);
    else
        rc = offset < span.tail ? GOS_ELAPPED : GOS_EAGAIN;
    gos__unlock(&ring->lock);
    return rc == 0 ? 0
                   : gos__error(rc, rc == GOS_ELAPPED ? "offset is no longer kept"
                                                      : "offset is not written yet");
}
