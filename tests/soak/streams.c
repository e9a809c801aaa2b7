/* SPDX-License-Identifier: MIT
 *
 * soak_streams: rings that come and go, written and read at random, each byte
 * compared.
 *
 *   soak_streams --seed S --seconds N
 *
 * Writers, readers of every policy and start, slow ones and ones that keep what
 * they borrowed, one that reads by the ring as a source; rings are sealed, deleted,
 * idle for too long, replaced; the set has too little room for all of them, and
 * allocations fail. Prints operations, faults, bytes and failures. Exit status: 0,
 * or 1 after any failure.
 *
 * The main thread makes, ends and replaces rings and lets allocations fail; each
 * writer and reader is a thread of its own. */
#include "soak/streams.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define SET_BYTES (12 * MIB)
#define BYTES_MOST (64 * MIB)
#define MEMBERS (STREAM_WRITERS + STREAM_READERS + 1)

/* ---- bells ---- */

void bell_begin(struct bell *b)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->rung, &attr);
    pthread_condattr_destroy(&attr);
    b->ringing = false;
}

void bell_end(struct bell *b)
{
    pthread_cond_destroy(&b->rung);
    pthread_mutex_destroy(&b->lock);
}

void bell_ring(struct bell *b)
{
    pthread_mutex_lock(&b->lock);
    b->ringing = true;
    pthread_cond_signal(&b->rung);
    pthread_mutex_unlock(&b->lock);
}

bool bell_wait(struct bell *b, int64_t ns)
{
    int64_t at = soak_now_ns() + ns;
    struct timespec until = {at / STREAM_SECOND, at % STREAM_SECOND};
    pthread_mutex_lock(&b->lock);
    while (!b->ringing && pthread_cond_timedwait(&b->rung, &b->lock, &until) != ETIMEDOUT)
        continue;
    bool rung = b->ringing;
    b->ringing = false;
    pthread_mutex_unlock(&b->lock);
    return rung;
}

/* ---- short memory ---- */

struct starving starving_before(struct streams *s)
{
    /* The number first: it is counted last when a starving begins. */
    struct starving before = {.count = atomic_load(&s->starvings)};
    before.now = atomic_load(&s->starved);
    return before;
}

bool starved_since(struct streams *s, struct starving before)
{
    return before.now || atomic_load(&s->starved) || atomic_load(&s->starvings) != before.count;
}

static void starve(struct streams *s, struct soak_dice *d)
{
    atomic_store(&s->starved, true);
    atomic_fetch_add(&s->starvings, 1);
    gos__alloc_fail_at(1 + (long)soak_below(d, 20), soak_chance(d, 2));
    soak_nap((int64_t)soak_below(d, 2 * STREAM_MS));
    gos__alloc_fail_at(0, 0);
    atomic_store(&s->starved, false);
    soak_add(SOAK_FAULTS, 1);
}

/* ---- rings ---- */

struct stream *stream_take(struct streams *s, uint64_t place)
{
    pthread_mutex_lock(&s->lock);
    struct stream *st = s->place[place];
    if (st)
        atomic_fetch_add(&st->refs, 1);
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* Nobody writes any more: what writers were told is what there is. */
static void last_look(struct stream *st)
{
    struct gos_ring_stats stats = {.struct_size = sizeof stats};
    gos_ring_get_stats(st->ring, &stats);
    if (stats.tail != atomic_load(&st->appended))
        soak_fail("%llu bytes are in a stream, writers were told of %llu",
                  (unsigned long long)stats.tail, (unsigned long long)atomic_load(&st->appended));
    if (stats.readers || stats.writers)
        soak_fail("%llu readers and %llu writers are left behind",
                  (unsigned long long)stats.readers, (unsigned long long)stats.writers);
}

void stream_drop(struct stream *st)
{
    if (!st || atomic_fetch_sub(&st->refs, 1) != 1)
        return;
    last_look(st);
    gos_ring_unref(st->ring);
    free((void *)st->truth.at);
    free(st);
}

static struct stream *make_stream(struct streams *s, struct soak_dice *d)
{
    struct gos_ring_opts opts = {
        .struct_size = sizeof opts,
        .ring_bytes = (uint64_t)SOAK_PICK(d, 65536, 65536, 200000, 1 << 20, 6 << 20),
        .channel_bytes = (uint64_t)SOAK_PICK(d, 65536, 131072, 1 << 20, 4 << 20),
        .max_age_ns = SOAK_PICK(d, 0, 0, 5 * STREAM_MS, 200 * STREAM_MS),
        .idle_ns = SOAK_PICK(d, 0, 50 * STREAM_MS, STREAM_MS),
        .head_bytes = (uint32_t)SOAK_PICK(d, 0, 0, 100, 70000),
        .max_readers = (uint32_t)SOAK_PICK(d, 0, 0, 3),
        .set = s->set};
    struct stream *st = calloc(1, sizeof *st);
    struct gos_ring_stats stats = {.struct_size = sizeof stats};
    struct starving before = starving_before(s);
    int rc = st ? gos_ring_new(&st->ring, &opts) : GOS_ENOMEM;
    if (rc < 0) {
        if (rc == GOS_EBUDGET)
            atomic_fetch_add(&s->refused, 1);
        else if (!starved_since(s, before))
            soak_fail("no ring can be made: %s", gos_last_error());
        free(st);
        return NULL;
    }
    gos_ring_get_stats(st->ring, &stats);
    st->truth.max_record = stats.max_record;
    st->bytes_most = MIB + soak_below(d, BYTES_MOST - MIB);
    st->truth.n = st->bytes_most / RECORDS_MIN + 1;
    st->truth.at = calloc(st->truth.n, sizeof *st->truth.at);
    atomic_store(&st->refs, 1);
    return st;
}

static void put_in_place(struct streams *s, uint64_t place, struct stream *st)
{
    pthread_mutex_lock(&s->lock);
    struct stream *old = s->place[place];
    s->place[place] = st;
    pthread_mutex_unlock(&s->lock);
    stream_drop(old);
}

static bool is_open(const struct stream *st)
{
    struct gos_ring_stats stats = {.struct_size = sizeof stats};
    gos_ring_get_stats(st->ring, &stats);
    return stats.state == GOS_RING_STATE_OPEN;
}

/* ---- the main thread ---- */

static void operate(struct streams *s, struct soak_dice *d)
{
    uint64_t place = soak_below(d, STREAM_PLACES);
    struct stream *st = stream_take(s, place);
    uint64_t what = soak_below(d, 100);
    if (!st || (!is_open(st) && what < 60)) {
        struct stream *next = make_stream(s, d);
        if (next)
            put_in_place(s, place, next);
    } else if (what < 10) {
        gos_ring_delete(st->ring);
        soak_add(SOAK_FAULTS, 1);
    } else if (what < 18) {
        gos_ring_seal(st->ring);
        soak_add(SOAK_FAULTS, 1);
    } else if (what < 24) {
        gos_ring_delete(st->ring);
        put_in_place(s, place, NULL);
        soak_add(SOAK_FAULTS, 1);
    } else if (what < 40) {
        starve(s, d);
    } else if (what < 70) {
        gos_ring_set_sweep(s->set);
    } else {
        gos_ring_sweep(st->ring);
    }
    stream_drop(st);
    soak_add(SOAK_OPERATIONS, 1);
    soak_nap((int64_t)soak_below(d, 4 * STREAM_MS));
}

static void check_set(struct streams *s)
{
    struct gos_ring_set_stats stats = {.struct_size = sizeof stats};
    gos_ring_set_get_stats(s->set, &stats);
    if (stats.bytes > SET_BYTES)
        soak_fail("%llu bytes are held, %llu may be", (unsigned long long)stats.bytes,
                  (unsigned long long)SET_BYTES);
    if (stats.readers > STREAM_SETS_READERS)
        soak_fail("%llu readers", (unsigned long long)stats.readers);
}

static void nothing_is_left(struct streams *s)
{
    struct gos_ring_set_stats stats = {.struct_size = sizeof stats};
    for (unsigned i = 0; i < STREAM_PLACES; i++)
        put_in_place(s, i, NULL);
    gos_ring_set_get_stats(s->set, &stats);
    if (stats.streams || stats.readers || stats.bytes)
        soak_fail("left behind: %llu streams, %llu readers, %llu bytes",
                  (unsigned long long)stats.streams, (unsigned long long)stats.readers,
                  (unsigned long long)stats.bytes);
    gos_ring_set_unref(s->set);
}

static void soak(struct streams *s, int64_t seconds)
{
    struct member members[MEMBERS];
    int64_t until = soak_now_ns() + seconds * STREAM_SECOND;
    for (unsigned i = 0; i < MEMBERS; i++) {
        members[i] = (struct member){.s = s, .index = i + 1};
        void *(*work)(void *) = i < STREAM_WRITERS ? stream_writer
                                : i < MEMBERS - 1  ? stream_reader
                                                   : stream_looker;
        if (pthread_create(&members[i].thread, NULL, work, &members[i]) != 0)
            exit(1);
    }
    for (uint64_t n = 0; soak_now_ns() < until; n++) {
        struct soak_dice d = soak_dice(s->seed, 0, n);
        soak_at(s->seed, 0, n);
        operate(s, &d);
        check_set(s);
    }
    atomic_store(&s->over, true);
    gos_cancel_fire(s->cancel);
    for (unsigned i = 0; i < STREAM_PLACES; i++) {
        struct stream *st = stream_take(s, i);
        if (st)
            gos_ring_seal(st->ring);
        stream_drop(st);
    }
    for (unsigned i = 0; i < MEMBERS; i++)
        pthread_join(members[i].thread, NULL);
}

static int usage(void)
{
    fputs("usage: soak_streams --seed S --seconds N\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"seconds", required_argument, NULL, 'n'},
                                          {NULL, 0, NULL, 0}};
    static struct streams s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    long long seconds = 0;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 's')
            s.seed = strtoull(optarg, NULL, 10);
        else if (c == 'n')
            seconds = strtoll(optarg, NULL, 10);
        else
            return usage();
    }
    if (optind != argc || seconds <= 0)
        return usage();
    printf("seed %llu\n", (unsigned long long)s.seed);
    const struct gos_ring_set_opts limits = {.struct_size = sizeof limits,
                                             .max_streams = STREAM_PLACES + 2,
                                             .max_readers = STREAM_SETS_READERS,
                                             .max_bytes = SET_BYTES};
    if (gos_cancel_new(&s.cancel) < 0 || gos_ring_set_new(&s.set, &limits) < 0)
        return 1;
    soak_report_begin(60 * STREAM_SECOND);
    soak(&s, seconds);
    nothing_is_left(&s);
    gos_cancel_free(s.cancel);
    soak_report_end();
    printf("%llu joins, %llu gaps, %llu bytes lost and told, %llu refused by limits\n",
           (unsigned long long)atomic_load(&s.joins), (unsigned long long)atomic_load(&s.gaps),
           (unsigned long long)atomic_load(&s.lost), (unsigned long long)atomic_load(&s.refused));
    return soak_count(SOAK_FAILURES) > 0;
}
