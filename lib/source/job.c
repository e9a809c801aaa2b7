/* SPDX-License-Identifier: MIT
 *
 * A read in the background of a source that can only block: a job for one of
 * the source's few workers, which run `pread` and then `done`. Its cancel is a
 * latch that the source finds in its gos_io. */
#include "base/alloc.h"
#include "base/error.h"
#include "source/cancel.h"
#include "source/source.h"

#define MAX_WORKERS 2 /* enough that one slow read does not hold up a quick one */

/* Too large for the room inside gos_read, because of the latch. */
struct job {
    struct gos__job base;
    struct gos_read *read;
    gos_cancel stop;
};

static void job_free(struct job *j)
{
    gos__cancel_finish(&j->stop);
    gos__free(j);
}

static void run(struct gos__job *base)
{
    struct job *j = GOS__LIST_OWNER(base, struct job, base);
    struct gos_read *r = j->read;
    struct gos_io io = {
        .struct_size = sizeof io,
        .deadline_ns = r->deadline_ns,
        .idle_ns = r->idle_ns,
        .cancel = &j->stop,
        .flags = r->flags,
    };
    gos_read_complete(r, gos_source_pread(r->lib.source, r->buf, r->len, r->off, &io));
    /* Not before done: until then a cancel may still come. */
    job_free(j);
}

/* The pool, made by the first who needs it; NULL without memory. */
static struct gos__pool *source_pool(gos_source *s)
{
    gos__lock(&s->lock);
    if (!s->pool)
        gos__pool_new(&s->pool, MAX_WORKERS);
    struct gos__pool *p = s->pool;
    gos__unlock(&s->lock);
    return p;
}

int gos__job_start(gos_source *s, struct gos_read *r)
{
    if (!r->buf)
        return gos__error(GOS_ENOTSUP, "source %s cannot lend slices, read with buf", s->ops.name);
    struct gos__pool *pool = source_pool(s);
    if (!pool)
        return GOS_ENOMEM;
    struct job *j = gos__calloc(1, sizeof *j);
    if (!j)
        return gos__error_nomem();
    int rc = gos__cancel_init(&j->stop);
    if (rc < 0) {
        gos__free(j);
        return rc;
    }
    j->base.run = run;
    j->read = r;
    r->lib.ptr[0] = j;
    rc = gos__pool_add(pool, &j->base);
    if (rc < 0)
        job_free(j);
    return rc;
}

void gos__job_cancel(struct gos_read *r)
{
    struct job *j = r->lib.ptr[0];

    gos_cancel_fire(&j->stop);
}
