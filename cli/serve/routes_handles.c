/* SPDX-License-Identifier: MIT
 *
 * /handles: files by number, as FUSE needs them. On the loops' threads. */
#include "serve/routes.h"

#include <stdlib.h>
#include <string.h>

#include "serve/answer.h"
#include "serve/handle_read.h"
#include "serve/json.h"
#include "serve/reading.h"
#include "serve/stored.h"
#include "serve/streamfs.h"
#include "serve/upload.h"

#define READ_SIZE_DEFAULT 4096

/* ---- open, list, about one ---- */

static void put_handle(struct bytes *out, const struct handle *h)
{
    char expires[JSON_TIME_BYTES];
    int64_t lease_ns = INT64_C(1000000000) * HANDLES_LEASE_S;
    /* Under both names that clients look for. */
    bytes_format(out, "{\"handle_id\":%llu,\"id\":%llu,\"path\":", (unsigned long long)h->id,
                 (unsigned long long)h->id);
    json_put_text(out, h->path);
    bytes_format(out, ",\"flags\":%lld,\"lease\":%d,\"expires_at\":\"%s\"", (long long)h->flags,
                 HANDLES_LEASE_S, json_time(expires, fs_now_ns() + lease_ns));
}

static void answer_handle(struct http_exchange *x, const struct handle *h, bool times)
{
    struct bytes body = {0};
    char created[JSON_TIME_BYTES], used[JSON_TIME_BYTES];
    put_handle(&body, h);
    if (times)
        bytes_format(&body, ",\"created_at\":\"%s\",\"last_access\":\"%s\"",
                     json_time(created, h->created_ns), json_time(used, fs_now_ns()));
    bytes_text(&body, "}\n");
    answer_json(x, 200, &body);
}

static void open_handle(struct server *sv, struct http_exchange *x)
{
    char path[PATH_BYTES];
    struct place place;
    struct problem p;
    int64_t flags = 0;
    struct handle *h;
    if (query_path(x, NULL, path, &p) < 0) {
        answer_problem(x, &p);
        return;
    }
    if (!query_int64(x, "flags", &flags)) {
        answer_error(x, 400, "invalid flags parameter: must be a number");
        return;
    }
    if (place_need(&sv->tree, path, "openhandle", true, &place, &p) < 0) {
        answer_problem(x, &p);
        return;
    }
    if (handles_open(&sv->handles, place.mount, path, place.within, flags, &h, &p) < 0) {
        answer_problem(x, &p);
    } else {
        answer_handle(x, h, false);
        handle_unref(h);
    }
    place_release(&place);
}

static void list_handles(struct server *sv, struct http_exchange *x)
{
    struct bytes body = {0};
    size_t n;
    struct handle **all = handles_snapshot(&sv->handles, &n);
    bytes_text(&body, "{\"handles\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            bytes_text(&body, ",");
        put_handle(&body, all[i]);
        bytes_text(&body, "}");
        handle_unref(all[i]);
    }
    free(all);
    bytes_format(&body, "],\"count\":%zu,\"max\":%d}\n", n, HANDLES_MAX);
    answer_json(x, 200, &body);
}

/* ---- reading ---- */

static void read_file(struct http_exchange *x, struct handle *h, size_t size, int64_t offset)
{
    struct fs *fs = h->mount->fs;
    struct bytes out = {0};
    struct problem p;
    pthread_mutex_lock(&h->lock);
    uint64_t at = offset < 0 ? h->position : (uint64_t)offset;
    int rc = fs->ops->read(fs, h->within, at, size, &out, &p);
    if (rc == 0 && offset < 0)
        h->position += out.n;
    pthread_mutex_unlock(&h->lock);
    if (rc < 0)
        answer_problem(x, &p);
    else
        handle_read_answer(x, out.data, out.n);
    bytes_free(&out);
}

static void get_read(struct server *sv, struct http_exchange *x, struct handle *h)
{
    int64_t size = READ_SIZE_DEFAULT, offset = -1;
    (void)sv;
    if (!query_int64(x, "size", &size)) {
        answer_error(x, 400, "invalid size parameter");
        return;
    }
    if (!query_int64(x, "offset", &offset)) {
        answer_error(x, 400, "invalid offset parameter");
        return;
    }
    if (!h->readable) {
        answer_error(x, 403, "permission denied: handle is not open for reading");
        return;
    }
    if (http_query(x, "offset", NULL) && offset < 0) {
        answer_error(x, 500, "negative offset");
        return;
    }
    if (size < 0 || size > (int64_t)HANDLE_READ_MAX)
        size = HANDLE_READ_MAX;
    if (size == 0)
        handle_read_answer(x, "", 0);
    else if (h->stream)
        handle_read_start(x, h, (size_t)size, offset);
    else
        read_file(x, h, (size_t)size, offset);
}

static void stream_file(struct http_exchange *x, struct handle *h)
{
    struct content out = {0};
    struct problem p;
    pthread_mutex_lock(&h->lock);
    uint64_t at = h->position;
    pthread_mutex_unlock(&h->lock);
    if (fs_share(h->mount->fs, h->within, at, UINT64_MAX, &out, &p) < 0) {
        answer_problem(x, &p);
        return;
    }
    const struct http_field field = {"X-Content-Type-Options", "nosniff"};
    struct http_reply head = {.status = 200, .type = ANSWER_BYTES, .fields = &field, .n_fields = 1};
    stored_reply_content(x, &head, &out, true);
}

static void get_stream(struct server *sv, struct http_exchange *x, struct handle *h)
{
    (void)sv;
    if (!h->readable) {
        answer_error(x, 403, "permission denied: handle is not open for reading");
        return;
    }
    if (!h->stream) {
        stream_file(x, h);
        return;
    }
    gos_ring_reader *r = handle_lend_reader(h);
    if (!r) {
        answer_error(x, 409, "handle is being streamed already");
        return;
    }
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    reading_start_handle(x, h, stream_ref(h->stream), r);
}

/* ---- writing ---- */

static int write_file(struct handle *h, int64_t offset, const char *data, size_t n, uint64_t *end,
                      struct problem *p)
{
    struct fs *fs = h->mount->fs;
    if (!fs->ops->write_at)
        return problem_set(p, 403, "permission denied: %s is read-only", h->path);
    pthread_mutex_lock(&h->lock);
    uint64_t at = h->append ? FS_END : offset >= 0 ? (uint64_t)offset : h->position;
    int rc = fs->ops->write_at(fs, h->within, &at, data, n, p);
    if (rc == 0 && offset < 0)
        h->position = at + n;
    pthread_mutex_unlock(&h->lock);
    *end = at + n;
    return rc;
}

/* The number in "/7/write", and what follows it. */
static bool parse_id(const char *rest, uint64_t *id, const char **operation)
{
    char *end;
    if (rest[1] < '0' || rest[1] > '9')
        return false;
    *id = strtoull(rest + 1, &end, 10);
    *operation = end;
    return *end == '/' || *end == '\0';
}

static void write_body(struct server *sv, struct http_exchange *x, const char *data, size_t n)
{
    uint64_t id, end = 0;
    const char *operation;
    struct problem p;
    int64_t offset = -1;
    struct handle *h = NULL;
    if (parse_id(http_path(x) + sizeof ROUTES_PREFIX - 1 + sizeof "/handles" - 1, &id, &operation))
        h = handles_find(&sv->handles, id);
    if (!h) {
        answer_error(x, 404, "not found");
        return;
    }
    query_int64(x, "offset", &offset);
    if (write_file(h, offset, data, n, &end, &p) < 0) {
        answer_problem(x, &p);
    } else {
        struct bytes body = {0};
        bytes_format(&body, "{\"bytes_written\":%zu,\"position\":%llu}\n", n,
                     (unsigned long long)end);
        answer_json(x, 200, &body);
    }
    handle_unref(h);
}

static void put_write(struct server *sv, struct http_exchange *x, struct handle *h)
{
    static const struct route gathered = {.body = write_body};
    int64_t offset = 0;
    if (!h->writable)
        answer_error(x, 403, "permission denied: handle is not open for writing");
    else if (!query_int64(x, "offset", &offset))
        answer_error(x, 400, "invalid offset parameter");
    else if (offset < 0)
        answer_error(x, 500, "negative offset");
    else if (h->stream)
        upload_start(x, stream_ref(h->stream), NULL, UPLOAD_HANDLE);
    else
        route_gather(sv, x, &gathered);
}

/* ---- the rest ---- */

/* A position relative to the handle's beginning; `end` is where the file ends. */
static int new_position(int64_t offset, int64_t whence, int64_t current, int64_t end, int64_t *out,
                        struct problem *p)
{
    int64_t from = whence == 0 ? 0 : whence == 1 ? current : end;
    if (__builtin_add_overflow(from, offset, out) || *out < 0)
        return problem_set(p, 500, "negative offset");
    return 0;
}

static int seek_stream_locked(struct handle *h, int64_t offset, int64_t whence, int64_t *out,
                              struct problem *p)
{
    if (!h->reader)
        return problem_set(p, 409, "handle is being streamed or not open for reading");
    int64_t base = (int64_t)h->base, now = gos_ring_reader_offset(h->reader) - base;
    int64_t end = (int64_t)stream_span(h->stream).tail - base;
    if (new_position(offset, whence, now, end, out, p) < 0)
        return -1;
    if (*out == now)
        return 0;
    struct gos_ring_reader_stats st = {.struct_size = sizeof st};
    gos_ring_reader_get_stats(h->reader, &st);
    struct gos_ring_reader_opts opts = {.struct_size = sizeof opts,
                                        .start = GOS_RING_OFFSET,
                                        .start_value = (uint64_t)(base + *out),
                                        .policy = st.policy,
                                        .block_ns = h->stream->conf.block_timeout_ns,
                                        .flags = GOS_RING_NO_HEAD};
    gos_ring_reader *there;
    int rc = gos_ring_reader_open(&there, h->stream->ring, &opts);
    if (rc == GOS_EINVAL)
        return problem_set(p, 400, "offset is behind the end of the stream");
    if (rc < 0)
        return stream_problem(p, rc);
    gos_ring_reader_close(h->reader);
    h->reader = there;
    return 0;
}

static int seek_file_locked(struct handle *h, int64_t offset, int64_t whence, int64_t *out,
                            struct problem *p)
{
    struct fs_info info = {0};
    if (whence == 2 && h->mount->fs->ops->stat(h->mount->fs, h->within, &info, p) < 0)
        return -1;
    if (new_position(offset, whence, (int64_t)h->position, (int64_t)info.size, out, p) < 0)
        return -1;
    h->position = (uint64_t)*out;
    return 0;
}

static void post_seek(struct server *sv, struct http_exchange *x, struct handle *h)
{
    int64_t offset = 0, whence = 0, position = 0;
    const char *text = http_query(x, "offset", NULL);
    struct problem p;
    (void)sv;
    if (!text || !*text) {
        answer_error(x, 400, "offset parameter is required");
        return;
    }
    if (!parse_int64(text, &offset)) {
        answer_error(x, 400, "invalid offset parameter");
        return;
    }
    if (!query_int64(x, "whence", &whence) || whence < 0 || whence > 2) {
        answer_error(x, 400, "invalid whence parameter (must be 0, 1, or 2)");
        return;
    }
    pthread_mutex_lock(&h->lock);
    int rc = h->stream ? seek_stream_locked(h, offset, whence, &position, &p)
                       : seek_file_locked(h, offset, whence, &position, &p);
    pthread_mutex_unlock(&h->lock);
    if (rc < 0) {
        answer_problem(x, &p);
        return;
    }
    struct bytes body = {0};
    bytes_format(&body, "{\"position\":%lld,\"offset\":%lld}\n", (long long)position,
                 (long long)position);
    answer_json(x, 200, &body);
}

static void post_sync(struct server *sv, struct http_exchange *x, struct handle *h)
{
    (void)sv, (void)h;
    answer_message(x, 200, "synced");
}

static void get_stat(struct server *sv, struct http_exchange *x, struct handle *h)
{
    struct fs *fs = h->mount->fs;
    struct fs_info info;
    struct bytes body = {0};
    struct problem p;
    (void)sv;
    if (fs->ops->stat(fs, h->within, &info, &p) < 0) {
        answer_problem(x, &p);
        return;
    }
    json_put_info(&body, &info);
    bytes_text(&body, "\n");
    answer_json(x, 200, &body);
}

static void get_handle(struct server *sv, struct http_exchange *x, struct handle *h)
{
    (void)sv;
    answer_handle(x, h, true);
}

static void delete_handle(struct server *sv, struct http_exchange *x, struct handle *h)
{
    if (handles_close(&sv->handles, h->id) < 0)
        answer_error(x, 404, "not found");
    else
        answer_message(x, 200, "handle closed");
}

static const struct {
    const char *operation;
    enum http_method method;
    void (*call)(struct server *sv, struct http_exchange *x, struct handle *h);
} operations[] = {
    {"", HTTP_GET, get_handle},      {"", HTTP_DELETE, delete_handle},
    {"/read", HTTP_GET, get_read},   {"/write", HTTP_PUT, put_write},
    {"/seek", HTTP_POST, post_seek}, {"/sync", HTTP_POST, post_sync},
    {"/stat", HTTP_GET, get_stat},   {"/stream", HTTP_GET, get_stream},
};

static void on_handle(struct server *sv, struct http_exchange *x, struct handle *h,
                      const char *operation)
{
    bool known = false;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(operations[i].operation, operation) != 0)
            continue;
        known = true;
        if (operations[i].method == http_method(x)) {
            operations[i].call(sv, x, h);
            return;
        }
    }
    if (known) {
        route_method_not_allowed(x);
        return;
    }
    struct problem p;
    problem_set(&p, 404, "unknown operation: %s", operation + 1);
    answer_problem(x, &p);
}

static void redirect(struct http_exchange *x)
{
    const struct http_field field = {"Location", ROUTES_PREFIX "/handles/"};
    int status = http_method(x) == HTTP_GET ? 301 : 307;
    http_reply(x, &(struct http_reply){.status = status, .fields = &field, .n_fields = 1});
}

void routes_handles(struct server *sv, struct http_exchange *x, const char *rest)
{
    uint64_t id;
    const char *operation;
    enum http_method method = http_method(x);
    if (rest[0] == '\0') {
        redirect(x);
    } else if (strcmp(rest, "/") == 0) {
        method == HTTP_GET ? list_handles(sv, x) : route_method_not_allowed(x);
    } else if (strcmp(rest, "/open") == 0) {
        method == HTTP_POST ? open_handle(sv, x) : route_method_not_allowed(x);
    } else if (!parse_id(rest, &id, &operation)) {
        answer_error(x, 400, "invalid handle ID: must be a number");
    } else {
        struct handle *h = handles_find(&sv->handles, id);
        if (h)
            on_handle(sv, x, h, operation);
        else
            answer_error(x, 404, "not found");
        handle_unref(h);
    }
}
