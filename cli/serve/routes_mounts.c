/* SPDX-License-Identifier: MIT
 *
 * Mounts and kinds of filesystems: /mounts, /mount, /unmount, /plugins. On the
 * loops' threads. */
#include "serve/routes.h"

#include <string.h>

#include "serve/answer.h"
#include "serve/json.h"
#include "serve/kinds.h"
#include "serve/log.h"

static void put_mount(struct bytes *out, const struct mount *m)
{
    bytes_text(out, "{\"path\":");
    json_put_text(out, m->path);
    bytes_format(out, ",\"pluginName\":\"%s\"", m->kind->name);
    if (m->instance) {
        bytes_text(out, ",\"instance\":");
        json_put_text(out, m->instance);
    }
    bytes_text(out, ",\"status\":\"mounted\"");
    if (m->config) {
        bytes_text(out, ",\"config\":");
        json_put_conf(out, m->config);
    }
    bytes_text(out, "}");
}

static void get_mounts(struct server *sv, struct http_exchange *x)
{
    struct mount *all[MOUNTS_MAX];
    struct bytes body = {0};
    size_t n = mounts_snapshot(&sv->tree.mounts, all);
    bytes_text(&body, "{\"mounts\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            bytes_text(&body, ",");
        put_mount(&body, all[i]);
        mount_unref(all[i]);
    }
    bytes_text(&body, "]}\n");
    answer_json(x, 200, &body);
}

static void put_params(struct bytes *out, const struct fs_kind *kind)
{
    bytes_text(out, ",\"config_params\":[");
    for (size_t i = 0; i < kind->n_params; i++) {
        const struct fs_param *param = &kind->params[i];
        bytes_format(out, "%s{\"name\":\"%s\",\"type\":\"%s\",\"required\":false,\"default\":",
                     i ? "," : "", param->name, param->type);
        json_put_text(out, param->standard);
        bytes_text(out, ",\"description\":");
        json_put_text(out, param->description);
        bytes_text(out, "}");
    }
    bytes_text(out, "]");
}

static void put_kind(struct bytes *out, const struct fs_kind *kind, struct mount **mounts, size_t n)
{
    bool first = true;
    bytes_format(out, "{\"name\":\"%s\",\"is_external\":false,\"mounted_paths\":", kind->name);
    for (size_t i = 0; i < n; i++) {
        if (mounts[i]->kind != kind)
            continue;
        bytes_text(out, first ? "[{\"path\":" : ",{\"path\":");
        first = false;
        json_put_text(out, mounts[i]->path);
        if (mounts[i]->config) {
            bytes_text(out, ",\"config\":");
            json_put_conf(out, mounts[i]->config);
        }
        bytes_text(out, "}");
    }
    bytes_text(out, first ? "null" : "]");
    if (kind->n_params > 0)
        put_params(out, kind);
    bytes_text(out, "}");
}

static void get_plugins(struct server *sv, struct http_exchange *x)
{
    struct mount *mounts[MOUNTS_MAX];
    struct bytes body = {0};
    size_t n = mounts_snapshot(&sv->tree.mounts, mounts), n_kinds;
    const struct fs_kind *const *kinds = kinds_all(&n_kinds);
    bytes_text(&body, "{\"plugins\":[");
    for (size_t i = 0; i < n_kinds; i++) {
        if (i > 0)
            bytes_text(&body, ",");
        put_kind(&body, kinds[i], mounts, n);
    }
    bytes_text(&body, "]}\n");
    for (size_t i = 0; i < n; i++)
        mount_unref(mounts[i]);
    answer_json(x, 200, &body);
}

/* ---- mount and unmount ---- */

static int check_free(struct server *sv, const char *path, struct problem *p)
{
    const char *within;
    if (strcmp(path, "/") == 0)
        return problem_set(p, 400, "path must not be the root");
    struct mount *m = mounts_find(&sv->tree.mounts, path, &within);
    bool taken = m && strcmp(m->path, path) == 0;
    mount_unref(m);
    return taken ? problem_set(p, 409, "mount already exists: %s", path) : 0;
}

static int mount(struct server *sv, const char *fstype, const char *path,
                 struct json_object *settings, struct problem *p)
{
    const struct fs_kind *kind = kinds_find(fstype);
    struct conf_node *config = NULL;
    struct fs *fs;
    unsigned line;
    if (!kind)
        return problem_set(p, 400, "unknown filesystem type: %s", fstype);
    if (check_free(sv, path, p) < 0)
        return -1;
    if (settings && json_object_object_length(settings) > 0) {
        config = json_to_conf(settings, p);
        if (!config)
            return -1;
    }
    int rc = kinds_make(kind, &fs, config, &sv->room, &line, p);
    if (rc < 0)
        problem_prefix(p, "failed to validate plugin: ");
    else
        rc = mounts_add(&sv->tree.mounts, path, kind, fs, NULL, config, p);
    if (rc == 0)
        log_say(LEVEL_DEBUG, "%s is mounted at %s", kind->name, path);
    conf_free(config);
    return rc;
}

static int read_mount(struct server *sv, struct json_object *request, struct problem *p)
{
    char normal[PATH_BYTES];
    struct json_object *settings = NULL;
    const char *fstype = json_member_text(request, "fstype");
    const char *path = json_member_text(request, "path");
    if (!fstype || !*fstype)
        return problem_set(p, 400, "fstype is required");
    if (!path || !*path)
        return problem_set(p, 400, "path is required");
    if (path_normalise(normal, path, strlen(path), p) < 0)
        return -1;
    if (json_object_object_get_ex(request, "config", &settings) && settings &&
        !json_object_is_type(settings, json_type_object))
        return problem_set(p, 400, "invalid request body");
    return mount(sv, fstype, normal, settings, p);
}

static void post_mount(struct server *sv, struct http_exchange *x, const char *data, size_t n)
{
    struct problem p;
    struct json_object *request = json_read(data, n);
    int rc = request ? read_mount(sv, request, &p) : problem_set(&p, 400, "invalid request body");
    json_object_put(request);
    answer_done(x, rc, 200, "plugin mounted", &p);
}

static int unmount(struct server *sv, const char *text, struct problem *p)
{
    char path[PATH_BYTES];
    const char *within;
    if (!text || !*text)
        return problem_set(p, 400, "path is required");
    if (path_normalise(path, text, strlen(text), p) < 0)
        return -1;
    struct mount *m = mounts_find(&sv->tree.mounts, path, &within);
    int rc = mounts_remove(&sv->tree.mounts, path, p);
    if (rc == 0 && m)
        handles_close_mount(&sv->handles, m);
    if (rc == 0)
        log_say(LEVEL_DEBUG, "%s is no longer mounted", path);
    mount_unref(m);
    return rc;
}

static void post_unmount(struct server *sv, struct http_exchange *x, const char *data, size_t n)
{
    struct problem p;
    struct json_object *request = json_read(data, n);
    int rc = request ? unmount(sv, json_member_text(request, "path"), &p)
                     : problem_set(&p, 400, "invalid request body");
    json_object_put(request);
    answer_done(x, rc, 200, "plugin unmounted", &p);
}

static void post_load(struct server *sv, struct http_exchange *x)
{
    (void)sv;
    answer_error(x, 501, "loading of plugins is not supported");
}

const struct route routes_mounts[] = {
    {"/mounts", HTTP_GET, get_mounts, NULL},
    {"/mount", HTTP_POST, NULL, post_mount},
    {"/unmount", HTTP_POST, NULL, post_unmount},
    {"/plugins", HTTP_GET, get_plugins, NULL},
    {"/plugins/load", HTTP_POST, post_load, NULL},
    {"/plugins/unload", HTTP_POST, post_load, NULL},
    {NULL, HTTP_OTHER, NULL, NULL},
};
