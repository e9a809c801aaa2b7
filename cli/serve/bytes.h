/* SPDX-License-Identifier: MIT
 *
 * A growing run of bytes, for bodies that are made in memory. There is always a
 * NUL behind them that does not count. Running out of memory is remembered and
 * told once, at the end. Pure. */
#ifndef CLI_SERVE_BYTES_H
#define CLI_SERVE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

struct bytes {
    char *data; /* malloc'd, or NULL while there is nothing */
    size_t n;
    size_t room;
    bool failed;
};

void bytes_put(struct bytes *b, const void *data, size_t n);
void bytes_text(struct bytes *b, const char *text);
void bytes_format(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_free(struct bytes *b);

#endif
