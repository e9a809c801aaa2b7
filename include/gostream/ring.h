/* SPDX-License-Identifier: MIT
 *
 * A ring is a live stream of bytes: some writers append records, any number of
 * readers follow, and the newest part is kept so that who comes late still has
 * a history. Every byte has an absolute 64-bit offset, counted since the ring
 * was made; a reader is no more than one such offset, so history and live are
 * one and the same read, and joining can neither lose, repeat nor reorder.
 *
 *     gos_ring_writer_append()   appends a record; all readers see all records
 *                                in one order.
 *     gos_ring_reader_borrow()   lends what comes next where it lies, and never
 *                                waits: for servers and loops.
 *     gos_ring_reader_read()     waits and copies: for everybody else.
 *
 *     gos_ring *ring;
 *     gos_ring_writer *w;
 *     gos_ring_reader *r;
 *     gos_ring_new(&ring, NULL);
 *     gos_ring_writer_open(&w, ring, NULL);
 *     gos_ring_reader_open(&r, ring, NULL);
 *     gos_ring_writer_append(w, "hello", 5, 0, NULL);
 *     gos_ring_seal(ring);
 *     while ((n = gos_ring_reader_read(r, buf, sizeof buf, NULL, NULL)) > 0)
 *         use(buf, n);
 *
 * Nothing is lost in silence. A reader that falls too far behind is dealt with
 * by its own policy, and the range that it lost, [gap_from, gap_to), comes in
 * the note of the first bytes after it. Writers wait for nobody, except for
 * readers that asked for it (GOS_RING_BLOCK).
 *
 * How much is kept. `ring_bytes` is the history that a late reader gets.
 * `channel_bytes` is how far a reader that has caught up may fall behind before
 * its policy acts; one that still reads its history is not held to that. So the
 * storage is the larger of the two. The newest record is always kept, and always
 * within the limit.
 *
 * Sizes and offsets are bytes, times are nanoseconds; `_mono_ns` and deadlines are
 * of CLOCK_MONOTONIC, `_wall_ns` of CLOCK_REALTIME. What options point at is copied,
 * unless it says otherwise. A ring knows nothing of forks: it is of one process. */
#ifndef GOSTREAM_RING_H
#define GOSTREAM_RING_H

#include <gostream/common.h>
#include <gostream/error.h>
#include <gostream/source.h>

GOS_BEGIN_DECLS

typedef struct gos_ring gos_ring;
typedef struct gos_ring_writer gos_ring_writer;
typedef struct gos_ring_reader gos_ring_reader;
typedef struct gos_ring_set gos_ring_set; /* <gostream/ring_set.h> */

/* ---- types ---- */

/* What a ring, its writers and its readers are made of. */
struct gos_ring_opts {
    size_t struct_size;
    uint64_t ring_bytes;    /* history; 0: 6 MiB; less than 64 KiB is 64 KiB, most is 1 TiB */
    uint64_t channel_bytes; /* lag of a reader that has caught up; 0: 6 MiB, most is 1 TiB */
    int64_t max_age_ns;     /* older records are no longer kept; 0: no limit */
    int64_t idle_ns;        /* no reader, no writer, nothing written for so long: its set's sweep
                               says so, or deletes it; 0: never */
    uint32_t head_bytes;    /* of each epoch, for every late reader; 0: none, at most 1 MiB */
    uint32_t max_readers;   /* 0: no limit but the set's */
    gos_ring_set *set;      /* shared limits, or NULL; the ring takes a reference */
    void *user;             /* for gos_ring_user(); the caller's, the ring never looks at it */
};

struct gos_ring_writer_opts {
    size_t struct_size;
    /* Who writes, 63 bytes at most; NULL: nobody in particular. When a name comes
     * back that has written before, it has reconnected: its first record begins a
     * new epoch. The ring remembers its last 16 names. */
    const char *name;
    uint32_t id;    /* given to readers with each record; 0: a number of the ring's */
    uint32_t flags; /* GOS_RING_NEW_EPOCH */
};

/* Flags of a writer and of an append. */
#define GOS_RING_MARK 1u      /* append: a good place to begin reading, e.g. a key frame */
#define GOS_RING_NEW_EPOCH 2u /* writer or append: a new epoch begins with this record */

/* Where a reader begins. */
enum gos_ring_start {
    GOS_RING_OLDEST = 0,     /* with the history */
    GOS_RING_NOW = 1,        /* with what comes next */
    GOS_RING_OFFSET = 2,     /* at `start_value`, an absolute offset, to go on where one was */
    GOS_RING_BYTES_BACK = 3, /* `start_value` bytes before now */
    GOS_RING_TIME_BACK = 4,  /* with the first record of the last `start_value` ns */
    GOS_RING_LAST_MARK = 5   /* at the newest marked record; with the history if none is kept */
};

/* What happens to a reader that lags by more than its limit. */
enum gos_ring_policy {
    GOS_RING_DROP_OLDEST = 0, /* skips to the oldest record within its limit */
    GOS_RING_DROP_LATEST = 1, /* skips to the newest record */
    GOS_RING_DISCONNECT = 2,  /* ends with GOS_ELAPPED */
    GOS_RING_BLOCK = 3,       /* writers wait for it; see block_ns */
    GOS_RING_DROP_NEW = 4     /* keeps what it has, loses what comes until it has read that */
};

/* Flags of a reader. */
#define GOS_RING_ALIGN 1u   /* OFFSET, BYTES_BACK: move back to the begin of that record */
#define GOS_RING_NO_HEAD 2u /* no sticky head */

struct gos_ring_reader_opts {
    size_t struct_size;
    enum gos_ring_start start;
    enum gos_ring_policy policy;
    uint64_t start_value; /* see gos_ring_start */
    /* Lag in bytes at which the policy acts; 0: channel_bytes. At most the storage;
     * DROP_NEW: at most 4 MiB, because what it keeps is kept for it alone. */
    uint64_t max_lag;
    int64_t block_ns; /* BLOCK: longest that writers wait for it without its reading; 0: 10 s.
                         Then it is disconnected with GOS_ETIMEDOUT, and loses what is left. */
    int64_t spin_ns;  /* how long a blocking read looks before it sleeps; 0: the library judges,
                         -1: never */
    uint32_t flags;   /* GOS_RING_ALIGN, GOS_RING_NO_HEAD */
};

/* One append, as its readers see it. */
struct gos_ring_record {
    uint64_t offset;
    uint64_t number; /* counted since the ring was made */
    int64_t mono_ns; /* CLOCK_MONOTONIC */
    int64_t wall_ns; /* CLOCK_REALTIME, since 1970 */
    uint32_t len;
    uint32_t writer; /* its id */
    uint32_t epoch;
    uint32_t flags; /* GOS_RING_MARK */
};

/* Events in a note. */
#define GOS_RING_GAP 1u      /* [gap_from, gap_to) was lost right before these bytes */
#define GOS_RING_EPOCH 2u    /* these bytes begin in another epoch than the last ones */
#define GOS_RING_HEAD 4u     /* these bytes are of the sticky head; the position is unchanged */
#define GOS_RING_SEALED 8u   /* at the end: the stream was sealed */
#define GOS_RING_DELETED 16u /* at the end: the stream was deleted */

/* What belongs to the bytes it comes with. One read never spans two notes. */
struct gos_ring_note {
    size_t struct_size;
    uint32_t events; /* GOS_RING_GAP ... */
    uint32_t epoch;  /* of the first of these bytes; the first epoch is 1 */
    uint64_t offset; /* of the first of these bytes */
    uint64_t gap_from, gap_to;
};

/* A borrow: the caller's arrays, and what came. */
struct gos_ring_view {
    size_t struct_size;
    /* filled in by the caller */
    size_t max_bytes; /* 0: as much as there is */
    struct gos_slice *slices;
    unsigned max_slices;
    unsigned max_records;            /* 0: bytes only */
    struct gos_ring_record *records; /* not NULL: only whole records, unless the first is too
                                        large for the slices and max_bytes, or the position is
                                        inside of one */
    /* filled in by the library */
    unsigned n_slices, n_records;
    size_t bytes;
    struct gos_ring_note note; /* its struct_size is set by the library, too */
    struct {
        void *ptr[2];
        uint64_t num[2];
    } lib;
};

/* To be told once. It lives in the caller's memory, zeroed but for the first
 * group, and must stay there until it was disarmed, fired or not; then it may be
 * armed again as it is. `wake` runs on any thread that calls the ring (a writer's,
 * another reader's, of who seals, deletes or sweeps), with no lock of the ring held.
 * It holds that thread up: leave word and return. It may arm the same watch again,
 * for the same thing (bytes or room); to change from one to the other disarm it
 * first, outside of `wake`. */
struct gos_ring_watch {
    size_t struct_size;
    void (*wake)(struct gos_ring_watch *watch);
    void *user;
    struct {
        void *ptr[4];
        uint64_t num[2];
    } lib;
};

enum gos_ring_state {
    GOS_RING_STATE_OPEN = 0,
    GOS_RING_STATE_SEALED = 1,
    GOS_RING_STATE_DELETED = 2
};

/* Where a ring is: the part of its figures that costs nothing to ask for. The others
 * are in <gostream/ring_stats.h>. */
struct gos_ring_span {
    size_t struct_size;
    uint64_t oldest, tail; /* as in struct gos_ring_stats */
    uint32_t epoch;
    enum gos_ring_state state;
};

/* ---- life of a ring ---- */

/* Make a ring. `opts` may be NULL. One reference is the caller's.
 * Returns: 0.
 * Errors: GOS_EINVAL, GOS_E2BIG, GOS_ENOMEM, GOS_EBUDGET (the set has its
 * max_streams).
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_ring_new(gos_ring **out, const struct gos_ring_opts *opts);

/* Take a further reference.
 * Returns: its argument; NULL for NULL.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API gos_ring *gos_ring_ref(gos_ring *ring);

/* Give a reference back; NULL is fine. Writers, readers and sources hold their
 * own. The last one frees the ring; nobody is left then who could be told.
 * Returns: nothing.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API void gos_ring_unref(gos_ring *ring);

/* What was given as `user`.
 * Returns: it.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API void *gos_ring_user(const gos_ring *ring);

/* End the stream without deleting it: appends that wait or come later give
 * -EPIPE, readers read what there is and end, new readers still find the
 * history. An append in progress is finished before. Twice is fine.
 * Returns: nothing.
 * Errors: none.
 * Threads: any; waits for an append that copies, never for a reader.
 * Since: 0.1 */
GOS_API void gos_ring_seal(gos_ring *ring);

/* As seal, and nobody new may read. A ring that is deleted does not count in its
 * set's max_streams any more.
 * Returns: nothing.
 * Errors: none.
 * Threads: as gos_ring_seal().
 * Since: 0.1 */
GOS_API void gos_ring_delete(gos_ring *ring);

/* Do what is due by time alone: give up records older than max_age_ns, and
 * disconnect readers that held writers up for their block_ns. Appends and reads
 * do it, too; call it about once a second where there may be none.
 * Returns: nothing.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API void gos_ring_sweep(gos_ring *ring);

/* ---- questions ---- */

/* Fill `out`, whose struct_size is set, at the same cost however many readers
 * there are.
 * Returns: 0.
 * Errors: GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_ring_get_span(gos_ring *ring, struct gos_ring_span *out);

/* The record that the byte at `offset` belongs to.
 * Returns: 0.
 * Errors: GOS_ELAPPED (no longer kept), GOS_EAGAIN (not yet written), GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_ring_find(gos_ring *ring, uint64_t offset, struct gos_ring_record *out);

/* The ring as a source: offsets are absolute, the size is unknown until it is
 * sealed, what is no longer kept gives GOS_ELAPPED. It is no reader: writers
 * never wait for it. It holds a reference.
 * Returns: 0.
 * Errors: GOS_EINVAL, GOS_ENOMEM.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_ring_source(gos_source **out, gos_ring *ring);

/* Be told once the stream has bytes behind `offset`, or ends, or a reader of it
 * was disconnected because writers waited for it for too long. One watch serves any
 * number of readers of one ring: give it the offset of one that has found nothing
 * more to read, and look at all of them when it fires. A reader that was
 * disconnected since the same watch fired last counts as something already.
 * Returns: 0 armed; 1 there is something already, and it is not armed.
 * Errors: GOS_EINVAL, GOS_EBUSY (it is armed).
 * Threads: any; not the same watch at once.
 * Since: 0.1 */
GOS_API int gos_ring_arm(gos_ring *ring, uint64_t offset, struct gos_ring_watch *watch);

/* Do not be told any more. When this returns `wake` does not run and will not:
 * the watch may be freed. For a watch of gos_ring_writer_arm(), too.
 * Returns: nothing.
 * Errors: none.
 * Threads: any; not from `wake`. Waits for a `wake` that runs.
 * Since: 0.1 */
GOS_API void gos_ring_disarm(gos_ring *ring, struct gos_ring_watch *watch);

/* ---- writers ---- */

/* Become a writer; `opts` may be NULL. It holds a reference to the ring.
 * Returns: 0.
 * Errors: GOS_EINVAL, GOS_E2BIG, GOS_ENOMEM, -EPIPE (sealed or deleted).
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_ring_writer_open(gos_ring_writer **out, gos_ring *ring,
                                 const struct gos_ring_writer_opts *opts);

/* Append `len` bytes, waiting for readers that block. Up to max_record bytes
 * (min(1 MiB, ring_bytes / 2)) they are one record, whole and without another's
 * bytes between; longer ones are cut there, the flags go with the first part.
 * `flags` are GOS_RING_MARK, GOS_RING_NEW_EPOCH. `io` limits the waiting: its
 * deadline, its idle_ns from when each part began to wait, its cancel; NULL waits as
 * long as readers may block. Nothing is appended by 0 bytes, but somebody wrote.
 * Returns: the bytes appended: all, or fewer when it had to stop between parts.
 * Errors: GOS_EINVAL, GOS_E2BIG, GOS_ENOMEM, GOS_EBUDGET (the set is full and nobody
 * can give up history), -EPIPE (sealed or deleted), GOS_ETIMEDOUT (readers held it up
 * until then), GOS_ECANCELED. Nothing was appended then.
 * Threads: any, concurrently.
 * Since: 0.1 */
GOS_API int64_t gos_ring_writer_append(gos_ring_writer *w, const void *data, size_t len,
                                       uint32_t flags, const struct gos_io *io);

/* The same for bytes that lie in `n` parts; together they are one record.
 * Returns: as gos_ring_writer_append().
 * Errors: as gos_ring_writer_append().
 * Threads: any, concurrently.
 * Since: 0.1 */
GOS_API int64_t gos_ring_writer_appendv(gos_ring_writer *w, const struct gos_slice *parts,
                                        unsigned n, uint32_t flags, const struct gos_io *io);

/* The same, never waiting for a reader.
 * Returns: the bytes appended; fewer than given when readers hold up the rest.
 * Errors: GOS_EAGAIN (no record fits now), and as gos_ring_writer_append().
 * Threads: any, concurrently.
 * Since: 0.1 */
GOS_API int64_t gos_ring_writer_try_appendv(gos_ring_writer *w, const struct gos_slice *parts,
                                            unsigned n, uint32_t flags);

/* After GOS_EAGAIN: be told once when `bytes` bytes (cut at max_record) could be
 * appended, or never again. Disarm with gos_ring_disarm() before the watch or
 * the writer goes.
 * Returns: 0 armed; 1 try now, and it is not armed.
 * Errors: GOS_EINVAL, GOS_EBUSY (it is armed).
 * Threads: any; not the same watch at once.
 * Since: 0.1 */
GOS_API int gos_ring_writer_arm(gos_ring_writer *w, size_t bytes, struct gos_ring_watch *watch);

/* Leave; NULL is fine. The stream stays as it is.
 * Returns: nothing.
 * Errors: none.
 * Threads: any, no call with `w` running.
 * Since: 0.1 */
GOS_API void gos_ring_writer_close(gos_ring_writer *w);

/* ---- readers ---- */

/* Become a reader; `opts` may be NULL. It holds a reference to the ring. It begins
 * where it is opened; but one that starts with a history (OLDEST) begins with the
 * history that there is at its first borrow, read, wait or gos_ring_reader_offset(),
 * so that none of it can be overtaken in between (BLOCK and DROP_NEW need not). An
 * OFFSET that is no longer kept gives a gap, or ends a DISCONNECT reader.
 * Returns: 0.
 * Errors: GOS_EINVAL (an OFFSET behind the tail, too), GOS_E2BIG, GOS_ENOMEM,
 * GOS_EBUDGET (too many readers), GOS_ENOENT (deleted).
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_ring_reader_open(gos_ring_reader **out, gos_ring *ring,
                                 const struct gos_ring_reader_opts *opts);

/* Borrow what comes next, and move on by it. Never waits. With `records`, bytes
 * whose record is no longer known (its begin was kept no more) come without one.
 * The slices stay until gos_ring_reader_release(), whatever the ring does meanwhile,
 * even if it is sealed, deleted, or the caller's last reference to it is gone. At
 * most 4 MiB may be out; a reader that comes for more before it has released some is
 * disconnected with GOS_EBUSY. A disconnected reader is not closed by that: release
 * and close it as any other.
 * Returns: the bytes lent; 0 at the end of a sealed or deleted stream. The note
 * is valid in both cases; there is something to release in the first.
 * Errors: GOS_EAGAIN (nothing now), GOS_EINVAL, what it was disconnected with, again
 * and again: GOS_ELAPPED, GOS_ETIMEDOUT, GOS_EBUSY.
 * Threads: one at a time.
 * Since: 0.1 */
GOS_API int64_t gos_ring_reader_borrow(gos_ring_reader *r, struct gos_ring_view *view);

/* Give the slices of a view back; harmless when there are none. Views may be
 * released in any order, all of them before the reader is closed.
 * Returns: nothing.
 * Errors: none.
 * Threads: any, even while another borrows.
 * Since: 0.1 */
GOS_API void gos_ring_reader_release(gos_ring_reader *r, struct gos_ring_view *view);

/* Copy up to `len` bytes of what comes next into `buf` and move on by them,
 * waiting for the first: what is there is given at once, whatever the deadline.
 * `note` (or NULL) has its struct_size set. `io` may be NULL: wait for ever.
 * Returns: bytes; 0 at the end.
 * Errors: GOS_ETIMEDOUT and GOS_ECANCELED by `io`, else as gos_ring_reader_borrow(),
 * without GOS_EAGAIN; GOS_E2BIG. Was it the reader that was disconnected with
 * GOS_ETIMEDOUT, or only the deadline? Its `status` (gos_ring_reader_get_stats())
 * is 0 in the second case, and it may go on.
 * Threads: one at a time.
 * Since: 0.1 */
GOS_API int64_t gos_ring_reader_read(gos_ring_reader *r, void *buf, size_t len,
                                     const struct gos_io *io, struct gos_ring_note *note);

/* Wait until a borrow would not give GOS_EAGAIN: until there are bytes, the end,
 * or an error that it will tell. `io` may be NULL: wait for ever.
 * Returns: 0.
 * Errors: GOS_ETIMEDOUT, GOS_ECANCELED, GOS_EINVAL, GOS_E2BIG.
 * Threads: one at a time.
 * Since: 0.1 */
GOS_API int gos_ring_reader_wait(gos_ring_reader *r, const struct gos_io *io);

/* A descriptor for poll(2): readable when a borrow would not give GOS_EAGAIN; once
 * in vain at the begin. It is armed by gos_ring_reader_borrow() that gives GOS_EAGAIN
 * (reading or waiting does not do it), so borrow until then; EPOLLET is fine. It
 * stays the reader's: only poll it. Closing the reader closes it.
 * Returns: the descriptor, the same each time.
 * Errors: -errno of eventfd(2), GOS_EINVAL.
 * Threads: one at a time.
 * Since: 0.1 */
GOS_API int gos_ring_reader_fd(gos_ring_reader *r);

/* The offset of the next byte; settles where the reader begins.
 * Returns: it.
 * Errors: GOS_EINVAL.
 * Threads: one at a time.
 * Since: 0.1 */
GOS_API int64_t gos_ring_reader_offset(gos_ring_reader *r);

/* Leave; NULL is fine. Writers that waited for it go on.
 * Returns: nothing.
 * Errors: none.
 * Threads: any, no call with `r` running.
 * Since: 0.1 */
GOS_API void gos_ring_reader_close(gos_ring_reader *r);

GOS_END_DECLS

#endif
