/* SPDX-License-Identifier: MIT
 *
 * Names made fit to be shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/text.h"

static void shows(const char *text, const char *want)
{
    assert_string_equal(SHOWN(text), want);
    char *out = NULL;
    size_t n = 0;
    FILE *stream = open_memstream(&out, &n);
    text_write(stream, text);
    fclose(stream);
    assert_string_equal(out, want);
    free(out);
}

static void ordinary_names_stay_as_they_are(void **state)
{
    (void)state;
    shows("film.mkv", "film.mkv");
    shows("Фильм — 映画 🎬 (2).mkv", "Фильм — 映画 🎬 (2).mkv");
    shows("", "");
}

static void nothing_can_move_the_cursor_or_forge_a_line(void **state)
{
    (void)state;
    shows("a\nmounted", "a\\x0amounted");
    shows("\033[31m", "\\x1b[31m");
    shows("\177", "\\x7f");
    shows("a\\x0a", "a\\\\x0a");
    shows("\xc2\x9b", "\\xc2\\x9b");          /* CSI of Latin 1 */
    shows("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* right-to-left override */
    shows("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* line separator */
}

static void bytes_that_are_not_utf_8_are_escaped(void **state)
{
    (void)state;
    shows("\xff", "\\xff");
    shows("a\xc3", "a\\xc3");
    shows("\xc0\xaf", "\\xc0\\xaf");                   /* overlong */
    shows("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* surrogate */
    shows("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* past the last character */
}

static void what_does_not_fit_ends_in_dots(void **state)
{
    (void)state;
    char out[8];
    assert_string_equal(text_escape(out, sizeof out, "1234567"), "1234567");
    assert_string_equal(text_escape(out, sizeof out, "12345678"), "1234...");
    assert_string_equal(text_escape(out, sizeof out, "\n\n"), "\\x0a...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_names_stay_as_they_are),
        cmocka_unit_test(nothing_can_move_the_cursor_or_forge_a_line),
        cmocka_unit_test(bytes_that_are_not_utf_8_are_escaped),
        cmocka_unit_test(what_does_not_fit_ends_in_dots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
