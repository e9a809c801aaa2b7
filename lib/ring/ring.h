/* SPDX-License-Identifier: MIT
 *
 * The inside of a ring, shared by the files of this room.
 *
 * Bytes lie in segments of one size; the segment of an offset is found by a
 * shift. Beside them is an index with an entry for each record. Two locks:
 *
 *   append_lock  makes the one order of all records. Held while a record is
 *                copied, so readers never take it.
 *   lock         what is kept, who reads, who waits. Held for a few dozen
 *                instructions, never while bytes are copied. Taken by an append
 *                only when it needs a segment or somebody sleeps.
 *
 * Order: append_lock, then lock; a set's lock is taken with or without
 * append_lock, never with lock. An append publishes by storing `records` and
 * then `tail`; a reader that sees them sees the bytes. */
#ifndef GOS_RING_RING_H
#define GOS_RING_RING_H

#include <stdatomic.h>
#include <stdbool.h>

#include <gostream/ring.h>
#include <gostream/ring_set.h>
#include <gostream/ring_stats.h>

#include "base/list.h"
#include "base/thread.h"
#include "ring/sleeper.h"

#define GOS__RING_HELD_MAX (4u << 20)      /* that one reader may have borrowed, or keep */
#define GOS__RING_NONE UINT64_MAX          /* no such offset */
#define GOS__RING_FOR_EVER (INT64_MAX / 2) /* a time that can be added to now */
#define GOS__RING_LINE 64                  /* what two processors write lies this far apart */

/* A piece of the stream. It lives as long as somebody refers to it: the window,
 * and everyone who borrowed of it. */
struct gos__segment {
    struct gos__segment *next; /* its successor in the stream, or in the list of spare ones */
    uint64_t base;             /* offset of data[0] while it is in the stream */
    size_t size;
    unsigned char *data;              /* in the same memory, at the begin of a line */
    char before_refs[GOS__RING_LINE]; /* readers count here while the writer looks above */
    atomic_uint refs;
};

/* A record in the index. */
struct gos__entry {
    uint64_t off;
    int64_t mono_ns, wall_ns;
    uint32_t len : 31, mark : 1;
    uint32_t writer;
};

/* A place where an epoch begins. */
struct gos__epoch {
    uint64_t off;
    uint32_t number;
};

/* The watches of one kind. */
struct gos__watches {
    struct gos_ring_watch *first;
};

struct gos__names; /* who has written */

/* A set, and the one it is within. */
#define GOS__SET_LEVELS 2

/* Where a ring stands in a set. */
struct gos__set_place {
    struct gos__list link;
    gos_ring *ring;
    uint64_t tried; /* the last round in which it was asked to give something up */
};

struct gos_ring {
    /* immutable after new */
    struct gos_ring_opts opts; /* as in force */
    uint64_t storage, max_record, max_records;
    unsigned shift; /* segments are 1 << shift bytes */
    unsigned max_spare;
    unsigned max_spinners; /* processors but one */
    int64_t created_wall_ns, created_mono_ns;
    /* by the level of a set; each guarded by the lock of its set */
    struct gos__set_place in_sets[GOS__SET_LEVELS];

    /* Written by each append, looked at by readers again and again. */
    char before_tail[GOS__RING_LINE];
    _Atomic uint64_t newest;  /* begin of the newest record */
    _Atomic uint64_t records; /* published */
    _Atomic uint64_t tail;
    char after_tail[GOS__RING_LINE];

    /* any thread, atomic; looked at by each append, seldom written */
    atomic_uint armed;              /* somebody sleeps or watches for bytes */
    atomic_bool recheck;            /* the append's short cut is not valid any more */
    atomic_int state;               /* enum gos_ring_state; written under both locks */
    _Atomic uint64_t oldest_record; /* written under lock */
    _Atomic uint64_t last_mark;     /* offset of the newest marked record; GOS__RING_NONE */
    /* written under both locks, so that holding either is enough to read */
    struct gos__entry *index; /* of record n: index[n & (index_cap - 1)] */
    uint64_t index_cap;
    char after_index[GOS__RING_LINE];

    gos__mutex append_lock;
    /* guarded by append_lock */
    struct gos__segment *at; /* where the next byte goes; NULL: a new one is needed first */
    uint64_t fast_until;     /* appends up to here need no look at the window */
    int64_t age_due;         /* when the oldest record gets too old */
    int64_t wall_offset, wall_checked_ns;
    uint64_t head_left;         /* bytes that the sticky head still lacks */
    _Atomic int64_t written_ns; /* any thread reads it */
    char after_append[GOS__RING_LINE];

    /* any thread, atomic; written by readers and where a segment comes or goes */
    atomic_uint refs, writers, spinners;
    _Atomic uint64_t memory;
    _Atomic int64_t left_ns; /* when somebody last left */
    atomic_uint next_writer;

    gos__mutex lock;
    gos__cond fired; /* a watch's `wake` has returned */
    /* guarded by lock */
    struct gos__segment **dir; /* of segment n: dir[n & (dir_cap - 1)] */
    uint64_t dir_cap, first_seg, n_segs;
    struct gos__segment *spare;
    unsigned n_spare;
    uint64_t floor; /* bytes from here on are kept */
    struct gos__epoch *epochs;
    unsigned n_epochs, cap_epochs;
    struct gos__segment *head; /* sticky head of the newest epoch; base is where that began */
    uint64_t head_len;
    struct gos__list readers, holders;        /* holders: those that writers have to think of */
    struct gos__list sleepers, room_sleepers; /* struct gos__sleeper */
    struct gos__watches watches, room_watches;
    uint64_t alarms, told_alarms;    /* how often a reader was disconnected by looking for room */
    uint64_t n_readers, last_reader; /* the id that was given last */
    uint64_t gaps, dropped_bytes, blocked_ns;
    struct gos__names *names;
};

struct gos_ring_writer {
    gos_ring *ring;
    uint32_t id;
    char name[64]; /* "" for none */
    /* guarded by the ring's append_lock */
    bool new_epoch; /* begins with the next record */
    bool unknown;   /* its name is not in the ring's list yet */
};

struct gos_ring_reader {
    /* immutable after open */
    gos_ring *ring;
    struct gos_ring_reader_opts opts; /* as in force */
    /* of the thread that reads */
    uint64_t spin_ns;   /* how long it looks before it sleeps; 0: not at all */
    unsigned rest;      /* waits that it does not look in */
    unsigned penalty;   /* rest after the next interruption */
    unsigned vain;      /* looks, see judge_look() */
    int64_t slept_ns;   /* when the last sleep began that nothing was learnt from yet; 0 */
    uint64_t slept_for; /* the offset that it waited for */
    int fd;             /* eventfd, or -1 */
    struct gos_ring_watch watch;
    struct gos__sleeper sleeper; /* its link is guarded by the ring's lock */
    /* written by the thread that reads under the ring's lock; either reads it */
    uint64_t pos;
    bool settled;   /* pos is known */
    bool caught_up; /* has been at the tail, so the lag rule holds */
    /* guarded by the ring's lock */
    struct gos__list link, holder_link;
    uint64_t id;                /* this and the next do not change after open */
    int64_t opened_ns;          /* monotonic */
    uint64_t stop;              /* DROP_NEW: loses what comes from here on */
    struct gos__segment **kept; /* DROP_NEW: for it alone */
    unsigned kept_first, kept_end, kept_cap;
    int64_t blocked_since, blocked_seen; /* BLOCK: writers wait since, waited last; 0: do not */
    bool gap;                            /* [gap_from, gap_to) is still to be told */
    uint64_t gap_from, gap_to;
    uint32_t epoch;            /* of the last byte; 0 before the first */
    struct gos__segment *head; /* what it still has to get of the sticky head */
    uint64_t head_at, head_end;
    uint64_t read_bytes, head_bytes, gaps, dropped_bytes;
    /* any thread, atomic */
    _Atomic uint64_t held;
    atomic_int status; /* why it was disconnected; written under the ring's lock */
};

/* ---- what is kept: window.c ---- */

/* A moment of the ring that fits together. */
struct gos__span {
    uint64_t first, records; /* numbers of the kept records: [first, records) */
    uint64_t floor, tail;
    uint64_t newest; /* begin of the newest record; tail when none is kept */
};

struct gos__span gos__window_span_locked(gos_ring *ring) GOS_REQUIRES(ring->lock);
/* The same without the numbers of records, and without looking at the index,
 * whose newest line an append is writing. */
struct gos__span gos__window_edge_locked(gos_ring *ring) GOS_REQUIRES(ring->lock);
static inline const struct gos__entry *gos__window_entry(const gos_ring *ring, uint64_t number)
{
    return &ring->index[number & (ring->index_cap - 1)];
}
/* The first kept record that begins at `off` or later; span->records if none does. */
uint64_t gos__window_find(const gos_ring *ring, const struct gos__span *span, uint64_t off);
/* The kept record that has the byte at `off`; span->records if it is none's. */
uint64_t gos__window_find_containing(const gos_ring *ring, const struct gos__span *span,
                                     uint64_t off);
/* The first kept record that is not older than `mono_ns`. */
uint64_t gos__window_find_time(const gos_ring *ring, const struct gos__span *span, int64_t mono_ns);
/* Where record `number` begins; the tail for span->records. */
uint64_t gos__window_begin(const gos_ring *ring, const struct gos__span *span, uint64_t number);
/* Where the history that a late reader gets begins. */
uint64_t gos__window_history(const gos_ring *ring, const struct gos__span *span);
void gos__window_describe_locked(gos_ring *ring, uint64_t number, struct gos_ring_record *out)
    GOS_REQUIRES(ring->lock);

/* No longer keep what lies before `off`. Segments are spared for the next
 * append, or with `release` freed. */
void gos__window_evict_locked(gos_ring *ring, uint64_t off, bool release) GOS_REQUIRES(ring->lock);
/* Records that are too old. Returns when the next one gets so. */
int64_t gos__window_age_locked(gos_ring *ring, int64_t now) GOS_REQUIRES(ring->lock);
/* Free at least a segment's memory by giving up the oldest history. Returns the
 * bytes freed; 0 when there is nothing that may go. */
uint64_t gos__window_give_up(gos_ring *ring, uint64_t *evicted);
/* Room for a record of `len` bytes at the tail: 1 when there is, 0 when another
 * segment is to be given with gos__window_add_spare_locked() first, GOS_EAGAIN
 * when a blocking reader holds it up. */
int gos__window_extend_locked(gos_ring *ring, uint64_t len)
    GOS_REQUIRES(ring->append_lock, ring->lock);
void gos__window_add_spare_locked(gos_ring *ring, struct gos__segment *s) GOS_REQUIRES(ring->lock);
/* An entry for one more record. */
int gos__window_reserve_index(gos_ring *ring) GOS_REQUIRES(ring->append_lock);

/* ---- segments: segment.c ---- */

int gos__segment_new(struct gos__segment **out, gos_ring *ring, size_t size);
/* Memory that is not a segment, counted all the same. */
int gos__segment_charge(gos_ring *ring, uint64_t bytes);
void gos__segment_discharge(gos_ring *ring, uint64_t bytes);
static inline void gos__segment_ref(struct gos__segment *s)
{
    /* Relaxed: who takes a reference has one, or the ring's lock. */
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}
void gos__segment_unref_locked(gos_ring *ring, struct gos__segment *s, bool release)
    GOS_REQUIRES(ring->lock);
/* `n` segments that follow each other in the stream. */
void gos__segment_unref_chain(gos_ring *ring, struct gos__segment *first, uint64_t n);
void gos__segment_free_spare_locked(gos_ring *ring) GOS_REQUIRES(ring->lock);
void gos__segment_free(gos_ring *ring, struct gos__segment *s);

/* ---- readers that writers have to think of: room.c ---- */

struct gos__room {
    uint64_t until;   /* records that end here or before need not ask again */
    int64_t retry_ns; /* when a reader's time is up; INT64_MAX */
    bool alarm;       /* a reader was disconnected: gos__wake_room() is due */
};

/* Whether a record of `len` bytes may be appended now. */
bool gos__room_check_locked(gos_ring *ring, uint64_t len, int64_t now, struct gos__room *out)
    GOS_REQUIRES(ring->lock);
/* The least offset that a blocking reader still needs; GOS__RING_NONE. */
uint64_t gos__room_pinned_locked(gos_ring *ring) GOS_REQUIRES(ring->lock);
/* A segment leaves the window: readers that keep what they have take it over. */
void gos__room_keep_locked(gos_ring *ring, struct gos__segment *s) GOS_REQUIRES(ring->lock);
/* A reader has moved or left. Returns whether gos__wake_room() is to be called
 * once the lock is free. */
bool gos__room_moved_locked(gos_ring *ring) GOS_REQUIRES(ring->lock);
/* Wait until a record of `len` bytes fits, or the stream ends. 0 in both cases. */
int gos__room_wait(gos_ring *ring, uint64_t len, const struct gos_io *io);

/* ---- being told: wake.c ---- */

/* With no lock held: after a publish; and when there may be room, or after an alarm,
 * which all who wait are told of. */
void gos__wake_bytes(gos_ring *ring);
void gos__wake_room(gos_ring *ring);
/* Be woken for bytes; look whether there are some after this. */
void gos__wake_arm_sleeper_locked(gos_ring *ring, struct gos__sleeper *s) GOS_REQUIRES(ring->lock);
static inline bool gos__wake_ended(const gos_ring *ring)
{
    /* Acquire: who sees the end sees the last tail. */
    return atomic_load_explicit(&ring->state, memory_order_acquire) != GOS_RING_STATE_OPEN;
}

/* ---- epochs, sticky head, names: epoch.c ---- */

int gos__epoch_reserve_locked(gos_ring *ring) GOS_REQUIRES(ring->lock);
int gos__epoch_begin(gos_ring *ring, uint64_t off) GOS_REQUIRES(ring->append_lock);
uint32_t gos__epoch_at_locked(gos_ring *ring, uint64_t off) GOS_REQUIRES(ring->lock);
/* Where the first epoch after the one of `off` begins; GOS__RING_NONE. */
uint64_t gos__epoch_next_locked(gos_ring *ring, uint64_t off) GOS_REQUIRES(ring->lock);
void gos__epoch_prune_locked(gos_ring *ring) GOS_REQUIRES(ring->lock);
/* The bytes at [off, off + len) were copied to `first` and its successors; part
 * of them may belong to the sticky head. */
void gos__epoch_add_head(gos_ring *ring, struct gos__segment *first, uint64_t off, uint64_t len)
    GOS_REQUIRES(ring->append_lock);
bool gos__epoch_name_known_locked(gos_ring *ring, const char *name) GOS_REQUIRES(ring->lock);
int gos__epoch_reserve_names(gos_ring *ring);
void gos__epoch_remember_locked(gos_ring *ring, const char *name) GOS_REQUIRES(ring->lock);

/* ---- readers: reader.c, borrow.c, read.c ---- */

/* Settle where the reader begins, if it is not settled yet. */
void gos__reader_settle_locked(gos_ring *ring, gos_ring_reader *r) GOS_REQUIRES(ring->lock);
void gos__reader_disconnect_locked(gos_ring *ring, gos_ring_reader *r, int code)
    GOS_REQUIRES(ring->lock);
/* What keeps a reader from the next bytes is dealt with: its lag, the end of
 * what it keeps. Returns where it may read to; `span` may be renewed. */
uint64_t gos__reader_keep_up_locked(gos_ring *ring, gos_ring_reader *r, struct gos__span *span)
    GOS_REQUIRES(ring->lock);
/* The segment that has the byte at `off`, which the reader may read. */
struct gos__segment *gos__reader_segment_locked(gos_ring *ring, gos_ring_reader *r, uint64_t off)
    GOS_REQUIRES(ring->lock);
void gos__reader_drop_kept_locked(gos_ring *ring, gos_ring_reader *r, uint64_t until)
    GOS_REQUIRES(ring->lock);
/* Whether there is surely nothing to read. */
bool gos__reader_idle(const gos_ring_reader *r);
/* As gos_ring_reader_borrow(), without a sentence for GOS_EAGAIN; what is not
 * `counted` is no matter of how much the reader holds. */
int64_t gos__borrow(gos_ring_reader *r, struct gos_ring_view *view, bool counted);
int gos__borrow_say(int64_t code); /* the sentence to what gos__borrow() returned */
/* After GOS_EAGAIN: whether the descriptor is armed; else there is something. */
bool gos__read_arm_fd(gos_ring_reader *r);

/* ---- limits that rings share: set.c; each holds in the parent of `set`, too ---- */

int gos__set_join(gos_ring_set *set, gos_ring *ring);
void gos__set_leave_stream(gos_ring_set *set);
void gos__set_leave(gos_ring_set *set, gos_ring *ring);
int gos__set_add_reader(gos_ring_set *set);
void gos__set_drop_reader(gos_ring_set *set);
/* Rings may give up history for it. */
int gos__set_reserve(gos_ring_set *set, uint64_t bytes);
void gos__set_give_back(gos_ring_set *set, uint64_t bytes);
gos_ring_set *gos__set_ref(gos_ring_set *set);

/* Whether a reference could be taken: not when the last one is gone. */
bool gos__ring_try_ref(gos_ring *ring);
/* How long nobody was there, and nothing was written. */
int64_t gos__ring_idle_ns(gos_ring *ring, int64_t now);

#endif
