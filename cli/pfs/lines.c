/* SPDX-License-Identifier: MIT
 *
 * Lines from the end; see lines.h. */
#include "pfs/lines.h"

#include <string.h>

size_t pfs_last_lines(const char *text, size_t n, size_t lines)
{
    if (!n || !lines)
        return n;
    /* The newline that ends the last line begins none. */
    size_t end = text[n - 1] == '\n' ? n - 1 : n;
    for (; lines; lines--) {
        const char *newline = end ? memrchr(text, '\n', end) : NULL;
        if (!newline)
            return 0;
        end = (size_t)(newline - text);
    }
    return end + 1;
}
