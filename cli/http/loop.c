/* SPDX-License-Identifier: MIT
 *
 * One epoll loop: events, tasks of other threads, connections that have something
 * to do, timers. Everything runs on the loop's thread, except http_loop_post(). */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "http/private.h"

static _Thread_local const struct http_loop *this_threads;

static int64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The eventfd is edge-triggered and never read: each write is an event. */
static void on_wake(struct http_polled *p, uint32_t events)
{
    (void)p;
    (void)events;
}

int http_loop_init(struct http_loop *l, struct http_server *s, unsigned index)
{
    l->server = s;
    l->index = index;
    TAILQ_INIT(&l->all);
    TAILQ_INIT(&l->ready);
    TAILQ_INIT(&l->turn);
    TAILQ_INIT(&l->late);
    TAILQ_INIT(&l->dead);
    l->now_ns = monotonic_ns();
    l->wake_polled.on_events = on_wake;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->receive = malloc(HTTP_RECEIVE_SIZE);
    l->cork = malloc(HTTP_CORK_SIZE);
    if (l->epoll_fd < 0 || l->wake_fd < 0 || !l->receive || !l->cork)
        return -1;
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.ptr = &l->wake_polled};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &e);
}

void http_loop_finish(struct http_loop *l)
{
    free(l->receive);
    free(l->cork);
    free(l->spare_gather);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
}

const char *http_loop_date(struct http_loop *l)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    if (t.tv_sec != l->date_second) {
        l->date_second = t.tv_sec;
        http_date(l->date, t.tv_sec);
    }
    return l->date;
}

/* Milliseconds to sleep at most: 0 when there is something to do, -1 for ever. */
static int patience_ms(struct http_loop *l)
{
    if (l->quit || !TAILQ_EMPTY(&l->ready))
        return 0;
    int64_t next = http_timers_next(&l->timers);
    if (next == INT64_MAX)
        return -1;
    int64_t left = next - monotonic_ns();
    if (left <= 0)
        return 0;
    int64_t ms = left / 1000000 + 1;
    return ms < 1000000 ? (int)ms : 1000000;
}

static void wait_for_events(struct http_loop *l)
{
    struct epoll_event events[HTTP_EVENTS];
    int timeout = patience_ms(l);
    if (timeout) {
        atomic_store_explicit(&l->asleep, true, memory_order_seq_cst);
        if (http_tasks_any(&l->tasks))
            timeout = 0;
    }
    int n = epoll_wait(l->epoll_fd, events, HTTP_EVENTS, timeout);
    atomic_store_explicit(&l->asleep, false, memory_order_relaxed);
    l->now_ns = monotonic_ns();
    for (int i = 0; i < n; i++) {
        struct http_polled *p = events[i].data.ptr;
        p->on_events(p, events[i].events);
    }
}

/* Each connection that is ready now once; what becomes ready meanwhile is left to
 * the next turn, so that nobody starves. */
static void run_ready(struct http_loop *l)
{
    struct http_conn *c;
    TAILQ_CONCAT(&l->turn, &l->ready, ready);
    TAILQ_FOREACH(c, &l->turn, ready)
    c->in = &l->turn;
    while ((c = TAILQ_FIRST(&l->turn))) {
        TAILQ_REMOVE(&l->turn, c, ready);
        c->in = NULL;
        http_conn_run(c);
    }
}

/* Those whose replies have waited for the others: they are sent first of all when
 * such a connection runs. */
static void run_late(struct http_loop *l)
{
    struct http_conn *c;
    if (TAILQ_EMPTY(&l->late))
        return;
    TAILQ_FOREACH(c, &l->late, ready)
    c->in = &l->ready;
    TAILQ_CONCAT(&l->ready, &l->late, ready);
    run_ready(l);
}

static void run_timers(struct http_loop *l)
{
    struct http_timer *t;
    while ((t = http_timers_pop(&l->timers, l->now_ns)))
        t->run(t);
}

/* Connections are freed only here: events and lists of a turn may name them. */
static void bury(struct http_loop *l)
{
    struct http_conn *c;
    while ((c = TAILQ_FIRST(&l->dead))) {
        TAILQ_REMOVE(&l->dead, c, all);
        http_conn_free(c);
    }
}

void *http_loop_thread(void *loop)
{
    struct http_loop *l = loop;
    this_threads = l;
    const struct http_handler *h = &l->server->handler;
    if (h->loop_begin)
        l->user = h->loop_begin(h->user, l);
    while (!l->quit) {
        wait_for_events(l);
        run_ready(l);
        /* Readers that a writer of this turn has woken have theirs before the next
         * look at the sockets. */
        if (http_tasks_run(&l->tasks))
            run_ready(l);
        run_late(l);
        run_timers(l);
        bury(l);
    }
    if (h->loop_begin && h->loop_end)
        h->loop_end(h->user, l);
    return NULL;
}

void http_loop_post(struct http_loop *loop, struct http_task *task)
{
    if (!http_tasks_push(&loop->tasks, task))
        return;
    /* One of those who post wakes it, and only if it sleeps. */
    if (atomic_load_explicit(&loop->asleep, memory_order_seq_cst) &&
        atomic_exchange_explicit(&loop->asleep, false, memory_order_seq_cst)) {
        atomic_fetch_add_explicit(&loop->wakes, 1, memory_order_relaxed);
        ssize_t n = write(loop->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
        (void)n; /* an eventfd takes 2^64 - 2 of these */
    }
}

unsigned http_loop_index(const struct http_loop *loop)
{
    return loop->index;
}

void *http_loop_user(const struct http_loop *loop)
{
    return loop->user;
}

bool http_loop_is_mine(const struct http_loop *loop)
{
    return loop == this_threads;
}

int64_t http_loop_now(const struct http_loop *loop)
{
    return loop->now_ns;
}

void http_timer_set(struct http_loop *loop, struct http_timer *timer, int64_t due_ns)
{
    http_timers_set(&loop->timers, timer, due_ns);
}

void http_timer_clear(struct http_loop *loop, struct http_timer *timer)
{
    http_timers_clear(&loop->timers, timer);
}
