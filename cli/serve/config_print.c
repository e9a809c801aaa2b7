/* SPDX-License-Identifier: MIT
 *
 * A configuration printed as a file. See config.h. */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "serve/config.h"
#include "serve/json.h"

/* A string of JSON is one of TOML, too. */
static void put_text(struct bytes *out, const char *key, const char *value)
{
    bytes_format(out, "%s = ", key);
    json_put_text(out, value);
    bytes_text(out, "\n");
}

static void put_number(struct bytes *out, const char *key, uint64_t value)
{
    if (value > 0)
        bytes_format(out, "%s = %" PRIu64 "\n", key, value);
}

static void put_param(struct bytes *out, const struct fs_param *param,
                      const struct conf_node *config)
{
    const struct conf_node *given = config ? conf_child(config, param->name) : NULL;
    if (given) {
        bytes_format(out, "%s = ", param->name);
        json_put_conf(out, given);
        bytes_text(out, "\n");
    } else if (strcmp(param->type, "int") == 0) {
        bytes_format(out, "%s = %s\n", param->name, param->standard);
    } else if (param->standard[0]) {
        put_text(out, param->name, param->standard);
    }
}

static bool alone(const struct config *c, const struct fs_kind *kind)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_mounts; i++)
        n += c->mounts[i].kind == kind;
    return n == 1;
}

static void put_mount(struct bytes *out, const struct config *c, const struct config_mount *m)
{
    const char *const around[2][2] = {{"[[", "]]"}, {"[", "]"}};
    bool one = alone(c, m->kind);
    bytes_format(out, "\n%splugins.%s%s\n", around[one][0], m->kind->name, around[one][1]);
    if (m->instance)
        put_text(out, "name", m->instance);
    bytes_text(out, "enabled = true\n");
    put_text(out, "path", m->path);
    if (m->kind->n_params > 0)
        bytes_format(out, "\n[plugins.%s.config]\n", m->kind->name);
    for (size_t i = 0; i < m->kind->n_params; i++)
        put_param(out, &m->kind->params[i], m->config);
}

int config_print(const struct config *c, FILE *out)
{
    struct bytes text = {0};
    bytes_text(&text, "[server]\n");
    put_text(&text, "address", c->address);
    if (c->unix_socket)
        put_text(&text, "unix_socket", c->unix_socket);
    put_text(&text, "log_level", c->log_level);
    put_number(&text, "max_request_body_bytes", c->body_max);
    put_number(&text, "memory_limit", c->memory_limit);
    put_number(&text, "max_streams", c->max_streams);
    put_number(&text, "max_readers", c->max_readers);
    put_number(&text, "max_connections", c->max_connections);
    put_number(&text, "threads", c->threads);
    bytes_format(&text, "drain_timeout = \"%.9gs\"\n", (double)c->drain_timeout_ns / 1e9);
    bytes_format(&text, "busy_poll = \"%.9gus\"\n", (double)c->busy_poll_ns / 1e3);
    /* Tables of one kind must stand together. */
    size_t n_kinds;
    const struct fs_kind *const *kinds = kinds_all(&n_kinds);
    for (size_t k = 0; k < n_kinds; k++)
        for (size_t i = 0; i < c->n_mounts; i++)
            if (c->mounts[i].kind == kinds[k])
                put_mount(&text, c, &c->mounts[i]);
    bool good = !text.failed && fwrite(text.data, 1, text.n, out) == text.n && fflush(out) == 0;
    bytes_free(&text);
    return good ? 0 : -1;
}
