/* SPDX-License-Identifier: MIT
 *
 * Timers of one thread in a pairing heap whose links live in the timers: no
 * allocation, so setting one cannot fail. A timer that is put off again and again
 * (the usual life of a time limit) is not moved until its old moment comes. */
#ifndef CLI_HTTP_TIMERS_H
#define CLI_HTTP_TIMERS_H

#include <stdint.h>

#include "http/http.h"

struct http_timers {
    struct http_timer *root;
};

void http_timers_set(struct http_timers *t, struct http_timer *timer, int64_t due_ns);
void http_timers_clear(struct http_timers *t, struct http_timer *timer);

/* When to look again; INT64_MAX: there are none. May be too early, never too late. */
int64_t http_timers_next(const struct http_timers *t);

/* Take out a timer that is due, or NULL. Its `run` is the caller's to call. */
struct http_timer *http_timers_pop(struct http_timers *t, int64_t now_ns);

#endif
