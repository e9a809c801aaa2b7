/* SPDX-License-Identifier: MIT
 *
 * The mounts of a configuration: read from [plugins], checked, and given parameters
 * by options. See config_mounts.h. One thread, at the start. */
#include "serve/config_mounts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "serve/mounts.h"
#include "serve/path.h"
#include "serve/stream.h"

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

int config_mounts_standard(struct config *c)
{
    return add_standard(c, "devfs", "/dev") == 0 && add_standard(c, "memfs", "/memfs") == 0 &&
                   add_standard(c, "streamfs", "/streamfs") == 0
               ? 0
               : -1;
}

void config_mounts_drop(struct config *c)
{
    for (size_t i = 0; i < c->n_mounts; i++)
        free_mount(&c->mounts[i]);
    c->n_mounts = 0;
}

static int check_path(const struct config *c, const struct config_mount *m, char why[CONFIG_WHY])
{
    for (size_t i = 0; i < c->n_mounts; i++)
        if (strcmp(c->mounts[i].path, m->path) == 0)
            return config_fail(c, m->line, why, "mount already exists: %s (line %u)", m->path,
                               c->mounts[i].line);
    if (strcmp(m->path, "/") == 0)
        return config_fail(c, m->line, why, "nothing can be mounted at /");
    return 0;
}

/* A name is what tells instances of a kind apart. */
static int check_instance(const struct config *c, const struct config_mount *m,
                          char why[CONFIG_WHY])
{
    for (size_t i = 0; m->instance && i < c->n_mounts; i++) {
        const struct config_mount *other = &c->mounts[i];
        if (other->kind == m->kind && other->instance && strcmp(other->instance, m->instance) == 0)
            return config_fail(c, m->instance_line, why,
                               "plugins.%s.name \"%s\" is that of line %u already", m->kind->name,
                               m->instance, other->instance_line);
    }
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
    return config_fail(c, line, why,
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
            return config_fail(c, key->line, why, "unknown key plugins.%s.%s", plugin, key->key);
        }
        if (key->kind != wanted)
            return config_fail(c, key->line, why, "plugins.%s.%s must be %s, not %s", plugin,
                               key->key, conf_kind_name(wanted), conf_kind_name(key->kind));
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
        return config_fail(c, m->line, why, "plugins.%s.path: %s", plugin, p.text);
    m->path = strdup(path);
    m->instance = keys->name ? strdup(keys->name->text) : NULL;
    m->config = keys->config ? conf_copy(keys->config) : NULL;
    if (!m->path || (keys->name && !m->instance) || (keys->config && !m->config))
        return config_fail(c, 0, why, "out of memory");
    m->instance_line = keys->name ? keys->name->line : 0;
    if (check_instance(c, m, why) < 0)
        return -1;
    return check_path(c, m, why);
}

static int read_plugin(struct config *c, const char *plugin, const struct conf_node *table,
                       char why[CONFIG_WHY])
{
    struct plugin_keys keys = {0};
    const struct fs_kind *kind = kinds_find(plugin);
    if (table->kind != CONF_TABLE)
        return config_fail(c, table->line, why, "plugins.%s must be a table", plugin);
    const struct conf_node *enabled = conf_child(table, "enabled");
    bool wanted = !enabled || enabled->kind != CONF_BOOLEAN || enabled->boolean;
    /* What is switched off is not looked at: old files have plugins with keys of their own. */
    if (!kind)
        return wanted ? no_such_kind(c, plugin, table->line, why) : 0;
    if (find_keys(c, plugin, table, &keys, why) < 0)
        return -1;
    if (!wanted)
        return 0;
    /* All of them are looked at together: see check_mounts(). */
    if (c->n_mounts == MOUNTS_MAX)
        return config_fail(c, table->line, why, "too many mounts (limit %d)", MOUNTS_MAX);
    struct config_mount m = {.kind = kind, .line = table->line};
    if (fill_mount(c, plugin, &keys, &m, why) == 0) {
        if (add_mount(c, &m) == 0)
            return 0;
        config_fail(c, 0, why, "out of memory");
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

int config_mounts_read(struct config *c, const struct conf_node *plugins, char why[CONFIG_WHY])
{
    if (plugins->kind != CONF_TABLE)
        return config_fail(c, plugins->line, why, "plugins must be a table");
    config_mounts_drop(c);
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
        return config_fail(c, 0, why, "out of memory");
    return 0;
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

/* The mounts from `i` on, together: each takes its part of what all may have. */
static int check_mounts(const struct config *c, size_t i, struct stream_room *room,
                        char why[CONFIG_WHY])
{
    if (i == c->n_mounts)
        return 0;
    const struct config_mount *m = &c->mounts[i];
    struct problem p;
    struct fs *fs;
    unsigned line = m->line;
    if (kinds_make(m->kind, &fs, m->config, room, &line, &p) < 0)
        return config_fail(c, line, why, "plugins.%s: %.900s", m->kind->name, p.text);
    int rc = check_mounts(c, i + 1, room, why);
    fs->ops->free(fs);
    return rc;
}

int config_check(const struct config *c, char why[CONFIG_WHY])
{
    /* Filesystems are made and thrown away: they are cheap while empty. */
    struct stream_room room = {.max_bytes = c->memory_limit, .n_loops = 1};
    return check_mounts(c, 0, &room, why);
}
