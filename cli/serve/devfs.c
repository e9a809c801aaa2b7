/* SPDX-License-Identifier: MIT
 *
 * /dev/null: empty to read, takes what is written. Any thread; nothing changes. */
#include "serve/devfs.h"

#include <stdlib.h>
#include <string.h>

#include "serve/path.h"

struct devfs {
    struct fs fs;
    int64_t made_ns;
};

static bool is_null(const char *path)
{
    return strcmp(path, "/null") == 0;
}

static int need_null(const char *path, struct problem *p)
{
    if (is_null(path))
        return 0;
    if (strcmp(path, "/") == 0)
        return problem_set(p, 500, "is a directory: /");
    return problem_set(p, 404, "file not found: %s", path);
}

static int forbid(struct problem *p)
{
    return problem_set(p, 403, "permission denied: devfs has null, and nothing else");
}

static void describe(const struct fs *fs, bool null, struct fs_info *out)
{
    *out = (struct fs_info){.name = null ? "null" : "/",
                            .mode = null ? 0666 : 0755,
                            .mtime_ns = ((const struct devfs *)fs)->made_ns,
                            .is_dir = !null,
                            .meta_name = "devfs",
                            .meta_type = null ? "device" : "dir"};
}

static int devfs_stat(struct fs *fs, const char *path, struct fs_info *out, struct problem *p)
{
    bool root = strcmp(path, "/") == 0;
    if (!root && need_null(path, p) < 0)
        return -1;
    describe(fs, !root, out);
    return 0;
}

static int devfs_list(struct fs *fs, const char *path, struct listing *out, struct problem *p)
{
    if (strcmp(path, "/") != 0)
        return problem_set(p, is_null(path) ? 500 : 404, "not a directory: %s", path);
    struct fs_info info;
    describe(fs, true, &info);
    return listing_add(out, &info, p);
}

static int devfs_read(struct fs *fs, const char *path, uint64_t offset, uint64_t size,
                      struct bytes *out, struct problem *p)
{
    (void)fs, (void)offset, (void)size, (void)out;
    return need_null(path, p);
}

static int devfs_write(struct fs *fs, const char *path, const void *data, size_t n,
                       struct problem *p)
{
    (void)fs, (void)data, (void)n;
    return is_null(path) ? 0 : forbid(p);
}

static int devfs_write_at(struct fs *fs, const char *path, uint64_t *offset, const void *data,
                          size_t n, struct problem *p)
{
    if (*offset == FS_END)
        *offset = 0;
    return devfs_write(fs, path, data, n, p);
}

static int devfs_create(struct fs *fs, const char *path, struct problem *p)
{
    (void)fs;
    return is_null(path) ? problem_set(p, 409, "file already exists: /null") : forbid(p);
}

static int devfs_truncate(struct fs *fs, const char *path, uint64_t size, struct problem *p)
{
    (void)fs, (void)size;
    return need_null(path, p);
}

static int devfs_touch(struct fs *fs, const char *path, struct problem *p)
{
    (void)fs;
    return is_null(path) ? 0 : forbid(p);
}

static int devfs_mkdir(struct fs *fs, const char *path, unsigned mode, struct problem *p)
{
    (void)fs, (void)path, (void)mode;
    return forbid(p);
}

static int devfs_remove(struct fs *fs, const char *path, bool recursive, struct problem *p)
{
    (void)fs, (void)path, (void)recursive;
    return forbid(p);
}

static int devfs_rename(struct fs *fs, const char *from, const char *to, struct problem *p)
{
    (void)fs, (void)from, (void)to;
    return forbid(p);
}

static int devfs_chmod(struct fs *fs, const char *path, unsigned mode, struct problem *p)
{
    (void)fs, (void)path, (void)mode;
    return forbid(p);
}

static void devfs_close(struct fs *fs)
{
    (void)fs;
}

static void devfs_free(struct fs *fs)
{
    free(fs);
}

static const struct fs_ops devfs_ops = {
    .name = "devfs",
    .stat = devfs_stat,
    .list = devfs_list,
    .read = devfs_read,
    .write = devfs_write,
    .write_at = devfs_write_at,
    .create = devfs_create,
    .mkdir = devfs_mkdir,
    .remove = devfs_remove,
    .rename = devfs_rename,
    .chmod = devfs_chmod,
    .truncate = devfs_truncate,
    .touch = devfs_touch,
    .close = devfs_close,
    .free = devfs_free,
};

struct fs *devfs_new(void)
{
    struct devfs *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->fs.ops = &devfs_ops;
    d->made_ns = fs_now_ns();
    return &d->fs;
}
