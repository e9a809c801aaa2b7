/* SPDX-License-Identifier: MIT
 *
 * Answers that take too long for a loop although they need nothing of the request but
 * a few words: a worker makes the body, the exchange's loop sends it. */
#ifndef CLI_SERVE_LATER_H
#define CLI_SERVE_LATER_H

#include <stdbool.h>

#include "serve/bytes.h"
#include "serve/path.h"
#include "serve/problem.h"
#include "serve/server.h"

/* What is to be answered. */
struct later_question {
    /* On the worker's thread: fill `out`. 0, or -1 and a problem. */
    int (*make)(struct server *sv, const struct later_question *q, struct bytes *out,
                struct problem *p);
    const char *type; /* of the content; static */
    bool flag;        /* of the maker's */
    char path[PATH_BYTES];
};

/* Answer `x`, which was not taken, when `w` has made the body. */
void later_answer(struct server *sv, struct http_exchange *x, struct worker *w,
                  const struct later_question *q);

#endif
