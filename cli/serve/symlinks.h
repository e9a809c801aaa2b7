/* SPDX-License-Identifier: MIT
 *
 * Symbolic links. They belong to no filesystem: one table for the whole tree
 * says which path leads where. Any thread. */
#ifndef CLI_SERVE_SYMLINKS_H
#define CLI_SERVE_SYMLINKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/fs.h"
#include "serve/path.h"

#define SYMLINKS_MAX 10000
#define SYMLINKS_DEPTH 10

struct symlink {
    char *path;
    char *target; /* as it was given */
    int64_t made_ns;
};

struct symlinks {
    pthread_mutex_t lock;
    atomic_size_t n; /* changed under lock; read without it to see that there are none */
    /* guarded by lock: sorted by path */
    struct symlink *items;
    size_t room;
};

void symlinks_init(struct symlinks *s);
void symlinks_finish(struct symlinks *s);

int symlinks_add(struct symlinks *s, const char *path, const char *target, struct problem *p);
bool symlinks_remove(struct symlinks *s, const char *path);
/* Forget links at and below a path that went away. */
void symlinks_remove_below(struct symlinks *s, const char *path);
bool symlinks_rename(struct symlinks *s, const char *from, const char *to, struct problem *p);

/* Where a link leads. False: there is no link at `path`. */
bool symlinks_read(struct symlinks *s, const char *path, char target[PATH_BYTES]);

/* `path` as an entry; its target is copied to `target`. False: no link. */
bool symlinks_describe(struct symlinks *s, const char *path, char target[PATH_BYTES],
                       struct fs_info *out);

/* Add the links right below `folder`. */
int symlinks_list(struct symlinks *s, const char *folder, struct listing *out, struct problem *p);

/* Replace links within `path`, in place; the last part only if `last`. */
int symlinks_resolve(struct symlinks *s, char path[PATH_BYTES], bool last, struct problem *p);

#endif
