/* SPDX-License-Identifier: MIT
 *
 * The tree of memfs; see memnode.h. The caller holds the lock. */
#include "serve/memnode.h"

#include <stdlib.h>
#include <string.h>

/* What a node costs beside its bytes and its name, told to the limit. */
#define NODE_COST (sizeof(struct memnode) + 2 * sizeof(void *))

static uint64_t cost(const char *name)
{
    return NODE_COST + strlen(name) + 1;
}

static bool charge(struct memtree *t, uint64_t bytes)
{
    if (bytes > t->limit - t->used)
        return false;
    t->used += bytes;
    return true;
}

int memtree_init(struct memtree *t, uint64_t limit)
{
    *t = (struct memtree){.limit = limit};
    t->root = calloc(1, sizeof *t->root);
    if (!t->root)
        return -1;
    t->root->is_dir = true;
    t->root->mode = 0755;
    return 0;
}

static int compare(const char *name, size_t length, const struct memnode *node)
{
    int order = strncmp(name, node->name, length);
    return order ? order : (node->name[length] ? -1 : 0);
}

/* Where the name is among the children, or would be. */
static size_t place(const struct memnode *folder, const char *name, size_t length, bool *found)
{
    size_t low = 0, high = folder->n_children;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = compare(name, length, folder->children[middle]);
        if (order == 0) {
            *found = true;
            low = middle;
        } else if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

struct memnode *memnode_child(const struct memnode *folder, const char *name, size_t length)
{
    bool found;
    size_t i = place(folder, name, length, &found);
    return found ? folder->children[i] : NULL;
}

struct memnode *memtree_find(const struct memtree *t, const char *path)
{
    struct memnode *node = t->root;
    while (node && *path) {
        path += *path == '/';
        size_t n = strcspn(path, "/");
        if (n == 0)
            break;
        node = node->is_dir ? memnode_child(node, path, n) : NULL;
        path += n;
    }
    return node;
}

static int hang(struct memnode *folder, struct memnode *node)
{
    if (folder->n_children == folder->room) {
        size_t room = folder->room ? 2 * folder->room : 4;
        struct memnode **children = realloc(folder->children, room * sizeof(*children));
        if (!children)
            return -1;
        folder->children = children;
        folder->room = room;
    }
    bool found;
    size_t i = place(folder, node->name, strlen(node->name), &found);
    memmove(folder->children + i + 1, folder->children + i,
            (folder->n_children - i) * sizeof(*folder->children));
    folder->children[i] = node;
    folder->n_children++;
    node->parent = folder;
    return 0;
}

static void unhang(struct memnode *node)
{
    struct memnode *folder = node->parent;
    bool found;
    size_t i = place(folder, node->name, strlen(node->name), &found);
    folder->n_children--;
    memmove(folder->children + i, folder->children + i + 1,
            (folder->n_children - i) * sizeof(*folder->children));
    node->parent = NULL;
}

struct memnode *memtree_add(struct memtree *t, struct memnode *folder, const char *name,
                            bool is_dir)
{
    if (!charge(t, cost(name)))
        return NULL;
    struct memnode *node = calloc(1, sizeof *node);
    if (node)
        node->name = strdup(name);
    if (!node || !node->name || hang(folder, node) < 0) {
        t->used -= cost(name);
        if (node)
            free(node->name);
        free(node);
        return NULL;
    }
    node->is_dir = is_dir;
    node->mode = is_dir ? 0755 : 0644;
    return node;
}

static void free_one(struct memtree *t, struct memnode *node)
{
    if (node->name)
        t->used -= cost(node->name);
    t->used -= node->allocated;
    free(node->name);
    free(node->children);
    free(node->data);
    free(node);
}

/* Without recursion: how deep the tree is, clients decide. */
static void free_all(struct memtree *t, struct memnode *top)
{
    struct memnode *node = top;
    while (node) {
        if (node->n_children > 0) {
            node = node->children[--node->n_children];
            continue;
        }
        struct memnode *parent = node == top ? NULL : node->parent;
        free_one(t, node);
        node = parent;
    }
}

void memtree_drop(struct memtree *t, struct memnode *node)
{
    unhang(node);
    free_all(t, node);
}

void memtree_finish(struct memtree *t)
{
    if (t->root)
        free_all(t, t->root);
    t->root = NULL;
}

int memtree_move(struct memtree *t, struct memnode *node, struct memnode *folder, const char *name)
{
    uint64_t before = cost(node->name), after = cost(name);
    char *copy = strdup(name);
    if (!copy || (after > before && !charge(t, after - before))) {
        free(copy);
        return -1;
    }
    if (after < before)
        t->used -= before - after;

    struct memnode *old_folder = node->parent;
    char *old_name = node->name;
    unhang(node);
    node->name = copy;
    if (hang(folder, node) < 0) {
        node->name = old_name;
        /* There was room for it a moment ago. */
        (void)hang(old_folder, node);
        t->used = t->used - after + before;
        free(copy);
        return -1;
    }
    free(old_name);
    return 0;
}

int memtree_resize(struct memtree *t, struct memnode *file, uint64_t size)
{
    if (size > file->allocated) {
        /* Grow by a quarter, so that many small writes do not copy each time, but
         * only as far as the limit lets. */
        uint64_t wanted = size + size / 4;
        if (wanted - file->allocated > t->limit - t->used)
            wanted = size;
        if (!charge(t, wanted - file->allocated))
            return -1;
        uint8_t *data = realloc(file->data, wanted);
        if (!data) {
            t->used -= wanted - file->allocated;
            return -1;
        }
        file->data = data;
        file->allocated = wanted;
    } else if (size == 0 && file->allocated) {
        t->used -= file->allocated;
        free(file->data);
        file->data = NULL;
        file->allocated = 0;
    }
    if (size > file->size)
        memset(file->data + file->size, 0, size - file->size);
    file->size = size;
    return 0;
}
