/* SPDX-License-Identifier: MIT
 *
 * A set is limits that many rings share: how many there may be, with how many
 * readers, in how much memory. A server gives one to all its streams, and a set
 * within it to those that may have only a part of that. */
#ifndef GOSTREAM_RING_SET_H
#define GOSTREAM_RING_SET_H

#include <gostream/common.h>
#include <gostream/error.h>
#include <gostream/ring.h>

GOS_BEGIN_DECLS

/* ---- types ---- */

/* Limits that many rings share. Over max_bytes, the ring that holds most gives
 * up its oldest history first. */
struct gos_ring_set_opts {
    size_t struct_size;
    uint64_t max_streams; /* 0: no limit */
    uint64_t max_readers; /* 0: no limit */
    uint64_t max_bytes;   /* memory of all rings, index included; 0: no limit */
    /* A ring was idle for its idle_ns. Called by gos_ring_set_sweep() on its
     * caller's thread, no lock held; the ring is valid during the call. NULL: the
     * ring is deleted. */
    void (*on_idle)(void *user, gos_ring *ring);
    void *user;
    /* A set whose limits hold for these rings, too: they count in both. NULL: none.
     * It is kept for as long as this one is, and has no parent of its own. */
    gos_ring_set *parent;
};

struct gos_ring_set_stats {
    size_t struct_size;
    uint64_t streams, readers, bytes;
    uint64_t evicted_bytes; /* history given up for other rings */
};

/* ---- life and use ---- */

/* Make a set; `opts` may be NULL. One reference is the caller's, each ring of it
 * holds another.
 * Returns: 0.
 * Errors: GOS_EINVAL (also: the parent has a parent), GOS_E2BIG, GOS_ENOMEM.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_ring_set_new(gos_ring_set **out, const struct gos_ring_set_opts *opts);

/* Give the caller's reference back; NULL is fine.
 * Returns: nothing.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API void gos_ring_set_unref(gos_ring_set *set);

/* gos_ring_sweep() for each ring of it and of sets within it, and on_idle for those
 * that are due. Call it about once a second.
 * Returns: how many rings were idle for too long.
 * Errors: GOS_EINVAL.
 * Threads: one at a time.
 * Since: 0.1 */
GOS_API int gos_ring_set_sweep(gos_ring_set *set);

/* Fill `out`, whose struct_size is set.
 * Returns: 0.
 * Errors: GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_ring_set_get_stats(gos_ring_set *set, struct gos_ring_set_stats *out);

GOS_END_DECLS

#endif
