/* SPDX-License-Identifier: MIT
 *
 * READs that are answered before their bytes are there: their callers are being
 * killed, or the mount ends. The watch and the main thread. */
#include <errno.h>
#include <time.h>

#include "common/clock.h"
#include "mount/reads_private.h"

/* At the end: no read came for so long; and the longest to wait for that. */
#define QUIET_NS (INT64_C(5) * 1000000)
#define QUIET_AT_MOST_NS (INT64_C(100) * 1000000)

/* ---- who answers ---- */

fuse_req_t reads_take_locked(struct pending *p)
{
    fuse_req_t req = p->req;
    p->req = NULL;
    p->reads->answering += req != NULL;
    return req;
}

void reads_answered(struct reads *r)
{
    pthread_mutex_lock(&r->lock);
    if (--r->answering == 0 && r->ending)
        pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* ---- breaking off ---- */

static struct pending *find_unanswered_locked(struct reads *r, uint64_t id)
{
    struct pending *p;
    LIST_FOREACH(p, &r->list, link)
    if (p->req && (id == 0 || p->id == id))
        return p;
    return NULL;
}

/* Answer one now; its read is cancelled and ends unseen. */
static bool break_off(struct reads *r, uint64_t id, int error)
{
    fuse_req_t req = NULL;
    pthread_mutex_lock(&r->lock);
    struct pending *p = find_unanswered_locked(r, id);
    if (p) {
        req = reads_take_locked(p);
        if (p->cancellable)
            gos_read_cancel(&p->read);
    }
    pthread_mutex_unlock(&r->lock);
    if (!req)
        return false;
    fuse_reply_err(req, error);
    reads_answered(r);
    return true;
}

void reads_kill(struct reads *r, uint64_t id)
{
    break_off(r, id, EINTR);
}

size_t reads_list_interrupted(struct reads *r, struct reads_interrupted *out, size_t max)
{
    struct pending *p;
    size_t n = 0;
    pthread_mutex_lock(&r->lock);
    LIST_FOREACH(p, &r->list, link)
    if (n < max && p->req && fuse_req_interrupted(p->req))
        out[n++] = (struct reads_interrupted){.id = p->id, .tid = p->tid};
    pthread_mutex_unlock(&r->lock);
    return n;
}

bool reads_wait(struct reads *r, int64_t pause_ns)
{
    pthread_mutex_lock(&r->lock);
    r->watch_sleeps = true;
    while (!r->ending && LIST_EMPTY(&r->list))
        pthread_cond_wait(&r->changed, &r->lock);
    r->watch_sleeps = false;

    int64_t until = clock_ns() + pause_ns;
    struct timespec t = {.tv_sec = until / SECOND, .tv_nsec = until % SECOND};
    while (!r->ending && pthread_cond_timedwait(&r->changed, &r->lock, &t) == 0)
        ;
    bool go_on = !r->ending;
    pthread_mutex_unlock(&r->lock);
    return go_on;
}

/* ---- the end ---- */

/* When a read-ahead failed the kernel asks once more, for the page itself. Until
 * that has stopped the session should go on answering, or the reader is told
 * ENOTCONN instead of EIO. */
static void let_readers_go(struct reads *r)
{
    const struct timespec pause = {.tv_nsec = QUIET_NS};
    uint64_t before, now = 0;
    int64_t until = clock_ns() + QUIET_AT_MOST_NS;
    do {
        before = now;
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&r->lock);
        now = r->refused;
        pthread_mutex_unlock(&r->lock);
    } while (now != before && clock_ns() < until);
}

void reads_end(struct reads *r)
{
    bool any = false;
    pthread_mutex_lock(&r->lock);
    r->ending = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    while (break_off(r, 0, EIO))
        any = true;
    if (any)
        let_readers_go(r);
    pthread_mutex_lock(&r->lock);
    while (r->answering > 0)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}
