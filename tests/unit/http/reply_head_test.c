/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/reply_head.h"

static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";

static const char *write_head(char *out, size_t size, const struct http_reply *reply,
                              struct http_reply_form form)
{
    form.date = date;
    size_t n = http_reply_head(out, size, reply, &form);
    if (!n)
        return NULL;
    out[n] = '\0';
    return out;
}

static void heads_say_what_follows(void **state)
{
    (void)state;
    char out[1024];
    const struct http_field fields[] = {{"X-A", "1"}, {"X-B", ""}};
    struct http_reply reply = {
        .status = 200, .type = "text/plain", .fields = fields, .n_fields = 2};
    struct http_reply_form form = {
        .body = HTTP_BODY_LENGTH, .length = 1234567890123, .minor = 1, .keep_alive = true};
    assert_string_equal(write_head(out, sizeof out - 1, &reply, form),
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: 1\r\nX-B: \r\n"
                        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                        "Content-Length: 1234567890123\r\n\r\n");
    form = (struct http_reply_form){.body = HTTP_BODY_CHUNKED, .minor = 1};
    reply = (struct http_reply){.status = 404};
    assert_string_equal(write_head(out, sizeof out - 1, &reply, form),
                        "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    form = (struct http_reply_form){.body = HTTP_BODY_NONE, .minor = 0, .keep_alive = true};
    reply = (struct http_reply){.status = 204};
    assert_string_equal(write_head(out, sizeof out - 1, &reply, form),
                        "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                        "Connection: keep-alive\r\n\r\n");
    form = (struct http_reply_form){.body = HTTP_BODY_TO_CLOSE};
    reply = (struct http_reply){.status = 799};
    assert_string_equal(write_head(out, sizeof out - 1, &reply, form),
                        "HTTP/1.1 799 Unknown\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                        "Connection: close\r\n\r\n");
}

static void a_head_fits_or_there_is_none(void **state)
{
    (void)state;
    char out[256];
    struct http_reply reply = {.status = 200, .type = "text/plain"};
    struct http_reply_form form = {.body = HTTP_BODY_LENGTH, .minor = 1, .keep_alive = true};
    size_t n = strlen(write_head(out, sizeof out - 1, &reply, form));
    for (size_t size = 0; size < n; size++)
        assert_null(write_head(out, size, &reply, form));
    assert_non_null(write_head(out, n, &reply, form));
}

static void fields_cannot_end_their_line(void **state)
{
    (void)state;
    char out[512];
    static const struct http_field bad[] = {
        {"", "a"},     {"A B", "a"}, {"A:", "a"},   {"A\r\nB", "a"}, {"A", "a\r\nB: c"},
        {"A", "a\nb"}, {"A", "\r"},  {"A", "\x01"}, {"A", "\x7f"},   {"\xc3\xa9", "a"},
    };
    struct http_reply_form form = {.body = HTTP_BODY_LENGTH, .minor = 1, .keep_alive = true};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct http_reply reply = {.status = 200, .fields = &bad[i], .n_fields = 1};
        assert_null(write_head(out, sizeof out - 1, &reply, form));
    }
    const struct http_field good = {"A", "a\tb \xc3\xa9"};
    struct http_reply reply = {.status = 200, .fields = &good, .n_fields = 1};
    assert_non_null(write_head(out, sizeof out - 1, &reply, form));
    reply = (struct http_reply){.status = 200, .type = "a\r\nb: c"};
    assert_null(write_head(out, sizeof out - 1, &reply, form));
}

static void dates_are_those_of_http(void **state)
{
    (void)state;
    static const struct {
        int64_t at;
        const char *text;
    } cases[] = {{784111777, date}, /* the example of RFC 9110, 5.6.7 */
                 {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
                 {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
                 {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
                 {4102444799, "Thu, 31 Dec 2099 23:59:59 GMT"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[HTTP_DATE_SIZE];
        http_date(out, cases[i].at);
        assert_string_equal(out, cases[i].text);
    }
}

static void some_statuses_have_no_body(void **state)
{
    (void)state;
    assert_true(http_status_is_bodiless(100));
    assert_true(http_status_is_bodiless(204));
    assert_true(http_status_is_bodiless(304));
    assert_false(http_status_is_bodiless(200));
    assert_false(http_status_is_bodiless(404));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_say_what_follows),
        cmocka_unit_test(a_head_fits_or_there_is_none),
        cmocka_unit_test(fields_cannot_end_their_line),
        cmocka_unit_test(dates_are_those_of_http),
        cmocka_unit_test(some_statuses_have_no_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
