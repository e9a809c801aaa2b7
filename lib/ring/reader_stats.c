/* SPDX-License-Identifier: MIT
 *
 * Figures of readers: of one, and of those of a ring. Any thread. */
#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "base/opts.h"
#include "ring/ring.h"

static struct gos_ring_reader_stats describe_locked(gos_ring *ring, const gos_ring_reader *r,
                                                    const struct gos__span *span, int64_t now)
    GOS_REQUIRES(ring->lock)
{
    struct gos_ring_reader_stats s = {.struct_size = sizeof s, .policy = r->opts.policy};
    s.offset = r->settled ? r->pos : gos__window_history(ring, span);
    s.lag_bytes = span->tail > s.offset ? span->tail - s.offset : 0;
    s.max_lag_bytes = r->opts.max_lag;
    uint64_t number = gos__window_find_containing(ring, span, s.offset);
    if (number < span->records)
        s.lag_ns = gos__max_i64(0, now - gos__window_entry(ring, number)->mono_ns);
    s.read_bytes = r->read_bytes;
    s.head_bytes = r->head_bytes;
    s.gaps = r->gaps;
    s.dropped_bytes = r->dropped_bytes;
    s.held_bytes = atomic_load(&r->held);
    s.status = atomic_load(&r->status);
    s.id = r->id;
    s.age_ns = gos__max_i64(0, now - r->opened_ns);
    return s;
}

int gos_ring_reader_get_stats(gos_ring_reader *r, struct gos_ring_reader_stats *out)
{
    if (!r || !out)
        return gos__error(GOS_EINVAL, "no reader, or nothing to fill");
    gos_ring *ring = r->ring;
    int64_t now = gos__clock_ns();
    gos__lock(&ring->lock);
    struct gos__span span = gos__window_span_locked(ring);
    struct gos_ring_reader_stats s = describe_locked(ring, r, &span, now);
    gos__unlock(&ring->lock);
    return gos__opts_give(out, &s, sizeof s);
}

int64_t gos_ring_get_readers(gos_ring *ring, struct gos_ring_reader_stats *out, unsigned max)
{
    if (!ring || (max > 0 && !out) || (max > 0 && out->struct_size < sizeof out->struct_size))
        return gos__error(GOS_EINVAL, "no ring, or nothing to fill");
    if (max > 0 && out->struct_size % _Alignof(struct gos_ring_reader_stats))
        return gos__error(GOS_EINVAL, "struct_size is not that of any struct");
    /* Theirs may be another size than ours. */
    size_t each = max > 0 ? out->struct_size : 0;
    char *to = (char *)out;
    int64_t now = gos__clock_ns();
    gos__lock(&ring->lock);
    struct gos__span span = gos__window_span_locked(ring);
    struct gos__list *l = ring->readers.next;
    for (unsigned i = 0; i < max && l != &ring->readers; i++, l = l->next, to += each) {
        const gos_ring_reader *r = GOS__LIST_OWNER(l, gos_ring_reader, link);
        struct gos_ring_reader_stats s = describe_locked(ring, r, &span, now);
        *(size_t *)(void *)to = each;
        gos__opts_give(to, &s, sizeof s);
    }
    int64_t n = (int64_t)ring->n_readers;
    gos__unlock(&ring->lock);
    return n;
}
