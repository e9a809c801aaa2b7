/* SPDX-License-Identifier: MIT
 *
 * Limits and figures to the byte: where an append's short cut ends, what is kept
 * and what is not, what a long append's parts carry. */
#include <string.h>

#include "rig.h"
#include "ring/ring.h"

static uint64_t oldest_of(gos_ring *ring)
{
    struct gos_ring_span span = {.struct_size = sizeof span};

    assert_int_equal(gos_ring_get_span(ring, &span), 0);
    return span.oldest;
}

/* ---- the append's short cut: nothing is asked until a segment is full ---- */

static void reader_that_joins_in_the_middle_of_a_segment_holds_writers_up(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(MIB, MIB);
    gos_ring_writer *w = make_writer(ring);
    struct got got = {0};

    append_pattern(w, 100, 1);
    gos_ring_reader *r = make_blocking(ring, GOS_RING_NOW, 1000, 0);
    assert_int_equal(try_pattern(w, 600), 600);
    assert_int_equal(try_pattern(w, 600), GOS_EAGAIN);
    assert_int_equal(try_pattern(w, 400), 400); /* to the byte */
    assert_int_equal(try_pattern(w, 1), GOS_EAGAIN);
    drain(r, &got);
    assert_int_equal(got.bytes, 1000);
    assert_int_equal(try_pattern(w, 1), 1);
    take_down(ring, w, r);
}

static void reader_that_has_caught_up_is_held_to_its_limit_at_once(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(MIB, MIB);
    gos_ring_writer *w = make_writer(ring);
    struct got got = {0};

    append_pattern(w, 5000, 1);
    gos_ring_reader *r = make_blocking(ring, GOS_RING_OLDEST, 1000, 0);
    assert_int_equal(try_pattern(w, 5000), 5000); /* it reads its history yet */
    drain(r, &got);
    assert_int_equal(got.bytes, 10000);
    assert_int_equal(try_pattern(w, 600), 600);
    assert_int_equal(try_pattern(w, 600), GOS_EAGAIN);
    take_down(ring, w, r);
}

/* ---- the end ---- */

/* There are no bytes of the epoch that began in what was lost. */
static void end_after_a_gap_tells_of_no_epoch(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(MIB, 64 * KIB);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_NEW);
    struct gos_slice slices[8];
    struct gos_ring_view v = {.struct_size = sizeof v, .slices = slices, .max_slices = 8};
    struct got got = {0};

    append_pattern(w, 1000, 100);
    assert_int_equal(gos_ring_writer_append(w, "new", 3, GOS_RING_NEW_EPOCH, NULL), 3);
    gos_ring_seal(ring);
    while (gos_ring_reader_borrow(r, &v) > 0) {
        got.bytes += v.bytes;
        gos_ring_reader_release(r, &v);
    }
    assert_int_equal(v.note.events, GOS_RING_GAP | GOS_RING_SEALED);
    assert_int_equal(v.note.epoch, 1);
    assert_int_equal(v.note.gap_from, got.bytes);
    assert_int_equal(v.note.gap_to, 100003);
    take_down(ring, w, r);
}

/* Lag is counted to the begin of the newest record, and may be as large as the limit. */
static void lossy_reader_may_lag_by_all_of_its_limit(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(MIB, MIB);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = NULL;
    struct got got = {0};

    assert_int_equal(
        gos_ring_reader_open(&r, ring,
                             GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_NOW,
                                      .policy = GOS_RING_DROP_LATEST, .max_lag = 1000)),
        0);
    append_pattern(w, 1000, 1);
    append_pattern(w, 5000, 1);
    drain(r, &got);
    assert_int_equal(got.bytes, 6000);
    append_pattern(w, 1001, 1);
    append_pattern(w, 5000, 1);
    drain(r, &got);
    assert_int_equal(got.lost, 1001);
    take_down(ring, w, r);
}

static void reader_that_keeps_what_it_has_may_read_its_history_first(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(MIB, 256 * KIB);
    gos_ring_writer *w = make_writer(ring);
    struct got got = {0};

    append_pattern(w, 1000, 800);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_NEW);
    append_pattern(w, 1000, 1);
    drain(r, &got);
    assert_int_equal(got.gaps, 0);
    assert_int_equal(got.bytes, 801000);
    gos_ring_seal(ring);
    drain(r, &got);
    assert_int_equal(got.gaps, 0);
    take_down(ring, w, r);
}

/* However long it is. */
static void who_skips_gets_the_newest_record_whole(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(MIB, MIB);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = NULL;
    struct got got = {0};

    assert_int_equal(
        gos_ring_reader_open(&r, ring,
                             GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_NOW, .max_lag = 100)),
        0);
    append_pattern(w, 1000, 2);
    drain(r, &got);
    assert_int_equal(got.bytes, 1000);
    assert_int_equal(got.lost, 1000);
    take_down(ring, w, r);
}

/* ---- parts of a long append ---- */

static void flags_go_with_the_first_part(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(8 * MIB, 0);
    gos_ring_writer *w = make_writer(ring);
    static const char bytes[2 * MIB + 5];
    struct gos_ring_record record;

    assert_int_equal(gos_ring_writer_append(w, "x", 1, 0, NULL), 1);
    assert_int_equal(
        gos_ring_writer_append(w, bytes, sizeof bytes, GOS_RING_MARK | GOS_RING_NEW_EPOCH, NULL),
        sizeof bytes);
    assert_int_equal(gos_ring_find(ring, 1, &record), 0);
    assert_int_equal(record.flags, GOS_RING_MARK);
    assert_int_equal(record.epoch, 2);
    for (uint64_t at = 1 + MIB; at < sizeof bytes; at += MIB) {
        assert_int_equal(gos_ring_find(ring, at, &record), 0);
        assert_int_equal(record.offset, at);
        assert_int_equal(record.flags, 0);
        assert_int_equal(record.epoch, 2);
    }
    take_down(ring, w, NULL);
}

/* ---- the sticky head ---- */

static gos_ring *ring_with_head(gos_ring_set *set, uint32_t head_bytes)
{
    gos_ring *ring = NULL;

    assert_int_equal(
        gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .set = set, .ring_bytes = 64 * KIB,
                                     .channel_bytes = 64 * KIB, .head_bytes = head_bytes)),
        0);
    return ring;
}

static void head_may_lack_a_single_byte(void **state)
{
    (void)state;
    gos_ring *ring = ring_with_head(NULL, 8);
    gos_ring_writer *w = make_writer(ring);
    char buf[100];

    assert_int_equal(gos_ring_writer_append(w, "abcdefg", 7, 0, NULL), 7);
    assert_int_equal(gos_ring_writer_append(w, "hijk", 4, 0, NULL), 4);
    gos_ring_reader *r = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    assert_int_equal(gos_ring_reader_read(r, buf, sizeof buf, NULL, NULL), 8);
    assert_memory_equal(buf, "abcdefgh", 8);
    take_down(ring, w, r);
}

/* Who goes on where it was has had the head. */
static void reader_that_goes_on_gets_no_head(void **state)
{
    (void)state;
    gos_ring *ring = ring_with_head(NULL, 1000);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = NULL;
    struct got got = {0};

    append_pattern(w, 2000, 40);
    assert_int_equal(gos_ring_reader_open(&r, ring,
                                          GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_OFFSET,
                                                   .start_value = 79000)),
                     0);
    struct gos_slice slice;
    struct gos_ring_view v = {.struct_size = sizeof v, .slices = &slice, .max_slices = 1};
    assert_int_equal(gos_ring_reader_borrow(r, &v), 1000);
    assert_int_equal(v.note.events, 0);
    assert_int_equal(v.note.offset, 79000);
    gos_ring_reader_release(r, &v);
    drain(r, &got);
    assert_int_equal(got.bytes, 0);
    take_down(ring, w, r);
}

static void head_that_nobody_read_is_given_back(void **state)
{
    (void)state;
    gos_ring_set *set = NULL;

    assert_int_equal(gos_ring_set_new(&set, NULL), 0);
    gos_ring *ring = ring_with_head(set, 1000);
    gos_ring_writer *w = make_writer(ring);
    append_pattern(w, 2000, 40);
    gos_ring_reader *r = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    uint64_t before = stats_of(ring).memory;
    assert_int_equal(gos_ring_writer_append(w, "x", 1, GOS_RING_NEW_EPOCH, NULL), 1);
    assert_true(stats_of(ring).memory > before); /* the reader has the old one */
    gos_ring_reader_close(r);
    assert_int_equal(stats_of(ring).memory, before);
    take_down(ring, w, NULL);
    struct gos_ring_set_stats s = {.struct_size = sizeof s};
    assert_int_equal(gos_ring_set_get_stats(set, &s), 0);
    assert_int_equal(s.bytes, 0);
    gos_ring_set_unref(set);
}

/* ---- what is kept ---- */

/* The storage holds more than the history if the channel is the longer one. */
static void no_reader_begins_before_the_history(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(64 * KIB, MIB);
    gos_ring_writer *w = make_writer(ring);
    static const struct gos_ring_reader_opts opts[] = {
        {.struct_size = sizeof *opts, .start = GOS_RING_OLDEST},
        {.struct_size = sizeof *opts, .start = GOS_RING_BYTES_BACK, .start_value = 1u << 30},
        {.struct_size = sizeof *opts, .start = GOS_RING_TIME_BACK, .start_value = 1ull << 62},
        {.struct_size = sizeof *opts, .start = GOS_RING_LAST_MARK}};

    assert_int_equal(gos_ring_writer_append(w, "key", 3, GOS_RING_MARK, NULL), 3);
    append_pattern(w, 1000, 500);
    for (size_t i = 0; i < sizeof opts / sizeof *opts; i++) {
        gos_ring_reader *r = NULL;
        assert_int_equal(gos_ring_reader_open(&r, ring, &opts[i]), 0);
        assert_int_equal(gos_ring_reader_offset(r), 500003 - 65000); /* whole records of 64 KiB */
        gos_ring_reader_close(r);
    }
    take_down(ring, w, NULL);
}

/* When the index is full an eighth of it goes at a time, not more. */
static void shortest_records_leave_most_of_the_history(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(64 * KIB, 64 * KIB);
    gos_ring_writer *w = make_writer(ring);
    uint64_t most = 0;

    for (unsigned i = 0; i < 20000; i++) {
        assert_int_equal(gos_ring_writer_append(w, "x", 1, 0, NULL), 1);
        uint64_t kept = tail_of(ring) - oldest_of(ring);
        assert_true(kept >= most * 7 / 8);
        most = kept > most ? kept : most;
    }
    assert_true(most >= 64 * KIB / 64);
    take_down(ring, w, NULL);
}

static void epochs_that_left_the_window_are_forgotten(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(64 * KIB, 64 * KIB);
    gos_ring_writer *w = make_writer(ring);
    static const char bytes[1000];

    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(gos_ring_writer_append(w, bytes, sizeof bytes, GOS_RING_NEW_EPOCH, NULL),
                         sizeof bytes);
    assert_int_equal(stats_of(ring).epoch, 10000);
    assert_in_range(ring->n_epochs, 60, 100);
    assert_in_range(ring->cap_epochs, 60, 256);
    take_down(ring, w, NULL);
}

/* A head of a megabyte takes many segments of others, one after the other. */
static void one_ring_gives_up_as_much_as_is_needed(void **state)
{
    (void)state;
    gos_ring_set *set = NULL;
    gos_ring *ring = NULL, *other = NULL;

    assert_int_equal(gos_ring_set_new(&set, GOS_OPTS(gos_ring_set_opts, .max_bytes = 4 * MIB)), 0);
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .set = set)), 0);
    assert_int_equal(gos_ring_new(&other, GOS_OPTS(gos_ring_opts, .set = set, .head_bytes = MIB)),
                     0);
    gos_ring_writer *w = make_writer(ring), *wo = make_writer(other);
    append_pattern(w, 65536, 100);
    assert_true(stats_of(ring).retained > 3 * MIB);
    append_pattern(wo, 1000, 1);
    assert_in_range(stats_of(ring).retained, 2 * MIB, 3 * MIB);
    take_down(ring, w, NULL);
    take_down(other, wo, NULL);
    gos_ring_set_unref(set);
}

/* Two rings that share `max_bytes`; a reader that blocks keeps what the second has. */
struct pair {
    gos_ring_set *set;
    gos_ring *ring, *other;
    gos_ring_writer *w, *wo;
    gos_ring_reader *ro;
};

static void pair_begin(struct pair *p, uint64_t max_bytes, uint64_t ring_bytes)
{
    memset(p, 0, sizeof *p);
    assert_int_equal(gos_ring_set_new(&p->set, GOS_OPTS(gos_ring_set_opts, .max_bytes = max_bytes)),
                     0);
    assert_int_equal(
        gos_ring_new(&p->ring, GOS_OPTS(gos_ring_opts, .set = p->set, .ring_bytes = ring_bytes,
                                        .channel_bytes = ring_bytes)),
        0);
    assert_int_equal(gos_ring_new(&p->other, GOS_OPTS(gos_ring_opts, .set = p->set)), 0);
    p->w = make_writer(p->ring);
    p->wo = make_writer(p->other);
    p->ro = make_blocking(p->other, GOS_RING_OLDEST, 0, 0);
}

static void pair_end(struct pair *p)
{
    take_down(p->ring, p->w, NULL);
    take_down(p->other, p->wo, p->ro);
    gos_ring_set_unref(p->set);
}

/* A set in need takes segments up to the one that a blocking reader stands in, even
 * if only the last byte of it is unread. */
static void set_leaves_a_blocking_reader_its_last_byte(void **state)
{
    (void)state;
    static char buf[3 * 65536 - 1];
    struct got got = {0};
    struct pair p;

    pair_begin(&p, MIB, 0);
    gos_ring_reader *r = make_blocking(p.ring, GOS_RING_OLDEST, 0, 0);
    append_pattern(p.w, 65536, 6);
    for (uint64_t n = 0; n < sizeof buf;)
        n += (uint64_t)gos_ring_reader_read(r, buf, sizeof buf - n, NULL, NULL);
    while (try_pattern(p.wo, 10000) == 10000)
        ;
    assert_in_range(p.ring->floor, 1, 2 * 65536); /* it has given up what was read */
    got.next = got.first = sizeof buf;
    got.events = GOS_RING_SEALED; /* not its first bytes any more */
    drain(r, &got);
    assert_int_equal(got.gaps, 0);
    assert_int_equal(got.bytes, 6 * 65536 - sizeof buf);
    gos_ring_reader_close(r);
    pair_end(&p);
}

static void newest_record_is_kept_whatever_a_set_needs(void **state)
{
    (void)state;
    struct pair p;

    pair_begin(&p, 2 * MIB, 0);
    append_pattern(p.w, 100000, 5);
    append_pattern(p.w, MIB, 1);
    while (try_pattern(p.wo, 10000) == 10000)
        ;
    assert_in_range(stats_of(p.ring).retained, MIB, MIB + 65536);
    pair_end(&p);
}

/* A reader gives segments back that have left the window meanwhile. */
static gos_ring_reader *hold(gos_ring *ring, gos_ring_writer *w, struct gos_ring_view *v)
{
    static struct gos_slice slices[8];
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);

    *v = (struct gos_ring_view){.struct_size = sizeof *v, .slices = slices, .max_slices = 8};
    append_pattern(w, 65536, 8);
    assert_int_equal(gos_ring_reader_borrow(r, v), 8 * 65536);
    append_pattern(w, 65536, 40);
    return r;
}

static void spared_segments_go_before_any_history(void **state)
{
    (void)state;
    struct gos_ring_set_stats s = {.struct_size = sizeof s};
    struct gos_ring_view v;
    struct pair p;

    pair_begin(&p, 2 * MIB, MIB);
    gos_ring_reader *r = hold(p.ring, p.w, &v);
    gos_ring_reader_release(r, &v);
    assert_int_equal(gos_ring_set_get_stats(p.set, &s), 0);
    uint64_t evicted = s.evicted_bytes, left = 2 * MIB - s.bytes;
    append_pattern(p.wo, 10000, (unsigned)((left + 4 * 65536) / 10000));
    assert_int_equal(gos_ring_set_get_stats(p.set, &s), 0);
    assert_int_equal(s.evicted_bytes, evicted);
    gos_ring_reader_close(r);
    pair_end(&p);
}

/* Nobody will write to them: they are not spared, and those that were are freed. */
static void segments_are_not_spared_after_the_end(void **state)
{
    (void)state;
    struct gos_ring_view v;

    for (unsigned early = 0; early < 2; early++) {
        gos_ring *ring = make_ring(MIB, MIB);
        gos_ring_writer *w = make_writer(ring);
        gos_ring_reader *r = hold(ring, w, &v);
        uint64_t before = stats_of(ring).memory;
        if (early)
            gos_ring_reader_release(r, &v);
        gos_ring_seal(ring);
        if (!early)
            gos_ring_reader_release(r, &v);
        assert_in_range(stats_of(ring).memory, MIB, before - 8 * 65536);
        take_down(ring, w, r);
    }
}

/* ---- figures ---- */

static void reader_that_keeps_what_it_has_keeps_4_mib_at_most(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_reader *r = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_NEW);
    struct gos_ring_reader_stats s = {.struct_size = sizeof s};

    assert_int_equal(gos_ring_reader_get_stats(r, &s), 0);
    assert_int_equal(s.max_lag_bytes, 4 * MIB);
    take_down(ring, NULL, r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_that_joins_in_the_middle_of_a_segment_holds_writers_up),
        cmocka_unit_test(reader_that_has_caught_up_is_held_to_its_limit_at_once),
        cmocka_unit_test(end_after_a_gap_tells_of_no_epoch),
        cmocka_unit_test(lossy_reader_may_lag_by_all_of_its_limit),
        cmocka_unit_test(reader_that_keeps_what_it_has_may_read_its_history_first),
        cmocka_unit_test(who_skips_gets_the_newest_record_whole),
        cmocka_unit_test(flags_go_with_the_first_part),
        cmocka_unit_test(head_may_lack_a_single_byte),
        cmocka_unit_test(reader_that_goes_on_gets_no_head),
        cmocka_unit_test(head_that_nobody_read_is_given_back),
        cmocka_unit_test(no_reader_begins_before_the_history),
        cmocka_unit_test(shortest_records_leave_most_of_the_history),
        cmocka_unit_test(epochs_that_left_the_window_are_forgotten),
        cmocka_unit_test(set_leaves_a_blocking_reader_its_last_byte),
        cmocka_unit_test(one_ring_gives_up_as_much_as_is_needed),
        cmocka_unit_test(newest_record_is_kept_whatever_a_set_needs),
        cmocka_unit_test(spared_segments_go_before_any_history),
        cmocka_unit_test(segments_are_not_spared_after_the_end),
        cmocka_unit_test(reader_that_keeps_what_it_has_keeps_4_mib_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
