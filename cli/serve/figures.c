/* SPDX-License-Identifier: MIT
 *
 * Figures of streams; see figures.h. Any thread: streams are looked at one after the
 * other, each with a reference of its own. */
#include "serve/figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/policy.h"
#include "serve/json.h"
#include "serve/streamfs.h"

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

/* ---- all streams, each looked at once ---- */

struct entry {
    struct stream *stream;
    struct bytes path; /* in quotes */
    struct gos_ring_stats stats;
};

struct entries {
    struct entry *items;
    size_t n, room;
    bool failed;
};

static bool make_room(struct entries *e, size_t more)
{
    if (e->room - e->n >= more)
        return true;
    struct entry *items = realloc(e->items, (e->n + more) * sizeof(*items));
    if (!items) {
        e->failed = true;
        return false;
    }
    e->items = items;
    e->room = e->n + more;
    return true;
}

static void look_at(struct entries *e, const char *mount, const char *name, struct stream *s)
{
    struct entry *entry = &e->items[e->n++];
    struct bytes path = {0};
    *entry = (struct entry){.stream = s, .stats = stream_stats(s)};
    bytes_format(&path, "%s%s", mount, name);
    json_put_string(&entry->path, path.data ? path.data : "", path.n);
    e->failed |= path.failed || entry->path.failed;
    bytes_free(&path);
}

static void look_at_mount(struct entries *e, const struct mount *m)
{
    struct stream **all = NULL;
    struct problem ignored;
    size_t count = 0;
    if (!streamfs_is(m->fs))
        return;
    if (streamfs_snapshot(m->fs, &all, &count, &ignored) < 0)
        e->failed = true;
    bool room = make_room(e, count);
    for (size_t i = 0; i < count; i++) {
        if (room)
            look_at(e, m->path, all[i]->name, all[i]);
        else
            stream_unref(all[i]);
    }
    free(all);
}

static void look_at_all(struct server *sv, struct entries *e)
{
    struct mount *mounts[MOUNTS_MAX];
    size_t n = mounts_snapshot(&sv->tree.mounts, mounts);
    for (size_t i = 0; i < n; i++) {
        look_at_mount(e, mounts[i]);
        mount_unref(mounts[i]);
    }
}

static void free_entries(struct entries *e)
{
    for (size_t i = 0; i < e->n; i++) {
        stream_unref(e->items[i].stream);
        bytes_free(&e->items[i].path);
    }
    free(e->items);
}

/* ---- JSON ---- */

static void put_reader(struct bytes *out, const struct gos_ring_reader_stats *r, int64_t now)
{
    char time[JSON_TIME_BYTES];
    bytes_format(out, "{\"id\":%llu,\"position\":%llu,\"lag\":%llu,\"gaps\":%llu",
                 (unsigned long long)r->id, (unsigned long long)r->offset,
                 (unsigned long long)r->lag_bytes, (unsigned long long)r->gaps);
    bytes_format(out, ",\"dropped_bytes\":%llu,\"policy\":\"%s\",\"since\":\"%s\"}",
                 (unsigned long long)r->dropped_bytes, policy_name(r->policy),
                 json_time(time, now - r->age_ns));
}

/* Some of a stream's readers (it had `count` a moment ago), and how many more there are.
 * `left` is for all streams. */
static void put_readers(struct bytes *out, struct stream *s, uint64_t count, unsigned *left)
{
    unsigned most = count < *left ? (unsigned)count : *left;
    struct gos_ring_reader_stats *all = calloc(most + 1, sizeof *all);
    if (!all) {
        out->failed = true;
        return;
    }
    all->struct_size = sizeof *all;
    int64_t now = fs_now_ns(), n = gos_ring_get_readers(s->ring, all, most);
    unsigned told = n < (int64_t)most ? (unsigned)n : most;
    bytes_text(out, ",\"reader_list\":[");
    for (unsigned i = 0; i < told; i++) {
        bytes_text(out, i > 0 ? "," : "");
        put_reader(out, &all[i], now);
    }
    bytes_format(out, "],\"readers_not_listed\":%lld", (long long)(n - told));
    *left -= told;
    free(all);
}

/* `readers` (or NULL) is how many of them may still be listed. */
static void put_stream(struct bytes *out, const struct entry *e, unsigned *readers)
{
    const struct gos_ring_stats *stats = &e->stats;
    char time[JSON_TIME_BYTES];
    bytes_text(out, "{\"path\":");
    bytes_put(out, e->path.data, e->path.n);
    for (size_t i = 0; i < FIGURES; i++)
        bytes_format(out, ",\"%s\":%llu", figures[i].name, value_of(&figures[i], stats));
    bytes_format(out, ",\"epoch\":%u,\"state\":\"%s\",\"policy\":\"%s\"", stats->epoch,
                 stats->state == GOS_RING_STATE_OPEN     ? "open"
                 : stats->state == GOS_RING_STATE_SEALED ? "sealed"
                                                         : "deleted",
                 policy_name(e->stream->conf.policy));
    bytes_format(out, ",\"ring_buffer_size\":%llu,\"channel_buffer_size\":%llu",
                 (unsigned long long)stats->ring_bytes, (unsigned long long)stats->channel_bytes);
    bytes_format(out, ",\"written\":\"%s\"", json_time(time, stats->written_wall_ns));
    if (readers)
        put_readers(out, e->stream, stats->readers, readers);
    bytes_text(out, "}");
}

void figures_json(struct server *sv, struct stream *s, const char *path, bool readers,
                  struct bytes *out)
{
    unsigned left = FIGURES_READERS_MAX;
    struct gos_ring_set_stats set = {.struct_size = sizeof set};
    struct entries all = {0};
    if (!s)
        look_at_all(sv, &all);
    else if (make_room(&all, 1))
        look_at(&all, path, "", stream_ref(s));
    bytes_text(out, "{\"streams\":[");
    for (size_t i = 0; i < all.n; i++) {
        bytes_text(out, i > 0 ? "," : "");
        put_stream(out, &all.items[i], readers ? &left : NULL);
    }
    gos_ring_set_get_stats(sv->room.set, &set);
    bytes_format(out, "],\"memory\":%llu,\"memory_limit\":%llu,\"evicted_bytes\":%llu}\n",
                 (unsigned long long)set.bytes, (unsigned long long)sv->room.max_bytes,
                 (unsigned long long)set.evicted_bytes);
    out->failed |= all.failed;
    free_entries(&all);
}

/* ---- Prometheus ---- */

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

static void put_figure(struct bytes *out, const struct figure *f, const struct entries *all)
{
    char name[64];
    snprintf(name, sizeof name, "stream_%s", f->metric);
    put_head(out, name, f->type, f->help);
    for (size_t i = 0; i < all->n; i++) {
        const struct entry *e = &all->items[i];
        bytes_format(out, "pfs_%s{stream=%.*s} %llu\n", name, (int)e->path.n, e->path.data,
                     value_of(f, &e->stats));
    }
}

void figures_prometheus(struct server *sv, struct bytes *out)
{
    struct entries all = {0};
    look_at_all(sv, &all);
    put_server(sv, out);
    for (size_t i = 0; i < FIGURES && !all.failed; i++)
        put_figure(out, &figures[i], &all);
    out->failed |= all.failed;
    free_entries(&all);
}
