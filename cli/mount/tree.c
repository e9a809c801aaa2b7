/* SPDX-License-Identifier: MIT
 *
 * Names and inode numbers; see tree.h. Each torrent is a branch, built by one
 * thread and immutable once it hangs from the root, so only the root's list and
 * the table of inode numbers need the lock. */
#include "mount/tree.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mount/names.h"
#include "mount/table.h"

/* One torrent's nodes. */
struct tree_branch {
    struct tree_branch *next;
    struct table names; /* by (parent, name); the top entry is in the root's branch */
    struct tree_node *top;
    char *top_name;           /* if it had to be numbered */
    struct tree_node **nodes; /* all, for the table of inodes and the end */
    size_t n_nodes, room_nodes;
    size_t n_files;
    uint64_t n_bytes;
};

struct tree {
    struct tree_node root;
    struct tree_branch root_branch; /* the names in the root */
    pthread_mutex_t lock;
    /* guarded by lock, as are root's children and root_branch's names */
    struct table inos; /* by the low 32 bits */
    struct tree_branch *branches;
    size_t n_files;
    uint64_t n_bytes;
};

/* ---- hashes ---- */

static uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* FNV's high bits are weak for short keys; this spreads them. */
static uint64_t hash_finish(uint64_t h)
{
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 33);
}

static uint64_t hash_start(void)
{
    return UINT64_C(0xcbf29ce484222325);
}

struct name_key {
    const struct tree_node *parent;
    const char *name;
};

static uint64_t hash_name(const struct name_key *key)
{
    uint64_t h = hash_bytes(hash_start(), &key->parent, sizeof(void *));
    return hash_finish(hash_bytes(h, key->name, strlen(key->name)));
}

static bool same_name(const void *item, const void *key)
{
    const struct tree_node *node = item;
    const struct name_key *k = key;
    return node->parent == k->parent && !strcmp(node->name, k->name);
}

static bool same_low_ino(const void *item, const void *key)
{
    return (uint32_t)((const struct tree_node *)item)->ino == *(const uint32_t *)key;
}

static struct tree_node *find_name(const struct tree_branch *b, const struct tree_node *parent,
                                   const char *name)
{
    struct name_key key = {.parent = parent, .name = name};
    return table_find(&b->names, hash_name(&key), same_name, &key);
}

/* ---- nodes ---- */

static int grow(struct tree_node ***items, size_t n, size_t *room)
{
    if (n < *room)
        return 0;
    size_t bigger = *room ? *room * 2 : 8;
    struct tree_node **moved = reallocarray(*items, bigger, sizeof *moved);
    if (!moved)
        return -1;
    *items = moved;
    *room = bigger;
    return 0;
}

static void free_node(struct tree_node *node)
{
    free(node->children);
    free(node);
}

static void free_branch(struct tree_branch *b)
{
    for (size_t i = 0; i < b->n_nodes; i++)
        free_node(b->nodes[i]);
    free(b->nodes);
    free(b->top_name);
    table_free(&b->names);
    free(b);
}

/* The name lives behind the node: one allocation. */
static struct tree_node *new_node(struct tree_branch *b, struct tree_node *parent, const char *name,
                                  bool is_dir)
{
    size_t n = strlen(name) + 1;
    if (grow(&b->nodes, b->n_nodes, &b->room_nodes) < 0)
        return NULL;
    struct tree_node *node = calloc(1, sizeof *node + n);
    if (!node)
        return NULL;
    node->name = memcpy(node + 1, name, n);
    node->parent = parent;
    node->is_dir = is_dir;
    node->branch = b;
    b->nodes[b->n_nodes++] = node;
    return node;
}

/* Hang `node` into its parent; `names` is where the parent's names are kept. */
static int hang(struct table *names, struct tree_node *node)
{
    struct tree_node *dir = node->parent;
    if (table_reserve(names, 1) < 0 ||
        grow(&dir->children, dir->n_children, &dir->room_children) < 0)
        return -1;
    struct name_key key = {.parent = dir, .name = node->name};
    table_put(names, hash_name(&key), node);
    dir->children[dir->n_children++] = node;
    dir->n_dirs += node->is_dir;
    return 0;
}

/* `name`, or the first numbered form of it that `dir` does not have. */
static void free_name(const struct tree_branch *names, const struct tree_node *dir,
                      char name[NAME_BYTES + 1], bool is_dir)
{
    char original[NAME_BYTES + 1];
    memcpy(original, name, sizeof original);
    for (unsigned number = 2; find_name(names, dir, name); number++)
        names_numbered(name, original, number, is_dir);
}

/* ---- building a branch ---- */

struct build {
    struct tree_branch *branch;
    const struct tree_torrent *torrent;
};

/* Preliminary: unique numbers need the tree's table, see give_inos_locked(). */
static uint64_t ino_of(const struct tree_torrent *torrent, const char *path, size_t n)
{
    uint64_t h = hash_bytes(hash_start(), torrent->identity, strlen(torrent->identity));
    h = hash_bytes(h, "/", 1);
    return hash_finish(hash_bytes(h, path, n));
}

static struct tree_node *build_node(struct build *b, struct tree_node *parent, const char *name,
                                    bool is_dir, size_t path_n, const char *path)
{
    struct tree_node *node = new_node(b->branch, parent, name, is_dir);
    if (!node)
        return NULL;
    node->ino = ino_of(b->torrent, path, path_n);
    node->time = b->torrent->time;
    node->owner = b->torrent->owner;
    return node;
}

/* The directory for one part of a path, made if it is not there. */
static struct tree_node *enter_dir(struct build *b, struct tree_node *parent, const char *path,
                                   const char *part, size_t part_n)
{
    char name[NAME_BYTES + 1];
    names_fit(name, part, part_n, true);
    struct tree_node *dir = find_name(b->branch, parent, name);
    if (dir && dir->is_dir)
        return dir;
    free_name(b->branch, parent, name, true);
    dir = build_node(b, parent, name, true, (size_t)(part + part_n - path), path);
    if (!dir || hang(&b->branch->names, dir) < 0)
        return NULL;
    return dir;
}

/* One file and the directories above it. `top` is the torrent's folder, or NULL
 * if the file itself goes into the root. */
static int build_file(struct build *b, struct tree_node *top, struct tree_node *root, size_t index)
{
    const struct tree_file *file = &b->torrent->files[index];
    const char *path = file->path, *part = path;
    struct tree_node *dir = top;
    if (!top) {
        const char *slash = strrchr(path, '/');
        part = slash ? slash + 1 : path;
    }
    for (const char *slash; top && (slash = strchr(part, '/')); part = slash + 1) {
        if (slash == part)
            continue;
        dir = enter_dir(b, dir, path, part, (size_t)(slash - part));
        if (!dir)
            return -1;
    }
    char name[NAME_BYTES + 1];
    names_fit(name, part, strlen(part), false);
    if (top)
        free_name(b->branch, dir, name, false);
    struct tree_node *node = build_node(b, top ? dir : root, name, false, strlen(path), path);
    if (!node)
        return -1;
    node->size = file->size;
    node->file = index;
    b->branch->n_files++;
    b->branch->n_bytes += file->size;
    if (!top) {
        b->branch->top = node;
        return 0;
    }
    return hang(&b->branch->names, node);
}

static struct tree_branch *build_branch(struct tree *t, const struct tree_torrent *torrent)
{
    struct build b = {.branch = calloc(1, sizeof *b.branch), .torrent = torrent};
    if (!b.branch)
        return NULL;
    struct tree_node *top = NULL;
    if (torrent->folder) {
        char name[NAME_BYTES + 1];
        names_fit(name, torrent->name, strlen(torrent->name), true);
        top = build_node(&b, &t->root, name, true, 0, "");
        if (!top)
            goto fail;
        b.branch->top = top;
    }
    size_t n = torrent->folder ? torrent->n_files : 1;
    for (size_t i = 0; i < n; i++)
        if (build_file(&b, top, &t->root, i) < 0)
            goto fail;
    return b.branch;
fail:
    free_branch(b.branch);
    return NULL;
}

/* ---- joining it to the tree ---- */

/* The numbers are made of content and path, so they are the same after a
 * restart; a collision in the low 32 bits is stepped over. */
static void give_inos_locked(struct tree *t, struct tree_branch *b)
{
    for (size_t i = 0; i < b->n_nodes; i++) {
        struct tree_node *node = b->nodes[i];
        /* Signed 64-bit programs and the root's number are kept clear of. */
        uint64_t high = (node->ino >> 32) & 0x7fffffff;
        uint32_t low = (uint32_t)node->ino;
        while (low <= TREE_ROOT_INO || table_find(&t->inos, low, same_low_ino, &low))
            low++;
        node->ino = high << 32 | low;
        table_put(&t->inos, low, node);
    }
}

/* Give the top entry a name that is free in the root. The room behind the node
 * is too small for a longer name. */
static int name_top_locked(struct tree *t, struct tree_branch *b)
{
    char name[NAME_BYTES + 1];
    snprintf(name, sizeof name, "%s", b->top->name);
    free_name(&t->root_branch, &t->root, name, b->top->is_dir);
    if (strcmp(name, b->top->name) == 0)
        return 0;
    b->top_name = strdup(name);
    if (!b->top_name)
        return -1;
    b->top->name = b->top_name;
    return 0;
}

static int join_locked(struct tree *t, struct tree_branch *b)
{
    if (table_reserve(&t->inos, b->n_nodes) < 0 || name_top_locked(t, b) < 0)
        return -1;
    if (hang(&t->root_branch.names, b->top) < 0)
        return -1;
    give_inos_locked(t, b);
    b->next = t->branches;
    t->branches = b;
    t->n_files += b->n_files;
    t->n_bytes += b->n_bytes;
    return 0;
}

/* ---- the rest of tree.h ---- */

struct tree *tree_new(int64_t time)
{
    struct tree *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    t->root = (struct tree_node){.ino = TREE_ROOT_INO, .name = "", .is_dir = true, .time = time};
    t->root.parent = &t->root;
    t->root.branch = &t->root_branch;
    return t;
}

void tree_free(struct tree *t)
{
    if (!t)
        return;
    while (t->branches) {
        struct tree_branch *b = t->branches;
        t->branches = b->next;
        free_branch(b);
    }
    table_free(&t->root_branch.names);
    table_free(&t->inos);
    free(t->root.children);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

const struct tree_node *tree_add(struct tree *t, const struct tree_torrent *torrent)
{
    if (torrent->n_files == 0)
        return NULL;
    struct tree_branch *b = build_branch(t, torrent);
    if (!b)
        return NULL;
    pthread_mutex_lock(&t->lock);
    int rc = join_locked(t, b);
    pthread_mutex_unlock(&t->lock);
    if (rc < 0) {
        free_branch(b);
        return NULL;
    }
    return b->top;
}

const struct tree_node *tree_root(const struct tree *t)
{
    return &t->root;
}

const struct tree_node *tree_by_ino(struct tree *t, uint64_t ino)
{
    if (ino == TREE_ROOT_INO)
        return &t->root;
    uint32_t low = (uint32_t)ino;
    pthread_mutex_lock(&t->lock);
    const struct tree_node *node = table_find(&t->inos, low, same_low_ino, &low);
    pthread_mutex_unlock(&t->lock);
    return node && node->ino == ino ? node : NULL;
}

const struct tree_node *tree_child(struct tree *t, const struct tree_node *dir, const char *name)
{
    if (dir != &t->root)
        return find_name(dir->branch, dir, name);
    pthread_mutex_lock(&t->lock);
    const struct tree_node *node = find_name(&t->root_branch, dir, name);
    pthread_mutex_unlock(&t->lock);
    return node;
}

const struct tree_node *tree_child_at(struct tree *t, const struct tree_node *dir, size_t index)
{
    pthread_mutex_lock(&t->lock);
    const struct tree_node *node = index < dir->n_children ? dir->children[index] : NULL;
    pthread_mutex_unlock(&t->lock);
    return node;
}

uint32_t tree_count_dirs(struct tree *t, const struct tree_node *dir)
{
    pthread_mutex_lock(&t->lock);
    uint32_t n = dir->n_dirs;
    pthread_mutex_unlock(&t->lock);
    return n;
}

size_t tree_count_files(struct tree *t)
{
    pthread_mutex_lock(&t->lock);
    size_t n = t->n_files;
    pthread_mutex_unlock(&t->lock);
    return n;
}

uint64_t tree_count_bytes(struct tree *t)
{
    pthread_mutex_lock(&t->lock);
    uint64_t n = t->n_bytes;
    pthread_mutex_unlock(&t->lock);
    return n;
}

const char *tree_path(const struct tree_node *node, char *out, size_t size)
{
    const struct tree_node *chain[256];
    size_t depth = 0, used = 0;
    for (; node->parent != node && depth < sizeof chain / sizeof *chain; node = node->parent)
        chain[depth++] = node;
    out[0] = '\0';
    while (depth-- > 0 && used < size) {
        int n = snprintf(out + used, size - used, "%s%s", used ? "/" : "", chain[depth]->name);
        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}
