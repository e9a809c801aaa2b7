/* SPDX-License-Identifier: MIT
 *
 * A source that waits. `start` and `cancel` run on the reader's threads and only
 * change the list of pending reads; one thread of the source ends them. The list
 * is threaded through the room that each gos_read has for its source, so a read
 * that was accepted cannot fail for want of memory. */
#include "support/delay_source.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/data.h"

#define NS_A_SECOND INT64_C(1000000000)
#define PATIENCE_NS (20 * NS_A_SECOND)

/* Our use of gos_read.lib: */
#define NEXT(r) ((r)->lib.ptr[0])
#define BLOCK(r) ((r)->lib.ptr[1])     /* what the slices point into */
#define DUE_NS(r) ((r)->lib.num[0])    /* when it may end with bytes */
#define EXPIRY_NS(r) ((r)->lib.num[1]) /* when it ends without, UINT64_MAX: never */
#define CANCELLED(r) ((r)->lib.num[2])

struct delay_source {
    /* immutable after new */
    struct delay_opts opts;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* guarded by lock */
    struct gos_read *first;
    unsigned pending, started, let, lent, cancels;
    int64_t answer;
    bool closed;
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_A_SECOND + t.tv_nsec;
}

static bool wait_until_locked(struct delay_source *d, uint64_t when_ns)
{
    if (when_ns == UINT64_MAX)
        return pthread_cond_wait(&d->changed, &d->lock) == 0;
    struct timespec t = {
        .tv_sec = (time_t)(when_ns / NS_A_SECOND),
        .tv_nsec = (long)(when_ns % NS_A_SECOND),
    };
    return pthread_cond_timedwait(&d->changed, &d->lock, &t) == 0;
}

/* ---- giving bytes ---- */

static int64_t lend(struct delay_source *d, struct gos_read *r, size_t len)
{
    unsigned n = 0;

    if (len > r->max_slices * d->opts.slice) {
        if (!(r->flags & GOS_READ_PARTIAL))
            return GOS_E2BIG;
        len = r->max_slices * d->opts.slice;
    }
    data_fill(BLOCK(r), len, d->opts.seed, r->off);
    for (size_t at = 0; at < len; at += r->slices[n++].len) {
        size_t left = len - at;
        r->slices[n].base = (const char *)BLOCK(r) + at;
        r->slices[n].len = left < d->opts.slice ? left : d->opts.slice;
    }
    r->n_slices = n;
    return (int64_t)len;
}

static int64_t give(struct delay_source *d, struct gos_read *r, int64_t answer)
{
    size_t len = r->len;

    if (answer != DELAY_BYTES)
        return answer;
    if (d->opts.max_bytes && len > d->opts.max_bytes)
        len = d->opts.max_bytes;
    if (!r->buf)
        return lend(d, r, len);
    data_fill(r->buf, len, d->opts.seed, r->off);
    return (int64_t)len;
}

/* Slices exist from start on; a read that ends without any must not keep them. */
static void settle_block(struct delay_source *d, struct gos_read *r)
{
    pthread_mutex_lock(&d->lock);
    if (r->n_slices) {
        d->lent++;
    } else {
        free(BLOCK(r));
        BLOCK(r) = NULL;
    }
    pthread_mutex_unlock(&d->lock);
}

/* ---- the thread ---- */

/* What a read ends with now; false while it has to wait. `*wake_ns` falls to
 * the time when to look again. */
static bool verdict_locked(struct delay_source *d, const struct gos_read *r, uint64_t now,
                           int64_t *result, uint64_t *wake_ns)
{
    *result = d->answer;
    if (CANCELLED(r)) {
        *result = GOS_ECANCELED;
        return true;
    }
    if (now >= DUE_NS(r) && (!d->opts.told || d->let > 0)) {
        if (d->opts.told)
            d->let--;
        return true;
    }
    if (now >= EXPIRY_NS(r)) {
        *result = GOS_ETIMEDOUT;
        return true;
    }
    uint64_t next = now < DUE_NS(r) && DUE_NS(r) < EXPIRY_NS(r) ? DUE_NS(r) : EXPIRY_NS(r);
    if (next < *wake_ns)
        *wake_ns = next;
    return false;
}

static struct gos_read *take_finished_locked(struct delay_source *d, int64_t *result,
                                             uint64_t *wake_ns)
{
    uint64_t now = (uint64_t)now_ns();
    struct gos_read *before = NULL;

    *wake_ns = UINT64_MAX;
    for (struct gos_read *r = d->first; r; before = r, r = NEXT(r)) {
        if (!verdict_locked(d, r, now, result, wake_ns))
            continue;
        if (before)
            NEXT(before) = NEXT(r);
        else
            d->first = NEXT(r);
        d->pending--;
        pthread_cond_broadcast(&d->changed);
        return r;
    }
    return NULL;
}

static void *end_reads(void *arg)
{
    struct delay_source *d = arg;

    pthread_mutex_lock(&d->lock);
    while (!d->closed) {
        int64_t result;
        uint64_t wake_ns;
        struct gos_read *r = take_finished_locked(d, &result, &wake_ns);
        if (!r) {
            wait_until_locked(d, wake_ns);
            continue;
        }
        pthread_mutex_unlock(&d->lock);
        result = give(d, r, result);
        settle_block(d, r);
        gos_read_complete(r, result); /* may close the source; `d` lives until its free */
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* ---- the source ---- */

static uint64_t expiry(const struct gos_read *r, int64_t now)
{
    uint64_t when = r->deadline_ns ? (uint64_t)r->deadline_ns : UINT64_MAX;

    /* Nothing moves between start and the end, so idle time counts from start. */
    if (r->idle_ns && (uint64_t)(now + r->idle_ns) < when)
        when = (uint64_t)(now + r->idle_ns);
    return when;
}

static int delay_start(void *self, struct gos_read *r)
{
    struct delay_source *d = self;
    int64_t now = now_ns();

    BLOCK(r) = NULL;
    if (!r->buf) {
        if (!d->opts.slice)
            return GOS_ENOTSUP;
        BLOCK(r) = malloc(r->len);
        if (!BLOCK(r))
            return GOS_ENOMEM;
    }
    pthread_mutex_lock(&d->lock);
    int64_t answer = d->answer;
    d->started++;
    pthread_cond_broadcast(&d->changed);
    if (!d->opts.at_once) {
        CANCELLED(r) = false;
        DUE_NS(r) = (uint64_t)(now + d->opts.delay_ns);
        EXPIRY_NS(r) = expiry(r, now);
        NEXT(r) = NULL;
        struct gos_read **end = &d->first;
        while (*end)
            end = (struct gos_read **)&NEXT(*end);
        *end = r;
        d->pending++;
    }
    pthread_mutex_unlock(&d->lock);
    if (!d->opts.at_once)
        return 0;
    r->result = give(d, r, answer);
    settle_block(d, r);
    return 1;
}

static void delay_cancel(void *self, struct gos_read *r)
{
    struct delay_source *d = self;

    /* The read may have ended in this moment: only one that is still in the list
     * is touched. */
    pthread_mutex_lock(&d->lock);
    d->cancels++;
    for (struct gos_read *p = d->first; p; p = NEXT(p)) {
        if (p == r)
            CANCELLED(r) = true;
    }
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static void delay_release(void *self, struct gos_read *r)
{
    struct delay_source *d = self;

    pthread_mutex_lock(&d->lock);
    assert(d->lent > 0);
    d->lent--;
    free(BLOCK(r));
    BLOCK(r) = NULL;
    pthread_mutex_unlock(&d->lock);
}

static int64_t delay_size(void *self)
{
    struct delay_source *d = self;

    return (int64_t)d->opts.size;
}

static void delay_close(void *self)
{
    struct delay_source *d = self;

    pthread_mutex_lock(&d->lock);
    d->closed = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static const struct gos_source_ops delay_ops = {
    .struct_size = sizeof delay_ops,
    .name = "delay",
    .start = delay_start,
    .cancel = delay_cancel,
    .release = delay_release,
    .size = delay_size,
    .close = delay_close,
};

int delay_source_new(gos_source **out, struct delay_source **control, const struct delay_opts *opts)
{
    pthread_condattr_t attr;
    struct delay_source *d = calloc(1, sizeof *d);
    if (!d)
        return GOS_ENOMEM;
    d->opts = *opts;
    d->answer = DELAY_BYTES;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &attr);
    pthread_condattr_destroy(&attr);
    int rc = gos_source_new(out, &delay_ops, d);
    if (rc < 0)
        goto fail;
    rc = -pthread_create(&d->thread, NULL, end_reads, d);
    if (rc < 0) {
        gos_source_unref(*out);
        goto fail;
    }
    *control = d;
    return 0;
fail:
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
    return rc;
}

/* ---- the remote control ---- */

void delay_source_let(struct delay_source *d, unsigned n)
{
    pthread_mutex_lock(&d->lock);
    d->let += n;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

void delay_source_answer(struct delay_source *d, int64_t result)
{
    pthread_mutex_lock(&d->lock);
    d->answer = result;
    pthread_mutex_unlock(&d->lock);
}

bool delay_source_await_pending(struct delay_source *d, unsigned n)
{
    uint64_t until = (uint64_t)(now_ns() + PATIENCE_NS);

    pthread_mutex_lock(&d->lock);
    while (d->pending != n && wait_until_locked(d, until))
        ;
    bool so = d->pending == n;
    pthread_mutex_unlock(&d->lock);
    return so;
}

bool delay_source_await_started(struct delay_source *d, unsigned n)
{
    uint64_t until = (uint64_t)(now_ns() + PATIENCE_NS);

    pthread_mutex_lock(&d->lock);
    while (d->started < n && wait_until_locked(d, until))
        ;
    bool so = d->started >= n;
    pthread_mutex_unlock(&d->lock);
    return so;
}

bool delay_source_await_closed(struct delay_source *d)
{
    uint64_t until = (uint64_t)(now_ns() + PATIENCE_NS);

    pthread_mutex_lock(&d->lock);
    while (!d->closed && wait_until_locked(d, until))
        ;
    bool so = d->closed;
    pthread_mutex_unlock(&d->lock);
    return so;
}

unsigned delay_source_cancels(struct delay_source *d)
{
    pthread_mutex_lock(&d->lock);
    unsigned n = d->cancels;
    pthread_mutex_unlock(&d->lock);
    return n;
}

void delay_source_free(struct delay_source *d)
{
    pthread_join(d->thread, NULL);
    assert(d->lent == 0); /* what was lent came back before the source was closed */
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
