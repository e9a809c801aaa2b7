/* SPDX-License-Identifier: MIT
 *
 * A server on a loopback port and a Unix socket, with handlers that show what the
 * core does, and a client that speaks raw bytes. */
#ifndef TESTS_HTTP_RIG_H
#define TESTS_HTTP_RIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/http.h"

#define SECOND INT64_C(1000000000)
#define PATIENCE_MS 20000

/* cmocka's assertions are for the test's own thread: this one is for all others. */
#define REQUIRE(what)                                                                              \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Routes:
 *   /hello          "hello\n"
 *   /echo           the body, gathered whole (at most 1 MiB), as the reply
 *   /parts          one line per part of the body: "LEN", "+" at the end of a chunk,
 *                   "." for the last
 *   /pattern?n=N    N bytes of the pattern, streamed; &length=1: with a length
 *                   &step=S: at most S bytes at once; &piece=P: in pieces of P bytes
 *                   &trailer=1: with a trailer; &short=1: ends one byte early
 *   /tap            a stream that is idle until rig_feed() or rig_end_taps()
 *   /never          taken, and never replied to
 *   /later          replied to by a task from another thread: rig_reply_later()
 *   /pause          takes as many bytes of the body as rig_resume() says
 *   /describe       method, version, path, query "a", header "X-Test" */
struct rig {
    struct http_server *server;
    char address[2][128]; /* TCP, Unix */
    /* counted by handlers */
    atomic_int begun, ended;
    atomic_int ends[8]; /* per enum http_end */
    atomic_int waiting; /* exchanges that are in `held` */
    atomic_long peak;   /* bytes of the largest part */
    atomic_int padded;
    struct held *held[8]; /* per loop, of its thread */
};

void rig_start(struct rig *r, const struct http_options *options);
void rig_stop(struct rig *r, int64_t timeout_ns);
void rig_free(struct rig *r);

/* A rig as cmocka's state. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* Have every exchange that is held do something, on its own loop; it is done when
 * these return. */
void rig_feed(struct rig *r, size_t bytes);
void rig_end_taps(struct rig *r);
void rig_reply_later(struct rig *r);
void rig_resume(struct rig *r, size_t bytes);
void rig_pad(struct rig *r); /* a sign of life on each idle tap */

/* Wait until an atomic has at least this value; fails the test after a while. */
void rig_await(atomic_int *value, int least);

/* The pattern: byte `i` of anything. */
char rig_byte(size_t i);

/* ---- Client ---------------------------------------------------------------- */

struct text {
    char *at;
    size_t len;
};

int client_connect(const char *address); /* of a rig */
void client_send(int fd, const void *data, size_t len);
void client_say(int fd, const char *text);
void client_shut(int fd);

/* Everything up to the end of the connection, within PATIENCE_MS. */
struct text client_read_all(int fd);
/* Bytes as they come, until `n` are there. */
struct text client_read(int fd, size_t n);
/* One reply: head and body (by length or chunked, as it came on the wire). */
struct text client_read_reply(int fd);
/* Read one reply and check its status and, unless NULL, its body. */
void client_expect(int fd, int status, const char *body);
/* True: the peer has closed, and nothing came before it. */
bool client_at_end(int fd);

/* The body of one reply, chunks put together; *ok false if it is not whole. */
struct text reply_body(struct text reply, bool *ok);
int reply_status(struct text reply);
bool text_has(struct text t, const char *part);
bool text_is(struct text t, const char *whole);
void text_free(struct text *t);

#endif
