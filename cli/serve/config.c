/* SPDX-License-Identifier: MIT
 *
 * The server's configuration; see config.h. A key that is not known is an error,
 * for a typing mistake would otherwise be a silent change. */
#include "serve/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/toml.h"
#include "serve/path.h"
#include "serve/server.h"
#include "serve/sizes.h"
#include "serve/streamconf.h"

#define FILE_MAX (1u << 20)
#define MEMORY_LIMIT_DEFAULT (UINT64_C(1) << 30)
#define DRAIN_DEFAULT_NS (INT64_C(10) * 1000000000)

void config_place(const struct config *c, unsigned line, const char *what, char why[CONFIG_WHY])
{
    if (c->file && line > 0)
        snprintf(why, CONFIG_WHY, "%s:%u: %s", c->file, line, what);
    else if (c->file)
        snprintf(why, CONFIG_WHY, "%s: %s", c->file, what);
    else
        snprintf(why, CONFIG_WHY, "%s", what);
}

static int fail(const struct config *c, unsigned line, char why[CONFIG_WHY], const char *format,
                ...) __attribute__((format(printf, 4, 5)));

static int fail(const struct config *c, unsigned line, char why[CONFIG_WHY], const char *format,
                ...)
{
    char text[CONFIG_WHY];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    config_place(c, line, text, why);
    return -1;
}

/* ---- mounts ---- */

static void free_mount(struct config_mount *m)
{
    free(m->path);
    free(m->instance);
    conf_free(m->config);
}

static int add_mount(struct config *c, const struct config_mount *m)
{
    struct config_mount *mounts = realloc(c->mounts, (c->n_mounts + 1) * sizeof *mounts);
    if (!mounts)
        return -1;
    c->mounts = mounts;
    c->mounts[c->n_mounts++] = *m;
    return 0;
}

static int add_standard(struct config *c, const char *kind, const char *path)
{
    struct config_mount m = {.kind = kinds_find(kind), .path = strdup(path)};
    if (m.path && add_mount(c, &m) == 0)
        return 0;
    free_mount(&m);
    return -1;
}

static void drop_mounts(struct config *c)
{
    for (size_t i = 0; i < c->n_mounts; i++)
        free_mount(&c->mounts[i]);
    c->n_mounts = 0;
}

int config_init(struct config *c)
{
    *c = (struct config){.body_max = SERVER_BODY_MAX_DEFAULT,
                         .memory_limit = MEMORY_LIMIT_DEFAULT,
                         .drain_timeout_ns = DRAIN_DEFAULT_NS};
    c->address = strdup("127.0.0.1:8080");
    c->log_level = strdup("info");
    if (c->address && c->log_level && add_standard(c, "devfs", "/dev") == 0 &&
        add_standard(c, "memfs", "/memfs") == 0 && add_standard(c, "streamfs", "/streamfs") == 0)
        return 0;
    config_finish(c);
    return -1;
}

void config_finish(struct config *c)
{
    drop_mounts(c);
    free(c->mounts);
    free(c->file);
    free(c->address);
    free(c->unix_socket);
    free(c->log_level);
    *c = (struct config){0};
}

static int check_path(const struct config *c, const struct config_mount *m, char why[CONFIG_WHY])
{
    for (size_t i = 0; i < c->n_mounts; i++)
        if (strcmp(c->mounts[i].path, m->path) == 0)
            return fail(c, m->line, why, "mount already exists: %s", m->path);
    if (strcmp(m->path, "/") == 0)
        return fail(c, m->line, why, "nothing can be mounted at /");
    return 0;
}

/* The words on a filesystem that the original has and we have not. */
static int no_such_kind(const struct config *c, const char *name, unsigned line,
                        char why[CONFIG_WHY])
{
    char known[256] = "";
    size_t n;
    const struct fs_kind *const *kinds = kinds_all(&n);
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s",
                 i == 0       ? ""
                 : i == n - 1 ? " and "
                              : ", ",
                 kinds[i]->name);
    }
    return fail(c, line, why,
                "plugins.%s is enabled, but there is no such filesystem (there are %s); set "
                "enabled = false",
                name, known);
}

struct plugin_keys {
    const struct conf_node *enabled, *path, *config, *name;
};

static int find_keys(const struct config *c, const char *plugin, const struct conf_node *table,
                     struct plugin_keys *keys, char why[CONFIG_WHY])
{
    for (const struct conf_node *key = table->children; key; key = key->next) {
        enum conf_kind wanted = CONF_TEXT;
        if (strcmp(key->key, "enabled") == 0) {
            keys->enabled = key;
            wanted = CONF_BOOLEAN;
        } else if (strcmp(key->key, "path") == 0) {
            keys->path = key;
        } else if (strcmp(key->key, "config") == 0) {
            keys->config = key;
            wanted = CONF_TABLE;
        } else if (strcmp(key->key, "name") == 0) {
            keys->name = key;
        } else {
            return fail(c, key->line, why, "unknown key plugins.%s.%s", plugin, key->key);
        }
        if (key->kind != wanted)
            return fail(c, key->line, why, "plugins.%s.%s must be %s, not %s", plugin, key->key,
                        conf_kind_name(wanted), conf_kind_name(key->kind));
    }
    return 0;
}

static int fill_mount(const struct config *c, const char *plugin, const struct plugin_keys *keys,
                      struct config_mount *m, char why[CONFIG_WHY])
{
    char path[PATH_BYTES], standard[256];
    struct problem p;
    snprintf(standard, sizeof standard, "/%s", plugin);
    const char *text = keys->path ? keys->path->text : standard;
    if (path_normalise(path, text, strlen(text), &p) < 0)
        return fail(c, m->line, why, "plugins.%s.path: %s", plugin, p.text);
    m->path = strdup(path);
    m->instance = keys->name ? strdup(keys->name->text) : NULL;
    m->config = keys->config ? conf_copy(keys->config) : NULL;
    if (!m->path || (keys->name && !m->instance) || (keys->config && !m->config))
        return fail(c, 0, why, "out of memory");
    return check_path(c, m, why);
}

static int read_plugin(struct config *c, const char *plugin, const struct conf_node *table,
                       char why[CONFIG_WHY])
{
    struct plugin_keys keys = {0};
    const struct fs_kind *kind = kinds_find(plugin);
    if (table->kind != CONF_TABLE)
        return fail(c, table->line, why, "plugins.%s must be a table", plugin);
    const struct conf_node *enabled = conf_child(table, "enabled");
    bool wanted = !enabled || enabled->kind != CONF_BOOLEAN || enabled->boolean;
    /* What is switched off is not looked at: old files have plugins with keys of their own. */
    if (!kind)
        return wanted ? no_such_kind(c, plugin, table->line, why) : 0;
    if (find_keys(c, plugin, table, &keys, why) < 0)
        return -1;
    if (!wanted)
        return 0;
    struct config_mount m = {.kind = kind, .line = table->line};
    if (fill_mount(c, plugin, &keys, &m, why) == 0) {
        if (add_mount(c, &m) == 0)
            return 0;
        fail(c, 0, why, "out of memory");
    }
    free_mount(&m);
    return -1;
}

static bool has_dev(const struct config *c)
{
    for (size_t i = 0; i < c->n_mounts; i++)
        if (strcmp(c->mounts[i].path, "/dev") == 0)
            return true;
    return false;
}

static int read_plugins(struct config *c, const struct conf_node *plugins, char why[CONFIG_WHY])
{
    if (plugins->kind != CONF_TABLE)
        return fail(c, plugins->line, why, "plugins must be a table");
    drop_mounts(c);
    for (const struct conf_node *plugin = plugins->children; plugin; plugin = plugin->next) {
        const struct conf_node *item = plugin->kind == CONF_ARRAY ? plugin->children : plugin;
        while (item) {
            if (read_plugin(c, plugin->key, item, why) < 0)
                return -1;
            item = plugin->kind == CONF_ARRAY ? item->next : NULL;
        }
    }
    /* Clients count on /dev/null. */
    if (!has_dev(c) && add_standard(c, "devfs", "/dev") < 0)
        return fail(c, 0, why, "out of memory");
    return 0;
}

/* ---- [server] ---- */

static int read_text(const struct config *c, const struct conf_node *node, char **out,
                     char why[CONFIG_WHY])
{
    if (node->kind != CONF_TEXT)
        return fail(c, node->line, why, "server.%s must be a string, not %s", node->key,
                    conf_kind_name(node->kind));
    char *copy = strdup(node->text);
    if (!copy)
        return fail(c, 0, why, "out of memory");
    free(*out);
    *out = copy;
    return 0;
}

static int read_size(const struct config *c, const struct conf_node *node, uint64_t *out,
                     char why[CONFIG_WHY])
{
    unsigned line;
    struct problem p;
    if (streamconf_size(out, node, &line, &p) < 0)
        return fail(c, line, why, "server: %s", p.text);
    return 0;
}

static int read_count(const struct config *c, const struct conf_node *node, uint64_t *out,
                      uint64_t most, char why[CONFIG_WHY])
{
    if (node->kind != CONF_INTEGER || node->integer < 1 || (uint64_t)node->integer > most)
        return fail(c, node->line, why, "server.%s must be a number from 1 to %llu", node->key,
                    (unsigned long long)most);
    *out = (uint64_t)node->integer;
    return 0;
}

static int read_body_max(struct config *c, const struct conf_node *node, char why[CONFIG_WHY])
{
    /* As the original has it: nothing, and less, is the standard. */
    if (node->kind == CONF_INTEGER && node->integer <= 0) {
        c->body_max = SERVER_BODY_MAX_DEFAULT;
        return 0;
    }
    return read_size(c, node, &c->body_max, why);
}

static int read_drain(struct config *c, const struct conf_node *node, char why[CONFIG_WHY])
{
    if (node->kind == CONF_INTEGER && node->integer >= 0 && node->integer <= 86400) {
        c->drain_timeout_ns = node->integer * INT64_C(1000000000);
        return 0;
    }
    if (node->kind == CONF_TEXT && duration_parse(&c->drain_timeout_ns, node->text) == 0)
        return 0;
    return fail(c, node->line, why, "server.drain_timeout must be a duration (e.g. \"10s\")");
}

static int read_log_level(struct config *c, const struct conf_node *node, char why[CONFIG_WHY])
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    if (read_text(c, node, &c->log_level, why) < 0)
        return -1;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(c->log_level, levels[i]) == 0)
            return 0;
    return fail(c, node->line, why, "server.log_level must be debug, info, warn or error");
}

static int read_server_key(struct config *c, const struct conf_node *key, char why[CONFIG_WHY])
{
    const char *name = key->key;
    if (strcmp(name, "address") == 0)
        return read_text(c, key, &c->address, why);
    if (strcmp(name, "unix_socket") == 0)
        return read_text(c, key, &c->unix_socket, why);
    if (strcmp(name, "log_level") == 0)
        return read_log_level(c, key, why);
    if (strcmp(name, "max_request_body_bytes") == 0)
        return read_body_max(c, key, why);
    if (strcmp(name, "memory_limit") == 0)
        return read_size(c, key, &c->memory_limit, why);
    if (strcmp(name, "drain_timeout") == 0)
        return read_drain(c, key, why);
    if (strcmp(name, "max_streams") == 0)
        return read_count(c, key, &c->max_streams, INT32_MAX, why);
    if (strcmp(name, "max_readers") == 0)
        return read_count(c, key, &c->max_readers, INT32_MAX, why);
    if (strcmp(name, "max_connections") == 0)
        return read_count(c, key, &c->max_connections, 1u << 20, why);
    if (strcmp(name, "threads") == 0)
        return read_count(c, key, &c->threads, 64, why);
    return fail(c, key->line, why, "unknown key server.%s", name);
}

static int read_server(struct config *c, const struct conf_node *server, char why[CONFIG_WHY])
{
    if (server->kind != CONF_TABLE)
        return fail(c, server->line, why, "server must be a table");
    for (const struct conf_node *key = server->children; key; key = key->next)
        if (read_server_key(c, key, why) < 0)
            return -1;
    return 0;
}

/* Plugins of others, which files of old may speak of. */
static int read_external(const struct config *c, const struct conf_node *external,
                         char why[CONFIG_WHY])
{
    const struct conf_node *enabled = conf_child(external, "enabled");
    if (enabled && enabled->kind == CONF_BOOLEAN && !enabled->boolean)
        return 0;
    return fail(c, external->line, why, "external_plugins are not supported; set enabled = false");
}

static int read_tree(struct config *c, const struct conf_node *root, char why[CONFIG_WHY])
{
    for (const struct conf_node *key = root->children; key; key = key->next) {
        int rc;
        if (strcmp(key->key, "server") == 0)
            rc = read_server(c, key, why);
        else if (strcmp(key->key, "plugins") == 0)
            rc = read_plugins(c, key, why);
        else if (strcmp(key->key, "external_plugins") == 0)
            rc = read_external(c, key, why);
        else
            rc = fail(c, key->line, why, "unknown key %s", key->key);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* ---- the doors ---- */

int config_read_text(struct config *c, const char *name, const char *text, size_t n,
                     char why[CONFIG_WHY])
{
    struct conf_node *root;
    char words[512];
    unsigned line;
    free(c->file);
    c->file = strdup(name);
    if (!c->file)
        return fail(c, 0, why, "out of memory");
    if (toml_read(&root, text, n, &line, words, sizeof words) < 0)
        return fail(c, line, why, "%s", words);
    int rc = read_tree(c, root, why);
    conf_free(root);
    return rc;
}

int config_read_file(struct config *c, const char *file, char why[CONFIG_WHY])
{
    FILE *in = fopen(file, "re");
    char *text = in ? malloc(FILE_MAX) : NULL;
    int rc;
    if (!in || !text) {
        snprintf(why, CONFIG_WHY, "%s: %s", file, strerror(errno));
        rc = -1;
    } else {
        size_t n = fread(text, 1, FILE_MAX, in);
        if (ferror(in) || n == FILE_MAX) {
            snprintf(why, CONFIG_WHY, "%s: %s", file,
                     ferror(in) ? strerror(errno) : "larger than 1 MiB");
            rc = -1;
        } else {
            rc = config_read_text(c, file, text, n, why);
        }
    }
    free(text);
    if (in)
        fclose(in);
    return rc;
}

static void remove_key(struct conf_node *table, const char *key)
{
    for (struct conf_node **at = &table->children; *at; at = &(*at)->next) {
        struct conf_node *node = *at;
        if (strcmp(node->key, key) != 0)
            continue;
        *at = node->next;
        node->next = NULL;
        conf_free(node);
        return;
    }
}

static int set_key(struct config_mount *m, const char *key, const char *value)
{
    if (!m->config)
        m->config = conf_new(CONF_TABLE, NULL, 0);
    struct conf_node *node = m->config ? conf_new(CONF_TEXT, key, 0) : NULL;
    if (node)
        node->text = strdup(value);
    if (!node || !node->text) {
        conf_free(node);
        return -1;
    }
    remove_key(m->config, key);
    conf_append(m->config, node);
    return 0;
}

int config_set_streams(struct config *c, const char *key, const char *value)
{
    for (size_t i = 0; i < c->n_mounts; i++)
        if (strcmp(c->mounts[i].kind->name, "streamfs") == 0 &&
            set_key(&c->mounts[i], key, value) < 0)
            return -1;
    return 0;
}
