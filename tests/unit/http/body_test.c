/* SPDX-License-Identifier: MIT
 *
 * Request bodies over real sockets: in parts, whole, paused, refused, cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

static void parts_tell_where_chunks_end(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "PUT /parts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "2\r\naa\r\nA\r\n0123456789\r\n0\r\n\r\n");
    client_expect(fd, 200, "2+\n10+\n0.\n");
    client_say(fd, "PUT /parts HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    client_expect(fd, 200, "3.\n");
    client_say(fd, "PUT /parts HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    client_expect(fd, 200, "0.\n");
    client_say(fd, "PUT /parts HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(fd, 200, "0.\n");
    close(fd);
}

static void a_chunk_is_handed_on_before_it_is_complete(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "PUT /parts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab");
    while (atomic_load(&r->peak) < 2)
        usleep(100);
    client_say(fd, "cd\r\n0\r\n\r\n");
    client_expect(fd, 200, "2\n2+\n0.\n");
    close(fd);
}

static void expect_100_continue(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                   "Expect: 100-continue\r\n\r\n");
    struct text go_on = client_read(fd, 25);
    assert_true(text_is(go_on, "HTTP/1.1 100 Continue\r\n\r\n"));
    text_free(&go_on);
    client_say(fd, "ok");
    client_expect(fd, 200, "ok");
    /* Refused without having been invited: the connection cannot go on, since the
     * body may come or not. */
    client_say(fd, "PUT /elsewhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                   "Expect: 100-continue\r\n\r\n");
    struct text reply = client_read_all(fd);
    assert_int_equal(reply_status(reply), 404);
    assert_true(text_has(reply, "Connection: close\r\n"));
    text_free(&reply);
    close(fd);
}

static void a_paused_body_waits_and_loses_nothing(void **state)
{
    struct rig *r = *state;
    static const char *const requests[] = {
        "PUT /pause HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789",
        "PUT /pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
    };
    for (int i = 0; i < 2; i++) {
        int fd = client_connect(r->address[0]);
        client_say(fd, requests[i]);
        client_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        rig_await(&r->waiting, 1);
        while (atomic_load(&r->ends[HTTP_END_DONE]) <= i)
            rig_resume(r, 1);
        client_expect(fd, 200, "0123456789");
        client_expect(fd, 200, "hello\n");
        close(fd);
    }
}

static void large_bodies_arrive_whole(void **state)
{
    struct rig *r = *state;
    static const size_t sizes[] = {65536, 200000, 262144, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char head[128], *body = malloc(sizes[i] + 1);
        for (size_t n = 0; n < sizes[i]; n++)
            body[n] = rig_byte(n);
        body[sizes[i]] = '\0';
        int fd = client_connect(r->address[i % 2]);
        snprintf(head, sizeof head, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                 sizes[i]);
        for (int again = 0; again < 3; again++) {
            client_say(fd, head);
            client_send(fd, body, sizes[i]);
            client_expect(fd, 200, body);
        }
        free(body);
        close(fd);
    }
}

static void too_large_a_body_is_refused(void **state)
{
    struct rig *r = *state;
    static const char *const requests[] = {
        "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n",
        "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n",
    };
    char *megabyte = calloc(1, (1 << 20) + 1);
    for (int i = 0; i < 2; i++) {
        int fd = client_connect(r->address[0]);
        client_say(fd, requests[i]);
        if (i)
            client_send(fd, megabyte, (1 << 20) + 1);
        struct text reply = client_read_all(fd);
        assert_int_equal(reply_status(reply), 413);
        assert_true(text_has(reply, "Connection: close\r\n"));
        text_free(&reply);
        close(fd);
    }
    rig_await(&r->ends[HTTP_END_BAD], 2);
    free(megabyte);
}

static void a_body_nobody_wants_is_dropped(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    char *body = calloc(1, 100000);
    client_say(fd, "PUT /elsewhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    client_send(fd, body, 100000);
    client_expect(fd, 404, NULL);
    client_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(fd, 200, "hello\n");
    free(body);
    close(fd);
}

static void a_cut_body_is_an_error(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "PUT /parts HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    client_shut(fd);
    struct text reply = client_read_all(fd);
    assert_int_equal(reply_status(reply), 400);
    text_free(&reply);
    rig_await(&r->ends[HTTP_END_GONE], 1);
    close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(parts_tell_where_chunks_end),
        T(a_chunk_is_handed_on_before_it_is_complete),
        T(expect_100_continue),
        T(a_paused_body_waits_and_loses_nothing),
        T(large_bodies_arrive_whole),
        T(too_large_a_body_is_refused),
        T(a_body_nobody_wants_is_dropped),
        T(a_cut_body_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
