/* SPDX-License-Identifier: MIT
 *
 * "HOST:PORT" as typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/endpoint.h"

static void addresses_and_names_with_a_port_are_peers(void **state)
{
    (void)state;
    static const char *const good[] = {"192.0.2.7:6881", "[::1]:6881", "[fe80::1%lo]:1",
                                       "seed.example:65535", "localhost:06881"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (endpoint_check(good[i]))
            fail_msg("%s: %s", good[i], endpoint_check(good[i]));
}

static void what_is_no_peer_is_refused(void **state)
{
    (void)state;
    static const char *const none[] = {"",         "192.0.2.7", "192.0.2.7:", "192.0.2.7:0",
                                       "a:65536",  "a:123456",  "a:1x",       ":6881",
                                       "::1:6881", "[::1]",     "[::1]6881",  "[::1:6881",
                                       "[film]:1", "[]:1",      "a:-1",       "[::1]:"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (!endpoint_check(none[i]))
            fail_msg("%s was taken for a peer", none[i]);
}

static void a_place_to_listen_is_an_address_and_may_have_port_0(void **state)
{
    (void)state;
    assert_null(endpoint_check_listen("127.0.0.1:0"));
    assert_null(endpoint_check_listen("0.0.0.0:6881,[::]:6881"));
    assert_non_null(endpoint_check_listen("localhost:6881"));
    assert_non_null(endpoint_check_listen("127.0.0.1:0,"));
    assert_non_null(endpoint_check_listen("127.0.0.1"));
}

static void addresses_are_not_looked_up(void **state)
{
    (void)state;
    char out[ENDPOINT_MAX];
    assert_null(endpoint_resolve(out, "192.0.2.7:06881"));
    assert_string_equal(out, "192.0.2.7:6881");
    assert_null(endpoint_resolve(out, "[0:0::1]:1"));
    assert_string_equal(out, "[::1]:1");
    assert_non_null(endpoint_resolve(out, "192.0.2.7"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_names_with_a_port_are_peers),
        cmocka_unit_test(what_is_no_peer_is_refused),
        cmocka_unit_test(a_place_to_listen_is_an_address_and_may_have_port_0),
        cmocka_unit_test(addresses_are_not_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
