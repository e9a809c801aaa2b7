/* SPDX-License-Identifier: MIT
 *
 * Policies and modes as typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/mode.h"
#include "common/policy.h"

static void policies_are_known_by_name(void **state)
{
    static const struct {
        const char *name;
        enum gos_ring_policy policy;
    } all[] = {{"drop_oldest", GOS_RING_DROP_OLDEST}, {"drop_to_latest", GOS_RING_DROP_LATEST},
               {"disconnect", GOS_RING_DISCONNECT},   {"block", GOS_RING_BLOCK},
               {"drop_new", GOS_RING_DROP_NEW},       {"drop-to-latest", GOS_RING_DROP_LATEST}};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        enum gos_ring_policy policy = GOS_RING_BLOCK;
        assert_int_equal(policy_parse(&policy, all[i].name), 0);
        assert_int_equal(policy, all[i].policy);
        if (!strchr(all[i].name, '-')) {
            assert_string_equal(policy_name(policy), all[i].name);
            assert_non_null(strstr(POLICY_NAMES, all[i].name));
        }
    }
}

static void other_words_are_no_policies(void **state)
{
    static const char *const none[] = {"", "bloc", "blocks", "Block", "drop oldest", "-", "_"};
    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        enum gos_ring_policy policy = GOS_RING_DISCONNECT;
        assert_int_equal(policy_parse(&policy, none[i]), -1);
        assert_int_equal(policy, GOS_RING_DISCONNECT);
    }
}

static void modes_are_octal_digits(void **state)
{
    unsigned mode = 5;
    (void)state;
    assert_int_equal(mode_parse(&mode, "0", 07777), 0);
    assert_int_equal(mode, 0);
    assert_int_equal(mode_parse(&mode, "000644", 07777), 0);
    assert_int_equal(mode, 0644);
    assert_int_equal(mode_parse(&mode, "7777", 07777), 0);
    assert_int_equal(mode, 07777);
}

static void other_words_are_no_modes(void **state)
{
    static const char *const none[] = {"",   "8",   "-1",  "+7",    " 7",
                                       "7 ", "0x7", "rwx", "10000", "777777777777777777777777"};
    unsigned mode = 5;
    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(mode_parse(&mode, none[i], 07777), -1);
    assert_int_equal(mode, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_are_known_by_name),
        cmocka_unit_test(other_words_are_no_policies),
        cmocka_unit_test(modes_are_octal_digits),
        cmocka_unit_test(other_words_are_no_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
