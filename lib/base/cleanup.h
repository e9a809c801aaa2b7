/* SPDX-License-Identifier: MIT
 *
 * Locals that clean up after themselves. */
#ifndef GOS_BASE_CLEANUP_H
#define GOS_BASE_CLEANUP_H

#include <unistd.h>

#include "base/alloc.h"

static inline void gos__cleanup_free(void *p)
{
    gos__free(*(void **)p);
}

static inline void gos__cleanup_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define GOS_AUTO_FREE __attribute__((cleanup(gos__cleanup_free)))
#define GOS_AUTO_FD __attribute__((cleanup(gos__cleanup_fd)))

#endif
