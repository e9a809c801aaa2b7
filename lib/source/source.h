/* SPDX-License-Identifier: MIT
 *
 * The inside of a source, shared by the files of this room: source.c (life,
 * checks, both ways of reading), wait.c (a blocking read of a source that
 * waits), job.c (a read in the background of a source that blocks). */
#ifndef GOS_SOURCE_SOURCE_H
#define GOS_SOURCE_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <gostream/source.h>

#include "base/pool.h"
#include "base/thread.h"

struct gos_source {
    /* immutable after new */
    struct gos_source_ops ops;              /* a copy, zero where the maker's header knew less */
    const struct gos_source_ops *made_with; /* tells sources of one maker; not looked into */
    void *self;
    gos__mutex lock;
    /* guarded by lock */
    struct gos__pool *pool; /* workers for gos_source_start() on a simple source, from its first */
    /* any thread, atomic */
    atomic_uint refs;
};

/* What its maker gave for `self`, if it was made with the table `ops`; else NULL. */
void *gos__source_self(gos_source *s, const struct gos_source_ops *ops);

/* Hand a checked read to the `start` of its source. As gos_source_start(). */
int gos__source_begin(gos_source *s, struct gos_read *r);

/* One blocking read of a source that has `start`: some of the bytes or an
 * error. The range is checked; the caller holds a reference. */
int64_t gos__wait_read(gos_source *s, void *buf, size_t len, uint64_t off, const struct gos_io *io);
/* The `done` of such reads; they hold no reference of their own. */
void gos__wait_done(struct gos_read *r);

/* Read a source that has `pread` on a worker; r->lib.source is set. As gos_source_start(). */
int gos__job_start(gos_source *s, struct gos_read *r);
void gos__job_cancel(struct gos_read *r);

#endif
