/* SPDX-License-Identifier: MIT
 *
 * Modes of files as a person types them. Pure. */
#ifndef CLI_COMMON_MODE_H
#define CLI_COMMON_MODE_H

/* "644": octal digits and nothing else, at most `most`. 0, or -1: it is none. */
int mode_parse(unsigned *out, const char *text, unsigned most);

#endif
