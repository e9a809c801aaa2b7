/* SPDX-License-Identifier: MIT
 *
 * Reading a live stream: its history and what is written, until it ends; gone on
 * with where a connection broke; every lost byte counted. */
#ifndef CLI_PFS_FOLLOW_H
#define CLI_PFS_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "pfs/command.h"
#include "pfs/frames.h"
#include "pfs/progress.h"
#include "pfs/retry.h"

struct pfs_follow {
    const struct pfs_run *r;
    const char *path;
    const char *from, *policy, *until; /* NULL: as the server likes */
    /* Takes the bytes with their offset, -1 where it is not known; -1: no more. */
    int (*take)(void *user, const void *data, size_t n, int64_t offset);
    /* All that was at hand was given; -1: no more. */
    int (*settle)(void *user);
    /* What was given so far is of another stream than what comes. NULL: not wanted. */
    void (*anew)(void *user);
    void *user;
    int output_fd;
    bool no_create; /* it must be there; a server that does not know that makes it */

    /* what became of it */
    bool stopped;        /* by take or settle */
    uint64_t received;   /* bytes */
    uint64_t gaps, lost; /* how often, how many bytes */
    bool replaced;       /* by another stream of its name, while the connection was broken */

    /* inside */
    bool framed; /* this answer is */
    bool wrong;  /* this answer is not what it should be */
    bool other;  /* this answer is of another stream */
    char id[40]; /* of the stream that is read; "": not told */
    struct pfs_frames frames;
    uint64_t untold; /* lost bytes not yet said */
    int64_t told_ns;
    struct pfs_progress progress;
    struct pfs_retry retry;
};

/* Set what is above "what became of it" first. What goes wrong is told; losses too. */
int pfs_follow(struct pfs_follow *f);

/* Whether bytes are missing, of this stream or because another one took its place: what
 * --strict ends with 3 for. */
static inline bool pfs_follow_lost(const struct pfs_follow *f)
{
    return f->gaps || f->replaced;
}

#endif
