/* SPDX-License-Identifier: MIT
 *
 * Magnet links (BEP 9, BEP 52): pure. */
#ifndef GOS_ENGINE_MAGNET_H
#define GOS_ENGINE_MAGNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gos__magnet {
    bool has_v1, has_v2;
    uint8_t v1[20], v2[32];
    char *name;      /* dn, decoded, or NULL */
    char **trackers; /* tr, decoded; http, https, udp only; 64 at most */
    size_t n_trackers;
    char **peers; /* x.pe as written; 64 at most */
    size_t n_peers;
};

/* btih in 40 hex digits (either case) or 32 of base32; btmh as 1220 + 64 hex.
 * 0, GOS_EMETADATA (not a magnet link, no hash, a bad one, two different btih),
 * GOS_ENOMEM. `out` is to be finished only after 0. */
int gos__magnet_parse(struct gos__magnet *out, const char *uri);
void gos__magnet_finish(struct gos__magnet *m);

#endif
