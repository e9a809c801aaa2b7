/* SPDX-License-Identifier: MIT
 *
 * stream_load: load on one stream of a StreamFS server, for tests/bench/streams.
 *   stream_load --port N [--pid PID] [--path PATH] [--mode put|chunked] [--size BYTES]
 *               [--seconds S] [--gap-us US] [--readers R] [--policy NAME]
 * One writer on one connection sends numbered records of --size bytes for --seconds:
 * a PUT for each one, waiting for its answer (put; with --gap-us one each so often),
 * or all of them as chunks of one PUT (chunked). Of R readers one checks numbers and
 * ages, the others cost no more than readers must (support/drain.h). At the end the
 * stream is deleted, so that readers drain and are told by trailers what they lost.
 * Prints one JSON object. Exit status 1: something broke, or numbers came in disorder.
 *
 * Three threads: the writer, the checking reader, all other readers. */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "support/drain.h"
#include "support/loadwire.h"
#include "support/recordcheck.h"

enum {
    READERS_MAX = 1024,
    AGES_MAX = 4 << 20,
    RECEIVE = 256 << 10,
    SEND_CHUNKS = 64 << 10, /* of chunked records together, for each send */
    REPLY_MAX = 64 << 10,
    SILENCE_S = 20,
};

struct load {
    /* what is asked for */
    unsigned port, readers;
    int pid;
    const char *path, *policy;
    bool chunked;
    size_t size;
    double seconds;
    int64_t gap_ns;
    /* what came of it */
    uint64_t records;
    int64_t begin_ns, written_ns, end_ns, cpu_ns;
    struct recordcheck check;
    int check_fd;
    const char *check_text; /* of the body, that came with the head */
    char check_head[8192];
    struct drain *drain;
    uint64_t drained_before; /* heads */
    int64_t lost, gaps;
    char reply[REPLY_MAX];
};

/* ---- readers ---- */

static int start_reader(const struct load *l, char *head, size_t size)
{
    char request[1024];
    int fd = load_connect(l->port);
    int len = snprintf(request, sizeof request,
                       "GET /api/v1/files?path=%s&stream=true%s%s HTTP/1.1\r\nHost: x\r\n"
                       "Connection: close\r\n\r\n",
                       l->path, l->policy ? "&policy=" : "", l->policy ? l->policy : "");
    load_send(fd, request, (size_t)len);
    load_receive_until(fd, head, size, "\r\n\r\n");
    if (strncmp(head, "HTTP/1.1 200", 12) != 0)
        load_die("a reader was refused: %s", head);
    return fd;
}

static void *check_records(void *data)
{
    struct load *l = data;
    char *buffer = malloc(RECEIVE);
    struct timeval patience = {.tv_sec = SILENCE_S};
    if (!buffer)
        load_die("out of memory");
    setsockopt(l->check_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    recordcheck_feed(&l->check, l->check_text, strlen(l->check_text), load_now_ns());
    ssize_t n;
    while ((n = recv(l->check_fd, buffer, RECEIVE, 0)) > 0)
        recordcheck_feed(&l->check, buffer, (size_t)n, load_now_ns());
    if (n < 0)
        perror("the checking reader");
    free(buffer);
    return NULL;
}

static void start_readers(struct load *l, pthread_t *checker)
{
    int fds[READERS_MAX];
    char head[8192];
    if (!l->readers)
        return;
    for (unsigned i = 1; i < l->readers; i++)
        fds[i - 1] = start_reader(l, head, sizeof head);
    l->drain = drain_start(fds, l->readers - 1, DRAIN_DISCARD);
    l->check_fd = start_reader(l, l->check_head, sizeof l->check_head);
    l->check_text = strstr(l->check_head, "\r\n\r\n") + 4;
    recordcheck_init(&l->check, l->size, AGES_MAX);
    if (pthread_create(checker, NULL, check_records, l))
        load_die("no thread");
}

static void add_loss(struct load *l, const char *trailers)
{
    int64_t lost = record_trailer(trailers, "X-Stream-Dropped-Bytes");
    int64_t gaps = record_trailer(trailers, "X-Stream-Gaps");
    if (lost < 0 || gaps < 0)
        load_die("a reader's end has no trailers: %.200s", trailers);
    l->lost += lost;
    l->gaps += gaps;
}

static void join_readers(struct load *l, pthread_t checker)
{
    if (!l->readers)
        return;
    pthread_join(checker, NULL);
    if (!drain_wait(l->drain, SILENCE_S * LOAD_SECOND))
        load_die("readers did not end");
    l->end_ns = load_now_ns();
    for (unsigned i = 1; i < l->readers; i++)
        add_loss(l, drain_tail(l->drain, i - 1));
    add_loss(l, l->check.trailers);
}

/* ---- the writer ---- */

static char *filled(size_t size)
{
    char *room = malloc(size);
    if (!room)
        load_die("out of memory");
    memset(room, 'z', size);
    return room;
}

static void expect_success(struct load *l, int fd)
{
    int status = load_reply(fd, l->reply, sizeof l->reply);
    if (status / 100 != 2)
        load_die("refused with %d: %s", status, l->reply);
}

static bool is_over(const struct load *l, int64_t now)
{
    return (double)(now - l->begin_ns) >= l->seconds * (double)LOAD_SECOND;
}

static void write_puts(struct load *l, int fd)
{
    char head[512];
    size_t head_len = (size_t)snprintf(
        head, sizeof head,
        "PUT /api/v1/files?path=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", l->path,
        l->size);
    char *request = filled(head_len + l->size);
    memcpy(request, head, head_len);
    for (int64_t now = l->begin_ns; !is_over(l, now); now = load_now_ns()) {
        if (l->gap_ns) {
            load_sleep_until(l->begin_ns + (int64_t)l->records * l->gap_ns);
            now = load_now_ns();
        }
        record_stamp(request + head_len, l->size, l->records++, now);
        load_send(fd, request, head_len + l->size);
        expect_success(l, fd);
    }
    free(request);
}

static void write_chunks(struct load *l, int fd)
{
    char text[512], line[32];
    size_t len = (size_t)snprintf(
        text, sizeof text,
        "PUT /api/v1/files?path=%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        l->path);
    load_send(fd, text, len);
    size_t line_len = (size_t)snprintf(line, sizeof line, "%zx\r\n", l->size);
    size_t step = line_len + l->size + 2, n = SEND_CHUNKS / step ? SEND_CHUNKS / step : 1;
    char *chunks = filled(n * step);
    for (size_t i = 0; i < n; i++) {
        memcpy(chunks + i * step, line, line_len);
        memcpy(chunks + (i + 1) * step - 2, "\r\n", 2);
    }
    for (int64_t now = l->begin_ns; !is_over(l, now); now = load_now_ns()) {
        for (size_t i = 0; i < n; i++)
            record_stamp(chunks + i * step + line_len, l->size, l->records++, now);
        load_send(fd, chunks, n * step);
    }
    load_send(fd, "0\r\n\r\n", 5);
    expect_success(l, fd);
    free(chunks);
}

static void request(struct load *l, int fd, const char *method, const char *what)
{
    char text[512];
    int len = snprintf(text, sizeof text,
                       "%s /api/v1/%s?path=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                       method, what, l->path);
    load_send(fd, text, (size_t)len);
    expect_success(l, fd);
}

/* What the server has counted; -1: it does not say. */
static int64_t records_in_index(const struct load *l)
{
    const char *at = strstr(l->reply, "\"records\":\"");
    return at ? strtoll(at + strlen("\"records\":\""), NULL, 10) : -1;
}

/* ---- all of it ---- */

static uint64_t delivered(struct load *l)
{
    return l->readers ? l->check.bytes + drain_bytes(l->drain) : 0;
}

/* The checking reader has all bytes but those that it was told of. */
static int64_t untold(const struct load *l)
{
    int64_t told = record_trailer(l->check.trailers, "X-Stream-Dropped-Bytes");
    return l->readers ? (int64_t)(l->records * l->size - l->check.bytes) - told : 0;
}

static int print(struct load *l, int64_t in_index)
{
    uint64_t in = l->records * l->size, out = delivered(l);
    double write_s = (double)(l->written_ns - l->begin_ns) / 1e9;
    double all_s = (double)(l->end_ns - l->begin_ns) / 1e9;
    printf("{\"readers\": %u, \"records\": %" PRIu64 ", \"records_per_s\": %.1f, "
           "\"in_mb_s\": %.2f, \"out_mb_s\": %.2f, ",
           l->readers, l->records, (double)l->records / write_s, (double)in / write_s / 1e6,
           (double)out / all_s / 1e6);
    load_print_times(l->check.ages, l->check.n_ages);
    if (l->pid)
        printf("\"cpu_s_per_gib\": %.4f, ",
               (double)l->cpu_ns / 1e9 * 1073741824.0 / (double)(in + out));
    if (in_index >= 0)
        printf("\"not_in_index\": %" PRId64 ", ", (int64_t)l->records - in_index);
    printf("\"lost_pct\": %.4f, \"gaps\": %" PRId64 ", \"untold_bytes\": %" PRId64
           ", \"disorder\": %" PRIu64 "}\n",
           out ? 100.0 * (double)l->lost / ((double)in * l->readers) : 0.0, l->gaps, untold(l),
           l->check.disorder);
    if (l->check.disorder || l->check.bad_http) {
        fprintf(stderr, "records in disorder, or bad HTTP\n");
        return 1;
    }
    return 0;
}

static int run(struct load *l)
{
    pthread_t checker;
    int fd = load_connect(l->port), control = load_connect(l->port);
    request(l, control, "POST", "files");
    start_readers(l, &checker);
    int64_t cpu = load_cpu_ns(l->pid);
    l->begin_ns = load_now_ns();
    if (l->chunked)
        write_chunks(l, fd);
    else
        write_puts(l, fd);
    l->written_ns = l->end_ns = load_now_ns();
    request(l, control, "GET", "stat");
    int64_t in_index = records_in_index(l);
    if (l->readers)
        drain_keep_tails(l->drain);
    request(l, control, "DELETE", "files");
    join_readers(l, checker);
    l->cpu_ns = load_cpu_ns(l->pid) - cpu;
    int status = print(l, in_index);
    recordcheck_finish(&l->check);
    if (l->drain)
        drain_free(l->drain);
    close(fd);
    close(control);
    return status;
}

static void set(struct load *l, int option, const char *text)
{
    switch (option) {
    case 'P':
        l->port = (unsigned)atoi(text);
        break;
    case 'i':
        l->pid = atoi(text);
        break;
    case 'p':
        l->path = text;
        break;
    case 'm':
        l->chunked = strcmp(text, "chunked") == 0;
        break;
    case 's':
        l->size = strtoul(text, NULL, 10);
        break;
    case 't':
        l->seconds = atof(text);
        break;
    case 'g':
        l->gap_ns = atol(text) * 1000;
        break;
    case 'r':
        l->readers = (unsigned)atoi(text);
        break;
    case 'o':
        l->policy = text;
        break;
    default:
        load_die("see the top of stream_load.c");
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", 1, NULL, 'P'},   {"pid", 1, NULL, 'i'},
                                            {"path", 1, NULL, 'p'},   {"mode", 1, NULL, 'm'},
                                            {"size", 1, NULL, 's'},   {"seconds", 1, NULL, 't'},
                                            {"gap-us", 1, NULL, 'g'}, {"readers", 1, NULL, 'r'},
                                            {"policy", 1, NULL, 'o'}, {0}};
    static struct load l = {.path = "/streamfs/load", .size = 65536, .seconds = 1.0};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        set(&l, option, optarg);
    if (!l.port || l.size < RECORD_MIN || l.readers > READERS_MAX)
        load_die("--port is needed, --size of at least %d, at most %d readers", RECORD_MIN,
                 READERS_MAX);
    return run(&l);
}
