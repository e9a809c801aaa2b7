/* SPDX-License-Identifier: MIT
 *
 * A set of pointers found by a hash; see table.h. */
#include "mount/table.h"

#include <assert.h>
#include <stdlib.h>

static size_t first_slot(const struct table *t, uint64_t hash)
{
    return (size_t)hash & (t->size - 1);
}

void *table_find(const struct table *t, uint64_t hash, bool (*match)(const void *, const void *),
                 const void *key)
{
    if (t->size == 0)
        return NULL;
    for (size_t i = first_slot(t, hash); t->slots[i].item; i = (i + 1) & (t->size - 1))
        if (t->slots[i].hash == hash && match(t->slots[i].item, key))
            return t->slots[i].item;
    return NULL;
}

void table_put(struct table *t, uint64_t hash, void *item)
{
    assert(t->n < t->size);
    size_t i = first_slot(t, hash);
    while (t->slots[i].item)
        i = (i + 1) & (t->size - 1);
    t->slots[i] = (struct table_slot){.hash = hash, .item = item};
    t->n++;
}

int table_reserve(struct table *t, size_t more)
{
    size_t size = t->size ? t->size : 16;
    while ((t->n + more) * 4 > size * 3)
        size *= 2;
    if (size == t->size)
        return 0;
    struct table bigger = {.size = size, .slots = calloc(size, sizeof *bigger.slots)};
    if (!bigger.slots)
        return -1;
    for (size_t i = 0; i < t->size; i++)
        if (t->slots[i].item)
            table_put(&bigger, t->slots[i].hash, t->slots[i].item);
    free(t->slots);
    *t = bigger;
    return 0;
}

void table_free(struct table *t)
{
    free(t->slots);
    *t = (struct table){0};
}
