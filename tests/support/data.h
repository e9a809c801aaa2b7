/* SPDX-License-Identifier: MIT
 *
 * Pattern bytes: what stands at an offset follows from the seed alone, so any
 * read can be checked without a copy of the original. */
#ifndef TESTS_SUPPORT_DATA_H
#define TESTS_SUPPORT_DATA_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of pattern `seed` from `off` on. */
void data_fill(void *buf, size_t len, uint64_t seed, uint64_t off);

/* How many bytes from the start of `buf` are right: `len` when all are. */
size_t data_check(const void *buf, size_t len, uint64_t seed, uint64_t off);

/* The next number of a sequence of random ones; `state` is the seed at first. */
uint64_t data_random(uint64_t *state);

#endif
