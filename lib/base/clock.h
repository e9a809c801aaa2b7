/* SPDX-License-Identifier: MIT
 *
 * Monotonic time in nanoseconds. */
#ifndef GOS_BASE_CLOCK_H
#define GOS_BASE_CLOCK_H

#include <stdint.h>

#define GOS__MS INT64_C(1000000)
#define GOS__SECOND INT64_C(1000000000)

int64_t gos__clock_ns(void);

#endif
