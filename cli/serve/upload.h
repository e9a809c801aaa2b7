/* SPDX-License-Identifier: MIT
 *
 * A request body into a stream, as it arrives. */
#ifndef CLI_SERVE_UPLOAD_H
#define CLI_SERVE_UPLOAD_H

#include "http/http.h"
#include "serve/mounts.h"
#include "serve/stream.h"

/* Bodies up to this with a Content-Length are one record. */
#define UPLOAD_ATOMIC_MAX (1u << 20)

enum upload_answer {
    UPLOAD_FILE,   /* {"message":"Written N bytes"} */
    UPLOAD_HANDLE, /* {"bytes_written":N,"position":0} */
};

/* Whether the parameters of an upload are good. 0, or -1 and a problem. */
int upload_check(struct http_exchange *x, struct problem *p);

/* `s` has a reference, which becomes the upload's. `mount`: where it was found by
 * its name, and is found again if it is deleted before the first byte is in it;
 * NULL: this stream or none. */
void upload_start(struct http_exchange *x, struct stream *s, struct mount *mount,
                  enum upload_answer answer);

#endif
