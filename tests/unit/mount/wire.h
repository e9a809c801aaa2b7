/* SPDX-License-Identifier: MIT
 *
 * A kernel of our own: speaks the FUSE protocol with a libfuse session over a
 * pair of sockets, so that operations are tested without /dev/fuse. The test's
 * thread plays the kernel and the session's thread in turn. */
#ifndef TESTS_UNIT_MOUNT_WIRE_H
#define TESTS_UNIT_MOUNT_WIRE_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mount/custom_io.h"
#include "mount/fuse_api.h"

#define WIRE_MAX (1u << 18)

struct wire {
    struct fuse_session *fuse;
    struct fuse_buf buf;
    int kernel; /* our end */
    uint64_t unique;
    struct fuse_init_out init; /* the answer to INIT */
};

struct wire_answer {
    uint64_t unique; /* of the request */
    int error;       /* positive */
    size_t n;
    unsigned char data[WIRE_MAX];
};

/* A session over `ops`, greeted with `flags` in INIT. Its user data begins with
 * `io`. */
void wire_open(struct wire *w, const struct fuse_lowlevel_ops *ops, struct custom_io *io,
               uint32_t flags);
void wire_close(struct wire *w);

/* Send a request of thread `pid` and let the session handle it. Its unique. */
uint64_t wire_ask(struct wire *w, enum fuse_opcode opcode, uint64_t node, pid_t pid,
                  const void *body, size_t n);

/* A READ. */
uint64_t wire_read(struct wire *w, uint64_t fh, uint64_t off, uint32_t size, pid_t pid);
void wire_interrupt(struct wire *w, uint64_t unique);

/* The next answer; the test fails if none comes within 5 s. */
void wire_answer(struct wire *w, struct wire_answer *out);
bool wire_is_silent(struct wire *w);

#endif
