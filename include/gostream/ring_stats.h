/* SPDX-License-Identifier: MIT
 *
 * Figures of a ring and of its readers: what a server shows, and by which a
 * reader is found that falls behind. Where a ring begins and ends is asked at
 * no cost with gos_ring_get_span(), see <gostream/ring.h>. */
#ifndef GOSTREAM_RING_STATS_H
#define GOSTREAM_RING_STATS_H

#include <gostream/common.h>
#include <gostream/error.h>
#include <gostream/ring.h>

GOS_BEGIN_DECLS

/* ---- types ---- */

struct gos_ring_stats {
    size_t struct_size;
    uint64_t tail;     /* bytes ever written; the next one's offset */
    uint64_t oldest;   /* where a reader that starts at the oldest would begin */
    uint64_t retained; /* tail - oldest */
    uint64_t records;  /* ever written */
    uint64_t memory;   /* held now, borrowed segments included */
    uint64_t ring_bytes, channel_bytes, max_record; /* as in force */
    uint64_t gaps, dropped_bytes;                   /* of all readers, those that left included */
    uint64_t readers, writers;                      /* now */
    uint64_t max_lag;                               /* of the readers now, bytes */
    uint64_t blocked_ns; /* that writers have waited for readers, all told */
    int64_t created_wall_ns;
    int64_t written_wall_ns; /* the last append; created_wall_ns before the first */
    int64_t idle_ns;         /* since somebody was there or wrote */
    uint32_t epoch;
    enum gos_ring_state state;
};

struct gos_ring_reader_stats {
    size_t struct_size;
    uint64_t offset; /* of the next byte */
    uint64_t lag_bytes, max_lag_bytes;
    int64_t lag_ns; /* age of the next byte; 0 when there is none */
    uint64_t read_bytes, head_bytes;
    uint64_t gaps, dropped_bytes;
    uint64_t held_bytes; /* borrowed and not released */
    int status;          /* 0, or the error it was disconnected with */
    enum gos_ring_policy policy;
    uint64_t id;    /* its number among all that this ring ever had; the first is 1 */
    int64_t age_ns; /* since it was opened */
};

/* ---- questions ---- */

/* Fill `out`, whose struct_size is set. It looks at each reader, for their lag.
 * Returns: 0.
 * Errors: GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_ring_get_stats(gos_ring *ring, struct gos_ring_stats *out);

/* Fill `out` with figures of up to `max` readers, those that have been there longest;
 * the struct_size of the first is set, and says how far they lie apart. With `max` 0 they
 * are only counted, and `out` may be NULL.
 * Returns: how many readers there are, maybe more than `max`.
 * Errors: GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int64_t gos_ring_get_readers(gos_ring *ring, struct gos_ring_reader_stats *out,
                                     unsigned max);

/* Fill `out`, whose struct_size is set.
 * Returns: 0.
 * Errors: GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_ring_reader_get_stats(gos_ring_reader *r, struct gos_ring_reader_stats *out);

GOS_END_DECLS

#endif
