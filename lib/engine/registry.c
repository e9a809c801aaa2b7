/* SPDX-License-Identifier: MIT
 *
 * Torrents by hash; see registry.h. Chains in a table that doubles; where there
 * is no memory to double it, chains grow longer. */
#include "engine/registry.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define FIRST_BITS 4

/* The top bits of a product with a secret odd number: whoever does not know it
 * cannot tell which keys fall together. */
static size_t place_of(const struct gos__registry *r, unsigned bits, const uint8_t *key)
{
    uint64_t head;
    memcpy(&head, key, sizeof head);
    return (size_t)((head * r->secret) >> (64 - bits));
}

static struct gos__registry_entry **bucket(const struct gos__registry *r, const uint8_t *key)
{
    return &r->buckets[place_of(r, r->bits, key)];
}

void gos__registry_init(struct gos__registry *r, uint64_t secret)
{
    *r = (struct gos__registry){.secret = secret | 1};
}

void gos__registry_finish(struct gos__registry *r)
{
    gos__free(r->buckets);
    r->buckets = NULL;
}

bool gos__registry_has(const struct gos__registry *r, const uint8_t *key)
{
    const struct gos__registry_entry *e = r->buckets ? *bucket(r, key) : NULL;
    while (e && memcmp(e->key, key, GOS__REGISTRY_KEY))
        e = e->next;
    return e != NULL;
}

static bool grow(struct gos__registry *r)
{
    unsigned bits = r->buckets ? r->bits + 1 : FIRST_BITS;
    struct gos__registry_entry **to = gos__calloc((size_t)1 << bits, sizeof(void *));
    if (!to)
        return false;
    for (size_t i = 0; r->buckets && i < (size_t)1 << r->bits; i++) {
        for (struct gos__registry_entry *e = r->buckets[i], *next; e; e = next) {
            size_t at = place_of(r, bits, e->key);
            next = e->next;
            e->next = to[at];
            to[at] = e;
        }
    }
    gos__free(r->buckets);
    r->buckets = to;
    r->bits = bits;
    return true;
}

int gos__registry_put(struct gos__registry *r, struct gos__registry_entry *e, const uint8_t *key)
{
    bool full = !r->buckets || r->n >= (size_t)1 << r->bits;
    if (full && !grow(r) && !r->buckets)
        return gos__error_nomem();
    memcpy(e->key, key, GOS__REGISTRY_KEY);
    struct gos__registry_entry **at = bucket(r, key);
    e->next = *at;
    *at = e;
    e->in = true;
    r->n++;
    return 0;
}

void gos__registry_take(struct gos__registry *r, struct gos__registry_entry *e)
{
    if (!e->in)
        return;
    struct gos__registry_entry **at = bucket(r, e->key);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    e->in = false;
    r->n--;
}
