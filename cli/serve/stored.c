/* SPDX-License-Identifier: MIT
 *
 * Stored bodies; see stored.h. */
#include "serve/stored.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "serve/answer.h"

/* What all clients together may have waiting for them, since each may ask for the
 * largest file and read nothing; and how long one may take nothing. */
#define WAITING_MAX ((size_t)1 << 30)
#define SEND_TIMEOUT_NS (INT64_C(60) * 1000000000)

static atomic_size_t waiting;

/* Below this a copy is cheaper than an exchange of its own. */
#define COPY_MAX 65536

/* Relaxed: a count, nothing hangs on its order. */
bool stored_hold(struct stored *s)
{
    /* A few bytes keep all of the blocks that they are in. */
    size_t room = s->body.room + s->content.n * (CONTENT_BLOCK + sizeof(*s->content.blocks));
    size_t before = atomic_fetch_add_explicit(&waiting, room, memory_order_relaxed);
    if (before == 0 || before + room <= WAITING_MAX) {
        s->held = room;
        return true;
    }
    atomic_fetch_sub_explicit(&waiting, room, memory_order_relaxed);
    return false;
}

void stored_drop(struct stored *s)
{
    atomic_fetch_sub_explicit(&waiting, s->held, memory_order_relaxed);
    s->held = 0;
    bytes_free(&s->body);
    content_free(&s->content);
}

void stored_send(struct http_exchange *x, struct stored *s, const struct http_reply *head)
{
    if (!stored_hold(s)) {
        answer_error(x, 503, "too many large answers are under way");
        return;
    }
    http_reply_stream(x, head);
    http_set_send_timeout(x, SEND_TIMEOUT_NS);
}

static enum http_flow produce_content(const struct stored *s, struct http_batch *batch)
{
    size_t n = 0;
    batch->n_iov = content_slices(&s->content, s->at, batch->iov, batch->max_iov);
    for (unsigned i = 0; i < batch->n_iov; i++)
        n += batch->iov[i].iov_len;
    return s->at + n < s->content.size ? HTTP_FLOW_MORE : HTTP_FLOW_END;
}

enum http_flow stored_produce(struct stored *s, struct http_batch *batch)
{
    if (s->content.size > 0)
        return produce_content(s, batch);
    if (s->at == s->body.n)
        return HTTP_FLOW_END;
    batch->iov[0] = (struct iovec){.iov_base = s->body.data + s->at, .iov_len = s->body.n - s->at};
    batch->n_iov = 1;
    if (batch->iov[0].iov_len > batch->max_bytes) {
        batch->iov[0].iov_len = batch->max_bytes;
        return HTTP_FLOW_MORE;
    }
    return HTTP_FLOW_END;
}

void stored_sent(struct stored *s, size_t bytes)
{
    s->at += bytes;
}

static enum http_flow produce(struct http_exchange *x, void *data, struct http_batch *batch)
{
    (void)x;
    return stored_produce(data, batch);
}

static void sent(struct http_exchange *x, void *data, size_t bytes)
{
    (void)x;
    stored_sent(data, bytes);
}

static void end(struct http_exchange *x, void *data, enum http_end why)
{
    struct stored *s = data;
    (void)x, (void)why;
    stored_drop(s);
    free(s);
}

static const struct http_exchange_ops ops = {.produce = produce, .sent = sent, .end = end};

/* `s` is a copy of what is to be kept and sent; NULL: there was no memory for one. */
static void take(struct http_exchange *x, const struct http_reply *reply, struct stored *s)
{
    if (!s) {
        answer_error(x, 503, "out of memory");
        return;
    }
    http_take(x, &ops, s);
    stored_send(x, s, reply);
}

void stored_reply(struct http_exchange *x, const struct http_reply *head, struct bytes *body,
                  bool chunked)
{
    struct http_reply reply = *head;
    reply.len = body->n;
    reply.length_known = !chunked;
    if (!chunked && !body->failed && body->n <= COPY_MAX) {
        reply.body = body->data;
        http_reply(x, &reply);
    } else {
        struct stored *s = body->failed ? NULL : calloc(1, sizeof *s);
        if (s) {
            s->body = *body;
            *body = (struct bytes){0};
        }
        take(x, &reply, s);
    }
    bytes_free(body);
}

void stored_reply_content(struct http_exchange *x, const struct http_reply *head,
                          struct content *content, bool chunked)
{
    struct http_reply reply = *head;
    struct iovec part = {0};
    reply.len = (size_t)content->size;
    reply.length_known = !chunked;
    content_slices(content, 0, &part, 1);
    if (!chunked && part.iov_len == content->size) {
        reply.body = part.iov_base;
        http_reply(x, &reply);
    } else {
        struct stored *s = calloc(1, sizeof *s);
        if (s) {
            s->content = *content;
            *content = (struct content){0};
        }
        take(x, &reply, s);
    }
    content_free(content);
}
