/* SPDX-License-Identifier: MIT
 *
 * From listening sockets to connections, each given to the loop that has the
 * fewest. Runs on the thread of the first loop.
 *
 * When there is no room (connections, or descriptors of the process) clients are
 * accepted all the same, as long as that can be done, and told so once their
 * request is there: one that is only closed sees a reset and knows nothing. One
 * descriptor is kept spare for that. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/private.h"

#define ACCEPTS_PER_TURN 64
#define REFUSED_MAX 256 /* connections above the limit that are being told so */
#define RETRY_NS INT64_C(20000000)

static struct http_loop *home(struct http_server *s)
{
    return &s->loops[0];
}

/* 0, or -errno: not all of them could be added. */
static int watch(struct http_server *s, bool on)
{
    int rc = 0;
    for (unsigned i = 0; i < s->n_listeners && !s->ended; i++) {
        struct http_listener *l = &s->listeners[i];
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &l->polled};
        if (l->watched == on)
            continue;
        /* To take one out fails only if it is not in. */
        if (epoll_ctl(home(s)->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, l->fd, &e) < 0 && on)
            rc = -errno;
        else
            l->watched = on;
    }
    s->accepting = on;
    return rc;
}

static void open_spare(struct http_server *s)
{
    if (s->spare_fd < 0)
        s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void pause_accepting(struct http_server *s)
{
    watch(s, false);
    http_timer_set(home(s), &s->accept_again, home(s)->now_ns + RETRY_NS);
}

/* Once the spare descriptor is there again. */
static void try_again(struct http_server *s)
{
    if (s->ended)
        return;
    open_spare(s);
    if (s->spare_fd < 0 || watch(s, true) < 0)
        pause_accepting(s);
}

static void on_retry(struct http_timer *t)
{
    try_again(HTTP_OWNER(t, struct http_server, accept_again));
}

/* The loop with the fewest connections; equals take turns. */
static struct http_loop *least_busy(struct http_server *s)
{
    struct http_loop *best = NULL;
    unsigned fewest = 0, n_loops = s->options.loops, first = s->next_loop++;
    for (unsigned i = 0; i < n_loops; i++) {
        struct http_loop *l = &s->loops[(first + i) % n_loops];
        unsigned n = atomic_load_explicit(&l->n_conns, memory_order_relaxed);
        if (!best || n < fewest) {
            best = l;
            fewest = n;
        }
    }
    return best;
}

/* A refused connection stays on this loop, so that its end is known here. */
static bool begin(struct http_server *s, int fd, bool refused, bool holds_spare)
{
    struct http_conn *c = http_conn_new(fd);
    if (!c) {
        close(fd);
        return false;
    }
    /* Small replies must not wait for an acknowledgement. No-op on Unix sockets. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    c->refused = refused;
    c->holds_spare = holds_spare;
    atomic_fetch_add_explicit(refused ? &s->refused : &s->accepted, 1, memory_order_relaxed);
    http_conn_adopt(refused ? home(s) : least_busy(s), c);
    return true;
}

static void admit(struct http_server *s, int fd)
{
    unsigned n = http_connections(s);
    if (n < s->options.max_connections) {
        begin(s, fd, false, false);
    } else if (n < s->options.max_connections + REFUSED_MAX) {
        begin(s, fd, true, false);
    } else {
        close(fd);
        atomic_fetch_add_explicit(&s->refused, 1, memory_order_relaxed);
    }
}

static int accept_one(const struct http_listener *l)
{
    return accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* No descriptor is left: one more client is told so, with the spare one; then
 * nobody is accepted until that has come back. */
static void out_of_descriptors(struct http_listener *l)
{
    struct http_server *s = l->server;
    int fd = -1;
    if (s->spare_fd >= 0) {
        close(s->spare_fd);
        s->spare_fd = -1;
        fd = accept_one(l);
    }
    pause_accepting(s);
    if (fd >= 0 && begin(s, fd, true, true))
        http_timer_clear(home(s), &s->accept_again); /* its end is awaited instead */
}

static void on_listener(struct http_polled *p, uint32_t events)
{
    struct http_listener *l = HTTP_OWNER(p, struct http_listener, polled);
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && l->server->accepting; i++) {
        int fd = accept_one(l);
        if (fd >= 0)
            admit(l->server, fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            out_of_descriptors(l);
        else if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

int http_accept_begin(struct http_server *s)
{
    s->accept_again.run = on_retry;
    for (unsigned i = 0; i < s->n_listeners; i++) {
        s->listeners[i].server = s;
        s->listeners[i].polled.on_events = on_listener;
    }
    open_spare(s);
    return s->spare_fd < 0 ? -errno : watch(s, true);
}

void http_accept_end(struct http_server *s)
{
    watch(s, false);
    s->ended = true;
    http_timer_clear(home(s), &s->accept_again);
    for (unsigned i = 0; i < s->n_listeners; i++)
        http_listener_close(&s->listeners[i]);
    if (s->spare_fd >= 0)
        close(s->spare_fd);
    s->spare_fd = -1;
}

void http_accept_freed(struct http_server *s, struct http_conn *c)
{
    if (c->holds_spare)
        try_again(s);
}
