/* SPDX-License-Identifier: MIT
 *
 * Bytes to a descriptor in large writes: gathered while more is at hand, and
 * flushed by whoever knows that nothing more is. One thread. */
#ifndef CLI_PFS_OUTPUT_H
#define CLI_PFS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pfs_output_end {
    PFS_OUTPUT_OPEN,
    PFS_OUTPUT_CLOSED,      /* nobody reads it any more: a quiet end */
    PFS_OUTPUT_INTERRUPTED, /* by a signal, while it was full */
    PFS_OUTPUT_FAILED,      /* error says why */
};

struct pfs_output {
    int fd;
    char *buf;
    size_t used;
    uint64_t written; /* really, by the kernel's word */
    char last;        /* the last byte written */
    enum pfs_output_end end;
    int error; /* errno */
};

void pfs_output_init(struct pfs_output *o, int fd);
void pfs_output_free(struct pfs_output *o);

/* 0, or -1 once it ended. */
int pfs_output_put(struct pfs_output *o, const void *data, size_t n);
int pfs_output_flush(struct pfs_output *o);

/* Whether its reader went away, without writing anything. */
bool pfs_output_gone(struct pfs_output *o);

#endif
