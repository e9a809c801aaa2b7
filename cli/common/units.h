/* SPDX-License-Identifier: MIT
 *
 * Sizes and times as a person types them. Pure, and the same in every locale. */
#ifndef CLI_COMMON_UNITS_H
#define CLI_COMMON_UNITS_H

#include <stdint.h>

#define UNITS_TOO_LARGE (-2)

/* "64M", "64MiB", "64MB", "1.5g", "4096": powers of 1024, K to P, an optional
 * "iB" or "B" behind the letter. A fraction needs a unit and is rounded down to
 * a byte. A lower-case "b" is refused because it means bits.
 * 0; -1: it is none; UNITS_TOO_LARGE: it does not fit an int64_t. Then `out` is
 * untouched. */
int units_parse_size(uint64_t *out, const char *text);

/* "60", "2.5", "60s": seconds as nanoseconds. Returns the same. */
int units_parse_seconds(int64_t *out, const char *text);

#endif
