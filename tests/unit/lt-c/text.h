/* SPDX-License-Identifier: MIT
 *
 * Metadata written by hand: bencode, in which strings may hold any bytes. */
#ifndef TESTS_UNIT_LTC_TEXT_H
#define TESTS_UNIT_LTC_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "lt-c/lt-c.h"

#define PIECE 16384

struct text {
    char *bytes;
    size_t len, room;
};

void text_put(struct text *t, const void *bytes, size_t n);
void text_raw(struct text *t, const char *s);
void text_bytes(struct text *t, const void *s, size_t n);
void text_string(struct text *t, const char *s);
void text_number(struct text *t, int64_t n);
void text_hashes(struct text *t, size_t n);
struct text text_of(const char *s);

/* The one that most tests vary: a v1 torrent. `files` is the bencoded list or
 * NULL for one file of `size` bytes. */
struct v1 {
    const char *name;
    int64_t piece_length, size;
    size_t n_hashes;
    const char *files;
};
struct text text_v1(const struct v1 *v);
/* v2, one file of 5 bytes, or longer than a piece and then without layers. */
struct text text_v2(int64_t size, int64_t piece_length);

/* Both take the text. */
void text_refused(struct text t, const char *why);
ltc_info *text_read(struct text t);

#endif
