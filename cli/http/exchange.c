/* SPDX-License-Identifier: MIT
 *
 * What a handler says and asks about an exchange; see http.h. Runs on the thread of
 * its loop. Nothing here calls the handler: the connection is made ready, and the
 * loop does the rest. */
#include <string.h>

#include "http/private.h"

enum http_method http_method(const struct http_exchange *x)
{
    return x->head ? (enum http_method)x->head->method : HTTP_OTHER;
}

const char *http_method_text(const struct http_exchange *x)
{
    return x->head ? x->head->text + x->head->method_text : "";
}

int http_minor_version(const struct http_exchange *x)
{
    return x->minor_0 ? 0 : 1;
}

const char *http_path(const struct http_exchange *x)
{
    return x->head ? x->head->text + x->head->path : "";
}

const char *http_query(const struct http_exchange *x, const char *key, size_t *len)
{
    const struct http_head *h = x->head;
    for (unsigned i = 0; h && i < h->query.n; i++) {
        const char *base = h->text + h->query_text;
        if (strcmp(base + h->query.pair[i].key, key) != 0)
            continue;
        if (len)
            *len = h->query.pair[i].value_len;
        return base + h->query.pair[i].value;
    }
    return NULL;
}

const char *http_header(const struct http_exchange *x, const char *name)
{
    return x->head ? http_head_field(x->head, name) : NULL;
}

int64_t http_content_length(const struct http_exchange *x)
{
    if (x->chunked)
        return -1;
    return x->head && x->head->content_length > 0 ? x->head->content_length : 0;
}

struct http_loop *http_exchange_loop(const struct http_exchange *x)
{
    return http_conn_of(x)->loop;
}

void http_take(struct http_exchange *x, const struct http_exchange_ops *ops, void *data)
{
    x->ops = ops;
    x->data = data;
}

void *http_exchange_data(const struct http_exchange *x)
{
    return x->data;
}

void http_want_whole_body(struct http_exchange *x, size_t max)
{
    x->whole = true;
    x->body_limit = max;
}

void http_body_resume(struct http_exchange *x)
{
    if (!x->paused)
        return;
    x->paused = false;
    http_conn_enter(http_conn_of(x), CONN_BODY);
    http_conn_touch(http_conn_of(x));
}

bool http_hold(struct http_exchange *x, size_t bytes)
{
    return http_account_take(http_conn_of(x)->loop->server, bytes);
}

void http_unhold(struct http_exchange *x, size_t bytes)
{
    http_account_give(http_conn_of(x)->loop->server, bytes);
}

void http_set_body_timeout(struct http_exchange *x, int64_t ns)
{
    x->body_timeout_ns = ns;
    http_conn_touch(http_conn_of(x));
}

void http_set_send_timeout(struct http_exchange *x, int64_t ns)
{
    x->send_timeout_ns = ns;
    http_conn_touch(http_conn_of(x));
}

void http_set_end_on_hangup(struct http_exchange *x, bool on)
{
    x->end_on_hangup = on;
    http_conn_touch(http_conn_of(x));
}

/* Send the head, and `body` after it where the reply may have one. */
static void send_reply(struct http_exchange *x, const struct http_reply *reply,
                       struct http_reply_form *form, const void *body, size_t len)
{
    struct http_conn *c = http_conn_of(x);
    struct http_loop *l = c->loop;
    x->replied = true;
    if (!x->keep_alive || reply->close || l->draining || form->body == HTTP_BODY_TO_CLOSE ||
        !http_body_can_end(x))
        c->close_after = true;
    form->keep_alive = !c->close_after;
    form->minor = x->minor_0 ? 0 : 1;
    form->date = http_loop_date(l);
    size_t head_len = http_reply_head(l->reply_head, sizeof l->reply_head, reply, form);
    if (!head_len) {
        /* A field of the handler's that would have broken the head. */
        struct http_reply bare = {.status = 500};
        form->body = HTTP_BODY_LENGTH;
        form->length = len = 0;
        head_len = http_reply_head(l->reply_head, sizeof l->reply_head, &bare, form);
        x->streaming = false;
    }
    struct iovec iov[] = {{l->reply_head, head_len},
                          {(void *)(uintptr_t)body, x->is_head_method ? 0 : len}};
    x->cut |= !http_output_send(c, iov, 2);
    http_conn_touch(c);
}

bool http_reply(struct http_exchange *x, const struct http_reply *reply)
{
    if (x->replied)
        return false;
    struct http_reply_form form = {.body = HTTP_BODY_LENGTH, .length = reply->len};
    if (http_status_is_bodiless(reply->status))
        form = (struct http_reply_form){.body = HTTP_BODY_NONE};
    send_reply(x, reply, &form, reply->body, form.body == HTTP_BODY_LENGTH ? reply->len : 0);
    return true;
}

bool http_reply_text(struct http_exchange *x, int status, const char *type, const char *text)
{
    return http_reply(
        x, &(struct http_reply){.status = status, .type = type, .body = text, .len = strlen(text)});
}

bool http_reply_json(struct http_exchange *x, int status, const char *text)
{
    return http_reply_text(x, status, "application/json", text);
}

bool http_reply_stream(struct http_exchange *x, const struct http_reply *reply)
{
    if (x->replied || !x->ops || !x->ops->produce)
        return false;
    struct http_reply_form form = {.body = x->minor_0 ? HTTP_BODY_TO_CLOSE : HTTP_BODY_CHUNKED};
    if (reply->length_known)
        form = (struct http_reply_form){.body = HTTP_BODY_LENGTH, .length = reply->len};
    else if (http_status_is_bodiless(reply->status))
        form = (struct http_reply_form){.body = HTTP_BODY_NONE};
    x->streaming = !x->is_head_method && form.body != HTTP_BODY_NONE;
    x->framing = (struct http_framing){.chunked = form.body == HTTP_BODY_CHUNKED};
    x->length_known = reply->length_known;
    x->length_left = reply->len;
    x->idle = false;
    x->end_on_hangup = !reply->length_known;
    x->send_timeout_ns = -1;
    send_reply(x, reply, &form, NULL, 0);
    return true;
}
