/* SPDX-License-Identifier: MIT
 *
 * Figures of the server and of its streams, as JSON and for Prometheus. They look at
 * each stream, so they are nothing for a loop. */
#ifndef CLI_SERVE_FIGURES_H
#define CLI_SERVE_FIGURES_H

#include "serve/bytes.h"
#include "serve/server.h"
#include "serve/stream.h"

/* Readers that are listed one by one, of all streams together. */
#define FIGURES_READERS_MAX 1000

/* Of one stream, which is at `path`, or of all (`s` is NULL), with a list of `readers`.
 * `out` has failed if memory ran out. */
void figures_json(struct server *sv, struct stream *s, const char *path, bool readers,
                  struct bytes *out);

void figures_prometheus(struct server *sv, struct bytes *out);

#endif
