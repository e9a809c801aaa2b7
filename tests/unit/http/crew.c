/* SPDX-License-Identifier: MIT
 *
 * Loops that poke each other; see crew.h. The handlers run on the loops' threads, the
 * rest on the test's. */
#include "crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMER_NS 3000000

static struct spot *spot_of(struct crew *c, const struct http_loop *loop)
{
    return &c->spot[http_loop_index(loop)];
}

/* ---- A stream that is idle until it is fed ----------------------------------- */

static enum http_flow produce(struct http_exchange *x, void *data, struct http_batch *batch)
{
    struct tap *t = data;
    REQUIRE(http_loop_is_mine(http_exchange_loop(x)));
    if (t->fed)
        batch->iov[batch->n_iov++] = (struct iovec){.iov_base = (char *)"x", .iov_len = 1};
    return t->ends ? HTTP_FLOW_END : t->fed ? HTTP_FLOW_MORE : HTTP_FLOW_IDLE;
}

static void feed(struct tap *t)
{
    t->fed = true;
    if (t->x)
        http_stream_resume(t->x);
}

static void sent(struct http_exchange *x, void *data, size_t bytes)
{
    struct tap *t = data;
    (void)x;
    if (!bytes)
        return;
    t->fed = false;
    if (t == t->spot->tap && atomic_load(&t->spot->what) == CHAIN)
        feed(t + 1);
    atomic_fetch_add(&t->sent, (int)bytes);
}

static void end(struct http_exchange *x, void *data, enum http_end why)
{
    struct tap *t = data;
    (void)x;
    (void)why;
    t->x = NULL;
    atomic_fetch_add(&t->spot->ended, 1);
}

static const struct http_exchange_ops tap_ops = {.produce = produce, .sent = sent, .end = end};

/* ---- Pokes --------------------------------------------------------------------- */

struct spot *crew_spot_by_timer(struct http_timer *timer)
{
    return (struct spot *)(void *)((char *)timer - offsetof(struct spot, timer));
}

static void on_timer(struct http_timer *timer)
{
    struct spot *s = crew_spot_by_timer(timer);
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
    struct crew *c = http_loop_user(s->loop);
    int asked = atomic_load(&s->asked);
    REQUIRE(http_loop_is_mine(s->loop));
    if (!pthread_equal(pthread_self(), c->thread[http_loop_index(s->loop)]))
        atomic_fetch_add(&s->by_others, 1);
    switch ((enum what)atomic_load(&s->what)) {
    case FEED:
    case CHAIN:
    case END:
        s->tap[0].ends = atomic_load(&s->what) == END;
        feed(&s->tap[0]);
        break;
    case TIMER:
        http_timer_set(s->loop, &s->timer, now_ns() + TIMER_NS);
        break;
    case TIMER_NOW: /* in this turn */
        http_timer_set(s->loop, &s->timer, http_loop_now(s->loop));
        break;
    case TIMER_FAR:
        http_timer_set(s->loop, &s->timer, now_ns() + 3600 * SECOND);
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

static bool is_own_thread(const struct spot *s)
{
    const struct crew *c = http_loop_user(s->loop);
    return pthread_equal(pthread_self(), c->thread[http_loop_index(s->loop)]);
}

static void on_heavy(struct http_task *task)
{
    struct spot *s = (struct spot *)(void *)((char *)task - offsetof(struct spot, heavy));
    REQUIRE(is_own_thread(s));
    atomic_fetch_add(&s->heavies, 1);
}

void crew_poke_lightly(struct spot *s)
{
    atomic_fetch_add(&s->asked, 1);
    http_loop_post_light(s->loop, &s->task);
}

static void begin_tap(struct crew *c, struct http_exchange *x)
{
    struct spot *s = spot_of(c, http_exchange_loop(x));
    struct tap *t = &s->tap[s->tap[0].x != NULL];
    t->x = x;
    http_take(x, &tap_ops, t);
    http_reply_stream(x, &(struct http_reply){.status = 200, .type = "text/plain"});
    atomic_fetch_add(&s->taps, 1);
    atomic_fetch_add(&c->taps, 1);
}

/* /tap: a stream; anything else pokes all other loops, /heavy with more work behind. */
static void on_request(void *user, struct http_exchange *x)
{
    struct crew *c = user;
    REQUIRE(is_own_thread(spot_of(c, http_exchange_loop(x))));
    if (!strcmp(http_path(x), "/tap")) {
        begin_tap(c, x);
        return;
    }
    for (unsigned i = 0; i < http_server_loops(c->server); i++)
        if (i != http_loop_index(http_exchange_loop(x)))
            crew_poke_lightly(&c->spot[i]);
    struct spot *other = &c->spot[!http_loop_index(http_exchange_loop(x))];
    if (!strcmp(http_path(x), "/heavy"))
        http_loop_post(other->loop, &other->heavy);
    http_reply_text(x, 200, "text/plain", "poked\n");
}

static void *on_loop_begin(void *user, struct http_loop *loop)
{
    struct crew *c = user;
    c->thread[http_loop_index(loop)] = pthread_self();
    return user;
}

static void on_loop_end(void *user, struct http_loop *loop)
{
    (void)user;
    (void)loop;
}

/* ---- Set-up -------------------------------------------------------------------- */

/* No time limits and no looking: a loop that nobody wakes sleeps for ever. */
struct crew *crew_start(unsigned loops)
{
    char why[256];
    struct crew *c = calloc(1, sizeof *c);
    const struct http_handler handler = {
        .user = c, .request = on_request, .loop_begin = on_loop_begin, .loop_end = on_loop_end};
    const struct http_options options = {.loops = loops,
                                         .head_timeout_ns = -1,
                                         .idle_timeout_ns = -1,
                                         .body_timeout_ns = -1,
                                         .send_timeout_ns = -1,
                                         .look_ns = -1};
    c->server = http_server_new(&handler, &options);
    assert_non_null(c->server);
    assert_int_equal(http_server_listen(c->server, "127.0.0.1:0", why, sizeof why), 0);
    strcpy(c->address, http_server_address(c->server, 0));
    for (unsigned i = 0; i < loops; i++) {
        struct spot *s = &c->spot[i];
        s->loop = http_server_loop(c->server, i);
        s->task.run = on_poke;
        s->heavy.run = on_heavy;
        s->timer.run = on_timer;
        s->tap[0].spot = s->tap[1].spot = s;
    }
    assert_int_equal(http_server_start(c->server), 0);
    return c;
}

void crew_finish(struct crew *c)
{
    http_server_stop(c->server, 0);
    http_server_free(c->server);
    free(c);
}

struct http_stats crew_stats(const struct crew *c)
{
    struct http_stats st;
    http_server_stats(c->server, &st);
    return st;
}

/* The next one comes to the same loop when this one is not counted any more. */
void crew_await_connections(const struct crew *c, uint64_t n)
{
    for (int ms = 0; crew_stats(c).connections > n; ms++) {
        assert_true(ms < PATIENCE_MS);
        usleep(1000);
    }
}

void crew_poke(int fd)
{
    client_say(fd, "GET /poke HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(fd, 200, "poked\n");
}

void crew_await_seen(struct spot *s)
{
    rig_await(&s->seen, atomic_load(&s->asked));
}

/* True: another loop did what the poke asked of `s`. Whether its own sleeps by then is
 * not for us to say, so tests do this until it has happened. */
bool crew_poke_helps(struct crew *c, int fd, struct spot *s)
{
    uint64_t before = crew_stats(c).helped;
    crew_poke(fd);
    crew_await_seen(s);
    return crew_stats(c).helped > before;
}

void crew_poke_until_helped(struct crew *c, int fd, struct spot *s)
{
    for (int n = 0; !crew_poke_helps(c, fd, s); n++)
        assert_true(n < POKES);
}

int crew_open_tap(struct crew *c, const char *version)
{
    char text[64];
    int before = atomic_load(&c->taps), fd = client_connect(c->address);
    snprintf(text, sizeof text, "GET /tap HTTP/%s\r\nHost: x\r\n\r\n", version);
    client_say(fd, text);
    rig_await(&c->taps, before + 1);
    return fd;
}

/* A stream on one loop, and who pokes it on the other one: connections take turns. */
struct spot *crew_tap_and_poker(struct crew *c, int *tap, int *poker)
{
    *tap = crew_open_tap(c, "1.1");
    *poker = client_connect(c->address);
    return &c->spot[atomic_load(&c->spot[1].taps)]; /* 1 if it is on loop 1 */
}

void crew_leave(struct crew *c, int tap, int poker)
{
    close(tap);
    close(poker);
    crew_finish(c);
}
