/* SPDX-License-Identifier: MIT
 *
 * A source is bytes at offsets: a file of a torrent, a file on disk, a buffer,
 * anything you write yourself. It is shared and thread-safe, has no position,
 * and is read in two ways:
 *
 *     gos_source_pread()   waits and copies; all that a simple caller needs.
 *     gos_source_start()   returns at once and calls you back; a thousand reads
 *                          that wait cost no thread, and bytes may be borrowed
 *                          where they lie instead of being copied.
 *
 * Whoever makes a source fills in a `struct gos_source_ops`: either `pread`
 * (simple), or `start` and `cancel` (a source that may have to wait). The
 * library derives each way of reading from the other.
 *
 * The contract. The library checks what it can of it (GOS_ECONTRACT).
 *  1. Any number of reads may run at once.
 *  2. A source is never asked for length 0, past a known end, or for a range
 *     that overflows; the range is cut at a known end before.
 *  3. `pread` gives 1..len bytes, 0 at the end, or an error. Callers of
 *     gos_source_pread() get all they asked for, or up to the end.
 *  4. A read waits for data, the end, its deadline, or cancel; cancelled, it
 *     returns soon.
 *  5. No lock of the library is held when a source is called.
 *  6. `advise` never blocks and never makes a read fail.
 *  7. `close` runs once, after the last reference and the last call. */
#ifndef GOSTREAM_SOURCE_H
#define GOSTREAM_SOURCE_H

#include <gostream/common.h>
#include <gostream/error.h>

GOS_BEGIN_DECLS

typedef struct gos_source gos_source;
typedef struct gos_cancel gos_cancel;
typedef struct gos_reader gos_reader;

/* ---- types ---- */

#define GOS_SIZE_UNKNOWN INT64_MAX /* the size of what is still being written */
#define GOS_NO_DEADLINE 0          /* in deadline_ns and idle_ns: wait for ever */

/* Flags of a read. */
#define GOS_READ_PARTIAL 1u /* some bytes are enough: do not wait for all of them */

enum gos_advice {
    GOS_ADVICE_WILLNEED = 1, /* this range will be read soon */
    GOS_ADVICE_DONTNEED = 2  /* this range will not be read again soon */
};

/* How to wait in a blocking call. NULL instead of one waits for ever. */
struct gos_io {
    size_t struct_size;
    int64_t deadline_ns; /* absolute, CLOCK_MONOTONIC */
    int64_t idle_ns;     /* longest time without any progress */
    gos_cancel *cancel;  /* or NULL; borrowed for the call */
    uint32_t flags;      /* GOS_READ_... */
};

/* Bytes where they lie. */
struct gos_slice {
    const void *base;
    size_t len;
};

/* One read that may finish later. It lives in the caller's memory. Fill in the
 * first two groups, zero the rest, and give it to gos_source_start(). From then
 * until `done` is entered it belongs to the library; inside `done` it is the
 * caller's again and may be used again or freed. */
struct gos_read {
    size_t struct_size;
    uint64_t off;
    size_t len;
    int64_t deadline_ns;      /* absolute, CLOCK_MONOTONIC; GOS_NO_DEADLINE */
    int64_t idle_ns;          /* longest time without progress; GOS_NO_DEADLINE */
    uint32_t flags;           /* GOS_READ_... */
    void *buf;                /* `len` bytes to copy into; NULL: borrow slices */
    struct gos_slice *slices; /* the caller's array, used when buf is NULL */
    unsigned max_slices;
    void (*done)(struct gos_read *r); /* called once if start returned 0 */
    void *user;

    int64_t result;    /* bytes, 0 at the end, or an error */
    unsigned n_slices; /* filled slices; valid until gos_read_release() */

    /* The library's and the source's own while the read is pending. */
    struct {
        gos_source *source;
        void *ptr[6];
        uint64_t num[6];
    } lib;
};

/* What a source can do. `self` is what gos_source_new() was given. */
struct gos_source_ops {
    size_t struct_size;
    const char *name; /* static; appears in errors */

    /* A simple source. */
    int64_t (*pread)(void *self, void *buf, size_t len, uint64_t off, const struct gos_io *io);

    /* A source that may wait. `start` returns 1: finished, r->result is set and
     * done is not called; 0: pending, gos_read_complete() will be called once,
     * from another call stack; negative: nothing is pending. `cancel` never
     * blocks and never completes the read itself; the completion follows soon
     * with GOS_ECANCELED or with the result that won. `release` takes back the
     * slices of a read (needed if the source ever fills them). */
    int (*start)(void *self, struct gos_read *r);
    void (*cancel)(void *self, struct gos_read *r);
    void (*release)(void *self, struct gos_read *r);

    int64_t (*size)(void *self); /* bytes, or GOS_SIZE_UNKNOWN while live */
    int (*advise)(void *self, uint64_t off, uint64_t len, enum gos_advice what); /* optional */
    int64_t (*present)(void *self, uint64_t off, uint64_t len); /* optional: bytes here from off */
    void (*close)(void *self);                                  /* optional */
};

/* ---- life ---- */

/* Make a source of your own. `ops` must outlive it; `self` is passed to each of
 * its functions and becomes the source's: `close` is called with it at the end
 * (not when this function fails). One reference is yours.
 * Returns: 0.
 * Errors: GOS_EINVAL (no size, neither pread nor start, start without cancel),
 * GOS_ENOMEM.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_source_new(gos_source **out, const struct gos_source_ops *ops, void *self);

/* A file on disk. It is opened once and read with pread(2). Its size is the
 * one it has when opened.
 * Returns: 0.
 * Errors: -errno of open(2), GOS_EINVAL for what is not a regular file, GOS_ENOMEM.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_source_file(gos_source **out, const char *path);

/* A buffer of the caller. `free_fn` (or NULL) is called with `base` when the
 * source is closed; on failure the buffer stays the caller's.
 * Returns: 0.
 * Errors: GOS_EINVAL, GOS_ENOMEM.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_source_memory(gos_source **out, void *base, size_t len, void (*free_fn)(void *));

/* Take a further reference.
 * Returns: its argument; NULL for NULL.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API gos_source *gos_source_ref(gos_source *s);

/* Give a reference back; NULL is fine. Never waits for another thread.
 * Returns: nothing.
 * Errors: none.
 * Threads: any, also inside `done`.
 * Since: 0.1 */
GOS_API void gos_source_unref(gos_source *s);

/* ---- reading ---- */

/* Read `len` bytes at `off` into `buf`, waiting until they are there. `io` may
 * be NULL. Fewer than `len` bytes only at the end, or with GOS_READ_PARTIAL.
 * Bytes that arrived before an error came are not lost: without PARTIAL too,
 * if some were read they are returned and the error comes with the next call.
 * Returns: bytes read, 0 at the end.
 * Errors: GOS_EINVAL, GOS_ETIMEDOUT, GOS_ECANCELED, GOS_ENOMEM, GOS_ECONTRACT,
 * any of the source.
 * Threads: any, concurrently. Not from inside `done`: GOS_EDEADLK cannot always
 * be told there.
 * Since: 0.1 */
GOS_API int64_t gos_source_pread(gos_source *s, void *buf, size_t len, uint64_t off,
                                 const struct gos_io *io);

/* Begin a read. `r` must not be pending. A read that needs more slices than
 * `max_slices` ends shorter with GOS_READ_PARTIAL, else with GOS_E2BIG. A
 * simple source is read by a small pool of threads, into `buf` only.
 * Returns: 1 finished, `r->result` is set and `done` will not be called; 0
 * pending, `done` will be called exactly once, never from inside this call.
 * Errors: GOS_EINVAL, GOS_ENOMEM, GOS_EBUSY (too much is borrowed; read with
 * `buf`), GOS_ENOTSUP (slices of a simple source), any of the source; nothing
 * is pending then.
 * Threads: any. `done` runs on a thread of the library with no lock held, must
 * not block, and may start, cancel, release and unref.
 * Since: 0.1 */
GOS_API int gos_source_start(gos_source *s, struct gos_read *r);

/* Ask a pending read to end soon. Legal until its `done` is entered, which the
 * caller makes sure of; never blocks, never calls `done`. `done` follows with
 * GOS_ECANCELED or with the result that won.
 * Returns: nothing.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API void gos_read_cancel(struct gos_read *r);

/* Give the slices of a finished read back. Needed once if `n_slices` is not 0;
 * harmless otherwise.
 * Returns: nothing.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API void gos_read_release(struct gos_read *r);

/* For makers of sources: a pending read ends with `result`. Calls `done`. The
 * read may hold the last reference, so the source may be closed when this
 * returns: touch nothing of it afterwards that `close` takes away.
 * Returns: nothing.
 * Errors: none.
 * Threads: any but the call stack of `start` and `cancel`; no lock held.
 * Since: 0.1 */
GOS_API void gos_read_complete(struct gos_read *r, int64_t result);

/* ---- questions ---- */

/* The size in bytes.
 * Returns: the size, or GOS_SIZE_UNKNOWN while it is still growing.
 * Errors: any of the source.
 * Threads: any.
 * Since: 0.1 */
GOS_API int64_t gos_source_size(gos_source *s);

/* Say what will be, or will not be, read. A source may ignore it.
 * Returns: 0.
 * Errors: GOS_EINVAL for a range that overflows.
 * Threads: any; never blocks.
 * Since: 0.1 */
GOS_API int gos_source_advise(gos_source *s, uint64_t off, uint64_t len, enum gos_advice what);

/* How many bytes from `off` on could be read without waiting, `len` at most.
 * Returns: bytes; 0 where the source cannot tell.
 * Errors: GOS_EINVAL.
 * Threads: any; never blocks.
 * Since: 0.1 */
GOS_API int64_t gos_source_present(gos_source *s, uint64_t off, uint64_t len);

/* ---- cancel: a latch that many blocking calls may share ---- */

/* Make one, not fired.
 * Returns: 0.
 * Errors: GOS_ENOMEM.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_cancel_new(gos_cancel **out);

/* Fire: every call that was given this latch returns GOS_ECANCELED soon, and
 * every later one at once.
 * Returns: nothing.
 * Errors: none.
 * Threads: any; not from a signal handler.
 * Since: 0.1 */
GOS_API void gos_cancel_fire(gos_cancel *c);

/* Whether it was fired.
 * Returns: 1 or 0.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_cancel_fired(const gos_cancel *c);

/* Free it; NULL is fine. No call may be using it any more.
 * Returns: nothing.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API void gos_cancel_free(gos_cancel *c);

/* ---- reader: one consumer's position in a source ---- */

/* Make a reader at offset 0; it holds its own reference to `s`.
 * Returns: 0.
 * Errors: GOS_ENOMEM, GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_reader_new(gos_reader **out, gos_source *s);

/* Read up to `len` bytes at the position and move it by what was read.
 * Returns: bytes read, 0 at the end.
 * Errors: as gos_source_pread(); the position stays then.
 * Threads: one at a time.
 * Since: 0.1 */
GOS_API int64_t gos_reader_read(gos_reader *r, void *buf, size_t len, const struct gos_io *io);

/* Move the position; past the end is allowed, reads give 0 there. `whence` is
 * SEEK_SET, SEEK_CUR or SEEK_END of <stdio.h>.
 * Returns: the new position.
 * Errors: GOS_EINVAL for a negative position, GOS_ENOTSUP for SEEK_END while
 * the size is unknown.
 * Threads: one at a time.
 * Since: 0.1 */
GOS_API int64_t gos_reader_seek(gos_reader *r, int64_t off, int whence);

/* Free it and its reference; NULL is fine.
 * Returns: nothing.
 * Errors: none.
 * Threads: one at a time.
 * Since: 0.1 */
GOS_API void gos_reader_free(gos_reader *r);

GOS_END_DECLS

#endif
