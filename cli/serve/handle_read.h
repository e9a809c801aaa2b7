/* SPDX-License-Identifier: MIT
 *
 * Reading from a handle of a stream, which may have to wait. */
#ifndef CLI_SERVE_HANDLE_READ_H
#define CLI_SERVE_HANDLE_READ_H

#include <stdint.h>

#include "http/http.h"
#include "serve/handles.h"

/* More is not given at once. */
#define HANDLE_READ_MAX (1u << 20)

/* GET /handles/{id}/read of a stream. `offset` counts from where the handle
 * began; -1: go on where the last read ended. `h` keeps the caller's reference. */
void handle_read_start(struct http_exchange *x, struct handle *h, size_t size, int64_t offset);

/* The answer: bytes and X-Bytes-Read. */
void handle_read_answer(struct http_exchange *x, const void *data, size_t n);

#endif
