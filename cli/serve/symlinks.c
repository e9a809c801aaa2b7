/* SPDX-License-Identifier: MIT
 *
 * The table of links; see symlinks.h. Any thread; one lock. */
#include "serve/symlinks.h"

#include <stdlib.h>
#include <string.h>

void symlinks_init(struct symlinks *s)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
}

static void free_link(struct symlink *link)
{
    free(link->path);
    free(link->target);
}

void symlinks_finish(struct symlinks *s)
{
    for (size_t i = 0; i < s->n; i++)
        free_link(&s->items[i]);
    free(s->items);
    pthread_mutex_destroy(&s->lock);
}

static size_t place_locked(const struct symlinks *s, const char *path, bool *found)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, s->items[middle].path);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *found = false;
    return low;
}

static int insert_locked(struct symlinks *s, const struct symlink *link, struct problem *p)
{
    bool found;
    size_t at = place_locked(s, link->path, &found);
    if (found)
        return problem_set(p, 409, "file already exists: %s", link->path);
    if (s->n == SYMLINKS_MAX)
        return problem_set(p, 413, "too many symbolic links (limit %d)", SYMLINKS_MAX);
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 16;
        struct symlink *items = realloc(s->items, room * sizeof *items);
        if (!items)
            return problem_nomem(p);
        s->items = items;
        s->room = room;
    }
    memmove(s->items + at + 1, s->items + at, (s->n - at) * sizeof *s->items);
    s->items[at] = *link;
    s->n++;
    return 0;
}

static void drop_locked(struct symlinks *s, size_t at)
{
    s->n--;
    memmove(s->items + at, s->items + at + 1, (s->n - at) * sizeof *s->items);
}

int symlinks_add(struct symlinks *s, const char *path, const char *target, struct problem *p)
{
    struct symlink link = {.path = strdup(path), .target = strdup(target), .made_ns = fs_now_ns()};
    int rc = -1;
    if (!link.path || !link.target) {
        problem_nomem(p);
    } else {
        pthread_mutex_lock(&s->lock);
        rc = insert_locked(s, &link, p);
        pthread_mutex_unlock(&s->lock);
    }
    if (rc < 0)
        free_link(&link);
    return rc;
}

bool symlinks_remove(struct symlinks *s, const char *path)
{
    struct symlink link;
    bool found;
    pthread_mutex_lock(&s->lock);
    size_t at = place_locked(s, path, &found);
    if (found) {
        link = s->items[at];
        drop_locked(s, at);
    }
    pthread_mutex_unlock(&s->lock);
    if (found)
        free_link(&link);
    return found;
}

void symlinks_remove_below(struct symlinks *s, const char *path)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n;) {
        if (!path_within(s->items[i].path, path)) {
            i++;
            continue;
        }
        struct symlink link = s->items[i];
        drop_locked(s, i);
        free_link(&link);
    }
    pthread_mutex_unlock(&s->lock);
}

bool symlinks_rename(struct symlinks *s, const char *from, const char *to, struct problem *p)
{
    char target[PATH_BYTES];
    if (!symlinks_read(s, from, target)) {
        problem_set(p, 404, "rename: %s: not found", from); /* it was there a moment ago */
        return false;
    }
    if (symlinks_add(s, to, target, p) < 0)
        return false;
    symlinks_remove(s, from);
    return true;
}

bool symlinks_read(struct symlinks *s, const char *path, char target[PATH_BYTES])
{
    struct fs_info ignored;
    return symlinks_describe(s, path, target, &ignored);
}

bool symlinks_describe(struct symlinks *s, const char *path, char target[PATH_BYTES],
                       struct fs_info *out)
{
    bool found;
    pthread_mutex_lock(&s->lock);
    size_t at = place_locked(s, path, &found);
    if (found) {
        strcpy(target, s->items[at].target); /* was checked to fit when it was added */
        *out = (struct fs_info){.name = path_name(path),
                                .size = strlen(target),
                                .mode = 0777,
                                .mtime_ns = s->items[at].made_ns,
                                .meta_name = "rootfs",
                                .meta_type = "symlink",
                                .target = target};
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

int symlinks_list(struct symlinks *s, const char *folder, struct listing *out, struct problem *p)
{
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n && rc == 0; i++) {
        char parent[PATH_BYTES];
        path_parent(parent, s->items[i].path);
        if (strcmp(parent, folder) != 0)
            continue;
        struct fs_info info = {.name = path_name(s->items[i].path),
                               .size = strlen(s->items[i].target),
                               .mode = 0777,
                               .mtime_ns = s->items[i].made_ns,
                               .meta_name = "rootfs",
                               .meta_type = "symlink"};
        rc = listing_add(out, &info, p);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* Replace the first link within `path`. 1: one was; 0: there is none; -1. */
static int resolve_once(struct symlinks *s, char path[PATH_BYTES], bool last, struct problem *p)
{
    char prefix[PATH_BYTES], target[PATH_BYTES], folder[PATH_BYTES], to[PATH_BYTES];
    size_t length = strlen(path);
    for (size_t end = 1; end <= length; end++) {
        if ((path[end] != '/' && path[end] != '\0') || (path[end] == '\0' && !last))
            continue;
        memcpy(prefix, path, end);
        prefix[end] = '\0';
        if (!symlinks_read(s, prefix, target))
            continue;
        path_parent(folder, prefix);
        if (path_join(to, folder, target, p) < 0)
            return -1;
        char rest[PATH_BYTES];
        strcpy(rest, path[end] ? path + end + 1 : ".");
        return path_join(path, to, rest, p) < 0 ? -1 : 1;
    }
    return 0;
}

int symlinks_resolve(struct symlinks *s, char path[PATH_BYTES], bool last, struct problem *p)
{
    /* Relaxed: who adds a link at this moment cannot expect it to be seen. */
    if (atomic_load_explicit(&s->n, memory_order_relaxed) == 0)
        return 0;
    for (int depth = 0; depth <= SYMLINKS_DEPTH; depth++) {
        int rc = resolve_once(s, path, last, p);
        if (rc <= 0)
            return rc;
    }
    return problem_set(p, 500, "too many levels of symbolic links: %s", path);
}
