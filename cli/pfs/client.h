/* SPDX-License-Identifier: MIT
 *
 * Calls to a StreamFS server over libcurl: ordinary ones, whose answer is held
 * in memory, and flows, whose bytes pass as they come. One thread. */
#ifndef CLI_PFS_CLIENT_H
#define CLI_PFS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "pfs/base_url.h"
#include "pfs/memory.h"

#define CLIENT_QUERY_MAX 8

struct client;

/* `base` is borrowed. Calls in which nothing moves for `timeout_ns` are given up
 * (0: never). */
struct client *client_new(const struct pfs_base *base, int64_t timeout_ns);
void client_free(struct client *c);

enum client_end {
    CLIENT_DONE,        /* the answer is whole, and says yes */
    CLIENT_REFUSED,     /* the server said no; client_error() has its words */
    CLIENT_UNREACHABLE, /* there was no connection at all */
    CLIENT_BROKEN,      /* it was lost before the end */
    CLIENT_STOPPED,     /* a callback of the flow wanted no more */
    CLIENT_INTERRUPTED, /* by a signal; only where the flow allows it */
};

/* After any end but DONE: a sentence, without a full stop. Valid until the next call. */
const char *client_error(const struct client *c);

/* The status of the last answer; 0: there was none. */
long client_status(const struct client *c);

/* ---- ordinary calls ---- */

struct client_call {
    const char *method, *path; /* "GET", "/stat" */
    struct pfs_query query[CLIENT_QUERY_MAX];
    const void *body; /* NULL: none */
    size_t body_size;
    bool patient; /* no time-out: the server has work to do */
};

/* The body of the answer, whatever it is; `answer` may be NULL. What only asks (GET)
 * a signal breaks off. */
enum client_end client_call(struct client *c, const struct client_call *call,
                            struct pfs_bytes *answer);

/* The same where the answer is JSON: *out is to be released with json_object_put(). */
enum client_end client_json(struct client *c, const struct client_call *call,
                            struct json_object **out);

/* A call with a JSON body, which is released. `message` (to free, may be NULL)
 * is what the server said. */
enum client_end client_post_json(struct client *c, const char *path, struct json_object *body,
                                 char **message);

/* Whether the server can do what the original cannot: one of its features. False
 * also where it did not answer; client_status() is 0 then. */
bool client_can(struct client *c, const char *feature);

#define CLIENT_CHUNKED "stream-chunked-put" /* bodies reach readers as they arrive */
#define CLIENT_SEAL "stream-close"
#define CLIENT_FROM "stream-from"
#define CLIENT_POLICY "stream-policy"
#define CLIENT_FRAMED "stream-framed"

/* ---- flows ---- */

#define CLIENT_SEND_LATER (-1) /* nothing to send yet: watch send_fd */
#define CLIENT_SEND_STOP (-2)  /* give the whole flow up */

struct client_flow {
    const char *method, *path;
    struct pfs_query query[CLIENT_QUERY_MAX];

    /* The request's body; NULL: none. Bytes put into `buf`, 0 at the end, or one of
     * the above. Each return is one chunk. After a signal it should end. */
    ssize_t (*send)(void *user, void *buf, size_t n);
    int send_fd;
    int64_t send_size; /* -1: not known, chunked */

    /* The bytes of a good answer; -1: no more. NULL: they are added to `answer`, or
     * (NULL) not wanted, and more than PFS_BYTES_MAX of them are refused. */
    struct pfs_bytes *answer;
    int (*receive)(void *user, const void *data, size_t n);
    /* All that was at hand has been received; -1: no more. NULL: not wanted. */
    int (*settle)(void *user);
    /* A line of the head or of the trailers; -1: no more. NULL: not wanted. */
    int (*header)(void *user, const char *name, const char *value);
    /* About every half a second. NULL: not wanted. */
    void (*tick)(void *user);

    int output_fd; /* its reader going away ends the flow; -1: none */
    bool endless;  /* silence is no error */
    /* A signal breaks it off. Others get their answer: a body that is being sent
     * ends first. */
    bool interruptible;
    void *user;
};

enum client_end client_flow(struct client *c, const struct client_flow *flow);

#endif
