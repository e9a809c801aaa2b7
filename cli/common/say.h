/* SPDX-License-Identifier: MIT
 *
 * Everything a tool says on stderr goes through here, so that lines from several
 * threads stay whole and the redrawn line of a terminal is never in the way.
 * Any thread. */
#ifndef CLI_COMMON_SAY_H
#define CLI_COMMON_SAY_H

#include <stdbool.h>

/* Once, before anything else: the name that goes before each line. */
void say_init(const char *tool);

/* "TOOL: ..." and a newline. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same without "TOOL: ". */
void say_bare(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether stderr is a terminal. */
bool say_to_terminal(void);

/* The line that is redrawn in place on a terminal; elsewhere a plain line. */
void say_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Take the redrawn line away. */
void say_status_end(void);

#endif
