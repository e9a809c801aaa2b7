/* SPDX-License-Identifier: MIT
 *
 * write: words, a file's worth of stdin, or with --stream what stdin gives, piece
 * by piece. Our server takes a stream of pieces as one chunked request, each read
 * a chunk; the original keeps a request's body until its end, so it gets one
 * request for each read. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/say.h"
#include "common/text.h"
#include "pfs/amount.h"
#include "pfs/answer.h"
#include "pfs/command.h"
#include "pfs/entry.h"
#include "pfs/input.h"
#include "pfs/interrupt.h"
#include "pfs/memory.h"
#include "pfs/options.h"
#include "pfs/progress.h"

/* One request of the original: what its documents promise to reach readers whole. */
#define PIECE ((size_t)64 << 10)
/* Up to here stdin is one request with a length, which a stream takes as one record. */
#define WHOLE ((size_t)1 << 20)
/* How our server begins to say that there is no such stream yet. */
#define STREAM_MISSING "stream not found"

struct writing {
    const struct pfs_run *r;
    const char *path;
    struct pfs_input in;
    struct pfs_bytes first; /* of stdin, read before the request began */
    size_t first_sent;
    struct pfs_bytes answer;
    struct pfs_progress progress;
    uint64_t acknowledged;
    uint64_t pieces;
};

static enum client_end put(struct writing *w, const void *data, size_t n)
{
    struct client_call call = {.method = "PUT",
                               .path = "/files",
                               .query = {{"path", w->path}},
                               .body = n ? data : "",
                               .body_size = n};
    pfs_bytes_free(&w->answer);
    enum client_end end = client_call(w->r->client, &call, &w->answer);
    if (end == CLIENT_DONE) {
        w->acknowledged += n;
        w->pieces++;
    }
    return end;
}

static int print_answer(struct writing *w)
{
    struct json_object *answer = w->answer.data ? json_tokener_parse(w->answer.data) : NULL;
    const char *message = pfs_answer_message(answer);
    if (*message)
        puts(SHOWN(message));
    json_object_put(answer);
    return PFS_OK;
}

/* ---- a request whose body is stdin ---- */

static ssize_t send_stdin(void *user, void *buf, size_t n)
{
    struct writing *w = user;
    size_t left = w->first.n - w->first_sent;
    if (left) {
        n = left < n ? left : n;
        memcpy(buf, w->first.data + w->first_sent, n);
        w->first_sent += n;
        return (ssize_t)n;
    }
    ssize_t got = pfs_input_try(&w->in, buf, n);
    if (got == PFS_INPUT_LATER)
        return CLIENT_SEND_LATER;
    /* Half a file must not take the place of a whole one; a stream takes what there is. */
    return got == 0 && w->in.error && !w->r->options->stream ? CLIENT_SEND_STOP : got;
}

static void show(void *user)
{
    struct writing *w = user;
    pfs_progress_show(&w->progress, w->in.total);
}

static enum client_end put_stdin(struct writing *w)
{
    struct client_flow flow = {.method = "PUT",
                               .path = "/files",
                               .query = {{"path", w->path}},
                               .send = send_stdin,
                               .send_fd = w->in.fd,
                               .send_size = -1,
                               .answer = &w->answer,
                               .tick = say_to_terminal() ? show : NULL,
                               .output_fd = -1,
                               .endless = w->r->options->stream,
                               .user = w};
    return client_flow(w->r->client, &flow);
}

/* ---- how much arrived ---- */

/* "Written 11 bytes" to 11; what says nothing of the kind is believed to be all. */
static uint64_t written_by_answer(const struct pfs_bytes *answer, uint64_t otherwise)
{
    struct json_object *json = answer->data ? json_tokener_parse(answer->data) : NULL;
    unsigned long long n;
    uint64_t written = otherwise;
    if (sscanf(pfs_answer_message(json), "Written %llu bytes", &n) == 1)
        written = n;
    json_object_put(json);
    return written;
}

static int lost(struct writing *w, enum client_end end)
{
    const struct pfs_run *r = w->r;
    if (end != CLIENT_BROKEN)
        return pfs_fail_call(r, w->path);
    char message[512], read[PFS_AMOUNT_MAX], known[PFS_AMOUNT_MAX];
    snprintf(message, sizeof message,
             "%s; of %s read, %s are known to have arrived, and the rest is not sent again "
             "because some of it may have",
             client_error(r->client), pfs_amount(read, w->in.total),
             pfs_amount(known, w->acknowledged));
    return pfs_fail(r, w->path, message);
}

static int finish_input(struct writing *w)
{
    if (!w->in.error)
        return PFS_OK;
    char message[256];
    snprintf(message, sizeof message, "stdin: %s", strerror(w->in.error));
    return pfs_fail(w->r, NULL, message);
}

static int seal(struct writing *w)
{
    return pfs_path_call(w->r, "POST", "/streams/close", w->path, NULL);
}

/* Whether it can be sealed is known before the first byte is sent: a file would be
 * replaced, and nothing be sealed. PFS_OK: it can, or sealing is not wanted. */
static int check_seal(struct writing *w)
{
    const struct pfs_run *r = w->r;
    if (!r->options->seal)
        return PFS_OK;
    if (!client_can(r->client, CLIENT_SEAL)) {
        if (!client_status(r->client))
            return pfs_fail_call(r, w->path);
        return pfs_fail(r, w->path, "this server cannot seal a stream; rm ends its readers");
    }
    /* It refuses what is no stream; one that is not there yet will be made. */
    struct client_call look = {
        .method = "GET", .path = "/streams/stats", .query = {{"path", w->path}}};
    if (client_call(r->client, &look, NULL) == CLIENT_DONE ||
        !strncmp(client_error(r->client), STREAM_MISSING, sizeof STREAM_MISSING - 1))
        return PFS_OK;
    return pfs_fail_call(r, w->path);
}

/* ---- the ways of writing ---- */

static int stream_as_one(struct writing *w)
{
    enum client_end end = put_stdin(w);
    if (end != CLIENT_DONE)
        return lost(w, end);
    w->acknowledged = written_by_answer(&w->answer, w->in.total);
    w->pieces = w->in.pieces;
    if (w->acknowledged == w->in.total)
        return PFS_OK;
    char message[128];
    snprintf(message, sizeof message, "the server took %llu of %llu bytes",
             (unsigned long long)w->acknowledged, (unsigned long long)w->in.total);
    return pfs_fail(w->r, w->path, message);
}

/* PFS_OK: a stream, or not there yet. In a file each piece would replace the last. */
static int check_no_file(struct writing *w)
{
    struct client_call look = {.method = "GET", .path = "/stat", .query = {{"path", w->path}}};
    struct json_object *answer = NULL;
    bool file = client_json(w->r->client, &look, &answer) == CLIENT_DONE &&
                !pfs_entry_read(answer).stream;
    json_object_put(answer);
    return file ? pfs_fail(w->r, w->path, "is no stream; a file is written by: pfs write PATH")
                : PFS_OK;
}

static int stream_piecewise(struct writing *w)
{
    char *buf = pfs_calloc(PIECE, 1);
    int status = check_no_file(w);
    ssize_t n;
    while (status == PFS_OK && (n = pfs_input_wait(&w->in, buf, PIECE)) > 0) {
        enum client_end end = put(w, buf, (size_t)n);
        if (end != CLIENT_DONE)
            status = lost(w, end);
        else if (w->pieces == 1)
            status = check_no_file(w);
        show(w);
    }
    free(buf);
    return status;
}

static void greet(const struct writing *w)
{
    if (!say_to_terminal())
        return;
    say_bare("Streaming to %s", SHOWN(w->path));
    say_bare("Reading binary data from stdin...");
    say_bare("Press Ctrl+C to stop");
}

static void sum_up(const struct writing *w)
{
    char amount[PFS_AMOUNT_MAX];
    if (say_to_terminal())
        say_bare("Streaming complete: %s in %llu chunks", pfs_amount(amount, w->acknowledged),
                 (unsigned long long)w->pieces);
}

static int write_stream(struct writing *w)
{
    const struct pfs_run *r = w->r;
    bool chunked = client_can(r->client, CLIENT_CHUNKED);
    if (!client_status(r->client))
        return pfs_fail_call(r, w->path);
    if (check_seal(w) != PFS_OK)
        return PFS_FAILED;
    greet(w);
    pfs_interrupt_begin();
    pfs_progress_begin(&w->progress, "sent", 0, -1);
    int status = chunked ? stream_as_one(w) : stream_piecewise(w);
    pfs_progress_end();
    if (finish_input(w) != PFS_OK && status == PFS_OK)
        status = PFS_FAILED;
    if (status == PFS_OK && r->options->seal)
        status = seal(w);
    if (status == PFS_OK)
        sum_up(w);
    return status;
}

static int write_words(struct writing *w)
{
    struct pfs_bytes text = {0};
    for (size_t i = 1; i < w->r->n; i++) {
        pfs_bytes_add(&text, " ", i > 1);
        pfs_bytes_add(&text, w->r->words[i], strlen(w->r->words[i]));
    }
    enum client_end end = put(w, text.data, text.n);
    pfs_bytes_free(&text);
    return end == CLIENT_DONE ? print_answer(w) : pfs_fail_call(w->r, w->path);
}

static int write_stdin(struct writing *w)
{
    char *buf = pfs_calloc(PIECE, 1);
    ssize_t n = 1;
    while (w->first.n < WHOLE && (n = pfs_input_wait(&w->in, buf, PIECE)) > 0)
        pfs_bytes_add(&w->first, buf, (size_t)n);
    free(buf);
    if (w->in.error)
        return finish_input(w);
    enum client_end end = n == 0 ? put(w, w->first.data, w->first.n) : put_stdin(w);
    if (w->in.error)
        return finish_input(w);
    return end == CLIENT_DONE ? print_answer(w) : pfs_fail_call(w->r, w->path);
}

static int write_once(struct writing *w)
{
    const struct pfs_run *r = w->r;
    if (check_seal(w) != PFS_OK)
        return PFS_FAILED;
    int status = r->n > 1 ? write_words(w) : write_stdin(w);
    return status == PFS_OK && r->options->seal ? seal(w) : status;
}

int cmd_write(const struct pfs_run *r)
{
    struct writing w = {.r = r, .path = r->words[0], .in = {.fd = STDIN_FILENO}};
    int status;
    if (r->options->stream) {
        if (r->n > 1)
            return pfs_wrong_use(r, "with --stream it is stdin that is written, not words");
        status = write_stream(&w);
    } else {
        if (r->n == 1 && isatty(STDIN_FILENO))
            return pfs_wrong_use(r, "content is required (or use --stream to read from stdin)");
        status = write_once(&w);
    }
    pfs_bytes_free(&w.first);
    pfs_bytes_free(&w.answer);
    return status;
}
