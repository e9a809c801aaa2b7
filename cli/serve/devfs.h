/* SPDX-License-Identifier: MIT
 *
 * /dev, which clients expect to be mounted: one file, null. */
#ifndef CLI_SERVE_DEVFS_H
#define CLI_SERVE_DEVFS_H

#include "serve/fs.h"

/* NULL: out of memory. Freed by ops->free. */
struct fs *devfs_new(void);

#endif
