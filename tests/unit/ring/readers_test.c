/* SPDX-License-Identifier: MIT
 *
 * The readers of a ring, one by one. */
#include "rig.h"

#include <string.h>

#define EACH sizeof(struct gos_ring_reader_stats)

static void readers_are_listed_in_the_order_they_came(void **state)
{
    gos_ring *ring = make_ring(MIB, MIB);
    gos_ring_writer *w = make_writer(ring);
    struct got got = {0};
    struct gos_ring_reader_stats all[4] = {{.struct_size = EACH}};
    (void)state;
    append_pattern(w, 1000, 3);
    gos_ring_reader *first = make_reader(ring, GOS_RING_OLDEST, GOS_RING_BLOCK),
                    *gone = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST),
                    *last = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_LATEST);
    gos_ring_reader_close(gone);
    append_pattern(w, 1000, 1);
    drain(first, &got);
    assert_int_equal(gos_ring_get_readers(ring, all, 4), 2);
    assert_int_equal(all[0].id, 1);
    assert_int_equal(all[0].offset, 4000);
    assert_int_equal(all[0].lag_bytes, 0);
    assert_int_equal(all[0].policy, GOS_RING_BLOCK);
    assert_int_equal(all[1].id, 3);
    assert_int_equal(all[1].offset, 3000);
    assert_int_equal(all[1].lag_bytes, 1000);
    assert_int_equal(all[1].policy, GOS_RING_DROP_LATEST);
    assert_true(all[0].age_ns >= all[1].age_ns && all[1].age_ns >= 0);
    struct gos_ring_reader_stats one = {.struct_size = EACH};
    assert_int_equal(gos_ring_reader_get_stats(last, &one), 0);
    assert_int_equal(one.id, 3);
    gos_ring_reader_close(first);
    take_down(ring, w, last);
}

static void no_more_are_filled_than_there_is_room_for(void **state)
{
    gos_ring *ring = make_ring(MIB, MIB);
    gos_ring_reader *a = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST),
                    *b = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    struct gos_ring_reader_stats all[2];
    (void)state;
    memset(all, 0x55, sizeof all);
    all[0].struct_size = EACH;
    assert_int_equal(gos_ring_get_readers(ring, all, 1), 2);
    assert_int_equal(all[0].id, 1);
    assert_int_equal(all[1].id, 0x5555555555555555);
    assert_int_equal(gos_ring_get_readers(ring, NULL, 0), 2);
    gos_ring_reader_close(a);
    take_down(ring, NULL, b);
}

/* A program that was built when the struct was shorter, and one of the future. */
static void the_callers_size_says_how_far_they_lie_apart(void **state)
{
    gos_ring *ring = make_ring(MIB, MIB);
    gos_ring_reader *a = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST),
                    *b = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    const size_t sizes[] = {EACH - 16, EACH + 8};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t memory[64];
        memset(memory, 0x55, sizeof memory);
        memory[0] = sizes[i];
        assert_int_equal(gos_ring_get_readers(ring, (void *)memory, 2), 2);
        assert_int_equal(memory[sizes[i] / 8], sizes[i]);
        assert_int_equal(memory[2 * sizes[i] / 8], 0x5555555555555555);
    }
    gos_ring_reader_close(a);
    take_down(ring, NULL, b);
}

static void what_cannot_be_filled_is_refused(void **state)
{
    gos_ring *ring = make_ring(MIB, MIB);
    struct gos_ring_reader_stats one = {0};
    (void)state;
    assert_int_equal(gos_ring_get_readers(NULL, &one, 1), GOS_EINVAL);
    assert_int_equal(gos_ring_get_readers(ring, NULL, 1), GOS_EINVAL);
    assert_int_equal(gos_ring_get_readers(ring, &one, 1), GOS_EINVAL);
    take_down(ring, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_are_listed_in_the_order_they_came),
        cmocka_unit_test(no_more_are_filled_than_there_is_room_for),
        cmocka_unit_test(the_callers_size_says_how_far_they_lie_apart),
        cmocka_unit_test(what_cannot_be_filled_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
