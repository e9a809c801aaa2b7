/* SPDX-License-Identifier: MIT
 *
 * Bytes from a descriptor as they come: a read returns what is there, never
 * waits for a block to fill, and ends with a signal. One thread. */
#ifndef CLI_PFS_INPUT_H
#define CLI_PFS_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pfs_input {
    int fd;
    bool ended;      /* by its end, a signal or an error */
    int error;       /* errno, 0: none */
    uint64_t total;  /* bytes read */
    uint64_t pieces; /* reads that gave some */
};

#define PFS_INPUT_LATER (-1)

/* Bytes read; 0 once it has ended; PFS_INPUT_LATER: nothing is there yet. */
ssize_t pfs_input_try(struct pfs_input *in, void *buf, size_t n);

/* The same, waiting until something is there. */
ssize_t pfs_input_wait(struct pfs_input *in, void *buf, size_t n);

#endif
