/* SPDX-License-Identifier: MIT
 *
 * The framed form of a streaming read (framed=1): each record, gap and end with
 * a head of 40 bytes, numbers in network order.
 *
 *     0  type    1   1 record, 2 gap, 3 end
 *     1  flags   1   see below
 *     2  zero    2
 *     4  length  4   bytes that follow this head; 0 for a gap and the end
 *     8  offset  8   of the first byte; a gap: of the first byte lost
 *    16  number  8   of the record; a gap: the offset behind the last byte lost
 *    24  time    8   nanoseconds since 1970 when the record was written
 *    32  writer  4   its id
 *    36  epoch   4
 *
 * A record that is too large for one piece, or begins before the reader did,
 * comes in several frames of the same number. Pure. */
#ifndef CLI_SERVE_FRAME_H
#define CLI_SERVE_FRAME_H

#include <stdint.h>

#define FRAME_BYTES 40
#define FRAME_TYPE "application/x-gostream-frames"

enum frame_type {
    FRAME_RECORD = 1,
    FRAME_GAP = 2,
    FRAME_END = 3,
};

#define FRAME_MARK 1u    /* a good place to begin */
#define FRAME_HEAD 2u    /* of the sticky head: offsets are from there */
#define FRAME_LATER 4u   /* the record began before these bytes */
#define FRAME_MORE 8u    /* the record goes on in the next frame */
#define FRAME_SEALED 16u /* an end: the stream was sealed */
#define FRAME_GONE 32u   /* an end: the stream was deleted */
#define FRAME_BARE                                                                                 \
    64u /* which record these bytes are of is forgotten: number, time, writer are 0 */

struct frame {
    enum frame_type type;
    uint8_t flags;
    uint32_t length;
    uint64_t offset;
    uint64_t number;
    int64_t wall_ns;
    uint32_t writer;
    uint32_t epoch;
};

void frame_encode(uint8_t out[FRAME_BYTES], const struct frame *f);

/* 0, or -1: no frame begins like this. */
int frame_decode(struct frame *out, const uint8_t in[FRAME_BYTES]);

#endif
