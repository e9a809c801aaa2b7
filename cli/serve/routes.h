/* SPDX-License-Identifier: MIT
 *
 * What answers which request. All of it on the loops' threads. */
#ifndef CLI_SERVE_ROUTES_H
#define CLI_SERVE_ROUTES_H

#include <stddef.h>

#include "http/http.h"
#include "serve/server.h"

#define ROUTES_PREFIX "/api/v1"

struct route {
    const char *path; /* behind the prefix */
    enum http_method method;
    /* NULL: the body is gathered at once. */
    void (*request)(struct server *sv, struct http_exchange *x);
    /* With the whole body; may be NULL if `request` never gathers. */
    void (*body)(struct server *sv, struct http_exchange *x, const char *data, size_t n);
};

/* One table for each group, ended by a path of NULL. */
extern const struct route routes_files[];
extern const struct route routes_names[];
extern const struct route routes_search[];
extern const struct route routes_mounts[];
extern const struct route routes_state[];
extern const struct route routes_streams[];

/* Everything below /handles: these paths have numbers in them. */
void routes_handles(struct server *sv, struct http_exchange *x, const char *rest);

/* Have the route's `body` called when the body is whole. */
void route_gather(struct server *sv, struct http_exchange *x, const struct route *route);

void route_metrics(struct server *sv, struct http_exchange *x);
void route_method_not_allowed(struct http_exchange *x);
void route_not_found(struct http_exchange *x);

#endif
