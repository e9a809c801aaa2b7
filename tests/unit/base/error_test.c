/* SPDX-License-Identifier: MIT
 *
 * The sentence of each thread, names of codes, and text made safe. */
#include "base/error.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void sentence_and_code_are_kept(void **state)
{
    (void)state;
    assert_int_equal(gos__error(GOS_EINVAL, "piece %d of %s", 3, "x"), GOS_EINVAL);
    assert_string_equal(gos_last_error(), "piece 3 of x");
    assert_int_equal(gos__error_code(), GOS_EINVAL);
    assert_int_equal(gos__error_nomem(), GOS_ENOMEM);
    assert_string_equal(gos_last_error(), "out of memory");
    gos__error_clear();
    assert_string_equal(gos_last_error(), "");
    assert_int_equal(gos__error_code(), 0);
}

static void sentence_may_contain_the_last_one(void **state)
{
    (void)state;
    gos__error(GOS_EIO, "disk on fire");
    gos__error(GOS_EIO, "open x: %s", gos_last_error());
    assert_string_equal(gos_last_error(), "open x: disk on fire");
}

static void long_sentence_is_cut_between_characters(void **state)
{
    char many[600];

    (void)state;
    for (size_t i = 0; i + 2 < sizeof many; i += 2)
        memcpy(many + i, "\xc3\xa4", 3);
    gos__error(GOS_EIO, "%s", many);
    size_t len = strlen(gos_last_error());
    assert_in_range(len, 200, sizeof(struct gos__error_text) - 1);
    assert_string_equal(gos_last_error() + len - 3, "...");
    assert_int_equal((len - 3) % 2, 0); /* no half character before the dots */
}

static void *other_thread(void *arg)
{
    struct gos__error_text *out = arg;
    const char *first = gos_last_error();

    if (*first == '\0')
        gos__error(GOS_EBUSY, "from afar");
    gos__error_save(out);
    return NULL;
}

static void each_thread_has_its_own_and_it_can_travel(void **state)
{
    pthread_t thread;
    struct gos__error_text text;

    (void)state;
    gos__error(GOS_EIO, "mine");
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &text), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(gos_last_error(), "mine");
    gos__error_restore(&text);
    assert_string_equal(gos_last_error(), "from afar");
    assert_int_equal(gos__error_code(), GOS_EBUSY);
}

static void every_code_has_words(void **state)
{
    (void)state;
    for (int64_t code = GOS_ECONTRACT; code <= GOS_ELAPPED; code++)
        assert_string_not_equal(gos_strerror(code), "unknown error");
    assert_string_equal(gos_strerror(-ENOENT), "No such file or directory");
    assert_string_equal(gos_strerror(0), "no error");
    assert_string_equal(gos_strerror(GOS_ECONTRACT - 1), "unknown error");
    assert_string_equal(gos_strerror(-4000), "unknown error");
    assert_string_equal(gos_strerror(INT64_MIN), "unknown error");
}

static void assert_escaped(const char *in, size_t len, size_t cap, const char *expected)
{
    char out[64];

    assert_true(cap <= sizeof out);
    memset(out, 'X', sizeof out);
    assert_ptr_equal(gos__error_escape(out, cap, in, len), out);
    assert_string_equal(out, expected);
    for (size_t i = cap; i < sizeof out; i++)
        assert_int_equal(out[i], 'X');
}

static void hostile_text_is_escaped(void **state)
{
    (void)state;
    assert_escaped("Film \xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\xac", 14, 64,
                   "Film \xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\xac");
    assert_escaped("a\nb\x1b[2J\x7f", 8, 64, "a\\x0ab\\x1b[2J\\x7f");
    assert_escaped("back\\slash", 10, 64, "back\\x5cslash");
    assert_escaped("\0x", 2, 64, "\\x00x");
    assert_escaped("\xc2\x9b", 2, 64, "\\xc2\\x9b");            /* C1: also an escape */
    assert_escaped("\xe2\x80\xae!", 4, 64, "\\xe2\\x80\\xae!"); /* turns text around */
    assert_escaped("\xc0\xaf", 2, 64, "\\xc0\\xaf");            /* overlong */
    assert_escaped("\xed\xa0\x80", 3, 64, "\\xed\\xa0\\x80");   /* surrogate */
    assert_escaped("\xf4\x90\x80\x80", 4, 64, "\\xf4\\x90\\x80\\x80");
    assert_escaped("\xe2\x82", 2, 64, "\\xe2\\x82"); /* cut off */
    assert_escaped("", 0, 8, "");
}

static void text_that_does_not_fit_is_cut_with_dots(void **state)
{
    (void)state;
    assert_escaped("1234567", 7, 8, "1234567");
    assert_escaped("12345678", 8, 8, "1234...");
    assert_escaped("123\n5678", 8, 8, "123...");
    assert_escaped("\n\n\n", 3, 8, "\\x0a...");
    assert_escaped("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 8, 8, "\xc3\xa4\xc3\xa4...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentence_and_code_are_kept),
        cmocka_unit_test(sentence_may_contain_the_last_one),
        cmocka_unit_test(long_sentence_is_cut_between_characters),
        cmocka_unit_test(each_thread_has_its_own_and_it_can_travel),
        cmocka_unit_test(every_code_has_words),
        cmocka_unit_test(hostile_text_is_escaped),
        cmocka_unit_test(text_that_does_not_fit_is_cut_with_dots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
