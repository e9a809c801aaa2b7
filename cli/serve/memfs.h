/* SPDX-License-Identifier: MIT
 *
 * Files and folders in memory, within a limit of bytes. */
#ifndef CLI_SERVE_MEMFS_H
#define CLI_SERVE_MEMFS_H

#include <stdatomic.h>
#include <stdint.h>

#include "serve/fs.h"

#define MEMFS_LIMIT_DEFAULT (UINT64_C(256) << 20)

/* `limit` is taken from `promised`, which may be NULL, at the end. NULL: out of memory,
 * and it is not. Freed by ops->free. */
struct fs *memfs_new(uint64_t limit, _Atomic uint64_t *promised);

#endif
