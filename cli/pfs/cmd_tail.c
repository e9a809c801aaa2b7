/* SPDX-License-Identifier: MIT
 *
 * tail, tailf: the last lines of a file, and what is added to it. A stream is
 * followed as cat --stream does. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pfs/command.h"
#include "pfs/entry.h"
#include "pfs/fetch.h"
#include "pfs/follow.h"
#include "pfs/interrupt.h"
#include "pfs/lines.h"
#include "pfs/memory.h"
#include "pfs/options.h"
#include "pfs/output.h"

/* What is read of a file's end at first; doubled until it holds enough lines. */
#define FIRST_LOOK ((int64_t)64 << 10)
/* What was added to a file is fetched in pieces of so much. */
#define ADDED_MAX ((int64_t)16 << 20)
/* How often a file is looked at that others add to: soon after it changed, seldom
 * when nothing happens. */
#define SHORTEST_MS 100
#define LONGEST_MS 2000

struct tail {
    const struct pfs_run *r;
    const char *path;
    struct pfs_output out;
    size_t lines;
    /* of a stream: its history is held back until here, then its last lines are given */
    int64_t live_at;
    bool follow;
    struct pfs_bytes held;
    size_t held_max; /* when it is looked at what of it is still wanted */
    bool too_long;
    bool live;
};

/* Bytes of [offset, offset + size) of a file, 0: to its end. */
static enum client_end part(struct tail *t, int64_t offset, int64_t size, struct pfs_bytes *out)
{
    char from[32], length[32];
    snprintf(from, sizeof from, "%" PRId64, offset);
    snprintf(length, sizeof length, "%" PRId64, size);
    struct client_call call = {
        .method = "GET",
        .path = "/files",
        .query = {{"path", t->path}, {"offset", from}, {"size", size ? length : NULL}}};
    return client_call(t->r->client, &call, out);
}

static int fail_too_long(struct tail *t)
{
    return pfs_fail(t->r, t->path,
                    "the lines asked for are longer than " PFS_BYTES_MAX_TEXT
                    "; all of it is read by: pfs cat");
}

static int put(struct tail *t, const char *data, size_t n)
{
    return pfs_output_put(&t->out, data, n) < 0 || pfs_output_flush(&t->out) < 0 ? -1 : 0;
}

/* ---- files ---- */

static int last_lines(struct tail *t, int64_t size)
{
    for (int64_t window = FIRST_LOOK; window <= (int64_t)PFS_BYTES_MAX; window *= 2) {
        struct pfs_bytes end = {0};
        int64_t offset = window < size ? size - window : 0;
        if (part(t, offset, size - offset, &end) != CLIENT_DONE) {
            pfs_bytes_free(&end);
            return pfs_fail_call(t->r, t->path);
        }
        size_t begin = pfs_last_lines(end.data, end.n, t->lines);
        bool enough = begin > 0 || offset == 0;
        if (enough && end.n)
            put(t, end.data + begin, end.n - begin);
        /* Less than its size says: that is not to be relied on, and all of it is read. */
        if ((int64_t)end.n < size - offset)
            size = 0;
        pfs_bytes_free(&end);
        if (enough)
            return PFS_OK;
    }
    return fail_too_long(t);
}

static enum client_end size_now(struct tail *t, int64_t *size)
{
    struct json_object *answer = NULL;
    struct client_call call = {.method = "GET", .path = "/stat", .query = {{"path", t->path}}};
    enum client_end end = client_json(t->r->client, &call, &answer);
    *size = end == CLIENT_DONE ? pfs_entry_read(answer).size : 0;
    json_object_put(answer);
    return end;
}

/* What was added since; a file that became shorter is given from its beginning. */
static enum client_end added(struct tail *t, int64_t *at, int64_t size)
{
    struct pfs_bytes more = {0};
    if (size < *at)
        *at = 0;
    int64_t n = size - *at;
    enum client_end end = part(t, *at, n < ADDED_MAX ? n : ADDED_MAX, &more);
    if (end == CLIENT_DONE && more.n) {
        put(t, more.data, more.n);
        *at += (int64_t)more.n;
    }
    pfs_bytes_free(&more);
    return end;
}

static int follow_file(struct tail *t, int64_t at)
{
    int pause = SHORTEST_MS;
    pfs_interrupt_begin();
    while (t->out.end == PFS_OUTPUT_OPEN && !pfs_interrupted() && !pfs_output_gone(&t->out)) {
        int64_t size, was = at;
        enum client_end end = size_now(t, &size);
        pause = size != at ? SHORTEST_MS : pause * 2;
        if (end == CLIENT_DONE && size != at)
            end = added(t, &at, size);
        if (end == CLIENT_INTERRUPTED)
            break;
        if (end != CLIENT_DONE)
            return pfs_fail_call(t->r, t->path);
        if (pause > LONGEST_MS)
            pause = LONGEST_MS;
        if (at == size || at == was)
            pfs_interrupt_sleep(pause);
    }
    return PFS_OK;
}

/* ---- streams ---- */

static int go_live(struct tail *t)
{
    size_t begin = pfs_last_lines(t->held.data, t->held.n, t->lines);
    int rc = t->held.n ? put(t, t->held.data + begin, t->held.n - begin) : 0;
    pfs_bytes_free(&t->held);
    t->live = true;
    return t->follow ? rc : -1;
}

/* Of a history only its last lines are kept in memory. */
static int hold(struct tail *t, const void *data, size_t n)
{
    if (t->held.n > t->held_max) {
        size_t begin = pfs_last_lines(t->held.data, t->held.n, t->lines);
        t->held.n -= begin;
        memmove(t->held.data, t->held.data + begin, t->held.n);
        t->held_max = 2 * t->held.n + FIRST_LOOK;
    }
    t->too_long = pfs_bytes_add_bounded(&t->held, data, n) < 0;
    return t->too_long ? -1 : 0;
}

static int take(void *user, const void *data, size_t n, int64_t offset)
{
    struct tail *t = user;
    if (t->live)
        return pfs_output_put(&t->out, data, n);
    if (offset < 0) {
        /* An original: where its history ends cannot be known. */
        t->live = true;
        return pfs_output_put(&t->out, data, n);
    }
    size_t history = t->live_at > offset ? (size_t)(t->live_at - offset) : 0;
    size_t now = history < n ? history : n;
    if (hold(t, data, now) < 0)
        return -1;
    if (history > n)
        return 0;
    return go_live(t) < 0 ? -1 : pfs_output_put(&t->out, (const char *)data + now, n - now);
}

/* Another stream came in its place: the lines of the old one are no more. */
static void anew(void *user)
{
    struct tail *t = user;
    pfs_bytes_free(&t->held);
    t->live = t->follow;
}

static int settle(void *user)
{
    struct tail *t = user;
    return pfs_output_flush(&t->out);
}

static int tail_stream(struct tail *t, int64_t size)
{
    const struct pfs_run *r = t->r;
    if (!t->follow && !client_can(r->client, CLIENT_FRAMED))
        return pfs_fail(r, t->path,
                        "this server gives no end of a stream; it is followed by: "
                        "pfs tailf");
    if (!t->follow && !size)
        return PFS_OK;
    t->live_at = t->follow ? size : INT64_MAX;
    t->live = size == 0;
    struct pfs_follow f = {.r = r,
                           .path = t->path,
                           .until = t->follow ? NULL : "tail",
                           .take = take,
                           .settle = settle,
                           .anew = anew,
                           .user = t,
                           .output_fd = t->out.fd,
                           .no_create = true};
    int status = pfs_follow(&f);
    if (t->too_long)
        status = fail_too_long(t);
    else if (!t->live)
        go_live(t); /* it ended early */
    pfs_bytes_free(&t->held);
    return status;
}

/* ---- both ---- */

static int run(struct tail *t)
{
    struct json_object *answer = NULL;
    struct pfs_entry e;
    int status = pfs_stat(t->r, t->path, &e, &answer);
    if (status == PFS_OK) {
        if (e.folder)
            status = pfs_fail(t->r, t->path, "is a directory");
        else if (e.stream)
            status = tail_stream(t, e.size);
        else
            status = e.size && t->lines ? last_lines(t, e.size) : PFS_OK;
        if (status == PFS_OK && !e.stream && t->follow)
            status = follow_file(t, e.size);
    }
    json_object_put(answer);
    return status;
}

int cmd_tail(const struct pfs_run *r)
{
    const char *lines = r->options->lines;
    struct tail t = {.r = r,
                     .path = r->words[0],
                     .lines = lines ? strtoul(lines, NULL, 10) : 10,
                     .follow = r->options->follow || !strcmp(r->name, "tailf")};
    pfs_output_init(&t.out, STDOUT_FILENO);
    int status = run(&t);
    int written = pfs_output_status(r, &t.out, "stdout");
    pfs_output_free(&t.out);
    return written > status ? written : status;
}
