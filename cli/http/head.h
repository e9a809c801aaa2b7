/* SPDX-License-Identifier: MIT
 *
 * Heads of requests: where one ends in what has arrived, and what it says. Strict
 * wherever leniency would let two readers of the same bytes see different
 * requests. Pure. */
#ifndef CLI_HTTP_HEAD_H
#define CLI_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http.h"
#include "http/url.h"

#define HTTP_HEAD_MAX 65535 /* bytes, with the empty line at its end */
#define HTTP_URL_MAX 8192
#define HTTP_FIELDS_MAX 100

/* How far a head has been looked at. Zero: not yet. */
struct http_scan {
    uint32_t looked_at; /* bytes */
    uint32_t line;      /* where the line that is not complete yet begins */
    uint32_t begin;     /* where the request line begins: empty lines before it are skipped */
    bool has_begun;
};

/* Look at what has arrived, `len` bytes of which the first were there before.
 * Returns the number of bytes up to and with the empty line that ends the head; 0:
 * it is not complete; negative: it never will be, -status, with a line in `why`. */
int http_head_scan(struct http_scan *scan, const char *buf, size_t len, const char **why);

struct http_head {
    char *text; /* the whole head; all offsets are into it */
    uint32_t len;
    uint16_t method_text, path, query_text;
    uint8_t method; /* enum http_method */
    uint8_t minor;  /* HTTP/1.minor */
    bool chunked;
    bool expects_continue;
    bool keep_alive;
    int64_t content_length;  /* -1: not given; no body unless chunked */
    struct http_query query; /* offsets from query_text */
    unsigned n_fields;
    struct {
        uint16_t name, value;
    } field[HTTP_FIELDS_MAX];
};

/* Take a complete head (as http_head_scan() found it; text + begin, length less
 * begin) apart, in place. 0, or the status to answer with and a line in `why`. */
int http_head_parse(struct http_head *out, char *text, size_t len, const char **why);

/* The first field of that name, or NULL. */
const char *http_head_field(const struct http_head *h, const char *name);

/* Whether a byte may be in a token (names of methods and fields). */
bool http_is_token_char(char c);

#endif
