/* SPDX-License-Identifier: MIT
 *
 * A body that is there already, sent without another copy. On the loop of its
 * exchange. */
#ifndef CLI_SERVE_STORED_H
#define CLI_SERVE_STORED_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"
#include "serve/bytes.h"

struct stored {
    struct bytes body;
    size_t at; /* sent so far */
};

enum http_flow stored_produce(struct stored *s, struct http_batch *batch);
void stored_sent(struct stored *s, size_t bytes);

/* Reply to an exchange that was not taken; `body` is emptied. `chunked`: as a
 * stream that ends, instead of with a Content-Length. */
void stored_reply(struct http_exchange *x, const struct http_reply *head, struct bytes *body,
                  bool chunked);

#endif
