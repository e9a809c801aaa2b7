/* SPDX-License-Identifier: MIT
 *
 * Request bodies: parts to the handler as they arrive, or gathered into one. */
#include "http/private.h"

/* A body that nobody wants any more is read to its end if that is near, so that the
 * connection can go on. */
#define DROP_MAX ((int64_t)256 << 10)

static enum step finish_body(struct http_conn *c)
{
    struct http_exchange *x = &c->x;
    x->body_done = true;
    http_gather_free(c);
    http_request_drop_head(c);
    c->loop->receive_base = 0;
    http_conn_enter(c, CONN_WAIT);
    return STEP_ON;
}

/* Hand a part out. Returns how many bytes were taken. */
static size_t hand_out(struct http_exchange *x, const struct http_part *part)
{
    x->body_seen += part->len;
    if (x->replied || !x->ops || !x->ops->body)
        return part->len;
    x->last_out = part->last;
    http_help_not(http_exchange_loop(x));
    size_t taken = x->ops->body(x, x->data, part);
    x->paused = taken == HTTP_PAUSE || taken < part->len;
    x->last_out = part->last && !x->paused;
    if (taken == HTTP_PAUSE)
        taken = 0;
    else if (taken > part->len)
        taken = part->len;
    x->body_seen -= part->len - taken;
    return taken;
}

static enum step too_large(struct http_conn *c)
{
    return http_conn_refuse(c, 413, "request body too large", HTTP_END_BAD);
}

static enum step gather_failed(struct http_conn *c, enum http_gather why)
{
    if (why == HTTP_GATHER_TOO_BIG)
        return too_large(c);
    return http_conn_refuse(c, 503, "no room for the request body", HTTP_END_BAD);
}

/* More input behind what there is. */
static enum step more(struct http_conn *c, enum fill fill)
{
    switch (fill) {
    case FILL_SOME:
        c->since_ns = c->loop->now_ns;
        return STEP_ON;
    case FILL_NONE:
        return STEP_WAIT;
    case FILL_END:
        return http_conn_refuse(c, 400, "request body ended early", HTTP_END_GONE);
    default:
        http_conn_close(c, HTTP_END_GONE);
        return STEP_DONE;
    }
}

/* A client that waits for a word before it sends its body gets it once somebody
 * wants to read. */
static void invite(struct http_conn *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!c->x.expects_continue)
        return;
    c->x.expects_continue = false;
    struct iovec iov = {.iov_base = (char *)(uintptr_t)text, .iov_len = sizeof text - 1};
    c->x.cut |= !http_output_send(c, &iov, 1);
}

static enum step counted_parts(struct http_conn *c, struct input *in)
{
    struct http_exchange *x = &c->x;
    struct http_part part = {.data = in->at, .len = in->len};
    if ((int64_t)part.len > x->body_left)
        part.len = (size_t)x->body_left;
    part.last = (int64_t)part.len == x->body_left;
    if (!part.len && !part.last)
        return more(c, http_input_fill(c, in));
    size_t taken = hand_out(x, &part);
    in->at += taken;
    in->len -= taken;
    x->body_left -= (int64_t)taken;
    return part.last && taken == part.len && !x->paused ? finish_body(c) : STEP_ON;
}

static enum step chunked_parts(struct http_conn *c, struct input *in)
{
    struct http_exchange *x = &c->x;
    struct http_chunked_step s;
    enum http_chunked_found found = http_chunked_next(&x->decoder, in->at, in->len, &s);
    struct http_part part = {
        .data = s.data, .len = s.len, .chunk_end = s.chunk_end, .last = found == HTTP_CHUNKED_DONE};
    if (found == HTTP_CHUNKED_BAD)
        return http_conn_refuse(c, 400, s.why, HTTP_END_BAD);
    if (x->body_seen + s.len > x->body_limit)
        return too_large(c);
    size_t taken = found == HTTP_CHUNKED_MORE ? 0 : hand_out(x, &part);
    http_chunked_unread(&x->decoder, s.len - taken);
    s.used -= s.len - taken;
    in->at += s.used;
    in->len -= s.used;
    if (found == HTTP_CHUNKED_MORE)
        return more(c, http_input_fill(c, in));
    return part.last && !x->paused ? finish_body(c) : STEP_ON;
}

static enum step whole_part(struct http_conn *c, struct input *in, const char *data, size_t len)
{
    struct http_exchange *x = &c->x;
    struct http_part part = {.data = data, .len = len, .last = true};
    uint64_t seen = x->body_seen;
    size_t taken = hand_out(x, &part);
    if (x->paused || taken < len) {
        /* It is offered whole again. */
        x->paused = true;
        x->body_seen = seen;
        return STEP_ON;
    }
    if (!x->gathered && !x->chunked) {
        in->at += len;
        in->len -= len;
    }
    return finish_body(c);
}

static enum step counted_whole(struct http_conn *c, struct input *in)
{
    struct http_exchange *x = &c->x;
    size_t total = (size_t)x->body_left, got = 0;
    if (!x->gathered) {
        if (in->len >= total)
            return whole_part(c, in, in->at, total);
        /* It is likely to be here soon, and then need not be copied. */
        if (total <= HTTP_RECEIVE_SIZE / 4 * 3 - c->loop->receive_base && c->readable)
            return more(c, http_input_fill(c, in));
    }
    if (in->len) {
        size_t take = total - x->gathered_len;
        if (take > in->len)
            take = in->len;
        enum http_gather rc = http_gather_add(c, in->at, take, total);
        if (rc != HTTP_GATHER_OK)
            return gather_failed(c, rc);
        in->at += take;
        in->len -= take;
    }
    if (x->gathered_len == total)
        return whole_part(c, in, x->gathered, total);
    enum http_gather rc = http_gather_reserve(c, 1, total);
    if (rc != HTTP_GATHER_OK)
        return gather_failed(c, rc);
    size_t room = (x->gathered_size < total ? x->gathered_size : total) - x->gathered_len;
    enum fill fill = http_input_receive(c, x->gathered + x->gathered_len, room, &got);
    if (fill == FILL_SOME)
        x->gathered_len += got;
    return more(c, fill);
}

static enum step chunked_whole(struct http_conn *c, struct input *in)
{
    struct http_exchange *x = &c->x;
    struct http_chunked_step s;
    enum http_chunked_found found = http_chunked_next(&x->decoder, in->at, in->len, &s);
    if (found == HTTP_CHUNKED_BAD)
        return http_conn_refuse(c, 400, s.why, HTTP_END_BAD);
    enum http_gather rc = http_gather_add(c, s.data, s.len, 0);
    if (rc != HTTP_GATHER_OK)
        return gather_failed(c, rc);
    in->at += s.used;
    in->len -= s.used;
    if (found == HTTP_CHUNKED_DONE)
        return whole_part(c, in, x->gathered ? x->gathered : "", x->gathered_len);
    return found == HTTP_CHUNKED_MORE ? more(c, http_input_fill(c, in)) : STEP_ON;
}

bool http_body_can_end(const struct http_exchange *x)
{
    if (x->body_done || x->last_out)
        return true;
    int64_t left = x->body_left - (int64_t)x->gathered_len;
    return left == 0 ? !x->chunked : !x->chunked && !x->expects_continue && left <= DROP_MAX;
}

/* The reply is there before the body is. */
static enum step replied_early(struct http_conn *c)
{
    struct http_exchange *x = &c->x;
    bool go_on = http_body_can_end(x) && !x->streaming && !c->close_after;
    x->body_left -= (int64_t)x->gathered_len;
    http_gather_free(c);
    if (go_on) {
        x->dropping = true;
        x->whole = x->paused = false;
        return STEP_ON;
    }
    c->close_after = true;
    http_conn_enter(c, CONN_WAIT);
    return STEP_ON;
}

enum step http_body_step(struct http_conn *c, struct input *in)
{
    struct http_exchange *x = &c->x;
    if (x->replied && !x->dropping)
        return replied_early(c);
    if (x->paused)
        return STEP_WAIT;
    if (!x->replied && !in->len)
        invite(c);
    if (x->whole)
        return x->chunked ? chunked_whole(c, in) : counted_whole(c, in);
    return x->chunked ? chunked_parts(c, in) : counted_parts(c, in);
}
