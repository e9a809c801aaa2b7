/* SPDX-License-Identifier: MIT
 *
 * soak_reads: random reads of files whose bytes are known, each byte compared.
 *
 *   soak_reads --seed S [--threads N] [--ram BYTES] [--wait SECONDS]
 *              (--torrent FILE | --file PATH) --pattern P [--peer HOST:PORT]...
 *
 * --torrent reads the first file of a torrent through the library; --file reads
 * a file, as one of a mount. Its bytes are pattern P of support/data.h. A read
 * that takes longer than --wait is a failure.
 *
 * Lines on standard input: `peer HOST:PORT` gives one more peer, `limit BYTES`
 * sets the download limit, `end` or the end of input ends it. Standard output
 * has the counts each second, and failures. Exit status: 1 after any failure.
 *
 * Reader threads decide and read; the main thread listens to standard input. */
#include <gostream/source.h>
#include <gostream/torrent.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "soak.h"
#include "support/data.h"

#define SECOND INT64_C(1000000000)
#define MIB (UINT64_C(1) << 20)
#define THREADS_MAX 32
#define PEERS_MAX 16
#define BIG (64 * MIB)
#define SLICES 512

static struct {
    uint64_t seed, pattern, ram, size;
    unsigned threads, n_peers;
    int64_t wait;
    const char *torrent, *file;
    const char *peers[PEERS_MAX];
} opt = {.threads = 4, .wait = 60};

static gos_session *session;
static gos_torrent *torrent;
static gos_source *plain; /* --file */
static atomic_bool over;
static _Atomic int64_t longest;
static gos_cancel *end_all;

/* ---- one reader ---- */

struct reader {
    unsigned index;
    gos_source *source;
    uint64_t size, position;
    unsigned char *buf;
    /* a read that may finish later */
    struct gos_read read;
    struct gos_slice slices[SLICES];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done; /* under the lock */
};

static void must(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "soak_reads: %s: %s\n", what, gos_last_error());
    exit(1);
}

static void reopen(struct reader *r, struct soak_dice *d)
{
    struct gos_torrent_reader_opts opts = {.struct_size = sizeof opts,
                                           .kind = (enum gos_reader_kind)soak_below(d, 4)};
    gos_source_unref(r->source);
    r->source = NULL;
    if (torrent) {
        int rc = gos_torrent_open_reader(torrent, 0, &opts, &r->source);
        if (rc < 0)
            soak_fail("the file cannot be opened: %s", gos_last_error());
    } else {
        r->source = gos_source_ref(plain);
    }
    r->position = soak_below(d, r->size);
}

static void took(const struct reader *r, int64_t since, uint64_t off, uint64_t len)
{
    int64_t t = soak_now_ns() - since, most = atomic_load(&longest);
    while (t > most && !atomic_compare_exchange_weak(&longest, &most, t))
        ;
    if (t > opt.wait * SECOND)
        soak_fail("reader %u: %llu bytes at %llu took %.1f s", r->index, (unsigned long long)len,
                  (unsigned long long)off, (double)t / (double)SECOND);
}

static void compare(const struct reader *r, const void *got, uint64_t len, uint64_t off)
{
    size_t right = data_check(got, (size_t)len, opt.pattern, off);
    if (right != len)
        soak_fail("reader %u: wrong byte at %llu, in %llu at %llu", r->index,
                  (unsigned long long)(off + right), (unsigned long long)len,
                  (unsigned long long)off);
    soak_add(SOAK_BYTES, len);
}

static void read_waiting(struct reader *r, uint64_t off, uint64_t len)
{
    struct gos_io io = {.struct_size = sizeof io,
                        .deadline_ns = soak_now_ns() + 2 * opt.wait * SECOND,
                        .cancel = end_all};
    uint64_t want = len < r->size - off ? len : r->size - off;
    int64_t since = soak_now_ns();
    int64_t n = gos_source_pread(r->source, r->buf, (size_t)len, off, &io);
    if (n > 0)
        compare(r, r->buf, (uint64_t)n, off);
    if (atomic_load(&over))
        return;
    took(r, since, off, len);
    if (n != (int64_t)want)
        soak_fail("reader %u: %llu bytes at %llu gave %lld, %s", r->index, (unsigned long long)len,
                  (unsigned long long)off, (long long)n, n < 0 ? gos_last_error() : "short");
}

static void on_done(struct gos_read *read)
{
    struct reader *r = read->user;
    pthread_mutex_lock(&r->lock);
    if (r->done)
        soak_fail("reader %u: done was called twice", r->index);
    r->done = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* Wait for `done`, `for_ns` at most; then ask the read to end, and wait on. */
static bool wait_or_cancel(struct reader *r, int64_t for_ns)
{
    struct timespec until;
    bool cancelled = false;
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t at = until.tv_sec * SECOND + until.tv_nsec + for_ns;
    until = (struct timespec){at / SECOND, at % SECOND};
    pthread_mutex_lock(&r->lock);
    while (!r->done && pthread_cond_timedwait(&r->changed, &r->lock, &until) != ETIMEDOUT)
        ;
    if (!r->done) {
        cancelled = true;
        gos_read_cancel(&r->read);
    }
    while (!r->done)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
    return cancelled;
}

static void read_borrowing(struct reader *r, struct soak_dice *d, uint64_t off, uint64_t len)
{
    uint64_t want = len < r->size - off ? len : r->size - off;
    int64_t patience = soak_chance(d, 3) ? (int64_t)soak_below(d, SECOND / 20) : opt.wait * SECOND;
    int64_t hold = (int64_t)soak_below(d, SECOND / 10);
    int64_t since = soak_now_ns();
    r->done = false;
    r->read = (struct gos_read){.struct_size = sizeof r->read,
                                .off = off,
                                .len = (size_t)len,
                                .slices = r->slices,
                                .max_slices = SLICES,
                                .done = on_done,
                                .user = r};
    int rc = gos_source_start(r->source, &r->read);
    if (rc == GOS_EBUSY)
        return; /* too much is borrowed already */
    bool cancelled = rc == 0 && wait_or_cancel(r, patience);
    int64_t n = rc < 0 ? rc : r->read.result;
    cancelled |= atomic_load(&over);
    if (n != (int64_t)want && !cancelled)
        soak_fail("reader %u: %llu bytes at %llu, borrowed, gave %lld", r->index,
                  (unsigned long long)len, (unsigned long long)off, (long long)n);
    if (!cancelled)
        took(r, since, off, len);
    if (r->read.n_slices)
        soak_nap(hold);
    for (unsigned i = 0; i < r->read.n_slices; i++) {
        compare(r, r->slices[i].base, r->slices[i].len, off);
        off += r->slices[i].len;
    }
    gos_read_release(&r->read);
}

/* Else the kernel soon has all of a film, and asks the mount nothing any more. */
static void forget_pages(void)
{
    int fd = open(opt.file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static void operate(struct reader *r, struct soak_dice *d)
{
    uint64_t most = (uint64_t)SOAK_PICK(d, 1, 4096, 65536, 131072, 1 << 20, 4 << 20);
    uint64_t len = most == 1 ? 1 : 1 + soak_below(d, most);
    bool big = soak_chance(d, 200);
    switch (soak_below(d, 16)) {
    case 0:
        reopen(r, d);
        break;
    case 1:
    case 2:
        r->position = soak_below(d, r->size); /* a seek */
        break;
    case 3:
        r->position = r->size > len ? r->size - len : 0; /* a look at the end */
        break;
    case 4:
        r->position -= r->position < most ? r->position : most;
        break;
    default:
        break; /* in sequence */
    }
    if (r->position >= r->size)
        r->position = 0;
    if (opt.file && soak_chance(d, 4))
        forget_pages();
    if (!r->source)
        return;
    if (torrent && !big && soak_chance(d, 3))
        read_borrowing(r, d, r->position, len < 4 * MIB ? len : 4 * MIB);
    else
        read_waiting(r, r->position, big ? BIG : len);
    r->position += big ? BIG : len;
}

static void *run_reader(void *arg)
{
    struct reader *r = arg;
    r->buf = malloc(BIG);
    for (uint64_t n = 0; r->buf && !atomic_load(&over); n++) {
        struct soak_dice d = soak_dice(opt.seed, r->index, n);
        if (n == 0)
            reopen(r, &d);
        soak_at(opt.seed, r->index, n);
        operate(r, &d);
        soak_add(SOAK_OPERATIONS, 1);
    }
    gos_source_unref(r->source);
    free(r->buf);
    return NULL;
}

/* ---- the main thread ---- */

static void say(void)
{
    printf("COUNTS %llu %llu %llu %.3f\n", (unsigned long long)soak_count(SOAK_OPERATIONS),
           (unsigned long long)soak_count(SOAK_BYTES),
           (unsigned long long)soak_count(SOAK_FAILURES),
           (double)atomic_load(&longest) / (double)SECOND);
    fflush(stdout);
}

static void obey(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (!strncmp(line, "peer ", 5) && torrent) {
        if (gos_torrent_add_peer(torrent, line + 5) < 0)
            soak_fail("the peer %s cannot be added: %s", line + 5, gos_last_error());
    } else if (!strncmp(line, "limit ", 6) && session) {
        struct gos_session_limits limits = {.struct_size = sizeof limits,
                                            .download_bps = strtoull(line + 6, NULL, 10)};
        if (gos_session_set_limits(session, &limits) < 0)
            soak_fail("limits cannot be set: %s", gos_last_error());
    }
}

/* Lines are short and written whole: one read() has no half of one. */
static void listen_to_input(void)
{
    for (int64_t next = soak_now_ns() + SECOND;;) {
        struct pollfd p = {STDIN_FILENO, POLLIN, 0};
        char text[4096], *rest = text, *line;
        if (poll(&p, 1, 100) > 0) {
            ssize_t n = read(STDIN_FILENO, text, sizeof text - 1);
            if (n <= 0)
                return;
            text[n] = '\0';
            while ((line = strsep(&rest, "\n")) && *line) {
                if (!strcmp(line, "end"))
                    return;
                obey(line);
            }
        }
        if (soak_now_ns() < next)
            continue;
        next += SECOND;
        say();
    }
}

static void open_what_is_read(void)
{
    static unsigned char bytes[16 << 20];
    struct gos_file_info about = {.struct_size = sizeof about};
    if (opt.file) {
        must(gos_source_file(&plain, opt.file), opt.file);
        opt.size = (uint64_t)gos_source_size(plain);
        return;
    }
    FILE *f = fopen(opt.torrent, "rb");
    if (!f) {
        perror(opt.torrent);
        exit(1);
    }
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    must(gos_session_new(&session,
                         GOS_OPTS(gos_session_opts, .ram = opt.ram, .listen = "127.0.0.1:0",
                                  .no_dht = true, .no_lsd = true, .no_pex = true)),
         "session");
    must(
        gos_session_add_torrent(session, &torrent, bytes, n,
                                GOS_OPTS(gos_add_opts, .peers = opt.peers, .n_peers = opt.n_peers)),
        opt.torrent);
    must(gos_torrent_get_file(torrent, 0, &about), "file");
    opt.size = about.size;
}

static int soak(void)
{
    static struct reader readers[THREADS_MAX];
    pthread_t thread[THREADS_MAX];
    open_what_is_read();
    must(gos_cancel_new(&end_all), "latch");
    for (unsigned i = 0; i < opt.threads; i++) {
        readers[i].index = i;
        readers[i].size = opt.size;
        pthread_mutex_init(&readers[i].lock, NULL);
        pthread_cond_init(&readers[i].changed, NULL);
        if (pthread_create(&thread[i], NULL, run_reader, &readers[i]) != 0)
            exit(1);
    }
    listen_to_input();
    atomic_store(&over, true);
    gos_cancel_fire(end_all);
    for (unsigned i = 0; i < opt.threads; i++)
        pthread_join(thread[i], NULL);
    gos_source_unref(plain);
    gos_torrent_unref(torrent);
    if (session && gos_session_close(session, 20 * SECOND) != 0)
        soak_fail("the session did not close: %s", gos_last_error());
    gos_cancel_free(end_all);
    say();
    return soak_count(SOAK_FAILURES) > 0;
}

static int usage(void)
{
    fputs("usage: soak_reads --seed S [--threads N] [--ram BYTES] [--wait SECONDS]\n"
          "                  (--torrent FILE | --file PATH) --pattern P [--peer HOST:PORT]...\n",
          stderr);
    return 2;
}

static bool take(int c)
{
    uint64_t number = optarg ? strtoull(optarg, NULL, 10) : 0;
    switch (c) {
    case 'S':
        opt.seed = number;
        return true;
    case 'n':
        opt.threads = (unsigned)number;
        return number > 0 && number <= THREADS_MAX;
    case 'r':
        opt.ram = number;
        return true;
    case 'w':
        opt.wait = (int64_t)number;
        return number > 0;
    case 't':
        opt.torrent = optarg;
        return true;
    case 'f':
        opt.file = optarg;
        return true;
    case 'p':
        opt.pattern = number;
        return true;
    case 'a':
        if (opt.n_peers == PEERS_MAX)
            return false;
        opt.peers[opt.n_peers++] = optarg;
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"seed", required_argument, NULL, 'S'},
                                          {"threads", required_argument, NULL, 'n'},
                                          {"ram", required_argument, NULL, 'r'},
                                          {"wait", required_argument, NULL, 'w'},
                                          {"torrent", required_argument, NULL, 't'},
                                          {"file", required_argument, NULL, 'f'},
                                          {"pattern", required_argument, NULL, 'p'},
                                          {"peer", required_argument, NULL, 'a'},
                                          {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
        if (!take(c))
            return usage();
    if (optind != argc || !opt.file == !opt.torrent)
        return usage();
    return soak();
}
