/* SPDX-License-Identifier: MIT
 *
 * The server's address as typed, and addresses of calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pfs/base_url.h"

static void becomes(const char *text, const char *url, bool loopback)
{
    struct pfs_base base;
    assert_null(pfs_base_parse(&base, text));
    assert_string_equal(base.url, url);
    assert_int_equal(base.loopback, loopback);
    assert_null(base.unix_path);
    pfs_base_free(&base);
}

static void prefix_is_added_where_it_is_missing(void **state)
{
    (void)state;
    becomes("http://localhost:8080", "http://localhost:8080/api/v1", true);
    becomes("http://localhost:8080/", "http://localhost:8080/api/v1", true);
    becomes("http://localhost:8080/api/v1", "http://localhost:8080/api/v1", true);
    becomes("http://localhost:8080/api/v1/", "http://localhost:8080/api/v1", true);
    becomes("http://host/below", "http://host/below/api/v1", false);
}

static void scheme_is_added_where_it_is_missing(void **state)
{
    (void)state;
    becomes("localhost:8080", "http://localhost:8080/api/v1", true);
    becomes("HTTPS://Host", "https://Host/api/v1", false);
}

static void loopback_is_known_by_its_addresses(void **state)
{
    (void)state;
    becomes("127.0.0.1:1", "http://127.0.0.1:1/api/v1", true);
    becomes("127.9.9.9", "http://127.9.9.9/api/v1", true);
    becomes("http://[::1]:80", "http://[::1]:80/api/v1", true);
    becomes("LocalHost", "http://LocalHost/api/v1", true);
    becomes("127.0.0.1.example.net", "http://127.0.0.1.example.net/api/v1", false);
    becomes("localhost.example.net", "http://localhost.example.net/api/v1", false);
    becomes("http://[::2]:80", "http://[::2]:80/api/v1", false);
}

static void unix_sockets_have_a_path(void **state)
{
    struct pfs_base base;
    (void)state;
    assert_null(pfs_base_parse(&base, "unix:/run/pfs.sock"));
    assert_string_equal(base.unix_path, "/run/pfs.sock");
    assert_true(base.loopback);
    pfs_base_free(&base);
    char longest[5 + 109] = "unix:/";
    memset(longest + 6, 'a', 106);
    assert_null(pfs_base_parse(&base, longest));
    pfs_base_free(&base);
    longest[112] = 'a';
    assert_non_null(pfs_base_parse(&base, longest));
}

static void nonsense_is_refused(void **state)
{
    static const char *const texts[] = {"",           "http://",       "https:///x", "ftp://host",
                                        "http://a b", "http://a?x",    "http://a#x", "http://a\n",
                                        "unix:",      "unix:relative", "http://:80", "/"};
    struct pfs_base base;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_non_null(pfs_base_parse(&base, texts[i]));
}

static void calls_carry_encoded_values(void **state)
{
    struct pfs_base base;
    (void)state;
    assert_null(pfs_base_parse(&base, "http://h"));
    struct pfs_query query[] = {{"path", "/streamfs/my stream/\xc3\xa9&=+%"},
                                {"left", NULL},
                                {"n", "-5"},
                                {NULL, "nothing"}};
    char *url = pfs_base_call(&base, "/files", query, 4);
    assert_string_equal(
        url, "http://h/api/v1/files?path=%2Fstreamfs%2Fmy%20stream%2F%C3%A9%26%3D%2B%25&n=-5");
    free(url);
    url = pfs_base_call(&base, "/mounts", NULL, 0);
    assert_string_equal(url, "http://h/api/v1/mounts");
    free(url);
    pfs_base_free(&base);
}

static void starts(const char *url, const char *want)
{
    struct pfs_base base;
    assert_null(pfs_base_parse(&base, url));
    char *got = pfs_base_serve(&base);
    if (want) {
        assert_non_null(got);
        assert_string_equal(got, want);
    } else {
        assert_null(got);
    }
    free(got);
    pfs_base_free(&base);
}

static void it_is_said_how_a_server_is_started(void **state)
{
    (void)state;
    starts(PFS_DEFAULT_URL, "pfs serve");
    starts("127.0.0.1:9000", "pfs serve --port 9000");
    starts("http://[::1]:8081/", "pfs serve --port 8081");
    starts("http://[::1]", "pfs serve --port 80");
    starts("localhost", "pfs serve --port 80");
    starts("unix:/run/pfs.sock", "pfs serve --unix /run/pfs.sock");
    starts("http://example.net:8080", NULL);
    starts("https://localhost:8080", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix_is_added_where_it_is_missing),
        cmocka_unit_test(scheme_is_added_where_it_is_missing),
        cmocka_unit_test(loopback_is_known_by_its_addresses),
        cmocka_unit_test(unix_sockets_have_a_path),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(calls_carry_encoded_values),
        cmocka_unit_test(it_is_said_how_a_server_is_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
