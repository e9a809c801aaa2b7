/* SPDX-License-Identifier: MIT
 *
 * A loop that does the light work of another one that sleeps: it must be done as if
 * on the loop's own thread, and what is left of it must not wait for anything else. A
 * server of two loops, on each a stream and whoever pokes the other one. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

#define POKES 3000
#define TIMER_NS 3000000

enum what { FEED, END, TIMER, AGAIN };

/* One for each loop, of its turn. */
struct spot {
    struct http_task task;
    struct http_timer timer;
    struct http_loop *loop;
    struct http_exchange *tap;
    bool fed, ends;
    atomic_int what, again; /* of the pokes that come next */
    /* counted; `asked` before a post, `seen` what was asked when the task ran */
    atomic_int asked, seen, by_others, repeats, timers, taps, ended, fed_bytes;
};

struct pair {
    struct http_server *server;
    struct spot spot[2];
    pthread_t thread[2];
    atomic_int taps;
    char address[128];
};

static struct spot *spot_of(struct pair *p, const struct http_loop *loop)
{
    return &p->spot[http_loop_index(loop)];
}

/* ---- A stream that is idle until it is fed ----------------------------------- */

static enum http_flow produce(struct http_exchange *x, void *data, struct http_batch *batch)
{
    struct spot *s = data;
    REQUIRE(http_loop_is_mine(http_exchange_loop(x)));
    if (s->fed)
        batch->iov[batch->n_iov++] = (struct iovec){.iov_base = (char *)"x", .iov_len = 1};
    return s->ends ? HTTP_FLOW_END : s->fed ? HTTP_FLOW_MORE : HTTP_FLOW_IDLE;
}

static void sent(struct http_exchange *x, void *data, size_t bytes)
{
    (void)x;
    struct spot *s = data;
    if (bytes)
        s->fed = false;
    atomic_fetch_add(&s->fed_bytes, (int)bytes);
}

static void end(struct http_exchange *x, void *data, enum http_end why)
{
    struct spot *s = data;
    (void)x;
    (void)why;
    s->tap = NULL;
    atomic_fetch_add(&s->ended, 1);
}

static const struct http_exchange_ops tap_ops = {.produce = produce, .sent = sent, .end = end};

/* ---- Pokes --------------------------------------------------------------------- */

static void on_timer(struct http_timer *timer)
{
    struct spot *s = (struct spot *)(void *)((char *)timer - offsetof(struct spot, timer));
    REQUIRE(http_loop_is_mine(s->loop));
    atomic_fetch_add(&s->timers, 1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static void on_poke(struct http_task *task)
{
    struct spot *s = (struct spot *)(void *)((char *)task - offsetof(struct spot, task));
    struct pair *p = http_loop_user(s->loop);
    int asked = atomic_load(&s->asked);
    REQUIRE(http_loop_is_mine(s->loop));
    if (!pthread_equal(pthread_self(), p->thread[http_loop_index(s->loop)]))
        atomic_fetch_add(&s->by_others, 1);
    switch ((enum what)atomic_load(&s->what)) {
    case FEED:
    case END:
        s->fed = true;
        s->ends = atomic_load(&s->what) == END;
        if (s->tap)
            http_stream_resume(s->tap);
        break;
    case TIMER:
        http_timer_set(s->loop, &s->timer, now_ns() + TIMER_NS);
        break;
    case AGAIN: /* once more, while this loop does not sleep */
        if (atomic_exchange(&s->again, 0))
            http_loop_post(s->loop, &s->task);
        else
            atomic_fetch_add(&s->repeats, 1);
        break;
    }
    atomic_store(&s->seen, asked);
}

static void on_request(void *user, struct http_exchange *x)
{
    struct pair *p = user;
    struct http_loop *loop = http_exchange_loop(x);
    if (!strcmp(http_path(x), "/tap")) {
        struct spot *s = spot_of(p, loop);
        s->tap = x;
        http_take(x, &tap_ops, s);
        http_reply_stream(x, &(struct http_reply){.status = 200, .type = "text/plain"});
        atomic_fetch_add(&s->taps, 1);
        atomic_fetch_add(&p->taps, 1);
        return;
    }
    struct spot *other = &p->spot[1 - http_loop_index(loop)];
    atomic_fetch_add(&other->asked, 1);
    http_loop_post_light(other->loop, &other->task);
    http_reply_text(x, 200, "text/plain", "poked\n");
}

static void *on_loop_begin(void *user, struct http_loop *loop)
{
    struct pair *p = user;
    p->thread[http_loop_index(loop)] = pthread_self();
    return user;
}

static void on_loop_end(void *user, struct http_loop *loop)
{
    (void)user;
    (void)loop;
}

/* ---- Set-up -------------------------------------------------------------------- */

/* No time limits and no looking: a loop that nobody wakes sleeps for ever. */
static struct pair *start(void)
{
    char why[256];
    struct pair *p = calloc(1, sizeof *p);
    const struct http_handler handler = {
        .user = p, .request = on_request, .loop_begin = on_loop_begin, .loop_end = on_loop_end};
    const struct http_options options = {.loops = 2,
                                         .head_timeout_ns = -1,
                                         .idle_timeout_ns = -1,
                                         .body_timeout_ns = -1,
                                         .send_timeout_ns = -1,
                                         .look_ns = -1};
    p->server = http_server_new(&handler, &options);
    assert_non_null(p->server);
    assert_int_equal(http_server_listen(p->server, "127.0.0.1:0", why, sizeof why), 0);
    strcpy(p->address, http_server_address(p->server, 0));
    for (unsigned i = 0; i < 2; i++) {
        p->spot[i].loop = http_server_loop(p->server, i);
        p->spot[i].task.run = on_poke;
        p->spot[i].timer.run = on_timer;
    }
    assert_int_equal(http_server_start(p->server), 0);
    return p;
}

static void finish(struct pair *p)
{
    http_server_stop(p->server, 0);
    http_server_free(p->server);
    free(p);
}

static uint64_t helps(struct pair *p)
{
    struct http_stats st;
    http_server_stats(p->server, &st);
    return st.helps;
}

/* A connection on each loop; connections take turns. */
static void connect_both(const struct pair *p, int *fd[2])
{
    for (unsigned i = 0; i < 2; i++)
        *fd[i] = client_connect(p->address);
}

static void poke(int fd)
{
    client_say(fd, "GET /poke HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(fd, 200, "poked\n");
}

/* Poke `s` until another loop's thread has taken such a poke: whether its own sleeps
 * by then is not for us to say. */
static void poke_until_helped(struct pair *p, int fd, struct spot *s)
{
    uint64_t before = helps(p);
    for (int n = 0; n < POKES && helps(p) == before; n++) {
        poke(fd);
        rig_await(&s->seen, atomic_load(&s->asked));
    }
    assert_true(helps(p) > before);
}

/* A stream on one loop, and who pokes it on the other one. */
static struct spot *tap_and_poker(struct pair *p, const char *version, int *tap, int *poker)
{
    char text[64];
    connect_both(p, (int *[]){tap, poker});
    snprintf(text, sizeof text, "GET /tap HTTP/%s\r\nHost: x\r\n\r\n", version);
    client_say(*tap, text);
    rig_await(&p->taps, 1);
    return &p->spot[atomic_load(&p->spot[1].taps)];
}

/* ---- Tests --------------------------------------------------------------------- */

static void light_work_is_done_by_the_loop_that_asked_for_it(void **state)
{
    struct pair *p = start();
    int tap, poker;
    bool whole;
    struct spot *s = tap_and_poker(p, "1.1", &tap, &poker);
    (void)state;
    poke_until_helped(p, poker, s);
    assert_true(atomic_load(&s->by_others) > 0);
    atomic_store(&s->what, END);
    poke(poker);
    rig_await(&s->ended, 1);
    struct text reply = client_read_reply(tap), body = reply_body(reply, &whole);
    assert_true(whole);
    assert_int_equal(strspn(body.at, "x"), body.len);
    assert_int_equal(body.len, atomic_load(&s->fed_bytes));
    text_free(&body);
    text_free(&reply);
    close(tap);
    close(poker);
    finish(p);
}

static void what_is_due_before_its_sleep_would_end_wakes_the_loop(void **state)
{
    struct pair *p = start();
    int tap, poker;
    struct spot *s = tap_and_poker(p, "1.1", &tap, &poker);
    (void)state;
    atomic_store(&s->what, TIMER);
    poke_until_helped(p, poker, s);
    rig_await(&s->timers, 1); /* nothing else would wake it */
    close(tap);
    close(poker);
    finish(p);
}

static void a_connection_that_ends_by_it_is_gone_at_once(void **state)
{
    (void)state;
    for (unsigned round = 0;; round++) {
        struct pair *p = start();
        struct http_stats st;
        int tap, poker;
        struct spot *s = tap_and_poker(p, "1.0", &tap, &poker);
        atomic_store(&s->what, END);
        poke(poker);
        rig_await(&s->ended, 1);
        struct text all = client_read_all(tap); /* ends with the connection */
        assert_true(text_has(all, "\r\n\r\nx"));
        text_free(&all);
        do
            http_server_stats(p->server, &st);
        while (st.connections > 1);
        bool helped = helps(p) > 0;
        close(tap);
        close(poker);
        finish(p);
        if (helped)
            return;
        assert_true(round < POKES);
    }
}

static void a_task_that_is_posted_again_is_not_left_behind(void **state)
{
    struct pair *p = start();
    int tap, poker;
    struct spot *s = tap_and_poker(p, "1.1", &tap, &poker);
    (void)state;
    atomic_store(&s->what, AGAIN);
    for (int n = 1; n <= POKES; n++) {
        atomic_store(&s->again, 1);
        poke(poker);
        rig_await(&s->repeats, n);
    }
    assert_true(helps(p) > 0);
    close(tap);
    close(poker);
    finish(p);
}

/* Both loops ask each other, and are woken by clients meanwhile. */
struct storm {
    struct pair *pair;
    int fd;
};

static void *poke_on(void *arg)
{
    struct storm *storm = arg;
    for (int n = 0; n < POKES; n++)
        poke(storm->fd);
    return NULL;
}

static void no_poke_is_lost_when_both_ask_each_other(void **state)
{
    struct pair *p = start();
    pthread_t thread[4];
    struct storm storm[4];
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        storm[i] = (struct storm){p, client_connect(p->address)};
        assert_int_equal(pthread_create(&thread[i], NULL, poke_on, &storm[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        close(storm[i].fd);
    }
    int asked = atomic_load(&p->spot[0].asked) + atomic_load(&p->spot[1].asked);
    assert_int_equal(asked, 4 * POKES);
    for (unsigned i = 0; i < 2; i++)
        rig_await(&p->spot[i].seen, atomic_load(&p->spot[i].asked));
    finish(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(light_work_is_done_by_the_loop_that_asked_for_it),
        cmocka_unit_test(what_is_due_before_its_sleep_would_end_wakes_the_loop),
        cmocka_unit_test(a_connection_that_ends_by_it_is_gone_at_once),
        cmocka_unit_test(a_task_that_is_posted_again_is_not_left_behind),
        cmocka_unit_test(no_poke_is_lost_when_both_ask_each_other),
    };
    return cmocka_run_group_tests_name("http.help", tests, NULL, NULL);
}
