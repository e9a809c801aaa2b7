/* SPDX-License-Identifier: MIT
 *
 * libfuse's low-level interface, one version of it for every file. */
#ifndef CLI_MOUNT_FUSE_API_H
#define CLI_MOUNT_FUSE_API_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#endif
