/* SPDX-License-Identifier: MIT
 *
 * Streaming reads; see reading.h. Each belongs to the loop of its exchange. What
 * is sent are slices borrowed from the ring, or heads of frames between them;
 * a client that is slow holds a few of them and no other memory of ours. */
#include "serve/reading.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/policy.h"
#include "serve/answer.h"
#include "serve/bytes.h"
#include "serve/frames.h"
#include "serve/from.h"
#include "serve/handles.h"
#include "serve/owner.h"
#include "serve/stored.h"
#include "serve/streamfs.h"

#define SLICES 32
/* So much at most for each call of the kernel: more does not make it faster, but
 * lets the others of this loop wait. */
#define BORROW_MAX (512u << 10)
/* Ranges that are named one by one at the end; all of them count in the sums. */
#define GAPS_TOLD_BYTES 2048
/* So often is looked at who takes nothing. */
#define STUCK_LOOK_NS (2 * INT64_C(1000000000))

struct reading {
    struct http_exchange *x;
    struct http_loop *loop;
    struct stream *stream;
    gos_ring_reader *reader;
    struct handle *handle; /* whose reader it is, or NULL */
    struct hub_waiter waiter;
    struct http_task stop;
    atomic_bool stopping;
    struct http_timer keepalive;
    uint64_t until;
    uint64_t next; /* what was left of a borrow that went beyond it begins here, or 0 */
    /* What is borrowed and not yet sent. */
    struct gos_ring_view view;
    struct gos_slice slices[SLICES];
    struct frames *frames; /* NULL: raw */
    unsigned n_out, at;    /* pieces, and the first that is not sent */
    size_t skip;           /* of that one, so much is sent */
    /* What was lost. */
    uint64_t gaps, dropped;
    struct bytes gap_list;
    struct bytes trailers;
};

/* ---- what is lost ---- */

static void note_gap(struct reading *d)
{
    const struct gos_ring_note *note = &d->view.note;
    if (!(note->events & GOS_RING_GAP))
        return;
    d->gaps++;
    d->dropped += note->gap_to - note->gap_from;
    if (d->gap_list.n < GAPS_TOLD_BYTES)
        bytes_format(&d->gap_list, "%s%llu-%llu", d->gap_list.n ? ", " : "",
                     (unsigned long long)note->gap_from, (unsigned long long)note->gap_to);
}

static const char *why_ended(const struct reading *d)
{
    uint32_t events = d->view.note.events;
    if (atomic_load_explicit(&d->stopping, memory_order_relaxed))
        return "closed";
    return events & GOS_RING_DELETED ? "deleted" : events & GOS_RING_SEALED ? "sealed" : "until";
}

/* What comes after the last byte that was asked for. */
static uint64_t next_of(const struct reading *d)
{
    return d->next ? d->next : (uint64_t)gos_ring_reader_offset(d->reader);
}

/* Whether that is the end of the stream, too. */
static uint32_t ends_with_stream(const struct reading *d)
{
    struct gos_ring_span span = stream_span(d->stream);
    if (next_of(d) < span.tail || span.state == GOS_RING_STATE_OPEN)
        return 0;
    return span.state == GOS_RING_STATE_DELETED ? GOS_RING_DELETED : GOS_RING_SEALED;
}

static enum http_flow finish(struct reading *d, struct http_batch *batch)
{
    struct bytes *t = &d->trailers;
    t->n = 0;
    bytes_format(t, "X-Stream-Gaps: %llu\r\nX-Stream-Dropped-Bytes: %llu\r\n",
                 (unsigned long long)d->gaps, (unsigned long long)d->dropped);
    if (d->gap_list.n && !d->gap_list.failed)
        bytes_format(t, "X-Stream-Gap-List: %.*s\r\n", (int)d->gap_list.n, d->gap_list.data);
    bytes_format(t, "X-Stream-Next: %lld\r\nX-Stream-End: %s\r\n", (long long)next_of(d),
                 why_ended(d));
    /* Without the memory to say what was lost, nobody may take it for whole. */
    if (t->failed)
        return d->gaps ? HTTP_FLOW_ABORT : HTTP_FLOW_END;
    batch->trailers = t->data;
    return HTTP_FLOW_END;
}

/* ---- what is sent ---- */

static struct iovec piece(const struct reading *d, unsigned i)
{
    if (d->frames)
        return d->frames->out[i];
    return (struct iovec){.iov_base = (void *)d->slices[i].base, .iov_len = d->slices[i].len};
}

static enum http_flow hand_out(struct reading *d, struct http_batch *batch)
{
    size_t skip = d->skip;
    for (unsigned i = d->at; i < d->n_out && batch->n_iov < batch->max_iov; i++) {
        struct iovec next = piece(d, i);
        next.iov_base = (char *)next.iov_base + skip;
        next.iov_len -= skip;
        skip = 0;
        batch->iov[batch->n_iov++] = next;
    }
    return HTTP_FLOW_MORE;
}

/* A reader that has lost bytes may find itself near `until`, or behind it. What is
 * more than was asked for is not sent. */
static int64_t cut_at_until(struct reading *d, int64_t n)
{
    struct gos_ring_view *view = &d->view;
    uint64_t from = view->note.offset, left = d->until > from ? d->until - from : 0;
    if ((uint64_t)n <= left)
        return n;
    unsigned slices = 0;
    for (size_t at = 0; at < left; slices++) {
        if (view->slices[slices].len > left - at)
            view->slices[slices].len = left - at;
        at += view->slices[slices].len;
    }
    view->n_slices = slices;
    view->bytes = left;
    d->next = from + left;
    return (int64_t)left;
}

static int64_t borrow(struct reading *d, size_t room)
{
    size_t most = room && room < BORROW_MAX ? room : BORROW_MAX;
    if (d->until != UINT64_MAX) {
        uint64_t left = d->until - (uint64_t)gos_ring_reader_offset(d->reader);
        most = left < most ? (size_t)left : most;
    }
    d->view = (struct gos_ring_view){.struct_size = sizeof d->view,
                                     .max_bytes = most,
                                     .slices = d->slices,
                                     .max_slices = SLICES};
    if (d->frames) {
        d->view.records = d->frames->records;
        d->view.max_records = FRAMES_RECORDS;
    }
    int64_t n = gos_ring_reader_borrow(d->reader, &d->view);
    if (n < 0)
        return n;
    note_gap(d);
    n = cut_at_until(d, n);
    d->at = 0;
    d->skip = 0;
    d->n_out = d->frames ? frames_build(d->frames, &d->view) : d->view.n_slices;
    return n;
}

static void forget_view(struct reading *d)
{
    gos_ring_reader_release(d->reader, &d->view);
    d->n_out = d->at = 0;
    d->skip = 0;
}

static void wake(struct hub_waiter *waiter)
{
    struct reading *d = OWNER(waiter, struct reading, waiter);
    http_timer_clear(d->loop, &d->keepalive);
    http_stream_resume(d->x);
}

static void keep_alive(struct http_timer *timer)
{
    struct reading *d = OWNER(timer, struct reading, keepalive);
    if (http_stream_keepalive(d->x))
        http_timer_set(d->loop, timer, http_loop_now(d->loop) + d->stream->conf.idle_keepalive_ns);
}

/* Nothing to send: wait, unless there is something after all. */
static bool go_idle(struct reading *d)
{
    uint64_t offset = (uint64_t)gos_ring_reader_offset(d->reader);
    if (!stream_wait(d->stream, d->loop, &d->waiter, offset))
        return false;
    int64_t often = d->stream->conf.idle_keepalive_ns;
    if (often > 0)
        http_timer_set(d->loop, &d->keepalive, http_loop_now(d->loop) + often);
    return true;
}

static bool reached_until(const struct reading *d)
{
    return d->until != UINT64_MAX && (uint64_t)gos_ring_reader_offset(d->reader) >= d->until;
}

/* An end that the ring knows nothing of: frames have to say it, once. */
static bool end_early(struct reading *d)
{
    if (!d->frames || d->frames->ended)
        return false;
    d->view.bytes = 0;
    d->view.n_records = 0;
    d->view.note.offset = (uint64_t)gos_ring_reader_offset(d->reader);
    d->at = 0;
    d->n_out = frames_build(d->frames, &d->view);
    return true;
}

static enum http_flow produce(struct http_exchange *x, void *data, struct http_batch *batch)
{
    struct reading *d = data;
    (void)x;
    if (d->at < d->n_out)
        return hand_out(d, batch);
    /* Relaxed: it is only a wish, and the task that brought it synchronises. */
    if (atomic_load_explicit(&d->stopping, memory_order_relaxed) || reached_until(d)) {
        d->view.note.events = ends_with_stream(d);
        return end_early(d) ? hand_out(d, batch) : finish(d, batch);
    }
    for (;;) {
        int64_t n = borrow(d, batch->max_bytes);
        /* At the end frames have something to say, too. */
        if (n > 0 || (n == 0 && d->n_out > 0))
            return hand_out(d, batch);
        if (n == 0)
            return finish(d, batch);
        if (n != GOS_EAGAIN)
            return HTTP_FLOW_ABORT; /* disconnected: the client must see that it is cut */
        if (go_idle(d))
            return HTTP_FLOW_IDLE;
    }
}

static void sent(struct http_exchange *x, void *data, size_t bytes)
{
    struct reading *d = data;
    (void)x;
    while (bytes > 0) {
        size_t left = piece(d, d->at).iov_len - d->skip;
        if (bytes < left) {
            d->skip += bytes;
            return;
        }
        bytes -= left;
        d->skip = 0;
        d->at++;
    }
    if (d->at == d->n_out)
        forget_view(d);
}

/* ---- life ---- */

static void free_reading(struct reading *d)
{
    free(d->frames);
    bytes_free(&d->gap_list);
    bytes_free(&d->trailers);
    free(d);
}

static void end(struct http_exchange *x, void *data, enum http_end why)
{
    struct reading *d = data;
    (void)x, (void)why;
    stream_leave(d->stream, d->loop, &d->waiter);
    http_timer_clear(d->loop, &d->keepalive);
    forget_view(d);
    if (d->handle) {
        handle_reading_ended(d->handle, d->reader);
        handle_unref(d->handle);
        d->handle = NULL;
    } else {
        gos_ring_reader_close(d->reader);
    }
    stream_unref(d->stream);
    d->x = NULL;
    /* The handle knows it no more, so nobody posts; but a task may be under way. */
    if (!atomic_load(&d->stop.queued))
        free_reading(d);
}

static void run_stop(struct http_task *task)
{
    struct reading *d = OWNER(task, struct reading, stop);
    if (d->x)
        http_stream_resume(d->x);
    else
        free_reading(d);
}

void reading_stop(struct reading *d)
{
    atomic_store_explicit(&d->stopping, true, memory_order_relaxed);
    http_loop_post(d->loop, &d->stop);
}

/* Whether a client that takes nothing may stay. While it takes nothing nobody here asks
 * the ring, so nobody would be told that its reader is disconnected. */
static bool patience(struct http_exchange *x, void *data)
{
    struct reading *d = data;
    struct gos_ring_reader_stats st = {.struct_size = sizeof st};
    (void)x;
    gos_ring_reader_get_stats(d->reader, &st);
    bool is_lost = st.policy == GOS_RING_DISCONNECT && st.offset < stream_span(d->stream).oldest;
    return st.status == 0 && !is_lost && !atomic_load_explicit(&d->stopping, memory_order_relaxed);
}

static const struct http_exchange_ops ops = {
    .produce = produce, .sent = sent, .patience = patience, .end = end};

static struct reading *new_reading(struct http_exchange *x, bool framed)
{
    struct reading *d = calloc(1, sizeof *d);
    if (d && framed)
        d->frames = calloc(1, sizeof *d->frames);
    if (!d || (framed && !d->frames)) {
        free(d);
        return NULL;
    }
    d->x = x;
    d->loop = http_exchange_loop(x);
    d->waiter.wake = wake;
    d->keepalive.run = keep_alive;
    d->stop.run = run_stop;
    d->until = UINT64_MAX;
    return d;
}

static void start(struct reading *d, enum gos_ring_policy policy)
{
    struct gos_ring_span st = stream_span(d->stream);
    char first[24], oldest[24], tail[24], epoch[16], id[24];
    snprintf(first, sizeof first, "%lld", (long long)gos_ring_reader_offset(d->reader));
    snprintf(oldest, sizeof oldest, "%llu", (unsigned long long)st.oldest);
    snprintf(tail, sizeof tail, "%llu", (unsigned long long)st.tail);
    snprintf(epoch, sizeof epoch, "%u", st.epoch);
    snprintf(id, sizeof id, "%llx", (unsigned long long)d->stream->made_ns);
    const struct http_field fields[] = {
        {"X-Content-Type-Options", "nosniff"},
        {"X-Stream-Start", first},
        {"X-Stream-Oldest", oldest},
        {"X-Stream-Tail", tail},
        {"X-Stream-Epoch", epoch},
        {"X-Stream-Id", id},
        {"X-Stream-Policy", policy_name(policy)},
        {"Trailer", "X-Stream-Gaps, X-Stream-Dropped-Bytes, X-Stream-Gap-List, X-Stream-Next, "
                    "X-Stream-End"},
    };
    struct http_reply reply = {.status = 200,
                               .type = d->frames ? FRAME_TYPE : ANSWER_BYTES,
                               .fields = fields,
                               .n_fields = sizeof fields / sizeof *fields};
    http_take(d->x, &ops, d);
    http_reply_stream(d->x, &reply);
    http_set_send_timeout(d->x, STUCK_LOOK_NS);
}

static int read_until(struct http_exchange *x, bool *tail, struct problem *p)
{
    const char *until = http_query(x, "until", NULL);
    *tail = query_is(x, "until", "tail");
    if (!until || !*until || *tail || query_is(x, "until", "eof"))
        return 0;
    return problem_set(p, 400, "invalid until parameter (must be eof or tail)");
}

/* What the query says about the reader. */
static int read_query(struct http_exchange *x, const struct streamconf *conf,
                      struct gos_ring_reader_opts *opts, struct problem *p)
{
    const char *from = http_query(x, "from", NULL), *policy = http_query(x, "policy", NULL);
    *opts = (struct gos_ring_reader_opts){
        .struct_size = sizeof *opts, .policy = conf->policy, .block_ns = conf->block_timeout_ns};
    if (from && *from && from_parse(opts, from) < 0)
        return problem_set(p, 400, "invalid from parameter (must be %s)", FROM_FORMAT);
    if (policy && *policy && policy_parse(&opts->policy, policy) < 0)
        return problem_set(p, 400, "invalid policy parameter (must be " POLICY_NAMES ")");
    static const char *const flags[] = {"align", "framed", "create"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (query_flag_check(x, flags[i], p) < 0)
            return -1;
    if (query_true(x, "align"))
        opts->flags |= GOS_RING_ALIGN;
    return 0;
}

/* The stream and a reader of it. One that is deleted in between is not it. */
static int find_reader(struct reading *d, struct fs *fs, const char *within, bool create,
                       const struct gos_ring_reader_opts *opts, struct problem *p)
{
    int rc;
    for (;;) {
        if (streamfs_open(fs, within, create, &d->stream, p) < 0)
            return -1;
        rc = gos_ring_reader_open(&d->reader, d->stream->ring, opts);
        if (rc != GOS_ENOENT)
            break;
        stream_unref(d->stream);
        d->stream = NULL;
    }
    if (rc == GOS_EINVAL && opts->start == GOS_RING_OFFSET)
        return problem_set(p, 416, "offset %llu is behind the end of the stream (%llu)",
                           (unsigned long long)opts->start_value,
                           (unsigned long long)stream_span(d->stream).tail);
    return rc < 0 ? stream_problem(p, rc) : 0;
}

static int open_reader(struct reading *d, struct fs *fs, const char *within, bool create,
                       const struct gos_ring_reader_opts *opts, struct problem *p)
{
    if (find_reader(d, fs, within, create, opts, p) < 0)
        return -1;
    struct gos_ring_reader_stats st = {.struct_size = sizeof st};
    gos_ring_reader_offset(d->reader); /* where it begins is settled, or that it cannot */
    gos_ring_reader_get_stats(d->reader, &st);
    return st.status < 0 ? stream_problem(p, st.status) : 0;
}

void reading_start(struct http_exchange *x, struct fs *fs, const char *within)
{
    struct gos_ring_reader_opts opts;
    struct problem p;
    bool tail = false;
    if (strcmp(within, STREAMFS_README) == 0) {
        struct bytes text = {0};
        bytes_text(&text, streamfs_readme());
        stored_reply(x, &(struct http_reply){.status = 200, .type = ANSWER_BYTES}, &text, true);
        return;
    }
    if (read_until(x, &tail, &p) < 0 || read_query(x, streamfs_conf(fs), &opts, &p) < 0) {
        answer_problem(x, &p);
        return;
    }
    struct reading *d = new_reading(x, query_true(x, "framed"));
    if (!d) {
        answer_error(x, 503, "out of memory");
        return;
    }
    bool create = !query_is(x, "create", "false") && !query_is(x, "create", "0");
    if (open_reader(d, fs, within, create, &opts, &p) < 0) {
        gos_ring_reader_close(d->reader);
        stream_unref(d->stream);
        free_reading(d);
        answer_problem(x, &p);
        return;
    }
    if (tail)
        d->until = stream_span(d->stream).tail;
    start(d, opts.policy);
}

void reading_start_handle(struct http_exchange *x, struct handle *h, struct stream *s,
                          gos_ring_reader *r)
{
    struct reading *d = new_reading(x, false);
    if (!d) {
        answer_error(x, 503, "out of memory");
        handle_reading_ended(h, r);
        handle_unref(h);
        stream_unref(s);
        return;
    }
    struct gos_ring_reader_stats st = {.struct_size = sizeof st};
    gos_ring_reader_get_stats(r, &st);
    d->handle = h;
    d->stream = s;
    d->reader = r;
    handle_reading_began(h, d);
    start(d, st.policy);
}
