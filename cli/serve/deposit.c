/* SPDX-License-Identifier: MIT
 *
 * Bodies on their way into files; see deposit.h. Each belongs to the loop of its
 * exchange. */
#include "serve/deposit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/answer.h"
#include "serve/bytes.h"
#include "serve/json.h"

#define SHORT ((int64_t)1 << 20)

struct deposit {
    struct server *sv;
    struct content content;
    size_t held; /* counted among all that waits */
    bool refused;
    char path[]; /* looked up at the end, when the file is replaced */
};

bool deposit_is_short(const struct http_exchange *x)
{
    int64_t n = http_content_length(x);
    return n >= 0 && n <= SHORT;
}

void deposit_answer(struct http_exchange *x, size_t n)
{
    char text[64];
    snprintf(text, sizeof text, "Written %zu bytes", n);
    answer_message(x, 200, text);
}

/* Nothing more of it is wanted, and it may be long: the connection ends. */
static void refuse(struct http_exchange *x, int status, const char *text)
{
    struct bytes body = {0};
    json_put_word(&body, "error", text);
    http_reply(x, &(struct http_reply){.status = status,
                                       .type = ANSWER_JSON,
                                       .body = body.data,
                                       .len = body.n,
                                       .close = true});
    bytes_free(&body);
}

static void refuse_size(struct server *sv, struct http_exchange *x)
{
    char text[96];
    snprintf(text, sizeof text, "request body exceeds maximum size of %llu bytes",
             (unsigned long long)sv->body_max);
    refuse(x, 413, text);
}

/* Files on their way never have all of what may wait: else a few that come slowly could
 * get everybody else's requests refused. */
static bool hold(struct deposit *d, struct http_exchange *x, size_t n)
{
    uint64_t before = atomic_fetch_add_explicit(&d->sv->deposited, n, memory_order_relaxed);
    if (before + n <= d->sv->deposits_max && http_hold(x, n)) {
        d->held += n;
        return true;
    }
    atomic_fetch_sub_explicit(&d->sv->deposited, n, memory_order_relaxed);
    return false;
}

static void drop(struct deposit *d, struct http_exchange *x)
{
    atomic_fetch_sub_explicit(&d->sv->deposited, d->held, memory_order_relaxed);
    http_unhold(x, d->held);
    d->held = 0;
    content_free(&d->content);
}

static void put(struct deposit *d, struct http_exchange *x)
{
    struct problem p;
    size_t n = (size_t)d->content.size;
    if (tree_put(&d->sv->tree, d->path, &d->content, &p) < 0)
        answer_problem(x, &p);
    else
        deposit_answer(x, n);
    drop(d, x); /* now with what the file had before */
}

/* Put a part behind the others. False: it was refused. */
static bool add(struct deposit *d, struct http_exchange *x, const struct http_part *part)
{
    if (part->len > d->sv->body_max - d->content.size) {
        refuse_size(d->sv, x);
        return false;
    }
    if (!hold(d, x, part->len)) {
        refuse(x, 503, "no room for the request body");
        return false;
    }
    if (content_write(&d->content, d->content.size, part->data, part->len) < 0) {
        refuse(x, 503, "out of memory");
        return false;
    }
    return true;
}

static size_t body(struct http_exchange *x, void *data, const struct http_part *part)
{
    struct deposit *d = data;
    if (d->refused)
        return part->len;
    d->refused = !add(d, x, part);
    if (d->refused)
        drop(d, x);
    else if (part->last)
        put(d, x);
    return part->len;
}

static void end(struct http_exchange *x, void *data, enum http_end why)
{
    struct deposit *d = data;
    (void)why;
    drop(d, x);
    free(d);
}

void deposit_start(struct server *sv, struct http_exchange *x, const char *path)
{
    static const struct http_exchange_ops ops = {.body = body, .end = end};
    size_t n = strlen(path) + 1;
    if (http_content_length(x) > 0 && (uint64_t)http_content_length(x) > sv->body_max) {
        refuse_size(sv, x);
        return;
    }
    struct deposit *d = calloc(1, sizeof *d + n);
    if (!d) {
        answer_error(x, 503, "out of memory");
        return;
    }
    d->sv = sv;
    memcpy(d->path, path, n);
    http_take(x, &ops, d);
}
