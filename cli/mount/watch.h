/* SPDX-License-Identifier: MIT
 *
 * Lets a process that waits for a read be killed. The kernel tells of one
 * signal per request and then waits, not killable, for the answer; but to answer
 * EINTR at each signal would break the reads of every program with a timer. So
 * the callers of interrupted reads are looked at ten times a second, and only
 * those that are dying get EINTR. One thread. */
#ifndef CLI_MOUNT_WATCH_H
#define CLI_MOUNT_WATCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "mount/reads.h"

struct watch;

/* NULL with errno. */
struct watch *watch_start(struct reads *reads);

/* After reads_end(); NULL is fine. */
void watch_stop(struct watch *w);

/* Whether a thread has SIGKILL pending (the kernel turns every deadly signal
 * into it) or is gone. 0, which stands for one that cannot be seen from here,
 * is not. */
bool watch_is_dying(pid_t tid);

#endif
