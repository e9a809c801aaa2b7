/* SPDX-License-Identifier: MIT
 *
 * What the protocol of old did not have: closing a stream without deleting it,
 * figures as JSON and for Prometheus. On the loops' threads. */
#include "serve/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/answer.h"
#include "serve/json.h"
#include "serve/streamfs.h"

/* The stream that a query's path names, with a reference. */
static int find_stream(struct server *sv, struct http_exchange *x, struct stream **out,
                       struct problem *p)
{
    char path[PATH_BYTES];
    struct place place;
    if (query_path(x, NULL, path, p) < 0 ||
        place_need(&sv->tree, path, "stream", true, &place, p) < 0)
        return -1;
    int rc = streamfs_is(place.mount->fs)
                 ? streamfs_open(place.mount->fs, place.within, false, out, p)
                 : problem_set(p, 404, "filesystem does not support streaming: %s", path);
    place_release(&place);
    return rc;
}

static void post_close(struct server *sv, struct http_exchange *x)
{
    struct stream *s;
    struct problem p;
    int rc = find_stream(sv, x, &s, &p);
    if (rc == 0) {
        gos_ring_seal(s->ring);
        stream_unref(s);
    }
    answer_done(x, rc, 200, "stream closed", &p);
}

/* ---- figures ---- */

/* Called for each stream of the server with the path of its mount. */
typedef void each_stream(void *user, const char *mount, struct stream *s,
                         const struct gos_ring_stats *stats);

static void for_each_stream(struct server *sv, each_stream *call, void *user)
{
    struct mount *mounts[MOUNTS_MAX];
    size_t n = mounts_snapshot(&sv->tree.mounts, mounts);
    for (size_t i = 0; i < n; i++) {
        struct stream **all = NULL;
        struct problem ignored;
        size_t count = 0;
        if (streamfs_is(mounts[i]->fs))
            streamfs_snapshot(mounts[i]->fs, &all, &count, &ignored);
        for (size_t k = 0; k < count; k++) {
            struct gos_ring_stats stats = stream_stats(all[k]);
            call(user, mounts[i]->path, all[k], &stats);
            stream_unref(all[k]);
        }
        free(all);
        mount_unref(mounts[i]);
    }
}

struct figure {
    const char *name;   /* in JSON */
    const char *metric; /* for Prometheus, behind "pfs_stream_" */
    const char *type;
    const char *help;
    size_t field; /* a uint64_t of the statistics */
};

#define FIGURE(name, metric, type, help, member)                                                   \
    {                                                                                              \
        name, metric, type, help, offsetof(struct gos_ring_stats, member)                          \
    }

static const struct figure figures[] = {
    FIGURE("tail", "written_bytes_total", "counter", "Bytes ever written.", tail),
    FIGURE("oldest", "oldest_offset", "gauge", "Offset where the history begins.", oldest),
    FIGURE("retained", "retained_bytes", "gauge", "Bytes of history.", retained),
    FIGURE("records", "records_total", "counter", "Records ever written.", records),
    FIGURE("memory", "memory_bytes", "gauge", "Memory held for the stream.", memory),
    FIGURE("gaps", "gaps_total", "counter", "Times a reader lost something.", gaps),
    FIGURE("dropped_bytes", "dropped_bytes_total", "counter", "Bytes that readers lost.",
           dropped_bytes),
    FIGURE("readers", "readers", "gauge", "Readers now.", readers),
    FIGURE("writers", "writers", "gauge", "Writers now.", writers),
    FIGURE("lag_max", "lag_max_bytes", "gauge", "Lag of the slowest reader.", max_lag),
    FIGURE("blocked_ns", "blocked_ns_total", "counter",
           "Nanoseconds that writers waited for readers.", blocked_ns),
};
#define FIGURES (sizeof figures / sizeof *figures)

static unsigned long long value_of(const struct figure *f, const struct gos_ring_stats *stats)
{
    uint64_t value;
    memcpy(&value, (const char *)stats + f->field, sizeof value);
    return value;
}

static void put_path(struct bytes *out, const char *mount, const struct stream *s)
{
    struct bytes path = {0};
    bytes_format(&path, "%s%s", mount, s->name);
    json_put_string(out, path.data, path.n);
    bytes_free(&path);
}

static void put_stream(void *user, const char *mount, struct stream *s,
                       const struct gos_ring_stats *stats)
{
    struct bytes *out = user;
    char time[JSON_TIME_BYTES];
    bytes_text(out, out->n > 0 && out->data[out->n - 1] == '[' ? "{\"path\":" : ",{\"path\":");
    put_path(out, mount, s);
    for (size_t i = 0; i < FIGURES; i++)
        bytes_format(out, ",\"%s\":%llu", figures[i].name, value_of(&figures[i], stats));
    bytes_format(out, ",\"epoch\":%u,\"state\":\"%s\",\"policy\":\"%s\"", stats->epoch,
                 stats->state == GOS_RING_STATE_OPEN     ? "open"
                 : stats->state == GOS_RING_STATE_SEALED ? "sealed"
                                                         : "deleted",
                 stream_policy_name(s->conf.policy));
    bytes_format(out, ",\"ring_buffer_size\":%llu,\"channel_buffer_size\":%llu",
                 (unsigned long long)stats->ring_bytes, (unsigned long long)stats->channel_bytes);
    bytes_format(out, ",\"written\":\"%s\"}", json_time(time, stats->written_wall_ns));
}

static void get_stats(struct server *sv, struct http_exchange *x)
{
    struct bytes body = {0};
    struct gos_ring_set_stats set = {.struct_size = sizeof set};
    struct problem p;
    bytes_text(&body, "{\"streams\":[");
    if (http_query(x, "path", NULL)) {
        struct stream *s;
        if (find_stream(sv, x, &s, &p) < 0) {
            bytes_free(&body);
            answer_problem(x, &p);
            return;
        }
        struct gos_ring_stats stats = stream_stats(s);
        put_stream(&body, "", s, &stats);
        stream_unref(s);
    } else {
        for_each_stream(sv, put_stream, &body);
    }
    gos_ring_set_get_stats(sv->room.set, &set);
    bytes_format(&body, "],\"memory\":%llu,\"memory_limit\":%llu,\"evicted_bytes\":%llu}\n",
                 (unsigned long long)set.bytes, (unsigned long long)sv->room.max_bytes,
                 (unsigned long long)set.evicted_bytes);
    answer_json(x, 200, &body);
}

/* ---- Prometheus ---- */

struct metrics {
    struct bytes out;
    const struct figure *figure;
};

static void put_metric(void *user, const char *mount, struct stream *s,
                       const struct gos_ring_stats *stats)
{
    struct metrics *m = user;
    bytes_format(&m->out, "pfs_stream_%s{stream=", m->figure->metric);
    put_path(&m->out, mount, s);
    bytes_format(&m->out, "} %llu\n", value_of(m->figure, stats));
}

static void put_head(struct bytes *out, const char *name, const char *type, const char *help)
{
    bytes_format(out, "# HELP pfs_%s %s\n# TYPE pfs_%s %s\n", name, help, name, type);
}

static void put_one(struct bytes *out, const char *name, const char *type, const char *help,
                    uint64_t value)
{
    put_head(out, name, type, help);
    bytes_format(out, "pfs_%s %llu\n", name, (unsigned long long)value);
}

static void put_server(struct server *sv, struct bytes *out)
{
    struct http_stats http = {0};
    struct gos_ring_set_stats set = {.struct_size = sizeof set};
    http_server_stats(sv->http, &http);
    gos_ring_set_get_stats(sv->room.set, &set);
    put_one(out, "connections", "gauge", "Connections now.", http.connections);
    put_one(out, "connections_total", "counter", "Connections accepted.", http.accepted);
    put_one(out, "connections_refused_total", "counter", "Connections told to come later.",
            http.refused);
    put_one(out, "requests_total", "counter", "Requests.", http.requests);
    put_one(out, "received_bytes_total", "counter", "Bytes received.", http.bytes_in);
    put_one(out, "sent_bytes_total", "counter", "Bytes sent.", http.bytes_out);
    put_one(out, "streams", "gauge", "Streams now.", set.streams);
    put_one(out, "memory_bytes", "gauge", "Memory of all streams.", set.bytes);
    put_one(out, "memory_limit_bytes", "gauge", "Its limit.", sv->room.max_bytes);
    put_one(out, "evicted_bytes_total", "counter", "History given up for other streams.",
            set.evicted_bytes);
}

void route_metrics(struct server *sv, struct http_exchange *x)
{
    struct metrics m = {0};
    put_server(sv, &m.out);
    for (size_t i = 0; i < FIGURES; i++) {
        char name[64];
        m.figure = &figures[i];
        snprintf(name, sizeof name, "stream_%s", m.figure->metric);
        put_head(&m.out, name, m.figure->type, m.figure->help);
        for_each_stream(sv, put_metric, &m);
    }
    if (m.out.failed)
        answer_error(x, 503, "out of memory");
    else
        http_reply(x, &(struct http_reply){.status = 200,
                                           .type = "text/plain; version=0.0.4",
                                           .body = m.out.data,
                                           .len = m.out.n});
    bytes_free(&m.out);
}

const struct route routes_streams[] = {
    {"/streams/close", HTTP_POST, post_close, NULL},
    {"/streams/stats", HTTP_GET, get_stats, NULL},
    {"/metrics", HTTP_GET, route_metrics, NULL},
    {NULL, HTTP_OTHER, NULL, NULL},
};
