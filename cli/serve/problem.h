/* SPDX-License-Identifier: MIT
 *
 * Why a request is refused: the HTTP status and the sentence that clients show.
 * Made once, where it is known, and passed up. */
#ifndef CLI_SERVE_PROBLEM_H
#define CLI_SERVE_PROBLEM_H

/* A path and some words; longer texts are cut. */
#define PROBLEM_TEXT 4608

struct problem {
    int status;
    char text[PROBLEM_TEXT];
};

/* Fill `p`. Always -1, so that it can be returned. */
int problem_set(struct problem *p, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put words before the text that is there. Always -1. */
int problem_prefix(struct problem *p, const char *words);

int problem_nomem(struct problem *p);

#endif
