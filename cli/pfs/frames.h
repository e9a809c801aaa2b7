/* SPDX-License-Identifier: MIT
 *
 * A framed stream (serve/frame.h) taken apart as it arrives, in pieces of any
 * size, with the position kept: what was lost is found out exactly. Pure. */
#ifndef CLI_PFS_FRAMES_H
#define CLI_PFS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/frame.h"

struct pfs_frames {
    /* Bytes of the stream, with their absolute offset; -1: enough. */
    int (*take)(void *user, const void *data, size_t n, int64_t offset);
    /* [from, to) will not come. */
    void (*lose)(void *user, uint64_t from, uint64_t to);
    void *user;

    int64_t at;  /* offset of the next byte; -1: not known yet */
    bool joined; /* the sticky head was had: it is not wanted again */
    bool ended;  /* by an end frame, whose flags are these: */
    uint8_t end_flags;

    /* inside */
    uint8_t head[FRAME_BYTES];
    size_t have; /* bytes of head */
    struct frame frame;
    uint32_t left;   /* bytes of the frame's that are still to come */
    uint64_t offset; /* of the next one of them */
};

/* A new answer begins; what is known of the position stays. */
void pfs_frames_begin(struct pfs_frames *f);

/* 0; -1: take() had enough, or (wrong is set) this is no framed stream. */
int pfs_frames_feed(struct pfs_frames *f, const void *data, size_t n, bool *wrong);

#endif
