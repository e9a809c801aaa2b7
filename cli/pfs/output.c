/* SPDX-License-Identifier: MIT
 *
 * Large writes; see output.h. SIGPIPE is ignored by the process. */
#include "pfs/output.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pfs/interrupt.h"
#include "pfs/memory.h"

/* libcurl hands out 16 KiB at a time; this many of them cost one write. */
#define GATHER ((size_t)256 << 10)

void pfs_output_init(struct pfs_output *o, int fd)
{
    *o = (struct pfs_output){.fd = fd, .buf = pfs_calloc(GATHER, 1)};
}

void pfs_output_free(struct pfs_output *o)
{
    free(o->buf);
    o->buf = NULL;
}

static int end(struct pfs_output *o, enum pfs_output_end how, int error)
{
    o->end = how;
    o->error = error;
    return -1;
}

/* The write came back with nothing. 0 to try again. */
static int look_at_errno(struct pfs_output *o)
{
    switch (errno) {
    case EINTR:
        return pfs_interrupted() ? end(o, PFS_OUTPUT_INTERRUPTED, 0) : 0;
    case EAGAIN: {
        /* Somebody made the terminal or pipe that we share non-blocking. */
        struct pollfd p[] = {{.fd = o->fd, .events = POLLOUT},
                             {.fd = pfs_interrupt_fd(), .events = POLLIN}};
        poll(p, 2, -1);
        return pfs_interrupted() ? end(o, PFS_OUTPUT_INTERRUPTED, 0) : 0;
    }
    case EPIPE:
        return end(o, PFS_OUTPUT_CLOSED, 0);
    default:
        return end(o, PFS_OUTPUT_FAILED, errno);
    }
}

static bool full(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) == 0;
}

static int write_all(struct pfs_output *o, const char *data, size_t n)
{
    while (n > 0) {
        /* What is taken at once is still given; for more nobody waits any longer. */
        if (pfs_interrupted() && full(o->fd))
            return end(o, PFS_OUTPUT_INTERRUPTED, 0);
        ssize_t done = write(o->fd, data, n);
        if (done < 0) {
            if (look_at_errno(o) < 0)
                return -1;
            continue;
        }
        if (done > 0)
            o->last = data[done - 1];
        o->written += (uint64_t)done;
        data += done;
        n -= (size_t)done;
    }
    return 0;
}

int pfs_output_flush(struct pfs_output *o)
{
    if (o->end != PFS_OUTPUT_OPEN)
        return -1;
    size_t n = o->used;
    o->used = 0;
    return write_all(o, o->buf, n);
}

int pfs_output_put(struct pfs_output *o, const void *data, size_t n)
{
    if (o->end != PFS_OUTPUT_OPEN)
        return -1;
    if (n > GATHER - o->used && pfs_output_flush(o) < 0)
        return -1;
    if (n >= GATHER)
        return write_all(o, data, n);
    memcpy(o->buf + o->used, data, n);
    o->used += n;
    return 0;
}

bool pfs_output_gone(struct pfs_output *o)
{
    struct pollfd p = {.fd = o->fd};
    if (o->end == PFS_OUTPUT_OPEN && poll(&p, 1, 0) > 0 && (p.revents & POLLERR))
        end(o, PFS_OUTPUT_CLOSED, 0);
    return o->end == PFS_OUTPUT_CLOSED;
}
