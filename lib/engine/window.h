/* SPDX-License-Identifier: MIT
 *
 * Where a source is being read and how far ahead that makes us fetch. A source
 * has a few cursors, because one player reads the head and the index at the tail
 * of a film in turns. Pure; the caller's lock guards it. */
#ifndef GOS_ENGINE_WINDOW_H
#define GOS_ENGINE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define GOS__WINDOW_CURSORS 4
#define GOS__WINDOW_MIN (512u * 1024) /* ahead, right after a jump */
#define GOS__WINDOW_TOLERANCE                                                                      \
    (2u * 1024 * 1024) /* how far from a cursor a read still belongs to it:                        \
                        * kernel read-ahead is reordered by up to 1 MiB */

struct gos__cursor {
    uint64_t origin; /* where it jumped to */
    uint64_t at;     /* offset of the last read that moved it */
    uint64_t next;   /* end of the furthest read */
    uint64_t used;   /* 0: not in use; else the number of its last read */
};

struct gos__window {
    struct gos__cursor cursor[GOS__WINDOW_CURSORS];
    uint64_t reads;
};

/* A read happens. Returns the cursor that it belongs to, new or moved. */
struct gos__cursor *gos__window_read(struct gos__window *w, uint64_t off, uint64_t len);
/* Bytes to fetch ahead of a cursor: as much as was read since the jump, doubled,
 * at most `cap`. */
uint64_t gos__window_ahead(const struct gos__cursor *c, uint64_t cap);
/* Forget cursors whose window touches the range. */
void gos__window_forget(struct gos__window *w, uint64_t off, uint64_t len);

#endif
