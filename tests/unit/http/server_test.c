/* SPDX-License-Identifier: MIT
 *
 * Requests and replies over real sockets: what a client sees, byte for byte, however
 * its request is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

static void a_connection_serves_one_request_after_another(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < 2; i++) {
        int fd = client_connect(r->address[i]);
        for (int n = 0; n < 3; n++) {
            client_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
            client_expect(fd, 200, "hello\n");
            client_say(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde");
            client_expect(fd, 200, "abcde");
        }
        close(fd);
    }
}

static void a_reply_says_length_type_and_date(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    struct text reply = client_read_reply(fd);
    assert_true(text_has(reply, "HTTP/1.1 200 OK\r\n"));
    assert_true(text_has(reply, "\r\nContent-Type: text/plain\r\n"));
    assert_true(text_has(reply, "\r\nContent-Length: 6\r\n"));
    assert_true(text_has(reply, " GMT\r\n"));
    assert_false(text_has(reply, "Connection:"));
    text_free(&reply);
    close(fd);
}

static void what_is_asked_for_reaches_the_handler(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "PATCH /describe?b=1&a=x+%C3%A9%26&a=2 HTTP/1.1\r\nHost: x\r\n"
                   "x-test:  some thing \r\n\r\n");
    client_expect(fd, 200, "PATCH 1 /describe [x \xc3\xa9&] 5 [some thing]\n");
    client_say(fd, "GET http://x:80/describe HTTP/1.0\r\n\r\n");
    client_expect(fd, 200, "GET 0 /describe [] 0 []\n");
    assert_true(client_at_end(fd));
    close(fd);
}

/* One request in all the ways it can be cut in two, and byte by byte. */
static void cut_everywhere(struct rig *r, const char *request, int status, const char *body)
{
    size_t n = strlen(request);
    int fd = client_connect(r->address[0]);
    for (size_t cut = 1; cut < n; cut++) {
        client_send(fd, request, cut);
        if (cut % 8 == 0)
            usleep(300); /* so that it is likely to be received in two parts */
        client_send(fd, request + cut, n - cut);
        client_expect(fd, status, body);
    }
    for (size_t i = 0; i < n; i++)
        client_send(fd, request + i, 1);
    client_expect(fd, status, body);
    close(fd);
}

static void requests_may_arrive_in_any_pieces(void **state)
{
    struct rig *r = *state;
    cut_everywhere(r, "GET /hello HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n", 200, "hello\n");
    cut_everywhere(r, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world", 200,
                   "hello world");
    cut_everywhere(r,
                   "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "5;ext=\"1\"\r\nhello\r\n006\r\n world\r\n0\r\nTrailer: 1\r\n\r\n",
                   200, "hello world");
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    char request[128], body[16];
    for (int i = 0; i < 2000; i++) {
        int n = snprintf(body, sizeof body, "%d", i);
        snprintf(request, sizeof request,
                 "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", n, body);
        client_say(fd, request);
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(body, sizeof body, "%d", i);
        client_expect(fd, 200, body);
    }
    close(fd);
}

static void head_has_a_length_and_no_body(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    struct text reply = client_read_all(fd);
    assert_true(text_has(reply, "Content-Length: 6\r\n"));
    assert_string_equal(reply.at + reply.len - 4, "\r\n\r\n");
    text_free(&reply);
    close(fd);
    fd = client_connect(r->address[0]);
    client_say(fd, "HEAD /pattern?n=5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    reply = client_read_all(fd);
    assert_true(text_has(reply, "Transfer-Encoding: chunked\r\n"));
    assert_string_equal(reply.at + reply.len - 4, "\r\n\r\n");
    text_free(&reply);
    close(fd);
    rig_await(&r->ends[HTTP_END_DONE], 1);
}

static void http_1_0_may_keep_the_connection(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    for (int i = 0; i < 2; i++) {
        client_say(fd, "GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        struct text reply = client_read_reply(fd);
        assert_true(text_has(reply, "Connection: keep-alive\r\n"));
        text_free(&reply);
    }
    client_say(fd, "GET /hello HTTP/1.0\r\n\r\n");
    struct text reply = client_read_all(fd);
    assert_true(text_has(reply, "Connection: close\r\n"));
    text_free(&reply);
    close(fd);
}

static void a_handler_may_reply_later_from_its_loop(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_await(&r->waiting, 1);
    rig_reply_later(r);
    client_expect(fd, 200, "later\n");
    client_expect(fd, 200, "hello\n");
    close(fd);
}

static void a_request_nobody_replies_to_gets_500(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    struct text reply = client_read_all(fd);
    assert_int_equal(reply_status(reply), 500);
    text_free(&reply);
    close(fd);
}

static void a_client_may_close_its_side_after_its_request(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    client_shut(fd);
    rig_await(&r->waiting, 1);
    rig_reply_later(r);
    client_expect(fd, 200, "later\n");
    assert_true(client_at_end(fd));
    close(fd);
}

static void replies_to_a_client_that_closed_its_side_at_once_are_sent(void **state)
{
    struct rig *r = *state;
    static const char *const last[] = {"", "GET /he", "BAD",
                                       ("PUT /x HTTP/1.1\r\nHost: x\r\n"
                                        "Content-Length: 9\r\n\r\nabc")};
    for (size_t i = 0; i < sizeof last / sizeof *last; i++) {
        for (int k = 0; k < 2; k++) {
            char request[512];
            int fd = client_connect(r->address[k]);
            snprintf(request, sizeof request,
                     "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
                     "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc%s",
                     last[i]);
            /* Both in the socket before the server looks, as often as can be had. */
            client_say(fd, request);
            client_shut(fd);
            client_expect(fd, 200, "hello\n");
            client_expect(fd, 200, "abc");
            struct text rest = client_read_all(fd);
            assert_int_equal(reply_status(rest), i == 0 ? 0 : i == 3 ? 404 : 400);
            text_free(&rest);
            close(fd);
        }
    }
}

static void bad_requests_are_told_why_and_closed(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *text;
        int status;
    } bad[] = {
        {"GET /hello HTTP/1.1\r\n\r\n", 400},
        {"GET /hello HTTP/1.1\nHost: x\r\n\r\n", 400},
        {"GET /hello HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"GET /hello HTTP/1.1\r\nHost: x\r\nX: 1\r\n folded\r\n\r\n", 400},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1", 400},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
         "Transfer-Encoding: chunked\r\n\r\n1",
         400},
        {"PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
         "00000000000000001\r\na\r\n0\r\n\r\n",
         400},
        {"GET /describe?a=%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"\x16\x03\x01\x02", 400},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = client_connect(r->address[0]);
        client_say(fd, bad[i].text);
        struct text reply = client_read_all(fd);
        if (reply_status(reply) != bad[i].status)
            fail_msg("%s: %.*s", bad[i].text, (int)reply.len, reply.at);
        assert_true(text_has(reply, "Connection: close\r\n"));
        text_free(&reply);
        close(fd);
    }
}

static void heads_have_their_limits(void **state)
{
    struct rig *r = *state;
    char *head = malloc(80000);
    static const struct {
        size_t url, field;
        int status;
    } cases[] = {
        {8000, 10, 200}, {8200, 10, 414}, {20000, 0, 414}, {10, 64000, 200}, {10, 66000, 431}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n = sprintf(head, "GET /describe?b=%0*d HTTP/1.1\r\nHost: x\r\nX-Long: %0*d\r\n\r\n",
                        (int)cases[i].url, 0, (int)cases[i].field, 0);
        int fd = client_connect(r->address[0]);
        client_send(fd, head, (size_t)n);
        struct text reply = client_read_reply(fd);
        assert_int_equal(reply_status(reply), cases[i].status);
        text_free(&reply);
        close(fd);
    }
    free(head);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(a_connection_serves_one_request_after_another),
        T(a_reply_says_length_type_and_date),
        T(what_is_asked_for_reaches_the_handler),
        T(requests_may_arrive_in_any_pieces),
        T(pipelined_requests_are_answered_in_order),
        T(head_has_a_length_and_no_body),
        T(http_1_0_may_keep_the_connection),
        T(a_handler_may_reply_later_from_its_loop),
        T(a_request_nobody_replies_to_gets_500),
        T(a_client_may_close_its_side_after_its_request),
        T(replies_to_a_client_that_closed_its_side_at_once_are_sent),
        T(bad_requests_are_told_why_and_closed),
        T(heads_have_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
