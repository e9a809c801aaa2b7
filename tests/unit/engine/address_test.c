/* SPDX-License-Identifier: MIT
 *
 * Addresses as people write them. */
#include "engine/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static void assert_address(const char *text, int family, const char *host, uint16_t port)
{
    struct sockaddr_storage sa;
    char shown[INET6_ADDRSTRLEN];
    assert_int_equal(gos__address_parse(&sa, text), 0);
    assert_int_equal(sa.ss_family, family);
    const struct sockaddr_in *in = (const struct sockaddr_in *)&sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&sa;
    const void *ip = family == AF_INET ? (const void *)&in->sin_addr : &in6->sin6_addr;
    assert_string_equal(inet_ntop(family, ip, shown, sizeof shown), host);
    assert_int_equal(ntohs(family == AF_INET ? in->sin_port : in6->sin6_port), port);
}

static void addresses_of_both_families_are_read(void **state)
{
    (void)state;
    assert_address("127.0.0.1:1", AF_INET, "127.0.0.1", 1);
    assert_address("192.0.2.7:65535", AF_INET, "192.0.2.7", 65535);
    assert_address("192.0.2.7:06881", AF_INET, "192.0.2.7", 6881);
    assert_address("[::1]:6881", AF_INET6, "::1", 6881);
    assert_address("[2001:db8::7]:80", AF_INET6, "2001:db8::7", 80);
}

static void all_else_is_refused_with_an_example(void **state)
{
    static const char *const bad[] = {
        "",           ":",           "127.0.0.1",     "127.0.0.1:", "127.0.0.1:0",
        ":6881",      "1.2.3:80",    "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4: 80",
        "1.2.3.4:+8", "1.2.3.4:8x",  "1.2.3.4:80:80", "::1:6881",   "[::1]",
        "[::1]6881",  "[::1]:",      "[::1:6881",     "[]:80",      "[1.2.3.4]:80",
        "a.b:80",     "localhost:1", " 1.2.3.4:80",   "[::1 ]:80",  "1.2.3.4:99999999999999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sockaddr_storage sa;
        memset(&sa, 0x5a, sizeof sa);
        assert_int_equal(gos__address_parse(&sa, bad[i]), GOS_EINVAL);
        assert_non_null(strstr(gos_last_error(), "192.0.2.7:6881"));
        assert_int_equal(((const uint8_t *)&sa)[3], 0x5a); /* untouched */
    }
}

static void hostile_text_is_escaped_in_the_message(void **state)
{
    struct sockaddr_storage sa;
    char huge[4096];
    (void)state;
    memset(huge, 'a', sizeof huge);
    huge[sizeof huge - 1] = '\0';
    huge[0] = '\x1b';
    assert_int_equal(gos__address_parse(&sa, huge), GOS_EINVAL);
    assert_null(strchr(gos_last_error(), '\x1b'));
    assert_non_null(strstr(gos_last_error(), "[2001:db8::7]:6881"));
}

static void an_address_that_was_packed_reads_as_it_was_written(void **state)
{
    static const char *const texts[] = {"192.0.2.7:6881", "[::1]:1",
                                        "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sockaddr_storage sa;
        char text[GOS__ADDRESS_TEXT];
        assert_int_equal(gos__address_parse(&sa, texts[i]), 0);
        struct gos__endpoint e = gos__address_pack(&sa);
        gos__address_text(text, sizeof text, &e);
        assert_string_equal(text, texts[i]);
    }
    struct gos__endpoint none = gos__address_pack(&(struct sockaddr_storage){0});
    char text[GOS__ADDRESS_TEXT] = "x";
    gos__address_text(text, sizeof text, &none);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_both_families_are_read),
        cmocka_unit_test(all_else_is_refused_with_an_example),
        cmocka_unit_test(hostile_text_is_escaped_in_the_message),
        cmocka_unit_test(an_address_that_was_packed_reads_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
