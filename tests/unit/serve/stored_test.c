/* SPDX-License-Identifier: MIT
 *
 * Bodies that wait for clients which do not read: there is an end to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/stored.h"

#define MIB ((size_t)1 << 20)

/* Only the size of its memory counts. */
static struct stored body_of(size_t room)
{
    return (struct stored){.body = {.room = room}};
}

static void bodies_that_wait_have_a_limit_together(void **state)
{
    struct stored first = body_of(600 * MIB), second = body_of(600 * MIB), small = body_of(MIB);
    (void)state;
    assert_true(stored_hold(&first));
    assert_false(stored_hold(&second));
    assert_true(stored_hold(&small));
    stored_drop(&first);
    second = body_of(600 * MIB);
    assert_true(stored_hold(&second));
    stored_drop(&second);
    stored_drop(&second); /* of no effect */
    stored_drop(&small);
}

static void one_alone_may_be_larger_than_the_limit(void **state)
{
    struct stored large = body_of(4096 * MIB), next = body_of(MIB);
    (void)state;
    assert_true(stored_hold(&large));
    assert_false(stored_hold(&next));
    stored_drop(&large);
    assert_true(stored_hold(&next));
    stored_drop(&next);
}

static void a_few_bytes_of_a_file_count_as_the_blocks_they_keep(void **state)
{
    static const char data[2 * CONTENT_BLOCK];
    struct content file = {0};
    struct stored part = {0};
    (void)state;
    assert_int_equal(content_write(&file, 0, data, sizeof data), 0);
    assert_int_equal(content_share(&part.content, &file, CONTENT_BLOCK - 1, 2), 0);
    content_free(&file);
    assert_true(stored_hold(&part));
    assert_in_range(part.held, sizeof data, 2 * sizeof data);
    stored_drop(&part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_that_wait_have_a_limit_together),
        cmocka_unit_test(one_alone_may_be_larger_than_the_limit),
        cmocka_unit_test(a_few_bytes_of_a_file_count_as_the_blocks_they_keep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
