/* SPDX-License-Identifier: MIT
 *
 * Content: /files and /write. On the loops' threads. */
#include "serve/routes.h"

#include <string.h>
#include <strings.h>

#include "serve/answer.h"
#include "serve/deposit.h"
#include "serve/json.h"
#include "serve/reading.h"
#include "serve/stored.h"
#include "serve/streamfs.h"
#include "serve/upload.h"

/* ---- reading ---- */

static void get_stream(struct server *sv, struct http_exchange *x, const char *path)
{
    struct place place;
    struct problem p;
    if (place_need(&sv->tree, path, "openstream", true, &place, &p) < 0) {
        answer_problem(x, &p);
        return;
    }
    if (streamfs_is(place.mount->fs)) {
        reading_start(x, place.mount->fs, place.within);
    } else {
        problem_set(&p, 404, "filesystem does not support streaming: %s", path);
        answer_problem(x, &p);
    }
    place_release(&place);
}

static void get_file(struct server *sv, struct http_exchange *x)
{
    char path[PATH_BYTES];
    struct problem p;
    int64_t offset = 0, size = -1;
    if (query_path(x, NULL, path, &p) < 0)
        answer_problem(x, &p);
    else if (query_is(x, "stream", "true"))
        get_stream(sv, x, path);
    else if (!query_int64(x, "offset", &offset))
        answer_error(x, 400, "invalid offset parameter");
    else if (!query_int64(x, "size", &size))
        answer_error(x, 400, "invalid size parameter");
    else if (offset < 0)
        answer_error(x, 400, "invalid offset parameter");
    else {
        struct content content = {0};
        uint64_t most = size < 0 ? UINT64_MAX : (uint64_t)size;
        const struct http_reply head = {.status = 200, .type = ANSWER_BYTES};
        if (tree_share(&sv->tree, path, (uint64_t)offset, most, &content, &p) < 0)
            answer_problem(x, &p);
        else
            stored_reply_content(x, &head, &content, false);
    }
}

/* ---- writing ---- */

static void write_body(struct server *sv, struct http_exchange *x, const char *data, size_t n)
{
    char path[PATH_BYTES];
    struct problem p;
    if (query_path(x, NULL, path, &p) < 0 || tree_write(&sv->tree, path, data, n, &p) < 0)
        answer_problem(x, &p);
    else
        deposit_answer(x, n);
}

/* What a file cannot do is refused before it is replaced. */
static int check_replace(struct http_exchange *x, const char *path, struct problem *p)
{
    int64_t offset = 0;
    if (query_true(x, "seal"))
        return problem_set(p, 400, "%s is not a stream: it cannot be sealed", path);
    if (!query_int64(x, "offset", &offset) || offset < 0)
        return problem_set(p, 400, "invalid offset parameter");
    if (offset > 0)
        return problem_set(p, 400,
                           "invalid offset parameter: files are replaced as a whole; open a handle "
                           "to write at an offset");
    return 0;
}

/* Where the body of this request is to go, if it may: asked before there is a stream,
 * or no file any more. The place is to be released. */
static int find_target(struct server *sv, struct http_exchange *x, char path[PATH_BYTES],
                       struct place *place, struct problem *p)
{
    if (query_path(x, NULL, path, p) < 0 ||
        place_need(&sv->tree, path, "write", true, place, p) < 0)
        return -1;
    int rc = streamfs_is(place->mount->fs) ? upload_check(x, p) : check_replace(x, path, p);
    if (rc < 0)
        place_release(place);
    return rc;
}

/* Into a stream, into a new content of a file, or, when it is whole, to `gathered`. */
static void receive(struct server *sv, struct http_exchange *x, const struct route *gathered)
{
    char path[PATH_BYTES];
    struct place place;
    struct problem p;
    struct stream *s;
    if (find_target(sv, x, path, &place, &p) < 0) {
        answer_problem(x, &p);
        return;
    }
    struct fs *fs = place.mount->fs;
    bool stream = streamfs_is(fs);
    if (stream && streamfs_open(fs, place.within, true, &s, &p) < 0)
        answer_problem(x, &p);
    else if (stream)
        upload_start(x, s, place.mount, UPLOAD_FILE);
    else if (fs->ops->put && !deposit_is_short(x))
        deposit_start(sv, x, path);
    else
        route_gather(sv, x, gathered);
    place_release(&place);
}

static void put_file(struct server *sv, struct http_exchange *x)
{
    static const struct route gathered = {.body = write_body};
    receive(sv, x, &gathered);
}

static void write_json_body(struct server *sv, struct http_exchange *x, const char *data, size_t n)
{
    struct json_object *object = json_read_data(data, n), *text;
    if (!object || !json_object_object_get_ex(object, "data", &text) ||
        !json_object_is_type(text, json_type_string))
        answer_error(x, 400, "invalid request body");
    else
        write_body(sv, x, json_object_get_string(text), (size_t)json_object_get_string_len(text));
    json_object_put(object);
}

static void receive_json(struct server *sv, struct http_exchange *x)
{
    static const struct route gathered = {.body = write_json_body};
    char path[PATH_BYTES];
    struct place place;
    struct problem p;
    if (find_target(sv, x, path, &place, &p) < 0) {
        answer_problem(x, &p);
        return;
    }
    bool stream = streamfs_is(place.mount->fs);
    place_release(&place);
    if (stream && (query_true(x, "seal") || query_true(x, "mark") || http_query(x, "writer", NULL)))
        answer_error(x, 400, "seal, mark and writer go with the bytes as the body, not as JSON");
    else
        route_gather(sv, x, &gathered);
}

static void post_write(struct server *sv, struct http_exchange *x)
{
    const char *type = http_header(x, "Content-Type");
    if (type && strncasecmp(type, ANSWER_JSON, sizeof ANSWER_JSON - 1) == 0)
        receive_json(sv, x);
    else
        put_file(sv, x);
}

static void post_file(struct server *sv, struct http_exchange *x)
{
    char path[PATH_BYTES];
    struct problem p;
    int rc = query_path(x, NULL, path, &p);
    if (rc == 0)
        rc = tree_create(&sv->tree, path, &p);
    answer_done(x, rc, 201, "file created", &p);
}

static void delete_file(struct server *sv, struct http_exchange *x)
{
    char path[PATH_BYTES];
    struct problem p;
    int rc = query_path(x, NULL, path, &p);
    if (rc == 0)
        rc = tree_remove(&sv->tree, path, query_true(x, "recursive"), &p);
    answer_done(x, rc, 200, "deleted", &p);
}

const struct route routes_files[] = {
    {"/files", HTTP_GET, get_file, NULL},
    {"/files", HTTP_PUT, put_file, NULL},
    {"/files", HTTP_POST, post_file, NULL},
    {"/files", HTTP_DELETE, delete_file, NULL},
    {"/directories", HTTP_DELETE, delete_file, NULL},
    {"/write", HTTP_POST, post_write, NULL},
    {NULL, HTTP_OTHER, NULL, NULL},
};
