/* SPDX-License-Identifier: MIT
 *
 * The table of handles; see handles.h. Any thread. The table's lock and that of
 * a handle are never held together. */
#include "serve/handles.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "serve/reading.h"
#include "serve/streamfs.h"

/* Two alphabets of flags are in use: the protocol's own, and that of Linux. Bit
 * 64 is truncate in the one and create in the other, so it is never the former. */
#define FLAG_CREATE (16 | 64)
#define FLAG_EXCLUSIVE 32
#define FLAG_TRUNCATE 512
#define FLAG_APPEND (8 | 1024)
#define OPEN_TRIES 8

void handles_init(struct handles *hs)
{
    memset(hs, 0, sizeof *hs);
    hs->next_id = 1;
    pthread_mutex_init(&hs->lock, NULL);
}

void handle_unref(struct handle *h)
{
    /* Release what this thread did, acquire what the others did before freeing. */
    if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    gos_ring_reader_close(h->reader);
    stream_unref(h->stream);
    mount_unref(h->mount);
    pthread_mutex_destroy(&h->lock);
    free(h->path);
    free(h->within);
    free(h);
}

/* Out of the table already. */
static void close_handle(struct handle *h)
{
    pthread_mutex_lock(&h->lock);
    h->closed = true;
    gos_ring_reader *reader = h->reader;
    h->reader = NULL;
    if (h->reading)
        reading_stop(h->reading);
    pthread_mutex_unlock(&h->lock);
    gos_ring_reader_close(reader);
    handle_unref(h);
}

static void close_some(struct handles *hs, bool (*chosen)(const struct handle *h, const void *arg),
                       const void *arg)
{
    struct handle *closing[64];
    size_t n;
    do {
        n = 0;
        pthread_mutex_lock(&hs->lock);
        for (size_t i = 0; i < hs->n && n < 64;) {
            if (!chosen(hs->items[i], arg)) {
                i++;
                continue;
            }
            closing[n++] = hs->items[i];
            hs->n--;
            memmove(hs->items + i, hs->items + i + 1, (hs->n - i) * sizeof *hs->items);
        }
        pthread_mutex_unlock(&hs->lock);
        for (size_t i = 0; i < n; i++)
            close_handle(closing[i]);
    } while (n > 0);
}

static bool any(const struct handle *h, const void *arg)
{
    (void)h, (void)arg;
    return true;
}

static bool of_mount(const struct handle *h, const void *arg)
{
    return h->mount == arg;
}

static bool forgotten(const struct handle *h, const void *arg)
{
    int64_t used = atomic_load_explicit(&h->used_ns, memory_order_relaxed);
    /* Only the table's lock is held here: a handle that is lent says so by INT64_MAX. */
    return used != INT64_MAX && *(const int64_t *)arg - used > HANDLES_IDLE_NS;
}

void handles_finish(struct handles *hs)
{
    close_some(hs, any, NULL);
    free(hs->items);
    pthread_mutex_destroy(&hs->lock);
}

void handles_close_mount(struct handles *hs, const struct mount *mount)
{
    close_some(hs, of_mount, mount);
}

void handles_expire(struct handles *hs)
{
    int64_t now = clock_ns();
    close_some(hs, forgotten, &now);
}

/* ---- opening ---- */

static int open_stream(struct handle *h, struct problem *p)
{
    const struct streamconf *conf = streamfs_conf(h->mount->fs);
    struct gos_ring_reader_opts opts = {
        .struct_size = sizeof opts, .policy = conf->policy, .block_ns = conf->block_timeout_ns};
    int rc = GOS_ENOENT;
    /* It may be deleted between being found and being opened: then there is another one. */
    for (int tries = 0; rc == GOS_ENOENT && tries < OPEN_TRIES; tries++) {
        stream_unref(h->stream);
        h->stream = NULL;
        if (streamfs_open(h->mount->fs, h->within, true, &h->stream, p) < 0)
            return -1;
        h->base = stream_span(h->stream).oldest;
        rc = h->readable ? gos_ring_reader_open(&h->reader, h->stream->ring, &opts) : 0;
    }
    if (rc < 0)
        return stream_problem(p, rc);
    if (!h->readable)
        return 0;
    h->base = (uint64_t)gos_ring_reader_offset(h->reader);
    return 0;
}

static int open_file(struct handle *h, struct problem *p)
{
    struct fs *fs = h->mount->fs;
    struct fs_info info;
    struct problem missing;
    if (fs->ops->stat(fs, h->within, &info, &missing) < 0) {
        if (!(h->flags & FLAG_CREATE)) {
            *p = missing;
            return -1;
        }
        return fs->ops->create(fs, h->within, p);
    }
    if (info.is_dir)
        return problem_set(p, 500, "is a directory: %s", h->path);
    if ((h->flags & 16) && (h->flags & FLAG_EXCLUSIVE))
        return problem_set(p, 409, "file already exists: %s", h->path);
    if ((h->flags & FLAG_TRUNCATE) && h->writable)
        return fs->ops->truncate(fs, h->within, 0, p);
    return 0;
}

static struct handle *new_handle(struct mount *mount, const char *path, const char *within,
                                 int64_t flags)
{
    struct handle *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    atomic_init(&h->refs, 1);
    pthread_mutex_init(&h->lock, NULL);
    h->flags = flags;
    h->readable = (flags & 3) != 1;
    h->writable = (flags & 3) != 0;
    h->append = flags & FLAG_APPEND;
    h->created_ns = fs_now_ns();
    atomic_init(&h->used_ns, clock_ns());
    h->mount = mount_ref(mount);
    h->path = strdup(path);
    h->within = strdup(within);
    if (!h->path || !h->within) {
        handle_unref(h);
        return NULL;
    }
    return h;
}

static int add(struct handles *hs, struct handle *h, struct problem *p)
{
    int rc = 0;
    pthread_mutex_lock(&hs->lock);
    if (hs->n == HANDLES_MAX) {
        rc = problem_set(p, 403, "too many handles (limit %d)", HANDLES_MAX);
    } else if (hs->n == hs->room) {
        size_t room = hs->room ? 2 * hs->room : 16;
        struct handle **items = realloc(hs->items, room * sizeof(*items));
        if (items) {
            hs->items = items;
            hs->room = room;
        } else {
            rc = problem_nomem(p);
        }
    }
    if (rc == 0) {
        h->id = hs->next_id++;
        hs->items[hs->n++] = h;
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&hs->lock);
    return rc;
}

int handles_open(struct handles *hs, struct mount *mount, const char *path, const char *within,
                 int64_t flags, struct handle **out, struct problem *p)
{
    struct handle *h = new_handle(mount, path, within, flags);
    if (!h)
        return problem_nomem(p);
    bool stream = streamfs_is(mount->fs) && strcmp(within, STREAMFS_README) != 0;
    int rc = stream ? open_stream(h, p) : open_file(h, p);
    if (rc == 0)
        rc = add(hs, h, p);
    if (rc < 0) {
        handle_unref(h);
        return -1;
    }
    *out = h;
    return 0;
}

/* ---- the table ---- */

static size_t place_locked(const struct handles *hs, uint64_t id, bool *found)
{
    size_t low = 0, high = hs->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hs->items[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < hs->n && hs->items[low]->id == id;
    return low;
}

struct handle *handles_find(struct handles *hs, uint64_t id)
{
    bool found;
    pthread_mutex_lock(&hs->lock);
    size_t at = place_locked(hs, id, &found);
    struct handle *h = found ? hs->items[at] : NULL;
    if (h)
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&hs->lock);
    int64_t used = h ? atomic_load_explicit(&h->used_ns, memory_order_relaxed) : INT64_MAX;
    if (used != INT64_MAX) /* nor may it have been lent meanwhile */
        atomic_compare_exchange_strong_explicit(&h->used_ns, &used, clock_ns(),
                                                memory_order_relaxed, memory_order_relaxed);
    return h;
}

int handles_close(struct handles *hs, uint64_t id)
{
    bool found;
    struct handle *h = NULL;
    pthread_mutex_lock(&hs->lock);
    size_t at = place_locked(hs, id, &found);
    if (found) {
        h = hs->items[at];
        hs->n--;
        memmove(hs->items + at, hs->items + at + 1, (hs->n - at) * sizeof *hs->items);
    }
    pthread_mutex_unlock(&hs->lock);
    if (!h)
        return -1;
    close_handle(h);
    return 0;
}

struct handle **handles_snapshot(struct handles *hs, size_t *n)
{
    pthread_mutex_lock(&hs->lock);
    struct handle **all = malloc((hs->n + 1) * sizeof(*all));
    *n = all ? hs->n : 0;
    for (size_t i = 0; i < *n; i++) {
        all[i] = hs->items[i];
        atomic_fetch_add_explicit(&all[i]->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&hs->lock);
    return all;
}

/* ---- streaming with the reader of a handle ---- */

gos_ring_reader *handle_lend_reader(struct handle *h)
{
    pthread_mutex_lock(&h->lock);
    gos_ring_reader *r = h->reader;
    h->reader = NULL;
    h->streaming |= r != NULL; /* else it may be lent already */
    pthread_mutex_unlock(&h->lock);
    /* In use until it is given back. */
    if (r)
        atomic_store_explicit(&h->used_ns, INT64_MAX, memory_order_relaxed);
    return r;
}

void handle_reading_began(struct handle *h, struct reading *d)
{
    pthread_mutex_lock(&h->lock);
    h->reading = d;
    if (h->closed) /* meanwhile */
        reading_stop(d);
    pthread_mutex_unlock(&h->lock);
}

void handle_reading_ended(struct handle *h, gos_ring_reader *r)
{
    pthread_mutex_lock(&h->lock);
    h->reading = NULL;
    h->streaming = false;
    if (!h->closed) {
        h->reader = r;
        r = NULL;
    }
    pthread_mutex_unlock(&h->lock);
    gos_ring_reader_close(r);
    atomic_store_explicit(&h->used_ns, clock_ns(), memory_order_relaxed);
}
