/* SPDX-License-Identifier: MIT
 *
 * Reads a URL as players do: one open-ended request, and another after each jump. */
#ifndef TESTS_SUPPORT_HTTP_READER_H
#define TESTS_SUPPORT_HTTP_READER_H

#include <stddef.h>
#include <stdint.h>

struct http_reader;

/* `host` is an IPv4 address; it and `path` must outlive the reader. NULL: no memory. */
struct http_reader *http_reader_new(const char *host, int port, const char *path);
void http_reader_free(struct http_reader *h);

/* Up to `len` bytes from `off` on: how many, 0 at the end, or -errno. */
int64_t http_reader_read(struct http_reader *h, void *buf, size_t len, uint64_t off);

#endif
