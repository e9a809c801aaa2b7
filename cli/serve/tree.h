/* SPDX-License-Identifier: MIT
 *
 * The whole tree as clients see it: mounts, symbolic links, and the folders that
 * exist because something is mounted below them. Any thread. */
#ifndef CLI_SERVE_TREE_H
#define CLI_SERVE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/bytes.h"
#include "serve/fs.h"
#include "serve/mounts.h"
#include "serve/path.h"
#include "serve/symlinks.h"

struct tree {
    struct mounts mounts;
    struct symlinks symlinks;
};

/* A path looked up. */
struct place {
    struct mount *mount; /* a reference; NULL: nothing is mounted there */
    char path[PATH_BYTES];
    const char *within; /* points into `path`, or is "/" */
};

void tree_init(struct tree *t);
void tree_finish(struct tree *t);

/* Where a normalised path leads. `last`: also through a link that it is itself.
 * Fails only for links in circles. */
int place_find(struct tree *t, const char *path, bool last, struct place *out, struct problem *p);

/* The same, and something must be mounted there: else 404 "VERB: PATH: not found". */
int place_need(struct tree *t, const char *path, const char *verb, bool last, struct place *out,
               struct problem *p);
void place_release(struct place *place);

int tree_list(struct tree *t, const char *path, struct listing *out, struct problem *p);
/* `target` is where Content of a link is kept. */
int tree_stat(struct tree *t, const char *path, char name[PATH_BYTES], char target[PATH_BYTES],
              struct fs_info *out, struct problem *p);
int tree_read(struct tree *t, const char *path, uint64_t offset, uint64_t size, struct bytes *out,
              struct problem *p);
/* The same without a copy, for `out`, which is empty. */
int tree_share(struct tree *t, const char *path, uint64_t offset, uint64_t size,
               struct content *out, struct problem *p);
int tree_write(struct tree *t, const char *path, const void *data, size_t n, struct problem *p);
/* The same with bytes that become the file's; `content` is what is left to free. */
int tree_put(struct tree *t, const char *path, struct content *content, struct problem *p);
int tree_create(struct tree *t, const char *path, struct problem *p);
int tree_mkdir(struct tree *t, const char *path, unsigned mode, struct problem *p);
int tree_remove(struct tree *t, const char *path, bool recursive, struct problem *p);
int tree_rename(struct tree *t, const char *from, const char *to, struct problem *p);
int tree_chmod(struct tree *t, const char *path, unsigned mode, struct problem *p);
int tree_truncate(struct tree *t, const char *path, uint64_t size, struct problem *p);
int tree_touch(struct tree *t, const char *path, struct problem *p);
int tree_symlink(struct tree *t, const char *path, const char *target, struct problem *p);
int tree_readlink(struct tree *t, const char *path, char target[PATH_BYTES], struct problem *p);

#endif
