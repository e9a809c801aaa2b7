/* SPDX-License-Identifier: MIT
 *
 * From a request to its route. On the loops' threads. */
#include "serve/routes.h"

#include <stdio.h>
#include <string.h>

#include "serve/answer.h"
#include "serve/bytes.h"
#include "serve/json.h"
#include "serve/visitor.h"

void route_method_not_allowed(struct http_exchange *x)
{
    answer_error(x, 405, "method not allowed");
}

void route_not_found(struct http_exchange *x)
{
    http_reply_text(x, 404, "text/plain; charset=utf-8", "404 page not found\n");
}

/* ---- bodies ---- */

static size_t gather_body(struct http_exchange *x, void *data, const struct http_part *part)
{
    const struct route *route = data;
    if (part->last)
        route->body(server_of(x), x, part->data, part->len);
    return part->len;
}

static void gather_end(struct http_exchange *x, void *data, enum http_end why)
{
    (void)x, (void)data, (void)why; /* nothing is kept */
}

void route_gather(struct server *sv, struct http_exchange *x, const struct route *route)
{
    static const struct http_exchange_ops ops = {.body = gather_body, .end = gather_end};
    http_take(x, &ops, (void *)route);
    http_want_whole_body(x, sv->body_max);
}

/* ---- dispatch ---- */

static void call(struct server *sv, struct http_exchange *x, const struct route *route)
{
    if (route->request)
        route->request(sv, x);
    else
        route_gather(sv, x, route);
}

static void banner(struct http_exchange *x)
{
    http_reply_json(
        x, 200,
        "{\"service\":\"AGFS Server\",\"status\":\"running\",\"version\":\"" SERVER_PROTOCOL_VERSION
        "\"}\n");
}

/* The route of a table, or NULL; `known` is set if only the method is wrong. */
static const struct route *search(const struct route *table, const char *rest,
                                  enum http_method method, bool *known)
{
    for (const struct route *route = table; route->path; route++) {
        if (strcmp(route->path, rest) != 0)
            continue;
        if (route->method == method || route->method == HTTP_OTHER)
            return route;
        *known = true;
    }
    return NULL;
}

static void below_prefix(struct server *sv, struct http_exchange *x, const char *rest)
{
    static const struct route *const tables[] = {routes_files,  routes_names, routes_search,
                                                 routes_mounts, routes_state, routes_streams};
    if (strncmp(rest, "/handles", 8) == 0 && (rest[8] == '/' || rest[8] == '\0')) {
        routes_handles(sv, x, rest + 8);
        return;
    }
    const struct route *route = NULL;
    bool known = false;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !route; i++)
        route = search(tables[i], rest, http_method(x), &known);
    if (route)
        call(sv, x, route);
    else if (known)
        route_method_not_allowed(x);
    else
        route_not_found(x);
}

void server_request(void *user, struct http_exchange *x)
{
    struct server *sv = user;
    const char *path = http_path(x);
    size_t n = sizeof ROUTES_PREFIX - 1;
    if (!visitor_allowed(http_header(x, "Host"), http_header(x, "Origin"),
                         http_header(x, "Sec-Fetch-Site")))
        answer_error(x, 403, "permission denied: asked for by a page of another site");
    else if (strncmp(path, ROUTES_PREFIX, n) == 0 && path[n] == '/')
        below_prefix(sv, x, path + n);
    else if (strcmp(path, "/") == 0)
        http_method(x) == HTTP_GET ? banner(x) : route_method_not_allowed(x);
    else if (strcmp(path, "/metrics") == 0)
        http_method(x) == HTTP_GET ? route_metrics(sv, x) : route_method_not_allowed(x);
    else
        route_not_found(x);
}

size_t server_error_body(void *user, int status, const char *why, char *buf, size_t size,
                         const char **type)
{
    struct server *sv = user;
    struct bytes body = {0};
    char text[96];
    if (status == 413) {
        snprintf(text, sizeof text, "request body exceeds maximum size of %llu bytes",
                 (unsigned long long)sv->body_max);
        why = text;
    }
    json_put_word(&body, "error", why);
    size_t n = body.failed || body.n > size ? 0 : body.n;
    if (n > 0)
        memcpy(buf, body.data, n);
    bytes_free(&body);
    *type = ANSWER_JSON;
    return n;
}
