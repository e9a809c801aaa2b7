/* SPDX-License-Identifier: MIT
 *
 * The tree; see tree.h. Any thread; no lock of its own. */
#include "serve/tree.h"

#include <string.h>

void tree_init(struct tree *t)
{
    mounts_init(&t->mounts);
    symlinks_init(&t->symlinks);
}

void tree_finish(struct tree *t)
{
    mounts_finish(&t->mounts);
    symlinks_finish(&t->symlinks);
}

int place_find(struct tree *t, const char *path, bool last, struct place *out, struct problem *p)
{
    strcpy(out->path, path);
    out->mount = NULL;
    if (symlinks_resolve(&t->symlinks, out->path, last, p) < 0)
        return -1;
    out->mount = mounts_find(&t->mounts, out->path, &out->within);
    return 0;
}

int place_need(struct tree *t, const char *path, const char *verb, bool last, struct place *out,
               struct problem *p)
{
    if (place_find(t, path, last, out, p) < 0)
        return -1;
    if (!out->mount)
        return problem_set(p, 404, "%s: %s: not found", verb, path);
    return 0;
}

void place_release(struct place *place)
{
    mount_unref(place->mount);
    place->mount = NULL;
}

static int unsupported(const char *verb, const char *path, struct problem *p)
{
    return problem_set(p, 501, "%s: %s: operation not supported", verb, path);
}

/* Look `path_` up, and call an operation of its filesystem if it has it. */
#define ON_PLACE(t, path_, verb, last, p, operation, ...)                                          \
    do {                                                                                           \
        struct place place;                                                                        \
        if (place_need(t, path_, verb, last, &place, p) < 0)                                       \
            return -1;                                                                             \
        struct fs *fs = place.mount->fs;                                                           \
        int rc = fs->ops->operation ? fs->ops->operation(fs, place.within, __VA_ARGS__)            \
                                    : unsupported(verb, path_, p);                                 \
        place_release(&place);                                                                     \
        return rc;                                                                                 \
    } while (0)

int tree_read(struct tree *t, const char *path, uint64_t offset, uint64_t size, struct bytes *out,
              struct problem *p)
{
    ON_PLACE(t, path, "read", true, p, read, offset, size, out, p);
}

int tree_share(struct tree *t, const char *path, uint64_t offset, uint64_t size,
               struct content *out, struct problem *p)
{
    struct place place;
    if (place_need(t, path, "read", true, &place, p) < 0)
        return -1;
    int rc = fs_share(place.mount->fs, place.within, offset, size, out, p);
    place_release(&place);
    return rc;
}

int tree_write(struct tree *t, const char *path, const void *data, size_t n, struct problem *p)
{
    ON_PLACE(t, path, "write", true, p, write, data, n, p);
}

int tree_put(struct tree *t, const char *path, struct content *content, struct problem *p)
{
    ON_PLACE(t, path, "write", true, p, put, content, p);
}

int tree_chmod(struct tree *t, const char *path, unsigned mode, struct problem *p)
{
    ON_PLACE(t, path, "chmod", true, p, chmod, mode, p);
}

int tree_truncate(struct tree *t, const char *path, uint64_t size, struct problem *p)
{
    ON_PLACE(t, path, "truncate", true, p, truncate, size, p);
}

int tree_touch(struct tree *t, const char *path, struct problem *p)
{
    ON_PLACE(t, path, "touch", true, p, touch, p);
}

/* Nothing can be made where nothing is mounted. */
static int rootfs_refuses(const char *verb, const char *thing, const char *path, struct problem *p)
{
    char folder[PATH_BYTES];
    path_parent(folder, path);
    if (strcmp(folder, "/") != 0)
        return problem_set(p, 404, "%s: %s: not found", verb, path);
    return problem_set(
        p, 403, "%s: %s: permission denied (not allowed to create %s in rootfs, use mount instead)",
        verb, path, thing);
}

int tree_create(struct tree *t, const char *path, struct problem *p)
{
    struct place place;
    if (place_find(t, path, true, &place, p) < 0)
        return -1;
    if (!place.mount)
        return rootfs_refuses("create", "file", path, p);
    int rc = place.mount->fs->ops->create(place.mount->fs, place.within, p);
    place_release(&place);
    return rc;
}

int tree_mkdir(struct tree *t, const char *path, unsigned mode, struct problem *p)
{
    struct place place;
    if (place_find(t, path, true, &place, p) < 0)
        return -1;
    if (!place.mount)
        return rootfs_refuses("mkdir", "directory", path, p);
    int rc = place.mount->fs->ops->mkdir(place.mount->fs, place.within, mode, p);
    place_release(&place);
    return rc;
}

int tree_remove(struct tree *t, const char *path, bool recursive, struct problem *p)
{
    struct place place;
    if (symlinks_remove(&t->symlinks, path))
        return 0;
    if (place_need(t, path, "remove", false, &place, p) < 0)
        return -1;
    int rc = place.mount->fs->ops->remove(place.mount->fs, place.within, recursive, p);
    if (rc == 0 && recursive)
        symlinks_remove_below(&t->symlinks, place.path);
    place_release(&place);
    return rc;
}

int tree_rename(struct tree *t, const char *from, const char *to, struct problem *p)
{
    struct place old, new;
    char target[PATH_BYTES];
    if (symlinks_read(&t->symlinks, from, target))
        return symlinks_rename(&t->symlinks, from, to, p) ? 0 : -1;
    if (place_need(t, from, "rename", false, &old, p) < 0)
        return -1;
    int rc = place_find(t, to, false, &new, p);
    if (rc == 0 && old.mount != new.mount)
        rc = problem_set(p, 500, "cannot rename across different mounts");
    else if (rc == 0)
        rc = old.mount->fs->ops->rename(old.mount->fs, old.within, new.within, p);
    place_release(&new);
    place_release(&old);
    return rc;
}

int tree_stat(struct tree *t, const char *path, char name[PATH_BYTES], char target[PATH_BYTES],
              struct fs_info *out, struct problem *p)
{
    struct place place;
    if (symlinks_describe(&t->symlinks, path, target, out))
        return 0;
    if (place_find(t, path, true, &place, p) < 0)
        return -1;
    int rc = 0;
    if (place.mount)
        rc = place.mount->fs->ops->stat(place.mount->fs, place.within, out, p);
    else if (strcmp(place.path, "/") == 0 || mounts_below(&t->mounts, place.path))
        mounts_describe("", strcmp(place.path, "/") == 0, out);
    else
        rc = problem_set(p, 404, "stat: %s: not found", path);
    /* The last part of what was asked for, also for a mount, whose own root has none. */
    strcpy(name, path_name(path));
    out->name = name;
    place_release(&place);
    return rc;
}

int tree_list(struct tree *t, const char *path, struct listing *out, struct problem *p)
{
    struct place place;
    if (place_find(t, path, true, &place, p) < 0)
        return -1;
    int rc = 0;
    if (place.mount)
        rc = place.mount->fs->ops->list(place.mount->fs, place.within, out, p);
    else if (strcmp(place.path, "/") != 0 && !mounts_below(&t->mounts, place.path))
        rc = problem_set(p, 404, "readdir: %s: not found", path);
    if (rc == 0)
        rc = mounts_list(&t->mounts, place.path, out, p);
    if (rc == 0)
        rc = symlinks_list(&t->symlinks, place.path, out, p);
    place_release(&place);
    return rc;
}

int tree_symlink(struct tree *t, const char *path, const char *target, struct problem *p)
{
    char name[PATH_BYTES], there[PATH_BYTES], ignored[PATH_BYTES];
    struct fs_info info;
    struct problem missing;
    if (target[0] == '\0')
        return problem_set(p, 400, "target is required");
    if (path_join(there, path, target, p) < 0)
        return -1;
    if (tree_stat(t, path, name, ignored, &info, &missing) == 0)
        return problem_set(p, 409, "file already exists: %s", path);
    return symlinks_add(&t->symlinks, path, target, p);
}

int tree_readlink(struct tree *t, const char *path, char target[PATH_BYTES], struct problem *p)
{
    if (symlinks_read(&t->symlinks, path, target))
        return 0;
    char name[PATH_BYTES];
    struct fs_info info;
    if (tree_stat(t, path, name, target, &info, p) < 0)
        return -1;
    return problem_set(p, 400, "not a symbolic link: %s", path);
}
