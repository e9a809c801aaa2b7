/* SPDX-License-Identifier: MIT
 *
 * Taking frames apart; see frames.h. */
#include "pfs/frames.h"

#include <string.h>

void pfs_frames_begin(struct pfs_frames *f)
{
    f->have = 0;
    f->left = 0;
    f->ended = false;
    f->end_flags = 0;
}

/* What lies between our position and `offset`, if anything, is lost. */
static void advance_to(struct pfs_frames *f, uint64_t offset)
{
    if (f->at >= 0 && offset > (uint64_t)f->at)
        f->lose(f->user, (uint64_t)f->at, offset);
    if (f->at < 0 || offset > (uint64_t)f->at)
        f->at = (int64_t)offset;
}

static void begin_frame(struct pfs_frames *f)
{
    switch (f->frame.type) {
    case FRAME_RECORD:
        f->left = f->frame.length;
        f->offset = f->frame.offset;
        if (!(f->frame.flags & FRAME_HEAD)) {
            advance_to(f, f->offset);
            f->joined = true;
        }
        break;
    case FRAME_GAP:
        if (f->at < 0)
            f->at = (int64_t)f->frame.offset;
        advance_to(f, f->frame.number);
        break;
    case FRAME_END:
        f->ended = true;
        f->end_flags = f->frame.flags;
        break;
    }
}

static int take_bytes(struct pfs_frames *f, const char *data, size_t n)
{
    uint64_t offset = f->offset;
    f->left -= (uint32_t)n;
    f->offset += n;
    if (f->frame.flags & FRAME_HEAD)
        return f->joined ? 0 : f->take(f->user, data, n, (int64_t)offset);
    /* Bytes that we have already are not given twice. */
    uint64_t had = (uint64_t)f->at > offset ? (uint64_t)f->at - offset : 0;
    if (had >= n)
        return 0;
    f->at += (int64_t)(n - had);
    return f->take(f->user, data + had, n - had, (int64_t)(offset + had));
}

static int take_head(struct pfs_frames *f, const char *data, size_t n)
{
    memcpy(f->head + f->have, data, n);
    f->have += n;
    if (f->have < FRAME_BYTES)
        return 0;
    f->have = 0;
    if (frame_decode(&f->frame, f->head) < 0 || f->frame.offset > INT64_MAX ||
        (f->frame.type == FRAME_GAP && f->frame.number > INT64_MAX) ||
        (f->frame.type != FRAME_RECORD && f->frame.length))
        return -1;
    begin_frame(f);
    return 0;
}

int pfs_frames_feed(struct pfs_frames *f, const void *data, size_t n, bool *wrong)
{
    const char *p = data;
    *wrong = false;
    while (n) {
        size_t want = f->left ? f->left : FRAME_BYTES - f->have;
        size_t piece = want < n ? want : n;
        if (f->left) {
            if (take_bytes(f, p, piece) < 0)
                return -1;
        } else if (f->ended || take_head(f, p, piece) < 0) {
            *wrong = true;
            return -1;
        }
        p += piece;
        n -= piece;
    }
    return 0;
}
