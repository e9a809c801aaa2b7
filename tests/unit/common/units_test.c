/* SPDX-License-Identifier: MIT
 *
 * Sizes and times as typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/units.h"

#define MIB (UINT64_C(1) << 20)

static void is_size(const char *text, uint64_t want)
{
    uint64_t got = 77;
    if (units_parse_size(&got, text) < 0)
        fail_msg("%s was refused", text);
    if (got != want)
        fail_msg("%s gave %llu, not %llu", text, (unsigned long long)got, (unsigned long long)want);
}

static void is_no_size(const char *text)
{
    uint64_t got = 77;
    int rc = units_parse_size(&got, text);
    if (rc != -1)
        fail_msg("%s gave %d, and %llu", text, rc, (unsigned long long)got);
    assert_int_equal(got, 77);
}

static void is_too_large(const char *text)
{
    uint64_t got = 77;
    assert_int_equal(units_parse_size(&got, text), UNITS_TOO_LARGE);
    assert_int_equal(got, 77);
}

static void units_are_powers_of_1024(void **state)
{
    (void)state;
    is_size("0", 0);
    is_size("4096", 4096);
    is_size("4096B", 4096);
    is_size("1K", 1024);
    is_size("64M", 64 * MIB);
    is_size("64MiB", 64 * MIB);
    is_size("64MB", 64 * MIB);
    is_size("64m", 64 * MIB);
    is_size("2G", 2048 * MIB);
    is_size("1T", MIB * MIB);
    is_size("8191P", UINT64_C(8191) << 50);
}

static void fractions_are_rounded_down_to_a_byte(void **state)
{
    (void)state;
    is_size("1.5G", 1536 * MIB);
    is_size("0.0625GiB", 64 * MIB);
    is_size("0.3K", 307);
    is_size("0.99999999999999999999999999K", 1023);
    is_size("8191.5P", (UINT64_C(8191) << 50) + (UINT64_C(1) << 49));
}

static void what_is_no_size_is_refused(void **state)
{
    (void)state;
    static const char *const none[] = {"",     "M",   "-1",  "+1",   " 1",  "1 M",    "1,5M",
                                       "1.",   ".5M", "1.5", "1.5B", "64X", "64Mb",   "64MiBs",
                                       "0x10", "1e6", "nan", "inf",  "1MM", "1.2.3M", "1iB"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        is_no_size(none[i]);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    is_size("9223372036854775807", INT64_MAX);
    is_too_large("9223372036854775808");
    is_too_large("18446744073709551616");
    is_too_large("8192P");
    is_too_large("99999999999999999999999999999999G");
}

static void seconds_may_have_a_fraction(void **state)
{
    (void)state;
    int64_t ns = 0;
    assert_int_equal(units_parse_seconds(&ns, "60"), 0);
    assert_int_equal(ns, INT64_C(60000000000));
    assert_int_equal(units_parse_seconds(&ns, "2.5s"), 0);
    assert_int_equal(ns, INT64_C(2500000000));
    assert_int_equal(units_parse_seconds(&ns, "0"), 0);
    assert_int_equal(ns, 0);
    static const char *const none[] = {"", "s", "-1", "1m", "1 s", "ever", "1."};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(units_parse_seconds(&ns, none[i]), -1);
    assert_int_equal(units_parse_seconds(&ns, "9223372037"), UNITS_TOO_LARGE);
    assert_int_equal(ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_powers_of_1024),
        cmocka_unit_test(fractions_are_rounded_down_to_a_byte),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(seconds_may_have_a_fraction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
