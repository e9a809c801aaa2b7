/* SPDX-License-Identifier: MIT
 *
 * A ring's life, what is kept of a stream, and its end. */
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "support/data.h"

/* ---- life and options ---- */

static void new_ring_is_empty_and_has_the_defaults(void **state)
{
    (void)state;
    gos_ring *ring = NULL;

    assert_int_equal(gos_ring_new(&ring, NULL), 0);
    struct gos_ring_stats s = stats_of(ring);
    assert_int_equal(s.tail, 0);
    assert_int_equal(s.retained, 0);
    assert_int_equal(s.ring_bytes, 6 * MIB);
    assert_int_equal(s.channel_bytes, 6 * MIB);
    assert_int_equal(s.max_record, MIB);
    assert_int_equal(s.memory, 0);
    assert_int_equal(s.state, GOS_RING_STATE_OPEN);
    assert_int_equal(s.epoch, 1);
    gos_ring_unref(ring);
    gos_ring_unref(NULL);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    gos_ring *ring = NULL;

    assert_int_equal(gos_ring_new(NULL, NULL), GOS_EINVAL);
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .ring_bytes = UINT64_MAX)),
                     GOS_EINVAL);
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .channel_bytes = 1ull << 41)),
                     GOS_EINVAL);
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .head_bytes = 2 * MIB)),
                     GOS_EINVAL);
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .max_age_ns = -1)), GOS_EINVAL);
    assert_null(ring);
}

static void small_rings_hold_64_kib(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(1, 1);
    struct gos_ring_stats s = stats_of(ring);

    assert_int_equal(s.ring_bytes, 64 * KIB);
    assert_int_equal(s.max_record, 32 * KIB);
    gos_ring_unref(ring);
}

/* ---- what is kept ---- */

static void many_short_writes_are_all_kept(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_writer *w = make_writer(ring);
    struct got got = {0};

    append_pattern(w, 5, 200);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    drain(r, &got);
    assert_int_equal(got.bytes, 1000);
    assert_int_equal(got.last, GOS_EAGAIN);
    assert_int_equal(stats_of(ring).records, 200);
    take_down(ring, w, r);
}

/* Whatever the size of the writes, the history is ring_bytes and begins with a record. */
static void history_is_counted_in_bytes(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 100, 1000, 4096, 10000, 65536, 1000000, 3000000};

    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        gos_ring *ring = make_ring(MIB, 64 * KIB);
        gos_ring_writer *w = make_writer(ring);
        size_t record = lens[i] < 512 * KIB ? lens[i] : 512 * KIB;
        unsigned char *bytes = malloc(lens[i]);
        assert_non_null(bytes);
        memset(bytes, 'x', lens[i]);
        uint64_t enough = lens[i] == 1 ? 100000 : 3 * MIB;
        for (uint64_t written = 0; written < enough; written += lens[i])
            assert_int_equal(gos_ring_writer_append(w, bytes, lens[i], 0, NULL), lens[i]);
        free(bytes);
        struct gos_ring_stats s = stats_of(ring);
        uint64_t least = lens[i] == 1 ? MIB / 64 : MIB - record;
        assert_in_range(s.retained, least, MIB);
        assert_int_equal(s.retained, s.tail - s.oldest);
        if (lens[i] <= 512 * KIB)
            assert_int_equal(s.oldest % lens[i], 0);
        take_down(ring, w, NULL);
    }
}

static void memory_stays_within_storage_and_index(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(MIB, 256 * KIB);
    gos_ring_writer *w = make_writer(ring);

    append_pattern(w, 1000, 10000);
    /* Storage, as much index at most, and some segments. */
    assert_in_range(stats_of(ring).memory, MIB, 2 * MIB + 512 * KIB);
    take_down(ring, w, NULL);
}

static void shortest_records_cost_no_more_memory_than_the_storage(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(256 * KIB, 64 * KIB);
    gos_ring_writer *w = make_writer(ring);

    for (unsigned i = 0; i < 60000; i++)
        assert_int_equal(gos_ring_writer_append(w, "x", 1, 0, NULL), 1);
    assert_in_range(stats_of(ring).memory, 1, 640 * KIB);
    assert_in_range(stats_of(ring).retained, 256 * KIB / 64, 256 * KIB);
    take_down(ring, w, NULL);
}

static void old_records_are_given_up(void **state)
{
    (void)state;
    gos_ring *ring = NULL;
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .max_age_ns = 1000000)), 0);
    gos_ring_writer *w = make_writer(ring);

    append_pattern(w, 100000, 3);
    int64_t deadline = soon();
    while (stats_of(ring).retained > 0 && in_ms(0) < deadline)
        gos_ring_sweep(ring);
    assert_int_equal(stats_of(ring).retained, 0);
    assert_int_equal(stats_of(ring).tail, 300000);
    assert_in_range(stats_of(ring).memory, 0, 80 * KIB); /* the segment of the tail, the index */
    append_pattern(w, 10, 1);
    assert_int_equal(stats_of(ring).tail, 300010);
    take_down(ring, w, NULL);
}

static void record_of_a_byte_is_found(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_writer *w = NULL;
    struct gos_ring_record record;

    assert_int_equal(gos_ring_writer_open(&w, ring, GOS_OPTS(gos_ring_writer_opts, .id = 77)), 0);
    assert_int_equal(gos_ring_find(ring, 0, &record), GOS_EAGAIN);
    assert_int_equal(gos_ring_writer_append(w, "abc", 3, 0, NULL), 3);
    assert_int_equal(gos_ring_writer_append(w, "defgh", 5, GOS_RING_MARK, NULL), 5);
    assert_int_equal(gos_ring_find(ring, 2, &record), 0);
    assert_int_equal(record.offset, 0);
    assert_int_equal(record.len, 3);
    assert_int_equal(record.flags, 0);
    assert_int_equal(gos_ring_find(ring, 3, &record), 0);
    assert_int_equal(record.offset, 3);
    assert_int_equal(record.number, 1);
    assert_int_equal(record.writer, 77);
    assert_int_equal(record.flags, GOS_RING_MARK);
    assert_int_equal(gos_ring_find(ring, 8, &record), GOS_EAGAIN);
    append_pattern(w, 1000000, 20);
    assert_int_equal(gos_ring_find(ring, 3, &record), GOS_ELAPPED);
    take_down(ring, w, NULL);
}

/* ---- the end ---- */

static void sealed_ring_is_read_to_its_end(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_writer *w = make_writer(ring), *late = NULL;
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    struct got got = {0}, again = {0};

    append_pattern(w, 1000, 3);
    gos_ring_seal(ring);
    gos_ring_seal(ring);
    assert_int_equal(gos_ring_writer_append(w, "x", 1, 0, NULL), -EPIPE);
    assert_int_equal(gos_ring_writer_open(&late, ring, NULL), -EPIPE);
    drain(r, &got);
    assert_int_equal(got.bytes, 3000);
    assert_int_equal(got.last, 0);
    assert_int_equal(got.events, GOS_RING_SEALED);
    gos_ring_reader *second = make_reader(ring, GOS_RING_OLDEST, GOS_RING_BLOCK);
    drain(second, &again);
    assert_int_equal(again.bytes, 3000);
    gos_ring_reader_close(second);
    take_down(ring, w, r);
}

static void deleted_ring_is_read_to_its_end_by_who_was_there(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST), *late = NULL;
    struct got got = {0};

    append_pattern(w, 70000, 3);
    gos_ring_delete(ring);
    assert_int_equal(gos_ring_reader_open(&late, ring, NULL), GOS_ENOENT);
    assert_int_equal(gos_ring_writer_append(w, "x", 1, 0, NULL), -EPIPE);
    gos_ring_unref(ring);
    drain(r, &got);
    assert_int_equal(got.bytes, 210000);
    assert_int_equal(got.events, GOS_RING_DELETED);
    take_down(NULL, w, r);
}

static void deleted_ring_stays_deleted_when_it_is_sealed(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_reader *r = NULL;

    gos_ring_delete(ring);
    gos_ring_seal(ring);
    assert_int_equal(stats_of(ring).state, GOS_RING_STATE_DELETED);
    assert_int_equal(gos_ring_reader_open(&r, ring, NULL), GOS_ENOENT);
    gos_ring_unref(ring);
}

/* ---- appending ---- */

static void parts_become_one_record(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_writer *w = make_writer(ring);
    unsigned char bytes[100000];
    struct got got = {0};

    data_fill(bytes, sizeof bytes, SEED, 0);
    struct gos_slice parts[] = {{bytes, 1}, {NULL, 0}, {bytes + 1, 69999}, {bytes + 70000, 30000}};
    assert_int_equal(gos_ring_writer_appendv(w, parts, 4, 0, NULL), 100000);
    assert_int_equal(stats_of(ring).records, 1);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    drain(r, &got);
    assert_int_equal(got.bytes, 100000);
    take_down(ring, w, r);
}

static void long_append_is_cut_at_the_largest_record(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(8 * MIB, 0);
    gos_ring_writer *w = make_writer(ring);
    struct got got = {0};

    append_pattern(w, 2 * MIB + 5, 1);
    assert_int_equal(stats_of(ring).records, 3);
    struct gos_ring_record record;
    assert_int_equal(gos_ring_find(ring, 2 * MIB + 1, &record), 0);
    assert_int_equal(record.offset, 2 * MIB);
    assert_int_equal(record.len, 5);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    drain(r, &got);
    assert_int_equal(got.bytes, 2 * MIB + 5);
    take_down(ring, w, r);
}

static void nothing_is_appended_as_nothing(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_writer *w = make_writer(ring);

    assert_int_equal(gos_ring_writer_append(w, NULL, 0, 0, NULL), 0);
    assert_int_equal(gos_ring_writer_appendv(w, NULL, 0, 0, NULL), 0);
    assert_int_equal(stats_of(ring).records, 0);
    assert_int_equal(gos_ring_writer_append(w, NULL, 1, 0, NULL), GOS_EINVAL);
    assert_int_equal(gos_ring_writer_append(w, "x", 1, 1u << 9, NULL), GOS_EINVAL);
    assert_int_equal(gos_ring_writer_append(NULL, "x", 1, 0, NULL), GOS_EINVAL);
    take_down(ring, w, NULL);
}

static void span_is_told_without_the_other_figures(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(64 * KIB, 64 * KIB);
    gos_ring_writer *w = make_writer(ring);
    struct gos_ring_span span = {.struct_size = sizeof span};

    append_pattern(w, KIB, 100);
    assert_int_equal(gos_ring_get_span(ring, &span), 0);
    assert_int_equal(span.tail, 100 * KIB);
    assert_in_range(span.oldest, 1, 36 * KIB); /* 64 KiB are kept, and whole records */
    assert_int_equal(span.oldest % KIB, 0);
    assert_int_equal(span.epoch, 1);
    assert_int_equal(span.state, GOS_RING_STATE_OPEN);
    gos_ring_seal(ring);
    assert_int_equal(gos_ring_get_span(ring, &span), 0);
    assert_int_equal(span.state, GOS_RING_STATE_SEALED);
    assert_int_equal(gos_ring_get_span(NULL, &span), GOS_EINVAL);
    assert_int_equal(gos_ring_get_span(ring, NULL), GOS_EINVAL);
    take_down(ring, w, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_ring_is_empty_and_has_the_defaults),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(small_rings_hold_64_kib),
        cmocka_unit_test(many_short_writes_are_all_kept),
        cmocka_unit_test(history_is_counted_in_bytes),
        cmocka_unit_test(memory_stays_within_storage_and_index),
        cmocka_unit_test(shortest_records_cost_no_more_memory_than_the_storage),
        cmocka_unit_test(old_records_are_given_up),
        cmocka_unit_test(record_of_a_byte_is_found),
        cmocka_unit_test(sealed_ring_is_read_to_its_end),
        cmocka_unit_test(deleted_ring_is_read_to_its_end_by_who_was_there),
        cmocka_unit_test(deleted_ring_stays_deleted_when_it_is_sealed),
        cmocka_unit_test(parts_become_one_record),
        cmocka_unit_test(long_append_is_cut_at_the_largest_record),
        cmocka_unit_test(nothing_is_appended_as_nothing),
        cmocka_unit_test(span_is_told_without_the_other_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
