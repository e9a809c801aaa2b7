/* SPDX-License-Identifier: MIT
 *
 * What is mounted where. Any thread. */
#ifndef CLI_SERVE_MOUNTS_H
#define CLI_SERVE_MOUNTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/conf.h"
#include "serve/fs.h"
#include "serve/kinds.h"
#include "serve/path.h"

#define MOUNTS_MAX 256

/* Immutable but for the count of references; a mount that was taken away lives on
 * until the last request in it has ended. */
struct mount {
    atomic_uint refs;
    char *path;
    char *instance;           /* may be NULL */
    struct conf_node *config; /* as it was given; may be NULL */
    const struct fs_kind *kind;
    struct fs *fs;
};

struct mount *mount_ref(struct mount *m);
void mount_unref(struct mount *m); /* NULL is fine */

struct mounts {
    pthread_mutex_t lock;
    /* guarded by lock: sorted by path */
    struct mount *items[MOUNTS_MAX];
    size_t n;
};

void mounts_init(struct mounts *ms);
void mounts_finish(struct mounts *ms);

/* Mount `fs`, which is the table's in any case. `config` is copied. */
int mounts_add(struct mounts *ms, const char *path, const struct fs_kind *kind, struct fs *fs,
               const char *instance, const struct conf_node *config, struct problem *p);

/* Take a mount away; it is closed. */
int mounts_remove(struct mounts *ms, const char *path, struct problem *p);

/* Take all away, and close them. */
void mounts_remove_all(struct mounts *ms);

/* The mount that holds a normalised path, with a reference, and the path within it
 * (a part of `path`, or "/"). NULL: none does. */
struct mount *mounts_find(struct mounts *ms, const char *path, const char **within);

/* Whether there is a mount below `path`, so that it exists without being one. */
bool mounts_below(struct mounts *ms, const char *path);

/* Add an entry for each folder right below `path` that leads to a mount. */
int mounts_list(struct mounts *ms, const char *path, struct listing *out, struct problem *p);

/* All mounts, sorted by path, each with a reference. Returns how many. */
size_t mounts_snapshot(struct mounts *ms, struct mount *out[MOUNTS_MAX]);

/* The entry of a folder that exists because of mounts. */
void mounts_describe(const char *name, bool root, struct fs_info *out);

#endif
