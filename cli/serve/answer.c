/* SPDX-License-Identifier: MIT
 *
 * Answers and parameters; see answer.h. */
#include "serve/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/json.h"

static void answer_word(struct http_exchange *x, int status, const char *key, const char *text)
{
    struct bytes body = {0};
    json_put_word(&body, key, text);
    answer_json(x, status, &body);
}

void answer_json(struct http_exchange *x, int status, struct bytes *body)
{
    struct http_reply reply = {
        .status = status, .type = ANSWER_JSON, .body = body->data, .len = body->n};
    if (body->failed)
        http_reply_json(x, 503, "{\"error\":\"out of memory\"}\n");
    else
        http_reply(x, &reply);
    bytes_free(body);
}

void answer_error(struct http_exchange *x, int status, const char *text)
{
    answer_word(x, status, "error", text);
}

void answer_problem(struct http_exchange *x, const struct problem *p)
{
    answer_error(x, p->status, p->text);
}

void answer_message(struct http_exchange *x, int status, const char *text)
{
    answer_word(x, status, "message", text);
}

void answer_done(struct http_exchange *x, int rc, int status, const char *text,
                 const struct problem *p)
{
    if (rc < 0)
        answer_problem(x, p);
    else
        answer_message(x, status, text);
}

int query_path(struct http_exchange *x, const char *standard, char out[PATH_BYTES],
               struct problem *p)
{
    size_t n = 0;
    const char *path = http_query(x, "path", &n);
    if ((!path || n == 0) && !standard)
        return problem_set(p, 400, "path parameter is required");
    if (!path || n == 0) {
        path = standard;
        n = strlen(standard);
    }
    return path_normalise(out, path, n, p);
}

bool parse_int64(const char *text, int64_t *out)
{
    char *end;
    const char *digits = text + (*text == '-' || *text == '+');
    if (*digits < '0' || *digits > '9')
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end || errno)
        return false;
    *out = value;
    return true;
}

bool query_int64(struct http_exchange *x, const char *key, int64_t *out)
{
    const char *text = http_query(x, key, NULL);
    return !text || !*text || parse_int64(text, out);
}

bool query_is(struct http_exchange *x, const char *key, const char *value)
{
    const char *text = http_query(x, key, NULL);
    return text && strcmp(text, value) == 0;
}

bool query_true(struct http_exchange *x, const char *key)
{
    return query_is(x, key, "true") || query_is(x, key, "1");
}

int query_flag_check(struct http_exchange *x, const char *key, struct problem *p)
{
    const char *text = http_query(x, key, NULL);
    if (!text || !*text || query_true(x, key) || query_is(x, key, "false") || query_is(x, key, "0"))
        return 0;
    return problem_set(p, 400, "invalid %s parameter (must be true or false)", key);
}
