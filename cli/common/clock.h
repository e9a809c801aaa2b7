/* SPDX-License-Identifier: MIT
 *
 * Monotonic time in nanoseconds, as deadlines of the library are told. */
#ifndef CLI_COMMON_CLOCK_H
#define CLI_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

static inline int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

#endif
