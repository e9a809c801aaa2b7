/* SPDX-License-Identifier: MIT
 *
 * Which torrents a session knows, found by hash: one that sleeps is not in
 * libtorrent, which could tell that it is there already. Intrusive; only the
 * table of buckets is allocated. Pure; the session's lock guards it. */
#ifndef GOS_ENGINE_REGISTRY_H
#define GOS_ENGINE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOS__REGISTRY_KEY 20 /* bytes; of a v2 hash the first, as peers greet each other with */

/* Lives in its torrent; all zero before it is put. */
struct gos__registry_entry {
    struct gos__registry_entry *next;
    uint8_t key[GOS__REGISTRY_KEY];
    bool in;
};

struct gos__registry {
    uint64_t secret; /* odd: so that nobody can choose hashes that share a bucket */
    struct gos__registry_entry **buckets;
    unsigned bits; /* there are 1 << bits of them */
    size_t n;
};

void gos__registry_init(struct gos__registry *r, uint64_t secret);
void gos__registry_finish(struct gos__registry *r);

bool gos__registry_has(const struct gos__registry *r, const uint8_t *key);
/* 0, or GOS_ENOMEM. The key must not be there. */
int gos__registry_put(struct gos__registry *r, struct gos__registry_entry *e, const uint8_t *key);
void gos__registry_take(struct gos__registry *r,
                        struct gos__registry_entry *e); /* fine if not in */

#endif
