/* SPDX-License-Identifier: MIT
 *
 * Digest and grep: requests of which the work is done on the worker's thread and
 * the answer given on the loop. */
#include "serve/routes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "serve/answer.h"
#include "serve/digest.h"
#include "serve/grep.h"
#include "serve/json.h"
#include "serve/owner.h"
#include "serve/stored.h"

enum search_kind { SEARCH_DIGEST, SEARCH_GREP };

/* The loop's while `working` is false, the worker's otherwise. */
struct search {
    struct worker_job job;
    struct http_exchange *x; /* of the loop alone; NULL: the client is gone */
    struct server *sv;
    enum search_kind kind;
    bool working;
    char path[PATH_BYTES];
    char algorithm[16];
    struct json_object *request;
    struct grep grep;
    bool grepping;        /* `grep` is to be ended */
    atomic_bool given_up; /* set by the loop at any time */
    int rc;
    struct problem problem;
    struct stored answer;
};

static void free_search(struct search *s)
{
    if (s->grepping)
        grep_end(&s->grep);
    json_object_put(s->request);
    stored_drop(&s->answer);
    free(s);
}

/* ---- on the worker's thread ---- */

static void run_digest(struct search *s)
{
    struct bytes content = {0};
    char digest[DIGEST_BYTES];
    s->rc = tree_read(&s->sv->tree, s->path, 0, UINT64_MAX, &content, &s->problem);
    if (s->rc == 0 && digest_bytes(digest, s->algorithm, content.data, content.n) < 0)
        s->rc = problem_set(&s->problem, 500, "%s is not available here", s->algorithm);
    bytes_free(&content);
    if (s->rc < 0) {
        problem_prefix(&s->problem, "failed to calculate digest: ");
        return;
    }
    struct bytes *body = &s->answer.body;
    bytes_format(body, "{\"algorithm\":\"%s\",\"path\":", s->algorithm);
    json_put_text(body, s->path);
    bytes_format(body, ",\"digest\":\"%s\"}\n", digest);
}

static int read_grep(struct search *s, struct json_object *request, struct problem *p)
{
    struct json_object *limit;
    const char *pattern = json_member_text(request, "pattern");
    if (!pattern || !*pattern)
        return problem_set(p, 400, "pattern is required");
    if (grep_begin(&s->grep, pattern, json_member_true(request, "case_insensitive"), p) < 0)
        return -1;
    s->grepping = true;
    s->grep.given_up = &s->given_up;
    s->grep.recursive = json_member_true(request, "recursive");
    s->grep.lines = json_member_true(request, "stream");
    if (json_object_object_get_ex(request, "limit", &limit) && json_object_get_int64(limit) > 0)
        s->grep.limit = (uint64_t)json_object_get_int64(limit);
    return 0;
}

static void run_grep(struct search *s)
{
    s->rc = read_grep(s, s->request, &s->problem);
    if (s->rc < 0)
        return;
    s->rc = grep_run(&s->grep, &s->sv->tree, s->path, &s->problem);
    s->answer.body = s->grep.out;
    s->grep.out = (struct bytes){0};
}

static void work(struct worker_job *job)
{
    struct search *s = (struct search *)job;
    if (s->kind == SEARCH_DIGEST)
        run_digest(s);
    else
        run_grep(s);
}

/* ---- on the loop ---- */

static void answer(struct search *s)
{
    struct http_reply head = {.status = 200, .type = "application/x-ndjson"};
    bool lines = s->kind == SEARCH_GREP && s->grep.lines;
    if (!lines) {
        head.type = ANSWER_JSON;
        head.len = s->answer.body.n;
        head.length_known = true;
    }
    if (s->rc < 0)
        answer_problem(s->x, &s->problem);
    else if (s->answer.body.failed)
        answer_error(s->x, 503, "out of memory");
    else
        stored_send(s->x, &s->answer, &head);
}

static void done(struct http_task *task)
{
    struct search *s = OWNER(task, struct search, job.task);
    worker_done(&s->sv->searches, &s->job);
    s->working = false;
    if (s->x)
        answer(s);
    else
        free_search(s);
}

static int read_digest(struct search *s, struct json_object *request, struct problem *p)
{
    const char *algorithm = json_member_text(request, "algorithm");
    if (!algorithm || !digest_known(algorithm))
        return problem_set(p, 400, "unsupported algorithm: %s (supported: xxh3, md5)",
                           algorithm ? algorithm : "");
    strcpy(s->algorithm, algorithm);
    return 0;
}

static int read_request(struct search *s, struct json_object *request, struct problem *p)
{
    const char *path = request ? json_member_text(request, "path") : NULL;
    if (!request)
        return problem_set(p, 400, "invalid request body");
    if (!path || !*path)
        return problem_set(p, 400, "path is required");
    if (path_normalise(s->path, path, strlen(path), p) < 0)
        return -1;
    return s->kind == SEARCH_DIGEST ? read_digest(s, request, p) : 0;
}

static size_t body(struct http_exchange *x, void *data, const struct http_part *part)
{
    struct search *s = data;
    struct problem p;
    if (!part->last)
        return part->len;
    s->request = json_read(part->data, part->len);
    if (read_request(s, s->request, &p) < 0) {
        answer_problem(x, &p);
    } else {
        s->working = true;
        /* Nobody who has hung up waits for an answer, but others wait for the worker. */
        http_set_end_on_hangup(x, true);
        if (!worker_add(&s->sv->searches, &s->job)) {
            s->working = false;
            answer_error(x, 503, "too many searches at once");
        }
    }
    return part->len;
}

static enum http_flow produce(struct http_exchange *x, void *data, struct http_batch *batch)
{
    (void)x;
    return stored_produce(&((struct search *)data)->answer, batch);
}

static void sent(struct http_exchange *x, void *data, size_t bytes)
{
    (void)x;
    stored_sent(&((struct search *)data)->answer, bytes);
}

static void end(struct http_exchange *x, void *data, enum http_end why)
{
    struct search *s = data;
    (void)x, (void)why;
    s->x = NULL;
    /* Relaxed: it is only a wish. */
    atomic_store_explicit(&s->given_up, true, memory_order_relaxed);
    if (!s->working)
        free_search(s);
}

static void start(struct server *sv, struct http_exchange *x, enum search_kind kind)
{
    static const struct http_exchange_ops ops = {
        .body = body, .produce = produce, .sent = sent, .end = end};
    struct search *s = calloc(1, sizeof *s);
    if (!s) {
        answer_error(x, 503, "out of memory");
        return;
    }
    s->job.loop = http_exchange_loop(x);
    s->job.work = work;
    s->job.task.run = done;
    s->x = x;
    s->sv = sv;
    s->kind = kind;
    http_take(x, &ops, s);
    http_want_whole_body(x, sv->body_max);
}

static void post_digest(struct server *sv, struct http_exchange *x)
{
    start(sv, x, SEARCH_DIGEST);
}

static void post_grep(struct server *sv, struct http_exchange *x)
{
    start(sv, x, SEARCH_GREP);
}

const struct route routes_search[] = {
    {"/digest", HTTP_POST, post_digest, NULL},
    {"/grep", HTTP_POST, post_grep, NULL},
    {NULL, HTTP_OTHER, NULL, NULL},
};
