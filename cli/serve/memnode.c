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

size_t memnode_behind(const struct memnode *folder, const char *name)
{
    bool found;
    size_t i = place(folder, name, strlen(name), &found);
    return i + found;
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

/* So that hang() can be. */
static int make_room(struct memnode *folder)
{
    if (folder->n_children < folder->room)
        return 0;
    size_t room = folder->room ? 2 * folder->room : 4;
    struct memnode **children = realloc(folder->children, room * sizeof(*children));
    if (!children)
        return -1;
    folder->children = children;
    folder->room = room;
    return 0;
}

static void hang(struct memnode *folder, struct memnode *node)
{
    bool found;
    size_t i = place(folder, node->name, strlen(node->name), &found);
    memmove(folder->children + i + 1, folder->children + i,
            (folder->n_children - i) * sizeof(*folder->children));
    folder->children[i] = node;
    folder->n_children++;
    node->parent = folder;
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
    if (!node || !node->name || make_room(folder) < 0) {
        t->used -= cost(name);
        if (node)
            free(node->name);
        free(node);
        return NULL;
    }
    node->is_dir = is_dir;
    node->mode = is_dir ? 0755 : 0644;
    hang(folder, node);
    return node;
}

static void free_one(struct memtree *t, struct memnode *node)
{
    if (node->name)
        t->used -= cost(node->name);
    t->used -= content_cost(node->content.size);
    content_free(&node->content);
    free(node->name);
    free(node->children);
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
    struct memnode *there = memnode_child(folder, name, strlen(name));
    uint64_t before = cost(node->name), after = cost(name), room = t->limit - t->used + before;
    if (there && there != node)
        room += cost(there->name) + content_cost(there->content.size);
    char *copy = after <= room ? strdup(name) : NULL;
    if (!copy || make_room(folder) < 0) {
        free(copy);
        return -1;
    }
    if (there && there != node)
        memtree_drop(t, there);
    unhang(node);
    free(node->name);
    node->name = copy;
    hang(folder, node);
    t->used = t->used - before + after;
    return 0;
}

/* ---- what files hold ---- */

/* Room for a file of another size; what it had is given back at the end. */
static bool exchange_cost(struct memtree *t, uint64_t before, uint64_t after)
{
    /* No file is so long that its cost does not fit. */
    if (after > INT64_MAX)
        return false;
    t->used -= content_cost(before);
    if (charge(t, content_cost(after)))
        return true;
    t->used += content_cost(before);
    return false;
}

/* The size was charged, but there was no memory. */
static int refund(struct memtree *t, uint64_t before, uint64_t after)
{
    t->used = t->used - content_cost(after) + content_cost(before);
    return -1;
}

int memtree_resize(struct memtree *t, struct memnode *file, uint64_t size)
{
    uint64_t before = file->content.size;
    if (!exchange_cost(t, before, size))
        return -1;
    return content_resize(&file->content, size) < 0 ? refund(t, before, size) : 0;
}

/* The size of a file after a write, charged. False: no room. */
static bool charge_write(struct memtree *t, const struct memnode *file, uint64_t at, uint64_t n,
                         uint64_t *size)
{
    uint64_t end;
    if (__builtin_add_overflow(at, n, &end))
        return false;
    *size = n > 0 && end > file->content.size ? end : file->content.size;
    return exchange_cost(t, file->content.size, *size);
}

int memtree_write(struct memtree *t, struct memnode *file, uint64_t at, const void *data, size_t n)
{
    uint64_t before = file->content.size, size;
    if (!charge_write(t, file, at, n, &size))
        return -1;
    return content_write(&file->content, at, data, n) < 0 ? refund(t, before, size) : 0;
}

int memtree_splice(struct memtree *t, struct memnode *file, uint64_t at,
                   const struct content *piece)
{
    uint64_t before = file->content.size, size;
    if (!charge_write(t, file, at, piece->size, &size))
        return -1;
    return content_splice(&file->content, at, piece) < 0 ? refund(t, before, size) : 0;
}

int memtree_exchange(struct memtree *t, struct memnode *file, struct content *content)
{
    struct content old = file->content;
    if (!exchange_cost(t, old.size, content->size))
        return -1;
    file->content = *content;
    *content = old;
    return 0;
}
