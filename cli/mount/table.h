/* SPDX-License-Identifier: MIT
 *
 * A set of pointers found by a hash: open addressing, growing, nothing is ever
 * taken out. Its owner locks it. */
#ifndef CLI_MOUNT_TABLE_H
#define CLI_MOUNT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
    uint64_t hash;
    void *item;
};

struct table {
    struct table_slot *slots;
    size_t n, size; /* size is 0 or a power of two */
};

/* The first item with this hash for which `match(item, key)` holds, or NULL. */
void *table_find(const struct table *t, uint64_t hash, bool (*match)(const void *, const void *),
                 const void *key);

/* Make room for `more` items, so that as many table_put() cannot fail. 0 or -1. */
int table_reserve(struct table *t, size_t more);

/* Add an item for which room was reserved. */
void table_put(struct table *t, uint64_t hash, void *item);

void table_free(struct table *t);

#endif
