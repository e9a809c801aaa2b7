/* SPDX-License-Identifier: MIT
 *
 * The names under the mount point and their inode numbers. It only grows: a
 * torrent's entries are built apart and then appear at once, and a node stays
 * valid and unchanged until tree_free(). Knows nothing of FUSE. Any thread. */
#ifndef CLI_MOUNT_TREE_H
#define CLI_MOUNT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_ROOT_INO 1

struct tree;
struct tree_branch;

struct tree_node {
    uint64_t ino; /* low 32 bits unique too: Samba and 32-bit programs cut it */
    const char *name;
    struct tree_node *parent; /* of the root: itself */
    bool is_dir;
    uint64_t size;
    int64_t time; /* seconds since 1970 */
    void *owner;  /* of tree_add() */
    size_t file;  /* index in the list of tree_add() */
    /* the tree's own */
    struct tree_branch *branch;
    struct tree_node **children;
    size_t n_children, room_children;
    uint32_t n_dirs;
};

struct tree_file {
    const char *path; /* '/' between parts */
    uint64_t size;
};

/* What a torrent brings. */
struct tree_torrent {
    const char *name;
    const char *identity; /* unique for its content: the info-hash */
    bool folder;          /* put its files into a folder `name` */
    int64_t time;
    void *owner;
    const struct tree_file *files;
    size_t n_files;
};

/* NULL without memory. `time` is the root's. */
struct tree *tree_new(int64_t time);
void tree_free(struct tree *t);

/* Add a torrent's entries. A name that the root has already gets " (2)" and so
 * on, and so does a path that comes twice in one torrent.
 * Returns the new entry of the root, or NULL without memory (nothing changed)
 * or if there is no file. */
const struct tree_node *tree_add(struct tree *t, const struct tree_torrent *torrent);

const struct tree_node *tree_root(const struct tree *t);
const struct tree_node *tree_by_ino(struct tree *t, uint64_t ino);
const struct tree_node *tree_child(struct tree *t, const struct tree_node *dir, const char *name);

/* The index'th entry of a directory, in a fixed order; NULL behind the last. */
const struct tree_node *tree_child_at(struct tree *t, const struct tree_node *dir, size_t index);

/* Directories in a directory (its link count is this plus 2). */
uint32_t tree_count_dirs(struct tree *t, const struct tree_node *dir);

size_t tree_count_files(struct tree *t);
uint64_t tree_count_bytes(struct tree *t); /* sizes of all files */

/* Path below the mount point, without a leading '/'; cut if it does not fit. */
const char *tree_path(const struct tree_node *node, char *out, size_t size);

#endif
