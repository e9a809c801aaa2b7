/* SPDX-License-Identifier: MIT
 *
 * Amounts, lines and settings: the small pure parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pfs/amount.h"
#include "pfs/lines.h"
#include "pfs/setting.h"

static void amount(uint64_t bytes, const char *want)
{
    char out[PFS_AMOUNT_MAX];
    assert_string_equal(pfs_amount(out, bytes), want);
}

static void amounts_are_powers_of_1024_with_two_digits(void **state)
{
    (void)state;
    amount(0, "0 bytes");
    amount(1, "1 byte");
    amount(1023, "1023 bytes");
    amount(1024, "1.00 KB");
    amount(200000, "195.31 KB");
    amount(6553600, "6.25 MB");
    amount((1 << 20) - 1, "1.00 MB");
    amount(UINT64_C(3) << 29, "1.50 GB");
    amount(UINT64_MAX, "16.00 EB");
}

static void last(const char *text, size_t lines, const char *want)
{
    size_t n = strlen(text);
    assert_string_equal(text + pfs_last_lines(text, n, lines), want);
}

static void last_lines_are_counted_from_the_end(void **state)
{
    (void)state;
    last("a\nb\nc\n", 2, "b\nc\n");
    last("a\nb\nc", 2, "b\nc");
    last("a\nb\nc\n", 3, "a\nb\nc\n");
    last("a\nb\nc\n", 9, "a\nb\nc\n");
    last("a\nb\nc\n", 0, "");
    last("a\n\n\n", 2, "\n\n");
    last("\n", 1, "\n");
    last("abc", 1, "abc");
    last("", 5, "");
}

static void reads(const char *text, enum json_type type, const char *json)
{
    struct json_object *value = pfs_setting_read(text);
    assert_int_equal(json_object_get_type(value), type);
    assert_string_equal(json_object_to_json_string(value), json);
    json_object_put(value);
}

static void settings_are_numbers_truths_or_text(void **state)
{
    (void)state;
    reads("5", json_type_int, "5");
    reads("-17", json_type_int, "-17");
    reads("9223372036854775807", json_type_int, "9223372036854775807");
    reads("1.5", json_type_double, "1.5");
    reads("1e3", json_type_double, "1e3");
    reads("true", json_type_boolean, "true");
    reads("False", json_type_boolean, "false");
    reads("512KB", json_type_string, "\"512KB\"");
    reads("", json_type_string, "\"\"");
    reads("nan", json_type_string, "\"nan\"");
    reads("inf", json_type_string, "\"inf\"");
    reads("0x10", json_type_string, "\"0x10\"");
    reads("-", json_type_string, "\"-\"");
    reads("1-2", json_type_string, "\"1-2\"");
    reads("127.0.0.1", json_type_string, "\"127.0.0.1\"");
    reads("99999999999999999999", json_type_string, "\"99999999999999999999\"");
}

static void shows(const char *key, const char *json, const char *want)
{
    struct json_object *value = json_tokener_parse(json);
    char *text = pfs_setting_show(key, value);
    assert_string_equal(text, want);
    free(text);
    json_object_put(value);
}

static void secrets_are_not_shown_and_long_values_cut(void **state)
{
    (void)state;
    shows("ring_buffer_size", "\"1MB\"", "1MB");
    shows("n", "5", "5");
    shows("secret_access_key", "\"abc\"", "***");
    shows("Password", "\"abc\"", "***");
    shows("api_token", "\"abc\"", "***");
    shows("x", "\"01234567890123456789012345678901234567890123456789\"",
          "01234567890123456789012345678901234567890123456789");
    shows("x", "\"01234567890123456789012345678901234567890123456789+\"",
          "01234567890123456789012345678901234567890123456...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_powers_of_1024_with_two_digits),
        cmocka_unit_test(last_lines_are_counted_from_the_end),
        cmocka_unit_test(settings_are_numbers_truths_or_text),
        cmocka_unit_test(secrets_are_not_shown_and_long_values_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
