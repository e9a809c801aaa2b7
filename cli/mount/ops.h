/* SPDX-License-Identifier: MIT
 *
 * What the kernel asks, answered: everything but READ from memory and at once.
 * Session threads. */
#ifndef CLI_MOUNT_OPS_H
#define CLI_MOUNT_OPS_H

#include <sys/types.h>

#include "mount/custom_io.h"
#include "mount/fuse_api.h"
#include "mount/reads.h"
#include "mount/tree.h"

/* The user data of the FUSE session. */
struct ops {
    struct custom_io io; /* first: libfuse hands the user data to it too */
    struct tree *tree;
    struct reads *reads;
    uid_t uid;
    gid_t gid;
};

extern const struct fuse_lowlevel_ops ops_table;

#endif
