/* SPDX-License-Identifier: MIT
 *
 * The smaller and the larger of two, by type. */
#ifndef GOS_BASE_MINMAX_H
#define GOS_BASE_MINMAX_H

#include <stdint.h>

static inline uint64_t gos__min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t gos__max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline int64_t gos__min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t gos__max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
