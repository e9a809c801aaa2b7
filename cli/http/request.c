/* SPDX-License-Identifier: MIT
 *
 * The beginning of an exchange: a head from the input, and the handler told. */
#include <stdlib.h>
#include <string.h>

#include "http/private.h"

bool http_request_keep_head(struct http_exchange *x)
{
    if (!x->head || x->head_copy)
        return true;
    size_t len = x->head->len;
    struct http_head *copy = NULL;
    if (http_hold(x, sizeof *copy + len)) {
        copy = malloc(sizeof *copy + len);
        if (!copy)
            http_unhold(x, sizeof *copy + len);
    }
    if (!copy)
        return false;
    *copy = *x->head;
    copy->text = (char *)(copy + 1);
    memcpy(copy->text, x->head->text, len);
    x->head = x->head_copy = copy;
    return true;
}

void http_request_drop_head(struct http_conn *c)
{
    struct http_exchange *x = &c->x;
    if (x->head_copy)
        http_unhold(x, sizeof *x->head_copy + x->head_copy->len);
    free(x->head_copy);
    x->head = x->head_copy = NULL;
}

static void begin_exchange(struct http_conn *c, struct http_head *head)
{
    const struct http_options *o = &c->loop->server->options;
    c->x = (struct http_exchange){
        .head = head,
        .body_timeout_ns = o->body_timeout_ns,
        .send_timeout_ns = o->send_timeout_ns,
        .body_limit = UINT64_MAX,
        .chunked = head->chunked,
        .expects_continue = head->expects_continue,
        .body_left = head->content_length > 0 ? head->content_length : 0,
        .is_head_method = head->method == HTTP_HEAD,
        .minor_0 = head->minor == 0,
        .keep_alive = head->keep_alive,
    };
    c->has_begun = true;
    atomic_fetch_add_explicit(&c->loop->requests, 1, memory_order_relaxed);
}

/* The head stays where it was received while the body comes in behind it; where
 * that would leave little room, it is copied. */
static bool settle_head(struct http_conn *c, const struct input *in)
{
    struct http_loop *l = c->loop;
    char *text = c->x.head->text;
    if (!http_input_is_in(text, l->receive, HTTP_RECEIVE_SIZE))
        return true;
    size_t base = (size_t)(in->at - l->receive);
    if (base > HTTP_RECEIVE_SIZE / 2)
        return http_request_keep_head(&c->x);
    l->receive_base = base;
    return true;
}

static enum step dispatch(struct http_conn *c, const struct input *in)
{
    struct http_loop *l = c->loop;
    struct http_exchange *x = &c->x;
    begin_exchange(c, &l->head);
    http_help_not(l);
    l->server->handler.request(l->server->handler.user, x);
    bool has_body = x->chunked || x->body_left;
    if (!has_body && (x->replied || !x->ops || !x->ops->body)) {
        x->head = NULL;
        http_conn_enter(c, CONN_WAIT);
        return STEP_ON;
    }
    if ((uint64_t)x->body_left > x->body_limit && !x->replied)
        return http_conn_refuse(c, 413, "request body too large", HTTP_END_BAD);
    if (!settle_head(c, in))
        return http_conn_refuse(c, 503, "out of memory", HTTP_END_BAD);
    http_conn_enter(c, CONN_BODY);
    return STEP_ON;
}

static enum step more(struct http_conn *c, struct input *in)
{
    bool first = !in->len;
    switch (http_input_fill(c, in)) {
    case FILL_SOME:
        if (first)
            c->since_ns = c->loop->now_ns;
        return STEP_ON;
    case FILL_NONE:
        return STEP_WAIT;
    case FILL_END:
        if (in->len)
            return http_conn_refuse(c, 400, "request ended early", HTTP_END_GONE);
        /* Replies may still be on their way. */
        http_conn_enter(c, CONN_LINGER);
        return STEP_ON;
    default:
        http_conn_close(c, HTTP_END_GONE);
        return STEP_DONE;
    }
}

enum step http_request_step(struct http_conn *c, struct input *in)
{
    if (c->out_len && !http_output_flush(c)) {
        http_conn_close(c, HTTP_END_GONE);
        return STEP_DONE;
    }
    /* A client that does not read its replies gets no more of them. */
    if (c->out_len)
        return STEP_WAIT;
    /* Requests are not light work. */
    if (c->loop->by_helper && (in->len || c->readable)) {
        http_conn_make_ready(c);
        return STEP_WAIT;
    }
    const char *why = NULL;
    int n = http_head_scan(&c->scan, in->at, in->len, &why);
    if (!n)
        return more(c, in);
    int status = n < 0 ? -n : 0;
    if (!status)
        status = http_head_parse(&c->loop->head, in->at + c->scan.begin, (size_t)n - c->scan.begin,
                                 &why);
    if (status)
        return http_conn_refuse(c, status, why, HTTP_END_BAD);
    c->scan = (struct http_scan){0};
    in->at += n;
    in->len -= (size_t)n;
    if (c->refused)
        return http_conn_refuse(c, 503, "too many connections", HTTP_END_BAD);
    return dispatch(c, in);
}
