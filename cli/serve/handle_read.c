/* SPDX-License-Identifier: MIT
 *
 * Reads of stream handles; see handle_read.h. Each belongs to the loop of its
 * exchange; the handle's own reader is used under the handle's lock. */
#include "serve/handle_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/answer.h"
#include "serve/owner.h"

/* As long as clients of old wait; then 0 bytes. */
#define WAIT_NS (INT64_C(30) * 1000000000)
#define SLICES 64

struct handle_read {
    struct http_exchange *x;
    struct http_loop *loop;
    struct handle *handle;
    gos_ring_reader *own; /* at an offset of its own; NULL: the handle's */
    uint64_t offset;      /* of `own` */
    size_t size;
    struct hub_waiter waiter;
    struct http_timer timer;
};

/* Bytes of the stream that are no longer kept: [from, to); `to` is 0: none. */
struct gap {
    uint64_t from, to;
};

/* `lost` (or NULL) is what was lost right before these bytes. */
static void answer(struct http_exchange *x, const void *data, size_t n, const struct gap *lost)
{
    char count[24], dropped[24], list[48];
    struct http_field fields[4] = {{"X-Bytes-Read", count}};
    size_t n_fields = 1;
    snprintf(count, sizeof count, "%zu", n);
    if (lost) {
        snprintf(dropped, sizeof dropped, "%llu", (unsigned long long)(lost->to - lost->from));
        snprintf(list, sizeof list, "%llu-%llu", (unsigned long long)lost->from,
                 (unsigned long long)lost->to);
        fields[n_fields++] = (struct http_field){"X-Stream-Gaps", "1"};
        fields[n_fields++] = (struct http_field){"X-Stream-Dropped-Bytes", dropped};
        fields[n_fields++] = (struct http_field){"X-Stream-Gap-List", list};
    }
    http_reply(x, &(struct http_reply){.status = 200,
                                       .type = ANSWER_BYTES,
                                       .fields = fields,
                                       .n_fields = n_fields,
                                       .body = data,
                                       .len = n});
}

void handle_read_answer(struct http_exchange *x, const void *data, size_t n)
{
    answer(x, data, n, NULL);
}

/* One record, or the part of it that fits, copied behind `out`. */
static int64_t take(gos_ring_reader *r, size_t size, struct bytes *out, struct gap *lost)
{
    struct gos_slice slices[SLICES];
    struct gos_ring_record record;
    struct gos_ring_view view = {.struct_size = sizeof view,
                                 .max_bytes = size,
                                 .slices = slices,
                                 .max_slices = SLICES,
                                 .records = &record,
                                 .max_records = 1};
    int64_t n = gos_ring_reader_borrow(r, &view);
    if (n < 0)
        return n;
    for (unsigned i = 0; n > 0 && i < view.n_slices; i++)
        bytes_put(out, slices[i].base, slices[i].len);
    /* Also at the end, where there may be nothing but a gap. */
    if (view.note.events & GOS_RING_GAP)
        *lost = (struct gap){view.note.gap_from, view.note.gap_to};
    gos_ring_reader_release(r, &view);
    return n;
}

/* Offsets are told as the handle counts them. */
static void answer_bytes(struct handle_read *d, struct bytes *out, const struct gap *lost)
{
    const struct gap told = {lost->from - d->handle->base, lost->to - d->handle->base};
    if (out->failed)
        answer_error(d->x, 503, "out of memory");
    else
        answer(d->x, out->data, out->n, lost->to > 0 ? &told : NULL);
}

static void refuse(struct handle_read *d, int64_t code)
{
    struct problem p;
    stream_problem(&p, code);
    answer_problem(d->x, &p);
}

/* Read now. GOS_EAGAIN: nothing yet, behind `*at`. Otherwise it was answered. */
static int64_t attempt(struct handle_read *d, uint64_t *at)
{
    struct bytes out = {0};
    struct gap lost = {0};
    bool lent = false;
    int64_t n;
    if (d->own) {
        n = take(d->own, d->size, &out, &lost);
        *at = (uint64_t)gos_ring_reader_offset(d->own);
    } else {
        pthread_mutex_lock(&d->handle->lock);
        gos_ring_reader *r = d->handle->reader;
        n = r ? take(r, d->size, &out, &lost) : 0;
        *at = r ? (uint64_t)gos_ring_reader_offset(r) : 0;
        lent = !r && d->handle->streaming;
        pthread_mutex_unlock(&d->handle->lock);
    }
    if (lent) { /* not the end: who streams has what comes */
        answer_error(d->x, 409, "handle is being streamed");
        return 0;
    }
    /* An offset means these bytes and no others. */
    if (n >= 0 && d->own && lost.to > 0)
        refuse(d, GOS_ELAPPED);
    else if (n >= 0)
        answer_bytes(d, &out, &lost);
    else if (n != GOS_EAGAIN)
        refuse(d, n);
    bytes_free(&out);
    return n;
}

/* Answer, or wait for what will let us. */
static void go_on(struct handle_read *d)
{
    uint64_t at;
    while (attempt(d, &at) == GOS_EAGAIN)
        if (stream_wait(d->handle->stream, d->loop, &d->waiter, at))
            return;
    http_timer_clear(d->loop, &d->timer);
}

static void wake(struct hub_waiter *waiter)
{
    go_on(OWNER(waiter, struct handle_read, waiter));
}

static void give_up(struct http_timer *timer)
{
    struct handle_read *d = OWNER(timer, struct handle_read, timer);
    stream_leave(d->handle->stream, d->loop, &d->waiter);
    handle_read_answer(d->x, "", 0);
}

static void end(struct http_exchange *x, void *data, enum http_end why)
{
    struct handle_read *d = data;
    (void)x, (void)why;
    stream_leave(d->handle->stream, d->loop, &d->waiter);
    http_timer_clear(d->loop, &d->timer);
    gos_ring_reader_close(d->own);
    handle_unref(d->handle);
    free(d);
}

/* A reader of its own for an offset. 1: that is behind the end. */
static int open_own(struct handle_read *d, uint64_t offset)
{
    struct gos_ring_reader_opts opts = {.struct_size = sizeof opts,
                                        .start = GOS_RING_OFFSET,
                                        .start_value = offset,
                                        .flags = GOS_RING_NO_HEAD};
    int rc = gos_ring_reader_open(&d->own, d->handle->stream->ring, &opts);
    return rc == GOS_EINVAL ? 1 : rc;
}

void handle_read_start(struct http_exchange *x, struct handle *h, size_t size, int64_t offset)
{
    static const struct http_exchange_ops ops = {.end = end};
    struct handle_read *d = calloc(1, sizeof *d);
    if (!d) {
        answer_error(x, 503, "out of memory");
        return;
    }
    d->x = x;
    d->loop = http_exchange_loop(x);
    d->handle = h;
    d->size = size;
    d->waiter.wake = wake;
    d->timer.run = give_up;
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    http_take(x, &ops, d);
    http_set_end_on_hangup(x, true);
    int rc = offset < 0 ? 0 : open_own(d, h->base + (uint64_t)offset);
    if (rc < 0) {
        refuse(d, rc);
        return;
    }
    if (rc > 0) {
        handle_read_answer(x, "", 0);
        return;
    }
    http_timer_set(d->loop, &d->timer, http_loop_now(d->loop) + WAIT_NS);
    go_on(d);
}
