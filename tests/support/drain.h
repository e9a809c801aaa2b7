/* SPDX-License-Identifier: MIT
 *
 * Any number of sockets that one thread of its own empties: readers that cost as
 * little as readers can, so that what is measured is who sends. */
#ifndef TESTS_SUPPORT_DRAIN_H
#define TESTS_SUPPORT_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#define DRAIN_TAIL 8192 /* trailers, and the end of what is before them */

enum drain_how {
    DRAIN_DISCARD, /* the kernel throws the bytes away (MSG_TRUNC) */
    DRAIN_COPY,    /* they are read, 256 KiB at a time, as readers do that use them */
};

struct drain;

/* Connected sockets, which become its own. */
struct drain *drain_start(const int *fds, unsigned n, enum drain_how how);

/* So many bytes of all of them, until now. */
uint64_t drain_bytes(struct drain *d);

/* When this returns, the last DRAIN_TAIL bytes that a socket gets before it ends
 * are kept. */
void drain_keep_tails(struct drain *d);

/* Until all have ended, at most for so long; false: some have not. */
bool drain_wait(struct drain *d, int64_t timeout_ns);

/* The last bytes of a socket that has ended, as text: spaces for NULs. */
const char *drain_tail(const struct drain *d, unsigned i);

/* Close them. */
void drain_free(struct drain *d);

#endif
