/* SPDX-License-Identifier: MIT
 *
 * What was borrowed from a ring as frames: a head before each record, and before
 * what is missing. Pure. */
#ifndef CLI_SERVE_FRAMES_H
#define CLI_SERVE_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <gostream.h>
#include <gostream/ring.h>

#include "serve/frame.h"

#define FRAMES_RECORDS 32
/* A gap, bytes before and behind the records, and the end. */
#define FRAMES_HEADS (FRAMES_RECORDS + 4)
/* Each record has a head, and each slice is cut by records at most so often. */
#define FRAMES_OUT (FRAMES_HEADS + FRAMES_RECORDS + 32)

struct frames {
    struct gos_ring_record records[FRAMES_RECORDS];
    uint8_t heads[FRAMES_HEADS][FRAME_BYTES];
    struct iovec out[FRAMES_OUT];
    bool ended; /* the end was told */
};

/* Fill `out` from a view whose records are ours. Returns how many pieces. */
unsigned frames_build(struct frames *f, const struct gos_ring_view *view);

#endif
