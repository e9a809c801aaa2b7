/* SPDX-License-Identifier: MIT
 *
 * swarm_reader: the reader that tests/bench/swarm puts before every program. It
 * reads a file, a URL, or a torrent through the library itself, compares each
 * byte with the pattern (support/data.h), and prints a JSON line per operation.
 *   swarm_reader [--seed N] [--wait] [--ram BYTES] [--peer HOST:PORT]...
 *                file PATH | http HOST PORT URLPATH SIZE | library SOURCE
 *                OPERATION...
 * Operations: OFFSET:LENGTH reads (length 0: to the end); par:N reads the file
 * with N readers at once, each its own part; seq:SECONDS reads on from 0, over and over;
 * rand:SECONDS:SEED reads 64 KiB here and there; stats prints what the library
 * says; - takes operations from standard input, a line each, and says when each
 * is done. --wait tries to open each millisecond until it can. Times are CLOCK_MONOTONIC. The first
 * read of an operation is of 4 KiB, the others of 128 KiB. `check_s` is processor time that went
 * into comparing. Exit status 1 if a byte was wrong or a read failed.
 *
 * One thread a reader; the library's own beside them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <getopt.h>
#include <sys/stat.h>

#include <gostream.h>

#include "support/data.h"
#include "support/http_reader.h"

enum {
    FIRST = 4096,
    STEP = 128 * 1024,
    RANDOM_READ = 64 * 1024,
    SPAN = 16 << 20,
    MAX_READERS = 64,
    MAX_PEERS = 64
};

/* What is read, and how one opens it once more. */
struct target {
    enum { IN_FILE, IN_HTTP, IN_LIBRARY } kind;
    const char *path, *host;
    int port;
    uint64_t size, seed;
    gos_session *session;
    gos_torrent *torrent;
};

struct reader {
    const struct target *target;
    int fd;
    struct http_reader *http;
    gos_source *source;
    char *buf;
};

struct result {
    uint64_t off, got;
    double began, first, ended, longest, check;
    bool wrong;
    char error[100];
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double processor_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- opening and reading ---- */

static int64_t open_reader(struct reader *r, const struct target *t)
{
    *r = (struct reader){.target = t, .fd = -1};
    if (!(r->buf = malloc(STEP)))
        return GOS_ENOMEM;
    if (t->kind == IN_HTTP)
        return (r->http = http_reader_new(t->host, t->port, t->path)) ? 0 : GOS_ENOMEM;
    if (t->kind == IN_FILE)
        return (r->fd = open(t->path, O_RDONLY | O_CLOEXEC)) < 0 ? -errno : 0;
    if (t->kind == IN_LIBRARY)
        return gos_torrent_open_file(t->torrent, 0, &r->source);
    return 0;
}

static void close_reader(struct reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    gos_source_unref(r->source);
    free(r->buf);
    http_reader_free(r->http);
}

static int64_t read_some(struct reader *r, size_t len, uint64_t off)
{
    if (r->target->kind == IN_LIBRARY)
        return gos_source_pread(r->source, r->buf, len, off, NULL);
    if (r->target->kind == IN_HTTP)
        return http_reader_read(r->http, r->buf, len, off);
    ssize_t n = pread(r->fd, r->buf, len, (off_t)off);
    return n < 0 ? -errno : n;
}

static struct result read_range(struct reader *r, uint64_t off, uint64_t len, double until)
{
    struct result out = {.off = off, .began = now()};
    double last = out.began;

    while (out.got < len && !out.wrong && (until == 0 || last < until)) {
        uint64_t want = out.got == 0 ? FIRST : STEP;
        want = want < len - out.got ? want : len - out.got;
        int64_t n = read_some(r, (size_t)want, off + out.got);
        double t = now();
        if (n <= 0) {
            snprintf(out.error, sizeof out.error, "%s",
                     n == 0 ? "end of file" : gos_strerror((int)n));
            break;
        }
        if (out.got == 0)
            out.first = t;
        else if (t - last > out.longest)
            out.longest = t - last;
        double before = processor_time();
        out.wrong = data_check(r->buf, (size_t)n, r->target->seed, off + out.got) != (size_t)n;
        out.check += processor_time() - before;
        last = t;
        out.got += (uint64_t)n;
    }
    out.ended = last;
    return out;
}

/* Returns whether it went well. */
static bool print_result(const char *name, const struct result *o)
{
    printf(
        "{\"op\":\"%s\",\"off\":%" PRIu64 ",\"got\":%" PRIu64 ",\"began\":%.6f,\"first_ms\":%.3f,"
        "\"total_ms\":%.3f,\"longest_ms\":%.3f,\"check_s\":%.4f,\"wrong\":%s,\"error\":\"%s\"}\n",
        name, o->off, o->got, o->began, o->first > 0 ? (o->first - o->began) * 1e3 : -1.0,
        (o->ended - o->began) * 1e3, o->longest * 1e3, o->check, o->wrong ? "true" : "false",
        o->error);
    fflush(stdout);
    return !o->wrong && !o->error[0];
}

/* ---- operations ---- */

struct part {
    pthread_t thread;
    const struct target *target;
    uint64_t off, len;
    struct result result;
};

static void *read_part(void *arg)
{
    struct part *p = arg;
    struct reader r;
    int64_t rc = open_reader(&r, p->target);

    if (rc == 0)
        p->result = read_range(&r, p->off, p->len, 0);
    else
        snprintf(p->result.error, sizeof p->result.error, "%s", gos_strerror((int)rc));
    close_reader(&r);
    return NULL;
}

static bool read_in_parts(const struct target *t, int n)
{
    static struct part parts[MAX_READERS];
    bool fine = n > 0 && n <= MAX_READERS;

    for (int i = 0; i < n && fine; i++) {
        parts[i] = (struct part){
            .target = t, .off = t->size / (uint64_t)n * (uint64_t)i, .len = t->size / (uint64_t)n};
        fine = pthread_create(&parts[i].thread, NULL, read_part, &parts[i]) == 0;
    }
    for (int i = 0; i < n && fine; i++) {
        pthread_join(parts[i].thread, NULL);
        fine = print_result("part", &parts[i].result);
    }
    return fine;
}

/* Make the kernel forget what was read of a mount, so that the next read of it asks
 * the program again; a film is read for longer than it lasts. */
static void forget(const struct reader *r, uint64_t off, uint64_t len)
{
    if (r->target->kind == IN_FILE)
        posix_fadvise(r->fd, (off_t)off, (off_t)len, POSIX_FADV_DONTNEED);
}

/* On and on from 0, and from 0 again after the end. */
static bool read_on(struct reader *r, double seconds)
{
    struct result all = {.began = now()};
    double until = all.began + seconds;
    uint64_t size = r->target->size, at = 0;

    while (now() < until && !all.wrong && !all.error[0]) {
        struct result o = read_range(r, at, SPAN < size - at ? SPAN : size - at, until);
        double wait = o.first > 0 ? o.first - o.began : 0;
        forget(r, at, o.got);
        if (all.got == 0)
            all.first = o.first;
        else if (wait > all.longest)
            all.longest = wait;
        all.longest = o.longest > all.longest ? o.longest : all.longest;
        all.got += o.got;
        all.check += o.check;
        all.wrong = o.wrong;
        memcpy(all.error, o.error, sizeof all.error);
        all.ended = o.ended;
        at = (at + o.got) % size;
    }
    return print_result("seq", &all);
}

static bool read_at_random(struct reader *r, double seconds, uint64_t state)
{
    double until = now() + seconds;
    bool fine = true;

    while (fine && now() < until) {
        uint64_t off = data_random(&state) % (r->target->size - RANDOM_READ) & ~UINT64_C(4095);
        struct result o = read_range(r, off, RANDOM_READ, 0);
        forget(r, off, RANDOM_READ);
        fine = print_result("rand", &o);
    }
    return fine;
}

static bool print_stats(const struct reader *r)
{
    struct gos_torrent_stats t = {.struct_size = sizeof t};
    struct gos_session_stats s = {.struct_size = sizeof s};

    if (r->target->kind != IN_LIBRARY)
        return true;
    if (gos_torrent_get_stats(r->target->torrent, &t) < 0 ||
        gos_session_get_stats(r->target->session, &s) < 0)
        return false;
    const struct gos_traffic *l = &t.traffic;
    printf("{\"op\":\"stats\",\"peers\":%u,\"unchoked\":%u,\"received\":%" PRIu64
           ",\"verified\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"late\":%" PRIu64
           ",\"redundant\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"kept_up\":%" PRIu64
           ",\"hedged\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"hash_ms\":%.3f,\"arena_peak\":%" PRIu64
           "}\n",
           t.peers, t.peers_unchoked, t.received, t.verified, t.dropped, l->late, l->redundant,
           l->refused, l->kept_up, l->hedged, l->failed, (double)t.hash_ns / 1e6, s.arena_peak);
    struct gos_torrent_reader_stats of = {.struct_size = sizeof of};
    if (gos_torrent_reader_get_stats(r->source, &of) == 0)
        printf("{\"op\":\"reader\",\"reads\":%" PRIu64 ",\"hits\":%" PRIu64 ",\"jumps\":%" PRIu64
               ",\"blocked_ms\":%.3f,\"longest_ms\":%.3f,\"window\":%" PRIu64 "}\n",
               of.reads, of.hits, of.jumps, (double)of.blocked_ns / 1e6,
               (double)of.longest_wait_ns / 1e6, of.window);
    fflush(stdout);
    return true;
}

static bool operate(struct reader *r, const char *op)
{
    uint64_t off, len, seed;
    double seconds;
    int n;
    struct result o;

    if (strcmp(op, "stats") == 0)
        return print_stats(r);
    if (sscanf(op, "par:%d", &n) == 1)
        return read_in_parts(r->target, n);
    if (sscanf(op, "rand:%lf:%" SCNu64, &seconds, &seed) == 2)
        return read_at_random(r, seconds, seed);
    if (sscanf(op, "seq:%lf", &seconds) == 1)
        return read_on(r, seconds);
    if (sscanf(op, "%" SCNu64 ":%" SCNu64, &off, &len) != 2 || off >= r->target->size)
        return false;
    if (len == 0 || len > r->target->size - off)
        len = r->target->size - off;
    o = read_range(r, off, len, 0);
    return print_result("read", &o);
}

/* Operations that come line by line; {"op":"done"} follows each. */
static bool obey(struct reader *r)
{
    char line[128];
    bool fine = true;

    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        fine = operate(r, line) && fine;
        printf("{\"op\":\"done\"}\n");
        fflush(stdout);
    }
    return fine;
}

/* ---- beginning ---- */

struct options {
    const char *peers[MAX_PEERS];
    size_t n_peers;
    uint64_t ram;
    bool wait;
};

static void *whole_file(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *bytes = NULL;

    if (fd >= 0 && fstat(fd, &st) == 0 && (bytes = malloc((size_t)st.st_size + 1))) {
        ssize_t n = read(fd, bytes, (size_t)st.st_size);
        *len = n < 0 ? 0 : (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    return bytes;
}

static int64_t begin_library(struct target *t, const struct options *o)
{
    struct gos_session_opts opts = {.struct_size = sizeof opts,
                                    .ram = o->ram,
                                    .listen = "127.0.0.1:0",
                                    .no_dht = true,
                                    .no_lsd = true,
                                    .no_pex = true};
    struct gos_add_opts add = {.struct_size = sizeof add, .peers = o->peers, .n_peers = o->n_peers};
    struct gos_file_info file = {.struct_size = sizeof file};
    int64_t rc = gos_session_new(&t->session, &opts);

    if (rc == 0 && strncmp(t->path, "magnet:", 7) == 0) {
        rc = gos_session_add_magnet(t->session, &t->torrent, t->path, &add);
    } else if (rc == 0) {
        size_t len = 0;
        void *bytes = whole_file(t->path, &len);
        rc = gos_session_add_torrent(t->session, &t->torrent, bytes, len, &add);
        free(bytes);
    }
    if (rc == 0)
        rc = gos_torrent_wait(t->torrent, NULL);
    if (rc == 0)
        rc = gos_torrent_get_file(t->torrent, 0, &file);
    t->size = file.size;
    return rc;
}

static int64_t begin_file(struct target *t, bool wait)
{
    struct stat st;

    while (stat(t->path, &st) < 0) {
        if (!wait)
            return -errno;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    t->size = (uint64_t)st.st_size;
    return 0;
}

/* The target's words, from argv; returns how many they are, 0: wrong. */
static int parse_target(struct target *t, char **words, int n)
{
    if (n > 1 && strcmp(words[0], "file") == 0) {
        t->kind = IN_FILE;
        t->path = words[1];
        return 2;
    }
    if (n > 1 && strcmp(words[0], "library") == 0) {
        t->kind = IN_LIBRARY;
        t->path = words[1];
        return 2;
    }
    if (n > 4 && strcmp(words[0], "http") == 0) {
        t->kind = IN_HTTP;
        t->host = words[1];
        t->port = atoi(words[2]);
        t->path = words[3];
        t->size = strtoull(words[4], NULL, 10);
        return 5;
    }
    return 0;
}

/* Returns the index of the first word that is no option, -1: wrong. */
static int parse_options(struct target *t, struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},
        {"wait", no_argument, NULL, 'w'},
        {"ram", required_argument, NULL, 'r'},
        {"peer", required_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
        if (c == 's')
            t->seed = strtoull(optarg, NULL, 10);
        else if (c == 'w')
            o->wait = true;
        else if (c == 'r')
            o->ram = strtoull(optarg, NULL, 10);
        else if (c == 'p' && o->n_peers < MAX_PEERS)
            o->peers[o->n_peers++] = optarg;
        else
            return -1;
    }
    return optind;
}

int main(int argc, char **argv)
{
    struct target t = {.seed = 1};
    struct options o = {0};
    struct reader r = {.fd = -1};
    int first = parse_options(&t, &o, argc, argv);
    int words = first < 0 ? 0 : parse_target(&t, argv + first, argc - first);

    if (words == 0) {
        fputs("usage: swarm_reader [--seed N] [--wait] [--ram BYTES]\n"
              "                    [--peer HOST:PORT]...\n"
              "                    file PATH | http HOST PORT URLPATH SIZE | library SOURCE\n"
              "                    OFFSET:LENGTH | par:N | seq:SECONDS | rand:SECONDS:SEED | stats "
              "| -\n",
              stderr);
        return 2;
    }
    int64_t rc = t.kind == IN_LIBRARY ? begin_library(&t, &o)
                 : t.kind == IN_FILE  ? begin_file(&t, o.wait)
                                      : 0;
    if (rc == 0)
        rc = open_reader(&r, &t);
    if (rc < 0)
        fprintf(stderr, "swarm_reader: %s\n", gos_strerror((int)rc));
    bool fine = rc == 0;
    for (int i = first + words; i < argc && fine; i++)
        fine = strcmp(argv[i], "-") == 0 ? obey(&r) : operate(&r, argv[i]);
    close_reader(&r);
    gos_torrent_unref(t.torrent);
    if (gos_session_close(t.session, 0) < 0 && t.session)
        fine = false;
    return fine ? 0 : 1;
}
