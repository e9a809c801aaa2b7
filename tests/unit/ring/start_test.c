/* SPDX-License-Identifier: MIT
 *
 * Where readers begin. */
#include "rig.h"
#include "ring/ring.h"

static uint64_t offset_of(gos_ring *ring, const struct gos_ring_reader_opts *opts)
{
    gos_ring_reader *r = NULL;

    assert_int_equal(gos_ring_reader_open(&r, ring, opts), 0);
    int64_t off = gos_ring_reader_offset(r);
    assert_true(off >= 0);
    gos_ring_reader_close(r);
    return (uint64_t)off;
}

struct rig {
    gos_ring *ring;
    gos_ring_writer *w;
};

/* Ten records of 1000 bytes. */
static int set_up(void **state)
{
    static struct rig rig;

    rig.ring = make_ring(0, 0);
    rig.w = make_writer(rig.ring);
    append_pattern(rig.w, 1000, 10);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    take_down(rig->ring, rig->w, NULL);
    return 0;
}

static void oldest_is_the_default(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(offset_of(rig->ring, NULL), 0);
}

static void now_is_the_tail(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(offset_of(rig->ring, GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_NOW)),
                     10000);
}

static void reader_of_now_gets_what_is_written_after_it_was_opened(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    struct got got = {0};

    append_pattern(rig->w, 500, 1);
    drain(r, &got);
    assert_int_equal(got.first, 10000);
    assert_int_equal(got.bytes, 500);
    gos_ring_reader_close(r);
}

static void offset_is_taken_as_it_is(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(offset_of(rig->ring, GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_OFFSET,
                                                   .start_value = 2345)),
                     2345);
    assert_int_equal(offset_of(rig->ring, GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_OFFSET,
                                                   .start_value = 10000)),
                     10000);
}

static void offset_behind_the_tail_is_refused(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = NULL;

    assert_int_equal(gos_ring_reader_open(&r, rig->ring,
                                          GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_OFFSET,
                                                   .start_value = 10001)),
                     GOS_EINVAL);
    assert_int_equal(stats_of(rig->ring).readers, 0);
}

static void offset_moves_back_to_its_record_when_aligned(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(offset_of(rig->ring, GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_OFFSET,
                                                   .start_value = 2345, .flags = GOS_RING_ALIGN)),
                     2000);
}

static void bytes_back_counts_from_the_tail(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(
        offset_of(rig->ring, GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_BYTES_BACK,
                                      .start_value = 1500)),
        8500);
    assert_int_equal(
        offset_of(rig->ring, GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_BYTES_BACK,
                                      .start_value = 1500, .flags = GOS_RING_ALIGN)),
        8000);
    assert_int_equal(
        offset_of(rig->ring, GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_BYTES_BACK,
                                      .start_value = 1u << 30)),
        0);
}

static void time_back_begins_with_the_first_record_of_that_time(void **state)
{
    struct rig *rig = *state;
    struct gos_ring_record old;

    assert_int_equal(gos_ring_find(rig->ring, 9999, &old), 0);
    while (in_ms(0) <
           old.mono_ns + 2000000) /* the next record is later by more than is asked for */
        ;
    append_pattern(rig->w, 1000, 1);
    struct gos_ring_record young;
    assert_int_equal(gos_ring_find(rig->ring, 10000, &young), 0);
    int64_t back = in_ms(0) - young.mono_ns;
    /* Between the two, however long this takes. */
    uint64_t off = offset_of(rig->ring, GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_TIME_BACK,
                                                 .start_value = (uint64_t)back / 2));
    assert_int_equal(off, 11000);
    off = offset_of(rig->ring, GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_TIME_BACK,
                                        .start_value = 1ull << 62));
    assert_int_equal(off, 0);
}

static void last_mark_is_the_newest_marked_record(void **state)
{
    struct rig *rig = *state;
    const struct gos_ring_reader_opts opts = {.struct_size = sizeof opts,
                                              .start = GOS_RING_LAST_MARK};

    assert_int_equal(offset_of(rig->ring, &opts), 0);
    assert_int_equal(gos_ring_writer_append(rig->w, "key", 3, GOS_RING_MARK, NULL), 3);
    assert_int_equal(gos_ring_writer_append(rig->w, "frame", 5, 0, NULL), 5);
    assert_int_equal(offset_of(rig->ring, &opts), 10000);
    assert_int_equal(gos_ring_writer_append(rig->w, "key", 3, GOS_RING_MARK, NULL), 3);
    assert_int_equal(offset_of(rig->ring, &opts), 10008);
}

static void mark_that_is_no_longer_kept_gives_the_history(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(gos_ring_writer_append(rig->w, "key", 3, GOS_RING_MARK, NULL), 3);
    append_pattern(rig->w, MIB, 9);
    assert_int_equal(
        offset_of(rig->ring, GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_LAST_MARK)),
        stats_of(rig->ring).oldest);
}

static void offset_no_longer_kept_is_told_as_a_gap(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = NULL;
    struct got got = {0};

    append_pattern(rig->w, MIB, 9);
    assert_int_equal(gos_ring_reader_open(&r, rig->ring,
                                          GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_OFFSET,
                                                   .start_value = 500)),
                     0);
    drain(r, &got);
    assert_int_equal(got.gaps, 1);
    assert_int_equal(got.bytes + got.lost, tail_of(rig->ring) - 500);
    gos_ring_reader_close(r);
}

static void offset_no_longer_kept_ends_a_reader_that_wants_all(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = NULL;
    struct got got = {0};

    append_pattern(rig->w, MIB, 9);
    assert_int_equal(gos_ring_reader_open(&r, rig->ring,
                                          GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_OFFSET,
                                                   .policy = GOS_RING_DISCONNECT)),
                     0);
    drain(r, &got);
    assert_int_equal(got.last, GOS_ELAPPED);
    assert_int_equal(got.bytes, 0);
    gos_ring_reader_close(r);
}

/* However much is written between opening and the first read: a late reader
 * begins with a whole history. */
static void late_reader_loses_nothing_before_its_first_read(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = make_reader(rig->ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    struct got got = {0};

    append_pattern(rig->w, 100000, 200);
    uint64_t oldest = stats_of(rig->ring).oldest;
    assert_int_equal(stats_of(rig->ring).max_lag, 0); /* it has not begun */
    drain(r, &got);
    assert_int_equal(got.gaps, 0);
    assert_int_equal(got.first, oldest);
    assert_int_equal(got.next, tail_of(rig->ring));
    gos_ring_reader_close(r);
}

static void reader_of_an_empty_ring_begins_at_once(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(MIB, MIB);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    struct got got = {0};

    append_pattern(w, 100000, 30);
    drain(r, &got);
    assert_int_equal(got.gaps, 1);
    assert_int_equal(got.lost + got.bytes, 3000000);
    take_down(ring, w, r);
}

static void ten_thousand_idle_readers_cost_little(void **state)
{
    enum { N = 10000 };
    struct rig *rig = *state;
    static gos_ring_reader *readers[N];
    static struct got got[N];

    assert_in_range(sizeof(gos_ring_reader), 1, 512);
    for (unsigned i = 0; i < N; i++) {
        readers[i] = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
        drain(readers[i], &got[i]);
    }
    assert_int_equal(stats_of(rig->ring).readers, N);
    append_pattern(rig->w, 100, 2);
    for (unsigned i = 0; i < N; i++) {
        drain(readers[i], &got[i]);
        assert_int_equal(got[i].bytes, 200);
        gos_ring_reader_close(readers[i]);
    }
    assert_int_equal(stats_of(rig->ring).readers, 0);
}

static void nonsense_is_refused(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = NULL;

    assert_int_equal(
        gos_ring_reader_open(&r, rig->ring,
                             GOS_OPTS(gos_ring_reader_opts, .start = (enum gos_ring_start)6)),
        GOS_EINVAL);
    assert_int_equal(
        gos_ring_reader_open(&r, rig->ring,
                             GOS_OPTS(gos_ring_reader_opts, .policy = (enum gos_ring_policy)5)),
        GOS_EINVAL);
    assert_int_equal(
        gos_ring_reader_open(&r, rig->ring, GOS_OPTS(gos_ring_reader_opts, .flags = 64)),
        GOS_EINVAL);
    assert_int_equal(gos_ring_reader_open(&r, NULL, NULL), GOS_EINVAL);
    assert_null(r);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(oldest_is_the_default),
        WITH_RIG(now_is_the_tail),
        WITH_RIG(reader_of_now_gets_what_is_written_after_it_was_opened),
        WITH_RIG(offset_is_taken_as_it_is),
        WITH_RIG(offset_behind_the_tail_is_refused),
        WITH_RIG(offset_moves_back_to_its_record_when_aligned),
        WITH_RIG(bytes_back_counts_from_the_tail),
        WITH_RIG(time_back_begins_with_the_first_record_of_that_time),
        WITH_RIG(last_mark_is_the_newest_marked_record),
        WITH_RIG(mark_that_is_no_longer_kept_gives_the_history),
        WITH_RIG(offset_no_longer_kept_is_told_as_a_gap),
        WITH_RIG(offset_no_longer_kept_ends_a_reader_that_wants_all),
        WITH_RIG(late_reader_loses_nothing_before_its_first_read),
        WITH_RIG(ten_thousand_idle_readers_cost_little),
        WITH_RIG(nonsense_is_refused),
        cmocka_unit_test(reader_of_an_empty_ring_begins_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
