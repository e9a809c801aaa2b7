/* SPDX-License-Identifier: MIT
 *
 * Memory in which something waits for a peer has one limit for all connections, and
 * what cannot be kept ends a connection and never garbles it. Here are also failures of
 * epoll, which this program has of its own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/private.h"
#include "rig.h"

#define KIB ((size_t)1 << 10)

static const char hello[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

/* ---- the next so many of these fail ---- */

static atomic_int listeners_to_fail, connections_to_fail, accepts_to_fail, failed;

static bool fails(atomic_int *left, int error)
{
    if (atomic_load(left) == 0)
        return false;
    atomic_fetch_sub(left, 1);
    atomic_fetch_add(&failed, 1);
    errno = error;
    return true;
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    int listens;
    socklen_t len = sizeof listens;
    bool is_socket = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0;
    if (op == EPOLL_CTL_ADD && is_socket &&
        fails(listens ? &listeners_to_fail : &connections_to_fail, ENOSPC))
        return -1;
    return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

int accept4(int fd, struct sockaddr *peer, socklen_t *len, int flags)
{
    if (fails(&accepts_to_fail, ENFILE))
        return -1;
    return (int)syscall(SYS_accept4, fd, peer, len, flags);
}

static size_t buffered(const struct rig *r)
{
    return atomic_load(&r->server->buffered);
}

static struct http_stats stats_of(const struct rig *r)
{
    struct http_stats stats;
    http_server_stats(r->server, &stats);
    return stats;
}

/* Wait until the server has read so many bytes. */
static void await_bytes(const struct rig *r, uint64_t n)
{
    for (int ms = 0; stats_of(r).bytes_in < n; ms++) {
        if (ms == PATIENCE_MS)
            fail_msg("%llu bytes were not read", (unsigned long long)n);
        usleep(1000);
    }
}

static uint64_t ended(const struct http_stats *s)
{
    return s->accepted - s->connections;
}

/* One more client sends `len` bytes. Wait until they are read, or it is cut off in the
 * middle of them, or its request has begun: of a paused body no more may be read. */
static int crowd_in(const struct rig *r, const char *address, const char *data, size_t len)
{
    const struct http_stats before = stats_of(r);
    int begun = atomic_load(&r->begun);
    int fd = client_connect(address);
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, data + at, len - at, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    for (int ms = 0;; ms++) {
        const struct http_stats now = stats_of(r);
        if (now.bytes_in - before.bytes_in >= len || ended(&now) > ended(&before) ||
            atomic_load(&r->begun) > begun)
            return fd;
        if (ms == PATIENCE_MS)
            fail_msg("neither read nor cut");
        usleep(1000);
    }
}

/* Wait until all connections but `n` have ended. */
static void await_connections(const struct rig *r, uint64_t n)
{
    for (int ms = 0; stats_of(r).connections > n; ms++) {
        if (ms == PATIENCE_MS)
            fail_msg("connections do not end");
        usleep(1000);
    }
}

static void expect_hello(const struct rig *r)
{
    int fd = client_connect(r->address[0]);
    client_say(fd, hello);
    client_expect(fd, 200, "hello\n");
    close(fd);
}

/* ---- what connections hold ---- */

/* `begin` on many connections that leave it at that: some are cut, and what the others
 * hold stays below the limit; it is given back when they go. */
static void crowd_holds_no_more_than_the_limit(const char *begin, size_t len)
{
    enum { N = 64 };
    const size_t limit = 1024 * KIB;
    struct rig r;
    int fd[N];
    rig_start(&r, &(struct http_options){.loops = 2, .max_buffered = limit});
    for (int i = 0; i < N; i++) {
        fd[i] = crowd_in(&r, r.address[i % 2], begin, len);
        assert_true(buffered(&r) <= limit);
    }
    /* limit / len of them are whole, 20 or 17; of a few more only a part was read, which
     * had room: there cannot be as many of these as of those. */
    await_connections(&r, N / 2);
    assert_true(stats_of(&r).connections > 0);
    assert_true(buffered(&r) > limit / 2);
    for (int i = 0; i < N; i++)
        close(fd[i]);
    rig_resume(&r, N * len); /* paused bodies are looked at again */
    await_connections(&r, 0);
    assert_int_equal(buffered(&r), 0);
    expect_hello(&r);
    rig_free(&r);
}

static void parts_of_heads_are_counted(void **state)
{
    (void)state;
    static char head[50 * 1024];
    memset(head, 'a', sizeof head);
    memcpy(head, "GET /hello HTTP/1.1\r\nX: ", 24);
    crowd_holds_no_more_than_the_limit(head, sizeof head);
}

static void input_behind_a_request_that_waits_is_counted(void **state)
{
    (void)state;
    static char input[60 * 1024];
    int n = sprintf(input, "PUT /pause HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    memset(input + n, 'b', sizeof input - (size_t)n);
    crowd_holds_no_more_than_the_limit(input, sizeof input);
}

static void heads_of_bodies_that_are_awaited_are_counted(void **state)
{
    (void)state;
    static char head[50 * 1024];
    memset(head, 'a', sizeof head);
    int n = sprintf(head, "PUT /parts HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX: ");
    head[n] = 'a';
    memcpy(head + sizeof head - 4, "\r\n\r\n", 4);
    crowd_holds_no_more_than_the_limit(head, sizeof head);
}

/* ---- what cannot be kept ---- */

static void nothing_follows_a_reply_that_could_not_be_kept(void **state)
{
    enum { SIZE = 1000 * 1024 };
    static const char head[] = "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1024000\r\n\r\n";
    struct rig r;
    char *body = malloc(SIZE);
    (void)state;
    memset(body, 'b', SIZE);
    /* The body has room, or the reply, and not both. */
    rig_start(&r, &(struct http_options){.loops = 1, .max_buffered = SIZE + 100 * KIB});
    int fd = client_connect(r.address[1]);
    client_say(fd, head);
    client_send(fd, body, SIZE - 1);
    await_bytes(&r, sizeof head - 1 + SIZE - 1);
    /* Its last byte, and the next request with it. */
    char last[sizeof hello + 1] = "b";
    strcpy(last + 1, hello);
    client_say(fd, last);
    struct text reply = client_read_all(fd);
    assert_int_equal(reply_status(reply), 200);
    assert_true(reply.len < SIZE);
    assert_false(text_has(reply, "hello"));
    assert_int_equal(atomic_load(&r.begun), 1);
    text_free(&reply);
    close(fd);
    await_connections(&r, 0);
    assert_int_equal(buffered(&r), 0);
    expect_hello(&r);
    rig_free(&r);
    free(body);
}

/* ---- epoll ---- */

static void a_listener_that_cannot_be_watched_is_no_start(void **state)
{
    (void)state;
    struct http_handler handler = {0};
    char why[128];
    struct http_server *s = http_server_new(&handler, NULL);
    assert_non_null(s);
    assert_int_equal(http_server_listen(s, "127.0.0.1:0", why, sizeof why), 0);
    atomic_store(&listeners_to_fail, 1);
    assert_int_equal(http_server_start(s), -ENOSPC);
    http_server_free(s);
}

static void a_listener_that_cannot_be_watched_again_is_tried_until_it_can(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, &(struct http_options){.loops = 1});
    expect_hello(&r);
    await_connections(&r, 0);
    /* Descriptors run out for one client. When that one has gone, clients are to be
     * accepted again. */
    atomic_store(&failed, 0);
    atomic_store(&listeners_to_fail, 3);
    atomic_store(&accepts_to_fail, 1);
    int fd = client_connect(r.address[0]);
    client_say(fd, hello);
    client_expect(fd, 503, NULL);
    close(fd);
    rig_await(&failed, 4);
    expect_hello(&r);
    fd = client_connect(r.address[1]);
    client_say(fd, hello);
    client_expect(fd, 200, "hello\n");
    close(fd);
    rig_free(&r);
}

static void a_connection_that_cannot_be_watched_is_closed(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, &(struct http_options){.loops = 1});
    expect_hello(&r);
    await_connections(&r, 0);
    atomic_store(&connections_to_fail, 1);
    int fd = client_connect(r.address[0]);
    assert_true(client_at_end(fd));
    close(fd);
    expect_hello(&r);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_heads_are_counted),
        cmocka_unit_test(input_behind_a_request_that_waits_is_counted),
        cmocka_unit_test(heads_of_bodies_that_are_awaited_are_counted),
        cmocka_unit_test(nothing_follows_a_reply_that_could_not_be_kept),
        cmocka_unit_test(a_listener_that_cannot_be_watched_is_no_start),
        cmocka_unit_test(a_listener_that_cannot_be_watched_again_is_tried_until_it_can),
        cmocka_unit_test(a_connection_that_cannot_be_watched_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
