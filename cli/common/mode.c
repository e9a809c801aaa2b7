/* SPDX-License-Identifier: MIT
 *
 * Octal numbers; see mode.h. */
#include "common/mode.h"

int mode_parse(unsigned *out, const char *text, unsigned most)
{
    unsigned mode = 0;
    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '7')
            return -1;
        mode = mode * 8 + (unsigned)(*text - '0');
        if (mode > most)
            return -1;
    }
    *out = mode;
    return 0;
}
