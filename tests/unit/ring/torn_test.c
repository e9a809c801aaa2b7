/* SPDX-License-Identifier: MIT
 *
 * Readers that stand where history is given up before they have read it: for age,
 * or with the first segments of a long record. What is left of a record whose
 * begin is gone must neither vanish nor be taken for a record. */
#include <string.h>

#include "rig.h"

#define LONG_RECORD 30000u
#define SHORT_RECORD 1000u

/* All is too old at once. */
static gos_ring *forgetful_ring(void)
{
    gos_ring *ring = NULL;

    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .ring_bytes = 64 * KIB,
                                                  .channel_bytes = 64 * KIB, .max_age_ns = 1)),
                     0);
    return ring;
}

static int64_t borrow_at_most(gos_ring_reader *r, size_t bytes, struct gos_ring_note *note)
{
    struct gos_slice slices[8];
    struct gos_ring_view v = {
        .struct_size = sizeof v, .max_bytes = bytes, .slices = slices, .max_slices = 8};
    int64_t n = gos_ring_reader_borrow(r, &v);

    *note = v.note;
    gos_ring_reader_release(r, &v);
    return n;
}

static void a_reader_in_the_middle_of_the_newest_record_gets_its_rest(void **state)
{
    (void)state;
    gos_ring *ring = forgetful_ring();
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_BLOCK);
    struct gos_ring_note note;
    int64_t got = 0, n;

    append_pattern(w, LONG_RECORD, 1);
    assert_int_equal(borrow_at_most(r, SHORT_RECORD, &note), SHORT_RECORD);
    gos_ring_sweep(ring);
    assert_int_equal(tail_of(ring), LONG_RECORD);
    gos_ring_seal(ring);
    while ((n = borrow_at_most(r, 0, &note)) > 0)
        got += n;
    assert_int_equal(n, 0);
    assert_int_equal(got, LONG_RECORD - SHORT_RECORD);
    take_down(ring, w, r);
}

static void a_reader_that_keeps_what_it_has_is_told_what_age_took(void **state)
{
    (void)state;
    gos_ring *ring = forgetful_ring();
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_NEW);
    struct got got = {0};

    drain(r, &got); /* it has caught up */
    append_pattern(w, LONG_RECORD, 40);
    gos_ring_seal(ring);
    drain(r, &got);
    assert_int_equal(got.last, 0);
    assert_int_equal(got.bytes + got.lost, 40 * LONG_RECORD);
    take_down(ring, w, r);
}

static void an_aligned_offset_in_a_torn_record_begins_with_the_next_whole_one(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(64 * KIB, 64 * KIB);
    gos_ring_writer *w = make_writer(ring);
    struct gos_ring_reader_opts opts = {.struct_size = sizeof opts,
                                        .start = GOS_RING_OFFSET,
                                        .start_value = LONG_RECORD - 10,
                                        .flags = GOS_RING_ALIGN};
    unsigned whole = 0, gone = 0;

    append_pattern(w, LONG_RECORD, 1);
    for (unsigned i = 0; i < 300; i++) {
        gos_ring_reader *r = NULL;
        struct gos_ring_note note;
        append_pattern(w, SHORT_RECORD, 1);
        assert_int_equal(gos_ring_reader_open(&r, ring, &opts), 0);
        assert_true(borrow_at_most(r, 1, &note) > 0);
        if (note.offset == 0) {
            whole++;
        } else {
            assert_true(note.events & GOS_RING_GAP);
            assert_int_equal(note.gap_from, opts.start_value);
            assert_int_equal(note.gap_to, note.offset);
            assert_int_equal((note.offset - LONG_RECORD) % SHORT_RECORD, 0);
            gone++;
        }
        gos_ring_reader_close(r);
    }
    assert_true(whole > 0 && gone > 0);
    take_down(ring, w, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_in_the_middle_of_the_newest_record_gets_its_rest),
        cmocka_unit_test(a_reader_that_keeps_what_it_has_is_told_what_age_took),
        cmocka_unit_test(an_aligned_offset_in_a_torn_record_begins_with_the_next_whole_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
