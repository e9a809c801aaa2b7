/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/url.h"
#include "random.h"

static void expect_decoded(const char *in, bool plus, const char *out, ptrdiff_t len)
{
    char text[64];
    strcpy(text, in);
    assert_int_equal(http_url_decode(text, strlen(in), plus), len);
    if (len > 0)
        assert_memory_equal(text, out, (size_t)len);
}

static void percent_encoding_is_decoded(void **state)
{
    (void)state;
    expect_decoded("a%20b", false, "a b", 3);
    expect_decoded("%C3%a9%26%3D%2B", true, "\xc3\xa9&=+", 5);
    expect_decoded("a+b", true, "a b", 3);
    expect_decoded("a+b", false, "a+b", 3);
    expect_decoded("%00", false, "\0", 1);
    expect_decoded("%2525", false, "%25", 3);
    expect_decoded("", false, "", 0);
}

static void half_an_escape_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"%", "%2", "a%", "a%2", "%zz", "%2g", "%g2", "%%20", "% 2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_decoded(bad[i], true, "", -1);
}

static void any_byte_can_be_escaped(void **state)
{
    (void)state;
    struct dice d = dice_new(__func__);
    for (int round = 0; round < 20000; round++) {
        char raw[32], text[128];
        size_t n = dice_below(&d, sizeof raw);
        for (size_t i = 0; i < n; i++)
            raw[i] = (char)dice_next(&d);
        size_t len = 0;
        for (size_t i = 0; i < n; i++)
            len += (size_t)sprintf(text + len, dice_below(&d, 2) ? "%%%02x" : "%%%02X",
                                   (unsigned char)raw[i]);
        assert_int_equal(http_url_decode(text, len, dice_below(&d, 2)), n);
        assert_memory_equal(text, raw, n);
    }
}

/* The value of a key in a query, "(none)", or "(bad)". */
static const char *value_of(char *text, const char *query, const char *key)
{
    struct http_query q;
    strcpy(text, query);
    if (http_query_parse(&q, text, strlen(query)) < 0)
        return "(bad)";
    for (unsigned i = 0; i < q.n; i++)
        if (!strcmp(text + q.pair[i].key, key))
            return text + q.pair[i].value;
    return "(none)";
}

static void the_first_value_of_a_key_counts(void **state)
{
    (void)state;
    char text[256];
    assert_string_equal(value_of(text, "path=%2Fa+b&path=2", "path"), "/a b");
    assert_string_equal(value_of(text, "x=1&path=2", "path"), "2");
    assert_string_equal(value_of(text, "path", "path"), "");
    assert_string_equal(value_of(text, "path=", "path"), "");
    assert_string_equal(value_of(text, "path=a=b", "path"), "a=b");
    assert_string_equal(value_of(text, "&&path=1&&", "path"), "1");
    assert_string_equal(value_of(text, "p%61th=1", "path"), "1");
    assert_string_equal(value_of(text, "", "path"), "(none)");
    assert_string_equal(value_of(text, "Path=1", "path"), "(none)");
    assert_string_equal(value_of(text, "=1", ""), "1");
}

static void bad_queries_are_refused_whole(void **state)
{
    (void)state;
    char text[1024] = "", query[512] = "";
    assert_string_equal(value_of(text, "path=1&x=%", "path"), "(bad)");
    assert_string_equal(value_of(text, "%zz=1", "path"), "(bad)");
    assert_string_equal(value_of(text, "a%00b=1", "a"), "(bad)");
    for (int i = 0; i < HTTP_QUERY_MAX; i++)
        strcat(query, "a=1&");
    assert_string_equal(value_of(text, query, "a"), "1");
    strcat(query, "a=1");
    assert_string_equal(value_of(text, query, "a"), "(bad)");
}

static void a_value_may_hold_nuls(void **state)
{
    (void)state;
    char text[] = "a=x%00y";
    struct http_query q;
    assert_int_equal(http_query_parse(&q, text, strlen(text)), 0);
    assert_int_equal(q.n, 1);
    assert_int_equal(q.pair[0].value_len, 3);
    assert_memory_equal(text + q.pair[0].value, "x\0y", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_encoding_is_decoded),
        cmocka_unit_test(half_an_escape_is_none),
        cmocka_unit_test(any_byte_can_be_escaped),
        cmocka_unit_test(the_first_value_of_a_key_counts),
        cmocka_unit_test(bad_queries_are_refused_whole),
        cmocka_unit_test(a_value_may_hold_nuls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
