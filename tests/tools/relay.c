/* SPDX-License-Identifier: MIT
 *
 * relay: lines between programs on one machine, as slow and as far as wanted.
 *   relay --link [ADDR:]PORT=ADDR:PORT... [--rate BYTES] [--delay MS]
 *         [--buffer BYTES] [--loss PERCENT] [--seed N]
 * Who connects to the left of a link talks to the right of it. Each link has a
 * line of --rate bytes per second in each direction, which its connections
 * share; what leaves it arrives --delay milliseconds later (half a round trip; a
 * connection begins after one round trip, as a TCP handshake takes it). At most
 * --buffer bytes (64K) and what is on its way are held for a connection: past
 * that the sender is not read.
 *
 * --loss: TCP never shows loss, it shows what it does about it, and so does this.
 * Data goes in segments of 1,448 bytes, of which that share is lost. A sender of
 * Reno's kind stands behind it: ten segments at first, doubled each round trip
 * until the first loss, then one more each round trip and halved by a loss. A lost
 * segment comes one round trip later, two if nothing was behind it, and after a
 * timer of 200 ms at least, which doubles, each time it is lost again; what was
 * behind it waits for it.
 *
 * Prints `listening PORT` for each link, in order. On SIGUSR1 and at its end
 * `forwarded BYTES` (right to left) and `lost SEGMENTS`. Ends on SIGTERM, SIGINT,
 * or when its standard input is a pipe that closes. One thread. */
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

#include "support/line.h"
#include "support/service.h"

#define SECOND_NS INT64_C(1000000000)

enum {
    MAX_LINKS = 64,
    KERNEL_BUFFER = 64 * 1024, /* small: what waits there would be a longer line */
    KERNEL_SEGMENT = 8 * 1024  /* loopback's own of 64K would not fit in that, and stall */
};

struct end {
    struct connection *connection;
    int fd;
    uint32_t asked; /* events that epoll was asked for */
};

struct connection {
    struct connection *next;
    struct end near, far;
    struct flow up, down;
    bool gone;
};

struct link {
    int fd;
    struct sockaddr_in to;
    int64_t free_ns[2];
};

struct relay {
    struct link links[MAX_LINKS];
    int n_links;
    struct connection *connections;
    int epoll, signals;
    int64_t served_ns; /* when all flows were served last */
    struct line line;
    uint64_t forwarded; /* by connections that are gone */
};

/* ---- connections ---- */

/* Before a socket listens or connects: later it would be too late. */
static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1, small = KERNEL_BUFFER, segment = KERNEL_SEGMENT;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    return fd;
}

static void ask(struct relay *r, struct end *e, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = e};

    if (e->asked == events)
        return;
    e->asked = events;
    epoll_ctl(r->epoll, EPOLL_CTL_MOD, e->fd, &ev);
}

static uint32_t wanted(const struct flow *in, const struct flow *out, int64_t now)
{
    return (flow_can_take(in) ? EPOLLIN : 0) | (flow_is_blocked(out, now) ? EPOLLOUT : 0);
}

static void serve(struct relay *r, struct connection *c, int64_t now)
{
    c->gone |= !flow_serve(&c->up, now) || !flow_serve(&c->down, now);
    c->gone |= c->up.told_end && c->down.told_end;
    if (c->gone)
        return;
    ask(r, &c->near, wanted(&c->up, &c->down, now));
    ask(r, &c->far, wanted(&c->down, &c->up, now));
}

static void set_up(struct relay *r, struct end *e, struct connection *c)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = e};

    e->connection = c;
    e->asked = EPOLLIN;
    epoll_ctl(r->epoll, EPOLL_CTL_ADD, e->fd, &ev);
}

static void welcome(struct relay *r, struct link *l)
{
    int near = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int far = new_socket();
    struct connection *c = calloc(1, sizeof *c);

    if (near < 0 || far < 0 || !c ||
        (connect(far, (struct sockaddr *)&l->to, sizeof l->to) < 0 && errno != EINPROGRESS)) {
        close(near);
        close(far);
        free(c);
        return;
    }
    int64_t now = service_now_ns();
    c->near.fd = near;
    c->far.fd = far;
    set_up(r, &c->near, c);
    set_up(r, &c->far, c);
    flow_start(&c->up, &r->line, near, far, &l->free_ns[0], now + 2 * r->line.delay_ns);
    flow_start(&c->down, &r->line, far, near, &l->free_ns[1], now + 3 * r->line.delay_ns);
    c->next = r->connections;
    r->connections = c;
}

static void sweep(struct relay *r)
{
    for (struct connection **at = &r->connections; *at;) {
        struct connection *c = *at;
        if (!c->gone) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        r->forwarded += c->down.given;
        close(c->near.fd);
        close(c->far.fd);
        flow_finish(&c->up);
        flow_finish(&c->down);
        free(c);
    }
}

/* ---- running ---- */

static void report(void *relay)
{
    const struct relay *r = relay;
    uint64_t forwarded = r->forwarded;
    for (struct connection *c = r->connections; c; c = c->next)
        forwarded += c->down.given;
    printf("forwarded %" PRIu64 "\nlost %" PRIu64 "\n", forwarded, r->line.lost);
}

static bool on_signal(struct relay *r)
{
    return service_goes_on(r->signals, report, r);
}

/* Until the soonest arrival, or an event. Returns the number of events. */
static int sleep_until_next(struct relay *r, struct epoll_event *events, int n)
{
    int64_t now = service_now_ns(), next = now + SECOND_NS;

    for (struct connection *c = r->connections; c; c = c->next) {
        /* Not of now: what arrived since they were served would be slept over. */
        int64_t up = flow_next_ns(&c->up, r->served_ns);
        int64_t down = flow_next_ns(&c->down, r->served_ns);
        next = up < next ? up : next;
        next = down < next ? down : next;
    }
    int64_t wait = next > now ? next - now : 0;
    struct timespec t = {wait / SECOND_NS, wait % SECOND_NS};
    return epoll_pwait2(r->epoll, events, n, &t, NULL);
}

static bool is_link(const struct relay *r, const void *p)
{
    return (const char *)p >= (const char *)r->links &&
           (const char *)p < (const char *)(r->links + r->n_links);
}

static void watch(struct relay *r, int fd, void *who)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = who};

    epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e);
}

static void run(struct relay *r)
{
    static int on_stdin; /* only its address counts */
    struct epoll_event events[64];

    for (int i = 0; i < r->n_links; i++)
        watch(r, r->links[i].fd, &r->links[i]);
    watch(r, r->signals, &r->signals);
    if (service_has_input())
        watch(r, STDIN_FILENO, &on_stdin);
    for (;;) {
        int n = sleep_until_next(r, events, 64);
        for (int i = 0; i < n; i++) {
            void *who = events[i].data.ptr;
            if (is_link(r, who))
                welcome(r, who);
            else if (who == &r->signals ? !on_signal(r) : who == &on_stdin && service_input_ended())
                return;
            else if (who != &r->signals && who != &on_stdin)
                ((struct end *)who)->connection->gone |= (events[i].events & EPOLLERR) != 0;
        }
        r->served_ns = service_now_ns();
        for (struct connection *c = r->connections; c; c = c->next)
            serve(r, c, r->served_ns);
        sweep(r);
    }
}

/* ---- beginning ---- */

static bool address(const char *text, struct sockaddr_in *a)
{
    char host[64] = "127.0.0.1";
    int port = -1;

    if (sscanf(text, "%63[^:]:%d", host, &port) != 2 && sscanf(text, "%d", &port) != 1)
        return false;
    if (!strchr(text, ':'))
        strcpy(host, "127.0.0.1");
    a->sin_family = AF_INET;
    a->sin_port = htons((uint16_t)port);
    return port >= 0 && port < 65536 && inet_pton(AF_INET, host, &a->sin_addr) == 1;
}

static bool add_link(struct relay *r, char *text)
{
    struct sockaddr_in a = {0};
    char *equals = strchr(text, '=');

    if (!equals || r->n_links == MAX_LINKS)
        return false;
    *equals = '\0';
    struct link *l = &r->links[r->n_links];
    if (!address(text, &a) || !address(equals + 1, &l->to))
        return false;
    l->fd = new_socket();
    if (bind(l->fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(l->fd, 128) < 0) {
        fprintf(stderr, "relay: %s: %s\n", text, strerror(errno));
        return false;
    }
    r->n_links++;
    return true;
}

static bool parse(struct relay *r, int argc, char **argv)
{
    static const struct option known[] = {
        {"link", required_argument, NULL, 'l'},
        {"rate", required_argument, NULL, 'r'},
        {"delay", required_argument, NULL, 'd'},
        {"buffer", required_argument, NULL, 'b'},
        {"loss", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'l' && !add_link(r, optarg))
            return false;
        else if (c == 'r')
            r->line.rate = service_bytes(optarg);
        else if (c == 'd')
            r->line.delay_ns = (int64_t)(strtod(optarg, NULL) * 1e6);
        else if (c == 'b')
            r->line.buffer = service_bytes(optarg);
        else if (c == 'p')
            r->line.loss = strtod(optarg, NULL) / 100;
        else if (c == 's')
            r->line.random = strtoull(optarg, NULL, 10);
        else if (c == '?')
            return false;
    }
    return r->n_links > 0 && optind == argc;
}

int main(int argc, char **argv)
{
    static struct relay r = {.line = {.buffer = 64 * 1024, .random = 1}};

    if (!parse(&r, argc, argv)) {
        fputs("usage: relay --link [ADDR:]PORT=ADDR:PORT... [--rate BYTES] [--delay MS]\n"
              "             [--buffer BYTES] [--loss PERCENT] [--seed N]\n",
              stderr);
        return 2;
    }
    r.signals = service_signals();
    r.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < r.n_links; i++) {
        struct sockaddr_in a;
        socklen_t len = sizeof a;
        getsockname(r.links[i].fd, (struct sockaddr *)&a, &len);
        printf("listening %d\n", ntohs(a.sin_port));
    }
    fflush(stdout);
    run(&r);
    return 0;
}
