/* SPDX-License-Identifier: MIT
 *
 * The end of the process, within a second of its beginning. */
#ifndef CLI_MOUNT_ENDING_H
#define CLI_MOUNT_ENDING_H

#include <stdint.h>

#include "mount/run.h"

/* Signals that end a run are kept for signal_fd; every thread that is started
 * later inherits that. Returns the signalfd, or -1 with errno. */
int ending_block_signals(void);

/* From now on the process has one second: past that it ends as `result` says,
 * whatever still hangs. */
void ending_begin(struct run_result result);

/* What is left of that second, with room for the rest of the work. */
int64_t ending_left_ns(void);

/* End by the signal, or return the status for main() to return. */
int ending_finish(struct run_result result);

#endif
