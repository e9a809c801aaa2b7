/* SPDX-License-Identifier: MIT
 *
 * Taking a chunked request body apart as it arrives. Pure. */
#ifndef CLI_HTTP_CHUNKED_H
#define CLI_HTTP_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero is the start. */
struct http_chunked {
    uint64_t left;  /* data bytes of this chunk that have not come yet */
    uint16_t line;  /* bytes of the size line, or of all trailers, so far */
    uint8_t digits; /* of the size */
    uint8_t state;
};

enum http_chunked_found {
    HTTP_CHUNKED_BAD = -1,
    HTTP_CHUNKED_MORE, /* all input used, more is needed */
    HTTP_CHUNKED_DATA, /* `len` bytes at `data` */
    HTTP_CHUNKED_DONE, /* the body is complete, with its trailers */
};

struct http_chunked_step {
    size_t used; /* bytes of the input that are done with */
    const char *data;
    size_t len;
    bool chunk_end; /* these data end a chunk */
    const char *why;
};

/* The next thing in `in`. */
enum http_chunked_found http_chunked_next(struct http_chunked *c, const char *in, size_t len,
                                          struct http_chunked_step *out);

/* The last `len` bytes of the data just found were not taken: they come again. */
void http_chunked_unread(struct http_chunked *c, size_t len);

#endif
