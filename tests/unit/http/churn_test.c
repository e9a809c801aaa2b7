/* SPDX-License-Identifier: MIT
 *
 * Clients that behave badly in random ways, many at a time: each exchange that
 * began must end exactly once (the rig checks it), and whoever behaves well must
 * be served all the while. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "random.h"
#include "rig.h"

#define RUDE 6
#define ROUNDS 150

static const char *const requests[] = {
    "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /pattern?n=300000&step=5000 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /pattern?n=70000 HTTP/1.0\r\n\r\n",
    "GET /tap HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /never HTTP/1.1\r\nHost: x\r\n\r\n",
    "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n01234567890123456789",
    ("PUT /parts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
     "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
    "PUT /pause HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "HEAD /pattern?n=3 HTTP/1.1\r\nHost: x\r\n\r\n",
    "BREW / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n",
};

struct crowd {
    struct rig rig;
    atomic_int running;
    uint64_t seed;
};

/* Send what the peer still takes; it may have closed. */
static void say_some(int fd, const char *text, size_t len)
{
    if (send(fd, text, len, MSG_NOSIGNAL) < 0)
        return;
}

static void be_rude(struct crowd *c, struct dice *d)
{
    char text[512];
    int fd = client_connect(c->rig.address[dice_below(d, 2)]);
    for (size_t n = 1 + dice_below(d, 3); n > 0; n--) {
        strcpy(text, requests[dice_below(d, sizeof requests / sizeof *requests)]);
        size_t len = strlen(text);
        if (!dice_below(d, 3))
            text[dice_below(d, len)] = (char)dice_next(d);
        if (!dice_below(d, 3))
            len = dice_below(d, len);
        say_some(fd, text, len);
    }
    if (!dice_below(d, 3))
        client_shut(fd);
    struct linger reset = {.l_onoff = 1};
    if (!dice_below(d, 3))
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (dice_below(d, 2)) {
        ssize_t n = recv(fd, text, sizeof text, MSG_DONTWAIT);
        (void)n;
    }
    close(fd);
}

static void *rude_clients(void *arg)
{
    struct crowd *c = arg;
    struct dice d = {c->seed + (uint64_t)atomic_fetch_add(&c->running, 1)};
    for (int i = 0; i < ROUNDS; i++)
        be_rude(c, &d);
    atomic_fetch_sub(&c->running, 1);
    return NULL;
}

static void rude_clients_harm_only_themselves(void **state)
{
    (void)state;
    static struct crowd c;
    pthread_t threads[RUDE];
    c.seed = dice_new(__func__).state;
    rig_start(&c.rig, &(struct http_options){.loops = 2});
    int polite = client_connect(c.rig.address[0]);
    for (int i = 0; i < RUDE; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, rude_clients, &c), 0);
    do {
        rig_feed(&c.rig, 100);
        rig_resume(&c.rig, 1);
        client_say(polite, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
        bool ok;
        struct text reply = client_read_reply(polite);
        struct text body = reply_body(reply, &ok);
        assert_true(ok && text_is(body, "hello"));
        text_free(&body);
        text_free(&reply);
    } while (atomic_load(&c.running));
    for (int i = 0; i < RUDE; i++)
        pthread_join(threads[i], NULL);
    close(polite);
    rig_free(&c.rig);
}

static void a_stop_amid_the_crowd_ends_every_exchange(void **state)
{
    (void)state;
    static struct crowd c;
    struct dice d = dice_new(__func__);
    for (int round = 0; round < 10; round++) {
        int fd[40];
        rig_start(&c.rig, &(struct http_options){.loops = 2});
        for (int i = 0; i < 40; i++) {
            fd[i] = client_connect(c.rig.address[i % 2]);
            client_say(fd[i], requests[dice_below(&d, sizeof requests / sizeof *requests)]);
        }
        rig_stop(&c.rig, (int64_t)dice_below(&d, 3) * 5000000);
        for (int i = 0; i < 40; i++) {
            struct text t = client_read_all(fd[i]);
            text_free(&t);
            close(fd[i]);
        }
        rig_free(&c.rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rude_clients_harm_only_themselves),
        cmocka_unit_test(a_stop_amid_the_crowd_ends_every_exchange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
