/* SPDX-License-Identifier: MIT
 *
 * Amounts and rates as the tool says them. Pure. */
#ifndef CLI_PFS_AMOUNT_H
#define CLI_PFS_AMOUNT_H

#include <stddef.h>
#include <stdint.h>

#define PFS_AMOUNT_MAX 32

/* "17 bytes", "195.31 KB", "6.25 MB", "1.50 GB": powers of 1024. Returns `out`. */
const char *pfs_amount(char out[PFS_AMOUNT_MAX], uint64_t bytes);

#endif
