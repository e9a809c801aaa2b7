/* SPDX-License-Identifier: MIT
 *
 * A READ of the kernel becomes a read of a source, answered when the bytes are
 * there: no thread waits with it, and the answer is written straight from where
 * the bytes lie. Each request has one owner who answers it: the read's end, the
 * interrupt watch, or the end of the mount, whoever takes it first.
 * Session threads start reads, the library's completion threads end them, the
 * watch and the main thread break them off. */
#ifndef CLI_MOUNT_READS_H
#define CLI_MOUNT_READS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <gostream.h>

#include "mount/fuse_api.h"

struct reads;
struct reads_file; /* an open file of the kernel */

/* `idle_ns`: a read in which nothing moves for so long fails; 0: never.
 * NULL without memory. */
struct reads *reads_new(int64_t idle_ns);

/* reads_end() was called, and no source will end a read any more. */
void reads_free(struct reads *r);

/* Take over `source` (on success) for one OPEN; `name`, for messages, stays
 * valid. NULL without memory. */
struct reads_file *reads_open(struct reads *r, gos_source *source, const char *name, uint64_t size);
void reads_close(struct reads *r, struct reads_file *file);

/* Answer `req`, now or later. */
void reads_start(struct reads *r, struct reads_file *file, fuse_req_t req, uint64_t off,
                 size_t len);

/* Answer what waits, and from now on everything, with EIO. When this returns
 * nobody is writing an answer any more, and the session may go. */
void reads_end(struct reads *r);

/* Close the files that the kernel did not close. When the session has gone. */
void reads_close_all(struct reads *r);

/* ---- for the interrupt watch ---- */

struct reads_interrupted {
    uint64_t id;
    pid_t tid; /* of the caller; 0 if it lives in another pid namespace */
};

/* Sleep until a read waits, and then for `pause_ns`. False when the mount ends. */
bool reads_wait(struct reads *r, int64_t pause_ns);

/* Reads that wait and whose callers got a signal; at most `max`. */
size_t reads_list_interrupted(struct reads *r, struct reads_interrupted *out, size_t max);

/* Answer this one with EINTR, if it still waits, and cancel it. */
void reads_kill(struct reads *r, uint64_t id);

#endif
