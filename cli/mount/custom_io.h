/* SPDX-License-Identifier: MIT
 *
 * Reading from and writing to /dev/fuse for libfuse, with one change: the reply
 * to INIT also asks for parallel look-ups in one directory. libfuse before 3.17
 * knows the flag but never sends it, and then all look-ups of a directory queue
 * behind one another in the kernel, not killable.
 * Session threads read; they and the library's completion threads write. */
#ifndef CLI_MOUNT_CUSTOM_IO_H
#define CLI_MOUNT_CUSTOM_IO_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

struct iovec;

/* Zeroed by its owner. */
struct custom_io {
    /* The INIT request that is not answered yet, if the kernel offered parallel
     * look-ups in it. The reader stores it before libfuse sees the request. */
    _Atomic uint64_t init_unique;
    _Atomic int init_seen;
};

/* As read(2) and writev(2). The calling thread may be cancelled while it waits
 * in the read, and nowhere else if it has cancelling disabled. */
ssize_t custom_io_read(struct custom_io *io, int fd, void *buf, size_t size);
ssize_t custom_io_writev(struct custom_io *io, int fd, struct iovec *iov, int count);

#endif
