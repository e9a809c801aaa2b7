/* SPDX-License-Identifier: MIT
 *
 * Names from torrents and command lines, made fit to be shown: nothing in them
 * can move the cursor, start a new line, or reverse what follows. Pure. */
#ifndef CLI_COMMON_TEXT_H
#define CLI_COMMON_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* Enough for a name of 255 bytes each of which has to be escaped. */
#define TEXT_SHOWN 1100

/* `text` with control characters, bytes that are not UTF-8, line and direction
 * marks as \xNN, and '\' as '\\'. What does not fit ends in "...".
 * Returns `out`. */
const char *text_escape(char *out, size_t size, const char *text);

/* The same to a stream, whole. */
void text_write(FILE *out, const char *text);

/* An argument for printf, valid in the block it is written in. */
#define SHOWN(text) text_escape((char[TEXT_SHOWN]){0}, TEXT_SHOWN, (text))

/* Bytes of the valid UTF-8 character that begins at `text` (which ends in a
 * NUL), and its code point; 0 if there is none. */
size_t text_decode(const char *text, unsigned *code);

#endif
