/* SPDX-License-Identifier: MIT
 *
 * Streaming replies over real sockets: whole, framed as promised, idle, fed from
 * other threads, abandoned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

static void a_stream_then_another_request_on_the_same_connection(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "GET /pattern?n=100000&trailer=1 HTTP/1.1\r\nHost: x\r\n\r\n"
                   "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(fd, 200, NULL);
    client_expect(fd, 200, "hello\n");
    close(fd);
}

static void http_1_0_bodies_end_with_the_connection(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "GET /pattern?n=70000 HTTP/1.0\r\n\r\n");
    struct text reply = client_read_all(fd);
    assert_false(text_has(reply, "chunked"));
    assert_true(text_has(reply, "Connection: close\r\n"));
    char *body = strstr(reply.at, "\r\n\r\n") + 4;
    assert_int_equal(reply.at + reply.len - body, 70000);
    for (size_t i = 0; i < 13000; i++)
        assert_int_equal(body[i], rig_byte(i % (26 * 251)));
    text_free(&reply);
    close(fd);
}

/* The body of a stream, checked against the pattern. */
static void expect_pattern(struct text reply, size_t n)
{
    bool ok;
    struct text body = reply_body(reply, &ok);
    assert_true(ok);
    assert_int_equal(body.len, n);
    for (size_t i = 0; i < n; i++)
        if (body.at[i] != rig_byte(i % (26 * 251)))
            fail_msg("byte %zu differs", i);
    text_free(&body);
}

static void streams_arrive_whole_in_any_pieces(void **state)
{
    struct rig *r = *state;
    static const char *const how[] = {
        "n=0",
        "n=1",
        "n=65536",
        "n=65537&step=1000&piece=7",
        "n=3000000",
        "n=3000000&piece=100",
        "n=1&length=1",
        "n=3000000&length=1",
        "n=0&length=1",
        "n=100&trailer=1",
        "n=200000&step=65536&trailer=1",
    };
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        char request[128];
        int fd = client_connect(r->address[i % 2]);
        snprintf(request, sizeof request,
                 "GET /pattern?%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", how[i]);
        client_say(fd, request);
        struct text reply = client_read_all(fd);
        expect_pattern(reply, strtoul(how[i] + 2, NULL, 10));
        assert_int_equal(text_has(reply, "\r\n0\r\nX-Sum: 42\r\n\r\n"),
                         strstr(how[i], "trailer") != NULL);
        text_free(&reply);
        close(fd);
    }
    rig_await(&r->ends[HTTP_END_DONE], 11);
}

static void a_long_write_comes_in_chunks_of_64_kib(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "GET /pattern?n=150000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    struct text reply = client_read_all(fd);
    char *at = strstr(reply.at, "\r\n\r\n") + 4;
    assert_memory_equal(at, "10000\r\n", 7);
    assert_memory_equal(at + 7 + 65536, "\r\n10000\r\n", 9);
    assert_memory_equal(at + 7 + 65536 + 9 + 65536, "\r\n49f0\r\n", 8);
    text_free(&reply);
    close(fd);
}

static void a_stream_that_ends_short_of_its_length_is_cut(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "GET /pattern?n=10&length=1&short=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    struct text reply = client_read_all(fd);
    bool ok;
    struct text body = reply_body(reply, &ok);
    assert_false(ok);
    text_free(&body);
    text_free(&reply);
    rig_await(&r->ends[HTTP_END_ABORTED], 1);
    close(fd);
}

static void an_idle_stream_has_its_head_at_once_and_is_fed_from_elsewhere(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[1]);
    client_say(fd, "GET /tap HTTP/1.1\r\nHost: x\r\n\r\n");
    struct text all = {calloc(1, 1), 0};
    while (!text_has(all, "\r\n\r\n")) {
        struct text more = client_read(fd, 1);
        assert_int_equal(more.len, 1);
        all.at = realloc(all.at, all.len + 2);
        memcpy(all.at + all.len++, more.at, 2);
        text_free(&more);
    }
    text_free(&all);
    rig_await(&r->waiting, 1);
    rig_feed(r, 3);
    struct text chunk = client_read(fd, 8);
    assert_memory_equal(chunk.at, "3\r\n", 3);
    text_free(&chunk);
    rig_end_taps(r);
    struct text end = client_read(fd, 5);
    assert_true(text_is(end, "0\r\n\r\n"));
    text_free(&end);
    close(fd);
}

static void signs_of_life_are_zeros_of_the_next_size(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "GET /tap HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    rig_await(&r->waiting, 1);
    for (int i = 0; i < 20; i++)
        rig_pad(r);
    assert_int_equal(atomic_load(&r->padded), 8);
    rig_feed(r, 26);
    rig_feed(r, 1);
    rig_pad(r);
    rig_end_taps(r);
    struct text reply = client_read_all(fd);
    char *body = strstr(reply.at, "\r\n\r\n") + 4;
    assert_memory_equal(body, "000000001a\r\n", 12);
    assert_string_equal(body + 12 + 26, "\r\n1\r\na\r\n00\r\n\r\n");
    text_free(&reply);
    close(fd);
}

static void a_client_that_went_away_is_noticed_without_a_write(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 2; i++) {
        int fd = client_connect(r->address[i]);
        client_say(fd, "GET /tap HTTP/1.1\r\nHost: x\r\n\r\n");
        rig_await(&r->waiting, 1);
        close(fd);
        rig_await(&r->ends[HTTP_END_GONE], i + 1);
    }
}

static void a_reply_of_known_length_goes_to_a_client_that_closed_its_side(void **state)
{
    struct rig *r = *state;
    int fd = client_connect(r->address[0]);
    client_say(fd, "GET /pattern?n=3000000&length=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    client_shut(fd);
    struct text reply = client_read_all(fd);
    expect_pattern(reply, 3000000);
    text_free(&reply);
    close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(a_stream_then_another_request_on_the_same_connection),
        T(http_1_0_bodies_end_with_the_connection),
        T(streams_arrive_whole_in_any_pieces),
        T(a_long_write_comes_in_chunks_of_64_kib),
        T(a_stream_that_ends_short_of_its_length_is_cut),
        T(an_idle_stream_has_its_head_at_once_and_is_fed_from_elsewhere),
        T(signs_of_life_are_zeros_of_the_next_size),
        T(a_client_that_went_away_is_noticed_without_a_write),
        T(a_reply_of_known_length_goes_to_a_client_that_closed_its_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
