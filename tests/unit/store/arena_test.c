/* SPDX-License-Identifier: MIT
 *
 * Slots: taken all or nothing, borrowed beyond their piece, never lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "store/arena.h"

static void slots_are_taken_all_or_nothing(void **state)
{
    struct gos__arena a;
    uint32_t s[10];
    (void)state;
    assert_int_equal(gos__arena_init(&a, 10 * GOS__SLOT_SIZE + 5000), 0);
    assert_int_equal(a.n_slots, 10);
    assert_true(gos__arena_take(&a, s, 7));
    assert_false(gos__arena_take(&a, s + 7, 4));
    assert_int_equal(a.n_free, 3);
    assert_true(gos__arena_take(&a, s + 7, 3));
    for (unsigned i = 0; i < 10; i++)
        memset(gos__arena_at(&a, s[i]), (int)i, GOS__SLOT_SIZE);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(gos__arena_at(&a, s[i])[GOS__SLOT_SIZE - 1], i);
    gos__arena_give(&a, s, 10);
    assert_int_equal(a.n_free, 10);
    assert_int_equal(a.peak_used, 10);
    gos__arena_finish(&a);
}

static void a_borrowed_slot_outlives_its_piece(void **state)
{
    struct gos__arena a;
    uint32_t s[2];
    (void)state;
    assert_int_equal(gos__arena_init(&a, 4 * GOS__SLOT_SIZE), 0);
    assert_true(gos__arena_take(&a, s, 2));
    gos__arena_borrow(&a, s[0]);
    gos__arena_borrow(&a, s[0]);
    gos__arena_give(&a, s, 2);
    assert_int_equal(a.n_free, 3);
    assert_int_equal(a.n_orphans, 1);
    assert_false(gos__arena_unborrow(&a, s[0]));
    assert_true(gos__arena_unborrow(&a, s[0]));
    assert_int_equal(a.n_free, 4);
    assert_int_equal(a.n_orphans, 0);
    gos__arena_finish(&a);
}

static void a_borrow_that_ends_first_leaves_the_slot_to_its_piece(void **state)
{
    struct gos__arena a;
    uint32_t s;
    (void)state;
    assert_int_equal(gos__arena_init(&a, GOS__SLOT_SIZE), 0);
    assert_true(gos__arena_take(&a, &s, 1));
    gos__arena_borrow(&a, s);
    assert_false(gos__arena_unborrow(&a, s));
    assert_int_equal(a.n_free, 0);
    gos__arena_give(&a, &s, 1);
    assert_int_equal(a.n_free, 1);
    gos__arena_finish(&a);
}

static void no_memory_is_told(void **state)
{
    struct gos__arena a;
    (void)state;
    for (long n = 1; n <= 3; n++) {
        gos__alloc_fail_at(n, 0);
        assert_int_equal(gos__arena_init(&a, 4 * GOS__SLOT_SIZE), GOS_ENOMEM);
        gos__alloc_fail_at(0, 0);
    }
    assert_int_equal(gos__arena_init(&a, 100), GOS_EINVAL);
    gos__arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_taken_all_or_nothing),
        cmocka_unit_test(a_borrowed_slot_outlives_its_piece),
        cmocka_unit_test(a_borrow_that_ends_first_leaves_the_slot_to_its_piece),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests_name("store.arena", tests, NULL, NULL);
}
