/* SPDX-License-Identifier: MIT
 *
 * Where lines begin. Pure. */
#ifndef CLI_PFS_LINES_H
#define CLI_PFS_LINES_H

#include <stddef.h>

/* The offset at which the last `lines` lines of `text` begin; 0 if there are no
 * more than that. A line without a newline at the end of `text` is one, too. */
size_t pfs_last_lines(const char *text, size_t n, size_t lines);

#endif
