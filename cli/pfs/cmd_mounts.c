/* SPDX-License-Identifier: MIT
 *
 * mount, unmount, mounts, plugins: the server's table of file systems. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/say.h"
#include "common/text.h"
#include "pfs/answer.h"
#include "pfs/command.h"
#include "pfs/setting.h"

/* ---- mounts ---- */

static void print_config(struct json_object *config)
{
    if (!json_object_is_type(config, json_type_object))
        return;
    json_object_object_foreach(config, key, value)
    {
        char *shown = pfs_setting_show(key, value);
        printf(", %s=%s", SHOWN(key), SHOWN(shown));
        free(shown);
    }
}

static void print_mount(struct json_object *mount)
{
    struct json_object *config = NULL;
    const char *plugin = pfs_answer_text(mount, "pluginName", "");
    const char *status = pfs_answer_text(mount, "status", "mounted");
    const char *error = pfs_answer_text(mount, "error", "");
    json_object_object_get_ex(mount, "config", &config);
    printf("%s on %s (plugin: %s", SHOWN(plugin), SHOWN(pfs_answer_text(mount, "path", "")),
           SHOWN(plugin));
    print_config(config);
    if (strcmp(status, "mounted") != 0)
        printf(", status: %s%s%s", SHOWN(status), *error ? ": " : "", SHOWN(error));
    puts(")");
}

/* GET of a list: each member by `print`. */
static int print_list(const struct pfs_run *r, const char *path, const char *key,
                      void (*print)(struct json_object *item))
{
    struct client_call call = {.method = "GET", .path = path};
    struct json_object *answer = NULL, *list = NULL;
    if (client_json(r->client, &call, &answer) != CLIENT_DONE)
        return pfs_fail_call(r, NULL);
    if (json_object_object_get_ex(answer, key, &list) && json_object_is_type(list, json_type_array))
        for (size_t i = 0; i < json_object_array_length(list); i++)
            print(json_object_array_get_idx(list, i));
    json_object_put(answer);
    return PFS_OK;
}

int cmd_mounts(const struct pfs_run *r)
{
    return print_list(r, "/mounts", "mounts", print_mount);
}

/* ---- mount, unmount ---- */

/* KEY=VALUE words to an object, or NULL and the word that is none. */
static struct json_object *config_of(const struct pfs_run *r, const char **wrong)
{
    struct json_object *config = pfs_must(json_object_new_object());
    for (size_t i = 2; i < r->n; i++) {
        const char *equals = strchr(r->words[i], '=');
        if (!equals || equals == r->words[i]) {
            *wrong = r->words[i];
            json_object_put(config);
            return NULL;
        }
        char *key = pfs_printf("%.*s", (int)(equals - r->words[i]), r->words[i]);
        json_object_object_add(config, key, pfs_setting_read(equals + 1));
        free(key);
    }
    return config;
}

int cmd_mount(const struct pfs_run *r)
{
    const char *wrong = NULL;
    char *answer = NULL;
    if (r->n == 0)
        return cmd_mounts(r);
    if (r->n == 1)
        return pfs_wrong_use(r, "it takes: mount FSTYPE PATH [KEY=VALUE...]");
    struct json_object *config = config_of(r, &wrong);
    if (!config) {
        char *message = pfs_printf("Invalid config parameter: %s; it is written KEY=VALUE", wrong);
        pfs_wrong_use(r, message);
        free(message);
        return PFS_USAGE;
    }
    struct json_object *body = pfs_must(json_object_new_object());
    json_object_object_add(body, "fstype", pfs_must(json_object_new_string(r->words[0])));
    json_object_object_add(body, "path", pfs_must(json_object_new_string(r->words[1])));
    json_object_object_add(body, "config", config);
    if (client_post_json(r->client, "/mount", body, &answer) != CLIENT_DONE)
        return pfs_fail_call(r, r->words[1]);
    printf("  %s\n", SHOWN(answer));
    free(answer);
    return PFS_OK;
}

int cmd_unmount(const struct pfs_run *r)
{
    const char *path = r->words[0];
    struct json_object *body = pfs_must(json_object_new_object());
    json_object_object_add(body, "path", pfs_must(json_object_new_string(path)));
    if (client_post_json(r->client, "/unmount", body, NULL) != CLIENT_DONE)
        return pfs_fail_call(r, path);
    printf("Unmounted plugin at %s\n", SHOWN(path));
    return PFS_OK;
}

/* ---- plugins ---- */

static void print_places(struct json_object *list)
{
    const char *between = ": ";
    if (!json_object_is_type(list, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *place = json_object_array_get_idx(list, i);
        printf("%s%s", between, SHOWN(pfs_answer_text(place, "path", "")));
        between = ", ";
    }
}

static void print_parameters(struct json_object *list)
{
    if (!json_object_is_type(list, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *p = json_object_array_get_idx(list, i), *required = NULL;
        const char *usual = pfs_answer_text(p, "default", "");
        json_object_object_get_ex(p, "required", &required);
        printf("  %s (%s%s%s%s): %s\n", SHOWN(pfs_answer_text(p, "name", "")),
               SHOWN(pfs_answer_text(p, "type", "")),
               json_object_get_boolean(required) ? ", required" : "", *usual ? ", default " : "",
               SHOWN(usual), SHOWN(pfs_answer_text(p, "description", "")));
    }
}

static void print_plugin(struct json_object *plugin)
{
    struct json_object *places = NULL, *parameters = NULL;
    const char *library = pfs_answer_text(plugin, "library_path", "");
    json_object_object_get_ex(plugin, "mounted_paths", &places);
    json_object_object_get_ex(plugin, "config_params", &parameters);
    fputs(SHOWN(pfs_answer_text(plugin, "name", "")), stdout);
    if (*library)
        printf(" (%s)", SHOWN(library));
    print_places(places);
    putchar('\n');
    print_parameters(parameters);
}

int cmd_plugins(const struct pfs_run *r)
{
    const char *verb = r->n ? r->words[0] : "list";
    char *message = NULL;
    if (!strcmp(verb, "list") && r->n <= 1)
        return print_list(r, "/plugins", "plugins", print_plugin);
    if ((strcmp(verb, "load") != 0 && strcmp(verb, "unload") != 0) || r->n != 2)
        return pfs_wrong_use(r, "it takes: plugins list, plugins load LIBRARY, "
                                "plugins unload LIBRARY");
    struct json_object *body = pfs_must(json_object_new_object());
    json_object_object_add(body, "library_path", pfs_must(json_object_new_string(r->words[1])));
    const char *path = !strcmp(verb, "load") ? "/plugins/load" : "/plugins/unload";
    if (client_post_json(r->client, path, body, &message) != CLIENT_DONE)
        return pfs_fail_call(r, r->words[1]);
    puts(SHOWN(message));
    free(message);
    return PFS_OK;
}
