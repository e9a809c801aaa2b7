/* SPDX-License-Identifier: MIT
 *
 * Lines that match a pattern, in a file or in all files below a folder. */
#ifndef CLI_SERVE_GREP_H
#define CLI_SERVE_GREP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/bytes.h"
#include "serve/pattern.h"
#include "serve/problem.h"
#include "serve/tree.h"

struct grep {
    struct pattern *pattern;
    bool recursive;
    bool lines;     /* one object on each line, instead of one array */
    uint64_t limit; /* 0: none */
    uint64_t count;
    const atomic_bool *given_up; /* nobody waits for it any more; NULL: somebody does */
    int64_t time_ns;             /* what it may take */
    size_t answer_max;           /* how large its body may be */
    struct bytes out;
    /* private */
    int64_t deadline_ns;
    const char *why; /* it was ended early */
};

/* Compile a pattern. 0, or -1 and a problem of status 400. */
int grep_begin(struct grep *g, const char *pattern, bool ignore_case, struct problem *p);

/* Search, and leave the whole body in `out`. */
int grep_run(struct grep *g, struct tree *t, const char *path, struct problem *p);

void grep_end(struct grep *g);

#endif
