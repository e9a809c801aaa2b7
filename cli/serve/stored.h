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
#include "serve/content.h"

struct stored {
    struct bytes body;
    struct content content; /* instead of it, if it is not empty */
    size_t at;              /* sent so far */
    /* private */
    size_t held;
};

/* Count a body among those that wait for their clients. False: there are too many. */
bool stored_hold(struct stored *s);

/* The body is no longer needed, whether it was counted or not. */
void stored_drop(struct stored *s);

/* Reply with a body that the exchange's `produce` hands out, or that there is no room. */
void stored_send(struct http_exchange *x, struct stored *s, const struct http_reply *head);

enum http_flow stored_produce(struct stored *s, struct http_batch *batch);
void stored_sent(struct stored *s, size_t bytes);

/* Reply to an exchange that was not taken; `body` is emptied. `chunked`: as a
 * stream that ends, instead of with a Content-Length. */
void stored_reply(struct http_exchange *x, const struct http_reply *head, struct bytes *body,
                  bool chunked);

/* The same with what a file has; it stays as it is now until it is sent. */
void stored_reply_content(struct http_exchange *x, const struct http_reply *head,
                          struct content *content, bool chunked);

#endif
