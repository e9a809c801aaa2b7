/* SPDX-License-Identifier: MIT
 *
 * Emptying sockets; see drain.h. The thread owns the sockets; what others ask of
 * it, and what it tells, are atomics. */
#include "support/drain.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/loadwire.h"

#define AT_ONCE (1 << 20)
#define COPY_SIZE (256 << 10)
#define LOOK_AGAIN_MS 5

struct drained {
    int fd;
    size_t tail_len;
    char *tail; /* DRAIN_TAIL + 1 bytes, once it has ended; "" before */
};

struct drain {
    enum drain_how how;
    unsigned n;
    int epoll_fd;
    pthread_t thread;
    char *buffer;
    struct drained *sockets;
    atomic_bool keep_tails, keeps_tails, stop;
    atomic_uint left;
    _Atomic uint64_t bytes;
};

static void count(struct drain *d, size_t n)
{
    atomic_fetch_add_explicit(&d->bytes, n, memory_order_relaxed);
}

/* Take up to `most` bytes away; as recv(). */
static ssize_t take(struct drain *d, int fd, size_t most)
{
    if (d->how == DRAIN_COPY)
        return recv(fd, d->buffer, most < COPY_SIZE ? most : COPY_SIZE, MSG_DONTWAIT);
    return recv(fd, d->buffer, most, MSG_TRUNC | MSG_DONTWAIT);
}

static void ended(struct drain *d, struct drained *s)
{
    for (size_t i = 0; i < s->tail_len; i++)
        if (!s->tail[i])
            s->tail[i] = ' ';
    s->tail[s->tail_len] = '\0';
    epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
    atomic_fetch_sub_explicit(&d->left, 1, memory_order_release);
}

/* What is there, but for as much as may be the tail. */
static void empty_but_tail(struct drain *d, struct drained *s, bool is_end)
{
    int there = 0;
    while (ioctl(s->fd, FIONREAD, &there) == 0 && there > DRAIN_TAIL) {
        ssize_t n = take(d, s->fd, (size_t)there - DRAIN_TAIL);
        if (n <= 0)
            break;
        count(d, (size_t)n);
    }
    while (is_end && s->tail_len < DRAIN_TAIL) {
        ssize_t n = recv(s->fd, s->tail + s->tail_len, DRAIN_TAIL - s->tail_len, MSG_DONTWAIT);
        if (n <= 0)
            break;
        s->tail_len += (size_t)n;
        count(d, (size_t)n);
    }
    if (is_end)
        ended(d, s);
}

/* Edge-triggered: what comes after the last look is a new event. */
static void empty(struct drain *d, struct drained *s, bool is_end)
{
    size_t most = d->how == DRAIN_COPY ? COPY_SIZE : AT_ONCE;
    if (atomic_load_explicit(&d->keeps_tails, memory_order_relaxed)) {
        empty_but_tail(d, s, is_end);
        return;
    }
    ssize_t n;
    do {
        n = take(d, s->fd, most);
        if (n > 0)
            count(d, (size_t)n);
    } while (n == (ssize_t)most);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        ended(d, s);
    else if (is_end)
        empty_but_tail(d, s, true);
}

static void *run(void *data)
{
    struct drain *d = data;
    struct epoll_event events[64];
    while (!atomic_load(&d->stop)) {
        if (atomic_load(&d->keep_tails))
            atomic_store(&d->keeps_tails, true);
        int n = epoll_wait(d->epoll_fd, events, 64, LOOK_AGAIN_MS);
        for (int i = 0; i < n; i++)
            empty(d, events[i].data.ptr,
                  (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    }
    return NULL;
}

struct drain *drain_start(const int *fds, unsigned n, enum drain_how how)
{
    struct drain *d = calloc(1, sizeof *d);
    if (!d || !(d->buffer = malloc(COPY_SIZE)) || !(d->sockets = calloc(n + 1, sizeof *d->sockets)))
        load_die("out of memory");
    d->how = how;
    d->n = n;
    atomic_init(&d->left, n);
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < n; i++) {
        struct drained *s = &d->sockets[i];
        struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = s};
        s->fd = fds[i];
        s->tail = calloc(1, DRAIN_TAIL + 1);
        if (!s->tail || epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) < 0)
            load_die("a socket to be drained: %s", strerror(errno));
    }
    if (pthread_create(&d->thread, NULL, run, d))
        load_die("no thread");
    return d;
}

uint64_t drain_bytes(struct drain *d)
{
    return atomic_load_explicit(&d->bytes, memory_order_relaxed);
}

void drain_keep_tails(struct drain *d)
{
    atomic_store(&d->keep_tails, true);
    while (!atomic_load(&d->keeps_tails))
        load_sleep_until(load_now_ns() + LOAD_SECOND / 1000);
}

bool drain_wait(struct drain *d, int64_t timeout_ns)
{
    int64_t deadline = load_now_ns() + timeout_ns;
    while (atomic_load_explicit(&d->left, memory_order_acquire)) {
        if (load_now_ns() > deadline)
            return false;
        load_sleep_until(load_now_ns() + LOAD_SECOND / 5000);
    }
    return true;
}

const char *drain_tail(const struct drain *d, unsigned i)
{
    return d->sockets[i].tail;
}

void drain_free(struct drain *d)
{
    atomic_store(&d->stop, true);
    pthread_join(d->thread, NULL);
    for (unsigned i = 0; i < d->n; i++) {
        close(d->sockets[i].fd);
        free(d->sockets[i].tail);
    }
    close(d->epoll_fd);
    free(d->sockets);
    free(d->buffer);
    free(d);
}
