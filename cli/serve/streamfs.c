/* SPDX-License-Identifier: MIT
 *
 * streamfs; see streamfs.h. Any thread; one lock around the map, which is not
 * held while a ring is asked for anything that could wake somebody. */
#include "serve/streamfs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "serve/path.h"

struct streamfs {
    struct fs fs;
    /* immutable after new */
    struct streamconf conf;
    gos_ring_set *set; /* the room's, or its own within it */
    bool own_set;
    unsigned n_loops;
    int64_t made_ns;
    pthread_mutex_t lock;
    /* guarded by lock: sorted by name */
    struct stream **items;
    size_t n;
    size_t room;
    bool closed;
};

static const char not_plain[] = "use stream mode for reading stream files";

/* Whether a path can name a stream. */
static int check_name(const char *path, struct problem *p)
{
    if (strcmp(path, "/") == 0)
        return problem_set(p, 403, "permission denied: the root of the mount is no stream");
    if (strcmp(path, STREAMFS_README) == 0)
        return problem_set(p, 403, "permission denied: README is read-only");
    if (strlen(path + 1) > STREAM_NAME_MAX)
        return problem_set(p, 400, "invalid stream name: longer than %d bytes", STREAM_NAME_MAX);
    return 0;
}

static int missing(const char *path, struct problem *p)
{
    return problem_set(p, 404, "stream not found: %s", path);
}

static size_t place_locked(const struct streamfs *f, const char *name, bool *found)
{
    size_t low = 0, high = f->n;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, f->items[middle]->name);
        if (order == 0)
            *found = true;
        if (order <= 0)
            high = middle;
        else
            low = middle + 1;
    }
    return *found ? high : low;
}

static void drop_locked(struct streamfs *f, size_t at)
{
    stream_unref(f->items[at]);
    f->n--;
    memmove(f->items + at, f->items + at + 1, (f->n - at) * sizeof(*f->items));
}

/* The stream of this name, or NULL. One that was idle for too long is deleted
 * without the map's knowledge; it is not there any more. */
static struct stream *find_locked(struct streamfs *f, const char *name)
{
    bool found;
    size_t at = place_locked(f, name, &found);
    if (!found)
        return NULL;
    if (!stream_is_deleted(f->items[at]))
        return f->items[at];
    drop_locked(f, at);
    return NULL;
}

static struct stream *add_locked(struct streamfs *f, const char *name, struct problem *p)
{
    if (f->closed) {
        problem_set(p, 409, "stream is closed");
        return NULL;
    }
    if (f->n >= f->conf.max_streams) {
        problem_set(p, 403, "too many streams (limit %llu)",
                    (unsigned long long)f->conf.max_streams);
        return NULL;
    }
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 16;
        struct stream **items = realloc(f->items, room * sizeof(*items));
        if (!items) {
            problem_nomem(p);
            return NULL;
        }
        f->items = items;
        f->room = room;
    }
    struct stream *s = stream_new(name, &f->conf, f->set, f->n_loops, p);
    if (!s)
        return NULL;
    bool found;
    size_t at = place_locked(f, name, &found);
    memmove(f->items + at + 1, f->items + at, (f->n - at) * sizeof(*f->items));
    f->items[at] = s;
    f->n++;
    return s;
}

int streamfs_open(struct fs *fs, const char *path, bool create, struct stream **out,
                  struct problem *p)
{
    struct streamfs *f = (struct streamfs *)fs;
    if (check_name(path, p) < 0)
        return -1;
    pthread_mutex_lock(&f->lock);
    struct stream *s = find_locked(f, path);
    if (!s && create)
        s = add_locked(f, path, p);
    else if (!s)
        missing(path, p);
    if (s)
        *out = stream_ref(s);
    pthread_mutex_unlock(&f->lock);
    return s ? 0 : -1;
}

/* ---- operations ---- */

static void describe_readme(const struct streamfs *f, struct fs_info *out)
{
    *out = (struct fs_info){.name = "README",
                            .size = strlen(streamfs_readme()),
                            .mode = 0444,
                            .mtime_ns = f->made_ns,
                            .meta_name = "streamfs",
                            .meta_type = "doc"};
}

static const char *state_name(enum gos_ring_state state)
{
    return state == GOS_RING_STATE_OPEN     ? "open"
           : state == GOS_RING_STATE_SEALED ? "sealed"
                                            : "deleted";
}

static void describe(struct stream *s, const char *name, struct fs_info *out)
{
    struct gos_ring_stats st = stream_stats(s);
    int64_t touched = atomic_load_explicit(&s->touched_ns, memory_order_relaxed);
    *out = (struct fs_info){.name = name,
                            .size = st.tail,
                            .mode = 0644,
                            .mtime_ns = st.written_wall_ns > touched ? st.written_wall_ns : touched,
                            .meta_name = "streamfs",
                            .meta_type = "stream"};
    fs_info_add(out, "active_readers", "%llu", (unsigned long long)st.readers);
    fs_info_add(out, "total_written", "%llu", (unsigned long long)st.tail);
    fs_info_add(out, "active_writers", "%llu", (unsigned long long)st.writers);
    fs_info_add(out, "oldest", "%llu", (unsigned long long)st.oldest);
    fs_info_add(out, "tail", "%llu", (unsigned long long)st.tail);
    fs_info_add(out, "records", "%llu", (unsigned long long)st.records);
    fs_info_add(out, "gaps", "%llu", (unsigned long long)st.gaps);
    fs_info_add(out, "dropped_bytes", "%llu", (unsigned long long)st.dropped_bytes);
    fs_info_add(out, "lag_max", "%llu", (unsigned long long)st.max_lag);
    fs_info_add(out, "epoch", "%u", st.epoch);
    fs_info_add(out, "state", "%s", state_name(st.state));
}

static int op_stat(struct fs *fs, const char *path, struct fs_info *out, struct problem *p)
{
    struct streamfs *f = (struct streamfs *)fs;
    if (strcmp(path, STREAMFS_README) == 0) {
        describe_readme(f, out);
        return 0;
    }
    if (strcmp(path, "/") == 0) {
        *out = (struct fs_info){.name = "/",
                                .mode = 0755,
                                .mtime_ns = f->made_ns,
                                .is_dir = true,
                                .meta_name = "streamfs",
                                .meta_type = "dir"};
        return 0;
    }
    struct stream *s;
    struct problem ignored;
    if (streamfs_open(fs, path, false, &s, &ignored) < 0)
        return missing(path, p);
    describe(s, path_name(path), out);
    stream_unref(s);
    return 0;
}

static int op_list(struct fs *fs, const char *path, struct listing *out, struct problem *p)
{
    struct stream **all;
    struct fs_info info;
    size_t n;
    if (strcmp(path, "/") != 0)
        return problem_set(p, 500, "not a directory: %s", path);
    describe_readme((struct streamfs *)fs, &info);
    if (listing_add(out, &info, p) < 0 || streamfs_snapshot(fs, &all, &n, p) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        if (rc == 0) {
            describe(all[i], all[i]->name + 1, &info);
            rc = listing_add(out, &info, p);
        }
        stream_unref(all[i]);
    }
    free(all);
    return rc;
}

static int op_read(struct fs *fs, const char *path, uint64_t offset, uint64_t size,
                   struct bytes *out, struct problem *p)
{
    (void)fs;
    /* An error on purpose, also where there is no stream: a shell appends by
     * reading the whole file and writing it back, unless the read fails. */
    if (strcmp(path, STREAMFS_README) != 0)
        return problem_set(p, 500, not_plain);
    if (offset < strlen(streamfs_readme())) {
        uint64_t n = strlen(streamfs_readme()) - offset;
        bytes_put(out, streamfs_readme() + offset, n < size ? n : size);
    }
    return out->failed ? problem_nomem(p) : 0;
}

static int append(struct stream *s, const void *data, size_t n, struct problem *p)
{
    gos_ring_writer *w;
    int rc = gos_ring_writer_open(&w, s->ring, NULL);
    if (rc < 0)
        return stream_problem(p, rc);
    struct gos_slice part = {.base = data, .len = n};
    int64_t done = gos_ring_writer_try_appendv(w, &part, 1, 0);
    gos_ring_writer_close(w);
    if (done == GOS_EAGAIN || (done >= 0 && (size_t)done < n))
        return problem_set(p, 409, "readers of this stream hold its writers up");
    return done < 0 ? stream_problem(p, done) : 0;
}

/* For those that cannot wait; PUT goes through upload.c. */
static int op_write(struct fs *fs, const char *path, const void *data, size_t n, struct problem *p)
{
    struct stream *s;
    if (streamfs_open(fs, path, true, &s, p) < 0)
        return -1;
    int rc = append(s, data, n, p);
    stream_unref(s);
    return rc;
}

static int op_create(struct fs *fs, const char *path, struct problem *p)
{
    struct streamfs *f = (struct streamfs *)fs;
    if (check_name(path, p) < 0)
        return -1;
    pthread_mutex_lock(&f->lock);
    int rc = 0;
    if (find_locked(f, path))
        rc = problem_set(p, 409, "stream already exists: %s", path);
    else if (!add_locked(f, path, p))
        rc = -1;
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static int op_mkdir(struct fs *fs, const char *path, unsigned mode, struct problem *p)
{
    (void)fs, (void)path, (void)mode;
    return problem_set(p, 500, "streamfs does not support directories");
}

static int op_remove(struct fs *fs, const char *path, bool recursive, struct problem *p)
{
    struct streamfs *f = (struct streamfs *)fs;
    (void)recursive;
    if (strcmp(path, STREAMFS_README) == 0)
        return problem_set(p, 403, "permission denied: README is read-only");
    pthread_mutex_lock(&f->lock);
    struct stream *s = find_locked(f, path);
    if (s) {
        bool found;
        stream_ref(s);
        drop_locked(f, place_locked(f, path, &found));
    }
    pthread_mutex_unlock(&f->lock);
    if (!s)
        return missing(path, p);
    gos_ring_delete(s->ring);
    stream_unref(s);
    return 0;
}

static int op_rename(struct fs *fs, const char *from, const char *to, struct problem *p)
{
    (void)fs, (void)from, (void)to;
    return problem_set(p, 500, "streamfs does not support rename");
}

static int op_chmod(struct fs *fs, const char *path, unsigned mode, struct problem *p)
{
    (void)fs, (void)path, (void)mode;
    return problem_set(p, 500, "streamfs does not support chmod");
}

static int op_truncate(struct fs *fs, const char *path, uint64_t size, struct problem *p)
{
    /* Shells and FUSE truncate before they write: it must work, and do nothing. */
    (void)fs, (void)path, (void)size, (void)p;
    return 0;
}

static int op_touch(struct fs *fs, const char *path, struct problem *p)
{
    struct stream *s;
    if (streamfs_open(fs, path, true, &s, p) < 0)
        return -1;
    atomic_store_explicit(&s->touched_ns, fs_now_ns(), memory_order_relaxed);
    stream_unref(s);
    return 0;
}

/* ---- life ---- */

/* Take all streams out, with their references. */
static struct stream **take_all(struct streamfs *f, size_t *n)
{
    pthread_mutex_lock(&f->lock);
    struct stream **all = f->items;
    *n = f->n;
    f->items = NULL;
    f->n = f->room = 0;
    f->closed = true;
    pthread_mutex_unlock(&f->lock);
    return all;
}

static void op_close(struct fs *fs)
{
    size_t n;
    struct stream **all = take_all((struct streamfs *)fs, &n);
    for (size_t i = 0; i < n; i++) {
        gos_ring_delete(all[i]->ring);
        stream_unref(all[i]);
    }
    free(all);
}

static void op_free(struct fs *fs)
{
    struct streamfs *f = (struct streamfs *)fs;
    op_close(fs);
    if (f->own_set)
        gos_ring_set_unref(f->set);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static const struct fs_ops streamfs_ops = {
    .name = "streamfs",
    .stat = op_stat,
    .list = op_list,
    .read = op_read,
    .write = op_write,
    .create = op_create,
    .mkdir = op_mkdir,
    .remove = op_remove,
    .rename = op_rename,
    .chmod = op_chmod,
    .truncate = op_truncate,
    .touch = op_touch,
    .close = op_close,
    .free = op_free,
};

bool streamfs_is(const struct fs *fs)
{
    return fs->ops == &streamfs_ops;
}

const struct streamconf *streamfs_conf(const struct fs *fs)
{
    return &((const struct streamfs *)fs)->conf;
}

int streamfs_new(struct fs **out, const struct streamconf *conf, const struct stream_room *room,
                 struct problem *p)
{
    struct streamfs *f = calloc(1, sizeof *f);
    if (!f)
        return problem_nomem(p);
    f->fs.ops = &streamfs_ops;
    f->conf = *conf;
    f->set = room->set;
    f->n_loops = room->n_loops;
    f->made_ns = fs_now_ns();
    pthread_mutex_init(&f->lock, NULL);
    if (conf->memory_limit) {
        struct gos_ring_set_opts opts = {
            .struct_size = sizeof opts, .max_bytes = conf->memory_limit, .parent = room->set};
        int rc = gos_ring_set_new(&f->set, &opts);
        f->own_set = rc >= 0;
        if (rc < 0) {
            op_free(&f->fs);
            return stream_problem(p, rc);
        }
    }
    *out = &f->fs;
    return 0;
}

int streamfs_snapshot(struct fs *fs, struct stream ***out, size_t *n, struct problem *p)
{
    struct streamfs *f = (struct streamfs *)fs;
    pthread_mutex_lock(&f->lock);
    struct stream **all = malloc((f->n + 1) * sizeof(*all));
    size_t count = all ? f->n : 0;
    for (size_t i = 0; i < count; i++)
        all[i] = stream_ref(f->items[i]);
    pthread_mutex_unlock(&f->lock);
    if (!all)
        return problem_nomem(p);
    *out = all;
    *n = count;
    return 0;
}

void streamfs_seal_all(struct fs *fs)
{
    struct streamfs *f = (struct streamfs *)fs;
    struct stream **all;
    struct problem ignored;
    size_t n;
    pthread_mutex_lock(&f->lock);
    f->closed = true;
    pthread_mutex_unlock(&f->lock);
    if (streamfs_snapshot(fs, &all, &n, &ignored) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        gos_ring_seal(all[i]->ring);
        stream_unref(all[i]);
    }
    free(all);
}

void streamfs_sweep(struct fs *fs)
{
    struct streamfs *f = (struct streamfs *)fs;
    if (f->conf.idle_ttl_ns == 0)
        return;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n;) {
        if (stream_is_deleted(f->items[i]))
            drop_locked(f, i);
        else
            i++;
    }
    pthread_mutex_unlock(&f->lock);
}
