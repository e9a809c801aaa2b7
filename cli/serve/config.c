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
#include "serve/config_mounts.h"
#include "serve/log.h"
#include "serve/server.h"
#include "serve/sizes.h"
#include "serve/streamconf.h"

#define FILE_MAX (1u << 20)
#define MEMORY_LIMIT_DEFAULT (UINT64_C(1) << 30)
#define MAX_STREAMS_DEFAULT 65536
#define DRAIN_DEFAULT_NS (INT64_C(10) * 1000000000)

int config_fail(const struct config *c, unsigned line, char why[CONFIG_WHY], const char *format,
                ...)
{
    int n = 0;
    va_list args;
    if (c->file && line > 0)
        n = snprintf(why, CONFIG_WHY, "%s:%u: ", c->file, line);
    else if (c->file)
        n = snprintf(why, CONFIG_WHY, "%s: ", c->file);
    if (n < 0 || n >= CONFIG_WHY)
        return -1;
    va_start(args, format);
    vsnprintf(why + n, CONFIG_WHY - (size_t)n, format, args);
    va_end(args);
    return -1;
}

char *config_address(const char *text)
{
    char *whole;
    bool port = *text && !text[strspn(text, "0123456789")];
    return asprintf(&whole, "%s%s", port ? "127.0.0.1:" : "", text) < 0 ? NULL : whole;
}

int config_init(struct config *c)
{
    *c = (struct config){.body_max = SERVER_BODY_MAX_DEFAULT,
                         .memory_limit = MEMORY_LIMIT_DEFAULT,
                         .max_streams = MAX_STREAMS_DEFAULT,
                         .drain_timeout_ns = DRAIN_DEFAULT_NS,
                         .busy_poll_ns = BUSY_POLL_DEFAULT_NS};
    c->address = strdup("127.0.0.1:8080");
    c->log_level = strdup("info");
    if (c->address && c->log_level && config_mounts_standard(c) == 0)
        return 0;
    config_finish(c);
    return -1;
}

void config_finish(struct config *c)
{
    config_mounts_drop(c);
    free(c->mounts);
    free(c->file);
    free(c->address);
    free(c->unix_socket);
    free(c->log_level);
    *c = (struct config){0};
}

/* ---- [server] ---- */

static int read_text(const struct config *c, const struct conf_node *node, char **out,
                     char why[CONFIG_WHY])
{
    if (node->kind != CONF_TEXT)
        return config_fail(c, node->line, why, "server.%s must be a string, not %s", node->key,
                           conf_kind_name(node->kind));
    char *copy = strdup(node->text);
    if (!copy)
        return config_fail(c, 0, why, "out of memory");
    free(*out);
    *out = copy;
    return 0;
}

static int read_address(struct config *c, const struct conf_node *node, char why[CONFIG_WHY])
{
    if (read_text(c, node, &c->address, why) < 0)
        return -1;
    char *whole = config_address(c->address);
    if (!whole)
        return config_fail(c, 0, why, "out of memory");
    free(c->address);
    c->address = whole;
    return 0;
}

static int read_size(const struct config *c, const struct conf_node *node, uint64_t *out,
                     char why[CONFIG_WHY])
{
    unsigned line;
    struct problem p;
    if (streamconf_size(out, node, &line, &p) < 0)
        return config_fail(c, line, why, "server: %s", p.text);
    return 0;
}

static int read_count(const struct config *c, const struct conf_node *node, uint64_t *out,
                      uint64_t most, char why[CONFIG_WHY])
{
    if (node->kind != CONF_INTEGER || node->integer < 1 || (uint64_t)node->integer > most)
        return config_fail(c, node->line, why, "server.%s must be a number from 1 to %llu",
                           node->key, (unsigned long long)most);
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
    return config_fail(c, node->line, why,
                       "server.drain_timeout must be a duration (e.g. \"10s\")");
}

static int read_busy_poll(struct config *c, const struct conf_node *node, char why[CONFIG_WHY])
{
    bool zero = node->kind == CONF_INTEGER && node->integer == 0;
    if (zero)
        c->busy_poll_ns = 0;
    else if (node->kind != CONF_TEXT || busy_poll_parse(&c->busy_poll_ns, node->text) < 0)
        return config_fail(c, node->line, why, "server.busy_poll must be %s", BUSY_POLL_FORMAT);
    return 0;
}

static int read_log_level(struct config *c, const struct conf_node *node, char why[CONFIG_WHY])
{
    enum log_level level;
    if (read_text(c, node, &c->log_level, why) < 0)
        return -1;
    if (log_level_parse(&level, c->log_level) < 0)
        return config_fail(c, node->line, why, "server.log_level must be " LOG_LEVELS);
    return 0;
}

/* A number of [server]. */
static int read_server_count(struct config *c, const struct conf_node *key, char why[CONFIG_WHY])
{
    const struct {
        const char *name;
        uint64_t *field, most;
    } counts[] = {
        {"max_streams", &c->max_streams, INT32_MAX},
        {"max_readers", &c->max_readers, INT32_MAX},
        {"max_connections", &c->max_connections, 1u << 20},
        {"threads", &c->threads, 64},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (strcmp(key->key, counts[i].name) == 0)
            return read_count(c, key, counts[i].field, counts[i].most, why);
    return config_fail(c, key->line, why, "unknown key server.%s", key->key);
}

static int read_server_key(struct config *c, const struct conf_node *key, char why[CONFIG_WHY])
{
    const char *name = key->key;
    if (strcmp(name, "address") == 0)
        return read_address(c, key, why);
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
    if (strcmp(name, "busy_poll") == 0)
        return read_busy_poll(c, key, why);
    return read_server_count(c, key, why);
}

static int read_server(struct config *c, const struct conf_node *server, char why[CONFIG_WHY])
{
    if (server->kind != CONF_TABLE)
        return config_fail(c, server->line, why, "server must be a table");
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
    return config_fail(c, external->line, why,
                       "external_plugins are not supported; set enabled = false");
}

static int read_tree(struct config *c, const struct conf_node *root, char why[CONFIG_WHY])
{
    for (const struct conf_node *key = root->children; key; key = key->next) {
        int rc;
        if (strcmp(key->key, "server") == 0)
            rc = read_server(c, key, why);
        else if (strcmp(key->key, "plugins") == 0)
            rc = config_mounts_read(c, key, why);
        else if (strcmp(key->key, "external_plugins") == 0)
            rc = read_external(c, key, why);
        else
            rc = config_fail(c, key->line, why, "unknown key %s", key->key);
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
        return config_fail(c, 0, why, "out of memory");
    if (toml_read(&root, text, n, &line, words, sizeof words) < 0)
        return config_fail(c, line, why, "%s", words);
    int rc = read_tree(c, root, why);
    conf_free(root);
    return rc;
}

/* What servers of this protocol read before; not a word of it is TOML. */
static bool is_yaml(const char *file)
{
    const char *dot = strrchr(file, '.');
    return dot && (!strcasecmp(dot, ".yaml") || !strcasecmp(dot, ".yml"));
}

int config_read_file(struct config *c, const char *file, char why[CONFIG_WHY])
{
    if (is_yaml(file)) {
        snprintf(why, CONFIG_WHY,
                 "%s: this is YAML by its name, and TOML is expected: \"server:\" and \"  address: "
                 "':8080'\" are [server] and address = \":8080\" there, and below \"plugins:\" "
                 "\"streamfs:\" and \"config:\" are [plugins.streamfs] and "
                 "[plugins.streamfs.config]; --print-config prints a whole one",
                 file);
        return -1;
    }
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
