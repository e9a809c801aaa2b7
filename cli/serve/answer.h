/* SPDX-License-Identifier: MIT
 *
 * Answers as the protocol has them, and the parameters of requests. On the loop
 * of the exchange. */
#ifndef CLI_SERVE_ANSWER_H
#define CLI_SERVE_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "http/http.h"
#include "serve/bytes.h"
#include "serve/path.h"
#include "serve/problem.h"

#define ANSWER_JSON "application/json"
#define ANSWER_BYTES "application/octet-stream"

void answer_problem(struct http_exchange *x, const struct problem *p);
void answer_error(struct http_exchange *x, int status, const char *text);
void answer_message(struct http_exchange *x, int status, const char *text);

/* A body of JSON, which is freed; told as out of memory if it failed. */
void answer_json(struct http_exchange *x, int status, struct bytes *body);

/* "deleted" and the like if `rc` is 0, else the problem. */
void answer_done(struct http_exchange *x, int rc, int status, const char *text,
                 const struct problem *p);

/* The parameter `path`. `standard` (may be NULL) is used where it is missing. */
int query_path(struct http_exchange *x, const char *standard, char out[PATH_BYTES],
               struct problem *p);

/* A decimal number; `out` is untouched where it is missing. False: it is none. */
bool query_int64(struct http_exchange *x, const char *key, int64_t *out);

/* A flag: "true" or "1". */
bool query_true(struct http_exchange *x, const char *key);

/* A flag that must say "true", "1", "false", "0" or nothing: who meant something else
 * must not wait for what does not happen. 0, or -1. */
int query_flag_check(struct http_exchange *x, const char *key, struct problem *p);

/* Whether the parameter is there and says this. */
bool query_is(struct http_exchange *x, const char *key, const char *value);

bool parse_int64(const char *text, int64_t *out);

#endif
