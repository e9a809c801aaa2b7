/* SPDX-License-Identifier: MIT
 *
 * The option parser over a small table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/opt.h"

struct values {
    bool loud, deep;
    const char *name;
    struct opt_list peers;
    uint64_t size;
    int64_t time_ns;
};

static const char *no_x(const char *text)
{
    return strchr(text, 'x') ? "has an x" : NULL;
}

static const struct opt opts[] = {
    {.name = "loud",
     .letter = 'l',
     .kind = OPT_FLAG,
     .field = offsetof(struct values, loud),
     .help = "more words"},
    {.name = "deep",
     .letter = 'd',
     .kind = OPT_FLAG,
     .field = offsetof(struct values, deep),
     .help = "first line\nsecond line"},
    {.name = "name",
     .letter = 'n',
     .kind = OPT_TEXT,
     .field = offsetof(struct values, name),
     .arg = "NAME",
     .check = no_x,
     .example = "--name film",
     .help = "its name"},
    {.name = "peer",
     .kind = OPT_LIST,
     .field = offsetof(struct values, peers),
     .arg = "PEER",
     .example = "--peer a:1",
     .help = "a peer"},
    {.name = "size",
     .kind = OPT_SIZE,
     .field = offsetof(struct values, size),
     .arg = "SIZE",
     .not_zero = true,
     .example = "--size 4M",
     .help = "its size"},
    {.name = "time",
     .kind = OPT_SECONDS,
     .field = offsetof(struct values, time_ns),
     .arg = "SECONDS",
     .example = "--time 5",
     .help = "its time"},
};
static const struct opt_table table = {opts, sizeof opts / sizeof *opts};

static struct {
    struct values values;
    struct opt_list rest;
    char why[256];
} run;

static int parse(const char *const *words)
{
    int argc = 0;
    while (words[argc])
        argc++;
    opt_free(&table, &run.values, &run.rest);
    memset(&run, 0, sizeof run);
    return opt_parse(&table, &run.values, argc, (char **)(uintptr_t)words, &run.rest, run.why,
                     sizeof run.why);
}

#define PARSE(...) parse((const char *const[]){"tool", __VA_ARGS__, NULL})

static int clean_up(void **state)
{
    (void)state;
    opt_free(&table, &run.values, &run.rest);
    return 0;
}

static void long_options_take_the_next_word_or_what_follows_the_equals_sign(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--size", "4M", "--name=a=b", "--time", "2.5", "--loud"), 0);
    assert_int_equal(run.values.size, 4 << 20);
    assert_string_equal(run.values.name, "a=b");
    assert_int_equal(run.values.time_ns, 2500000000);
    assert_true(run.values.loud);
    assert_false(run.values.deep);
}

static void letters_may_be_joined(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-ldnfilm"), 0);
    assert_true(run.values.loud && run.values.deep);
    assert_string_equal(run.values.name, "film");
    assert_int_equal(PARSE("-ln", "film"), 0);
    assert_string_equal(run.values.name, "film");
}

static void options_and_words_may_be_mixed(void **state)
{
    (void)state;
    assert_int_equal(PARSE("one", "--loud", "-", "--", "--deep", "--"), 0);
    assert_int_equal(run.rest.n, 4);
    assert_string_equal(run.rest.items[0], "one");
    assert_string_equal(run.rest.items[1], "-");
    assert_string_equal(run.rest.items[2], "--deep");
    assert_string_equal(run.rest.items[3], "--");
    assert_false(run.values.deep);
}

static void lists_keep_their_order_and_the_last_text_wins(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--peer", "a", "--name", "1", "--peer=b", "--name", "2"), 0);
    assert_int_equal(run.values.peers.n, 2);
    assert_string_equal(run.values.peers.items[0], "a");
    assert_string_equal(run.values.peers.items[1], "b");
    assert_string_equal(run.values.name, "2");
}

static void wrong(const char *part)
{
    if (!strstr(run.why, part))
        fail_msg("\"%s\" does not say \"%s\"", run.why, part);
}

static void wrong_values_are_told_with_an_example(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--size", "4X"), -1);
    wrong("--size 4X");
    wrong("for example: --size 4M");
    assert_int_equal(PARSE("--size", "99999P"), -1);
    wrong("--size 99999P: is too large");
    assert_int_equal(PARSE("--time", "99999999999"), -1);
    wrong("--time 99999999999: is too large");
    assert_int_equal(PARSE("--size", "0"), -1);
    wrong("more than 0");
    assert_int_equal(PARSE("--time", "soon"), -1);
    wrong("for example: --time 5");
    assert_int_equal(PARSE("--name", "x\n"), -1);
    wrong("--name x\\x0a: has an x");
    assert_int_equal(PARSE("-l", "--peer"), -1);
    wrong("--peer needs PEER");
    assert_int_equal(PARSE("--loud=yes"), -1);
    wrong("--loud takes no argument");
}

static void unknown_options_and_abbreviations_are_refused(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--nam", "a"), -1);
    wrong("no option --nam");
    assert_int_equal(PARSE("--names", "a"), -1);
    assert_int_equal(PARSE("-lz"), -1);
    wrong("no option -z");
}

static void help_comes_from_the_same_table(void **state)
{
    (void)state;
    char *out = NULL;
    size_t n = 0;
    FILE *stream = open_memstream(&out, &n);
    opt_help(&table, stream);
    fclose(stream);
    assert_non_null(strstr(out, "-l, --loud       more words\n"));
    assert_non_null(strstr(out, "first line\n                   second line\n"));
    assert_non_null(strstr(out, "  --size SIZE      its size\n"));
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_options_take_the_next_word_or_what_follows_the_equals_sign),
        cmocka_unit_test(letters_may_be_joined),
        cmocka_unit_test(options_and_words_may_be_mixed),
        cmocka_unit_test(lists_keep_their_order_and_the_last_text_wins),
        cmocka_unit_test(wrong_values_are_told_with_an_example),
        cmocka_unit_test(unknown_options_and_abbreviations_are_refused),
        cmocka_unit_test(help_comes_from_the_same_table),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
