/* SPDX-License-Identifier: MIT
 *
 * Tasks from any thread to one: a list that is pushed to without a lock and taken
 * whole, in the order of posting. */
#ifndef CLI_HTTP_TASKS_H
#define CLI_HTTP_TASKS_H

#include <stdbool.h>

#include "http/http.h"

struct http_tasks {
    struct http_task *_Atomic newest;
};

/* False: it is in the list already. Any thread. */
bool http_tasks_push(struct http_tasks *t, struct http_task *task);

/* Whether there is something to be run. Any thread. */
bool http_tasks_any(struct http_tasks *t);

/* Run what is in the list; tasks pushed meanwhile are left to the next call.
 * Returns whether there were any. The one thread. */
bool http_tasks_run(struct http_tasks *t);

#endif
