/* SPDX-License-Identifier: MIT
 *
 * The command line: which command, which options, in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pfs/options.h"

static int parse(struct pfs_options *o, char *why, ...)
{
    static char name[] = "pfs";
    char *argv[16] = {name};
    int argc = 1;
    va_list words;
    va_start(words, why);
    while ((argv[argc] = va_arg(words, char *)))
        argc++;
    va_end(words);
    return pfs_options_parse(o, argc, argv, why, 512);
}

#define PARSES(o, ...) assert_int_equal(parse(o, why, __VA_ARGS__, NULL), 0)
#define REFUSES(part, ...)                                                                         \
    do {                                                                                           \
        struct pfs_options o_;                                                                     \
        assert_int_equal(parse(&o_, why, __VA_ARGS__, NULL), -1);                                  \
        if (!strstr(why, part))                                                                    \
            fail_msg("no \"%s\" in \"%s\"", part, why);                                            \
        pfs_options_free(&o_);                                                                     \
    } while (0)

static char why[512];

static int no_environment(void **state)
{
    (void)state;
    unsetenv("PFS_API_URL");
    unsetenv("AGFS_API_URL");
    unsetenv("AGFS_SERVER_URL");
    return 0;
}

static void options_stand_before_or_after_the_command(void **state)
{
    struct pfs_options o;
    (void)state;
    PARSES(&o, "--pfs-api-baseurl", "http://a", "cat", "--stream", "/s");
    assert_string_equal(o.url, "http://a");
    assert_string_equal(o.command->name, "cat");
    assert_true(o.stream);
    assert_int_equal(o.n, 1);
    assert_string_equal(o.words[0], "/s");
    pfs_options_free(&o);
    PARSES(&o, "cat", "/s", "--stream", "--agfs-api-url=http://b");
    assert_string_equal(o.url, "http://b");
    assert_true(o.stream);
    pfs_options_free(&o);
    PARSES(&o, "--agfs-api-url=http://b", "--stream", "cat", "/s");
    assert_true(o.stream);
    pfs_options_free(&o);
    PARSES(&o, "--stream", "--from", "now", "--retry-for", "5", "cat", "/s");
    assert_string_equal(o.command->name, "cat");
    assert_string_equal(o.from, "now");
    assert_int_equal(o.n, 1);
    pfs_options_free(&o);
    PARSES(&o, "-fn", "3", "tail", "/s");
    assert_string_equal(o.command->name, "tail");
    assert_string_equal(o.lines, "3");
    pfs_options_free(&o);
    PARSES(&o, "-n3", "tail", "/s");
    assert_string_equal(o.lines, "3");
    pfs_options_free(&o);
    PARSES(&o, "--", "cat", "/s");
    assert_string_equal(o.command->name, "cat");
    assert_string_equal(o.words[0], "/s");
    pfs_options_free(&o);
}

/* In front of the command an option must mean the same for all of them. */
static void options_of_one_name_are_alike(void **state)
{
    size_t n;
    const struct pfs_command *all = pfs_command_all(&n);
    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < all[i].n_opts; k++)
            for (size_t other = 0; other < i; other++)
                for (size_t m = 0; m < all[other].n_opts; m++) {
                    const struct opt *a = &all[i].opts[k], *b = &all[other].opts[m];
                    if (!strcmp(a->name, b->name) || (a->letter && a->letter == b->letter))
                        assert_int_equal(a->kind == OPT_FLAG, b->kind == OPT_FLAG);
                }
}

static void environment_gives_the_address_in_this_order(void **state)
{
    struct pfs_options o;
    (void)state;
    PARSES(&o, "ls");
    assert_null(o.url);
    pfs_options_free(&o);
    setenv("AGFS_SERVER_URL", "http://3", 1);
    PARSES(&o, "ls");
    assert_string_equal(o.url, "http://3");
    pfs_options_free(&o);
    setenv("AGFS_API_URL", "http://2", 1);
    PARSES(&o, "ls");
    assert_string_equal(o.url, "http://2");
    pfs_options_free(&o);
    setenv("PFS_API_URL", "http://1", 1);
    PARSES(&o, "ls");
    assert_string_equal(o.url, "http://1");
    pfs_options_free(&o);
    setenv("PFS_API_URL", "", 1);
    PARSES(&o, "ls");
    assert_string_equal(o.url, "http://2");
    pfs_options_free(&o);
    PARSES(&o, "ls", "--pfs-api-baseurl", "http://0");
    assert_string_equal(o.url, "http://0");
    pfs_options_free(&o);
    no_environment(NULL);
}

static void words_may_begin_with_a_dash_behind_two(void **state)
{
    struct pfs_options o;
    (void)state;
    PARSES(&o, "write", "/s", "--", "-5", "--help");
    assert_int_equal(o.n, 3);
    assert_string_equal(o.words[1], "-5");
    assert_string_equal(o.words[2], "--help");
    assert_false(o.help);
    pfs_options_free(&o);
}

static void each_command_has_its_own_options(void **state)
{
    struct pfs_options o;
    (void)state;
    PARSES(&o, "grep", "-ric", "x", "/f");
    assert_true(o.recursive && o.ignore_case && o.count);
    pfs_options_free(&o);
    PARSES(&o, "tail", "-n", "5", "-f", "/f");
    assert_string_equal(o.lines, "5");
    assert_true(o.follow);
    pfs_options_free(&o);
    REFUSES("no option -r", "ls", "-r");
    REFUSES("no option --seal", "cat", "--seal", "/s");
    REFUSES("no option -f", "tailf", "-f", "/s");
}

static void wrong_values_are_told(void **state)
{
    (void)state;
    REFUSES("-n", "tail", "-n", "x", "/f");
    REFUSES("-n", "tail", "-n", "-1", "/f");
    REFUSES("--policy", "cat", "--stream", "--policy", "drop", "/s");
    REFUSES("-m", "mkdir", "-m", "9", "/d");
    REFUSES("--retry-for", "cat", "--retry-for", "soon", "/s");
    REFUSES("--timeout", "ls", "--timeout");
}

static void wrong_words_are_told(void **state)
{
    (void)state;
    REFUSES("no command given", "--timeout", "5");
    REFUSES("no command nonsense", "nonsense");
    REFUSES("serve goes before all options", "--timeout", "5", "serve");
    REFUSES("serve goes before all options", "--port", "5", "serve");
    REFUSES("no command nonsense", "nonsense", "serve");
    REFUSES("too few", "cat");
    REFUSES("too few", "cp", "/a");
    REFUSES("too many", "mv", "/a", "/b", "/c");
    REFUSES("too many", "mounts", "/a");
}

static void help_and_version_need_no_words(void **state)
{
    struct pfs_options o;
    (void)state;
    PARSES(&o, "cat", "--help");
    assert_true(o.help);
    assert_string_equal(o.command->name, "cat");
    pfs_options_free(&o);
    PARSES(&o, "--version");
    assert_true(o.version);
    pfs_options_free(&o);
}

static void help_names_every_command(void **state)
{
    char *text = NULL;
    size_t size = 0, n;
    (void)state;
    FILE *out = open_memstream(&text, &size);
    pfs_options_help(NULL, "pfs", out);
    fclose(out);
    const struct pfs_command *all = pfs_command_all(&n);
    assert_true(n > 20);
    for (size_t i = 0; i < n; i++) {
        char line[64];
        snprintf(line, sizeof line, "\n  %s ", all[i].name);
        assert_non_null(strstr(text, line));
        assert_ptr_equal(pfs_command_find(all[i].name), &all[i]);
    }
    assert_non_null(strstr(text, "\n  serve "));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_before_or_after_the_command),
        cmocka_unit_test(options_of_one_name_are_alike),
        cmocka_unit_test(environment_gives_the_address_in_this_order),
        cmocka_unit_test(words_may_begin_with_a_dash_behind_two),
        cmocka_unit_test(each_command_has_its_own_options),
        cmocka_unit_test(wrong_values_are_told),
        cmocka_unit_test(wrong_words_are_told),
        cmocka_unit_test(help_and_version_need_no_words),
        cmocka_unit_test(help_names_every_command),
    };
    return cmocka_run_group_tests(tests, no_environment, NULL);
}
