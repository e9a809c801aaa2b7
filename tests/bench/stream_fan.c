/* SPDX-License-Identifier: MIT
 *
 * stream_fan: what the machine itself lets one thread send to many, for
 * tests/bench/streams.
 *   stream_fan --readers R [--seconds S] [--block BYTES] [--copy]
 * One thread sends blocks of 64 KiB out of 6 MiB to R TCP connections on loopback,
 * whichever has room; another one takes them away, in the kernel or, with --copy, by
 * reading them. No protocol, no writer, no order between readers: a floor. Prints
 * one JSON object. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/drain.h"
#include "support/loadwire.h"

enum { READERS_MAX = 1024, RING = 6 << 20 };

struct fan {
    unsigned readers;
    size_t block;
    double seconds;
    enum drain_how how;
    int from[READERS_MAX], to[READERS_MAX];
    size_t at[READERS_MAX]; /* in the ring */
    char *ring;
};

static void connect_all(struct fan *f)
{
    unsigned port;
    int listener = load_listen(&port);
    for (unsigned i = 0; i < f->readers; i++) {
        f->to[i] = load_connect(port);
        f->from[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (f->from[i] < 0)
            load_die("accept: %s", strerror(errno));
    }
    close(listener);
}

static void send_one(struct fan *f, unsigned i)
{
    size_t len = RING - f->at[i] < f->block ? RING - f->at[i] : f->block;
    ssize_t n = send(f->from[i], f->ring + f->at[i], len, MSG_NOSIGNAL);
    if (n > 0)
        f->at[i] = (f->at[i] + (size_t)n) % RING;
}

/* One block to each that has room, over and over. */
static void send_all(struct fan *f, int64_t until_ns)
{
    struct epoll_event events[64];
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < f->readers; i++) {
        struct epoll_event e = {.events = EPOLLOUT, .data.u32 = i};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, f->from[i], &e);
    }
    while (load_now_ns() < until_ns) {
        int n = epoll_wait(epoll_fd, events, 64, 100);
        for (int i = 0; i < n; i++)
            send_one(f, events[i].data.u32);
    }
    close(epoll_fd);
}

static void run(struct fan *f)
{
    f->ring = malloc(RING);
    if (!f->ring)
        load_die("out of memory");
    memset(f->ring, 'z', RING);
    connect_all(f);
    struct drain *drain = drain_start(f->to, f->readers, f->how);
    int64_t cpu = load_cpu_ns(getpid());
    int64_t begin = load_now_ns();
    send_all(f, begin + (int64_t)(f->seconds * (double)LOAD_SECOND));
    for (unsigned i = 0; i < f->readers; i++)
        close(f->from[i]);
    if (!drain_wait(drain, 20 * LOAD_SECOND))
        load_die("readers did not end");
    double seconds = (double)(load_now_ns() - begin) / 1e9;
    double bytes = (double)drain_bytes(drain);
    printf("{\"readers\": %u, \"out_mb_s\": %.2f, \"both_cpu_s_per_gib\": %.4f}\n", f->readers,
           bytes / seconds / 1e6,
           (double)(load_cpu_ns(getpid()) - cpu) / 1e9 * 1073741824.0 / bytes);
    drain_free(drain);
    free(f->ring);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"readers", 1, NULL, 'r'},
                                            {"seconds", 1, NULL, 't'},
                                            {"block", 1, NULL, 'b'},
                                            {"copy", 0, NULL, 'c'},
                                            {0}};
    static struct fan f = {.readers = 1, .block = 65536, .seconds = 1.0};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'r')
            f.readers = (unsigned)atoi(optarg);
        else if (option == 't')
            f.seconds = atof(optarg);
        else if (option == 'b')
            f.block = strtoul(optarg, NULL, 10);
        else if (option == 'c')
            f.how = DRAIN_COPY;
        else
            load_die("see the top of stream_fan.c");
    }
    if (f.readers < 1 || f.readers > READERS_MAX || !f.block)
        load_die("1 to %d readers, and a block", READERS_MAX);
    run(&f);
    return 0;
}
