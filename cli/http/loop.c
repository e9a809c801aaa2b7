/* SPDX-License-Identifier: MIT
 *
 * One epoll loop: events, tasks of other threads, connections that have something
 * to do, timers. Everything runs on the loop's thread, or on that of another one that
 * helps it (help.c), except posting. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "http/private.h"

#define SECOND_NS INT64_C(1000000000)
/* A yield that nobody takes is over sooner, even where the kernel is slow. */
#define YIELD_NS 5000
/* Short timers gather what is sent to many: what the kernel adds on its own (50 us)
 * would be as long as they are. */
#define TIMER_SLACK_NS 1000

_Thread_local struct http_loop *http_loop_current;

int64_t http_loop_clock(void)
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
    pthread_mutex_init(&l->turn_lock, NULL); /* of this kind it cannot fail */
    l->now_ns = http_loop_clock();
    l->look = http_look_init(s->options.look_ns);
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
    pthread_mutex_destroy(&l->turn_lock);
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

/* Nanoseconds to sleep at most: 0 when there is something to do, negative for ever. */
static int64_t patience_ns(struct http_loop *l)
{
    if (l->quit || !TAILQ_EMPTY(&l->ready))
        return 0;
    int64_t next = http_timers_next(&l->timers);
    if (next == INT64_MAX)
        return -1;
    int64_t left = next - http_loop_clock();
    return left > 0 ? left : 0;
}

/* Look until something comes, `until`, or somebody else wants this processor: it is
 * given to him between two looks, and who comes back late was not alone. */
static int look(struct http_loop *l, struct epoll_event *events, int64_t until)
{
    int64_t before = http_loop_clock(), after = before;
    for (;;) {
        int n = epoll_wait(l->epoll_fd, events, HTTP_EVENTS, 0);
        bool alone = after - before < YIELD_NS;
        if (n || http_tasks_any(&l->tasks) || after >= until || !alone)
            return n;
        before = http_loop_clock();
        sched_yield();
        after = http_loop_clock();
    }
}

static int sleep_ns(struct http_loop *l, struct epoll_event *events, int64_t ns)
{
    if (!l->coarse) {
        struct timespec t = {.tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS};
        int n = epoll_pwait2(l->epoll_fd, events, HTTP_EVENTS, ns < 0 ? NULL : &t, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        l->coarse = true; /* before Linux 5.11, and in some sandboxes */
    }
    int64_t ms = ns < 0 ? -1 : ns / 1000000 + (ns % 1000000 > 0);
    return epoll_wait(l->epoll_fd, events, HTTP_EVENTS, ms < 1000000 ? (int)ms : 1000000);
}

static int look_and_sleep(struct http_loop *l, struct epoll_event *events, int64_t patience)
{
    int64_t from = http_loop_clock(), look_ns = http_look_for(&l->look);
    if (look_ns && (patience < 0 || patience > look_ns)) {
        int n = look(l, events, from + look_ns);
        bool found = n > 0 || http_tasks_any(&l->tasks);
        http_look_looked(&l->look, found);
        if (found)
            return n;
    }
    l->sleeps_until_ns = http_timers_next(&l->timers);
    atomic_store_explicit(&l->sleep, HTTP_ASLEEP, memory_order_seq_cst);
    int64_t at_most = http_tasks_any(&l->tasks) ? 0 : patience;
    pthread_mutex_unlock(&l->turn_lock);
    int n = sleep_ns(l, events, at_most);
    pthread_mutex_lock(&l->turn_lock);
    atomic_store_explicit(&l->sleep, HTTP_AWAKE, memory_order_relaxed);
    l->calm = n == 1;
    if (n > 0)
        http_look_slept(&l->look, http_loop_clock() - from);
    return n;
}

static void wait_for_events(struct http_loop *l)
{
    struct epoll_event events[HTTP_EVENTS];
    int64_t patience = patience_ns(l);
    l->calm = false;
    int n = patience && !http_tasks_any(&l->tasks)
                ? look_and_sleep(l, events, patience)
                : epoll_wait(l->epoll_fd, events, HTTP_EVENTS, 0);
    l->now_ns = http_loop_clock();
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

void http_loop_work(struct http_loop *l)
{
    run_ready(l);
    /* Readers that a writer of this turn has woken have theirs before the next look
     * at the sockets, and before the writer has its answer. */
    if (http_tasks_run(&l->tasks))
        run_ready(l);
    http_help(l);
    run_late(l);
}

void *http_loop_thread(void *loop)
{
    struct http_loop *l = loop;
    http_loop_current = l;
    pthread_mutex_lock(&l->turn_lock);
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS); /* of this thread; if refused, a little late */
    const struct http_handler *h = &l->server->handler;
    if (h->loop_begin)
        l->user = h->loop_begin(h->user, l);
    while (!l->quit) {
        wait_for_events(l);
        http_loop_work(l);
        run_timers(l);
        bury(l);
    }
    if (h->loop_begin && h->loop_end)
        h->loop_end(h->user, l);
    pthread_mutex_unlock(&l->turn_lock);
    return NULL;
}

void http_loop_wake(struct http_loop *l)
{
    /* One of those who find it asleep, and only then. */
    if (atomic_load_explicit(&l->sleep, memory_order_seq_cst) == HTTP_AWAKE ||
        atomic_exchange_explicit(&l->sleep, HTTP_AWAKE, memory_order_seq_cst) == HTTP_AWAKE)
        return;
    atomic_fetch_add_explicit(&l->wakes, 1, memory_order_relaxed);
    ssize_t n = write(l->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)n; /* an eventfd takes 2^64 - 2 of these */
}

void http_loop_post(struct http_loop *loop, struct http_task *task)
{
    if (http_tasks_push(&loop->tasks, task))
        http_loop_wake(loop);
}

void http_loop_post_light(struct http_loop *loop, struct http_task *task)
{
    if (http_tasks_push(&loop->tasks, task) && !http_help_later(loop))
        http_loop_wake(loop);
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
    return loop == http_loop_current;
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
