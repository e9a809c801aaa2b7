/* SPDX-License-Identifier: MIT
 *
 * What every source has to do when it is read by calls that wait, when it is
 * asked, and when a reader walks over it. */
#include "source_contract.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "contract_rig.h"
#include "support/data.h"

/* ---- blocking reads ---- */

static void size_is_what_was_made(void **state)
{
    struct rig *r = *state;

    assert_int_equal(gos_source_size(r->source), SIZE);
}

static void whole_source_is_read_in_one_call(void **state)
{
    struct rig *r = *state;

    assert_reads(r->source, r->buf, SIZE, 0);
}

static void any_range_gives_its_bytes(void **state)
{
    struct rig *r = *state;
    uint64_t seed = (uint64_t)time(NULL);

    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 100; i++) {
        uint64_t off = data_random(&seed) % SIZE;
        size_t len = 1 + (size_t)(data_random(&seed) % (i % 4 ? 5000 : 70000));
        assert_reads(r->source, r->buf, len, off);
    }
}

static void read_is_short_only_at_the_end(void **state)
{
    struct rig *r = *state;

    assert_reads(r->source, r->buf, 1, SIZE - 1);
    assert_reads(r->source, r->buf, 1000, SIZE - 1);
    assert_reads(r->source, r->buf, 1000, SIZE - 1000);
    assert_reads(r->source, r->buf, 1000, SIZE);
    assert_reads(r->source, r->buf, 1000, SIZE + 1);
    assert_reads(r->source, r->buf, 1000, (uint64_t)INT64_MAX - 1000);
}

static void nothing_is_read_as_nothing(void **state)
{
    struct rig *r = *state;

    assert_int_equal(gos_source_pread(r->source, r->buf, 0, 0, NULL), 0);
    assert_int_equal(gos_source_pread(r->source, NULL, 0, 5, NULL), 0);
}

static void range_that_overflows_is_refused(void **state)
{
    struct rig *r = *state;

    assert_int_equal(gos_source_pread(r->source, r->buf, 2, INT64_MAX - 1, NULL), GOS_EINVAL);
    assert_int_equal(gos_source_pread(r->source, r->buf, 2, UINT64_MAX, NULL), GOS_EINVAL);
    assert_int_equal(gos_source_advise(r->source, UINT64_MAX, 2, GOS_ADVICE_WILLNEED), GOS_EINVAL);
    assert_int_equal(gos_source_present(r->source, UINT64_MAX, 2), GOS_EINVAL);
}

static void partial_gives_some_bytes(void **state)
{
    struct rig *r = *state;
    struct gos_io io = {.struct_size = sizeof io, .flags = GOS_READ_PARTIAL};

    for (uint64_t at = 0; at < SIZE;) {
        int64_t n = gos_source_pread(r->source, r->buf, SIZE, at, &io);
        assert_in_range(n, 1, SIZE - at);
        assert_int_equal(data_check(r->buf, (size_t)n, SEED, at), n);
        at += (uint64_t)n;
    }
    assert_int_equal(gos_source_pread(r->source, r->buf, 1, SIZE, &io), 0);
}

static void fired_latch_ends_a_read_at_once(void **state)
{
    struct rig *r = *state;
    gos_cancel *cancel;

    assert_int_equal(gos_cancel_new(&cancel), 0);
    struct gos_io io = {.struct_size = sizeof io, .cancel = cancel};
    assert_int_equal(gos_source_pread(r->source, r->buf, 10, 0, &io), 10);
    gos_cancel_fire(cancel);
    assert_int_equal(gos_source_pread(r->source, r->buf, 10, 0, &io), GOS_ECANCELED);
    assert_string_equal(gos_last_error(), "cancelled");
    gos_cancel_free(cancel);
}

static void past_deadline_gives_bytes_or_time_out(void **state)
{
    struct rig *r = *state;
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = 1};

    int64_t n = gos_source_pread(r->source, r->buf, 100, 50, &io);
    assert_true(n == GOS_ETIMEDOUT || n > 0);
    if (n > 0)
        assert_int_equal(data_check(r->buf, (size_t)n, SEED, 50), n);
}

static void *read_many(void *arg)
{
    gos_source *s = arg;
    unsigned char *buf = malloc(4096);
    uint64_t seed = (uint64_t)(uintptr_t)buf;
    uintptr_t wrong = buf ? 0 : 1;

    for (int i = 0; i < 50 && buf; i++) {
        uint64_t off = data_random(&seed) % (SIZE - 4096);
        wrong += gos_source_pread(s, buf, 4096, off, NULL) != 4096 ||
                 data_check(buf, 4096, SEED, off) != 4096;
    }
    free(buf);
    return (void *)wrong;
}

static void many_threads_read_at_once(void **state)
{
    struct rig *r = *state;
    pthread_t threads[4];
    void *wrong;

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_many, r->source), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

/* ---- questions and the reader ---- */

static void advice_changes_no_byte(void **state)
{
    struct rig *r = *state;

    assert_int_equal(gos_source_advise(r->source, 0, SIZE, GOS_ADVICE_WILLNEED), 0);
    assert_int_equal(gos_source_advise(r->source, 1000, 50000, GOS_ADVICE_DONTNEED), 0);
    assert_int_equal(gos_source_advise(r->source, SIZE + 5, 50000, GOS_ADVICE_WILLNEED), 0);
    assert_int_equal(gos_source_advise(r->source, 0, 0, GOS_ADVICE_DONTNEED), 0);
    assert_reads(r->source, r->buf, 60000, 0);
}

static void present_bytes_are_within_what_was_asked(void **state)
{
    struct rig *r = *state;

    assert_in_range(gos_source_present(r->source, 0, 1000), 0, 1000);
    assert_in_range(gos_source_present(r->source, SIZE - 10, 1000), 0, 10);
    assert_int_equal(gos_source_present(r->source, SIZE, 1000), 0);
    assert_int_equal(gos_source_present(r->source, 10, 0), 0);
}

static void reader_walks_and_seeks(void **state)
{
    struct rig *r = *state;
    gos_reader *reader;
    int64_t n;
    uint64_t at = 0;

    assert_int_equal(gos_reader_new(&reader, r->source), 0);
    while ((n = gos_reader_read(reader, r->buf, 70000, NULL)) > 0) {
        assert_int_equal(data_check(r->buf, (size_t)n, SEED, at), n);
        at += (uint64_t)n;
    }
    assert_int_equal(n, 0);
    assert_int_equal(at, SIZE);
    assert_int_equal(gos_reader_seek(reader, -100, SEEK_END), SIZE - 100);
    assert_int_equal(gos_reader_read(reader, r->buf, 1000, NULL), 100);
    assert_int_equal(data_check(r->buf, 100, SEED, SIZE - 100), 100);
    gos_reader_free(reader);
}

int source_contract_run(const struct source_maker *maker)
{
    static const struct CMUnitTest tests[] = {
        CONTRACT_TEST(size_is_what_was_made),
        CONTRACT_TEST(whole_source_is_read_in_one_call),
        CONTRACT_TEST(any_range_gives_its_bytes),
        CONTRACT_TEST(read_is_short_only_at_the_end),
        CONTRACT_TEST(nothing_is_read_as_nothing),
        CONTRACT_TEST(range_that_overflows_is_refused),
        CONTRACT_TEST(partial_gives_some_bytes),
        CONTRACT_TEST(fired_latch_ends_a_read_at_once),
        CONTRACT_TEST(past_deadline_gives_bytes_or_time_out),
        CONTRACT_TEST(many_threads_read_at_once),
        CONTRACT_TEST(advice_changes_no_byte),
        CONTRACT_TEST(present_bytes_are_within_what_was_asked),
        CONTRACT_TEST(reader_walks_and_seeks),
    };
    contract_use(maker);
    int failed = cmocka_run_group_tests_name(maker->name, tests, NULL, NULL);
    return failed + source_contract_run_background(maker);
}
