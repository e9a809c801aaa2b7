/* SPDX-License-Identifier: MIT
 *
 * A streaming read: from a ring to a client, without a copy of ours. */
#ifndef CLI_SERVE_READING_H
#define CLI_SERVE_READING_H

#include <stdbool.h>

#include <gostream.h>
#include <gostream/ring.h>

#include "http/http.h"
#include "serve/fs.h"
#include "serve/problem.h"
#include "serve/stream.h"

struct handle;
struct reading;

/* GET /files?stream=true of a path in a streamfs mount. */
void reading_start(struct http_exchange *x, struct fs *fs, const char *within);

/* GET /handles/{id}/stream: with the handle's reader, which is the reading's
 * until it ends; then handle_reading_ended() gets it back. `h` and `s` have
 * references, which become the reading's. */
void reading_start_handle(struct http_exchange *x, struct handle *h, struct stream *s,
                          gos_ring_reader *r);

/* End it soon, in order. Any thread, while the handle knows it. */
void reading_stop(struct reading *d);

#endif
