/* SPDX-License-Identifier: MIT
 *
 * Listings: reading, order, and the lines of ls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pfs/entry.h"

static void is_time(const char *text, int64_t seconds, int32_t nanoseconds)
{
    int64_t s;
    int32_t ns;
    assert_int_equal(pfs_time_read(&s, &ns, text), 0);
    assert_int_equal(s, seconds);
    assert_int_equal(ns, nanoseconds);
}

static void times_have_fractions_and_zones(void **state)
{
    (void)state;
    is_time("1970-01-01T00:00:00Z", 0, 0);
    is_time("2001-09-09T01:46:40Z", 1000000000, 0);
    is_time("2001-09-09T01:46:40.073269917Z", 1000000000, 73269917);
    is_time("2001-09-09T01:46:40.5Z", 1000000000, 500000000);
    is_time("2001-09-09T01:46:40.1234567891234Z", 1000000000, 123456789);
    is_time("2001-09-09T03:46:40+02:00", 1000000000, 0);
    is_time("2001-09-08T20:16:40-05:30", 1000000000, 0);
    is_time("0001-01-01T00:00:00Z", INT64_C(-62135596800), 0);
}

static void what_is_no_time_is_told(void **state)
{
    static const char *const texts[] = {"", "now", "2001-09-09", "2001-09-09T01:46:40",
                                        "2001-09-09T01:46:40+x"};
    int64_t s;
    int32_t ns;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(pfs_time_read(&s, &ns, texts[i]), -1);
        assert_int_equal(s, 0);
    }
}

static void folders_come_first_then_the_newest(void **state)
{
    static const char text[] =
        "{\"files\":["
        "{\"name\":\"old\",\"modTime\":\"2026-01-01T00:00:00Z\"},"
        "{\"name\":\"older-folder\",\"isDir\":true,\"modTime\":\"2025-01-01T00:00:00Z\"},"
        "{\"name\":\"new\",\"modTime\":\"2026-01-01T00:00:00.000000001Z\"},"
        "{\"name\":\"east\",\"modTime\":\"2026-01-02T00:00:00+03:00\"},"
        "{\"name\":\"new-folder\",\"isDir\":true,\"modTime\":\"2026-01-01T00:00:00Z\"}]}";
    static const char *const want[] = {"new-folder", "older-folder", "east", "new", "old"};
    (void)state;
    struct json_object *json = json_tokener_parse(text);
    struct pfs_entries list = pfs_entries_read(json);
    assert_int_equal(list.n, 5);
    for (size_t i = 0; i < list.n; i++)
        assert_string_equal(list.items[i].name, want[i]);
    pfs_entries_free(&list);
    json_object_put(json);
}

static void none(const char *text)
{
    struct json_object *json = json_tokener_parse(text);
    struct pfs_entries list = pfs_entries_read(json);
    assert_int_equal(list.n, 0);
    pfs_entries_free(&list);
    json_object_put(json);
}

static void null_is_an_empty_folder(void **state)
{
    (void)state;
    none("{\"files\":null}");
    none("{\"files\":[]}");
    none("{}");
    none("[]");
}

static void hostile_members_become_empty(void **state)
{
    (void)state;
    struct json_object *json = json_tokener_parse("{\"files\":[5,null,[],{\"name\":7,\"size\":"
                                                  "\"x\",\"mode\":-1,\"isDir\":\"\",\"meta\":3}]}");
    struct pfs_entries list = pfs_entries_read(json);
    assert_int_equal(list.n, 4);
    for (size_t i = 0; i < list.n; i++) {
        assert_string_equal(list.items[i].name, "");
        assert_false(list.items[i].folder);
        assert_null(list.items[i].meta);
    }
    pfs_entries_free(&list);
    json_object_put(json);
}

static void line_of(const char *text, bool safe, const char *want)
{
    char *line = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&line, &n);
    struct json_object *json = json_tokener_parse(text);
    struct pfs_entry e = pfs_entry_read(json);
    pfs_entry_line(out, &e, safe);
    fclose(out);
    assert_string_equal(line, want);
    free(line);
    json_object_put(json);
}

static void lines_have_mode_size_time_and_name(void **state)
{
    (void)state;
    line_of("{\"name\":\"s1\",\"size\":5,\"mode\":420,"
            "\"modTime\":\"2026-11-20T09:22:41.073269917Z\",\"isDir\":false}",
            false, "-rw-r--r--        5 2026-11-20 09:22:41 s1\n");
    line_of("{\"name\":\"d\",\"size\":0,\"mode\":493,\"modTime\":\"2026-11-20T10:22:41+01:00\","
            "\"isDir\":true}",
            false, "drwxr-xr-x        0 2026-11-20 09:22:41 d/\n");
    line_of("{\"name\":\"a\",\"size\":12345678901,\"mode\":0,\"modTime\":\"1970-01-01T00:00:00Z\"}",
            false, "---------- 12345678901 1970-01-01 00:00:00 a\n");
}

static void names_are_made_safe_for_terminals_only(void **state)
{
    static const char text[] = "{\"name\":\"a\\u001b[2Jb\",\"modTime\":\"1970-01-01T00:00:00Z\"}";
    (void)state;
    line_of(text, true, "----------        0 1970-01-01 00:00:00 a\\x1b[2Jb\n");
    line_of(text, false, "----------        0 1970-01-01 00:00:00 a\x1b[2Jb\n");
}

static void streams_are_known_by_their_type(void **state)
{
    static const struct {
        const char *text;
        bool stream;
    } cases[] = {{"{\"meta\":{\"Type\":\"stream\"}}", true},
                 {"{\"meta\":{\"Type\":\"rotate-stream\"}}", true},
                 {"{\"meta\":{\"Type\":\"file\"}}", false},
                 {"{\"meta\":{\"Type\":1}}", false},
                 {"{}", false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_object *json = json_tokener_parse(cases[i].text);
        assert_int_equal(pfs_entry_read(json).stream, cases[i].stream);
        json_object_put(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_fractions_and_zones),
        cmocka_unit_test(what_is_no_time_is_told),
        cmocka_unit_test(folders_come_first_then_the_newest),
        cmocka_unit_test(null_is_an_empty_folder),
        cmocka_unit_test(hostile_members_become_empty),
        cmocka_unit_test(lines_have_mode_size_time_and_name),
        cmocka_unit_test(names_are_made_safe_for_terminals_only),
        cmocka_unit_test(streams_are_known_by_their_type),
    };
    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
