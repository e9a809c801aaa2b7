/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/head.h"
#include "random.h"

/* What becomes of some bytes: a status to refuse with, 0: more is needed, 200: a
 * good head, which `h` and `text` (to be freed) have. */
static int look(struct http_head *h, char **text, const char *in, size_t len, struct dice *cuts)
{
    struct http_scan scan = {0};
    const char *why = NULL;
    int n = 0;
    /* In memory of exactly this size, so that a step outside is seen. */
    *text = malloc(len ? len : 1);
    for (size_t have = cuts ? 0 : len; !n; have += cuts ? dice_below(cuts, 9) : 0) {
        if (have > len)
            have = len;
        free(*text);
        *text = malloc(have ? have : 1);
        memcpy(*text, in, have);
        n = http_head_scan(&scan, *text, have, &why);
        if (have == len)
            break;
    }
    if (n <= 0) {
        assert_true(n == 0 || why);
        return -n;
    }
    int status = http_head_parse(h, *text + scan.begin, (size_t)n - scan.begin, &why);
    assert_true(status == 0 || why);
    return status ? status : 200;
}

static int status_of_n(const char *in, size_t len)
{
    struct http_head h;
    char *text;
    int status = look(&h, &text, in, len, NULL);
    free(text);
    return status;
}

static int status_of(const char *in)
{
    return status_of_n(in, strlen(in));
}

static void a_request_is_taken_apart(void **state)
{
    (void)state;
    struct http_head h;
    char *text;
    const char *in = "PUT /a%20b/c?path=%2Fx&stream=true HTTP/1.1\r\n"
                     "Host: here:80\r\nX-Empty:\r\nX-Spaces: \t a  b \t\r\n"
                     "Content-Length: 00012\r\n\r\n";
    assert_int_equal(look(&h, &text, in, strlen(in), NULL), 200);
    assert_int_equal(h.method, HTTP_PUT);
    assert_string_equal(h.text + h.path, "/a b/c");
    assert_int_equal(h.minor, 1);
    assert_int_equal(h.content_length, 12);
    assert_true(h.keep_alive);
    assert_false(h.chunked);
    assert_int_equal(h.query.n, 2);
    assert_string_equal(h.text + h.query_text + h.query.pair[0].value, "/x");
    assert_string_equal(http_head_field(&h, "hOST"), "here:80");
    assert_string_equal(http_head_field(&h, "x-empty"), "");
    assert_string_equal(http_head_field(&h, "x-spaces"), "a  b");
    assert_null(http_head_field(&h, "x-none"));
    free(text);
}

static void methods_are_known_by_their_exact_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum http_method method;
    } cases[] = {{"GET", HTTP_GET},         {"HEAD", HTTP_HEAD},   {"PUT", HTTP_PUT},
                 {"POST", HTTP_POST},       {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE},
                 {"OPTIONS", HTTP_OPTIONS}, {"get", HTTP_OTHER},   {"BREW", HTTP_OTHER}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_head h;
        char *text, in[64];
        snprintf(in, sizeof in, "%s / HTTP/1.1\r\nHost: x\r\n\r\n", cases[i].text);
        assert_int_equal(look(&h, &text, in, strlen(in), NULL), 200);
        assert_int_equal(h.method, cases[i].method);
        assert_string_equal(h.text + h.method_text, cases[i].text);
        free(text);
    }
}

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"
#define PUT "PUT / HTTP/1.1\r\nHost: x\r\n"

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        /* lengths */
        {PUT "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {PUT "Content-Length: 1, 1\r\n\r\n", 400},
        {PUT "Content-Length: +1\r\n\r\n", 400},
        {PUT "Content-Length: -1\r\n\r\n", 400},
        {PUT "Content-Length: 0x1\r\n\r\n", 400},
        {PUT "Content-Length: 1 \r\n\r\n", 200},
        {PUT "Content-Length: 1 2\r\n\r\n", 400},
        {PUT "Content-Length:\r\n\r\n", 400},
        {PUT "Content-Length: 9223372036854775807\r\n\r\n", 200},
        {PUT "Content-Length: 9223372036854775808\r\n\r\n", 400},
        {PUT "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {PUT "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {PUT "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
        /* codings */
        {PUT "Transfer-Encoding: chunked\r\n\r\n", 200},
        {PUT "Transfer-Encoding: CHUNKED\r\n\r\n", 200},
        {PUT "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {PUT "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {PUT "Transfer-Encoding: chunked, identity\r\n\r\n", 501},
        {PUT "Transfer-Encoding: xchunked\r\n\r\n", 501},
        {PUT "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
        {PUT "Transfer-Encoding:\r\n\r\n", 501},
        {PUT "Transfer-Encoding : chunked\r\n\r\n", 400},
        {"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        /* lines */
        {GET " folded: 1\r\n\r\n", 400},
        {GET "A: 1\r\n\tfolded\r\n\r\n", 400},
        {GET "A: 1\n\r\n", 400},
        {GET "\n", 400},
        {"GET / HTTP/1.1\nHost: x\r\n\r\n", 400},
        {GET "A: 1\rB: 2\r\n\r\n", 400},
        {GET "A: 1\r\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\r\nHost: x\r\n\r\n", 400},
        {"GET /\rx HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        /* names and values */
        {GET "A : 1\r\n\r\n", 400},
        {GET ": 1\r\n\r\n", 400},
        {GET "A\r\n\r\n", 400},
        {GET "A B: 1\r\n\r\n", 400},
        {GET "A(: 1\r\n\r\n", 400},
        {GET "A\xc3\xa9: 1\r\n\r\n", 400},
        {GET "A: \x01\r\n\r\n", 400},
        {GET "A: \x7f\r\n\r\n", 400},
        {GET "A: \xc3\xa9\r\n\r\n", 200},
        /* hosts */
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {GET "Host: x\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\n\r\n", 200},
        {"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400},
        /* expectations */
        {PUT "Expect: 100-Continue\r\n\r\n", 200},
        {PUT "Expect: 200-ok\r\n\r\n", 417},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (status_of(cases[i].text) != cases[i].status)
            fail_msg("%d, not %d: %s", status_of(cases[i].text), cases[i].status, cases[i].text);
}

static void request_lines_are_strict(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1", 200},
        {"GET /?a=b HTTP/1.1", 200},
        {"GET /\xc3\xa9 HTTP/1.1", 200},
        {"GET  / HTTP/1.1", 400},
        {"GET /  HTTP/1.1", 400},
        {" GET / HTTP/1.1", 400},
        {"GET / HTTP/1.1 ", 400},
        {"GET /a b HTTP/1.1", 400},
        {"GET\t/ HTTP/1.1", 400},
        {"GET / HTTP/1.2", 200},
        {"GET / HTTP/1.", 400},
        {"GET / HTTP/1.10", 400},
        {"GET / http/1.1", 400},
        {"GET / HTTP/2.0", 505},
        {"GET / HTTP/0.9", 505},
        {"GET / HTTQ/1.1", 400},
        {"GET /", 400},
        {"GET", 400},
        {"/ HTTP/1.1", 400},
        {"G@T / HTTP/1.1", 400},
        {"GET a HTTP/1.1", 400},
        {"GET  HTTP/1.1", 400},
        {"GET * HTTP/1.1", 400},
        {"OPTIONS * HTTP/1.1", 200},
        {"CONNECT x:80 HTTP/1.1", 400},
        {"GET /#f HTTP/1.1", 400},
        {"GET /%00 HTTP/1.1", 400},
        {"GET /%zz HTTP/1.1", 400},
        {"GET /?%zz HTTP/1.1", 400},
        {"GET /\x7f HTTP/1.1", 400},
        {"GET http://x/a HTTP/1.1", 200},
        {"GET http:///a HTTP/1.1", 400},
        {"GET https://x/a HTTP/1.1", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char in[128];
        snprintf(in, sizeof in, "%s\r\nHost: x\r\n\r\n", cases[i].line);
        if (status_of(in) != cases[i].status)
            fail_msg("%d, not %d: %s", status_of(in), cases[i].status, cases[i].line);
    }
}

static void whole_urls_are_cut_to_their_path(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"http://host:80/a/b?c=d", "/a/b", "d"},
        {"HTTP://host", "/", ""},
        {"http://host?c=1", "/", "1"},
        {"http://h?c=1", "/", "1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_head h;
        char *text, in[128];
        snprintf(in, sizeof in, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", cases[i][0]);
        assert_int_equal(look(&h, &text, in, strlen(in), NULL), 200);
        assert_string_equal(h.text + h.path, cases[i][1]);
        assert_int_equal(h.query.n, *cases[i][2] ? 1 : 0);
        if (h.query.n)
            assert_string_equal(h.text + h.query_text + h.query.pair[0].value, cases[i][2]);
        free(text);
    }
}

static void nul_bytes_are_refused_anywhere(void **state)
{
    (void)state;
    const char in[] = "GET /a?b=c HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    for (size_t i = 0; i < sizeof in - 1; i++) {
        char copy[sizeof in];
        memcpy(copy, in, sizeof in);
        copy[i] = '\0';
        int status = status_of_n(copy, sizeof in - 1);
        /* Without one of the last two LFs the head is not complete. */
        bool is_late_lf = i == sizeof in - 2 || i == sizeof in - 4;
        assert_true(is_late_lf ? status == 0 : status >= 400);
    }
}

static void one_empty_line_before_a_request_is_skipped(void **state)
{
    (void)state;
    assert_int_equal(status_of("\r\n" GET "\r\n"), 200);
    assert_int_equal(status_of("\r\n\r\n" GET "\r\n"), 400);
    assert_int_equal(status_of("\n" GET "\r\n"), 400);
}

static void what_is_not_http_is_known_at_once(void **state)
{
    (void)state;
    assert_int_equal(status_of("\x16\x03\x01"), 400);
    assert_int_equal(status_of("\r\n\x16"), 400);
    assert_int_equal(status_of("{"), 400);
    assert_int_equal(status_of("G"), 0);
    assert_int_equal(status_of("\r"), 0);
    assert_int_equal(status_of(""), 0);
}

static void connections_are_kept_as_asked(void **state)
{
    (void)state;
    static const struct {
        const char *version, *connection;
        bool kept;
    } cases[] = {{"1.1", "", true},
                 {"1.1", "Connection: close\r\n", false},
                 {"1.1", "Connection: CLOSE\r\n", false},
                 {"1.1", "Connection: x, close ,y\r\n", false},
                 {"1.1", "Connection: closer\r\n", true},
                 {"1.1", "Connection: keep-alive\r\n", true},
                 {"1.0", "", false},
                 {"1.0", "Connection: Keep-Alive\r\n", true},
                 {"1.0", "Connection: keep-alive, close\r\n", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_head h;
        char *text, in[128];
        snprintf(in, sizeof in, "GET / HTTP/%s\r\nHost: x\r\n%s\r\n", cases[i].version,
                 cases[i].connection);
        assert_int_equal(look(&h, &text, in, strlen(in), NULL), 200);
        assert_int_equal(h.keep_alive, cases[i].kept);
        free(text);
    }
}

static void heads_have_a_greatest_size(void **state)
{
    (void)state;
    char *big = malloc(100000);
    memset(big, 'a', 100000);
    memcpy(big, "GET /", 5);
    assert_int_equal(status_of_n(big, 8000), 0);
    assert_int_equal(status_of_n(big, 9000), 414);
    int n = sprintf(big, "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_URL_MAX - 1, 0);
    assert_int_equal(status_of_n(big, (size_t)n), 200);
    n = sprintf(big, "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_URL_MAX, 0);
    assert_int_equal(status_of_n(big, (size_t)n), 414);
    size_t fixed = strlen(GET "A: \r\n\r\n");
    n = sprintf(big, GET "A: %0*d\r\n\r\n", (int)(HTTP_HEAD_MAX - fixed), 0);
    assert_int_equal(n, HTTP_HEAD_MAX);
    assert_int_equal(status_of_n(big, (size_t)n), 200);
    n = sprintf(big, GET "A: %0*d\r\n\r\n", (int)(HTTP_HEAD_MAX - fixed) + 1, 0);
    assert_int_equal(status_of_n(big, (size_t)n), 431);
    /* Without its end it is refused just the same. */
    assert_int_equal(status_of_n(big, (size_t)n - 3), 0);
    memset(big + 40, 'b', 90000);
    assert_int_equal(status_of_n(big, 90000), 431);
    n = sprintf(big, GET);
    for (int i = 1; i < HTTP_FIELDS_MAX; i++)
        n += sprintf(big + n, "A%d: b\r\n", i);
    memcpy(big + n, "\r\n", 2);
    assert_int_equal(status_of_n(big, (size_t)n + 2), 200);
    memcpy(big + n, "B: c\r\n\r\n", 8);
    assert_int_equal(status_of_n(big, (size_t)n + 8), 431);
    free(big);
}

/* A good request with a few bytes changed. */
static size_t spoil(struct dice *d, char *out)
{
    static const char *const good[] = {
        "GET /files?path=%2Fa+b&stream=true HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
        "PUT /f HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\nExpect: 100-continue\r\n\r\n",
        ("POST http://h/p?q HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: "
         "chunked\r\n\r\n"),
        "\r\nOPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
    };
    static const char odd[] = "\r\n\0 \t:%/?&=+,0a\x7f\xff#";
    strcpy(out, good[dice_below(d, 4)]);
    size_t n = strlen(out);
    for (size_t i = dice_below(d, 4); i > 0; i--) {
        size_t at = dice_below(d, n);
        if (dice_below(d, 3)) {
            out[at] = odd[dice_below(d, sizeof odd - 1)];
        } else if (dice_below(d, 2)) {
            memmove(out + at, out + at + 1, n - at - 1);
            n--;
        } else {
            memmove(out + at + 1, out + at, n - at);
            n++;
        }
    }
    return n;
}

static void spoilt_requests_do_no_harm_and_cuts_change_nothing(void **state)
{
    (void)state;
    struct dice d = dice_new(__func__);
    unsigned good = 0;
    for (int round = 0; round < 40000; round++) {
        char in[256], *text, *again;
        struct http_head h, g;
        size_t n = spoil(&d, in);
        int status = look(&h, &text, in, n, NULL);
        assert_int_equal(look(&g, &again, in, n, &d), status);
        if (status == 200) {
            good++;
            assert_int_equal(h.n_fields, g.n_fields);
            assert_int_equal(h.content_length, g.content_length);
            assert_string_equal(h.text + h.path, g.text + g.path);
            assert_true(h.path + strlen(h.text + h.path) < h.len);
            assert_false(h.chunked && h.content_length >= 0);
            for (unsigned i = 0; i < h.n_fields; i++) {
                assert_null(strpbrk(h.text + h.field[i].name, "\r\n :"));
                assert_null(strpbrk(h.text + h.field[i].value, "\r\n"));
            }
        }
        free(text);
        free(again);
    }
    assert_true(good > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(methods_are_known_by_their_exact_names),
        cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
        cmocka_unit_test(request_lines_are_strict),
        cmocka_unit_test(whole_urls_are_cut_to_their_path),
        cmocka_unit_test(nul_bytes_are_refused_anywhere),
        cmocka_unit_test(one_empty_line_before_a_request_is_skipped),
        cmocka_unit_test(what_is_not_http_is_known_at_once),
        cmocka_unit_test(connections_are_kept_as_asked),
        cmocka_unit_test(heads_have_a_greatest_size),
        cmocka_unit_test(spoilt_requests_do_no_harm_and_cuts_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
