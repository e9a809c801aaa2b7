/* SPDX-License-Identifier: MIT
 *
 * Streaming replies: what the handler's producer hands out goes to the socket
 * straight from where it lies. */
#include "http/private.h"

/* Cut what is more than was promised. */
static void clamp_to_length(struct http_exchange *x, struct http_batch *b)
{
    uint64_t left = x->length_left;
    for (unsigned i = 0; i < b->n_iov; i++) {
        if (b->iov[i].iov_len > left)
            b->iov[i].iov_len = (size_t)left;
        left -= b->iov[i].iov_len;
    }
}

static enum step abort_stream(struct http_conn *c)
{
    http_conn_close(c, HTTP_END_ABORTED);
    return STEP_DONE;
}

/* All that can be said has been handed to the socket, or waits in `out`. */
static enum step end_stream(struct http_conn *c)
{
    if (c->x.length_known && c->x.length_left)
        return abort_stream(c);
    http_conn_enter(c, CONN_REPLY);
    return STEP_ON;
}

/* The last piece, of which `sent` bytes of the batch may be a part, no longer needs
 * the producer: what is left of it is kept. */
static bool only_last_is_left(struct http_conn *c, const struct http_frames *f, size_t sent)
{
    if (!f->n || f->kind[f->n - 1] != HTTP_PIECE_LAST)
        return false;
    const struct iovec *last = &f->iov[f->n - 1];
    size_t before = f->bytes - last->iov_len;
    return sent >= before && http_output_keep(c, (const char *)last->iov_base + (sent - before),
                                              last->iov_len - (sent - before));
}

/* There is more to be sent, or there may be. */
static enum step go_on(struct http_conn *c, size_t sent)
{
    c->x.idle = false;
    if (!c->writable)
        return STEP_WAIT;
    /* A little: ask again at once, since most often there is nothing more. A lot:
     * the others have their turn first. */
    if (sent && sent < c->loop->pump_left) {
        c->loop->pump_left -= sent;
        return STEP_ON;
    }
    http_conn_make_ready(c);
    return STEP_WAIT;
}

/* What follows from a batch of which `sent` bytes went out. */
static enum step after_batch(struct http_conn *c, enum http_flow flow, size_t sent)
{
    struct http_exchange *x = &c->x;
    const struct http_frames *f = &c->loop->frames;
    bool all = sent == f->bytes;
    if (flow == HTTP_FLOW_END && f->complete && (all || only_last_is_left(c, f, sent)))
        return end_stream(c);
    if (all && f->too_little)
        return abort_stream(c);
    if (all && x->length_known && !x->length_left)
        return end_stream(c);
    bool nothing_waits = all && f->complete && !c->out_len;
    if (nothing_waits && flow == HTTP_FLOW_IDLE && x->idle)
        return STEP_WAIT;
    return go_on(c, sent);
}

static enum step pump(struct http_conn *c)
{
    struct http_exchange *x = &c->x;
    struct http_loop *l = c->loop;
    struct http_batch batch = {
        .iov = l->batch, .max_iov = HTTP_BATCH_IOV, .max_bytes = HTTP_BATCH_BYTES};
    enum http_flow flow = HTTP_FLOW_IDLE;
    if (!x->idle) {
        /* Before the call, so that a resume inside it is not lost. */
        x->idle = true;
        flow = x->ops->produce(x, x->data, &batch);
    }
    if (flow == HTTP_FLOW_ABORT)
        return abort_stream(c);
    if (x->length_known)
        clamp_to_length(x, &batch);
    http_framing_build(&x->framing, batch.iov, batch.n_iov, flow == HTTP_FLOW_END, batch.trailers,
                       &l->frames);
    ptrdiff_t sent = http_output_push(c, l->frames.iov, l->frames.n);
    if (sent < 0) {
        http_conn_close(c, HTTP_END_GONE);
        return STEP_DONE;
    }
    size_t payload = http_framing_settle(&x->framing, &l->frames, (size_t)sent);
    if (x->length_known)
        x->length_left -= payload;
    if (batch.n_iov && x->ops->sent)
        x->ops->sent(x, x->data, payload);
    return after_batch(c, flow, (size_t)sent);
}

enum step http_stream_step(struct http_conn *c)
{
    struct http_exchange *x = &c->x;
    if (c->hung_up || (c->half_closed && x->end_on_hangup)) {
        http_conn_close(c, HTTP_END_GONE);
        return STEP_DONE;
    }
    bool nothing = !c->out_len && !c->loop->cork_len && !x->framing.n_pending &&
                   !(x->framing.in_chunk && !x->framing.left);
    if (!c->writable || (x->idle && nothing))
        return STEP_WAIT;
    return pump(c);
}

void http_stream_resume(struct http_exchange *x)
{
    if (!x->streaming)
        return;
    x->idle = false;
    http_conn_touch(http_conn_of(x));
}

bool http_stream_keepalive(struct http_exchange *x)
{
    struct http_conn *c = http_conn_of(x);
    if (c->phase != CONN_STREAM || !x->idle || c->out_len || !http_framing_may_pad(&x->framing))
        return false;
    struct iovec zero = {.iov_base = (char[]){'0'}, .iov_len = 1};
    if (http_output_push(c, &zero, 1) != 1)
        return false;
    x->framing.zeros++;
    return true;
}
