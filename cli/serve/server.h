/* SPDX-License-Identifier: MIT
 *
 * What all routes of the server share. */
#ifndef CLI_SERVE_SERVER_H
#define CLI_SERVE_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/http.h"
#include "serve/handles.h"
#include "serve/stream.h"
#include "serve/tree.h"
#include "serve/worker.h"

/* What the protocol's clients were written against; ours is told beside it. */
#define SERVER_PROTOCOL_VERSION "1.4.0"
#define SERVER_BODY_MAX_DEFAULT UINT64_C(67108864)

struct server {
    /* immutable while the loops run */
    uint64_t body_max;
    uint64_t deposits_max; /* bytes of files on their way, all together */
    int64_t started_wall_ns;
    struct http_server *http;
    struct stream_room room;
    /* with locks of their own */
    struct tree tree;
    struct handles handles;
    struct worker searches; /* "pfs-worker" */
    struct worker figures;  /* "pfs-figures": who watches the server waits for no search */
    atomic_bool ending;
    _Atomic uint64_t deposited; /* see deposits_max */
    /* of loop 0's thread */
    struct http_timer sweep;
    struct http_loop *sweep_loop;
};

static inline struct server *server_of(struct http_exchange *x)
{
    return http_loop_user(http_exchange_loop(x));
}

/* The handler of all requests; see routes.c. */
void server_request(void *user, struct http_exchange *x);
size_t server_error_body(void *user, int status, const char *why, char *buf, size_t size,
                         const char **type);

#endif
