/* SPDX-License-Identifier: MIT
 *
 * A torrent of one file whose bytes are a pattern (support/data.h): it can be of
 * any size, because nobody keeps the file. */
#ifndef TESTS_SUPPORT_VIRTUAL_TORRENT_H
#define TESTS_SUPPORT_VIRTUAL_TORRENT_H

#include <stddef.h>
#include <stdint.h>

struct virtual_torrent {
    uint64_t size;
    uint32_t piece_length;
    uint64_t seed;
    char name[80]; /* says the three above, so that equal names mean equal bytes */

    /* Made by virtual_torrent_open(). */
    unsigned char *metainfo; /* the whole .torrent */
    size_t metainfo_len;
    const unsigned char *info; /* the dictionary in it */
    size_t info_len;
    unsigned char hash[20];
    uint32_t n_pieces;
};

/* Fill in the rest of `t`, whose first three fields are set. If `path` is the
 * .torrent of the same bytes already it is read; else it is made, which hashes
 * all of them. Returns 0, or -1 and errno. */
int virtual_torrent_open(struct virtual_torrent *t, const char *path);

/* The length of a piece: the last may be short. */
uint32_t virtual_torrent_piece_size(const struct virtual_torrent *t, uint32_t piece);

/* Write the file into `folder`, under the torrent's name. Returns 0, or -1 and errno. */
int virtual_torrent_write(const struct virtual_torrent *t, const char *folder);

void virtual_torrent_close(struct virtual_torrent *t);

#endif
