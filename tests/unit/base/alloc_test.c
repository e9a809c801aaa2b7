/* SPDX-License-Identifier: MIT
 *
 * The failure point of allocations. */
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void nth_allocation_fails_once(void **state)
{
    (void)state;
    gos__alloc_fail_at(3, 0);
    void *a = gos__malloc(10);
    void *b = gos__calloc(2, 10);
    void *c = gos__malloc(10);
    void *d = gos__malloc(10);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(c);
    assert_non_null(d);
    assert_int_equal(gos__alloc_count(), 4);
    gos__alloc_fail_at(0, 0);
    gos__free(a);
    gos__free(b);
    gos__free(d);
}

static void all_allocations_fail_from_the_nth_on(void **state)
{
    (void)state;
    gos__alloc_fail_at(2, 1);
    void *a = gos__malloc(10);
    assert_non_null(a);
    assert_null(gos__strdup("x"));
    assert_null(gos__calloc(1, 1));
    assert_null(gos__realloc(a, 20)); /* and the old block is still there */
    gos__alloc_fail_at(0, 0);
    memset(a, 1, 10);
    gos__free(a);
}

static void calloc_refuses_a_product_that_overflows(void **state)
{
    (void)state;
    assert_null(gos__calloc(SIZE_MAX / 2, 3));
}

static void nothing_can_be_allocated(void **state)
{
    (void)state;
    void *a = gos__malloc(0);
    void *b = gos__calloc(0, 0);
    assert_non_null(a);
    assert_non_null(b);
    gos__free(a);
    gos__free(b);
    gos__free(NULL);
}

static void strdup_copies(void **state)
{
    (void)state;
    char *copy = gos__strdup("film");
    assert_string_equal(copy, "film");
    gos__free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nth_allocation_fails_once),
        cmocka_unit_test(all_allocations_fail_from_the_nth_on),
        cmocka_unit_test(calloc_refuses_a_product_that_overflows),
        cmocka_unit_test(nothing_can_be_allocated),
        cmocka_unit_test(strdup_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
