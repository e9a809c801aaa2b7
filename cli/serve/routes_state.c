/* SPDX-License-Identifier: MIT
 *
 * How the server is: health, ready, version, capabilities. On the loops' threads. */
#include "serve/routes.h"

#include "serve/answer.h"
#include "serve/bytes.h"

static void answer_health(struct server *sv, struct http_exchange *x, bool readiness)
{
    struct mount *all[MOUNTS_MAX];
    struct bytes body = {0};
    bool ready = !atomic_load(&sv->ending);
    size_t n = mounts_snapshot(&sv->tree.mounts, all);
    for (size_t i = 0; i < n; i++)
        mount_unref(all[i]);
    bytes_format(&body,
                 "{\"status\":\"%s\",\"version\":\"%s\",\"gitCommit\":\"\",\"buildTime\":\"\","
                 "\"ready\":%s,\"degraded\":false,\"mounts\":{\"total\":%zu,\"pending\":0,"
                 "\"mounted\":%zu,\"failed\":0},\"gostream\":\"%s\"}\n",
                 ready ? "healthy" : "degraded", SERVER_PROTOCOL_VERSION, ready ? "true" : "false",
                 n, n, gos_version());
    answer_json(x, readiness && !ready ? 503 : 200, &body);
}

static void any_health(struct server *sv, struct http_exchange *x)
{
    answer_health(sv, x, false);
}

static void get_ready(struct server *sv, struct http_exchange *x)
{
    answer_health(sv, x, true);
}

static void get_version(struct server *sv, struct http_exchange *x)
{
    struct bytes body = {0};
    (void)sv;
    bytes_format(&body,
                 "{\"buildTime\":\"\",\"gitCommit\":\"\",\"version\":\"%s\",\"gostream\":\"%s\"}\n",
                 SERVER_PROTOCOL_VERSION, gos_version());
    answer_json(x, 200, &body);
}

/* Clients look for what they know; what is ours stands behind it. */
static void get_capabilities(struct server *sv, struct http_exchange *x)
{
    struct bytes body = {0};
    (void)sv;
    bytes_format(&body,
                 "{\"version\":\"%s\",\"features\":[\"handlefs\",\"grep\",\"digest\",\"stream\","
                 "\"touch\",\"symlink\",\"stream-from\",\"stream-policy\",\"stream-framed\","
                 "\"stream-close\",\"stream-stats\",\"stream-chunked-put\",\"gostream\"],"
                 "\"gostream\":\"%s\"}\n",
                 SERVER_PROTOCOL_VERSION, gos_version());
    answer_json(x, 200, &body);
}

const struct route routes_state[] = {
    {"/health", HTTP_OTHER, any_health, NULL}, /* any method */
    {"/ready", HTTP_GET, get_ready, NULL},
    {"/version", HTTP_GET, get_version, NULL},
    {"/capabilities", HTTP_GET, get_capabilities, NULL},
    {NULL, HTTP_OTHER, NULL, NULL},
};
