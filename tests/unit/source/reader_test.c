/* SPDX-License-Identifier: MIT
 *
 * A position in a source. */
#include <gostream/source.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/fault_source.h"

static char bytes[] = "0123456789";

static gos_reader *open_reader(struct fault_plan *plan)
{
    gos_source *below, *s;
    gos_reader *r;

    assert_int_equal(gos_source_memory(&below, bytes, 10, NULL), 0);
    assert_int_equal(fault_source_new(&s, below, plan), 0);
    gos_source_unref(below);
    assert_int_equal(gos_reader_new(&r, s), 0);
    gos_source_unref(s); /* the reader has its own */
    return r;
}

static void reading_moves_the_position(void **state)
{
    struct fault_plan plan = {0};
    gos_reader *r = open_reader(&plan);
    char buf[10];

    (void)state;
    assert_int_equal(gos_reader_read(r, buf, 4, NULL), 4);
    assert_memory_equal(buf, "0123", 4);
    assert_int_equal(gos_reader_read(r, buf, 10, NULL), 6);
    assert_memory_equal(buf, "456789", 6);
    assert_int_equal(gos_reader_read(r, buf, 10, NULL), 0);
    assert_int_equal(plan.closes, 0);
    gos_reader_free(r);
    assert_int_equal(plan.closes, 1);
}

static void failed_read_leaves_the_position(void **state)
{
    struct fault_plan plan = {.fail_nth = 2, .fail_with = GOS_EIO};
    gos_reader *r = open_reader(&plan);
    char buf[10];

    (void)state;
    assert_int_equal(gos_reader_read(r, buf, 4, NULL), 4);
    assert_int_equal(gos_reader_read(r, buf, 4, NULL), GOS_EIO);
    assert_int_equal(gos_reader_seek(r, 0, SEEK_CUR), 4);
    assert_int_equal(gos_reader_read(r, buf, 4, NULL), 4);
    assert_memory_equal(buf, "4567", 4);
    gos_reader_free(r);
}

static void seeking_counts_from_three_places(void **state)
{
    struct fault_plan plan = {0};
    gos_reader *r = open_reader(&plan);
    char buf[10];

    (void)state;
    assert_int_equal(gos_reader_seek(r, 7, SEEK_SET), 7);
    assert_int_equal(gos_reader_seek(r, -2, SEEK_CUR), 5);
    assert_int_equal(gos_reader_read(r, buf, 1, NULL), 1);
    assert_int_equal(buf[0], '5');
    assert_int_equal(gos_reader_seek(r, -1, SEEK_END), 9);
    assert_int_equal(gos_reader_seek(r, 100, SEEK_END), 110); /* allowed */
    assert_int_equal(gos_reader_read(r, buf, 1, NULL), 0);
    gos_reader_free(r);
}

static void impossible_positions_are_refused(void **state)
{
    struct fault_plan plan = {0};
    gos_reader *r = open_reader(&plan);
    char buf[10];

    (void)state;
    assert_int_equal(gos_reader_seek(r, 3, SEEK_SET), 3);
    assert_int_equal(gos_reader_seek(r, -1, SEEK_SET), GOS_EINVAL);
    assert_int_equal(gos_reader_seek(r, -4, SEEK_CUR), GOS_EINVAL);
    assert_int_equal(gos_reader_seek(r, INT64_MAX, SEEK_CUR), GOS_EINVAL);
    assert_int_equal(gos_reader_seek(r, INT64_MIN, SEEK_CUR), GOS_EINVAL);
    assert_int_equal(gos_reader_seek(r, 0, 99), GOS_EINVAL);
    assert_int_equal(gos_reader_seek(r, 0, SEEK_CUR), 3);
    assert_int_equal(gos_reader_seek(r, INT64_MAX, SEEK_SET), INT64_MAX);
    assert_int_equal(gos_reader_read(r, buf, 10, NULL), 0);
    assert_int_equal(gos_reader_read(NULL, buf, 10, NULL), GOS_EINVAL);
    assert_int_equal(gos_reader_seek(NULL, 0, SEEK_SET), GOS_EINVAL);
    assert_int_equal(gos_reader_new(&r, NULL), GOS_EINVAL);
    gos_reader_free(r);
    gos_reader_free(NULL);
}

static void end_of_a_growing_source_is_not_known(void **state)
{
    struct fault_plan plan = {.size_is = GOS_SIZE_UNKNOWN};
    gos_reader *r = open_reader(&plan);

    (void)state;
    assert_int_equal(gos_reader_seek(r, 0, SEEK_END), GOS_ENOTSUP);
    plan.size_is = GOS_EIO;
    assert_int_equal(gos_reader_seek(r, 0, SEEK_END), GOS_EIO);
    gos_reader_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_moves_the_position),
        cmocka_unit_test(failed_read_leaves_the_position),
        cmocka_unit_test(seeking_counts_from_three_places),
        cmocka_unit_test(impossible_positions_are_refused),
        cmocka_unit_test(end_of_a_growing_source_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
