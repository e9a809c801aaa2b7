/* SPDX-License-Identifier: MIT
 *
 * Slow clients, too many clients, no descriptors, and the end of the server. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

#define MS INT64_C(1000000)

static const char hello[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

static void expect_status(int fd, int status)
{
    struct text reply = client_read_reply(fd);
    assert_int_equal(reply_status(reply), status);
    text_free(&reply);
}

static void a_head_that_trickles_is_answered_with_408(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, &(struct http_options){.loops = 1, .head_timeout_ns = 100 * MS});
    int fd = client_connect(r.address[0]);
    /* Each byte is progress, but not enough of it. */
    for (int i = 0; i < 20; i++) {
        if (send(fd, hello + i, 1, MSG_NOSIGNAL) < 0)
            break;
        usleep(10000);
    }
    expect_status(fd, 408);
    assert_true(client_at_end(fd));
    close(fd);
    rig_free(&r);
}

static void a_client_that_says_nothing_is_closed_silently(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, &(struct http_options){.loops = 1, .head_timeout_ns = 50 * MS});
    int fd = client_connect(r.address[0]);
    assert_true(client_at_end(fd));
    close(fd);
    rig_free(&r);
}

static void an_idle_connection_is_closed_after_its_time_and_not_before(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, &(struct http_options){
                      .loops = 1, .idle_timeout_ns = 200 * MS, .head_timeout_ns = 20 * MS});
    int fd = client_connect(r.address[0]);
    for (int i = 0; i < 3; i++) {
        client_say(fd, hello);
        expect_status(fd, 200);
        usleep(60000); /* three head times, a third of the idle time */
    }
    assert_true(client_at_end(fd));
    close(fd);
    rig_free(&r);
}

static void a_body_that_stops_is_answered_with_408(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, &(struct http_options){.loops = 1, .body_timeout_ns = 100 * MS});
    int fd = client_connect(r.address[0]);
    client_say(fd, "PUT /parts HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    expect_status(fd, 408);
    rig_await(&r.ends[HTTP_END_TIMEOUT], 1);
    close(fd);
    rig_free(&r);
}

static void a_body_that_goes_on_slowly_is_fine(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, &(struct http_options){.loops = 1, .body_timeout_ns = 200 * MS});
    int fd = client_connect(r.address[0]);
    client_say(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        usleep(40000); /* all together twice the limit */
        client_say(fd, "a");
    }
    expect_status(fd, 200);
    close(fd);
    rig_free(&r);
}

static void a_client_that_does_not_read_its_reply_is_cut(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, &(struct http_options){.loops = 1, .send_timeout_ns = 100 * MS});
    int fd = client_connect(r.address[1]);
    char *megabyte = calloc(1, 1 << 20);
    client_say(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
    client_send(fd, megabyte, 1 << 20);
    rig_await(&r.ends[HTTP_END_TIMEOUT], 1);
    close(fd);
    free(megabyte);
    rig_free(&r);
}

static void a_paused_stream_reader_is_left_alone(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, &(struct http_options){.loops = 1, .send_timeout_ns = 50 * MS});
    int fd = client_connect(r.address[1]);
    client_say(fd, "GET /pattern?n=5000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    usleep(300000);
    struct text reply = client_read_all(fd);
    bool ok;
    struct text body = reply_body(reply, &ok);
    assert_true(ok);
    assert_int_equal(body.len, 5000000);
    text_free(&body);
    text_free(&reply);
    close(fd);
    rig_free(&r);
}

static void clients_beyond_the_limit_are_told_so(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, &(struct http_options){.loops = 2, .max_connections = 3});
    int fd[4];
    for (int i = 0; i < 3; i++) {
        fd[i] = client_connect(r.address[i % 2]);
        client_say(fd[i], hello);
        expect_status(fd[i], 200);
    }
    fd[3] = client_connect(r.address[0]);
    client_say(fd[3], hello);
    expect_status(fd[3], 503);
    assert_true(client_at_end(fd[3]));
    close(fd[3]);
    /* One goes, another may come. */
    close(fd[0]);
    struct http_stats stats;
    do
        http_server_stats(r.server, &stats);
    while (stats.connections > 2);
    assert_int_equal(stats.refused, 1);
    fd[0] = client_connect(r.address[0]);
    client_say(fd[0], hello);
    expect_status(fd[0], 200);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    rig_free(&r);
}

static void bodies_being_gathered_have_a_limit_all_together(void **state)
{
    (void)state;
    struct rig r;
    enum { SIZE = 400000 };
    static const char head[] = "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n";
    char *body = malloc(SIZE + 1);
    memset(body, 'b', SIZE);
    rig_start(&r, &(struct http_options){.loops = 2, .max_buffered = SIZE + SIZE / 2});
    int first = client_connect(r.address[0]), second = client_connect(r.address[1]);
    client_say(first, head);
    client_send(first, body, SIZE - 1);
    rig_await(&r.begun, 1);
    struct http_stats stats;
    do
        http_server_stats(r.server, &stats);
    while (stats.bytes_in < SIZE);
    /* There is room for one and a half: the second is refused, and told so although
     * it goes on sending. */
    client_say(second, head);
    client_send(second, body, SIZE);
    expect_status(second, 503);
    client_send(first, body, 1);
    expect_status(first, 200);
    close(second);
    /* What was taken is given back. */
    second = client_connect(r.address[1]);
    client_say(second, head);
    client_send(second, body, SIZE);
    expect_status(second, 200);
    close(first);
    close(second);
    free(body);
    rig_free(&r);
}

/* Sockets of a client, made before descriptors get scarce. */
#define CROWD 20

static void without_descriptors_clients_are_told_and_streams_go_on(void **state)
{
    (void)state;
    struct rig r;
    struct rlimit before, tight;
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    int crowd[CROWD];
    rig_start(&r, NULL);
    int fed = client_connect(r.address[0]);
    client_say(fed, "GET /tap HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_await(&r.waiting, 1);
    assert_int_equal(getpeername(fed, (struct sockaddr *)&peer, &len), 0);
    for (int i = 0; i < CROWD; i++)
        crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    getrlimit(RLIMIT_NOFILE, &before);
    tight = before;
    tight.rlim_cur = (rlim_t)crowd[CROWD - 1] + 1 + 4;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(connect(crowd[i], (struct sockaddr *)&peer, len), 0);
        client_say(crowd[i], hello);
    }
    int good = 0, refused = 0;
    for (int i = 0; i < CROWD; i++) {
        struct text reply = client_read_reply(crowd[i]);
        int status = reply_status(reply);
        good += status == 200;
        refused += status == 503;
        text_free(&reply);
    }
    assert_int_equal(good, 4);
    assert_int_equal(refused, CROWD - 4);
    rig_feed(&r, 5);
    struct text head = client_read(fed, 60);
    assert_int_equal(reply_status(head), 200);
    text_free(&head);
    /* When descriptors are back, so is the server. */
    close(crowd[0]);
    setrlimit(RLIMIT_NOFILE, &before);
    int late = client_connect(r.address[0]);
    client_say(late, hello);
    expect_status(late, 200);
    close(late);
    for (int i = 1; i < CROWD; i++)
        close(crowd[i]);
    close(fed);
    rig_free(&r);
}

static void a_thousand_connections_at_once(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct rig r;
    static int fd[N];
    http_raise_descriptor_limit();
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2 * N + 100)
        skip();
    rig_start(&r, NULL);
    for (int i = 0; i < N; i++) {
        fd[i] = client_connect(r.address[i % 2]);
        client_say(fd[i], "GET /tap HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    rig_await(&r.waiting, N);
    rig_feed(&r, 3);
    rig_end_taps(&r);
    for (int i = 0; i < N; i++) {
        bool ok;
        struct text reply = client_read_reply(fd[i]);
        struct text body = reply_body(reply, &ok);
        assert_true(ok);
        assert_int_equal(body.len, 3);
        text_free(&body);
        text_free(&reply);
        close(fd[i]);
    }
    rig_free(&r);
}

struct stopper {
    struct rig *rig;
    int64_t timeout_ns;
};

static void *stop_server(void *arg)
{
    struct stopper *s = arg;
    http_server_stop(s->rig->server, s->timeout_ns);
    return NULL;
}

static void a_stop_lets_what_is_under_way_end(void **state)
{
    (void)state;
    struct rig r;
    pthread_t thread;
    rig_start(&r, NULL);
    int tap = client_connect(r.address[0]), later = client_connect(r.address[1]),
        idle = client_connect(r.address[0]), last = client_connect(r.address[0]);
    client_say(tap, "GET /tap HTTP/1.1\r\nHost: x\r\n\r\n");
    client_say(later, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    client_say(last, "PUT /parts HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    client_say(idle, hello);
    expect_status(idle, 200);
    rig_await(&r.waiting, 2);
    rig_await(&r.begun, 3);
    http_server_drain(r.server);
    struct stopper s = {&r, -1};
    pthread_create(&thread, NULL, stop_server, &s);
    assert_true(client_at_end(idle));
    rig_feed(&r, 4);
    rig_end_taps(&r);
    struct text reply = client_read_all(tap);
    bool ok;
    struct text body = reply_body(reply, &ok);
    assert_true(ok);
    assert_int_equal(body.len, 4);
    text_free(&body);
    text_free(&reply);
    rig_reply_later(&r);
    reply = client_read_all(later);
    assert_int_equal(reply_status(reply), 200);
    assert_true(text_has(reply, "Connection: close\r\n"));
    text_free(&reply);
    /* The last one holds the server up until it has sent what it promised. */
    assert_int_not_equal(pthread_tryjoin_np(thread, NULL), 0);
    client_say(last, "cd");
    expect_status(last, 200);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&r.ends[HTTP_END_DONE]), 3);
    rig_free(&r);
    close(tap);
    close(later);
    close(idle);
    close(last);
}

static void a_stop_cuts_what_does_not_end_in_time(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, NULL);
    int fd[3];
    for (int i = 0; i < 3; i++)
        fd[i] = client_connect(r.address[i % 2]);
    client_say(fd[0], "GET /tap HTTP/1.1\r\nHost: x\r\n\r\n");
    client_say(fd[1], "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    client_say(fd[2], "PUT /pause HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde");
    rig_await(&r.waiting, 3);
    rig_stop(&r, 50 * MS);
    assert_int_equal(atomic_load(&r.ends[HTTP_END_STOPPED]), 3);
    for (int i = 0; i < 3; i++) {
        bool ok;
        struct text reply = client_read_all(fd[i]);
        struct text body = reply_body(reply, &ok);
        assert_false(ok); /* nothing that looks whole */
        text_free(&body);
        text_free(&reply);
        close(fd[i]);
    }
    rig_free(&r);
}

static void nobody_is_let_in_after_a_stop(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, NULL);
    char path[128];
    strcpy(path, r.address[1] + 5);
    assert_int_equal(access(path, F_OK), 0);
    http_server_drain(r.server);
    assert_int_not_equal(access(path, F_OK), 0);
    rig_free(&r);
}

static void a_server_that_was_never_started_can_be_freed(void **state)
{
    (void)state;
    struct http_handler handler = {0};
    char why[128];
    struct http_server *s = http_server_new(&handler, NULL);
    assert_non_null(s);
    assert_int_equal(http_server_listen(s, "127.0.0.1:0", why, sizeof why), 0);
    http_server_free(s);
    http_server_free(NULL);
}

static void only_loopback_is_listened_at(void **state)
{
    (void)state;
    struct http_handler handler = {0};
    struct http_server *s = http_server_new(&handler, NULL);
    static const char *const bad[] = {
        "0.0.0.0:0",       "[::]:0",        "192.168.0.1:0", "127.0.0.1",
        "127.0.0.1:65536", "127.0.0.1:x",   "127.0.0.1:",    "example.org:0",
        "[::1]",           "unix:",         "127.0.0.1:-1",  "unix:/nowhere/at/all",
        "unix:/tmp",       "[127.0.0.1]:0",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[256] = "";
        if (http_server_listen(s, bad[i], why, sizeof why) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_true(*why);
    }
    char why[256];
    assert_int_equal(http_server_listen(s, ":0", why, sizeof why), 0);
    assert_int_equal(http_server_listen(s, "localhost:0", why, sizeof why), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_memory_equal(http_server_address(s, i), "127.0.0.1:", 10);
    assert_null(http_server_address(s, 2));
    http_server_free(s);
}

static void a_dead_socket_file_is_replaced_and_a_live_one_is_not(void **state)
{
    (void)state;
    struct http_handler handler = {0};
    char path[64], address[80], why[256];
    snprintf(path, sizeof path, "/tmp/gos-http-test-%d-dead", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", path);
    struct http_server *a = http_server_new(&handler, NULL), *b = http_server_new(&handler, NULL);
    assert_int_equal(http_server_listen(a, address, why, sizeof why), 0);
    assert_int_equal(http_server_listen(b, address, why, sizeof why), -1);
    assert_non_null(strstr(why, "in use"));
    http_server_free(a);
    /* What a killed server leaves behind. */
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd);
    assert_int_equal(http_server_listen(b, address, why, sizeof why), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    http_server_free(b);
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_that_trickles_is_answered_with_408),
        cmocka_unit_test(a_client_that_says_nothing_is_closed_silently),
        cmocka_unit_test(an_idle_connection_is_closed_after_its_time_and_not_before),
        cmocka_unit_test(a_body_that_stops_is_answered_with_408),
        cmocka_unit_test(a_body_that_goes_on_slowly_is_fine),
        cmocka_unit_test(a_client_that_does_not_read_its_reply_is_cut),
        cmocka_unit_test(a_paused_stream_reader_is_left_alone),
        cmocka_unit_test(clients_beyond_the_limit_are_told_so),
        cmocka_unit_test(bodies_being_gathered_have_a_limit_all_together),
        cmocka_unit_test(without_descriptors_clients_are_told_and_streams_go_on),
        cmocka_unit_test(a_thousand_connections_at_once),
        cmocka_unit_test(a_stop_lets_what_is_under_way_end),
        cmocka_unit_test(a_stop_cuts_what_does_not_end_in_time),
        cmocka_unit_test(nobody_is_let_in_after_a_stop),
        cmocka_unit_test(a_server_that_was_never_started_can_be_freed),
        cmocka_unit_test(only_loopback_is_listened_at),
        cmocka_unit_test(a_dead_socket_file_is_replaced_and_a_live_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
