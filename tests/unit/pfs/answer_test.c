/* SPDX-License-Identifier: MIT
 *
 * What is taken out of a server's answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pfs/answer.h"

static void tells(const char *text, const char *want)
{
    char out[256];
    pfs_answer_error(out, sizeof out, 500, text, text ? strlen(text) : 0);
    assert_string_equal(out, want);
}

static void refusal_is_its_json_error_or_its_first_line(void **state)
{
    (void)state;
    tells("{\"error\":\"stream not found: /s\"}\n", "stream not found: /s");
    tells("404 page not found\n", "HTTP 500: 404 page not found");
    tells("<html>\n<p>no</p>", "HTTP 500");
    tells("{\"error\":5}", "HTTP 500");
    tells("{\"error\":\"\"}", "HTTP 500");
    tells("[1]", "HTTP 500: [1]");
    tells(NULL, "HTTP 500");
}

static void text_with_a_nul_is_none(void **state)
{
    struct json_object *json = json_tokener_parse("{\"a\":\"x\\u0000y\",\"b\":\"xy\"}");
    (void)state;
    assert_string_equal(pfs_answer_text(json, "a", "none"), "none");
    assert_string_equal(pfs_answer_text(json, "b", "none"), "xy");
    json_object_put(json);
}

static void parts_are_counted_outside_of_strings(void **state)
{
    size_t n = PFS_ANSWER_VALUES_MAX;
    char *text = malloc(n + 8);
    (void)state;
    assert_non_null(text);
    memset(text, ',', n);
    strcpy(text + n - 1, "");
    assert_false(pfs_answer_too_many(text));
    strcpy(text + n - 1, "[");
    assert_true(pfs_answer_too_many(text));
    memcpy(text, "\"\\\"", 3);
    strcpy(text + n, "\"[{,");
    assert_false(pfs_answer_too_many(text));
    assert_false(pfs_answer_too_many(""));
    free(text);
}

static void long_refusals_are_cut(void **state)
{
    char text[1001], out[256];
    (void)state;
    memset(text, 'x', 1000);
    text[1000] = '\0';
    pfs_answer_error(out, sizeof out, 502, text, 1000);
    assert_int_equal(strlen(out), strlen("HTTP 502: ") + 200);
}

static bool has(const char *text, const char *feature)
{
    struct json_object *json = json_tokener_parse(text);
    bool found = pfs_answer_has_feature(json, feature);
    json_object_put(json);
    return found;
}

static void features_are_members_of_the_list(void **state)
{
    (void)state;
    assert_true(has("{\"features\":[\"stream\",\"gostream\"]}", "gostream"));
    assert_false(has("{\"features\":[\"stream\",\"touch\"]}", "gostream"));
    assert_false(has("{\"features\":[\"gostreams\", 5, null]}", "gostream"));
    assert_false(has("{\"features\":\"gostream\"}", "gostream"));
    assert_false(has("{\"features\":null}", "gostream"));
    assert_false(has("[\"gostream\"]", "gostream"));
    assert_false(pfs_answer_has_feature(NULL, "gostream"));
}

static void python(const char *text, const char *want)
{
    struct json_object *json = json_tokener_parse(text);
    char *shown = pfs_answer_python(json);
    assert_string_equal(shown, want);
    free(shown);
    json_object_put(json);
}

static void values_are_shown_as_python_does(void **state)
{
    (void)state;
    python("{\"active_readers\":\"0\",\"total_written\":\"5\"}",
           "{'active_readers': '0', 'total_written': '5'}");
    python("[1,2.5,true,false,null,{}]", "[1, 2.5, True, False, None, {}]");
    python("\"it's\"", "\"it's\"");
    python("\"say \\\"it's\\\"\"", "'say \"it\\'s\"'");
    python("\"a\\nb\\tc\\\\d\\u0001\"", "'a\\nb\\tc\\\\d\\x01'");
    python("\"\\u00e9\"", "'\xc3\xa9'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusal_is_its_json_error_or_its_first_line),
        cmocka_unit_test(long_refusals_are_cut),
        cmocka_unit_test(text_with_a_nul_is_none),
        cmocka_unit_test(parts_are_counted_outside_of_strings),
        cmocka_unit_test(features_are_members_of_the_list),
        cmocka_unit_test(values_are_shown_as_python_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
