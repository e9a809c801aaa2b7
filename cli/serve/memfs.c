/* SPDX-License-Identifier: MIT
 *
 * memfs: an ordinary filesystem in memory; see memfs.h. Any thread; one lock
 * around each call, under which nothing waits. */
#include "serve/memfs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "serve/memnode.h"
#include "serve/path.h"

struct memfs {
    struct fs fs;
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
                            .size = node->size,
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

static int memfs_list(struct fs *fs, const char *path, struct listing *out, struct problem *p)
{
    struct memfs *m = enter(fs);
    struct memnode *node = memtree_find(&m->tree, path);
    if (!node)
        return leave(m, problem_set(p, 404, "directory not found: %s", path));
    if (!node->is_dir)
        return leave(m, problem_set(p, 500, "not a directory: %s", path));
    int rc = 0;
    for (size_t i = 0; i < node->n_children && rc == 0; i++) {
        struct fs_info info;
        describe(node->children[i], node->children[i]->name, &info);
        rc = listing_add(out, &info, p);
    }
    return leave(m, rc);
}

static int memfs_read(struct fs *fs, const char *path, uint64_t offset, uint64_t size,
                      struct bytes *out, struct problem *p)
{
    struct memfs *m = enter(fs);
    struct memnode *node = file_locked(m, path, p);
    if (!node)
        return leave(m, -1);
    if (offset < node->size) {
        uint64_t n = node->size - offset;
        bytes_put(out, node->data + offset, n < size ? n : size);
    }
    return leave(m, out->failed ? problem_nomem(p) : 0);
}

static int memfs_write(struct fs *fs, const char *path, const void *data, size_t n,
                       struct problem *p)
{
    struct memfs *m = enter(fs);
    bool created = !memtree_find(&m->tree, path);
    struct memnode *node = created ? add_locked(m, path, false, p) : file_locked(m, path, p);
    if (!node)
        return leave(m, -1);
    if (memtree_resize(&m->tree, node, n) < 0) {
        if (created)
            memtree_drop(&m->tree, node);
        return leave(m, full(m, p));
    }
    if (n > 0)
        memcpy(node->data, data, n);
    node->mtime_ns = fs_now_ns();
    return leave(m, 0);
}

static int memfs_write_at(struct fs *fs, const char *path, uint64_t *offset, const void *data,
                          size_t n, struct problem *p)
{
    struct memfs *m = enter(fs);
    struct memnode *node = file_locked(m, path, p);
    if (!node)
        return leave(m, -1);
    uint64_t at = *offset == FS_END ? node->size : *offset, end;
    if (__builtin_add_overflow(at, n, &end))
        return leave(m, full(m, p));
    if (n > 0 && end > node->size && memtree_resize(&m->tree, node, end) < 0)
        return leave(m, full(m, p));
    if (n > 0)
        memcpy(node->data + at, data, n);
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

/* What stands at the new name makes room, as rename(2) has it. */
static int replace_locked(struct memfs *m, struct memnode *node, const char *to, struct problem *p)
{
    struct memnode *there = memtree_find(&m->tree, to);
    if (!there || there == node)
        return 0;
    if (there->is_dir)
        return problem_set(p, 409, "directory already exists: %s", to);
    if (node->is_dir)
        return problem_set(p, 409, "file already exists: %s", to);
    memtree_drop(&m->tree, there);
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
    if (replace_locked(m, node, to, p) < 0)
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
    memtree_finish(&m->tree);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct fs_ops memfs_ops = {
    .name = "memfs",
    .stat = memfs_stat,
    .list = memfs_list,
    .read = memfs_read,
    .write = memfs_write,
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

struct fs *memfs_new(uint64_t limit)
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
    return &m->fs;
}
