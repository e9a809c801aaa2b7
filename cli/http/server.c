/* SPDX-License-Identifier: MIT
 *
 * Servers: made, started, stopped. The threads that are started here are the
 * loops'; everything else here runs on the caller's. */
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "http/private.h"

#define SECOND INT64_C(1000000000)
#define LOOPS_MAX 64

static unsigned cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > LOOPS_MAX ? LOOPS_MAX : (unsigned)n;
}

static void default_time(int64_t *ns, int64_t seconds)
{
    if (!*ns)
        *ns = seconds * SECOND;
}

static void fill_in(struct http_options *o)
{
    if (!o->loops)
        o->loops = cores();
    if (o->loops > LOOPS_MAX)
        o->loops = LOOPS_MAX;
    if (!o->max_connections)
        o->max_connections = 16384;
    if (!o->max_buffered)
        o->max_buffered = (size_t)256 << 20;
    default_time(&o->head_timeout_ns, 10);
    default_time(&o->idle_timeout_ns, 120);
    default_time(&o->body_timeout_ns, 60);
    default_time(&o->send_timeout_ns, 60);
    if (!o->look_ns)
        o->look_ns = HTTP_LOOK_NS;
    else if (o->look_ns < 0)
        o->look_ns = 0;
}

static int init_sync(struct http_server *s)
{
    pthread_condattr_t attr;
    int rc = pthread_mutex_init(&s->lock, NULL);
    if (rc)
        return rc;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    rc = pthread_cond_init(&s->none_left, &attr);
    pthread_condattr_destroy(&attr);
    if (rc)
        pthread_mutex_destroy(&s->lock);
    return rc;
}

struct http_server *http_server_new(const struct http_handler *handler,
                                    const struct http_options *options)
{
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->handler = *handler;
    s->spare_fd = -1;
    if (options)
        s->options = *options;
    fill_in(&s->options);
    s->loops = calloc(s->options.loops, sizeof *s->loops);
    int rc = s->loops ? init_sync(s) : ENOMEM;
    if (rc) {
        free(s->loops);
        free(s);
        errno = rc;
        return NULL;
    }
    for (unsigned i = 0; i < s->options.loops; i++)
        s->loops[i].epoll_fd = s->loops[i].wake_fd = -1;
    for (unsigned i = 0; i < s->options.loops; i++) {
        if (http_loop_init(&s->loops[i], s, i) < 0) {
            rc = errno;
            http_server_free(s);
            errno = rc;
            return NULL;
        }
    }
    return s;
}

int http_server_listen(struct http_server *s, const char *address, char *why, size_t why_size)
{
    struct http_listener l;
    struct http_listener *more = realloc(s->listeners, (s->n_listeners + 1) * sizeof *more);
    if (!more) {
        snprintf(why, why_size, "%s: out of memory", address);
        return -1;
    }
    s->listeners = more;
    if (http_listener_open(&l, address, why, why_size) < 0)
        return -1;
    s->listeners[s->n_listeners++] = l;
    return 0;
}

const char *http_server_address(const struct http_server *s, unsigned index)
{
    return index < s->n_listeners ? s->listeners[index].address : NULL;
}

static int start_thread(struct http_loop *l)
{
    char name[16];
    snprintf(name, sizeof name, "http-%u", l->index);
    int rc = pthread_create(&l->thread, NULL, http_loop_thread, l);
    if (!rc)
        pthread_setname_np(l->thread, name);
    return rc;
}

int http_server_start(struct http_server *s)
{
    sigset_t all, before;
    int rc = http_accept_begin(s);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* The first loop accepts, so it comes last: all others are there by then. */
    for (unsigned i = s->options.loops; !rc && i-- > 0;) {
        rc = -start_thread(&s->loops[i]);
        if (!rc)
            s->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc < 0)
        http_server_stop(s, 0);
    return rc;
}

/* ---- Orders to loops ------------------------------------------------------- */

struct order {
    struct http_task task;
    struct http_loop *loop;
    void (*fn)(struct http_loop *l);
    sem_t done;
};

static void carry_out(struct http_task *task)
{
    struct order *o = HTTP_OWNER(task, struct order, task);
    o->fn(o->loop);
    sem_post(&o->done);
}

/* Have `fn` run on a loop's thread and wait until it has. Loops that were never
 * started have none: it runs here. */
static void order(struct http_loop *l, void (*fn)(struct http_loop *l))
{
    struct order o = {.task = {.run = carry_out}, .loop = l, .fn = fn};
    if (l->index < l->server->options.loops - l->server->n_started) {
        fn(l);
        return;
    }
    sem_init(&o.done, 0, 0);
    http_loop_post(l, &o.task);
    while (sem_wait(&o.done) < 0)
        ;
    sem_destroy(&o.done);
}

static void order_all(struct http_server *s, void (*fn)(struct http_loop *l))
{
    for (unsigned i = 0; i < s->options.loops; i++)
        order(&s->loops[i], fn);
}

static void stop_accepting(struct http_loop *l)
{
    http_accept_end(l->server);
}

static void drain_loop(struct http_loop *l)
{
    l->draining = true;
    for (struct http_conn *c = TAILQ_FIRST(&l->all), *next; c; c = next) {
        next = TAILQ_NEXT(c, all);
        if (http_conn_is_idle(c))
            http_conn_close(c, HTTP_END_STOPPED);
    }
}

static void cut_loop(struct http_loop *l)
{
    while (!TAILQ_EMPTY(&l->all))
        http_conn_close(TAILQ_FIRST(&l->all), HTTP_END_STOPPED);
}

static void end_loop(struct http_loop *l)
{
    l->quit = true;
}

void http_server_drain(struct http_server *s)
{
    if (s->stopped)
        return;
    order(&s->loops[0], stop_accepting);
    order_all(s, drain_loop);
}

unsigned http_connections(const struct http_server *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->options.loops; i++)
        n += atomic_load_explicit(&s->loops[i].n_conns, memory_order_acquire);
    return n;
}

static void await_none_left(struct http_server *s, int64_t timeout_ns)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (timeout_ns > 0) {
        t.tv_sec += (time_t)(timeout_ns / SECOND);
        t.tv_nsec += (long)(timeout_ns % SECOND);
        if (t.tv_nsec >= SECOND) {
            t.tv_nsec -= SECOND;
            t.tv_sec++;
        }
    }
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    while (!rc && timeout_ns && http_connections(s))
        rc = timeout_ns < 0 ? pthread_cond_wait(&s->none_left, &s->lock)
                            : pthread_cond_timedwait(&s->none_left, &s->lock, &t);
    pthread_mutex_unlock(&s->lock);
}

void http_server_stop(struct http_server *s, int64_t timeout_ns)
{
    if (s->stopped)
        return;
    http_server_drain(s);
    await_none_left(s, timeout_ns);
    order_all(s, cut_loop);
    unsigned idle = s->options.loops - s->n_started;
    for (unsigned i = idle; i < s->options.loops; i++)
        order(&s->loops[i], end_loop);
    for (unsigned i = idle; i < s->options.loops; i++)
        pthread_join(s->loops[i].thread, NULL);
    s->stopped = true;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    if (!s->stopped)
        http_accept_end(s);
    for (unsigned i = 0; i < s->options.loops; i++)
        http_loop_finish(&s->loops[i]);
    for (unsigned i = 0; i < s->n_listeners; i++)
        http_listener_close(&s->listeners[i]);
    pthread_cond_destroy(&s->none_left);
    pthread_mutex_destroy(&s->lock);
    free(s->listeners);
    free(s->loops);
    free(s);
}

void http_server_stats(const struct http_server *s, struct http_stats *out)
{
    *out = (struct http_stats){
        .accepted = atomic_load_explicit(&s->accepted, memory_order_relaxed),
        .refused = atomic_load_explicit(&s->refused, memory_order_relaxed),
        .connections = http_connections(s),
    };
    for (unsigned i = 0; i < s->options.loops; i++) {
        const struct http_loop *l = &s->loops[i];
        out->requests += atomic_load_explicit(&l->requests, memory_order_relaxed);
        out->bytes_in += atomic_load_explicit(&l->bytes_in, memory_order_relaxed);
        out->bytes_out += atomic_load_explicit(&l->bytes_out, memory_order_relaxed);
        out->wakes += atomic_load_explicit(&l->wakes, memory_order_relaxed);
        out->helped += atomic_load_explicit(&l->helped, memory_order_relaxed);
    }
}

unsigned http_server_loops(const struct http_server *s)
{
    return s->options.loops;
}

struct http_loop *http_server_loop(struct http_server *s, unsigned index)
{
    return index < s->options.loops ? &s->loops[index] : NULL;
}

void http_raise_descriptor_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == r.rlim_max)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}
