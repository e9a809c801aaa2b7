/* SPDX-License-Identifier: MIT
 *
 * The table of mounts; see mounts.h. Any thread; one lock, under which only the
 * table is looked at. */
#include "serve/mounts.h"

#include <stdlib.h>
#include <string.h>

void mount_unref(struct mount *m)
{
    /* Release, so that what this thread did to the mount is done before another
     * frees it; acquire for the one that does. */
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (m->fs)
        m->fs->ops->free(m->fs);
    conf_free(m->config);
    free(m->instance);
    free(m->path);
    free(m);
}

struct mount *mount_ref(struct mount *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void mounts_init(struct mounts *ms)
{
    memset(ms, 0, sizeof *ms);
    pthread_mutex_init(&ms->lock, NULL);
}

void mounts_finish(struct mounts *ms)
{
    mounts_remove_all(ms);
    pthread_mutex_destroy(&ms->lock);
}

static struct mount *new_mount(const char *path, const struct fs_kind *kind, struct fs *fs,
                               const char *instance, const struct conf_node *config)
{
    struct mount *m = calloc(1, sizeof *m);
    if (!m) {
        fs->ops->free(fs);
        return NULL;
    }
    atomic_init(&m->refs, 1);
    m->kind = kind;
    m->fs = fs;
    m->path = strdup(path);
    m->instance = instance ? strdup(instance) : NULL;
    m->config = config ? conf_copy(config) : NULL;
    if (!m->path || (instance && !m->instance) || (config && !m->config)) {
        mount_unref(m);
        return NULL;
    }
    return m;
}

static int insert(struct mounts *ms, struct mount *m, struct problem *p)
{
    size_t at = 0;
    for (; at < ms->n; at++) {
        int order = strcmp(m->path, ms->items[at]->path);
        if (order == 0)
            return problem_set(p, 409, "mount already exists: %s", m->path);
        if (order < 0)
            break;
    }
    if (ms->n == MOUNTS_MAX)
        return problem_set(p, 409, "too many mounts (limit %d)", MOUNTS_MAX);
    memmove(ms->items + at + 1, ms->items + at, (ms->n - at) * sizeof *ms->items);
    ms->items[at] = m;
    ms->n++;
    return 0;
}

int mounts_add(struct mounts *ms, const char *path, const struct fs_kind *kind, struct fs *fs,
               const char *instance, const struct conf_node *config, struct problem *p)
{
    struct mount *m = new_mount(path, kind, fs, instance, config);
    if (!m)
        return problem_nomem(p);
    pthread_mutex_lock(&ms->lock);
    int rc = insert(ms, m, p);
    pthread_mutex_unlock(&ms->lock);
    if (rc < 0)
        mount_unref(m);
    return rc;
}

int mounts_remove(struct mounts *ms, const char *path, struct problem *p)
{
    struct mount *m = NULL;
    pthread_mutex_lock(&ms->lock);
    for (size_t i = 0; i < ms->n && !m; i++) {
        if (strcmp(ms->items[i]->path, path) != 0)
            continue;
        m = ms->items[i];
        ms->n--;
        memmove(ms->items + i, ms->items + i + 1, (ms->n - i) * sizeof *ms->items);
    }
    pthread_mutex_unlock(&ms->lock);
    if (!m)
        return problem_set(p, 404, "no mount at path: %s", path);
    m->fs->ops->close(m->fs);
    mount_unref(m);
    return 0;
}

void mounts_remove_all(struct mounts *ms)
{
    struct mount *all[MOUNTS_MAX];
    pthread_mutex_lock(&ms->lock);
    size_t n = ms->n;
    memcpy(all, ms->items, n * sizeof *all);
    ms->n = 0;
    pthread_mutex_unlock(&ms->lock);
    for (size_t i = 0; i < n; i++) {
        all[i]->fs->ops->close(all[i]->fs);
        mount_unref(all[i]);
    }
}

struct mount *mounts_find(struct mounts *ms, const char *path, const char **within)
{
    struct mount *best = NULL;
    size_t longest = 0;
    pthread_mutex_lock(&ms->lock);
    for (size_t i = 0; i < ms->n; i++) {
        size_t n = strlen(ms->items[i]->path);
        if (n > longest && path_within(path, ms->items[i]->path)) {
            best = ms->items[i];
            longest = n;
        }
    }
    if (best)
        mount_ref(best);
    pthread_mutex_unlock(&ms->lock);
    if (best)
        *within = path[longest] ? path + longest : "/";
    return best;
}

static const char *part_below(const char *mount, const char *folder, size_t *length)
{
    size_t n = strlen(folder);
    if (!path_within(mount, folder) || mount[n] == '\0')
        return NULL;
    const char *part = n == 1 ? mount + 1 : mount + n + 1;
    *length = strcspn(part, "/");
    return part;
}

bool mounts_below(struct mounts *ms, const char *path)
{
    bool found = false;
    size_t length;
    pthread_mutex_lock(&ms->lock);
    for (size_t i = 0; i < ms->n && !found; i++)
        found = part_below(ms->items[i]->path, path, &length) != NULL;
    pthread_mutex_unlock(&ms->lock);
    return found;
}

void mounts_describe(const char *name, bool root, struct fs_info *out)
{
    *out = (struct fs_info){.name = name,
                            .mode = 0755,
                            .mtime_ns = fs_now_ns(),
                            .is_dir = true,
                            .meta_name = "rootfs",
                            .meta_type = root ? "root" : "mount-point"};
}

static bool listed(const struct listing *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return true;
    return false;
}

int mounts_list(struct mounts *ms, const char *path, struct listing *out, struct problem *p)
{
    struct mount *all[MOUNTS_MAX];
    size_t n = mounts_snapshot(ms, all);
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length;
        char name[PATH_BYTES];
        struct fs_info info;
        const char *part = part_below(all[i]->path, path, &length);
        if (part && rc == 0) {
            memcpy(name, part, length);
            name[length] = '\0';
            mounts_describe(name, false, &info);
            if (!listed(out, name))
                rc = listing_add(out, &info, p);
        }
        mount_unref(all[i]);
    }
    return rc;
}

size_t mounts_snapshot(struct mounts *ms, struct mount *out[MOUNTS_MAX])
{
    pthread_mutex_lock(&ms->lock);
    size_t n = ms->n;
    for (size_t i = 0; i < n; i++)
        out[i] = mount_ref(ms->items[i]);
    pthread_mutex_unlock(&ms->lock);
    return n;
}
