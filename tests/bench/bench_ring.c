/* SPDX-License-Identifier: MIT
 *
 * How fast a ring is inside one process: appends per second of 64 bytes and of
 * 64 KiB with 0, 1 and 16 readers that look at every cache line or give back what
 * they got unseen, beside memcpy into a ring of the same size (alone, and with a
 * thread that looks on) and a pipe; and the time from a paced append to
 * its blocking reader, beside a pipe. All of them in turns, again and again; the
 * lines at the end are medians. One writer thread, a thread for each reader.
 *
 *     bench_ring [ROUNDS [MILLISECONDS]]     5 rounds of 300 ms each by default */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gostream.h>

#define RING_BYTES (6u << 20)
#define MAX_READERS 16u
#define MAX_ROUNDS 101u
#define PACED 1000u

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_ring: %s: %s\n", what, gos_last_error());
        exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}

/* ---- throughput ---- */

struct result {
    double appends;   /* per second */
    double delivered; /* of what was written, by all readers, 0..1 each */
};

static uint64_t touch(const unsigned char *p, size_t len)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < len; i += 64)
        sum += p[i];
    return sum;
}

struct fan {
    gos_ring *ring;
    bool touches; /* else what is borrowed is given back unseen */
    atomic_uint ready;
    _Atomic uint64_t read, sum;
};

static void *read_all(void *arg)
{
    struct fan *f = arg;
    struct gos_slice slices[16];
    struct gos_ring_view v = {.struct_size = sizeof v, .slices = slices, .max_slices = 16};
    gos_ring_reader *r;
    uint64_t sum = 0, read = 0;
    int64_t n;

    must(gos_ring_reader_open(&r, f->ring, NULL) == 0, "open a reader");
    atomic_fetch_add(&f->ready, 1);
    while ((n = gos_ring_reader_borrow(r, &v)) != 0) {
        if (n == GOS_EAGAIN) {
            must(gos_ring_reader_wait(r, NULL) == 0, "wait");
            continue;
        }
        must(n > 0, "borrow");
        for (unsigned i = 0; f->touches && i < v.n_slices; i++)
            sum += touch(slices[i].base, slices[i].len);
        read += (uint64_t)n;
        gos_ring_reader_release(r, &v);
    }
    gos_ring_reader_close(r);
    atomic_fetch_add(&f->read, read);
    atomic_fetch_add(&f->sum, sum);
    return NULL;
}

static struct result run_ring(size_t len, unsigned readers, bool touches, int64_t ns)
{
    struct fan f = {.touches = touches};
    pthread_t threads[MAX_READERS];
    unsigned char *block = malloc(len);
    gos_ring_writer *w;
    uint64_t n = 0;

    must(block && gos_ring_new(&f.ring, NULL) == 0 && gos_ring_writer_open(&w, f.ring, NULL) == 0,
         "make a ring");
    memset(block, 'x', len);
    for (unsigned i = 0; i < readers; i++)
        must(pthread_create(&threads[i], NULL, read_all, &f) == 0, "start a reader");
    while (atomic_load(&f.ready) < readers)
        ;
    int64_t begin = now_ns(), end;
    do {
        for (unsigned i = 0; i < 64; i++, n++)
            must(gos_ring_writer_append(w, block, len, 0, NULL) == (int64_t)len, "append");
        end = now_ns();
    } while (end - begin < ns);
    gos_ring_seal(f.ring);
    for (unsigned i = 0; i < readers; i++)
        pthread_join(threads[i], NULL);
    gos_ring_writer_close(w);
    gos_ring_unref(f.ring);
    free(block);
    double written = (double)n * (double)len * readers;
    return (struct result){.appends = (double)n * 1e9 / (double)(end - begin),
                           .delivered = readers ? (double)f.read / written : 1};
}

static struct result run_memcpy(size_t len, int64_t ns)
{
    unsigned char *ring = malloc(RING_BYTES), *block = malloc(len);
    uint64_t n = 0, at = 0;

    must(ring && block, "memory");
    memset(ring, 0, RING_BYTES);
    memset(block, 'x', len);
    int64_t begin = now_ns(), end;
    do {
        for (unsigned i = 0; i < 64; i++, n++) {
            memcpy(ring + at, block, len);
            __asm__ volatile("" ::"r"(ring) : "memory"); /* the copy has to happen */
            at = at + 2 * len > RING_BYTES ? 0 : at + len;
        }
        end = now_ns();
    } while (end - begin < ns);
    free(ring);
    free(block);
    return (struct result){.appends = (double)n * 1e9 / (double)(end - begin), .delivered = 1};
}

/* What the machine lets two threads do: one copies into a ring and says how far
 * it is, the other looks at every line of it and never says a word. */
struct bare {
    unsigned char *ring;
    char apart[64];
    _Atomic uint64_t tail;
    char from_us[64];
    atomic_bool over;
    uint64_t sum;
};

static void *look_at_bare(void *arg)
{
    struct bare *b = arg;
    uint64_t at = 0;

    while (!atomic_load_explicit(&b->over, memory_order_relaxed)) {
        uint64_t tail = atomic_load_explicit(&b->tail, memory_order_acquire);
        if (tail - at > RING_BYTES / 2)
            at = tail; /* too slow: lost */
        for (; at < tail; at += 64)
            b->sum += b->ring[at % RING_BYTES];
    }
    return NULL;
}

static struct result run_bare(size_t len, int64_t ns)
{
    struct bare b = {.ring = aligned_alloc(64, RING_BYTES)};
    unsigned char *block = malloc(len);
    pthread_t thread;
    uint64_t n = 0;

    must(b.ring && block, "memory");
    memset(b.ring, 0, RING_BYTES);
    memset(block, 'x', len);
    must(pthread_create(&thread, NULL, look_at_bare, &b) == 0, "start a reader");
    int64_t begin = now_ns(), end;
    do {
        for (unsigned i = 0; i < 64; i++, n++) {
            memcpy(b.ring + n * len % RING_BYTES, block, len);
            atomic_store_explicit(&b.tail, (n + 1) * len, memory_order_release);
        }
        end = now_ns();
    } while (end - begin < ns);
    atomic_store(&b.over, true);
    pthread_join(thread, NULL);
    free(b.ring);
    free(block);
    return (struct result){.appends = (double)n * 1e9 / (double)(end - begin), .delivered = 1};
}

static void *read_pipe(void *arg)
{
    static unsigned char buf[1 << 16];
    int fd = *(int *)arg;
    ssize_t n;
    uint64_t sum = 0;

    while ((n = read(fd, buf, sizeof buf)) > 0)
        sum += touch(buf, (size_t)n);
    return (void *)(uintptr_t)sum;
}

static struct result run_pipe(size_t len, int64_t ns)
{
    unsigned char *block = malloc(len);
    pthread_t thread;
    int fds[2];
    uint64_t n = 0;

    must(block && pipe(fds) == 0, "make a pipe");
    memset(block, 'x', len);
    must(pthread_create(&thread, NULL, read_pipe, &fds[0]) == 0, "start a reader");
    int64_t begin = now_ns(), end;
    do {
        for (unsigned i = 0; i < 16; i++, n++)
            must(write(fds[1], block, len) == (ssize_t)len, "write to a pipe");
        end = now_ns();
    } while (end - begin < ns);
    close(fds[1]);
    pthread_join(thread, NULL);
    close(fds[0]);
    free(block);
    return (struct result){.appends = (double)n * 1e9 / (double)(end - begin), .delivered = 1};
}

/* ---- latency ---- */

struct course {
    gos_ring *ring;
    int64_t spin_ns;
    int fd; /* of a pipe instead */
    atomic_uint ready;
    double us[PACED];
};

static void *clock_arrivals(void *arg)
{
    struct course *c = arg;
    gos_ring_reader *r = NULL;
    int64_t sent;

    if (c->ring)
        must(gos_ring_reader_open(&r, c->ring,
                                  GOS_OPTS(gos_ring_reader_opts, .spin_ns = c->spin_ns)) == 0,
             "open a reader");
    atomic_store(&c->ready, 1);
    for (unsigned i = 0; i < PACED; i++) {
        int64_t n = r ? gos_ring_reader_read(r, &sent, sizeof sent, NULL, NULL)
                      : read(c->fd, &sent, sizeof sent);
        must(n == sizeof sent, "read a time");
        c->us[i] = (double)(now_ns() - sent) / 1e3;
    }
    gos_ring_reader_close(r);
    return NULL;
}

/* Medians of one run: the time to the reader with `apart_ns` between appends. */
static void run_paced(double out[2], bool over_pipe, int64_t spin_ns, int64_t apart_ns)
{
    static struct course c;
    gos_ring_writer *w = NULL;
    pthread_t thread;
    int fds[2] = {-1, -1};

    c = (struct course){.spin_ns = spin_ns};
    if (over_pipe) {
        must(pipe(fds) == 0, "make a pipe");
        c.fd = fds[0];
    } else {
        must(gos_ring_new(&c.ring, NULL) == 0 && gos_ring_writer_open(&w, c.ring, NULL) == 0,
             "make a ring");
    }
    must(pthread_create(&thread, NULL, clock_arrivals, &c) == 0, "start a reader");
    while (!atomic_load(&c.ready))
        ;
    int64_t next = now_ns() + apart_ns;
    for (unsigned i = 0; i < PACED; i++, next += apart_ns) {
        struct timespec t = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        int64_t sent = now_ns();
        bool ok = w ? gos_ring_writer_append(w, &sent, sizeof sent, 0, NULL) == sizeof sent
                    : write(fds[1], &sent, sizeof sent) == sizeof sent;
        must(ok, "send a time");
    }
    pthread_join(thread, NULL);
    gos_ring_writer_close(w);
    gos_ring_unref(c.ring);
    for (unsigned i = 0; over_pipe && i < 2; i++)
        close(fds[i]);
    out[0] = median(c.us, PACED);
    out[1] = c.us[PACED * 99 / 100];
}

/* ---- the table ---- */

static const size_t lens[] = {64, 65536};

static const struct {
    const char *name;
    unsigned readers;
    bool touches;
} kinds[] = {{"memcpy", 0, false},
             {"memcpy R=1", 1, true},
             {"pipe", 1, true},
             {"ring R=0", 0, false},
             {"ring R=1 unseen", 1, false},
             {"ring R=1", 1, true},
             {"ring R=16 unseen", 16, false},
             {"ring R=16", 16, true}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static double appends[2][KINDS][MAX_ROUNDS], delivered[2][KINDS][MAX_ROUNDS];

static struct result run_kind(unsigned what, size_t len, int64_t ns)
{
    switch (what) {
    case 0:
        return run_memcpy(len, ns);
    case 1:
        return run_bare(len, ns);
    case 2:
        return run_pipe(len, ns);
    default:
        return run_ring(len, kinds[what].readers, kinds[what].touches, ns);
    }
}

static void measure_throughput(unsigned rounds, int64_t ns)
{
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned l = 0; l < 2; l++) {
            for (unsigned what = 0; what < KINDS; what++) {
                struct result r = run_kind(what, lens[l], ns);
                appends[l][what][round] = r.appends;
                delivered[l][what][round] = r.delivered;
            }
        }
    }
}

static void print_throughput(unsigned rounds)
{
    for (unsigned l = 0; l < 2; l++) {
        double copy = 0;
        for (unsigned what = 0; what < KINDS; what++) {
            double n = median(appends[l][what], rounds);
            copy = what == 0 ? n : copy;
            printf("%-16s %6zu B %9.3f M/s %9.2f GB/s %6.1f %% of memcpy, delivered %5.1f %%\n",
                   kinds[what].name, lens[l], n / 1e6, n * (double)lens[l] / 1e9, 100 * n / copy,
                   100 * median(delivered[l][what], rounds));
        }
    }
}

static void measure_latency(unsigned rounds)
{
    static const struct {
        const char *name;
        bool over_pipe;
        int64_t spin_ns, apart_ns;
    } courses[] = {
        {"pipe", true, 0, 200000},
        {"ring, as it judges", false, 0, 200000},
        {"ring, as it judges", false, 0, 20000},
        {"ring, looks for 5 ms", false, 5000000, 200000},
        {"ring, sleeps at once", false, -1, 200000},
    };
    enum { N = sizeof courses / sizeof *courses };
    static double p50[N][MAX_ROUNDS], p99[N][MAX_ROUNDS];

    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < N; i++) {
            double out[2];
            run_paced(out, courses[i].over_pipe, courses[i].spin_ns, courses[i].apart_ns);
            p50[i][round] = out[0];
            p99[i][round] = out[1];
        }
    }
    for (unsigned i = 0; i < N; i++)
        printf("%-22s every %3lld us: p50 %7.2f us, p99 %8.2f us\n", courses[i].name,
               (long long)courses[i].apart_ns / 1000, median(p50[i], rounds),
               median(p99[i], rounds));
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    int64_t ms = argc > 2 ? strtol(argv[2], NULL, 10) : 300;

    if (rounds < 1 || rounds > MAX_ROUNDS || ms < 1) {
        fprintf(stderr, "usage: bench_ring [ROUNDS [MILLISECONDS]]\n");
        return 2;
    }
    measure_throughput(rounds, ms * 1000000);
    print_throughput(rounds);
    measure_latency(rounds);
    return 0;
}
