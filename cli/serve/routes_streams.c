/* SPDX-License-Identifier: MIT
 *
 * What the protocol of old did not have: closing a stream without deleting it,
 * figures as JSON and for Prometheus. On the loops' threads; figures are made by a
 * thread of their own, since they look at each stream. */
#include "serve/routes.h"

#include "serve/answer.h"
#include "serve/figures.h"
#include "serve/later.h"
#include "serve/streamfs.h"

static int find_stream(struct server *sv, const char *path, struct stream **out, struct problem *p)
{
    struct place place;
    if (place_need(&sv->tree, path, "stream", true, &place, p) < 0)
        return -1;
    int rc = streamfs_is(place.mount->fs)
                 ? streamfs_open(place.mount->fs, place.within, false, out, p)
                 : problem_set(p, 404, "filesystem does not support streaming: %s", path);
    place_release(&place);
    return rc;
}

static void post_close(struct server *sv, struct http_exchange *x)
{
    char path[PATH_BYTES];
    struct stream *s;
    struct problem p;
    int rc = query_path(x, NULL, path, &p);
    if (rc == 0)
        rc = find_stream(sv, path, &s, &p);
    if (rc == 0) {
        gos_ring_seal(s->ring);
        stream_unref(s);
    }
    answer_done(x, rc, 200, "stream closed", &p);
}

/* ---- figures ---- */

static int make_stats(struct server *sv, const struct later_question *q, struct bytes *out,
                      struct problem *p)
{
    struct stream *s = NULL;
    if (*q->path && find_stream(sv, q->path, &s, p) < 0)
        return -1;
    figures_json(sv, s, q->path, q->flag, out);
    stream_unref(s);
    return 0;
}

static void get_stats(struct server *sv, struct http_exchange *x)
{
    struct later_question q = {
        .make = make_stats, .type = ANSWER_JSON, .flag = query_true(x, "readers")};
    struct problem p;
    if (http_query(x, "path", NULL) && query_path(x, NULL, q.path, &p) < 0)
        answer_problem(x, &p);
    else
        later_answer(sv, x, &sv->figures, &q);
}

static int make_metrics(struct server *sv, const struct later_question *q, struct bytes *out,
                        struct problem *p)
{
    (void)q, (void)p;
    figures_prometheus(sv, out);
    return 0;
}

void route_metrics(struct server *sv, struct http_exchange *x)
{
    const struct later_question q = {.make = make_metrics, .type = "text/plain; version=0.0.4"};
    later_answer(sv, x, &sv->figures, &q);
}

const struct route routes_streams[] = {
    {"/streams/close", HTTP_POST, post_close, NULL},
    {"/streams/stats", HTTP_GET, get_stats, NULL},
    {"/metrics", HTTP_GET, route_metrics, NULL},
    {NULL, HTTP_OTHER, NULL, NULL},
};
