/* SPDX-License-Identifier: MIT
 *
 * Files and folders in memory, within a limit of bytes. */
#ifndef CLI_SERVE_MEMFS_H
#define CLI_SERVE_MEMFS_H

#include <stdint.h>

#include "serve/fs.h"

#define MEMFS_LIMIT_DEFAULT (UINT64_C(256) << 20)

/* NULL: out of memory. Freed by ops->free. */
struct fs *memfs_new(uint64_t limit);

#endif
