/* SPDX-License-Identifier: MIT
 *
 * Where pieces and blocks end, and which blocks are nothing but padding. */
#include "engine/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH 65536

static uint32_t padding(const struct ltc_file *files, uint32_t n, uint64_t total, uint32_t piece,
                        uint8_t have[4])
{
    struct ltc_info_view view = {
        .total_size = total, .piece_length = LENGTH, .n_files = n, .files = files};
    view.n_pieces = (uint32_t)((total + LENGTH - 1) / LENGTH);
    memset(have, 7, 4);
    return gos__layout_padding(&view, piece, have,
                               (gos__layout_piece_size(&view, piece) + 16383) / 16384);
}

static void blocks_of_nothing_but_padding_are_marked(void **state)
{
    const struct ltc_file files[] = {
        {.size = 20000, .offset = 0},
        {.size = 45536, .offset = 20000, .flags = LTC_FILE_PAD},
        {.size = 0, .offset = 65536},
        {.size = 70000, .offset = 65536},
    };
    uint8_t have[4];
    (void)state;
    assert_int_equal(padding(files, 4, 135536, 0, have), 2);
    assert_memory_equal(have, ((uint8_t[]){0, 0, 1, 1}), 4);
    assert_int_equal(padding(files, 4, 135536, 1, have), 0);
    assert_memory_equal(have, ((uint8_t[]){0, 0, 0, 0}), 4);
    assert_int_equal(padding(files, 4, 135536, 2, have), 0);
    assert_memory_equal(have, ((uint8_t[]){0, 7, 7, 7}), 4);
}

static void gaps_between_files_are_padding_too(void **state)
{
    const struct ltc_file files[] = {
        {.size = 16384, .offset = 0},
        {.size = 1, .offset = 65536},
    };
    uint8_t have[4];
    (void)state;
    assert_int_equal(padding(files, 2, 65537, 0, have), 3);
    assert_memory_equal(have, ((uint8_t[]){0, 1, 1, 1}), 4);
    assert_int_equal(padding(files, 2, 65537, 1, have), 0);
}

static void pad_inside_a_piece_leaves_blocks_on_both_sides(void **state)
{
    const struct ltc_file files[] = {
        {.size = 10, .offset = 0},
        {.size = 49143, .offset = 10, .flags = LTC_FILE_PAD},
        {.size = 5, .offset = 49153},
    };
    uint8_t have[4];
    (void)state;
    assert_int_equal(padding(files, 3, 49158, 0, have), 2);
    assert_memory_equal(have, ((uint8_t[]){0, 1, 1, 0}), 4);
}

static void last_piece_is_as_long_as_what_is_left(void **state)
{
    struct ltc_info_view view = {.piece_length = LENGTH, .total_size = 3ull << 40};
    (void)state;
    view.total_size += 5;
    assert_int_equal(gos__layout_piece_size(&view, 0), LENGTH);
    assert_int_equal(gos__layout_piece_size(&view, (uint32_t)(view.total_size / LENGTH)), 5);
    view.total_size -= 5;
    assert_int_equal(gos__layout_piece_size(&view, (uint32_t)(view.total_size / LENGTH) - 1),
                     LENGTH);
}

static void last_block_is_as_long_as_what_is_left(void **state)
{
    const struct ltc_info_view view = {.piece_length = LENGTH, .total_size = LENGTH + 16384 + 7};
    (void)state;
    assert_int_equal(gos__layout_block_size(&view, 0, 3), 16384);
    assert_int_equal(gos__layout_block_size(&view, 1, 0), 16384);
    assert_int_equal(gos__layout_block_size(&view, 1, 1), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_nothing_but_padding_are_marked),
        cmocka_unit_test(gaps_between_files_are_padding_too),
        cmocka_unit_test(pad_inside_a_piece_leaves_blocks_on_both_sides),
        cmocka_unit_test(last_piece_is_as_long_as_what_is_left),
        cmocka_unit_test(last_block_is_as_long_as_what_is_left),
    };
    return cmocka_run_group_tests_name("engine.layout", tests, NULL, NULL);
}
