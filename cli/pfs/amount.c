/* SPDX-License-Identifier: MIT
 *
 * Amounts; see amount.h. */
#include "pfs/amount.h"

#include <stdio.h>

const char *pfs_amount(char out[PFS_AMOUNT_MAX], uint64_t bytes)
{
    static const char *const units[] = {"KB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1024) {
        snprintf(out, PFS_AMOUNT_MAX, "%u %s", (unsigned)bytes, bytes == 1 ? "byte" : "bytes");
        return out;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    /* 1048575 is no "1024.00 KB". */
    while (value >= 1023.995 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    snprintf(out, PFS_AMOUNT_MAX, "%.2f %s", value, units[unit]);
    return out;
}
