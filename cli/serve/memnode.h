/* SPDX-License-Identifier: MIT
 *
 * The tree that memfs keeps: nodes by name, with every byte accounted. No lock
 * here; memfs holds its own. */
#ifndef CLI_SERVE_MEMNODE_H
#define CLI_SERVE_MEMNODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/content.h"

struct memnode {
    char *name;
    struct memnode *parent;
    bool is_dir;
    unsigned mode;
    int64_t mtime_ns;
    /* of a folder: sorted by name */
    struct memnode **children;
    size_t n_children;
    size_t room;
    struct content content; /* of a file */
};

struct memtree {
    struct memnode *root;
    uint64_t used;
    uint64_t limit;
};

int memtree_init(struct memtree *t, uint64_t limit);
void memtree_finish(struct memtree *t);

/* The node at a normalised path, or NULL. */
struct memnode *memtree_find(const struct memtree *t, const char *path);

/* Of `length` bytes of `name` in a folder. */
struct memnode *memnode_child(const struct memnode *folder, const char *name, size_t length);

/* Which of its children comes next behind a name, which none of them need have. */
size_t memnode_behind(const struct memnode *folder, const char *name);

/* A new node in `folder`, which has none of this name. NULL: no room. */
struct memnode *memtree_add(struct memtree *t, struct memnode *folder, const char *name,
                            bool is_dir);

/* Take a node and all below it away. Not the root. */
void memtree_drop(struct memtree *t, struct memnode *node);

/* Hang a node elsewhere under a new name. A file that is there makes room for it, once
 * nothing can fail any more. 0, or -1: no room. */
int memtree_move(struct memtree *t, struct memnode *node, struct memnode *folder, const char *name);

/* Give a file `size` bytes; new ones are zero. 0, or -1: no room. */
int memtree_resize(struct memtree *t, struct memnode *file, uint64_t size);

/* Write into a file, which grows if need be. 0, or -1: no room. */
int memtree_write(struct memtree *t, struct memnode *file, uint64_t at, const void *data, size_t n);

/* The same with a piece that content_splice() takes. */
int memtree_splice(struct memtree *t, struct memnode *file, uint64_t at,
                   const struct content *piece);

/* Give a file another content; the old one is in `content` then. 0, or -1: no room. */
int memtree_exchange(struct memtree *t, struct memnode *file, struct content *content);

#endif
