/* SPDX-License-Identifier: MIT
 *
 * A connection of a seeder whose bytes are a pattern: what a downloader needs of
 * BEP 3, 6, 9 and 10. It unchokes everybody and takes peers at their word. */
#ifndef TESTS_SUPPORT_SEED_PEER_H
#define TESTS_SUPPORT_SEED_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/virtual_torrent.h"

/* What all connections share. */
struct seed {
    struct virtual_torrent t;
    uint64_t rate;      /* bytes of payload per second, 0: no limit */
    int64_t allowance;  /* bytes that may be sent now; below zero: owed */
    int64_t counted_ns; /* up to when the allowance has been given */
    uint64_t uploaded;  /* bytes of payload, ever */
};

struct seed_peer {
    struct seed_peer *next; /* the owner's */
    struct seed *seed;
    int fd;
    bool gone;      /* to be freed: it left, or said what cannot be */
    bool wants_out; /* its socket took not all: serve it again when it can */
    bool told_out;  /* the owner's: what it has told epoll */
    bool greeted, fast;
    int metadata_id;
    unsigned char *in, *out;
    size_t in_len;
    size_t out_at, out_len;
    struct seed_request {
        uint32_t piece, begin, length;
    } * queue;
    unsigned first, n_queued;
};

/* NULL: no memory, and `fd` (a non-blocking socket) is closed. */
struct seed_peer *seed_peer_new(struct seed *seed, int fd);
void seed_peer_free(struct seed_peer *p);

/* Take what has come. */
void seed_peer_receive(struct seed_peer *p);

/* Answer requests for as long as the peer takes the answers and the rate allows. */
void seed_peer_serve(struct seed_peer *p);

void seed_peer_keep_alive(struct seed_peer *p);

/* Let the allowance grow with time. */
void seed_earn(struct seed *seed, int64_t now_ns);

#endif
