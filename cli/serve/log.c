/* SPDX-License-Identifier: MIT
 *
 * Lines by level; see log.h. A server has one stderr, so this state is global. */
#include "serve/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/say.h"

#define LINE_BYTES 8192 /* two paths */

static enum log_level threshold = LEVEL_INFO;

int log_level_parse(enum log_level *out, const char *name)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

void log_init(enum log_level least)
{
    threshold = least;
}

void log_say(enum log_level level, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    if (level < threshold)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    say("%s", line);
}
