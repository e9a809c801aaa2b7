/* SPDX-License-Identifier: MIT
 *
 * stream_others: the load of stream_load for servers of other protocols, for
 * tests/bench/streams to put beside ours.
 *   stream_others --server redis|nats --port N [--pid PID] [--size BYTES] [--seconds S]
 *                 [--gap-us US] [--readers R]
 * Redis: XADD of one field (MAXLEN ~ 2000), XREAD COUNT 64 BLOCK. NATS: PUB with a
 * PING behind each, SUB. The writer waits for each answer. All readers read and check
 * their bytes. Prints one JSON object.
 *
 * Two threads: the writer, and one for all readers. */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/loadwire.h"
#include "support/recordcheck.h"

enum { READERS_MAX = 1024, RECEIVE = 256 << 10, AGES_MAX = 1 << 20, QUIET_S = 2 };

/* Numbers of records in Redis' ids, all of one length. */
#define FIRST_ID UINT64_C(1000000000000)

struct reader {
    int fd;
    bool gone;
    struct recordcheck check;
    /* Redis' reply: elements of it that are still to come, bytes of this one */
    uint64_t elements, bulk;
    char line[32];
    size_t line_len;
};

struct others {
    bool redis;
    unsigned port, readers;
    int pid;
    size_t size;
    double seconds;
    int64_t gap_ns, begin_ns, written_ns, end_ns, cpu_ns;
    uint64_t records;
    _Atomic uint64_t total; /* once all are written */
    struct reader *all;
};

static int open_connection(const struct others *o)
{
    char text[8192];
    int fd = load_connect(o->port);
    if (o->redis)
        return fd;
    static const char hello[] = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n";
    load_receive_until(fd, text, sizeof text, "\r\n"); /* INFO */
    load_send(fd, hello, sizeof hello - 1);
    load_receive_until(fd, text, sizeof text, "PONG\r\n");
    return fd;
}

/* ---- readers ---- */

static void ask_for_more(struct reader *r)
{
    char text[256];
    int len = snprintf(text, sizeof text,
                       "*8\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$2\r\n64\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n"
                       "$7\r\nSTREAMS\r\n$1\r\ns\r\n$15\r\n%" PRIu64 "-1\r\n",
                       FIRST_ID + r->check.next);
    r->elements = 1;
    load_send(r->fd, text, (size_t)len);
}

static void subscribe(struct reader *r)
{
    char text[256];
    static const char words[] = "SUB s 1\r\nPING\r\n";
    load_send(r->fd, words, sizeof words - 1);
    load_receive_until(r->fd, text, sizeof text, "PONG\r\n");
}

static void reply_line(struct reader *r)
{
    uint64_t n = strtoull(r->line + 1, NULL, 10);
    r->line_len = 0;
    if (r->line[0] == '*') {
        r->elements += n - 1;
    } else if (r->line[0] == '$') {
        r->bulk = n + 2;
    } else {
        load_die("Redis says %.30s", r->line);
    }
}

/* Lines and strings of known lengths, until there are none left to come. */
static void reply_bytes(struct reader *r, const char *data, size_t len, int64_t now)
{
    while (len) {
        size_t n = 1;
        if (r->bulk) {
            n = len < r->bulk ? len : (size_t)r->bulk;
            recordcheck_feed_raw(&r->check, data, n, now);
            r->bulk -= n;
            r->elements -= !r->bulk;
            if (!r->elements)
                ask_for_more(r);
        } else if (*data == '\n') {
            r->line[r->line_len] = '\0';
            reply_line(r);
        } else if (r->line_len + 1 < sizeof r->line) {
            r->line[r->line_len++] = *data;
        }
        data += n;
        len -= n;
    }
}

static void receive(const struct others *o, struct reader *r, char *buffer)
{
    ssize_t n = recv(r->fd, buffer, RECEIVE, MSG_DONTWAIT);
    int64_t now = load_now_ns();
    if (n == 0)
        r->gone = true; /* NATS cuts off readers that are too slow */
    else if (n > 0 && o->redis)
        reply_bytes(r, buffer, (size_t)n, now);
    else if (n > 0)
        recordcheck_feed_raw(&r->check, buffer, (size_t)n, now);
}

static bool all_have(const struct others *o, uint64_t total)
{
    for (unsigned i = 0; i < o->readers; i++)
        if (!o->all[i].gone && o->all[i].check.next < total)
            return false;
    return true;
}

static void *read_all(void *data)
{
    struct others *o = data;
    struct epoll_event events[64];
    char *buffer = malloc(RECEIVE);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!buffer)
        load_die("out of memory");
    for (unsigned i = 0; i < o->readers; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &o->all[i]};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, o->all[i].fd, &e);
    }
    for (int64_t last_ns = load_now_ns();;) {
        int n = epoll_wait(epoll_fd, events, 64, 20);
        for (int i = 0; i < n; i++) {
            struct reader *r = events[i].data.ptr;
            receive(o, r, buffer);
            if (r->gone)
                epoll_ctl(epoll_fd, EPOLL_CTL_DEL, r->fd, NULL);
        }
        uint64_t total = atomic_load(&o->total);
        if (n > 0)
            last_ns = load_now_ns();
        if (total && (all_have(o, total) || load_now_ns() > last_ns + QUIET_S * LOAD_SECOND)) {
            o->end_ns = last_ns;
            break;
        }
    }
    close(epoll_fd);
    free(buffer);
    return NULL;
}

static void start_readers(struct others *o, pthread_t *thread)
{
    o->all = calloc(o->readers + 1, sizeof *o->all);
    if (!o->all)
        load_die("out of memory");
    for (unsigned i = 0; i < o->readers; i++) {
        struct reader *r = &o->all[i];
        recordcheck_init(&r->check, o->size, i == 0 ? AGES_MAX : 0);
        r->fd = open_connection(o);
        if (o->redis)
            ask_for_more(r);
        else
            subscribe(r);
    }
    if (o->readers && pthread_create(thread, NULL, read_all, o))
        load_die("no thread");
}

/* ---- the writer ---- */

static size_t command(const struct others *o, char *text, size_t size)
{
    if (!o->redis)
        return (size_t)snprintf(text, size, "PUB s %zu\r\n", o->size);
    return (size_t)snprintf(
        text, size,
        "*8\r\n$4\r\nXADD\r\n$1\r\ns\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n$4\r\n2000\r\n"
        "$15\r\n%" PRIu64 "-1\r\n$1\r\nd\r\n$%zu\r\n",
        FIRST_ID + o->records + 1, o->size);
}

static void write_all(struct others *o)
{
    char head[256], answer[1024];
    const char *behind = o->redis ? "\r\n" : "\r\nPING\r\n",
               *good = o->redis ? "-1\r\n" : "PONG\r\n";
    int fd = open_connection(o);
    size_t head_len = command(o, head, sizeof head), len = head_len + o->size + strlen(behind);
    char *text = malloc(len);
    if (!text)
        load_die("out of memory");
    memset(text, 'z', len);
    memcpy(text + head_len + o->size, behind, strlen(behind));
    o->begin_ns = load_now_ns();
    int64_t now = o->begin_ns, until = now + (int64_t)(o->seconds * (double)LOAD_SECOND);
    for (; now < until; now = load_now_ns()) {
        if (o->gap_ns) {
            load_sleep_until(o->begin_ns + (int64_t)o->records * o->gap_ns);
            now = load_now_ns();
        }
        command(o, head, sizeof head);
        memcpy(text, head, head_len);
        record_stamp(text + head_len, o->size, o->records++, now);
        load_send(fd, text, len);
        load_receive_until(fd, answer, sizeof answer, good);
    }
    o->written_ns = o->end_ns = load_now_ns();
    atomic_store(&o->total, o->records);
    free(text);
    close(fd);
}

/* ---- all of it ---- */

static void print(struct others *o)
{
    double write_s = (double)(o->written_ns - o->begin_ns) / 1e9;
    double all_s = (double)(o->end_ns - o->begin_ns) / 1e9;
    double in = (double)(o->records * o->size), out = 0, lost = 0;
    for (unsigned i = 0; i < o->readers; i++)
        out += (double)(o->all[i].check.records * o->size);
    if (o->readers)
        lost = 100.0 * (1.0 - out / (in * o->readers));
    printf("{\"readers\": %u, \"records\": %" PRIu64 ", \"records_per_s\": %.1f, "
           "\"in_mb_s\": %.2f, \"out_mb_s\": %.2f, ",
           o->readers, o->records, (double)o->records / write_s, in / write_s / 1e6,
           out / all_s / 1e6);
    if (o->readers)
        load_print_times(o->all[0].check.ages, o->all[0].check.n_ages);
    if (o->pid)
        printf("\"cpu_s_per_gib\": %.4f, ", (double)o->cpu_ns / 1e9 * 1073741824.0 / (in + out));
    printf("\"lost_pct\": %.4f}\n", lost);
}

static void run(struct others *o)
{
    pthread_t thread;
    start_readers(o, &thread);
    int64_t cpu = load_cpu_ns(o->pid);
    write_all(o);
    if (o->readers)
        pthread_join(thread, NULL);
    o->cpu_ns = load_cpu_ns(o->pid) - cpu;
    print(o);
    for (unsigned i = 0; i < o->readers; i++) {
        recordcheck_finish(&o->all[i].check);
        close(o->all[i].fd);
    }
    free(o->all);
}

static void set(struct others *o, int option, const char *text)
{
    if (option == 'v')
        o->redis = strcmp(text, "redis") == 0;
    else if (option == 'P')
        o->port = (unsigned)atoi(text);
    else if (option == 'i')
        o->pid = atoi(text);
    else if (option == 's')
        o->size = strtoul(text, NULL, 10);
    else if (option == 't')
        o->seconds = atof(text);
    else if (option == 'g')
        o->gap_ns = atol(text) * 1000;
    else if (option == 'r')
        o->readers = (unsigned)atoi(text);
    else
        load_die("see the top of stream_others.c");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"server", 1, NULL, 'v'},  {"port", 1, NULL, 'P'},
                                            {"pid", 1, NULL, 'i'},     {"size", 1, NULL, 's'},
                                            {"seconds", 1, NULL, 't'}, {"gap-us", 1, NULL, 'g'},
                                            {"readers", 1, NULL, 'r'}, {0}};
    static struct others o = {.size = 65536, .seconds = 1.0};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        set(&o, option, optarg);
    if (!o.port || o.size < RECORD_MIN || o.readers > READERS_MAX)
        load_die("--port is needed, --size of at least %d, at most %d readers", RECORD_MIN,
                 READERS_MAX);
    run(&o);
    return 0;
}
