/* SPDX-License-Identifier: MIT
 *
 * Names and what is known of them: directories, stat, rename, chmod, truncate,
 * touch, symbolic links. On the loops' threads, but for listings. */
#include "serve/routes.h"

#include "common/mode.h"
#include "serve/answer.h"
#include "serve/json.h"
#include "serve/later.h"

static int make_listing(struct server *sv, const struct later_question *q, struct bytes *out,
                        struct problem *p)
{
    struct listing entries = {0};
    int rc = tree_list(&sv->tree, q->path, &entries, p);
    bytes_text(out, "{\"files\":");
    for (size_t i = 0; i < entries.n; i++) {
        bytes_text(out, i ? "," : "[");
        struct fs_info info;
        listing_get(&entries, i, &info);
        json_put_info(out, &info);
    }
    bytes_text(out, entries.n ? "]}\n" : "null}\n");
    listing_free(&entries);
    return rc;
}

/* A folder has as many entries as somebody liked to make. */
static void get_directory(struct server *sv, struct http_exchange *x)
{
    struct later_question q = {.make = make_listing, .type = ANSWER_JSON};
    struct problem p;
    if (query_path(x, "/", q.path, &p) < 0)
        answer_problem(x, &p);
    else
        later_answer(sv, x, &sv->figures, &q);
}

static void post_directory(struct server *sv, struct http_exchange *x)
{
    char path[PATH_BYTES];
    struct problem p;
    unsigned mode = 0755;
    const char *text = http_query(x, "mode", NULL);
    int rc = query_path(x, NULL, path, &p);
    if (rc == 0 && text && *text && mode_parse(&mode, text, 07777777) < 0)
        rc = problem_set(&p, 400, "invalid mode");
    if (rc == 0)
        rc = tree_mkdir(&sv->tree, path, mode, &p);
    answer_done(x, rc, 201, "directory created", &p);
}

static void get_stat(struct server *sv, struct http_exchange *x)
{
    char path[PATH_BYTES], name[PATH_BYTES], target[PATH_BYTES];
    struct fs_info info;
    struct bytes body = {0};
    struct problem p;
    if (query_path(x, NULL, path, &p) < 0 ||
        tree_stat(&sv->tree, path, name, target, &info, &p) < 0) {
        answer_problem(x, &p);
        return;
    }
    json_put_info(&body, &info);
    bytes_text(&body, "\n");
    answer_json(x, 200, &body);
}

/* The query's path, and the body as an object. NULL: it was answered. */
static struct json_object *read_request(struct http_exchange *x, char path[PATH_BYTES],
                                        const char *data, size_t n)
{
    struct problem p;
    if (query_path(x, NULL, path, &p) < 0) {
        answer_problem(x, &p);
        return NULL;
    }
    struct json_object *object = json_read(data, n);
    if (!object)
        answer_error(x, 400, "invalid request body");
    return object;
}

static void post_rename(struct server *sv, struct http_exchange *x, const char *data, size_t n)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    struct problem p;
    struct json_object *object = read_request(x, from, data, n);
    if (!object)
        return;
    const char *text = json_member_text(object, "newPath");
    int rc = text && *text ? path_join(to, "/", text, &p)
                           : problem_set(&p, 400, "newPath is required");
    if (rc == 0)
        rc = tree_rename(&sv->tree, from, to, &p);
    answer_done(x, rc, 200, "renamed", &p);
    json_object_put(object);
}

static void post_chmod(struct server *sv, struct http_exchange *x, const char *data, size_t n)
{
    char path[PATH_BYTES];
    struct problem p;
    struct json_object *mode, *object = read_request(x, path, data, n);
    if (!object)
        return;
    int rc = 0;
    if (!json_object_object_get_ex(object, "mode", &mode) ||
        !json_object_is_type(mode, json_type_int) || json_object_get_int64(mode) < 0)
        rc = problem_set(&p, 400, "invalid mode");
    else
        rc = tree_chmod(&sv->tree, path, (unsigned)json_object_get_int64(mode) & 0777, &p);
    answer_done(x, rc, 200, "permissions changed", &p);
    json_object_put(object);
}

static void post_truncate(struct server *sv, struct http_exchange *x)
{
    char path[PATH_BYTES];
    struct problem p;
    int64_t size = 0;
    const char *text = http_query(x, "size", NULL);
    int rc = query_path(x, NULL, path, &p);
    if (rc == 0 && (!text || !*text))
        rc = problem_set(&p, 400, "size parameter is required");
    else if (rc == 0 && !parse_int64(text, &size))
        rc = problem_set(&p, 400, "invalid size parameter");
    else if (rc == 0 && size < 0)
        rc = problem_set(&p, 400, "size must be non-negative");
    if (rc == 0)
        rc = tree_truncate(&sv->tree, path, (uint64_t)size, &p);
    answer_done(x, rc, 200, "truncated", &p);
}

static void post_touch(struct server *sv, struct http_exchange *x)
{
    char path[PATH_BYTES];
    struct problem p;
    int rc = query_path(x, NULL, path, &p);
    if (rc == 0)
        rc = tree_touch(&sv->tree, path, &p);
    answer_done(x, rc, 200, "touched", &p);
}

static void post_symlink(struct server *sv, struct http_exchange *x, const char *data, size_t n)
{
    char path[PATH_BYTES];
    struct problem p;
    struct json_object *object = read_request(x, path, data, n);
    if (!object)
        return;
    const char *target = json_member_text(object, "target");
    int rc = target && *target ? tree_symlink(&sv->tree, path, target, &p)
                               : problem_set(&p, 400, "target is required");
    answer_done(x, rc, 201, "symlink created", &p);
    json_object_put(object);
}

static void get_readlink(struct server *sv, struct http_exchange *x)
{
    char path[PATH_BYTES], target[PATH_BYTES];
    struct bytes body = {0};
    struct problem p;
    if (query_path(x, NULL, path, &p) < 0 || tree_readlink(&sv->tree, path, target, &p) < 0) {
        answer_problem(x, &p);
        return;
    }
    json_put_word(&body, "target", target);
    answer_json(x, 200, &body);
}

const struct route routes_names[] = {
    {"/directories", HTTP_GET, get_directory, NULL},
    {"/list", HTTP_GET, get_directory, NULL},
    {"/directories", HTTP_POST, post_directory, NULL},
    {"/mkdir", HTTP_POST, post_directory, NULL},
    {"/stat", HTTP_GET, get_stat, NULL},
    {"/rename", HTTP_POST, NULL, post_rename},
    {"/chmod", HTTP_POST, NULL, post_chmod},
    {"/truncate", HTTP_POST, post_truncate, NULL},
    {"/touch", HTTP_POST, post_touch, NULL},
    {"/symlink", HTTP_POST, NULL, post_symlink},
    {"/readlink", HTTP_GET, get_readlink, NULL},
    {NULL, HTTP_OTHER, NULL, NULL},
};
