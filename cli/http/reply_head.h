/* SPDX-License-Identifier: MIT
 *
 * Heads of replies. Pure. */
#ifndef CLI_HTTP_REPLY_HEAD_H
#define CLI_HTTP_REPLY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http.h"

#define HTTP_DATE_SIZE 32 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

enum http_reply_body {
    HTTP_BODY_NONE,     /* the status has none, and no length is said */
    HTTP_BODY_LENGTH,   /* `length` bytes */
    HTTP_BODY_CHUNKED,  /* */
    HTTP_BODY_TO_CLOSE, /* it ends with the connection */
};

struct http_reply_form {
    enum http_reply_body body;
    uint64_t length;
    int minor; /* of the request */
    bool keep_alive;
    const char *date;
};

/* Whether a reply of this status has no body, whatever the request was. */
bool http_status_is_bodiless(int status);

/* "OK"; "Unknown" for one never heard of. */
const char *http_status_text(int status);

/* Write the head of `reply`, with the empty line. Its length, or 0: it does not fit,
 * or a field could not be told from the end of its line. */
size_t http_reply_head(char *out, size_t size, const struct http_reply *reply,
                       const struct http_reply_form *form);

/* The Date of a second since 1970, the same in every locale. */
void http_date(char out[HTTP_DATE_SIZE], int64_t seconds);

#endif
