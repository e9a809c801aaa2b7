/* SPDX-License-Identifier: MIT
 *
 * The monotonic clock. Any thread. */
#include "base/clock.h"

#include <time.h>

int64_t gos__clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * GOS__SECOND + t.tv_nsec;
}
