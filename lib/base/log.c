/* SPDX-License-Identifier: MIT
 *
 * Lines for the embedder's log function. Any thread, no lock: the limit is two
 * atomic counters, and it may be wrong by a line where threads meet. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

#define LINES_A_SECOND 50
#define LINE_MAX_BYTES 512

void gos__log_init(struct gos__log *log, gos_log_fn fn, void *user, enum gos_log_level level)
{
    log->fn = fn;
    log->user = user;
    log->level = level;
    atomic_init(&log->second, -1);
    atomic_init(&log->lines, 0);
}

/* Whether one more line is allowed now; the first line of a second tells how
 * many were not in the last one. Relaxed order is enough: nothing but the
 * number of lines depends on these counters. */
static int allowed(struct gos__log *log)
{
    long long now = gos__clock_ns() / GOS__SECOND;
    long long then = atomic_load_explicit(&log->second, memory_order_relaxed);

    if (now != then && atomic_compare_exchange_strong_explicit(
                           &log->second, &then, now, memory_order_relaxed, memory_order_relaxed)) {
        int lines = atomic_exchange_explicit(&log->lines, 0, memory_order_relaxed);
        if (lines > LINES_A_SECOND) {
            char line[64];
            snprintf(line, sizeof line, "log: %d lines left out", lines - LINES_A_SECOND);
            log->fn(log->user, GOS_LOG_WARN, line);
        }
    }
    return atomic_fetch_add_explicit(&log->lines, 1, memory_order_relaxed) < LINES_A_SECOND;
}

void gos__log(struct gos__log *log, enum gos_log_level level, const char *part, const char *fmt,
              ...)
{
    if (!log || !log->fn || level > log->level || !allowed(log))
        return;

    char line[LINE_MAX_BYTES];
    int n = snprintf(line, sizeof line, "%s: ", part);
    if (n < 0 || (size_t)n >= sizeof line)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + n, sizeof line - (size_t)n, fmt, args);
    va_end(args);
    log->fn(log->user, level, line);
}
