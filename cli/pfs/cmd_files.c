/* SPDX-License-Identifier: MIT
 *
 * ls, stat, rm, touch, mkdir, mv, chmod, seal: a call or two each. */
#include <stdlib.h>
#include <string.h>

#include "common/mode.h"
#include "common/text.h"
#include "pfs/answer.h"
#include "pfs/command.h"
#include "pfs/entry.h"
#include "pfs/memory.h"
#include "pfs/options.h"

int cmd_ls(const struct pfs_run *r)
{
    struct json_object *answer = NULL;
    struct pfs_entries list;
    int status = pfs_list(r, r->n ? r->words[0] : "/", &list, &answer);
    if (status != PFS_OK)
        return status;
    for (size_t i = 0; i < list.n; i++)
        pfs_entry_line(stdout, &list.items[i], pfs_to_terminal());
    pfs_entries_free(&list);
    json_object_put(answer);
    return PFS_OK;
}

static void print_meta(struct json_object *meta)
{
    json_object_object_foreach(meta, key, value)
    {
        if (json_object_is_type(value, json_type_null))
            continue;
        printf("  Meta.%s: ", SHOWN(key));
        if (json_object_is_type(value, json_type_string)) {
            puts(SHOWN(json_object_get_string(value)));
        } else {
            char *text = pfs_answer_python(value);
            puts(text);
            free(text);
        }
    }
}

static int stat_one(const struct pfs_run *r, const char *path)
{
    struct json_object *answer = NULL;
    struct pfs_entry e;
    int status = pfs_stat(r, path, &e, &answer);
    if (status != PFS_OK)
        return status;
    printf("  File: %s\n  Type: %s\n  Size: %lld\n  Mode: %o\n  Modified: %s\n", SHOWN(e.name),
           e.folder ? "Directory" : "File", (long long)e.size, e.mode, SHOWN(e.changed));
    if (e.meta)
        print_meta(e.meta);
    json_object_put(answer);
    return PFS_OK;
}

int cmd_stat(const struct pfs_run *r)
{
    return pfs_each(r, 0, stat_one);
}

static int rm_one(const struct pfs_run *r, const char *path)
{
    const char *recursive = r->options->recursive ? "true" : NULL;
    struct client_call call = {
        .method = "DELETE", .path = "/files", .query = {{"path", path}, {"recursive", recursive}}};
    enum client_end end = client_call(r->client, &call, NULL);
    return end == CLIENT_DONE ? PFS_OK : pfs_fail_call(r, path);
}

int cmd_rm(const struct pfs_run *r)
{
    return pfs_each(r, 0, rm_one);
}

static int touch_one(const struct pfs_run *r, const char *path)
{
    return pfs_path_call(r, "POST", "/files", path, NULL);
}

int cmd_touch(const struct pfs_run *r)
{
    return pfs_each(r, 0, touch_one);
}

static int seal_one(const struct pfs_run *r, const char *path)
{
    if (client_can(r->client, CLIENT_SEAL))
        return pfs_path_call(r, "POST", "/streams/close", path, NULL);
    if (client_status(r->client) == 0)
        return pfs_fail_call(r, path);
    return pfs_fail(r, path, "this server cannot seal a stream; rm ends its readers");
}

int cmd_seal(const struct pfs_run *r)
{
    return pfs_each(r, 0, seal_one);
}

static int mkdir_one(const struct pfs_run *r, const char *path)
{
    struct client_call call = {.method = "POST",
                               .path = "/directories",
                               .query = {{"path", path}, {"mode", r->options->mode}}};
    enum client_end end = client_call(r->client, &call, NULL);
    return end == CLIENT_DONE ? PFS_OK : pfs_fail_call(r, path);
}

int cmd_mkdir(const struct pfs_run *r)
{
    return pfs_each(r, 0, mkdir_one);
}

/* POST with a path in the query and one member of JSON. The value is released. */
static int change(const struct pfs_run *r, const char *what, const char *path, const char *key,
                  struct json_object *value)
{
    struct json_object *body = pfs_must(json_object_new_object());
    json_object_object_add(body, key, value);
    const char *text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
    struct client_call call = {.method = "POST",
                               .path = what,
                               .query = {{"path", path}},
                               .body = text,
                               .body_size = strlen(text)};
    enum client_end end = client_call(r->client, &call, NULL);
    json_object_put(body);
    return end == CLIENT_DONE ? PFS_OK : pfs_fail_call(r, path);
}

int cmd_mv(const struct pfs_run *r)
{
    return change(r, "/rename", r->words[0], "newPath",
                  pfs_must(json_object_new_string(r->words[1])));
}

int cmd_chmod(const struct pfs_run *r)
{
    unsigned mode;
    if (mode_parse(&mode, r->words[0], PFS_MODE_MAX) < 0)
        return pfs_wrong_use(r, "the mode must be octal, for example: chmod 644 /memfs/a");
    int worst = PFS_OK;
    for (size_t i = 1; i < r->n; i++) {
        int status = change(r, "/chmod", r->words[i], "mode",
                            pfs_must(json_object_new_int((int)mode)));
        worst = status > worst ? status : worst;
    }
    return worst;
}
