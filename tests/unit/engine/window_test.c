/* SPDX-License-Identifier: MIT
 *
 * Cursors: what counts as reading on, what as a jump, and how far ahead each
 * lets us fetch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/window.h"

#define MIB (1024u * 1024u)
#define CAP (64u * MIB)

static void window_grows_while_reading_forward(void **state)
{
    struct gos__window w = {0};
    (void)state;
    const struct gos__cursor *c = gos__window_read(&w, 0, 4096);
    uint64_t first = gos__window_ahead(c, CAP);
    assert_true(first < MIB);
    for (uint64_t off = 4096; off < 40 * MIB; off += 131072)
        assert_ptr_equal(gos__window_read(&w, off, 131072), c);
    assert_int_equal(gos__window_ahead(c, CAP), CAP);
    assert_int_equal(gos__window_ahead(c, 3 * MIB), 3 * MIB);
}

static void a_jump_starts_small_again(void **state)
{
    struct gos__window w = {0};
    (void)state;
    for (uint64_t off = 0; off < 40 * MIB; off += 131072)
        gos__window_read(&w, off, 131072);
    const struct gos__cursor *c = gos__window_read(&w, 400 * (uint64_t)MIB, 131072);
    assert_true(gos__window_ahead(c, CAP) < MIB);
}

static void reads_out_of_order_belong_together(void **state)
{
    struct gos__window w = {0};
    (void)state;
    const struct gos__cursor *c = gos__window_read(&w, 10 * MIB, 131072);
    assert_ptr_equal(gos__window_read(&w, 11 * MIB, 131072), c);
    assert_ptr_equal(gos__window_read(&w, 10 * MIB + 131072, 131072), c);
    assert_int_equal(c->next, 11 * MIB + 131072);
}

static void head_and_tail_have_their_own_cursors(void **state)
{
    struct gos__window w = {0};
    (void)state;
    const struct gos__cursor *head = gos__window_read(&w, 0, MIB);
    const struct gos__cursor *tail = gos__window_read(&w, 900 * (uint64_t)MIB, 65536);
    assert_ptr_not_equal(head, tail);
    assert_ptr_equal(gos__window_read(&w, MIB, MIB), head);
    assert_ptr_equal(gos__window_read(&w, 900 * (uint64_t)MIB + 65536, 65536), tail);
}

static void the_oldest_cursor_gives_way(void **state)
{
    struct gos__window w = {0};
    (void)state;
    const struct gos__cursor *first = gos__window_read(&w, 0, 4096);
    for (unsigned i = 1; i < GOS__WINDOW_CURSORS; i++)
        gos__window_read(&w, i * 100 * (uint64_t)MIB, 4096);
    assert_ptr_equal(gos__window_read(&w, 900 * (uint64_t)MIB, 4096), first);
}

static void forgotten_ranges_have_no_cursor(void **state)
{
    struct gos__window w = {0};
    (void)state;
    gos__window_read(&w, 0, 4096);
    gos__window_read(&w, 500 * (uint64_t)MIB, 4096);
    gos__window_forget(&w, 0, MIB);
    unsigned used = 0;
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++)
        used += w.cursor[i].used != 0;
    assert_int_equal(used, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_grows_while_reading_forward),
        cmocka_unit_test(a_jump_starts_small_again),
        cmocka_unit_test(reads_out_of_order_belong_together),
        cmocka_unit_test(head_and_tail_have_their_own_cursors),
        cmocka_unit_test(the_oldest_cursor_gives_way),
        cmocka_unit_test(forgotten_ranges_have_no_cursor),
    };
    return cmocka_run_group_tests_name("engine.window", tests, NULL, NULL);
}
