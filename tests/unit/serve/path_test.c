/* SPDX-License-Identifier: MIT
 *
 * Paths made into one form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "serve/path.h"

static void is(const char *in, const char *want)
{
    char out[PATH_BYTES];
    struct problem p;
    if (path_normalise(out, in, strlen(in), &p) < 0)
        fail_msg("%s was refused: %s", in, p.text);
    assert_string_equal(out, want);
}

static void is_refused(const char *in, size_t n, const char *says)
{
    char out[PATH_BYTES] = "untouched";
    struct problem p;
    assert_int_equal(path_normalise(out, in, n, &p), -1);
    assert_int_equal(p.status, 400);
    if (!strstr(p.text, says))
        fail_msg("\"%s\" does not speak of %s", p.text, says);
    assert_string_equal(out, "untouched");
}

static void slashes_dots_and_parents_are_resolved(void **state)
{
    (void)state;
    is("", "/");
    is("/", "/");
    is("a", "/a");
    is("/a/", "/a");
    is("//a///b//", "/a/b");
    is("/./a/./b/.", "/a/b");
    is("/a/../b", "/b");
    is("/a/b/../../..", "/");
    is("../../a", "/a");
    is("/a/...", "/a/...");
    is("/a/..b", "/a/..b");
    is("/caf\xc3\xa9", "/caf\xc3\xa9");
}

static void what_is_no_text_is_refused(void **state)
{
    (void)state;
    is_refused("/a\0b", 4, "NUL");
    is_refused("/\xff", 2, "UTF-8");
    is_refused("/\xc0\xaf", 3, "UTF-8");
    is_refused("/\xed\xa0\x80", 4, "UTF-8");
    is_refused("/\xc3", 2, "UTF-8");
}

static void the_longest_path_fits_and_one_more_byte_does_not(void **state)
{
    (void)state;
    char in[PATH_BYTES + 1], out[PATH_BYTES];
    struct problem p;
    memset(in, 'x', sizeof in);
    in[0] = '/';
    assert_int_equal(path_normalise(out, in, PATH_BYTES - 1, &p), 0);
    assert_int_equal(strlen(out), PATH_BYTES - 1);
    is_refused(in, PATH_BYTES, "longer");
    /* Without its slash it has room for one less. */
    is_refused(in + 1, PATH_BYTES - 1, "longer");
}

static void names_and_parents(void **state)
{
    (void)state;
    char out[PATH_BYTES];
    assert_string_equal(path_name("/a/b"), "b");
    assert_string_equal(path_name("/a"), "a");
    assert_string_equal(path_name("/"), "/");
    path_parent(out, "/a/b");
    assert_string_equal(out, "/a");
    path_parent(out, "/a");
    assert_string_equal(out, "/");
    path_parent(out, "/");
    assert_string_equal(out, "/");
}

static void within_is_by_whole_parts(void **state)
{
    (void)state;
    assert_true(path_within("/a/b", "/a"));
    assert_true(path_within("/a", "/a"));
    assert_true(path_within("/a", "/"));
    assert_false(path_within("/ab", "/a"));
    assert_false(path_within("/", "/a"));
}

static void joining_takes_absolute_names_alone(void **state)
{
    (void)state;
    char out[PATH_BYTES];
    struct problem p;
    assert_int_equal(path_join(out, "/a/b", "../c", &p), 0);
    assert_string_equal(out, "/a/c");
    assert_int_equal(path_join(out, "/a/b", "/c", &p), 0);
    assert_string_equal(out, "/c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slashes_dots_and_parents_are_resolved),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(the_longest_path_fits_and_one_more_byte_does_not),
        cmocka_unit_test(names_and_parents),
        cmocka_unit_test(within_is_by_whole_parts),
        cmocka_unit_test(joining_takes_absolute_names_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
