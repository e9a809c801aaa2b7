/* SPDX-License-Identifier: MIT
 *
 * The client of the tests: raw bytes over a socket, with a deadline; see rig.h. */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

int client_connect(const char *address)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};
    if (!strncmp(address, "unix:", 5)) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        snprintf(local.sun_path, sizeof local.sun_path, "%s", address + 5);
        assert_int_equal(connect(fd, (struct sockaddr *)&local, sizeof local), 0);
        return fd;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

void client_send(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            fail_msg("send: %s", strerror(errno));
        p += n;
        len -= (size_t)n;
    }
}

void client_say(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

void client_shut(int fd)
{
    shutdown(fd, SHUT_WR);
}

/* Append what comes next. 0 at the end of the connection. */
static size_t receive(int fd, struct text *t, size_t most)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, PATIENCE_MS) != 1)
        fail_msg("nothing more after %zu bytes: %.*s", t->len, (int)(t->len > 300 ? 300 : t->len),
                 t->at);
    t->at = realloc(t->at, t->len + most + 1);
    ssize_t n = recv(fd, t->at + t->len, most, 0);
    if (n < 0)
        n = 0; /* a reset is an end, too */
    t->len += (size_t)n;
    t->at[t->len] = '\0';
    return (size_t)n;
}

struct text client_read_all(int fd)
{
    struct text t = {calloc(1, 1), 0};
    while (receive(fd, &t, 65536))
        ;
    return t;
}

struct text client_read(int fd, size_t n)
{
    struct text t = {calloc(1, 1), 0};
    while (t.len < n && receive(fd, &t, n - t.len))
        ;
    return t;
}

bool client_at_end(int fd)
{
    struct text t = client_read_all(fd);
    bool empty = !t.len;
    text_free(&t);
    return empty;
}

/* Where the body begins, or 0. */
static size_t head_len(struct text t)
{
    char *end = memmem(t.at, t.len, "\r\n\r\n", 4);
    return end ? (size_t)(end - t.at) + 4 : 0;
}

/* The length of the whole reply if it is there, or 0. `out` gets its body. */
static size_t whole_len(struct text t, struct text *out)
{
    size_t at = head_len(t);
    if (!at)
        return 0;
    char *length = memmem(t.at, at, "Content-Length: ", 16);
    if (length) {
        size_t n = strtoul(length + 16, NULL, 10);
        if (out && t.len >= at + n) {
            memcpy(out->at, t.at + at, n);
            out->len = n;
        }
        return t.len >= at + n ? at + n : 0;
    }
    if (!memmem(t.at, at, "Transfer-Encoding: chunked", 26))
        return at;
    for (;;) {
        char *eol = memmem(t.at + at, t.len - at, "\r\n", 2);
        if (!eol)
            return 0;
        size_t n = strtoul(t.at + at, NULL, 16);
        at = (size_t)(eol - t.at) + 2;
        if (!n) {
            char *end = memmem(t.at + at - 2, t.len - at + 2, "\r\n\r\n", 4);
            return end ? (size_t)(end - t.at) + 4 : 0;
        }
        if (t.len < at + n + 2)
            return 0;
        if (out) {
            memcpy(out->at + out->len, t.at + at, n);
            out->len += n;
        }
        assert_memory_equal(t.at + at + n, "\r\n", 2);
        at += n + 2;
    }
}

struct text client_read_reply(int fd)
{
    struct text t = {calloc(1, 1), 0};
    /* Byte by byte in the head, so that nothing of the next reply is taken. */
    while (!head_len(t) && receive(fd, &t, 1))
        ;
    char *length = memmem(t.at, t.len, "Content-Length: ", 16);
    size_t want = length ? head_len(t) + strtoul(length + 16, NULL, 10) : 0;
    while (want ? t.len < want : !whole_len(t, NULL))
        if (!receive(fd, &t, want ? want - t.len : 1))
            break;
    return t;
}

struct text reply_body(struct text reply, bool *ok)
{
    struct text body = {calloc(1, reply.len + 1), 0};
    *ok = whole_len(reply, &body) == reply.len && reply.len;
    return body;
}

void client_expect(int fd, int status, const char *body)
{
    bool ok;
    struct text reply = client_read_reply(fd);
    assert_int_equal(reply_status(reply), status);
    struct text got = reply_body(reply, &ok);
    assert_true(ok);
    if (body)
        assert_string_equal(got.at, body);
    text_free(&got);
    text_free(&reply);
}

int reply_status(struct text reply)
{
    return reply.len > 12 && !memcmp(reply.at, "HTTP/1.1 ", 9) ? atoi(reply.at + 9) : 0;
}

bool text_has(struct text t, const char *part)
{
    return memmem(t.at, t.len, part, strlen(part));
}

bool text_is(struct text t, const char *whole)
{
    return t.len == strlen(whole) && !memcmp(t.at, whole, t.len);
}

void text_free(struct text *t)
{
    free(t->at);
    t->at = NULL;
    t->len = 0;
}
