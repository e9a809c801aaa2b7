/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/chunked.h"
#include "random.h"

/* What decoding gives: the data, with '|' where a chunk ends, then '.' for a
 * complete body, '!' for a bad one, and nothing when more is needed. */
struct decoded {
    char text[4096];
    size_t len, used;
};

static void add(struct decoded *d, const char *data, size_t len)
{
    assert_true(d->len + len < sizeof d->text);
    if (len)
        memcpy(d->text + d->len, data, len);
    d->len += len;
    d->text[d->len] = '\0';
}

/* Feed one piece, in memory of exactly its size. False: nothing more is wanted. */
static bool feed(struct http_chunked *c, struct decoded *d, const char *in, size_t len)
{
    char *piece = malloc(len ? len : 1);
    size_t at = 0;
    bool go_on = true;
    memcpy(piece, in, len);
    for (;;) {
        struct http_chunked_step s;
        enum http_chunked_found found = http_chunked_next(c, piece + at, len - at, &s);
        assert_true(s.used <= len - at);
        at += s.used;
        d->used += s.used;
        if (found == HTTP_CHUNKED_MORE) {
            assert_int_equal(at, len);
            break;
        }
        if (found == HTTP_CHUNKED_DATA) {
            assert_true(s.len > 0);
            add(d, s.data, s.len);
            if (s.chunk_end)
                add(d, "|", 1);
            continue;
        }
        assert_true(found == HTTP_CHUNKED_DONE || s.why);
        add(d, found == HTTP_CHUNKED_DONE ? "." : "!", 1);
        go_on = false;
        break;
    }
    free(piece);
    return go_on;
}

static void decode(struct decoded *d, const char *in, size_t len, struct dice *cuts)
{
    struct http_chunked c = {0};
    *d = (struct decoded){.text = ""};
    for (size_t at = 0; at < len;) {
        size_t n = cuts ? 1 + dice_below(cuts, 7) : len;
        if (n > len - at)
            n = len - at;
        if (!feed(&c, d, in + at, n))
            return;
        at += n;
    }
}

static void bodies_are_put_together(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0\r\n\r\n", "."},
        {"3\r\nabc\r\n0\r\n\r\n", "abc|."},
        {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "a|bc|."},
        {"00000003\r\nabc\r\n000\r\n\r\n", "abc|."},
        {"a\r\n0123456789\r\n0\r\n\r\n", "0123456789|."},
        {"A\r\n0123456789\r\n0\r\n\r\n", "0123456789|."},
        {"3;a=b;c=\"d\"\r\nabc\r\n0;x\r\n\r\n", "abc|."},
        {"3\r\n\r\n0\r\n0\r\n\r\n", "\r\n0|."},
        {"3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n", "abc|."},
        {"3\r\nab", "ab"},
        {"3\r\nabc", "abc|"},
        {"3\r\nabc\r\n0\r\n", "abc|"},
        {"3\r\nabc\r\n0\r\nA: b\r\n", "abc|"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct decoded d;
        decode(&d, cases[i][0], strlen(cases[i][0]), NULL);
        assert_string_equal(d.text, cases[i][1]);
        assert_int_equal(d.used, strlen(cases[i][0]));
    }
}

static void what_follows_the_body_is_left_alone(void **state)
{
    (void)state;
    struct decoded d;
    const char *in = "1\r\na\r\n0\r\n\r\nGET /";
    decode(&d, in, strlen(in), NULL);
    assert_string_equal(d.text, "a|.");
    assert_int_equal(d.used, strlen(in) - 5);
}

static void sloppy_framing_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"3\nabc\r\n0\r\n\r\n", "!"},
        {"3\r\nabc\n0\r\n\r\n", "abc|!"},
        {"3\r\nabcd\r\n0\r\n\r\n", "abc|!"},
        {"\r\n", "!"},
        {" 3\r\nabc", "!"},
        {"3 \r\nabc", "!"},
        {"+3\r\nabc", "!"},
        {"-3\r\nabc", "!"},
        {"0x3\r\nabc", "!"},
        {"g\r\n", "!"},
        {";a\r\n", "!"},
        {"3\rabc", "!"},
        {"3;a\nabc", "!"},
        {"3;a\001\r\nabc", "!"},
        {"0\r\n\n", "!"},
        {"0\r\nA: b\n\r\n", "!"},
        {"0\r\n folded\r\n\r\n", "!"},
        {"0\r\nA: \001\r\n\r\n", "!"},
        {"0\r\n\rx", "!"},
        /* sizes */
        {"0000000000000001\r\na\r\n0\r\n\r\n", "a|."},
        {"00000000000000001\r\na\r\n0\r\n\r\n", "!"},
        {"7fffffffffffffff\r\na", "a"},
        {"8000000000000000\r\na", "!"},
        {"ffffffffffffffff\r\na", "!"},
        {"10000000000000000\r\na", "!"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct decoded d;
        decode(&d, cases[i][0], strlen(cases[i][0]), NULL);
        assert_string_equal(d.text, cases[i][1]);
    }
}

static void extensions_and_trailers_have_a_greatest_size(void **state)
{
    (void)state;
    struct decoded d;
    char *in = malloc(40000);
    int n = sprintf(in, "1;%0200d\r\na\r\n0\r\n\r\n", 0);
    decode(&d, in, (size_t)n, NULL);
    assert_string_equal(d.text, "a|.");
    n = sprintf(in, "1;%0300d\r\na\r\n0\r\n\r\n", 0);
    decode(&d, in, (size_t)n, NULL);
    assert_string_equal(d.text, "!");
    n = sprintf(in, "0\r\nA: %016000d\r\n\r\n", 0);
    decode(&d, in, (size_t)n, NULL);
    assert_string_equal(d.text, ".");
    n = sprintf(in, "0\r\nA: %08000d\r\nB: %08000d\r\nC: %0500d\r\n\r\n", 0, 0, 0);
    decode(&d, in, (size_t)n, NULL);
    assert_string_equal(d.text, "!");
    free(in);
}

/* A body of some chunks, and what it decodes to. */
static size_t encode(struct dice *d, char *out, char *expected)
{
    char *p = out, *e = expected;
    for (size_t chunks = dice_below(d, 6); chunks > 0; chunks--) {
        size_t n = 1 + dice_below(d, 40);
        p += sprintf(p, "%0*zx%s\r\n", (int)(1 + dice_below(d, 4)), n,
                     dice_below(d, 4) ? "" : ";ext=1");
        for (size_t i = 0; i < n; i++)
            *p++ = *e++ = "\r\n0123456789abc"[dice_below(d, 15)];
        *e++ = '|';
        p += sprintf(p, "\r\n");
    }
    p += sprintf(p, "0\r\n%s\r\n", dice_below(d, 4) ? "" : "T: 1\r\n");
    *e++ = '.';
    *e = '\0';
    return (size_t)(p - out);
}

static void any_cut_gives_the_same(void **state)
{
    (void)state;
    struct dice d = dice_new(__func__);
    for (int round = 0; round < 5000; round++) {
        char in[1024], expected[1024];
        size_t n = encode(&d, in, expected);
        struct decoded whole, cut;
        decode(&whole, in, n, NULL);
        decode(&cut, in, n, &d);
        assert_string_equal(whole.text, expected);
        assert_string_equal(cut.text, expected);
        assert_int_equal(cut.used, n);
    }
}

static void spoilt_bodies_do_no_harm_and_cuts_change_nothing(void **state)
{
    (void)state;
    struct dice d = dice_new(__func__);
    for (int round = 0; round < 20000; round++) {
        char in[1024], expected[1024];
        size_t n = encode(&d, in, expected);
        for (size_t i = 1 + dice_below(&d, 3); i > 0; i--)
            in[dice_below(&d, n)] = "\r\n\0;: 0f"[dice_below(&d, 8)];
        struct decoded whole, cut;
        decode(&whole, in, n, NULL);
        decode(&cut, in, n, &d);
        assert_string_equal(whole.text, cut.text);
        assert_int_equal(whole.used, cut.used);
    }
}

static void data_that_were_not_taken_come_again(void **state)
{
    (void)state;
    struct dice d = dice_new(__func__);
    for (int round = 0; round < 2000; round++) {
        char in[1024], expected[1024];
        size_t n = encode(&d, in, expected), at = 0;
        struct http_chunked c = {0};
        struct decoded got = {.text = ""};
        for (;;) {
            struct http_chunked_step s;
            enum http_chunked_found found = http_chunked_next(&c, in + at, n - at, &s);
            at += s.used;
            if (found == HTTP_CHUNKED_DONE)
                break;
            assert_int_equal(found, HTTP_CHUNKED_DATA);
            size_t taken = dice_below(&d, s.len + 1);
            add(&got, s.data, taken);
            http_chunked_unread(&c, s.len - taken);
            at -= s.len - taken;
            if (s.chunk_end && taken == s.len)
                add(&got, "|", 1);
        }
        add(&got, ".", 1);
        assert_string_equal(got.text, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_put_together),
        cmocka_unit_test(what_follows_the_body_is_left_alone),
        cmocka_unit_test(sloppy_framing_is_refused),
        cmocka_unit_test(extensions_and_trailers_have_a_greatest_size),
        cmocka_unit_test(any_cut_gives_the_same),
        cmocka_unit_test(spoilt_bodies_do_no_harm_and_cuts_change_nothing),
        cmocka_unit_test(data_that_were_not_taken_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
