/* SPDX-License-Identifier: MIT
 *
 * Where a reader is, and how much is to be fetched ahead of it. A reader has a
 * few cursors, because one player reads the head of a film and the index at its
 * tail in turns. Pure: time is passed in; the session's lock guards it.
 *
 *     kept back            wanted
 *   |-- behind --|-- read --|------ ahead ------|
 *              at         next                 edge
 *
 * A jump makes a cursor of its own. The others then rest: nothing more is asked
 * for them, so that the line is free for where the reader is now, and what is
 * there stays. One that is read again takes up where it was; one that is not
 * read for REST_NS is forgotten. So probes never move the window of a film that
 * plays. */
#ifndef GOS_ENGINE_WINDOW_H
#define GOS_ENGINE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include <gostream/torrent.h>

#define GOS__WINDOW_CURSORS 4
#define GOS__WINDOW_FIRST (512u * 1024)            /* ahead, right after a jump */
#define GOS__WINDOW_PLAY (4u * 1024 * 1024)        /* the same, of who says that it plays */
#define GOS__WINDOW_MAX (UINT64_C(64) << 20)       /* ahead of one cursor */
#define GOS__WINDOW_BEHIND (UINT64_C(8) << 20)     /* kept behind */
#define GOS__WINDOW_TIME_NS (INT64_C(30000000000)) /* ahead, in time of reading */
/* How far from a cursor a read still belongs to it: the kernel's read-ahead is
 * reordered by up to 1 MiB. */
#define GOS__WINDOW_TOLERANCE (2u * 1024 * 1024)

struct gos__cursor {
    uint64_t used; /* 0: not in use; else the number of its last read */
    uint64_t run;  /* bytes read in sequence since the jump */
    uint64_t at;   /* what is before is not needed for the reads of now */
    uint64_t next; /* end of the furthest read */
    uint64_t edge; /* end of what is wanted */
    int64_t used_ns;
    bool resting;
    /* how fast it is read */
    uint64_t rate; /* bytes per second; 0: not known yet */
    int64_t rate_since;
    uint64_t rate_bytes;
};

struct gos__window {
    /* immutable after init, but for kind */
    enum gos_reader_kind kind;
    uint64_t size; /* of the file */
    uint64_t ahead_max, behind_max;
    int64_t ahead_ns;
    uint64_t rate_given; /* 0: measure */

    struct gos__cursor cursor[GOS__WINDOW_CURSORS];
    uint64_t reads, jumps;
    unsigned hops; /* jumps in a row after which nothing was read on */
};

enum gos__window_change {
    GOS__WINDOW_SAME,   /* what is wanted is wanted already */
    GOS__WINDOW_MOVED,  /* more is wanted */
    GOS__WINDOW_JUMPED, /* there is a cursor that was not there, or that rested */
};

/* Zeros in `opts` (or NULL) are defaults. */
void gos__window_init(struct gos__window *w, uint64_t size,
                      const struct gos_torrent_reader_opts *opts);

/* [off, off + len) is read, or is going to be. `step`: bytes by which an edge
 * moves at least (a piece): a window that was filled is not topped up for less. */
enum gos__window_change gos__window_read(struct gos__window *w, uint64_t off, uint64_t len,
                                         uint64_t step, int64_t now);
/* Of a read that is under way, [off, end) was given. */
void gos__window_given(struct gos__window *w, uint64_t off, uint64_t end);
/* Whether a read at `off` belongs to a cursor that rests: it was overtaken by a jump. */
bool gos__window_rests(const struct gos__window *w, uint64_t off);
/* `kind` is another one now. */
void gos__window_kind_changed(struct gos__window *w);
/* Forget cursors that were left for long. Returns when to do it again, or INT64_MAX. */
int64_t gos__window_tidy(struct gos__window *w, int64_t now);
/* Forget cursors whose window touches the range. */
void gos__window_forget(struct gos__window *w, uint64_t off, uint64_t len);
/* The cursor that was read last, or NULL. */
const struct gos__cursor *gos__window_current(const struct gos__window *w);

/* Bytes per second at which the cursor is read: given, measured, or a guess. */
uint64_t gos__window_rate(const struct gos__window *w, const struct gos__cursor *c);

#endif
