/* SPDX-License-Identifier: MIT
 *
 * Reads as bytes come; see input.h. The descriptor is shared with others, so it
 * is not made non-blocking but asked by poll() first. */
#include "pfs/input.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "pfs/interrupt.h"

static ssize_t end(struct pfs_input *in, int error)
{
    in->ended = true;
    in->error = error;
    return 0;
}

ssize_t pfs_input_try(struct pfs_input *in, void *buf, size_t n)
{
    if (in->ended)
        return 0;
    if (pfs_interrupted())
        return end(in, 0);
    struct pollfd p = {.fd = in->fd, .events = POLLIN};
    if (poll(&p, 1, 0) <= 0)
        return PFS_INPUT_LATER;
    ssize_t got = read(in->fd, buf, n);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return PFS_INPUT_LATER;
    if (got <= 0)
        return end(in, got < 0 ? errno : 0);
    in->total += (uint64_t)got;
    in->pieces++;
    return got;
}

ssize_t pfs_input_wait(struct pfs_input *in, void *buf, size_t n)
{
    for (;;) {
        ssize_t got = pfs_input_try(in, buf, n);
        if (got != PFS_INPUT_LATER)
            return got;
        struct pollfd p[] = {{.fd = in->fd, .events = POLLIN},
                             {.fd = pfs_interrupt_fd(), .events = POLLIN}};
        poll(p, 2, -1);
    }
}
