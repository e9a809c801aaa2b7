/* SPDX-License-Identifier: MIT
 *
 * READs with late answers: started, waiting, answered; see reads.h. Session threads
 * start them, the library's completion threads end them. */
#include "mount/reads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "common/clock.h"
#include "common/say.h"
#include "common/text.h"
#include "mount/reads_private.h"

/* A file that cannot be read is told about once in this time, not per read. */
#define SAY_AGAIN_NS (10 * SECOND)

/* When a read-ahead timed out, the kernel asks at once for the first page of it
 * alone. Were that to wait its full time again, readers would wait twice. */
#define ASKED_AGAIN_NS (INT64_C(200) * 1000000)

/* ---- files ---- */

static void unref_file_locked(struct reads_file *file, gos_source **to_close)
{
    *to_close = NULL;
    if (--file->refs > 0)
        return;
    LIST_REMOVE(file, link);
    *to_close = file->source;
    free(file);
}

struct reads_file *reads_open(struct reads *r, gos_source *source, const char *name, uint64_t size)
{
    struct reads_file *file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->source = source;
    file->name = name;
    file->size = size;
    file->open = true;
    file->refs = 1;
    pthread_mutex_lock(&r->lock);
    LIST_INSERT_HEAD(&r->files, file, link);
    pthread_mutex_unlock(&r->lock);
    return file;
}

void reads_close(struct reads *r, struct reads_file *file)
{
    gos_source *closed;
    pthread_mutex_lock(&r->lock);
    file->open = false;
    unref_file_locked(file, &closed);
    pthread_mutex_unlock(&r->lock);
    gos_source_unref(closed);
}

/* ---- answers ---- */

static size_t expected(const struct pending *p)
{
    if (p->off >= p->file->size)
        return 0;
    uint64_t left = p->file->size - p->off;
    return left < p->len ? (size_t)left : p->len;
}

/* The kernel takes a short answer for the end of the file, and caches that. */
static int error_of(const struct pending *p, int64_t result)
{
    if (result == GOS_ENOMEM)
        return ENOMEM;
    if (result < 0 || (size_t)result != expected(p))
        return EIO;
    return 0;
}

/* Say it, not too often, and remember it. */
static void note_failure(struct pending *p, int64_t result)
{
    const char *why = result < 0 ? gos_last_error() : "ended before the end of the file";
    int64_t now = clock_ns();
    pthread_mutex_lock(&p->reads->lock);
    bool quiet = p->reads->ending || (p->file->said_ns && now - p->file->said_ns < SAY_AGAIN_NS);
    if (!quiet)
        p->file->said_ns = now;
    if (result == GOS_ETIMEDOUT) {
        p->file->late_off = p->off;
        p->file->late_end = p->off + p->len;
        p->file->late_ns = now;
    }
    pthread_mutex_unlock(&p->reads->lock);
    if (!quiet)
        say("%s: read at %llu: %s", SHOWN(p->file->name), (unsigned long long)p->off,
            *why ? why : gos_strerror(result));
}

static void answer(struct pending *p, fuse_req_t req, int64_t result)
{
    int error = error_of(p, result);
    if (error) {
        note_failure(p, result);
        fuse_reply_err(req, error);
        return;
    }
    if (p->copy || result == 0) {
        fuse_reply_buf(req, p->copy, (size_t)result);
        return;
    }
    struct iovec iov[SLICES_MAX];
    for (unsigned i = 0; i < p->read.n_slices; i++)
        iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)p->slices[i].base,
                                .iov_len = p->slices[i].len};
    fuse_reply_iov(req, iov, (int)p->read.n_slices);
}

static void unref_locked(struct pending *p, struct pending **dead)
{
    *dead = --p->refs == 0 ? p : NULL;
}

static void finish(struct pending *p, int64_t result)
{
    struct reads *r = p->reads;
    struct pending *dead;
    gos_source *closed;

    pthread_mutex_lock(&r->lock);
    fuse_req_t req = reads_take_locked(p);
    LIST_REMOVE(p, link);
    pthread_mutex_unlock(&r->lock);

    if (req) {
        answer(p, req, result);
        reads_answered(r);
    }
    gos_read_release(&p->read);
    free(p->copy);

    pthread_mutex_lock(&r->lock);
    unref_file_locked(p->file, &closed);
    unref_locked(p, &dead);
    pthread_mutex_unlock(&r->lock);
    gos_source_unref(closed);
    free(dead);
}

/* ---- the read ---- */

static void done(struct gos_read *read);

/* Borrowing may be refused: too much of the arena is out, a piece has more
 * parts than there are slices, or the source can only copy. */
static bool copying_may_help(const struct pending *p, int64_t result)
{
    return !p->copy && (result == GOS_EBUSY || result == GOS_E2BIG || result == GOS_ENOTSUP);
}

static unsigned prepare(struct pending *p)
{
    struct reads *r = p->reads;
    p->read = (struct gos_read){.struct_size = sizeof p->read,
                                .off = p->off,
                                .len = expected(p),
                                .idle_ns = r->idle_ns,
                                .buf = p->copy,
                                .slices = p->slices,
                                .max_slices = SLICES_MAX,
                                .done = done,
                                .user = p};
    pthread_mutex_lock(&r->lock);
    p->refs++;
    p->landed = false;
    unsigned flight = ++p->flight;
    pthread_mutex_unlock(&r->lock);
    return flight;
}

/* It waits. From here on it may be cancelled; if its request was taken while it
 * was being started, that is done now. */
static void now_waiting_locked(struct pending *p)
{
    p->cancellable = true;
    if (!p->req)
        gos_read_cancel(&p->read);
    if (p->reads->watch_sleeps)
        pthread_cond_broadcast(&p->reads->changed);
}

/* Start the read and, if borrowing is refused, once more as a copy. */
static void begin(struct pending *p)
{
    struct reads *r = p->reads;
    for (;;) {
        struct pending *dead;
        unsigned flight = prepare(p);
        int rc = gos_source_start(p->file->source, &p->read);

        pthread_mutex_lock(&r->lock);
        if (rc == 0 && p->flight == flight && !p->landed)
            now_waiting_locked(p);
        unref_locked(p, &dead);
        pthread_mutex_unlock(&r->lock);
        if (rc == 0) {
            free(dead);
            return;
        }
        int64_t result = rc > 0 ? p->read.result : rc;
        if (!copying_may_help(p, result) || !(p->copy = malloc(p->len))) {
            finish(p, result);
            return;
        }
        gos_read_release(&p->read);
    }
}

static void done(struct gos_read *read)
{
    struct pending *p = read->user;
    int64_t result = read->result;
    pthread_mutex_lock(&p->reads->lock);
    p->landed = true;
    p->cancellable = false;
    bool wanted = p->req != NULL;
    pthread_mutex_unlock(&p->reads->lock);

    if (wanted && copying_may_help(p, result) && (p->copy = malloc(p->len))) {
        gos_read_release(&p->read);
        begin(p);
        return;
    }
    finish(p, result);
}

static bool asked_again(struct reads *r, struct reads_file *file, uint64_t off)
{
    pthread_mutex_lock(&r->lock);
    bool again = file->late_ns && off >= file->late_off && off < file->late_end &&
                 clock_ns() - file->late_ns < ASKED_AGAIN_NS;
    pthread_mutex_unlock(&r->lock);
    return again && gos_source_present(file->source, off, 1) <= 0;
}

void reads_start(struct reads *r, struct reads_file *file, fuse_req_t req, uint64_t off, size_t len)
{
    if (off >= file->size || len == 0) {
        fuse_reply_buf(req, NULL, 0);
        return;
    }
    if (asked_again(r, file, off)) {
        fuse_reply_err(req, EIO);
        return;
    }
    /* Not zeroed whole: the slices are a kilobyte that the library fills. */
    struct pending *p = malloc(sizeof *p);
    if (!p) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    p->reads = r;
    p->file = file;
    p->off = off;
    p->len = len;
    p->tid = fuse_req_ctx(req)->pid;
    p->copy = NULL;
    p->req = req;
    p->refs = 1;
    p->flight = 0;
    p->cancellable = false;

    pthread_mutex_lock(&r->lock);
    bool ending = r->ending;
    if (!ending) {
        file->refs++;
        p->id = ++r->last_id;
        LIST_INSERT_HEAD(&r->list, p, link);
    }
    r->refused += ending;
    pthread_mutex_unlock(&r->lock);
    if (ending) {
        free(p);
        fuse_reply_err(req, EIO);
        return;
    }
    begin(p);
}

/* ---- life ---- */

struct reads *reads_new(int64_t idle_ns)
{
    struct reads *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&r->lock, NULL);
    r->idle_ns = idle_ns;
    LIST_INIT(&r->list);
    LIST_INIT(&r->files);
    return r;
}

void reads_close_all(struct reads *r)
{
    struct reads_file *file;
    do {
        pthread_mutex_lock(&r->lock);
        LIST_FOREACH(file, &r->files, link)
        if (file->open)
            break;
        pthread_mutex_unlock(&r->lock);
        if (file)
            reads_close(r, file);
    } while (file);
}

void reads_free(struct reads *r)
{
    if (!r)
        return;
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
