/* SPDX-License-Identifier: MIT
 *
 * Searches that would take all memory or minutes are refused or ended; those that
 * people make are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "serve/grep.h"
#include "serve/memfs.h"
#include "serve/stream.h"

static void patterns_that_people_write_are_taken(void **state)
{
    static const char *const patterns[] = {
        "a{1000}",
        "a{0,100}b{2,}",
        ".{0,900}",
        "\\p{L}+ \\p{L}+ \\p{L}+",
        "([0-9]{1,3}\\.){3}[0-9]{1,3}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "(foo)+ (bar)+ [[:alpha:]\\d]+",
        "[](){}+*]+?x",
        "[^]]*\\]\\{5\\}",
        "\\(x\\)\\+",
        "((((((((((((((((((((((((((a)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+",
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
        "(a{1000}){1000}",
        "a{0,32000}",
        "((a{0,100}){0,100}){0,100}",
        "((a{100}){100}){100}",
        "(aaaaaaaaaaaaaaaaaaaa){1000}",
        "(\\pL?){1000}",
        "a{1001}",
    };
    struct problem p;
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct grep g;
        if (grep_begin(&g, patterns[i], false, &p) == 0)
            fail_msg("%s was taken", patterns[i]);
        assert_int_equal(p.status, 400);
        assert_non_null(strstr(p.text, "invalid regex pattern: "));
    }
}

/* ---- whole searches ---- */

struct rig {
    struct tree tree;
    struct stream_room room;
    struct problem p;
    struct grep grep;
};

static void setup(struct rig *r, const char *pattern)
{
    struct fs *fs;
    unsigned line;
    memset(r, 0, sizeof *r);
    r->room = (struct stream_room){.max_bytes = 1u << 30, .n_loops = 1};
    tree_init(&r->tree);
    const struct fs_kind *k = kinds_find("memfs");
    assert_int_equal(kinds_make(k, &fs, NULL, &r->room, &line, &r->p), 0);
    assert_int_equal(mounts_add(&r->tree.mounts, "/m", k, fs, NULL, NULL, &r->p), 0);
    assert_int_equal(grep_begin(&r->grep, pattern, false, &r->p), 0);
}

static void teardown(struct rig *r)
{
    grep_end(&r->grep);
    tree_finish(&r->tree);
}

/* `n` bytes in lines of `line`, each of them `byte` but for its end. */
static void put_file(struct rig *r, const char *path, char byte, size_t n, size_t line)
{
    char *data = malloc(n);
    memset(data, byte, n);
    for (size_t i = line; i <= n; i += line)
        data[i - 1] = '\n';
    if (tree_write(&r->tree, path, data, n, &r->p) < 0)
        fail_msg("%s", r->p.text);
    free(data);
}

static void a_search_in_long_lines_ends_when_its_time_is_over(void **state)
{
    struct rig r;
    (void)state;
    setup(&r, "(a?){600}a{600}b");
    put_file(&r, "/m/f", 'a', 4u << 20, 64u << 10);
    r.grep.time_ns = SECOND / 50;
    int64_t before = clock_ns();
    assert_int_equal(grep_run(&r.grep, &r.tree, "/m/f", &r.p), -1);
    assert_true(clock_ns() - before < 10 * SECOND); /* to its end it would take a minute */
    assert_int_equal(r.p.status, 400);
    assert_string_equal(r.p.text, "grep failed: the search took too long; narrow it down, or "
                                  "set a limit");
    teardown(&r);
}

static void a_search_that_is_given_up_ends_within_a_line(void **state)
{
    struct rig r;
    atomic_bool given_up = true;
    (void)state;
    setup(&r, "(a?){600}a{600}b");
    put_file(&r, "/m/f", 'a', 4u << 20, 64u << 10);
    r.grep.given_up = &given_up;
    int64_t before = clock_ns();
    assert_int_equal(grep_run(&r.grep, &r.tree, "/m/f", &r.p), 0);
    assert_true(clock_ns() - before < 10 * SECOND);
    teardown(&r);
}

static void an_answer_does_not_grow_beyond_bounds(void **state)
{
    struct rig r;
    (void)state;
    setup(&r, "");
    put_file(&r, "/m/f", '\n', 100000, 1);
    r.grep.answer_max = 100000;
    assert_int_equal(grep_run(&r.grep, &r.tree, "/m/f", &r.p), -1);
    assert_true(r.grep.out.n < 101000);
    assert_string_equal(r.p.text, "grep failed: too many matches; narrow it down, or set a limit");
    teardown(&r);
}

static void a_limit_that_is_reached_is_no_error(void **state)
{
    struct rig r;
    (void)state;
    setup(&r, "");
    put_file(&r, "/m/f", '\n', 100000, 1);
    r.grep.answer_max = 20;
    r.grep.limit = 1;
    assert_int_equal(grep_run(&r.grep, &r.tree, "/m/f", &r.p), 0);
    assert_int_equal(r.grep.count, 1);
    teardown(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_that_people_write_are_taken),
        cmocka_unit_test(patterns_that_grow_beyond_bounds_are_refused),
        cmocka_unit_test(a_search_in_long_lines_ends_when_its_time_is_over),
        cmocka_unit_test(a_search_that_is_given_up_ends_within_a_line),
        cmocka_unit_test(an_answer_does_not_grow_beyond_bounds),
        cmocka_unit_test(a_limit_that_is_reached_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
