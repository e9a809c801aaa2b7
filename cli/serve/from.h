/* SPDX-License-Identifier: MIT
 *
 * Where a reader of a stream begins, as queries say it (from=). Pure. */
#ifndef CLI_SERVE_FROM_H
#define CLI_SERVE_FROM_H

#include <gostream.h>
#include <gostream/ring.h>

#define FROM_FORMAT "oldest, latest, now, mark, an offset, -BYTES (-64KB), or -TIME (-5s)"

/* Fill start, start_value and flags of `opts`. 0, or -1. */
int from_parse(struct gos_ring_reader_opts *opts, const char *text);

#endif
