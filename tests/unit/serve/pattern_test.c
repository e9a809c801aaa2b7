/* SPDX-License-Identifier: MIT
 *
 * Patterns: the syntax that clients of the Go server know, what is refused and in which
 * words, lines of any bytes and any length; and that none takes long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "serve/pattern.h"

static struct pattern *make(const char *text, bool ignore_case)
{
    struct pattern *p;
    char why[256];
    if (pattern_new(&p, text, ignore_case, why, sizeof why) < 0)
        fail_msg("%s: %s", text, why);
    return p;
}

static int found(const char *pattern, bool ignore_case, const char *data, size_t n)
{
    struct pattern *p = make(pattern, ignore_case);
    int rc = pattern_search(p, data, n);
    pattern_free(p);
    return rc;
}

static const struct {
    const char *pattern, *text;
    int is;
} finds[] = {
    {"", "", 1},
    {"", "x", 1},
    {"two", "one two three", 1},
    {"two", "on tw o", 0},
    {"^two", "one two", 0},
    {"two$", "one two", 1},
    {"^$", "", 1},
    {"^$", "x", 0},
    {"\\Aa\\z", "a", 1},
    {"a|b|", "c", 1},
    {"^(a|bc)d$", "bcd", 1},
    {"^(a|bc)d$", "acd", 0},
    {"^a{2,3}$", "aa", 1},
    {"^a{2,3}$", "aaaa", 0},
    {"^a{2,}$", "aaaaa", 1},
    {"^a{0}b$", "b", 1},
    {"^(?:ab)+$", "abab", 1},
    {"^(?P<name>ab)+$", "abab", 1},
    {"^a+?$", "aaa", 1},
    {"^a+?$", "", 0},
    {"^a*?b??$", "aab", 1},
    {"^((a+)+)+$", "aaa", 1},
    /* What is no repetition stands for itself, as in Go. */
    {"^a{,2}$", "a{,2}", 1},
    {"a{x", "a{x", 1},
    {"[]x]", "]", 1},
    {"[^]x]", "]", 0},
    {"^[a-c-]+$", "b-c", 1},
    {"^[[:alpha:]_]+$", "a_B", 1},
    {"^[\\d.]+$", "1.2", 1},
    {"^\\d+\\.\\d$", "12.3", 1},
    {"\\D", "123", 0},
    {"^\\w+\\s\\W$", "ab_1 .", 1},
    {"\\S", " \t", 0},
    {"\\bfoo\\b", "a foo.", 1},
    {"\\bfoo\\b", "afoo", 0},
    {"\\Bfoo", "foo", 0},
    {"a\\tb", "a\tb", 1},
    {"\\x41\\x{42}", "AB", 1},
    {"\\(\\)\\[\\{\\*", "()[{*", 1},
    {"\\Qa.b*\\E", "a.b*", 1},
    {"\\Qa.b*\\E", "axbb", 0},
    {"(?i)TWO", "two", 1},
    {"a(?i:B)c", "abc", 1},
    {"a(?i:B)c", "abC", 0},
    {"(?s)a.b", "a\nb", 1},
    {"(?U)^a+$", "aa", 1},
    {"x^y", "xy", 0},
    {"(^|,)b", "a,b", 1},
    {"^.$", "\xc3\xa4", 1}, /* one letter, of two bytes */
    {"^\xc3\xa4{2}$", "\xc3\xa4\xc3\xa4", 1},
    {"^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa4", 1},
    {"^\\pL\\p{Greek}$", "\xc3\xa4\xce\xb1", 1},
    {"^\\w$", "\xc3\xa4", 0}, /* only of ASCII, as in Go */
};

static void the_syntax_is_that_of_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof finds / sizeof *finds; i++)
        if (found(finds[i].pattern, false, finds[i].text, strlen(finds[i].text)) != finds[i].is)
            fail_msg("'%s' in '%s': not %d", finds[i].pattern, finds[i].text, finds[i].is);
}

static void case_can_be_ignored(void **state)
{
    (void)state;
    assert_int_equal(found("tWo[a-c]", true, "TwOB", 4), 1);
    assert_int_equal(found("[^a]", true, "A", 1), 0);
    assert_int_equal(found("two", false, "TWO", 3), 0);
    assert_int_equal(found("\xc3\xa4", true, "\xc3\x84", 2), 1);
}

static void lines_of_any_bytes_are_searched(void **state)
{
    static const char binary[] = "\xff\xfe two\0\x80 three\xc3";
    static const char alone[] = "a\xff"
                                "b";
    const size_t n = sizeof binary - 1;
    (void)state;
    assert_int_equal(found("two", false, binary, n), 1);
    assert_int_equal(found("\\bthree", false, binary, n), 1);
    assert_int_equal(found("(?i)^T", false, binary, n), 0);
    assert_int_equal(found("o\\x00", false, binary, n), 1);
    /* Beside it all is found, over it nothing. */
    assert_int_equal(found("^a", false, alone, 3), 1);
    assert_int_equal(found("b$", false, alone, 3), 1);
    assert_int_equal(found("a.b", false, alone, 3), 0);
    assert_int_equal(found("a[^x]b", false, alone, 3), 0);
}

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *pattern, *why;
    } rows[] = {
        {"(", "missing ): ("},
        {"a)", "unexpected ): a)"},
        {"[a", "missing ]: [a"},
        {"[[:foo:]]", "invalid character class range: [:foo:]"},
        {"[b-a]", "invalid character class range: b-a"},
        {"*a", "no argument for repetition operator: *"},
        {"a**", "bad repetition operator: **"},
        {"a{2,1}", "invalid repetition size: {2,1}"},
        {"a{1001}", "invalid repetition size: {1001}"},
        {"a\\", "trailing \\"},
        {"(a)\\1", "invalid escape sequence: \\1"},
        {"(?=a)", "invalid perl operator: (?="},
        {"(?!a)", "invalid perl operator: (?!"},
        {"\\y", "invalid escape sequence: \\y"},
        {"\\p{Klingon}", "invalid character class range: \\p{Klingon}"},
        {"\xff", "invalid UTF-8"},
        {"((a{100}){100}){100}", "invalid repetition size: {100}"},
        {"\\pL{900}", "pattern too large - compile failed"},
        {".{1000}.{1000}", "too large with its repetitions written out"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pattern *p;
        char why[256];
        if (pattern_new(&p, rows[i].pattern, false, why, sizeof why) == 0)
            fail_msg("%s was taken", rows[i].pattern);
        if (!strstr(why, rows[i].why))
            fail_msg("%s: '%s', not '%s'", rows[i].pattern, why, rows[i].why);
    }
}

static void what_is_wrong_is_cut_to_its_room(void **state)
{
    struct pattern *p;
    char why[8];
    (void)state;
    assert_int_equal(pattern_new(&p, "(", false, why, sizeof why), -1);
    assert_string_equal(why, "missing");
}

static void the_longest_text_is_taken_and_no_longer_one(void **state)
{
    static char text[PATTERN_BYTES_MAX + 2];
    struct pattern *p;
    char why[256];
    (void)state;
    memset(text, 'a', PATTERN_BYTES_MAX);
    pattern_free(make(text, false));
    text[PATTERN_BYTES_MAX] = 'a';
    assert_int_equal(pattern_new(&p, text, false, why, sizeof why), -1);
    assert_string_equal(why, "longer than 1024 bytes");
}

/* ---- long lines ---- */

static void of_a_long_line_the_first_mebibyte_is_searched(void **state)
{
    const size_t n = PATTERN_LINE_MAX + 100;
    char *line = malloc(n);
    struct pattern *p = make("two", false);
    (void)state;
    memset(line, '.', n);
    assert_int_equal(pattern_reach(p), PATTERN_LINE_MAX);
    memcpy(line + PATTERN_LINE_MAX - 3, "two", 3);
    assert_int_equal(pattern_search(p, line, n), 1);
    memset(line, '.', n);
    memcpy(line + PATTERN_LINE_MAX - 2, "two", 3);
    assert_int_equal(pattern_search(p, line, n), 0);
    pattern_free(p);
    free(line);
}

static void where_the_search_ends_no_line_ends(void **state)
{
    const size_t n = PATTERN_LINE_MAX + 1;
    char *line = malloc(n);
    (void)state;
    memset(line, '.', n);
    line[PATTERN_LINE_MAX - 1] = 'x';
    line[PATTERN_LINE_MAX] = 'y';
    assert_int_equal(found("x$", false, line, n), 0);
    assert_int_equal(found("x\\b", false, line, n), 0);
    assert_int_equal(found("x$", false, line, n - 1), 1);
    assert_int_equal(found("x\\b", false, line, n - 1), 1);
    free(line);
}

static void large_patterns_are_searched_for_in_less_of_it(void **state)
{
    struct pattern *p = make("(a?){1000}a{1000}", false);
    (void)state;
    assert_in_range(pattern_reach(p), PATTERN_LINE_MIN, PATTERN_LINE_MAX / 2);
    pattern_free(p);
}

/* ---- time ---- */

/* What fills a line: all a, or a and b at random; each pattern is slow on one of them. */
static void fill(char *line, size_t n, unsigned kind)
{
    for (size_t i = 0; i < n; i++)
        line[i] = kind == 0 || rand() >> 8 & 1 ? 'a' : 'b';
}

/* About two seconds at most here; what tools that look on and busy machines add, too. */
#define WATCHDOG_NS (30 * SECOND)

static void the_worst_pattern_ends_soon_on_the_longest_line(void **state)
{
    static const char *const patterns[] = {
        "(a|a|a)*b",
        "(a*)*b",
        "((((a+)+)+)+)+c",
        "(a|b)*a(a|b){900}c",
        "(a?){1000}(a?){1000}c",
        "(a?){600}a{600}b",
        "a[ab]{299}a[ab]{299}a[ab]{299}a[ab]{299}c",
        "a.{1000}c",
        "(\\b|a|\\B)*[ab]{1000}x$",
    };
    const char *given = getenv("GOS_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)clock_ns();
    char *line = malloc(PATTERN_LINE_MAX);
    (void)state;
    print_message("GOS_TEST_SEED=%u\n", seed);
    srand(seed);
    for (unsigned kind = 0; kind < 2; kind++) {
        fill(line, PATTERN_LINE_MAX, kind);
        for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
            int64_t began = clock_ns();
            found(patterns[i], false, line, PATTERN_LINE_MAX);
            if (clock_ns() - began > WATCHDOG_NS)
                fail_msg("%s took %lld ns", patterns[i], (long long)(clock_ns() - began));
        }
    }
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_syntax_is_that_of_go),
        cmocka_unit_test(case_can_be_ignored),
        cmocka_unit_test(lines_of_any_bytes_are_searched),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(what_is_wrong_is_cut_to_its_room),
        cmocka_unit_test(the_longest_text_is_taken_and_no_longer_one),
        cmocka_unit_test(of_a_long_line_the_first_mebibyte_is_searched),
        cmocka_unit_test(where_the_search_ends_no_line_ends),
        cmocka_unit_test(large_patterns_are_searched_for_in_less_of_it),
        cmocka_unit_test(the_worst_pattern_ends_soon_on_the_longest_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
