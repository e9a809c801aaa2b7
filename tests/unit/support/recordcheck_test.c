/* SPDX-License-Identifier: MIT
 *
 * The checking reader of the stream benchmark finds what is wrong, and only that. */
#include "support/recordcheck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 40, SENT_NS = 1000 };

struct text {
    char data[4096];
    size_t len;
};

static void put(struct text *t, const void *data, size_t len)
{
    assert_true(t->len + len <= sizeof t->data);
    memcpy(t->data + t->len, data, len);
    t->len += len;
}

static void put_text(struct text *t, const char *words)
{
    put(t, words, strlen(words));
}

static void put_chunk(struct text *t, const void *data, size_t len)
{
    char line[32];
    put(t, line, (size_t)snprintf(line, sizeof line, "%zx\r\n", len));
    put(t, data, len);
    put_text(t, "\r\n");
}

static void put_record(struct text *t, uint64_t number)
{
    char record[SIZE];
    memset(record, 'z', sizeof record);
    record_stamp(record, sizeof record, number, SENT_NS);
    put(t, record, sizeof record);
}

static void put_record_chunk(struct text *t, uint64_t number)
{
    struct text record = {.len = 0};
    put_record(&record, number);
    put_chunk(t, record.data, record.len);
}

static void feed(struct recordcheck *c, const struct text *t)
{
    recordcheck_feed(c, t->data, t->len, SENT_NS + 7);
}

static void records_in_order_are_all_right(void **state)
{
    (void)state;
    struct text t = {.len = 0};
    for (uint64_t i = 0; i < 5; i++)
        put_record_chunk(&t, i);
    put_text(&t, "0\r\nX-Gaps: 0\r\nX-Bytes: 12\r\n\r\n");
    struct recordcheck c;
    recordcheck_init(&c, SIZE, 3);
    for (size_t i = 0; i < t.len; i++) /* however it is cut */
        recordcheck_feed(&c, t.data + i, 1, SENT_NS + 7);
    assert_int_equal(c.records, 5);
    assert_int_equal(c.bytes, 5 * SIZE);
    assert_int_equal(c.missing + c.broken + c.skipped + c.disorder, 0);
    assert_false(c.bad_http);
    assert_int_equal(c.place, RECORD_OVER);
    assert_int_equal(c.n_ages, 3);
    assert_int_equal(c.ages[2], 7);
    assert_int_equal(record_trailer(c.trailers, "X-Gaps"), 0);
    assert_int_equal(record_trailer(c.trailers, "X-Bytes"), 12);
    assert_int_equal(record_trailer(c.trailers, "Bytes"), -1);
    recordcheck_finish(&c);
}

static void left_out_numbers_are_missing(void **state)
{
    (void)state;
    struct text t = {.len = 0};
    put_record_chunk(&t, 2);
    put_record_chunk(&t, 3);
    put_record_chunk(&t, 6);
    struct recordcheck c;
    recordcheck_init(&c, SIZE, 0);
    feed(&c, &t);
    assert_int_equal(c.records, 3);
    assert_int_equal(c.missing, 4);
    assert_int_equal(c.disorder, 0);
}

static void numbers_that_come_again_are_disorder(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, 1, 0, 2};
    struct text t = {.len = 0};
    for (size_t i = 0; i < 5; i++)
        put_record_chunk(&t, numbers[i]);
    struct recordcheck c;
    recordcheck_init(&c, SIZE, 0);
    feed(&c, &t);
    assert_int_equal(c.records, 5);
    assert_int_equal(c.disorder, 2);
}

/* What a lossy reader gets that lost bytes while it was inside of a record. */
static void a_loss_inside_a_record_costs_what_it_touches(void **state)
{
    (void)state;
    for (size_t have = 1; have < SIZE; have++) {
        struct text records = {.len = 0}, t = {.len = 0};
        put_record(&records, 0);
        put_record(&records, 1);
        records.len = SIZE + have;
        for (uint64_t i = 5; i < 9; i++)
            put_record(&records, i);
        put_chunk(&t, records.data, records.len);
        struct recordcheck c;
        recordcheck_init(&c, SIZE, 0);
        feed(&c, &t);
        assert_int_equal(c.bytes, 5 * SIZE + have);
        assert_int_equal(c.disorder, 0);
        /* Record 5 went with the half one, unless that looked like no record. */
        assert_in_range(c.records, 4, 5);
        assert_int_equal(c.records + c.missing, 9);
        assert_true(c.broken == 1 || c.skipped > 0);
    }
}

static void what_is_no_chunk_is_bad_http(void **state)
{
    (void)state;
    struct recordcheck c;
    recordcheck_init(&c, SIZE, 0);
    recordcheck_feed(&c, "zz\r\n", 4, 0);
    assert_true(c.bad_http);
    recordcheck_init(&c, SIZE, 0);
    recordcheck_feed(&c, "1\r\nabc\r\n", 8, 0);
    assert_true(c.bad_http);
}

static void other_protocols_words_are_skipped(void **state)
{
    (void)state;
    struct text t = {.len = 0};
    for (uint64_t i = 0; i < 3; i++) {
        put_text(&t, "MSG s 1 40\r\n");
        put_record(&t, i);
        put_text(&t, "\r\n");
    }
    struct recordcheck c;
    recordcheck_init(&c, SIZE, 0);
    recordcheck_feed_raw(&c, t.data, t.len, 0);
    assert_int_equal(c.records, 3);
    assert_int_equal(c.missing + c.disorder + c.broken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_in_order_are_all_right),
        cmocka_unit_test(left_out_numbers_are_missing),
        cmocka_unit_test(numbers_that_come_again_are_disorder),
        cmocka_unit_test(a_loss_inside_a_record_costs_what_it_touches),
        cmocka_unit_test(what_is_no_chunk_is_bad_http),
        cmocka_unit_test(other_protocols_words_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
