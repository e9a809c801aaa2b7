/* SPDX-License-Identifier: MIT
 *
 * What the library has to say while nobody calls it: its background threads
 * report here. Functions that return an error do not log it. */
#ifndef GOSTREAM_LOG_H
#define GOSTREAM_LOG_H

#include <gostream/common.h>

GOS_BEGIN_DECLS

enum gos_log_level {
    GOS_LOG_ERROR = 1, /* something stopped working */
    GOS_LOG_WARN = 2,  /* something is wrong and was dealt with */
    GOS_LOG_INFO = 3,  /* worth a line in a journal */
    GOS_LOG_DEBUG = 4  /* for people who change the library */
};

/* Receives one line: no newline at its end, text from the network escaped.
 * Called from any thread of the library with no lock held; must not block, and
 * must not call what is "not from callbacks". */
typedef void (*gos_log_fn)(void *user, enum gos_log_level level, const char *line);

GOS_END_DECLS

#endif
