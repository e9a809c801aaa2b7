/* SPDX-License-Identifier: MIT
 *
 * Storms: writers, readers of every policy that join and leave, sweeps, seals
 * and deletes at random. Numbered records show order, tearing and loss; bytes
 * read and gaps told have to add up. Arguments: a seed, and how many rounds. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rig.h"
#include "support/data.h"
#include "support/records.h"

#define VIEWS 3u
#define SLICES 6u
#define RECORDS 8u
#define WRITERS_MAX 8u

static uint64_t seed;
#ifdef __SANITIZE_THREAD__
static unsigned rounds = 1; /* a round is long enough then */
#else
static unsigned rounds = 3;
#endif

/* ---- one ring ---- */

struct storm {
    gos_ring *ring;
    struct records_truth truth;
    uint64_t bytes; /* that each writer appends */
    atomic_uint next_id;
    atomic_bool over;
    _Atomic(const char *) wrong;
    atomic_ullong gaps, joins;
};

struct member {
    struct storm *s;
    uint64_t random;
    unsigned id;
    pthread_t thread;
};

static void blame(struct storm *s, const char *what)
{
    const char *none = NULL;

    atomic_compare_exchange_strong(&s->wrong, &none, what);
}

static uint64_t below(struct member *m, uint64_t n)
{
    return data_random(&m->random) % n;
}

static uint32_t random_length(struct member *m, uint64_t max_record)
{
    switch (below(m, 10)) {
    case 0:
        return (uint32_t)(RECORDS_MIN + below(m, max_record - RECORDS_MIN + 1));
    case 1:
        return (uint32_t)(4096 + below(m, 20000));
    default:
        return (uint32_t)(RECORDS_MIN + below(m, 500));
    }
}

static int64_t append_one(struct member *m, gos_ring_writer *w, const unsigned char *buf,
                          uint32_t len)
{
    uint32_t flags = below(m, 50) == 0 ? GOS_RING_MARK : 0;
    size_t cut = below(m, len + 1ull);
    struct gos_slice parts[2] = {{buf, cut}, {buf + cut, len - cut}};

    if (below(m, 500) == 0)
        flags |= GOS_RING_NEW_EPOCH;
    if (below(m, 2))
        return gos_ring_writer_appendv(w, parts, 2, flags, NULL);
    return gos_ring_writer_try_appendv(w, parts, 2, flags);
}

static void *write_records(void *arg)
{
    struct member *m = arg;
    struct storm *s = m->s;
    uint64_t max_record = stats_of(s->ring).max_record, written = 0;
    unsigned char *buf = malloc(max_record + 24096);
    gos_ring_writer *w = NULL;

    assert_int_equal(
        gos_ring_writer_open(&w, s->ring, GOS_OPTS(gos_ring_writer_opts, .id = m->id + 1)), 0);
    for (uint64_t number = 1; written < s->bytes && buf;) {
        uint32_t len = random_length(m, max_record);
        if (len > max_record)
            len = (uint32_t)max_record;
        record_fill(buf, len, m->id, number);
        int64_t n;
        while ((n = append_one(m, w, buf, len)) == GOS_EAGAIN)
            ;
        if (n != len) {
            blame(s, "an append failed");
            break;
        }
        number++;
        written += len;
    }
    gos_ring_writer_close(w);
    free(buf);
    return NULL;
}

/* What a reader still holds. */
struct hold {
    struct gos_slice slices[SLICES];
    struct gos_ring_record records[RECORDS];
    struct gos_ring_view v;
    bool out;
};

static void check_records(struct storm *s, const struct gos_ring_view *v)
{
    for (unsigned i = 0; i < v->n_records; i++) {
        const struct gos_ring_record *r = &v->records[i];
        uint64_t slot = r->offset / RECORDS_MIN;
        uint64_t known = slot < s->truth.n ? atomic_load(&s->truth.at[slot]) : 0;
        if (i > 0 && r->offset != v->records[i - 1].offset + v->records[i - 1].len)
            blame(s, "records do not follow each other");
        /* Its head may not have been parsed by anybody yet. */
        if (known && known >> 48 != r->writer)
            blame(s, "a record is another writer's");
    }
}

static int64_t borrow_some(struct member *m, gos_ring_reader *r, struct follower *f, struct hold *h)
{
    if (h->out)
        gos_ring_reader_release(r, &h->v);
    h->out = false;
    h->v = (struct gos_ring_view){.struct_size = sizeof h->v,
                                  .max_bytes = below(m, 3) ? 0 : 1 + below(m, 100000),
                                  .slices = h->slices,
                                  .max_slices = 1 + (unsigned)below(m, SLICES)};
    if (below(m, 2)) {
        h->v.records = h->records;
        h->v.max_records = 1 + (unsigned)below(m, RECORDS);
    }
    int64_t n = gos_ring_reader_borrow(r, &h->v);
    if (n < 0)
        return n;
    h->out = n > 0;
    if (!(h->v.note.events & GOS_RING_HEAD)) {
        follower_note(f, &h->v.note);
        for (unsigned i = 0; i < h->v.n_slices; i++)
            follower_bytes(f, h->slices[i].base, h->slices[i].len);
    }
    check_records(m->s, &h->v);
    return n;
}

static int64_t wait_some(gos_ring_reader *r)
{
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = in_ms(2)};

    return gos_ring_reader_wait(r, &io);
}

static void judge(struct storm *s, const struct follower *f, gos_ring_reader *r, int64_t last,
                  enum gos_ring_policy policy)
{
    struct gos_ring_reader_stats stats = {.struct_size = sizeof stats};

    gos_ring_reader_get_stats(r, &stats);
    atomic_fetch_add(&s->gaps, stats.gaps);
    if (f->wrong)
        blame(s, f->wrong);
    if (last < 0 && last != GOS_EAGAIN && policy != GOS_RING_DISCONNECT)
        blame(s, "a reader was disconnected that should not be");
    if (policy == GOS_RING_BLOCK && f->lost)
        blame(s, "a blocking reader lost bytes");
    if (f->begun && f->read + f->lost != f->next - f->start)
        blame(s, "bytes read and lost do not add up");
    if (stats.read_bytes != f->read)
        blame(s, "the reader's count of bytes is wrong");
    if (stats.dropped_bytes < f->lost)
        blame(s, "the reader's count of lost bytes is wrong");
    if (last == 0 && (f->next != stats.offset || stats.dropped_bytes != f->lost || f->in_record))
        blame(s, "a reader ended before the end");
}

/* Join somehow, read for a while or to the end, leave. */
static int64_t visit(struct member *m)
{
    struct storm *s = m->s;
    static const enum gos_ring_start starts[] = {GOS_RING_OLDEST, GOS_RING_OLDEST, GOS_RING_NOW,
                                                 GOS_RING_LAST_MARK, GOS_RING_BYTES_BACK};
    struct gos_ring_reader_opts o = {.struct_size = sizeof o,
                                     .start = starts[below(m, 5)],
                                     .policy = (enum gos_ring_policy)below(m, 5),
                                     .start_value = below(m, 300000),
                                     .max_lag = below(m, 2) ? 0 : 1 + below(m, 200000),
                                     .block_ns = INT64_C(60000000000),
                                     .flags = GOS_RING_ALIGN};
    static _Thread_local struct hold holds[VIEWS];
    static _Thread_local struct follower follower;
    struct follower *f = &follower;
    gos_ring_reader *r = NULL;
    int64_t n = GOS_EAGAIN;

    if (gos_ring_reader_open(&r, s->ring, &o) < 0)
        return GOS_ENOENT; /* deleted */
    follower_begin(f, &s->truth);
    memset(holds, 0, sizeof holds);
    atomic_fetch_add(&s->joins, 1);
    for (uint64_t left = below(m, 4) ? below(m, 300) : UINT64_MAX; left > 0 && !f->wrong; left--) {
        n = borrow_some(m, r, f, &holds[below(m, VIEWS)]);
        if (n == GOS_EAGAIN && below(m, 3))
            wait_some(r);
        else if (n <= 0 && n != GOS_EAGAIN)
            break;
    }
    judge(s, f, r, n, o.policy);
    for (unsigned i = 0; i < VIEWS; i++)
        gos_ring_reader_release(r, &holds[i].v);
    gos_ring_reader_close(r);
    return n;
}

static void *read_records(void *arg)
{
    struct member *m = arg;
    int64_t n;

    do {
        n = visit(m);
    } while (n != 0 && n != GOS_ENOENT && !atomic_load(&m->s->wrong));
    return NULL;
}

static void *disturb(void *arg)
{
    struct member *m = arg;
    struct storm *s = m->s;

    while (!atomic_load(&s->over)) {
        gos_ring_sweep(s->ring);
        struct gos_ring_stats stats = stats_of(s->ring);
        if (stats.oldest + stats.retained != stats.tail)
            blame(s, "the ring's counts do not fit together");
        struct gos_ring_record record;
        int rc = gos_ring_find(s->ring, stats.oldest + below(m, stats.retained + 1), &record);
        if (rc != 0 && rc != GOS_ELAPPED && rc != GOS_EAGAIN)
            blame(s, "a record is not found");
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return NULL;
}

static void start(struct storm *s, struct member *m, unsigned id, void *(*fn)(void *))
{
    *m = (struct member){.s = s, .random = seed * 1000 + id * 7919 + 1, .id = id};
    assert_int_equal(pthread_create(&m->thread, NULL, fn, m), 0);
}

static void blow(unsigned n_writers, unsigned n_readers, uint64_t bytes, uint64_t ring_bytes,
                 uint64_t channel_bytes, bool delete)
{
    struct storm s = {.bytes = bytes};
    struct member writers[WRITERS_MAX], readers[64], disturber;

    s.ring = make_ring(ring_bytes, channel_bytes);
    /* Each writer may overshoot by its last record. */
    s.truth.n = (bytes + MIB) * n_writers / RECORDS_MIN + 1;
    s.truth.max_record = stats_of(s.ring).max_record;
    s.truth.at = calloc(s.truth.n, sizeof *s.truth.at);
    assert_non_null(s.truth.at);
    start(&s, &disturber, 100, disturb);
    for (unsigned i = 0; i < n_readers; i++)
        start(&s, &readers[i], 200 + i, read_records);
    for (unsigned i = 0; i < n_writers; i++)
        start(&s, &writers[i], i, write_records);
    for (unsigned i = 0; i < n_writers; i++)
        pthread_join(writers[i].thread, NULL);
    if (delete)
        gos_ring_delete(s.ring);
    else
        gos_ring_seal(s.ring);
    for (unsigned i = 0; i < n_readers; i++)
        pthread_join(readers[i].thread, NULL);
    atomic_store(&s.over, true);
    pthread_join(disturber.thread, NULL);
    assert_int_equal(stats_of(s.ring).readers, 0);
    assert_int_equal(stats_of(s.ring).writers, 0);
    gos_ring_unref(s.ring);
    free(s.truth.at);
    print_message("  %llu joins, %llu gaps\n", (unsigned long long)s.joins,
                  (unsigned long long)s.gaps);
    if (atomic_load(&s.wrong))
        fail_msg("%s", atomic_load(&s.wrong));
}

static void readers_of_all_kinds_see_one_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < rounds; i++, seed++)
        blow(2, 6, 6 * MIB, (64ull << (i % 5)) * KIB, (64ull << (i % 3)) * KIB, i % 2);
}

static void two_writers_and_sixteen_readers_agree(void **state)
{
    (void)state;
    for (unsigned i = 0; i < rounds; i++, seed++)
        blow(2, 16, 3 * MIB, MIB, MIB, false);
}

static void eight_writers_keep_their_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < rounds; i++, seed++)
        blow(8, 4, MIB, 256 * KIB, 512 * KIB, i % 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_of_all_kinds_see_one_order),
        cmocka_unit_test(two_writers_and_sixteen_readers_agree),
        cmocka_unit_test(eight_writers_keep_their_order),
    };
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
    rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : rounds;
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
