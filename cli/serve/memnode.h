/* SPDX-License-Identifier: MIT
 *
 * The tree that memfs keeps: nodes by name, with every byte accounted. No lock
 * here; memfs holds its own. */
#ifndef CLI_SERVE_MEMNODE_H
#define CLI_SERVE_MEMNODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    /* of a file */
    uint8_t *data;
    size_t size;
    size_t allocated;
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

/* A new node in `folder`, which has none of this name. NULL: no room. */
struct memnode *memtree_add(struct memtree *t, struct memnode *folder, const char *name,
                            bool is_dir);

/* Take a node and all below it away. Not the root. */
void memtree_drop(struct memtree *t, struct memnode *node);

/* Hang a node elsewhere under a new name that is free there. 0, or -1: no room. */
int memtree_move(struct memtree *t, struct memnode *node, struct memnode *folder, const char *name);

/* Give a file `size` bytes; new ones are zero. 0, or -1: no room. */
int memtree_resize(struct memtree *t, struct memnode *file, uint64_t size);

#endif
