/* SPDX-License-Identifier: MIT
 *
 * Uploads to streams; see upload.h. Each belongs to the loop of its exchange;
 * only the watch's wake runs elsewhere, and it does nothing but post. A ring whose
 * readers hold it up stops the reading of the socket, never the loop. */
#include "serve/upload.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/answer.h"
#include "serve/bytes.h"
#include "serve/json.h"
#include "serve/owner.h"
#include "serve/streamfs.h"

/* A chunk of the sender is one record, if it is not larger than this: of a larger
 * one readers get what is there. */
#define CHUNK_HELD_MAX 65536u
#define WRITER_NAME_MAX 63 /* the ring's */

struct upload {
    struct http_exchange *x; /* NULL: it is over, and the task is awaited */
    struct http_loop *loop;
    struct mount *mount; /* where the name is looked up again; NULL: it is not */
    struct stream *stream;
    gos_ring_writer *writer;
    struct gos_ring_watch watch;
    struct http_task task;
    struct bytes held; /* the beginning of a chunk whose end is not here yet */
    size_t counted;    /* what it takes of the memory that all connections share */
    uint64_t total;
    uint32_t flags; /* of the next record */
    enum upload_answer answer;
    bool chunked, seal, answered;
};

static void run_task(struct http_task *task)
{
    struct upload *u = OWNER(task, struct upload, task);
    if (u->x)
        http_body_resume(u->x);
    else
        free(u);
}

static void wake(struct gos_ring_watch *watch)
{
    struct upload *u = watch->user;
    http_loop_post(u->loop, &u->task);
}

static void refuse(struct upload *u, int64_t code)
{
    struct problem p;
    struct bytes body = {0};
    u->answered = true;
    stream_problem(&p, code);
    json_put_word(&body, "error", p.text);
    http_reply(u->x, &(struct http_reply){.status = p.status,
                                          .type = ANSWER_JSON,
                                          .body = body.data,
                                          .len = body.n,
                                          .close = true});
    bytes_free(&body);
}

static void finish(struct upload *u)
{
    char text[64];
    struct bytes body = {0};
    u->answered = true;
    if (u->seal)
        gos_ring_seal(u->stream->ring);
    if (u->answer == UPLOAD_HANDLE) {
        bytes_format(&body, "{\"bytes_written\":%llu,\"position\":0}\n",
                     (unsigned long long)u->total);
        answer_json(u->x, 200, &body);
        return;
    }
    snprintf(text, sizeof text, "Written %llu bytes", (unsigned long long)u->total);
    answer_message(u->x, 200, text);
}

/* Nothing is held any more. */
static void drop_held(struct upload *u)
{
    bytes_free(&u->held);
    http_unhold(u->x, u->counted);
    u->counted = 0;
}

/* Hold some bytes of a chunk. False: there is no room for them. */
static bool hold(struct upload *u, const char *data, size_t n)
{
    size_t room = u->counted ? u->counted : 256; /* as `held` grows */
    while (room < u->held.n + n + 1)
        room *= 2;
    if (!http_hold(u->x, room - u->counted))
        return false;
    u->counted = room;
    bytes_put(&u->held, data, n);
    return !u->held.failed;
}

static int open_writer(struct upload *u)
{
    struct gos_ring_writer_opts opts = {.struct_size = sizeof opts,
                                        .name = http_query(u->x, "writer", NULL)};
    return gos_ring_writer_open(&u->writer, u->stream->ring, &opts);
}

/* The stream was deleted before a byte of ours was in it. Then these bytes are for
 * the next one of its name, as if they had come a moment later. */
static bool start_over(struct upload *u)
{
    struct stream *next;
    struct problem p;
    if (!u->mount || u->total > 0 || !stream_is_deleted(u->stream) ||
        streamfs_open(u->mount->fs, u->stream->name, true, &next, &p) < 0)
        return false;
    gos_ring_disarm(u->stream->ring, &u->watch);
    gos_ring_writer_close(u->writer);
    u->writer = NULL;
    stream_unref(u->stream);
    u->stream = next;
    return true;
}

static int begin(struct upload *u)
{
    int rc;
    do
        rc = open_writer(u);
    while (rc == -EPIPE && start_over(u));
    return rc;
}

/* Append what is held and `n` bytes of `data` as one record. Returns how many
 * bytes of `data` are in the stream now; 0 with `*blocked`: wait for the watch;
 * -1: refused. */
static int64_t append(struct upload *u, const char *data, size_t n, bool *blocked)
{
    *blocked = false;
    for (;;) {
        struct gos_slice parts[2] = {{.base = u->held.data, .len = u->held.n},
                                     {.base = data, .len = n}};
        unsigned first = u->held.n == 0, count = 2 - first - (n == 0 && !first);
        int64_t done = gos_ring_writer_try_appendv(u->writer, parts + first, count, u->flags);
        if (done == GOS_EAGAIN) {
            int rc = gos_ring_writer_arm(u->writer, u->held.n + n, &u->watch);
            if (rc == 0)
                *blocked = true;
            if (rc <= 0)
                return rc < 0 ? (refuse(u, rc), -1) : 0;
            continue;
        }
        if (done == -EPIPE && start_over(u)) {
            int rc = begin(u);
            if (rc == 0)
                continue;
            done = rc;
        }
        if (done < 0) {
            refuse(u, done);
            return -1;
        }
        u->total += (uint64_t)done;
        u->flags = 0;
        if ((size_t)done >= u->held.n) {
            int64_t of_data = done - (int64_t)u->held.n;
            drop_held(u);
            return of_data;
        }
        u->held.n -= (size_t)done;
        memmove(u->held.data, u->held.data + done, u->held.n);
    }
}

/* As much of a part as can be appended now. */
static size_t append_all(struct upload *u, const struct http_part *part)
{
    size_t at = 0;
    bool blocked = false;
    while (at < part->len || u->held.n > 0) {
        int64_t n = append(u, part->data + at, part->len - at, &blocked);
        if (n < 0)
            return part->len;
        if (blocked)
            return at == part->len ? HTTP_PAUSE : at;
        at += (size_t)n;
    }
    if (part->last)
        finish(u);
    return part->len;
}

static size_t body(struct http_exchange *x, void *data, const struct http_part *part)
{
    struct upload *u = data;
    (void)x;
    if (u->answered)
        return part->len;
    bool whole = !u->chunked || part->chunk_end || part->last;
    if (!whole && u->held.n + part->len <= CHUNK_HELD_MAX) {
        if (!hold(u, part->data, part->len))
            refuse(u, GOS_ENOMEM);
        return part->len;
    }
    return append_all(u, part);
}

static void end(struct http_exchange *x, void *data, enum http_end why)
{
    struct upload *u = data;
    (void)x;
    /* What a client sent before it went is in the stream, half a chunk too, unless
     * readers hold it up: nobody is left to wait for them. */
    if (!u->answered && u->held.n > 0 && why != HTTP_END_DONE) {
        struct gos_slice part = {.base = u->held.data, .len = u->held.n};
        gos_ring_writer_try_appendv(u->writer, &part, 1, u->flags);
    }
    gos_ring_disarm(u->stream->ring, &u->watch);
    gos_ring_writer_close(u->writer);
    stream_unref(u->stream);
    mount_unref(u->mount);
    drop_held(u);
    u->x = NULL;
    if (!atomic_load(&u->task.queued))
        free(u);
}

static const struct http_exchange_ops ops = {.body = body, .end = end};

int upload_check(struct http_exchange *x, struct problem *p)
{
    size_t n = 0;
    const char *name = http_query(x, "writer", &n);
    if (n > WRITER_NAME_MAX)
        return problem_set(p, 400, "invalid writer parameter: %zu bytes, a name has at most %d", n,
                           WRITER_NAME_MAX);
    if (name && strlen(name) < n)
        return problem_set(p, 400, "invalid writer parameter: a zero byte in the name");
    return query_flag_check(x, "seal", p) < 0 ? -1 : query_flag_check(x, "mark", p);
}

void upload_start(struct http_exchange *x, struct stream *s, struct mount *mount,
                  enum upload_answer answer)
{
    struct problem p;
    bool good = upload_check(x, &p) == 0;
    struct upload *u = good ? calloc(1, sizeof *u) : NULL;
    if (!u) {
        stream_unref(s);
        if (good)
            problem_nomem(&p);
        answer_problem(x, &p);
        return;
    }
    int64_t length = http_content_length(x);
    u->x = x;
    u->loop = http_exchange_loop(x);
    u->mount = mount ? mount_ref(mount) : NULL;
    u->stream = s;
    u->answer = answer;
    u->chunked = length < 0;
    u->seal = query_true(x, "seal");
    u->flags = query_true(x, "mark") ? GOS_RING_MARK : 0;
    u->task.run = run_task;
    u->watch = (struct gos_ring_watch){.struct_size = sizeof u->watch, .wake = wake, .user = u};
    int rc = begin(u);
    if (rc < 0) {
        stream_problem(&p, rc);
        answer_problem(x, &p);
        mount_unref(u->mount);
        stream_unref(u->stream);
        free(u);
        return;
    }
    http_take(x, &ops, u);
    if (length >= 0 && length <= (int64_t)UPLOAD_ATOMIC_MAX)
        http_want_whole_body(x, UPLOAD_ATOMIC_MAX);
    /* A live producer may be silent for as long as it likes. */
    if (u->chunked)
        http_set_body_timeout(x, 0);
}
