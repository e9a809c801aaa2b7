/* SPDX-License-Identifier: MIT
 *
 * What streams put on the wire is read back with the decoder of request bodies,
 * whatever part of each batch the socket took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/chunked.h"
#include "http/framing.h"
#include "random.h"

struct wire {
    char *at;
    size_t len, size;
};

/* Send the first `n` bytes of a batch. */
static void send_some(struct wire *w, const struct http_frames *f, size_t n)
{
    for (unsigned i = 0; i < f->n && n; i++) {
        size_t take = f->iov[i].iov_len < n ? f->iov[i].iov_len : n;
        if (w->len + take > w->size) {
            w->size = (w->len + take) * 2;
            w->at = realloc(w->at, w->size);
        }
        memcpy(w->at + w->len, f->iov[i].iov_base, take);
        w->len += take;
        n -= take;
    }
    assert_int_equal(n, 0);
}

static struct http_frames frames; /* big */
static char letters[] = "abcdef";

static void a_batch_is_cut_into_chunks_of_64_kib(void **state)
{
    (void)state;
    struct http_framing f = {.chunked = true};
    char *data = calloc(1, 150000);
    struct iovec iov[] = {{data, 100000}, {data + 100000, 50000}};
    struct wire w = {0};
    http_framing_build(&f, iov, 2, true, "A: b\r\n", &frames);
    assert_true(frames.complete);
    assert_int_equal(frames.payload, 150000);
    send_some(&w, &frames, frames.bytes);
    assert_memory_equal(w.at, "10000\r\n", 7);
    assert_memory_equal(w.at + 7 + 65536, "\r\n10000\r\n", 9);
    assert_memory_equal(w.at + 16 + 131072, "\r\n49f0\r\n", 8);
    assert_memory_equal(w.at + 24 + 150000, "\r\n0\r\nA: b\r\n\r\n", 13);
    assert_int_equal(w.len, 24 + 150000 + 13);
    free(w.at);
    free(data);
}

static void an_idle_stream_owes_nothing(void **state)
{
    (void)state;
    struct http_framing f = {.chunked = true};
    struct iovec iov = {letters, 3};
    http_framing_build(&f, &iov, 1, false, NULL, &frames);
    assert_int_equal(frames.bytes, 8); /* 3 CRLF abc CRLF */
    assert_int_equal(http_framing_settle(&f, &frames, 8), 3);
    assert_true(http_framing_may_pad(&f));
    http_framing_build(&f, NULL, 0, false, NULL, &frames);
    assert_int_equal(frames.bytes, 0);
}

static void zeros_stop_where_a_size_would_get_too_long(void **state)
{
    (void)state;
    struct http_framing f = {.chunked = true};
    int zeros = 0;
    while (http_framing_may_pad(&f)) {
        f.zeros++;
        zeros++;
    }
    assert_int_equal(zeros, 8);
    struct iovec iov = {letters, 3};
    http_framing_build(&f, &iov, 1, false, NULL, &frames);
    http_framing_settle(&f, &frames, 1);
    assert_false(http_framing_may_pad(&f)); /* within a size line */
    http_framing_build(&f, &iov, 1, false, NULL, &frames);
    http_framing_settle(&f, &frames, frames.bytes);
    assert_true(http_framing_may_pad(&f));
}

static void an_end_that_breaks_a_promise_is_none(void **state)
{
    (void)state;
    struct http_framing f = {.chunked = true};
    struct iovec iov = {letters, 6};
    http_framing_build(&f, &iov, 1, false, NULL, &frames);
    http_framing_settle(&f, &frames, 3 + 2); /* size line and "ab" */
    iov.iov_len = 3;
    http_framing_build(&f, &iov, 1, true, NULL, &frames);
    assert_true(frames.too_little);
    iov.iov_len = 4;
    http_framing_build(&f, &iov, 1, true, NULL, &frames);
    assert_false(frames.too_little);
}

static void trailers_that_do_not_fit_are_left_out(void **state)
{
    (void)state;
    struct http_framing f = {.chunked = true};
    char *long_one = malloc(6000);
    memset(long_one, 'a', 6000);
    memcpy(long_one + 5997, "\r\n", 3);
    http_framing_build(&f, NULL, 0, true, long_one, &frames);
    assert_int_equal(frames.bytes, 5);
    assert_memory_equal(frames.iov[0].iov_base, "0\r\n\r\n", 5);
    free(long_one);
}

static void raw_streams_have_no_framing(void **state)
{
    (void)state;
    struct http_framing f = {0};
    struct iovec iov[] = {{letters, 3}, {letters, 0}, {letters + 3, 2}};
    http_framing_build(&f, iov, 3, true, "A: b\r\n", &frames);
    assert_int_equal(frames.bytes, 5);
    assert_int_equal(http_framing_settle(&f, &frames, 4), 4);
    assert_false(http_framing_may_pad(&f));
}

/* Decode a whole body; its length, or SIZE_MAX: it is no good. */
static size_t decode(const struct wire *w, char *out)
{
    struct http_chunked c = {0};
    size_t at = 0, n = 0;
    for (;;) {
        struct http_chunked_step s;
        enum http_chunked_found found = http_chunked_next(&c, w->at + at, w->len - at, &s);
        at += s.used;
        if (found == HTTP_CHUNKED_DONE)
            return at == w->len ? n : SIZE_MAX;
        if (found != HTTP_CHUNKED_DATA)
            return SIZE_MAX;
        memcpy(out + n, s.data, s.len);
        n += s.len;
    }
}

/* How much of a batch the socket takes: everything, nothing, or around the places
 * where it hurts. */
static size_t appetite(struct dice *d, const struct http_frames *f)
{
    size_t n = 0;
    switch (dice_below(d, 4)) {
    case 0:
        return f->bytes;
    case 1:
        return dice_below(d, f->bytes + 1);
    default:
        for (unsigned i = 0; i < f->n && dice_below(d, 3); i++)
            n += f->iov[i].iov_len;
        n += dice_below(d, 12);
        return n > f->bytes ? f->bytes : n;
    }
}

/* One stream of random length from its first batch to its end. */
static void run_stream(struct dice *d, const char *data, size_t total, char *out)
{
    struct http_framing f = {.chunked = true};
    struct wire w = {0};
    size_t at = 0, last_len = 0;
    for (bool ended = false; !ended;) {
        struct iovec iov[HTTP_BATCH_IOV];
        unsigned n = 0;
        size_t off = at;
        while (n < HTTP_BATCH_IOV && off < total && dice_below(d, 20)) {
            size_t len = 1 + dice_below(d, dice_below(d, 3) ? 100 : 200000);
            if (len > total - off)
                len = total - off;
            iov[n++] = (struct iovec){(char *)(uintptr_t)data + off, len};
            off += len;
        }
        http_framing_build(&f, iov, n, off == total, NULL, &frames);
        assert_false(frames.too_little);
        assert_true(frames.n <= HTTP_PIECES_MAX);
        size_t sent = appetite(d, &frames);
        bool has_last = frames.n && frames.kind[frames.n - 1] == HTTP_PIECE_LAST;
        last_len = has_last ? frames.iov[frames.n - 1].iov_len : 0;
        /* Whoever sends the last piece sends all of it. */
        if (has_last && sent > frames.bytes - last_len)
            sent = frames.bytes;
        send_some(&w, &frames, sent);
        at += http_framing_settle(&f, &frames, sent);
        ended = has_last && sent == frames.bytes;
        if (http_framing_may_pad(&f) && !ended && !dice_below(d, 4)) {
            w.at = realloc(w.at, w.size = w.len + 1);
            w.at[w.len++] = '0';
            f.zeros++;
        }
    }
    assert_int_equal(at, total);
    assert_int_equal(decode(&w, out), total);
    assert_memory_equal(out, data, total);
    free(w.at);
}

static void any_partial_sends_give_the_same_body(void **state)
{
    (void)state;
    struct dice d = dice_new(__func__);
    size_t most = 2000000;
    char *data = malloc(most), *out = malloc(most);
    for (size_t i = 0; i < most; i++)
        data[i] = (char)dice_next(&d);
    for (int round = 0; round < 400; round++)
        run_stream(&d, data, dice_below(&d, round % 10 ? 3000 : most), out);
    free(data);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_cut_into_chunks_of_64_kib),
        cmocka_unit_test(an_idle_stream_owes_nothing),
        cmocka_unit_test(zeros_stop_where_a_size_would_get_too_long),
        cmocka_unit_test(an_end_that_breaks_a_promise_is_none),
        cmocka_unit_test(trailers_that_do_not_fit_are_left_out),
        cmocka_unit_test(raw_streams_have_no_framing),
        cmocka_unit_test(any_partial_sends_give_the_same_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
