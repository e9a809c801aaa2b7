/* SPDX-License-Identifier: MIT
 *
 * Ctrl-C and SIGTERM while bytes flow: the first asks for an orderly end, the
 * second ends the process at once. One thread. */
#ifndef CLI_PFS_INTERRUPT_H
#define CLI_PFS_INTERRUPT_H

#include <stdbool.h>

/* From now on the first signal is only noted. May be called again. */
void pfs_interrupt_begin(void);

/* Whether one came. */
bool pfs_interrupted(void);

/* A descriptor that becomes readable with the first signal, or -1. */
int pfs_interrupt_fd(void);

/* Sleep, or less if a signal comes. */
void pfs_interrupt_sleep(int milliseconds);

#endif
