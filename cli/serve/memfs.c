/* SPDX-License-Identifier: MIT
 *
 * memfs: an ordinary filesystem in memory; see memfs.h. Any thread; one lock, under
 * which names are looked up and blocks change hands. Bytes are copied outside of it,
 * but for those of small writes. */
#include "serve/memfs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "serve/memnode.h"
#include "serve/path.h"

/* A write into a file that is not longer is copied under the lock. */
#define SMALL ((size_t)2 * CONTENT_BLOCK)
/* So often a large one is made anew when the end it is meant for has moved. */
#define TRIES 4
/* Entries of a folder that are listed while all others wait. */
#define LISTED_AT_ONCE 1024u

struct memfs {
    struct fs fs;
    _Atomic uint64_t *promised; /* see memfs_new() */
    pthread_mutex_t lock;
    /* guarded by lock */
    struct memtree tree;
};

static struct memfs *enter(struct fs *fs)
{
    struct memfs *m = (struct memfs *)fs;
    pthread_mutex_lock(&m->lock);
    return m;
}

static int leave(struct memfs *m, int rc)
{
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int full(const struct memfs *m, struct problem *p)
{
    return problem_set(p, 413, "memfs is full (limit %llu bytes)",
                       (unsigned long long)m->tree.limit);
}

static int missing(const char *path, struct problem *p)
{
    return problem_set(p, 404, "file not found: %s", path);
}

/* A file, not a folder. */
static struct memnode *file_locked(struct memfs *m, const char *path, struct problem *p)
{
    struct memnode *node = memtree_find(&m->tree, path);
    if (!node)
        missing(path, p);
    else if (node->is_dir)
        problem_set(p, 500, "is a directory: %s", path);
    return node && !node->is_dir ? node : NULL;
}

/* A new node at a path where there is none. */
static struct memnode *add_locked(struct memfs *m, const char *path, bool is_dir, struct problem *p)
{
    char folder[PATH_BYTES];
    if (memtree_find(&m->tree, path)) {
        problem_set(p, 409, "%s already exists: %s", is_dir ? "directory" : "file", path);
        return NULL;
    }
    path_parent(folder, path);
    struct memnode *parent = memtree_find(&m->tree, folder);
    if (!parent || !parent->is_dir) {
        problem_set(p, parent ? 500 : 404, "parent directory %s: %s",
                    parent ? "is a file" : "not found", folder);
        return NULL;
    }
    struct memnode *node = memtree_add(&m->tree, parent, path_name(path), is_dir);
    if (!node) {
        full(m, p);
        return NULL;
    }
    node->mtime_ns = parent->mtime_ns = fs_now_ns();
    return node;
}

static void describe(const struct memnode *node, const char *name, struct fs_info *out)
{
    *out = (struct fs_info){.name = name,
                            .size = node->content.size,
                            .mode = node->mode,
                            .mtime_ns = node->mtime_ns,
                            .is_dir = node->is_dir,
                            .meta_name = "memfs",
                            .meta_type = node->is_dir ? "dir" : "file"};
}

static int memfs_stat(struct fs *fs, const char *path, struct fs_info *out, struct problem *p)
{
    struct memfs *m = enter(fs);
    struct memnode *node = memtree_find(&m->tree, path);
    if (!node)
        return leave(m, missing(path, p));
    describe(node, path_name(path), out);
    return leave(m, 0);
}

/* The next entries behind those that the listing has since `begin`. 1: there are more. */
static int list_some_locked(struct memfs *m, const char *path, size_t begin, struct listing *out,
                            struct problem *p)
{
    bool first = out->n == begin;
    struct memnode *node = memtree_find(&m->tree, path);
    if (!node || !node->is_dir) {
        if (!first) /* it went meanwhile */
            return 0;
        return node ? problem_set(p, 500, "not a directory: %s", path)
                    : problem_set(p, 404, "directory not found: %s", path);
    }
    size_t i = first ? 0 : memnode_behind(node, out->items[out->n - 1].name);
    size_t end = node->n_children - i > LISTED_AT_ONCE ? i + LISTED_AT_ONCE : node->n_children;
    for (; i < end; i++) {
        struct fs_info info;
        describe(node->children[i], node->children[i]->name, &info);
        if (listing_add(out, &info, p) < 0)
            return -1;
    }
    return end < node->n_children;
}

static int memfs_list(struct fs *fs, const char *path, struct listing *out, struct problem *p)
{
    size_t begin = out->n;
    int rc;
    do {
        struct memfs *m = enter(fs);
        rc = leave(m, list_some_locked(m, path, begin, out, p));
    } while (rc > 0);
    return rc;
}

static int memfs_share(struct fs *fs, const char *path, uint64_t offset, uint64_t size,
                       struct content *out, struct problem *p)
{
    struct memfs *m = enter(fs);
    struct memnode *node = file_locked(m, path, p);
    if (!node)
        return leave(m, -1);
    uint64_t n = offset < node->content.size ? node->content.size - offset : 0;
    int rc = content_share(out, &node->content, offset, n < size ? n : size);
    return leave(m, rc < 0 ? problem_nomem(p) : 0);
}

static int memfs_read(struct fs *fs, const char *path, uint64_t offset, uint64_t size,
                      struct bytes *out, struct problem *p)
{
    struct content shared = {0};
    struct iovec part;
    if (memfs_share(fs, path, offset, size, &shared, p) < 0)
        return -1;
    for (uint64_t at = 0; content_slices(&shared, at, &part, 1) > 0; at += part.iov_len)
        bytes_put(out, part.iov_base, part.iov_len);
    content_free(&shared);
    return out->failed ? problem_nomem(p) : 0;
}

static int put_locked(struct memfs *m, const char *path, struct content *content, struct problem *p)
{
    bool created = !memtree_find(&m->tree, path);
    struct memnode *node = created ? add_locked(m, path, false, p) : file_locked(m, path, p);
    if (!node)
        return -1;
    if (memtree_exchange(&m->tree, node, content) < 0) {
        if (created)
            memtree_drop(&m->tree, node);
        return full(m, p);
    }
    node->mtime_ns = fs_now_ns();
    return 0;
}

static int memfs_put(struct fs *fs, const char *path, struct content *content, struct problem *p)
{
    struct memfs *m = enter(fs);
    return leave(m, put_locked(m, path, content, p));
}

static int memfs_write(struct fs *fs, const char *path, const void *data, size_t n,
                       struct problem *p)
{
    struct content content = {0};
    if (content_write(&content, 0, data, n) < 0)
        return problem_nomem(p);
    int rc = memfs_put(fs, path, &content, p);
    content_free(&content); /* or what was there before */
    return rc;
}

/* The piece was made for `at`. 1: the end is elsewhere by now, and `at` is where. */
static int splice_locked(struct memfs *m, const char *path, bool append, uint64_t *at,
                         const struct content *piece, struct problem *p)
{
    struct memnode *node = file_locked(m, path, p);
    if (!node)
        return -1;
    if (append && node->content.size != *at) {
        *at = node->content.size;
        return 1;
    }
    if (memtree_splice(&m->tree, node, *at, piece) < 0)
        return full(m, p);
    node->mtime_ns = fs_now_ns();
    return 0;
}

/* A write that is not small. 1: as often as it was tried, others were faster. */
static int splice(struct fs *fs, const char *path, bool append, uint64_t *at, const void *data,
                  size_t n, struct problem *p)
{
    struct fs_info info;
    int rc = 1;
    if (append) {
        if (memfs_stat(fs, path, &info, p) < 0)
            return -1;
        *at = info.size;
    }
    for (int i = 0; i < TRIES && rc == 1; i++) {
        struct content piece = {0};
        if (content_write(&piece, *at % CONTENT_BLOCK, data, n) < 0)
            return problem_nomem(p);
        piece.skip = *at % CONTENT_BLOCK;
        piece.size -= piece.skip;
        struct memfs *m = enter(fs);
        rc = leave(m, splice_locked(m, path, append, at, &piece, p));
        content_free(&piece);
    }
    return rc;
}

static int memfs_write_at(struct fs *fs, const char *path, uint64_t *offset, const void *data,
                          size_t n, struct problem *p)
{
    bool append = *offset == FS_END;
    uint64_t at = append ? 0 : *offset;
    if (n > SMALL) {
        int rc = splice(fs, path, append, &at, data, n, p);
        if (rc == 0)
            *offset = at;
        if (rc <= 0)
            return rc;
    }
    struct memfs *m = enter(fs);
    struct memnode *node = file_locked(m, path, p);
    if (!node)
        return leave(m, -1);
    at = append ? node->content.size : *offset;
    if (memtree_write(&m->tree, node, at, data, n) < 0)
        return leave(m, full(m, p));
    node->mtime_ns = fs_now_ns();
    *offset = at;
    return leave(m, 0);
}

static int memfs_create(struct fs *fs, const char *path, struct problem *p)
{
    struct memfs *m = enter(fs);
    return leave(m, add_locked(m, path, false, p) ? 0 : -1);
}

static int memfs_mkdir(struct fs *fs, const char *path, unsigned mode, struct problem *p)
{
    struct memfs *m = enter(fs);
    struct memnode *node = add_locked(m, path, true, p);
    if (node)
        node->mode = mode & 0777;
    return leave(m, node ? 0 : -1);
}

static int memfs_remove(struct fs *fs, const char *path, bool recursive, struct problem *p)
{
    struct memfs *m = enter(fs);
    struct memnode *node = memtree_find(&m->tree, path);
    if (!node)
        return leave(m, missing(path, p));
    if (node == m->tree.root)
        return leave(m, problem_set(p, 403, "cannot remove the root directory"));
    if (node->n_children > 0 && !recursive)
        return leave(m, problem_set(p, 409, "directory not empty: %s", path));
    node->parent->mtime_ns = fs_now_ns();
    memtree_drop(&m->tree, node);
    return leave(m, 0);
}

/* What stands at the new name makes room, as rename(2) has it, if it may. */
static int check_replaced(struct memfs *m, const struct memnode *node, const char *to,
                          struct problem *p)
{
    const struct memnode *there = memtree_find(&m->tree, to);
    if (!there || there == node)
        return 0;
    if (there->is_dir)
        return problem_set(p, 409, "directory already exists: %s", to);
    if (node->is_dir)
        return problem_set(p, 409, "file already exists: %s", to);
    return 0;
}

static int rename_locked(struct memfs *m, const char *from, const char *to, struct problem *p)
{
    char folder[PATH_BYTES];
    struct memnode *node = memtree_find(&m->tree, from);
    if (!node)
        return missing(from, p);
    if (node == m->tree.root || path_within(to, from))
        return strcmp(from, to) == 0 && node != m->tree.root
                   ? 0
                   : problem_set(p, 400, "cannot move %s into itself", from);
    path_parent(folder, to);
    struct memnode *parent = memtree_find(&m->tree, folder);
    if (!parent || !parent->is_dir)
        return problem_set(p, 404, "parent directory not found: %s", folder);
    if (check_replaced(m, node, to, p) < 0)
        return -1;
    if (memtree_move(&m->tree, node, parent, path_name(to)) < 0)
        return full(m, p);
    parent->mtime_ns = fs_now_ns();
    return 0;
}

static int memfs_rename(struct fs *fs, const char *from, const char *to, struct problem *p)
{
    struct memfs *m = enter(fs);
    return leave(m, rename_locked(m, from, to, p));
}

static int memfs_chmod(struct fs *fs, const char *path, unsigned mode, struct problem *p)
{
    struct memfs *m = enter(fs);
    struct memnode *node = memtree_find(&m->tree, path);
    if (!node)
        return leave(m, missing(path, p));
    node->mode = mode & 0777;
    return leave(m, 0);
}

static int memfs_truncate(struct fs *fs, const char *path, uint64_t size, struct problem *p)
{
    struct memfs *m = enter(fs);
    struct memnode *node = file_locked(m, path, p);
    if (!node)
        return leave(m, -1);
    if (memtree_resize(&m->tree, node, size) < 0)
        return leave(m, full(m, p));
    node->mtime_ns = fs_now_ns();
    return leave(m, 0);
}

static int memfs_touch(struct fs *fs, const char *path, struct problem *p)
{
    struct memfs *m = enter(fs);
    struct memnode *node = memtree_find(&m->tree, path);
    if (!node)
        node = add_locked(m, path, false, p);
    if (node)
        node->mtime_ns = fs_now_ns();
    return leave(m, node ? 0 : -1);
}

static void memfs_close(struct fs *fs)
{
    (void)fs; /* nobody waits in memory */
}

static void memfs_free(struct fs *fs)
{
    struct memfs *m = (struct memfs *)fs;
    if (m->promised)
        atomic_fetch_sub_explicit(m->promised, m->tree.limit, memory_order_relaxed);
    memtree_finish(&m->tree);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct fs_ops memfs_ops = {
    .name = "memfs",
    .stat = memfs_stat,
    .list = memfs_list,
    .read = memfs_read,
    .share = memfs_share,
    .write = memfs_write,
    .put = memfs_put,
    .write_at = memfs_write_at,
    .create = memfs_create,
    .mkdir = memfs_mkdir,
    .remove = memfs_remove,
    .rename = memfs_rename,
    .chmod = memfs_chmod,
    .truncate = memfs_truncate,
    .touch = memfs_touch,
    .close = memfs_close,
    .free = memfs_free,
};

struct fs *memfs_new(uint64_t limit, _Atomic uint64_t *promised)
{
    struct memfs *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->fs.ops = &memfs_ops;
    pthread_mutex_init(&m->lock, NULL);
    if (memtree_init(&m->tree, limit) < 0) {
        memfs_free(&m->fs);
        return NULL;
    }
    m->tree.root->mtime_ns = fs_now_ns();
    m->promised = promised;
    return &m->fs;
}
