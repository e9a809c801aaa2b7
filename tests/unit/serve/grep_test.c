/* SPDX-License-Identifier: MIT
 *
 * Patterns that would take all memory or minutes when they are compiled are refused;
 * those that people write are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/grep.h"

static void patterns_that_people_write_are_taken(void **state)
{
    static const char *const patterns[] = {
        "a{1000}",
        "a{,100}b{2,}",
        "([0-9]{1,3}\\.){3}[0-9]{1,3}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "(foo)+ (bar)+ [[:alpha:]\\d]+",
        "[](){}+*]+x",
        "[^]]*\\]\\{5\\}",
        "\\(x\\)\\+",
    };
    struct problem p;
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct grep g;
        if (grep_begin(&g, patterns[i], false, &p) < 0)
            fail_msg("%s: %s", patterns[i], p.text);
        grep_end(&g);
    }
}

static void patterns_that_grow_beyond_bounds_are_refused(void **state)
{
    static const char *const patterns[] = {
        "a{1000}{1000}",
        "a{,32000}",
        "((a{,100}){,100}){,100}",
        "((((((((((((((((((((((((((a)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+",
        "((a?)*){700}",
        "(aaaaaaaaaaaaaaaaaaaa){1000}",
        "(aaaaaaaaaaaaaaaaaaaa){1}{1000}",
        "[\\](aaaaaaaaaaaaaaaaaaaa){1000}",
        "[])(](aaaaaaaaaaaaaaaaaaaa){1000}",
        "[[:alpha:](](aaaaaaaaaaaaaaaaaaaa){1000}",
        "a{99999999999999999999}",
    };
    struct problem p;
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct grep g;
        if (grep_begin(&g, patterns[i], false, &p) == 0)
            fail_msg("%s was taken", patterns[i]);
        assert_int_equal(p.status, 400);
        assert_string_equal(p.text, "invalid regex pattern: too many repetitions");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_that_people_write_are_taken),
        cmocka_unit_test(patterns_that_grow_beyond_bounds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
