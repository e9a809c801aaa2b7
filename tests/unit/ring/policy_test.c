/* SPDX-License-Identifier: MIT
 *
 * What becomes of readers that lag, and that each byte of it is told. */
#include <pthread.h>
#include <stdatomic.h>

#include "rig.h"
#include "support/data.h"

struct rig {
    gos_ring *ring;
    gos_ring_writer *w;
};

/* 1 MiB of history, 256 KiB of lag. */
static int set_up(void **state)
{
    static struct rig rig;

    rig.ring = make_ring(MIB, 256 * KIB);
    rig.w = make_writer(rig.ring);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    take_down(rig->ring, rig->w, NULL);
    return 0;
}

static struct gos_ring_reader_stats of(gos_ring_reader *r)
{
    struct gos_ring_reader_stats s = {.struct_size = sizeof s};

    assert_int_equal(gos_ring_reader_get_stats(r, &s), 0);
    return s;
}

/* ---- policies that lose ---- */

static void lag_within_the_limit_loses_nothing(void **state)
{
    struct rig *rig = *state;

    for (unsigned policy = GOS_RING_DROP_OLDEST; policy <= GOS_RING_DROP_NEW; policy++) {
        gos_ring_reader *r = make_reader(rig->ring, GOS_RING_NOW, (enum gos_ring_policy)policy);
        struct got got = {0};
        for (unsigned i = 0; i < 20; i++) {
            append_pattern(rig->w, 4096, 64); /* 256 KiB exactly */
            drain(r, &got);
        }
        assert_int_equal(got.gaps, 0);
        assert_int_equal(got.bytes, 20 * 256 * KIB);
        gos_ring_reader_close(r);
    }
}

static void drop_oldest_keeps_the_newest_within_the_limit(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    struct got got = {0};

    append_pattern(rig->w, 1000, 500);
    drain(r, &got);
    assert_int_equal(got.gaps, 1);
    assert_int_equal(got.bytes, 262000); /* whole records of 256 KiB */
    assert_int_equal(got.lost, 500000 - 262000);
    struct gos_ring_reader_stats s = of(r);
    assert_int_equal(s.gaps, 1);
    assert_int_equal(s.dropped_bytes, got.lost);
    assert_int_equal(s.read_bytes, got.bytes);
    assert_int_equal(stats_of(rig->ring).dropped_bytes, got.lost);
    gos_ring_reader_close(r);
}

static void drop_latest_skips_to_the_newest_record(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_DROP_LATEST);
    struct got got = {0};

    append_pattern(rig->w, 1000, 500);
    drain(r, &got);
    assert_int_equal(got.bytes, 1000);
    assert_int_equal(got.lost, 499000);
    gos_ring_reader_close(r);
}

static void disconnect_ends_the_reader(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_DISCONNECT);
    struct got got = {0};

    append_pattern(rig->w, 1000, 500);
    drain(r, &got);
    assert_int_equal(got.last, GOS_ELAPPED);
    assert_int_equal(got.bytes, 0);
    assert_int_equal(of(r).status, GOS_ELAPPED);
    drain(r, &got);
    assert_int_equal(got.last, GOS_ELAPPED);
    gos_ring_reader_close(r);
}

/* It keeps what it had when the limit was reached, and loses the rest until it
 * has read that, even when the ring has moved on by several times its size. */
static void drop_new_keeps_what_it_has(void **state)
{
    struct rig *rig = *state;

    for (unsigned records = 300; records <= 20000; records *= 4) {
        gos_ring_reader *r = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_DROP_NEW);
        struct got got = {0};
        append_pattern(rig->w, 1000, records);
        drain(r, &got);
        assert_int_equal(got.bytes, 262000);
        assert_int_equal(got.gaps, 0); /* told with what comes next */
        append_pattern(rig->w, 1000, 1);
        drain(r, &got);
        assert_int_equal(got.gaps, 1);
        assert_int_equal(got.bytes, 263000);
        assert_int_equal(got.lost, records * 1000ull - 262000);
        assert_int_equal(got.next, tail_of(rig->ring));
        gos_ring_reader_close(r);
    }
}

static void drop_new_keeps_a_record_larger_than_its_limit(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = NULL;
    struct got got = {0};

    assert_int_equal(gos_ring_reader_open(&r, rig->ring,
                                          GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_NOW,
                                                   .policy = GOS_RING_DROP_NEW, .max_lag = 1)),
                     0);
    append_pattern(rig->w, 500000, 1);
    append_pattern(rig->w, 100000, 50);
    drain(r, &got);
    assert_int_equal(got.bytes, 500000);
    append_pattern(rig->w, 10, 1);
    drain(r, &got);
    assert_int_equal(got.bytes, 500010);
    assert_int_equal(got.lost, 5000000);
    gos_ring_reader_close(r);
}

static void drop_new_reader_that_leaves_takes_its_memory_along(void **state)
{
    struct rig *rig = *state;

    append_pattern(rig->w, 1000, 5000);
    gos_ring_reader *r = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_DROP_NEW);
    append_pattern(rig->w, 1000, 5000);
    uint64_t with = stats_of(rig->ring).memory;
    gos_ring_reader_close(r);
    append_pattern(rig->w, 1000, 1000);
    assert_true(stats_of(rig->ring).memory < with);
}

/* One record larger than the limit is no lag: the reader has everything else. */
static void newest_record_is_within_any_limit(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = NULL;
    struct got got = {0};

    assert_int_equal(
        gos_ring_reader_open(&r, rig->ring,
                             GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_NOW, .max_lag = 100)),
        0);
    for (unsigned i = 0; i < 10; i++) {
        append_pattern(rig->w, 500000, 1);
        drain(r, &got);
    }
    assert_int_equal(got.gaps, 0);
    assert_int_equal(got.bytes, 5000000);
    gos_ring_reader_close(r);
}

static void history_is_not_held_to_the_lag_rule(void **state)
{
    struct rig *rig = *state;

    append_pattern(rig->w, 1024, 2000);
    for (unsigned policy = GOS_RING_DROP_OLDEST; policy <= GOS_RING_DROP_NEW; policy++) {
        gos_ring_reader *r = make_reader(rig->ring, GOS_RING_OLDEST, (enum gos_ring_policy)policy);
        struct got got = {0};
        uint64_t oldest = stats_of(rig->ring).oldest;
        drain(r, &got);
        assert_int_equal(got.first, oldest);
        assert_int_equal(got.bytes, MIB); /* four times the limit */
        assert_int_equal(got.gaps, 0);
        gos_ring_reader_close(r);
    }
}

/* The low-latency setting: little lag, twice the history; joins under load. */
static void joins_while_a_writer_writes_miss_nothing(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(512 * KIB, 256 * KIB);
    gos_ring_writer *w = make_writer(ring);

    append_pattern(w, 65536, 200);
    for (unsigned i = 0; i < 40; i++) {
        gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
        struct gos_slice slice;
        struct gos_ring_view v = {.struct_size = sizeof v, .slices = &slice, .max_slices = 1};
        struct got got = {0};
        append_pattern(w, 65536, 1);
        assert_true(gos_ring_reader_borrow(r, &v) > 0);
        assert_int_equal(v.note.events, 0);
        got.first = got.next = v.note.offset + v.bytes;
        got.events = GOS_RING_SEALED; /* not its first bytes any more */
        gos_ring_reader_release(r, &v);
        append_pattern(w, 65536, 1);
        drain(r, &got);
        assert_int_equal(got.gaps, 0);
        assert_int_equal(got.next, tail_of(ring));
        gos_ring_reader_close(r);
    }
    take_down(ring, w, NULL);
}

/* ---- block ---- */

static void block_holds_writers_up_at_its_cap(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_BLOCK);
    struct got got = {0};
    unsigned fitted = 0;

    while (try_pattern(rig->w, 1000) == 1000)
        fitted++;
    assert_int_equal(fitted, 262); /* 256 KiB */
    assert_int_equal(try_pattern(rig->w, 1000), GOS_EAGAIN);
    assert_int_equal(try_pattern(rig->w, 100), 100); /* what fits, fits */
    drain(r, &got);
    assert_int_equal(got.bytes, 262100);
    assert_int_equal(try_pattern(rig->w, 1000), 1000);
    gos_ring_reader_close(r);
    append_pattern(rig->w, 1000, 1000); /* nobody holds it up any more */
}

static void blocked_append_gives_up_at_its_deadline(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_BLOCK);
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = in_ms(5)};
    static char bytes[600000];

    /* One record of 512 KiB goes in, because the reader has read everything. */
    assert_int_equal(gos_ring_writer_append(rig->w, bytes, sizeof bytes, 0, &io), 512 * KIB);
    io.deadline_ns = in_ms(5);
    assert_int_equal(gos_ring_writer_append(rig->w, bytes, 1, 0, &io), GOS_ETIMEDOUT);
    assert_true(in_ms(0) >= io.deadline_ns);
    io.deadline_ns = 0;
    io.idle_ns = 1000000;
    assert_int_equal(gos_ring_writer_append(rig->w, bytes, 1, 0, &io), GOS_ETIMEDOUT);
    assert_true(stats_of(rig->ring).blocked_ns > 0);
    gos_ring_reader_close(r);
}

static void *fire(void *arg)
{
    struct firing *f = arg;

    wait_for_sleeping_append(f->ring, 1);
    gos_cancel_fire(f->cancel);
    return NULL;
}

/* The records are so short that their index is full before the storage, and the
 * reader has read half of the oldest one. */
static void reader_inside_the_oldest_record_holds_a_full_index(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(64 * KIB, 64 * KIB);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_BLOCK);
    char some[20] = {0}, rest[64 * KIB];
    int64_t n = 0;

    assert_int_equal(gos_ring_writer_append(w, some, sizeof some, 0, NULL), sizeof some);
    assert_int_equal(gos_ring_reader_read(r, rest, 10, NULL, NULL), 10);
    struct gos_slice part = {.base = some, .len = sizeof some};
    for (int i = 0; n >= 0 && i < 100000; i++)
        n = gos_ring_writer_try_appendv(w, &part, 1, 0);
    assert_int_equal(n, GOS_EAGAIN);
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = in_ms(50)};
    assert_int_equal(gos_ring_writer_append(w, some, sizeof some, 0, &io), GOS_ETIMEDOUT);
    assert_true(gos_ring_reader_read(r, rest, 10, NULL, NULL) == 10); /* the rest of it */
    assert_int_equal(gos_ring_writer_append(w, some, sizeof some, 0, NULL), sizeof some);
    take_down(ring, w, r);
}

static void blocked_append_can_be_cancelled(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = make_blocking(rig->ring, GOS_RING_NOW, 0, INT64_MAX);
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = soon()};
    pthread_t thread;

    while (try_pattern(rig->w, 1000) == 1000)
        ;
    assert_int_equal(gos_cancel_new(&io.cancel), 0);
    struct firing f = {rig->ring, io.cancel};
    assert_int_equal(pthread_create(&thread, NULL, fire, &f), 0);
    static char bytes[2000];
    for (int i = 0; i < 2; i++) /* while it waits, and before */
        assert_int_equal(gos_ring_writer_append(rig->w, bytes, 2000, 0, &io), GOS_ECANCELED);
    assert_true(in_ms(0) < io.deadline_ns);
    pthread_join(thread, NULL);
    gos_cancel_free(io.cancel);
    gos_ring_reader_close(r);
}

static void *read_slowly(void *arg)
{
    gos_ring_reader *r = arg;
    static unsigned char buf[7000];
    uint64_t at = 0;
    int64_t n;

    while ((n = gos_ring_reader_read(r, buf, sizeof buf, NULL, NULL)) > 0) {
        if (data_check(buf, (size_t)n, SEED, at) != (size_t)n)
            return (void *)1;
        at += (uint64_t)n;
    }
    return (void *)(uintptr_t)(n != 0 || at != 20000000);
}

static void block_loses_nothing(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = make_reader(rig->ring, GOS_RING_OLDEST, GOS_RING_BLOCK);
    pthread_t thread;
    void *wrong;

    assert_int_equal(pthread_create(&thread, NULL, read_slowly, r), 0);
    append_pattern(rig->w, 100000, 200);
    gos_ring_seal(rig->ring);
    assert_int_equal(pthread_join(thread, &wrong), 0);
    assert_null(wrong);
    assert_int_equal(of(r).gaps, 0);
    gos_ring_reader_close(r);
}

struct joins {
    gos_ring *ring;
    atomic_bool over;
};

static void *write_large_records(void *arg)
{
    struct joins *j = arg;
    gos_ring_writer *w = make_writer(j->ring);
    static unsigned char bytes[32 * KIB];

    while (!atomic_load(&j->over))
        assert_int_equal(gos_ring_writer_append(w, bytes, sizeof bytes, 0, NULL), sizeof bytes);
    gos_ring_writer_close(w);
    return NULL;
}

/* Also while an append is on its way that has already asked for room. */
static void blocking_reader_may_join_at_any_time(void **state)
{
    (void)state;
    struct joins j = {.ring = make_ring(64 * KIB, 64 * KIB)};
    pthread_t thread;
    static unsigned char buf[96 * KIB];

    assert_int_equal(pthread_create(&thread, NULL, write_large_records, &j), 0);
    for (unsigned i = 0; i < 200; i++) {
        gos_ring_reader *r = make_reader(j.ring, GOS_RING_OLDEST, GOS_RING_BLOCK);
        struct gos_ring_note note = {.struct_size = sizeof note};
        for (unsigned reads = 0; reads < 4; reads++) {
            assert_true(gos_ring_reader_read(r, buf, sizeof buf, NULL, &note) > 0);
            assert_int_equal(note.events, 0);
        }
        gos_ring_reader_close(r);
    }
    atomic_store(&j.over, true);
    pthread_join(thread, NULL);
    gos_ring_unref(j.ring);
}

static void reader_that_blocks_for_too_long_is_disconnected(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = NULL;
    struct got got = {0};

    assert_int_equal(gos_ring_reader_open(&r, rig->ring,
                                          GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_NOW,
                                                   .policy = GOS_RING_BLOCK, .block_ns = 5000000)),
                     0);
    int64_t begin = in_ms(0);
    append_pattern(rig->w, 1000, 1000); /* waits once */
    assert_true(in_ms(0) - begin >= 5000000);
    drain(r, &got);
    assert_int_equal(got.last, GOS_ETIMEDOUT);
    assert_int_equal(stats_of(rig->ring).readers, 1); /* until it leaves */
    gos_ring_reader_close(r);
}

static void count_wake(struct gos_ring_watch *watch)
{
    unsigned *n = watch->user;

    ++*n;
}

/* A server's writer does not wait: the time runs all the same, by sweeps. */
static void sweep_disconnects_a_reader_that_blocks(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = NULL;
    unsigned woken = 0;

    assert_int_equal(gos_ring_reader_open(&r, rig->ring,
                                          GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_NOW,
                                                   .policy = GOS_RING_BLOCK, .block_ns = 1000000)),
                     0);
    struct gos_ring_watch watch = {.struct_size = sizeof watch, .wake = count_wake, .user = &woken};
    int64_t deadline = soon();
    while (try_pattern(rig->w, 1000) == 1000)
        assert_true(in_ms(0) < deadline);
    assert_int_equal(gos_ring_writer_arm(rig->w, 1000, &watch), 0);
    while (of(r).status == 0 && in_ms(0) < deadline)
        gos_ring_sweep(rig->ring); /* nobody else looks */
    assert_int_equal(of(r).status, GOS_ETIMEDOUT);
    assert_int_equal(woken, 1);
    gos_ring_disarm(rig->ring, &watch);
    assert_int_equal(try_pattern(rig->w, 1000), 1000);
    gos_ring_reader_close(r);
}

static void age_and_short_records_do_not_overtake_a_blocking_reader(void **state)
{
    (void)state;
    gos_ring *ring = NULL;
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .ring_bytes = 64 * KIB,
                                                  .channel_bytes = 64 * KIB, .max_age_ns = 1)),
                     0);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_BLOCK);
    struct got got = {0};
    uint64_t written = 0;

    while (try_pattern(w, 1) == 1)
        written++;
    assert_in_range(written, 1000, 64 * KIB - 1); /* the index was full before the bytes were */
    gos_ring_sweep(ring);
    drain(r, &got);
    assert_int_equal(got.bytes, written);
    assert_int_equal(got.gaps, 0);
    assert_int_equal(try_pattern(w, 1), 1);
    take_down(ring, w, r);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(lag_within_the_limit_loses_nothing),
        WITH_RIG(drop_oldest_keeps_the_newest_within_the_limit),
        WITH_RIG(drop_latest_skips_to_the_newest_record),
        WITH_RIG(disconnect_ends_the_reader),
        WITH_RIG(drop_new_keeps_what_it_has),
        WITH_RIG(drop_new_keeps_a_record_larger_than_its_limit),
        WITH_RIG(drop_new_reader_that_leaves_takes_its_memory_along),
        WITH_RIG(newest_record_is_within_any_limit),
        WITH_RIG(history_is_not_held_to_the_lag_rule),
        cmocka_unit_test(joins_while_a_writer_writes_miss_nothing),
        WITH_RIG(block_holds_writers_up_at_its_cap),
        cmocka_unit_test(reader_inside_the_oldest_record_holds_a_full_index),
        WITH_RIG(blocked_append_gives_up_at_its_deadline),
        WITH_RIG(blocked_append_can_be_cancelled),
        WITH_RIG(block_loses_nothing),
        cmocka_unit_test(blocking_reader_may_join_at_any_time),
        WITH_RIG(reader_that_blocks_for_too_long_is_disconnected),
        WITH_RIG(sweep_disconnects_a_reader_that_blocks),
        cmocka_unit_test(age_and_short_records_do_not_overtake_a_blocking_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
