/* SPDX-License-Identifier: MIT
 *
 * The bytes of a file to a descriptor, gone on with where a connection broke. */
#ifndef CLI_PFS_FETCH_H
#define CLI_PFS_FETCH_H

#include "pfs/command.h"
#include "pfs/output.h"

/* What is wrong is told; an output whose reader went away is PFS_OK. */
int pfs_fetch(const struct pfs_run *r, const char *path, struct pfs_output *out);

/* Tell how an output ended: PFS_OK unless it failed. */
int pfs_output_status(const struct pfs_run *r, const struct pfs_output *out, const char *name);

#endif
