/* SPDX-License-Identifier: MIT
 *
 * Decisions, counts and reports of the soak programs. Counts are atomic; the
 * reporter is a thread of its own, so that it also speaks when all others hang. */
#include "soak.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/resource.h>
#include <unistd.h>

#include "support/data.h"

#define SECOND INT64_C(1000000000)
#define EVERY (10 * SECOND)
#define TOO_MANY_FAILURES 50

static atomic_ullong counts[SOAK_COUNTS];
static atomic_ullong at_seed, at_round, at_operation;
static pthread_t reporter;
static atomic_bool reporting;
static int64_t began, stuck_after;

/* ---- decisions ---- */

struct soak_dice soak_dice(uint64_t seed, uint64_t round, uint64_t operation)
{
    struct soak_dice d = {seed};
    d.state = data_random(&d.state) ^ round;
    d.state = data_random(&d.state) ^ operation;
    return d;
}

uint64_t soak_below(struct soak_dice *d, uint64_t n)
{
    uint64_t number = data_random(&d->state);
    return n ? number % n : 0;
}

bool soak_chance(struct soak_dice *d, unsigned one_in)
{
    return soak_below(d, one_in) == 0;
}

/* ---- counts ---- */

void soak_add(enum soak_count what, uint64_t n)
{
    atomic_fetch_add_explicit(&counts[what], n, memory_order_relaxed); /* only counted */
}

uint64_t soak_count(enum soak_count what)
{
    return atomic_load_explicit(&counts[what], memory_order_relaxed);
}

void soak_at(uint64_t seed, uint64_t round, uint64_t operation)
{
    atomic_store(&at_seed, seed);
    atomic_store(&at_round, round);
    atomic_store(&at_operation, operation);
}

void soak_fail(const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    printf("FAILURE seed %llu round %llu operation %llu: %s\n", atomic_load(&at_seed),
           atomic_load(&at_round), atomic_load(&at_operation), text);
    fflush(stdout);
    soak_add(SOAK_FAILURES, 1);
    if (soak_count(SOAK_FAILURES) < TOO_MANY_FAILURES)
        return;
    soak_report_line();
    puts("too many failures");
    fflush(stdout);
    _exit(1); /* other threads are in the middle of things */
}

/* ---- reports ---- */

int64_t soak_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

void soak_nap(int64_t ns)
{
    struct timespec t = {ns / SECOND, ns % SECOND};
    nanosleep(&t, NULL);
}

void soak_report_line(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("%5.0f s: operations %llu, faults %llu, bytes %llu, failures %llu (peak RSS %ld MiB)\n",
           (double)(soak_now_ns() - began) / (double)SECOND,
           (unsigned long long)soak_count(SOAK_OPERATIONS),
           (unsigned long long)soak_count(SOAK_FAULTS), (unsigned long long)soak_count(SOAK_BYTES),
           (unsigned long long)soak_count(SOAK_FAILURES), use.ru_maxrss / 1024);
    fflush(stdout);
}

static void *report(void *nothing)
{
    int64_t next = began + EVERY, moved = began;
    uint64_t seen = 0;
    (void)nothing;
    while (atomic_load(&reporting)) {
        soak_nap(SECOND / 10);
        int64_t now = soak_now_ns();
        uint64_t operations = soak_count(SOAK_OPERATIONS);
        if (operations != seen) {
            seen = operations;
            moved = now;
        }
        if (now - moved > stuck_after) {
            soak_fail("nothing has happened for %lld s", (long long)(stuck_after / SECOND));
            soak_report_line();
            _exit(1); /* whoever hangs cannot be joined */
        }
        if (now < next)
            continue;
        next += EVERY;
        soak_report_line();
    }
    return NULL;
}

void soak_report_begin(int64_t stuck_ns)
{
    began = soak_now_ns();
    stuck_after = stuck_ns;
    atomic_store(&reporting, true);
    if (pthread_create(&reporter, NULL, report, NULL) != 0) {
        fputs("no thread for reports\n", stderr);
        exit(1);
    }
}

void soak_report_end(void)
{
    atomic_store(&reporting, false);
    pthread_join(reporter, NULL);
    soak_report_line();
}
