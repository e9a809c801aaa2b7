/* SPDX-License-Identifier: MIT
 *
 * Lengths as they stand on the wire. Pure. */
#ifndef CLI_HTTP_NUMBER_H
#define CLI_HTTP_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Exactly `len` digits of base 10 or 16, at least one: no sign, no space. Returns
 * the number, or -1 if it is none or does not fit. */
static inline int64_t http_number_parse(const char *text, size_t len, unsigned base)
{
    uint64_t n = 0;
    if (!len)
        return -1;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : base;
        if (digit >= base || n > ((uint64_t)INT64_MAX - digit) / base)
            return -1;
        n = n * base + digit;
    }
    return (int64_t)n;
}

#endif
