/* SPDX-License-Identifier: MIT
 *
 * The lines of a server on stderr, each of a level: those below the one that was
 * chosen are not written. Any thread. */
#ifndef CLI_SERVE_LOG_H
#define CLI_SERVE_LOG_H

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

/* All of them, for sentences. */
#define LOG_LEVELS "debug, info, warn or error"

/* 0, or -1: there is none of this name. */
int log_level_parse(enum log_level *out, const char *name);

/* Info, before it is called. Before there are threads. */
void log_init(enum log_level least);

void log_say(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
