/* SPDX-License-Identifier: MIT
 *
 * A piece: begun with all its slots or not at all, reset, gone while looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "store/piece.h"

#define N_SLOTS 8

struct fixture {
    struct gos__arena arena;
    struct gos__piece *piece; /* three blocks, the last one short */
};

static int set_up(void **state)
{
    static struct fixture f;
    assert_int_equal(gos__arena_init(&f.arena, N_SLOTS * GOS__SLOT_SIZE), 0);
    f.piece = gos__piece_new(NULL, 3, 2 * GOS__SLOT_SIZE + 100);
    assert_non_null(f.piece);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    gos__piece_free(f->piece);
    gos__arena_finish(&f->arena);
    return 0;
}

static void blocks_are_as_long_as_the_piece_says(void **state)
{
    const struct fixture *f = *state;
    assert_int_equal(f->piece->n_blocks, 3);
    assert_int_equal(gos__piece_block_len(f->piece, 1), GOS__SLOT_SIZE);
    assert_int_equal(gos__piece_block_len(f->piece, 2), 100);
}

static void it_begins_with_all_its_slots_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    uint32_t others[N_SLOTS];
    assert_true(gos__arena_take(&f->arena, others, N_SLOTS - 2));
    assert_false(gos__piece_begin(f->piece, &f->arena));
    assert_false(f->piece->begun);
    assert_int_equal(f->arena.n_free, 2);
    gos__arena_give(&f->arena, others, 1);
    assert_true(gos__piece_begin(f->piece, &f->arena));
    assert_true(f->piece->begun);
    assert_int_equal(f->arena.n_free, 0);
}

static void reset_keeps_only_its_padding(void **state)
{
    struct gos__piece *p = ((struct fixture *)*state)->piece;
    p->stored[0] = p->stored[1] = GOS__BLOCK_STORED;
    p->stored[2] = GOS__BLOCK_PADDING;
    p->n_stored = 3;
    p->verified = true;
    assert_true(gos__piece_complete(p));
    gos__piece_reset(p);
    assert_false(gos__piece_complete(p));
    assert_false(p->verified);
    assert_int_equal(p->n_stored, 1);
    assert_int_equal(p->stored[0], 0);
    assert_int_equal(p->stored[2], GOS__BLOCK_PADDING);
}

/* That the last unpin frees it is seen by AddressSanitizer. */
static void what_is_gone_stays_until_nobody_looks(void **state)
{
    struct fixture *f = *state;
    struct gos__piece *p = f->piece;
    p->pins = 2;
    gos__piece_unpin(p);
    assert_int_equal(p->pins, 1);
    p->gone = true;
    gos__piece_unpin(p);
    f->piece = NULL;
}

static void no_memory_gives_no_piece(void **state)
{
    (void)state;
    gos__alloc_fail_at(1, 0);
    assert_null(gos__piece_new(NULL, 0, GOS__SLOT_SIZE));
    gos__alloc_fail_at(0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_are_as_long_as_the_piece_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_begins_with_all_its_slots_or_not_at_all, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(reset_keeps_only_its_padding, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_gone_stays_until_nobody_looks, set_up, tear_down),
        cmocka_unit_test(no_memory_gives_no_piece),
    };
    return cmocka_run_group_tests_name("store.piece", tests, NULL, NULL);
}
