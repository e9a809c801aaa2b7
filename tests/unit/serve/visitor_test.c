/* SPDX-License-Identifier: MIT
 *
 * Who may ask: what programs and pages of this machine send is answered, what browsers
 * send for pages of others is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/visitor.h"

static void hosts_of_this_machine_are_answered(void **state)
{
    static const char *const hosts[] = {
        "localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080",
        "127.1.2.3", "[::1]:8080",     "pfs",         "pfs:80",
        "",          "a.localhost:80", "192.0.2.1"};
    (void)state;
    assert_true(visitor_allowed(NULL, NULL, NULL));
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (!visitor_allowed(hosts[i], NULL, NULL))
            fail_msg("%s was refused", hosts[i]);
}

static void names_of_the_web_are_not_ours(void **state)
{
    static const char *const hosts[] = {"evil.example",           "evil.example:8080",
                                        "localhost.evil.example", "127.0.0.1.evil.com",
                                        "xlocalhost.com:1",       "localhost."};
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (visitor_allowed(hosts[i], NULL, NULL))
            fail_msg("%s was allowed", hosts[i]);
}

static void pages_of_this_machine_may_ask_and_others_may_not(void **state)
{
    static const char *const ours[] = {"http://localhost:3000", "http://127.0.0.1",
                                       "https://[::1]:1", "http://ui.localhost"};
    static const char *const others[] = {"http://evil.example",
                                         "https://127.0.0.1.evil.com",
                                         "http://localhost.evil.com",
                                         "null",
                                         "file://",
                                         "http://192.0.2.1:8080",
                                         "http://pfs",
                                         ""};
    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!visitor_allowed("localhost", ours[i], "same-site"))
            fail_msg("%s was refused", ours[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (visitor_allowed("localhost", others[i], NULL))
            fail_msg("%s was allowed", others[i]);
}

static void what_other_sites_have_pages_fetch_is_refused(void **state)
{
    (void)state;
    assert_false(visitor_allowed("127.0.0.1:8080", NULL, "cross-site"));
    assert_true(visitor_allowed("127.0.0.1:8080", NULL, "none"));
    assert_true(visitor_allowed("127.0.0.1:8080", NULL, "same-origin"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_of_this_machine_are_answered),
        cmocka_unit_test(names_of_the_web_are_not_ours),
        cmocka_unit_test(pages_of_this_machine_may_ask_and_others_may_not),
        cmocka_unit_test(what_other_sites_have_pages_fetch_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
