/* SPDX-License-Identifier: MIT
 *
 * JSON out, and JSON in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "serve/json.h"

static void is_string(const char *text, size_t n, const char *want)
{
    struct bytes out = {0};
    json_put_string(&out, text, n);
    bytes_put(&out, "", 1);
    assert_false(out.failed);
    assert_string_equal(out.data, want);
    bytes_free(&out);
}

static void strings_are_escaped_and_made_utf8(void **state)
{
    (void)state;
    is_string("plain", 5, "\"plain\"");
    is_string("", 0, "\"\"");
    is_string("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    is_string("\n\r\t\x01\x7f", 5, "\"\\n\\r\\t\\u0001\\u007f\"");
    is_string("a\0b", 3, "\"a\\u0000b\"");
    is_string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
              "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    is_string("\xff|\xc3|\xed\xa0\x80", 7,
              "\"\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    /* Cut within a character: the byte behind is not looked at. */
    is_string("\xc3\xa9", 1, "\"\xef\xbf\xbd\"");
}

static void times_are_those_of_the_protocol(void **state)
{
    char out[JSON_TIME_BYTES];
    (void)state;
    assert_string_equal(json_time(out, INT64_C(1763630561073269917)),
                        "2025-11-20T09:22:41.073269917Z");
    assert_string_equal(json_time(out, 0), "1970-01-01T00:00:00.000000000Z");
}

static void an_entry_has_capital_keys_in_meta_and_strings_in_content(void **state)
{
    struct fs_info info = {
        .name = "s1", .size = 5, .mode = 0644, .meta_name = "streamfs", .meta_type = "stream"};
    struct bytes out = {0};
    (void)state;
    fs_info_add(&info, "active_readers", "%d", 0);
    fs_info_add(&info, "total_written", "%d", 5);
    json_put_info(&out, &info);
    bytes_put(&out, "", 1);
    assert_string_equal(out.data,
                        "{\"name\":\"s1\",\"size\":5,\"mode\":420,"
                        "\"modTime\":\"1970-01-01T00:00:00.000000000Z\",\"isDir\":false,"
                        "\"meta\":{\"Name\":\"streamfs\",\"Type\":\"stream\","
                        "\"Content\":{\"active_readers\":\"0\",\"total_written\":\"5\"}}}");
    bytes_free(&out);
}

static void refuse(const char *text)
{
    if (json_read(text, strlen(text)))
        fail_msg("%s was taken", text);
}

static void only_whole_objects_are_read(void **state)
{
    (void)state;
    struct json_object *object = json_read(" {\"a\":\"b\"} \n", 12);
    assert_non_null(object);
    assert_string_equal(json_member_text(object, "a"), "b");
    assert_null(json_member_text(object, "b"));
    json_object_put(object);
    refuse("");
    refuse("[]");
    refuse("3");
    refuse("{");
    refuse("{\"a\":1} x");
    refuse("{\"a\":\"\xff\"}");
    refuse("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
           "\"a\":"
           "{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}}}}}}");
}

/* As a body: `begin`, `n` times `each`, `end`. */
static char *long_text(const char *begin, const char *each, size_t n, const char *end)
{
    size_t length = strlen(each);
    char *text = malloc(strlen(begin) + n * length + strlen(end) + 1);
    assert_non_null(text);
    char *at = stpcpy(text, begin);
    for (size_t i = 0; i < n; i++, at += length)
        memcpy(at, each, length);
    strcpy(at, end);
    return text;
}

static void what_would_take_far_more_memory_than_its_text_is_refused(void **state)
{
    char *parts = long_text("{\"a\":[", "0,", JSON_PARTS_MAX, "0]}");
    char *hidden = long_text("{'\"':[", "0,", JSON_PARTS_MAX, "0],'\"':0}");
    char *remark = long_text("{/*\"*/\"a\":[", "0,", JSON_PARTS_MAX, "0]}");
    char *data = long_text("{\"data\":\"\\\"", ",:[{", JSON_WORDS_MAX, "\"}");
    (void)state;
    assert_null(json_read_data(parts, strlen(parts)));
    refuse(parts);
    assert_null(json_read_data(hidden, strlen(hidden)));
    assert_null(json_read_data(remark, strlen(remark)));
    refuse(data);
    struct json_object *object = json_read_data(data, strlen(data));
    assert_non_null(object);
    assert_int_equal(strlen(json_member_text(object, "data")), 4 * JSON_WORDS_MAX + 1);
    json_object_put(object);
    free(parts);
    free(hidden);
    free(remark);
    free(data);
}

static void configurations_go_in_and_come_out(void **state)
{
    const char *text = "{\"a\":\"x\",\"b\":5,\"c\":[true,1.5],\"d\":{\"e\":null}}";
    struct json_object *object = json_read(text, strlen(text));
    struct problem p;
    struct bytes out = {0};
    (void)state;
    assert_non_null(object);
    struct conf_node *conf = json_to_conf(object, &p);
    assert_non_null(conf);
    json_put_conf(&out, conf);
    bytes_put(&out, "", 1);
    assert_string_equal(out.data, text);
    bytes_free(&out);
    conf_free(conf);
    json_object_put(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped_and_made_utf8),
        cmocka_unit_test(times_are_those_of_the_protocol),
        cmocka_unit_test(an_entry_has_capital_keys_in_meta_and_strings_in_content),
        cmocka_unit_test(only_whole_objects_are_read),
        cmocka_unit_test(what_would_take_far_more_memory_than_its_text_is_refused),
        cmocka_unit_test(configurations_go_in_and_come_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
