/* SPDX-License-Identifier: MIT
 *
 * Figures: bytes per second of late, and sums over torrents. Pure. */
#ifndef GOS_ENGINE_STATS_H
#define GOS_ENGINE_STATS_H

#include <gostream/torrent.h>

/* Bytes in the second that runs and in the one before it. It needs no timer:
 * what is old does not count when it is asked. */
struct gos__rate {
    int64_t since_ns; /* when the second began that runs */
    uint64_t bytes, bytes_before;
};

void gos__rate_add(struct gos__rate *r, int64_t now, uint64_t bytes);
uint64_t gos__rate_get(const struct gos__rate *r, int64_t now); /* bytes per second */

/* What of a torrent's figures is added up over torrents, and stays when it goes. */
struct gos__sums {
    uint64_t received;
    struct gos_traffic traffic; /* but for `rate` */
    int64_t hash_ns;
};

void gos__sums_add(struct gos__sums *sums, const struct gos_torrent_stats *st);

#endif
