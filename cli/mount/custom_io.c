/* SPDX-License-Identifier: MIT
 *
 * /dev/fuse with a patched INIT; see custom_io.h. */
#include "mount/custom_io.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void note_init(struct custom_io *io, const char *buf, size_t n)
{
    struct fuse_in_header header;
    struct fuse_init_in init;
    if (n < sizeof header + sizeof(uint32_t) * 4)
        return;
    memcpy(&header, buf, sizeof header);
    if (header.opcode != FUSE_INIT)
        return;
    /* Old kernels send a shorter struct; its first four fields are the same. */
    memcpy(&init, buf + sizeof header, sizeof(uint32_t) * 4);
    if (!(init.flags & FUSE_PARALLEL_DIROPS))
        return;
    atomic_store_explicit(&io->init_unique, header.unique, memory_order_relaxed);
    /* Published last; the writer looks at this one first. */
    atomic_store_explicit(&io->init_seen, 1, memory_order_release);
}

/* The flag goes into libfuse's own reply struct: the buffer is its, and not
 * constant. */
static void patch_init(struct custom_io *io, struct iovec *iov, int count)
{
    struct fuse_out_header header;
    struct fuse_init_out *init;
    if (count != 2 || iov[0].iov_len != sizeof header)
        return;
    if (iov[1].iov_len < offsetof(struct fuse_init_out, flags) + sizeof init->flags)
        return;
    memcpy(&header, iov[0].iov_base, sizeof header);
    if (header.error ||
        header.unique != atomic_load_explicit(&io->init_unique, memory_order_relaxed))
        return;
    char *flags = (char *)iov[1].iov_base + offsetof(struct fuse_init_out, flags);
    uint32_t value;
    memcpy(&value, flags, sizeof value);
    value |= FUSE_PARALLEL_DIROPS;
    memcpy(flags, &value, sizeof value);
    atomic_store_explicit(&io->init_seen, 0, memory_order_relaxed);
}

ssize_t custom_io_read(struct custom_io *io, int fd, void *buf, size_t size)
{
    int was;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &was);
    ssize_t n = read(fd, buf, size);
    int error = errno;
    pthread_setcancelstate(was, NULL);
    errno = error;
    if (n > 0)
        note_init(io, buf, (size_t)n);
    return n;
}

ssize_t custom_io_writev(struct custom_io *io, int fd, struct iovec *iov, int count)
{
    if (atomic_load_explicit(&io->init_seen, memory_order_acquire))
        patch_init(io, iov, count);
    return writev(fd, iov, count);
}
