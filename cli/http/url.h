/* SPDX-License-Identifier: MIT
 *
 * Percent-encoding and queries, taken apart. Pure. */
#ifndef CLI_HTTP_URL_H
#define CLI_HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode %XX, and '+' as a space if `plus`, in place. The result is never longer.
 * Its length, or -1: a '%' without two hex digits behind it. */
ptrdiff_t http_url_decode(char *text, size_t len, bool plus);

#define HTTP_QUERY_MAX 32

/* Pairs of a query, in order; later ones than HTTP_QUERY_MAX are an error. Offsets
 * into the text, which each end in a NUL. */
struct http_query {
    unsigned n;
    struct {
        uint16_t key, value, value_len;
    } pair[HTTP_QUERY_MAX];
};

/* Take a query (what is behind the '?', at most UINT16_MAX bytes, with a byte
 * behind it that may be overwritten) apart, in place. 0, or -1: bad encoding, a key
 * with a NUL, or too many pairs. */
int http_query_parse(struct http_query *out, char *text, size_t len);

#endif
