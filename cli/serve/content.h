/* SPDX-License-Identifier: MIT
 *
 * The bytes of a file in blocks that are counted: who reads shares them as they are
 * now, which copies none of them, and keeps them for as long as it takes; who writes
 * replaces the blocks that somebody shares. A content belongs to one thread at a time;
 * contents that share blocks need not belong to the same. */
#ifndef CLI_SERVE_CONTENT_H
#define CLI_SERVE_CONTENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define CONTENT_BLOCK 65536u

struct content_block;

/* Zero is an empty one. */
struct content {
    struct content_block **blocks; /* NULL within: nothing but zeros */
    size_t n, room;
    size_t skip; /* bytes of the first block that are not part of it */
    uint64_t size;
};

/* The memory that `size` bytes take. */
uint64_t content_cost(uint64_t size);

/* New bytes are zero. 0, or -1: no memory, and nothing has changed. */
int content_resize(struct content *c, uint64_t size);

/* Beyond the end it grows. 0, or -1: no memory, and nothing has changed. */
int content_write(struct content *c, uint64_t at, const void *data, size_t n);

/* Make `piece`, which begins with skip == at % CONTENT_BLOCK, the bytes at `at`: whole
 * blocks change hands, at most two are copied. Both stay to be freed. 0, or -1. */
int content_splice(struct content *c, uint64_t at, const struct content *piece);

/* `n` of its bytes, which it has, for `out`, which is empty. 0, or -1: no memory. */
int content_share(struct content *out, const struct content *c, uint64_t at, uint64_t n);

/* Where its bytes from `at` on are: how many of the `max` were filled. */
unsigned content_slices(const struct content *c, uint64_t at, struct iovec *out, unsigned max);

/* Into `size` bytes of room. */
void content_copy(const struct content *c, char *out);

/* Empty it; zero is fine. */
void content_free(struct content *c);

#endif
