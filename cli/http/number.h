/* SPDX-License-Identifier: MIT
 *
 * Lengths as they stand on the wire. Pure. */
#ifndef CLI_HTTP_NUMBER_H
#define CLI_HTTP_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* What a digit of base 16 is worth; -1: it is none. */
static inline int http_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Exactly `len` digits of base 10 or 16, at least one: no sign, no space. Returns
 * the number, or -1 if it is none or does not fit. */
static inline int64_t http_number_parse(const char *text, size_t len, int base)
{
    int64_t n = 0;
    if (!len)
        return -1;
    for (size_t i = 0; i < len; i++) {
        int digit = http_digit(text[i]);
        if (digit < 0 || digit >= base || n > (INT64_MAX - digit) / base)
            return -1;
        n = n * base + digit;
    }
    return n;
}

#endif
