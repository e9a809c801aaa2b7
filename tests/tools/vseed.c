/* SPDX-License-Identifier: MIT
 *
 * vseed: seeds a file that does not exist. Its bytes are a pattern made as they
 * are sent, so a film may be far larger than the machine.
 *   vseed --size BYTES --torrent PATH [--piece-length BYTES] [--seed N]
 *         [--listen ADDR:PORT] [--rate BYTES] [--write FOLDER] [--make-only]
 * PATH is written, unless it is of the same bytes already. --write puts the file
 * itself into a folder, for other seeders. Prints `listening PORT`, on SIGUSR1
 * and at its end `uploaded BYTES` (payload), and ends on SIGTERM, SIGINT, or when
 * its standard input is a pipe that closes.
 *
 * One thread; IPv4 and TCP. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "support/seed_peer.h"
#include "support/service.h"

#define SECOND_NS INT64_C(1000000000)

struct server {
    struct seed seed;
    int epoll, listener, signals;
    struct seed_peer *peers;
    int64_t alive_ns; /* when keep-alives were sent last */
};

/* ---- peers ---- */

static void welcome(struct server *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    struct seed_peer *p = fd < 0 ? NULL : seed_peer_new(&s->seed, fd);

    if (!p)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
        seed_peer_free(p);
        return;
    }
    p->next = s->peers;
    s->peers = p;
}

static void sweep(struct server *s)
{
    for (struct seed_peer **at = &s->peers; *at;) {
        struct seed_peer *p = *at;
        if (!p->gone) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        seed_peer_free(p);
    }
}

static void serve(struct server *s, struct seed_peer *p)
{
    seed_peer_serve(p);
    if (p->wants_out == p->told_out || p->gone)
        return;
    struct epoll_event e = {.events = EPOLLIN | (p->wants_out ? EPOLLOUT : 0), .data.ptr = p};
    epoll_ctl(s->epoll, EPOLL_CTL_MOD, p->fd, &e);
    p->told_out = p->wants_out;
}

/* With a rate, everybody's turn begins elsewhere each time: no peer goes first. */
static void serve_all(struct server *s)
{
    if (s->seed.rate)
        seed_earn(&s->seed, service_now_ns());
    for (struct seed_peer *p = s->peers; p; p = p->next)
        serve(s, p);
    if (s->seed.rate && s->peers && s->peers->next) {
        struct seed_peer *head = s->peers, **end = &s->peers;
        s->peers = head->next;
        head->next = NULL;
        while (*end)
            end = &(*end)->next;
        *end = head;
    }
}

static void keep_alive(struct server *s)
{
    if (service_now_ns() - s->alive_ns < 60 * SECOND_NS)
        return;
    s->alive_ns = service_now_ns();
    for (struct seed_peer *p = s->peers; p; p = p->next)
        seed_peer_keep_alive(p);
}

/* ---- running ---- */

/* How long to sleep: until the rate allows something for which somebody waits. */
static int patience(const struct server *s)
{
    if (s->seed.rate && s->seed.allowance <= 0) {
        for (const struct seed_peer *p = s->peers; p; p = p->next)
            if (p->n_queued > 0)
                return 1 + (int)(-s->seed.allowance * 1000 / (int64_t)s->seed.rate);
    }
    return 1000;
}

static void report(void *server)
{
    const struct server *s = server;

    printf("uploaded %" PRIu64 "\n", s->seed.uploaded);
}

/* Returns whether to go on. */
static bool on_signal(struct server *s)
{
    return service_goes_on(s->signals, report, s);
}

static void run(struct server *s)
{
    static int on_stdin; /* only their addresses count */
    struct epoll_event events[64];
    struct epoll_event listener = {.events = EPOLLIN, .data.ptr = &s->listener};
    struct epoll_event signals = {.events = EPOLLIN, .data.ptr = &s->signals};
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = &on_stdin};

    epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &listener);
    epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->signals, &signals);
    if (service_has_input())
        epoll_ctl(s->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
    for (;;) {
        int n = epoll_wait(s->epoll, events, 64, patience(s));
        for (int i = 0; i < n; i++) {
            void *who = events[i].data.ptr;
            if (who == &s->listener)
                welcome(s);
            else if (who == &s->signals ? !on_signal(s) : who == &on_stdin && service_input_ended())
                return;
            else if (who != &s->signals && who != &on_stdin)
                seed_peer_receive(who);
        }
        keep_alive(s);
        serve_all(s);
        sweep(s);
    }
}

/* ---- beginning ---- */

static int listen_on(const char *where)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    char host[64] = "";
    int port = 0, one = 1;

    if (sscanf(where, "%63[^:]:%d", host, &port) != 2 || inet_pton(AF_INET, host, &a.sin_addr) != 1)
        return -1;
    a.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 128) < 0)
        return -1;
    socklen_t len = sizeof a;
    getsockname(fd, (struct sockaddr *)&a, &len);
    printf("listening %d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static int usage(void)
{
    fputs("usage: vseed --size BYTES --torrent PATH [--piece-length BYTES] [--seed N]\n"
          "             [--listen ADDR:PORT] [--rate BYTES] [--write FOLDER] [--make-only]\n"
          "BYTES may end with K, M or G\n",
          stderr);
    return 2;
}

struct options {
    const char *torrent, *listen, *write;
    bool make_only;
};

static bool parse(struct server *s, struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"size", required_argument, NULL, 's'},
        {"piece-length", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 'n'},
        {"torrent", required_argument, NULL, 't'},
        {"listen", required_argument, NULL, 'l'},
        {"rate", required_argument, NULL, 'r'},
        {"write", required_argument, NULL, 'w'},
        {"make-only", no_argument, NULL, 'm'},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 's':
            s->seed.t.size = service_bytes(optarg);
            break;
        case 'p':
            s->seed.t.piece_length = (uint32_t)service_bytes(optarg);
            break;
        case 'n':
            s->seed.t.seed = strtoull(optarg, NULL, 10);
            break;
        case 't':
            o->torrent = optarg;
            break;
        case 'l':
            o->listen = optarg;
            break;
        case 'r':
            s->seed.rate = service_bytes(optarg);
            break;
        case 'w':
            o->write = optarg;
            break;
        case 'm':
            o->make_only = true;
            break;
        default:
            return false;
        }
    }
    return s->seed.t.size && o->torrent && optind == argc;
}

int main(int argc, char **argv)
{
    struct server s = {.seed.t = {.piece_length = 1 << 20, .seed = 1}};
    struct options o = {.listen = "127.0.0.1:0"};

    if (!parse(&s, &o, argc, argv))
        return usage();
    if (virtual_torrent_open(&s.seed.t, o.torrent) < 0 ||
        (o.write && virtual_torrent_write(&s.seed.t, o.write) < 0)) {
        fprintf(stderr, "vseed: %s: %s\n", o.torrent, strerror(errno));
        return 1;
    }
    if (o.make_only) {
        virtual_torrent_close(&s.seed.t);
        return 0;
    }
    s.signals = service_signals();
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    s.seed.counted_ns = s.alive_ns = service_now_ns();
    if ((s.listener = listen_on(o.listen)) < 0) {
        fprintf(stderr, "vseed: %s: %s\n", o.listen, strerror(errno));
        return 1;
    }
    run(&s);
    virtual_torrent_close(&s.seed.t);
    return 0;
}
