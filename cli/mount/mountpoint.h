/* SPDX-License-Identifier: MIT
 *
 * Can we mount here? Says what is in the way and what to do about it, and takes
 * away the dead mount that a killed gostream-mount left. Main thread. */
#ifndef CLI_MOUNT_MOUNTPOINT_H
#define CLI_MOUNT_MOUNTPOINT_H

#include <stddef.h>

/* 0, or -1 and it has been said why not. */
int mountpoint_check(const char *dir);

/* Unmount what is mounted at `dir` if it is ours and dead. */
void mountpoint_clean(const char *dir);

/* ---- the table of mounts, for the test ---- */

#define MOUNTPOINT_TYPE 64

/* The type of the topmost file system mounted at `path`, from the text of
 * /proc/self/mountinfo. 1 if there is one, else 0. */
int mountpoint_find(const char *mountinfo, const char *path, char type[MOUNTPOINT_TYPE]);

#endif
