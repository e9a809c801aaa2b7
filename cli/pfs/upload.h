/* SPDX-License-Identifier: MIT
 *
 * The bytes of an open regular file to a file of the server. */
#ifndef CLI_PFS_UPLOAD_H
#define CLI_PFS_UPLOAD_H

#include <stdint.h>

#include "pfs/command.h"

/* From where `fd` stands, `size` bytes; `name` is what messages call it. What is wrong is told. */
int pfs_upload(const struct pfs_run *r, int fd, int64_t size, const char *name, const char *path);

#endif
