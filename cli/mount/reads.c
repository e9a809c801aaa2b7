/* SPDX-License-Identifier: MIT
 *
 * READs with late answers; see reads.h. One lock; neither libfuse nor a source
 * is called with it held, except for gos_read_cancel() and
 * fuse_req_interrupted(), which neither block nor call back. */
#include "mount/reads.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/uio.h>
#include <time.h>

#include "common/clock.h"
#include "common/say.h"
#include "common/text.h"

/* The kernel asks for 1 MiB at most, the engine's blocks have 16 KiB: 64, one
 * more if they are not aligned, and some for pieces that end in a short block. */
#define SLICES_MAX 80

/* A file that cannot be read is told about once in this time, not per read. */
#define SAY_AGAIN_NS (10 * SECOND)

/* When a read-ahead timed out, the kernel asks at once for the first page of it
 * alone. Were that to wait its full time again, readers would wait twice. */
#define ASKED_AGAIN_NS (INT64_C(200) * 1000000)

/* At the end: no read came for so long; and the longest to wait for that. */
#define QUIET_NS (INT64_C(5) * 1000000)
#define QUIET_AT_MOST_NS (INT64_C(100) * 1000000)

struct pending {
    LIST_ENTRY(pending) link; /* guarded by reads->lock */
    struct reads *reads;
    struct reads_file *file;
    uint64_t id;
    uint64_t off;
    size_t len;
    pid_t tid;
    struct gos_read read;
    struct gos_slice slices[SLICES_MAX];
    void *copy; /* where borrowing was refused */
    /* guarded by reads->lock */
    fuse_req_t req;   /* whoever takes it out answers it; NULL: taken */
    unsigned refs;    /* the flight's, and the starter's while it starts */
    unsigned flight;  /* counts starts, so that a late starter notices a later one */
    bool cancellable; /* started, and done not entered */
    bool landed;      /* done was entered for this flight */
};

struct reads_file {
    gos_source *source;
    const char *name;
    uint64_t size;
    /* guarded by reads->lock */
    LIST_ENTRY(reads_file) link;
    bool open;     /* the kernel has it open */
    unsigned refs; /* the kernel's, and one per read */
    int64_t said_ns;
    uint64_t late_off, late_end; /* the last read that timed out, */
    int64_t late_ns;             /* and when; 0: none did */
};

struct reads {
    int64_t idle_ns;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* guarded by lock */
    LIST_HEAD(, pending) list;
    LIST_HEAD(, reads_file) files;
    uint64_t last_id;
    unsigned answering; /* threads between taking a request and having answered it */
    uint64_t refused;   /* reads that came while ending */
    bool ending;
    bool watch_sleeps;
};

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

static fuse_req_t take_locked(struct pending *p)
{
    fuse_req_t req = p->req;
    p->req = NULL;
    p->reads->answering += req != NULL;
    return req;
}

static void answered(struct reads *r)
{
    pthread_mutex_lock(&r->lock);
    if (--r->answering == 0 && r->ending)
        pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

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
    fuse_req_t req = take_locked(p);
    LIST_REMOVE(p, link);
    pthread_mutex_unlock(&r->lock);

    if (req) {
        answer(p, req, result);
        answered(r);
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
        req = take_locked(p);
        if (p->cancellable)
            gos_read_cancel(&p->read);
    }
    pthread_mutex_unlock(&r->lock);
    if (!req)
        return false;
    fuse_reply_err(req, error);
    answered(r);
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
