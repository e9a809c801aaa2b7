/* SPDX-License-Identifier: MIT
 *
 * stream_floor: what the machine itself takes to carry a record from a process to
 * another one, and an answer back, for tests/bench/streams.
 *   stream_floor [--size BYTES] [--seconds S] [--gap-us US] [--readers 0|1]
 * A server of its own process receives requests of the size of a PUT into 6 MiB of
 * memory (epoll, non-blocking), sends the record to the reader if there is one, and
 * 120 bytes to the writer, who waits for them. No protocol, no index, no history: what
 * is left is the kernel's copying and the waking of processors. The writer and the
 * reader are those of stream_load. Prints one JSON object.
 *
 * The server has one thread; the load two: the writer, the reader. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/loadwire.h"
#include "support/recordcheck.h"

enum {
    MEMORY = 6 << 20,
    HEAD = 96, /* of a PUT's request */
    ANSWER = 120,
    RECEIVE = 256 << 10,
    AGES_MAX = 4 << 20,
};

/* ---- the server ---- */

struct server {
    int writer, reader; /* reader: -1 if there is none */
    size_t size;        /* of a record */
    size_t at, have;    /* where this request begins in memory, what has come of it */
    char *memory;
};

/* What is there of a request. False: the writer has gone. */
static bool receive(struct server *s)
{
    size_t request = HEAD + s->size;
    if (!s->have && s->at + request > MEMORY)
        s->at = 0;
    ssize_t n = recv(s->writer, s->memory + s->at + s->have, request - s->have, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    s->have += (size_t)n;
    if (s->have < request)
        return true;
    char answer[ANSWER];
    memset(answer, 'a', sizeof answer);
    if (s->reader >= 0)
        load_send(s->reader, s->memory + s->at + HEAD, s->size);
    load_send(s->writer, answer, sizeof answer);
    s->at += request;
    s->have = 0;
    return true;
}

static void serve(int listener, size_t size, bool has_reader)
{
    struct server s = {.reader = -1, .size = size, .memory = malloc(MEMORY)};
    struct epoll_event event = {.events = EPOLLIN};
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!s.memory || epoll_fd < 0)
        load_die("no memory, or no epoll");
    memset(s.memory, 'z', MEMORY); /* pages that come with the first bytes are not the floor */
    s.writer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (has_reader)
        s.reader = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (s.writer < 0 || (has_reader && s.reader < 0))
        load_die("accept: %s", strerror(errno));
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s.writer, &event);
    for (bool goes_on = true; goes_on;)
        if (epoll_wait(epoll_fd, &event, 1, -1) > 0)
            goes_on = receive(&s);
    free(s.memory);
}

/* Before there are threads. Its process id; its port. */
static pid_t start_server(unsigned *port, size_t size, bool has_reader)
{
    int listener = load_listen(port);
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        load_die("fork: %s", strerror(errno));
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            serve(listener, size, has_reader);
        _exit(0);
    }
    close(listener);
    return pid;
}

/* ---- the load ---- */

struct floor_load {
    bool has_reader;
    size_t size;
    double seconds;
    int64_t gap_ns;
    uint64_t records;
    int reader;
    struct recordcheck check;
};

static void *read_all(void *data)
{
    struct floor_load *f = data;
    char *buffer = malloc(RECEIVE);
    if (!buffer)
        load_die("out of memory");
    ssize_t n;
    while ((n = recv(f->reader, buffer, RECEIVE, 0)) > 0)
        recordcheck_feed_raw(&f->check, buffer, (size_t)n, load_now_ns());
    free(buffer);
    return NULL;
}

/* Returns how long it took. */
static int64_t write_all(struct floor_load *f, int writer)
{
    char answer[ANSWER], *request = malloc(HEAD + f->size);
    if (!request)
        load_die("out of memory");
    memset(request, 'z', HEAD + f->size);
    int64_t begin = load_now_ns(), now = begin;
    int64_t until = begin + (int64_t)(f->seconds * (double)LOAD_SECOND);
    for (; now < until; now = load_now_ns()) {
        if (f->gap_ns) {
            load_sleep_until(begin + (int64_t)f->records * f->gap_ns);
            now = load_now_ns();
        }
        record_stamp(request + HEAD, f->size, f->records++, now);
        load_send(writer, request, HEAD + f->size);
        if (recv(writer, answer, sizeof answer, MSG_WAITALL) != sizeof answer)
            load_die("the server ended the connection");
    }
    free(request);
    return now - begin;
}

static void print(struct floor_load *f, int64_t written_ns, int64_t cpu_ns)
{
    double seconds = (double)written_ns / 1e9, in = (double)(f->records * f->size);
    double out = f->has_reader ? in : 0;
    printf("{\"readers\": %d, \"records\": %" PRIu64 ", \"records_per_s\": %.1f, "
           "\"in_mb_s\": %.2f, \"out_mb_s\": %.2f, ",
           f->has_reader, f->records, (double)f->records / seconds, in / seconds / 1e6,
           out / seconds / 1e6);
    load_print_times(f->check.ages, f->check.n_ages);
    printf("\"cpu_s_per_gib\": %.4f}\n", (double)cpu_ns / 1e9 * 1073741824.0 / (in + out));
}

static void run(struct floor_load *f)
{
    unsigned port;
    pthread_t reader;
    pid_t server = start_server(&port, f->size, f->has_reader);
    int writer = load_connect(port);
    if (f->has_reader) {
        f->reader = load_connect(port);
        recordcheck_init(&f->check, f->size, AGES_MAX);
        if (pthread_create(&reader, NULL, read_all, f))
            load_die("no thread");
    }
    int64_t cpu = load_cpu_ns(server);
    int64_t written = write_all(f, writer);
    cpu = load_cpu_ns(server) - cpu;
    close(writer);
    if (f->has_reader)
        pthread_join(reader, NULL);
    waitpid(server, NULL, 0);
    if (f->has_reader && (f->check.records != f->records || f->check.disorder))
        load_die("the reader has %" PRIu64 " records of %" PRIu64, f->check.records, f->records);
    print(f, written, cpu);
    if (f->has_reader) {
        recordcheck_finish(&f->check);
        close(f->reader);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"size", 1, NULL, 's'},
                                            {"seconds", 1, NULL, 't'},
                                            {"gap-us", 1, NULL, 'g'},
                                            {"readers", 1, NULL, 'r'},
                                            {0}};
    static struct floor_load f = {.size = 65536, .seconds = 1.0};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            f.size = strtoul(optarg, NULL, 10);
        else if (option == 't')
            f.seconds = atof(optarg);
        else if (option == 'g')
            f.gap_ns = atol(optarg) * 1000;
        else if (option == 'r')
            f.has_reader = atoi(optarg) > 0;
        else
            load_die("see the top of stream_floor.c");
    }
    if (f.size < RECORD_MIN || f.size > MEMORY - HEAD)
        load_die("records of %d to %d bytes", RECORD_MIN, MEMORY - HEAD);
    run(&f);
    return 0;
}
