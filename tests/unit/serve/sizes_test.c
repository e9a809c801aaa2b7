/* SPDX-License-Identifier: MIT
 *
 * Sizes, times and beginnings as queries and files write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/from.h"
#include "serve/sizes.h"

static void is_size(const char *text, uint64_t want)
{
    uint64_t got = 77;
    if (size_parse(&got, text) < 0)
        fail_msg("%s was refused", text);
    assert_int_equal(got, want);
}

static void is_no_size(const char *text)
{
    uint64_t got = 77;
    if (size_parse(&got, text) == 0)
        fail_msg("%s was taken for %llu", text, (unsigned long long)got);
    assert_int_equal(got, 77);
}

static void is_time(const char *text, int64_t want)
{
    int64_t got = 77;
    if (duration_parse(&got, text) < 0)
        fail_msg("%s was refused", text);
    assert_int_equal(got, want);
}

static void is_no_time(const char *text)
{
    int64_t got = 77;
    if (duration_parse(&got, text) == 0)
        fail_msg("%s was taken for %lld", text, (long long)got);
}

static void units_are_powers_of_1024_in_any_case(void **state)
{
    (void)state;
    is_size("0", 0);
    is_size("65536", 65536);
    is_size("100B", 100);
    is_size("512KB", 512 << 10);
    is_size("512kb", 512 << 10);
    is_size("1 MB", 1 << 20);
    is_size("1.5MB", 3 << 19);
    is_size("64KiB", 64 << 10);
    is_size("2M", 2 << 20);
    is_size("1GB", UINT64_C(1) << 30);
    is_size("1TB", UINT64_C(1) << 40);
    is_size("9223372036854775807", INT64_MAX);
}

static void what_is_no_size_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "MB",   "12XB", "-1",  "-1KB", "1..5M", "1.5",
        "0x10",      "1MBx", " 1",   "1PB", "1e3",  "1,5M",  "9223372036854775808",
        "8388608TB", "NaN",  "inf",  "1iB"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        is_no_size(bad[i]);
}

static void durations_are_seconds_or_have_units(void **state)
{
    (void)state;
    const int64_t second = 1000000000;
    is_time("0", 0);
    is_time("30", 30 * second);
    is_time("2.5s", second * 5 / 2);
    is_time("500ms", second / 2);
    is_time("1h30m", 5400 * second);
    is_time("1m0.5s", second * 121 / 2);
    is_time("7us", 7000);
    is_no_time("");
    is_no_time("s");
    is_no_time("5x");
    is_no_time("5M");
    is_no_time("-5s");
    is_no_time("5m3");
    is_no_time("9999999999h");
}

static void is_from(const char *text, enum gos_ring_start start, uint64_t value, uint32_t flags)
{
    struct gos_ring_reader_opts opts = {0};
    if (from_parse(&opts, text) < 0)
        fail_msg("%s was refused", text);
    assert_int_equal(opts.start, start);
    assert_int_equal(opts.start_value, value);
    assert_int_equal(opts.flags, flags);
}

static void beginnings(void **state)
{
    (void)state;
    is_from("oldest", GOS_RING_OLDEST, 0, 0);
    is_from("now", GOS_RING_NOW, 0, 0);
    is_from("mark", GOS_RING_LAST_MARK, 0, 0);
    is_from("latest", GOS_RING_BYTES_BACK, 1, GOS_RING_ALIGN);
    is_from("0", GOS_RING_OFFSET, 0, 0);
    is_from("12345", GOS_RING_OFFSET, 12345, 0);
    is_from("-5", GOS_RING_BYTES_BACK, 5, 0);
    is_from("-64KB", GOS_RING_BYTES_BACK, 65536, 0);
    is_from("-5M", GOS_RING_BYTES_BACK, 5 << 20, 0);
    is_from("-5m", GOS_RING_TIME_BACK, UINT64_C(300000000000), 0);
    is_from("-1.5s", GOS_RING_TIME_BACK, 1500000000, 0);
    static const char *const bad[] = {"", "-", "x", "--5", "-x", "5KB", "1.5", "-5y", "+5", " 5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct gos_ring_reader_opts opts = {0};
        if (from_parse(&opts, bad[i]) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_powers_of_1024_in_any_case),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(durations_are_seconds_or_have_units),
        cmocka_unit_test(beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
