/* SPDX-License-Identifier: MIT
 *
 * Bytes that grow, and how far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pfs/memory.h"

static void bytes_end_in_a_nul(void **state)
{
    struct pfs_bytes b = {0};
    (void)state;
    assert_int_equal(pfs_bytes_add_bounded(&b, "ab", 2), 0);
    assert_int_equal(pfs_bytes_add_bounded(&b, "c", 1), 0);
    assert_int_equal(b.n, 3);
    assert_string_equal(b.data, "abc");
    pfs_bytes_free(&b);
}

static void bounded_bytes_are_full_at_the_bound(void **state)
{
    struct pfs_bytes b = {0};
    char *most = pfs_calloc(PFS_BYTES_MAX, 1);
    (void)state;
    assert_int_equal(pfs_bytes_add_bounded(&b, "x", 1), 0);
    assert_int_equal(pfs_bytes_add_bounded(&b, most, PFS_BYTES_MAX), -1);
    assert_int_equal(b.n, 1);
    assert_int_equal(pfs_bytes_add_bounded(&b, most, PFS_BYTES_MAX - 1), 0);
    assert_int_equal(pfs_bytes_add_bounded(&b, "x", 1), -1);
    assert_int_equal(pfs_bytes_add_bounded(&b, "", 0), 0);
    assert_int_equal(b.n, PFS_BYTES_MAX);
    free(most);
    pfs_bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_end_in_a_nul),
        cmocka_unit_test(bounded_bytes_are_full_at_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
