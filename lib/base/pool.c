/* SPDX-License-Identifier: MIT
 *
 * Worker threads for jobs that block. Any thread adds; workers run the jobs
 * with no lock held. A worker that found nothing to do for a while leaves, and
 * the last to leave a pool that was given up frees it: no thread is ever
 * joined, so a job may give up the pool it runs on. */
#include "base/pool.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#define IDLE_NS (5 * GOS__SECOND)

struct gos__pool {
    /* immutable after new */
    unsigned max_threads;
    gos__mutex lock;
    gos__cond work;
    /* guarded by lock */
    struct gos__list jobs;
    unsigned waiting_jobs, threads, idle_threads;
    bool given_up;
};

static void destroy(struct gos__pool *p)
{
    gos__cond_finish(&p->work);
    gos__mutex_finish(&p->lock);
    gos__free(p);
}

/* The oldest job, or NULL when it is time to leave. */
static struct gos__job *next_job_locked(struct gos__pool *p) GOS_REQUIRES(p->lock)
{
    int64_t until = gos__clock_ns() + IDLE_NS;
    bool in_time = true;

    while (gos__list_empty(&p->jobs)) {
        if (p->given_up || !in_time)
            return NULL;
        p->idle_threads++;
        in_time = gos__cond_wait_until(&p->work, &p->lock, until);
        p->idle_threads--;
    }
    struct gos__job *job = GOS__LIST_OWNER(p->jobs.next, struct gos__job, link);
    gos__list_remove(&job->link);
    p->waiting_jobs--;
    return job;
}

static void *work(void *arg)
{
    struct gos__pool *p = arg;
    struct gos__job *job;

    gos__lock(&p->lock);
    while ((job = next_job_locked(p))) {
        gos__unlock(&p->lock);
        job->run(job); /* may free the job */
        gos__lock(&p->lock);
    }
    p->threads--;
    bool last = p->given_up && p->threads == 0;
    gos__unlock(&p->lock);
    if (last)
        destroy(p);
    return NULL;
}

int gos__pool_new(struct gos__pool **out, unsigned max_threads)
{
    struct gos__pool *p = gos__calloc(1, sizeof *p);
    if (!p)
        return gos__error_nomem();
    p->max_threads = max_threads ? max_threads : 1;
    gos__list_init(&p->jobs);
    int rc = gos__mutex_init(&p->lock);
    if (rc < 0)
        goto fail;
    rc = gos__cond_init(&p->work);
    if (rc < 0)
        goto fail_mutex;
    *out = p;
    return 0;
fail_mutex:
    gos__mutex_finish(&p->lock);
fail:
    gos__free(p);
    return rc;
}

int gos__pool_add(struct gos__pool *p, struct gos__job *job)
{
    int rc = 0;

    gos__lock(&p->lock);
    /* The thread is started under the lock and before the job is in the queue:
     * so `threads` never counts one that does not exist, and when none could be
     * started the job is still the caller's. */
    if (p->idle_threads <= p->waiting_jobs && p->threads < p->max_threads) {
        rc = gos__thread_start_detached("gos-worker", work, p);
        if (rc == 0)
            p->threads++;
    }
    if (p->threads > 0) {
        gos__list_append(&p->jobs, &job->link);
        p->waiting_jobs++;
        gos__cond_signal(&p->work);
        rc = 0;
    }
    gos__unlock(&p->lock);
    return rc;
}

void gos__pool_free(struct gos__pool *p)
{
    if (!p)
        return;
    gos__lock(&p->lock);
    p->given_up = true;
    bool last = p->threads == 0;
    gos__cond_broadcast(&p->work);
    gos__unlock(&p->lock);
    if (last)
        destroy(p);
}
