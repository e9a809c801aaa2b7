/* SPDX-License-Identifier: MIT
 *
 * What client.c and client_flow.c share. */
#ifndef CLI_PFS_CLIENT_PRIVATE_H
#define CLI_PFS_CLIENT_PRIVATE_H

#include <curl/curl.h>

#include "pfs/client.h"

struct client {
    const struct pfs_base *base;
    int64_t timeout_ns;
    CURLM *multi;
    CURL *easy;
    struct json_object *capabilities; /* NULL: not known */
    long status;
    char error[1024];
};

/* A flow, or, with `body`, a request that has it. */
enum client_end client_run(struct client *c, const struct client_flow *flow, const void *body,
                           size_t body_size);

#endif
