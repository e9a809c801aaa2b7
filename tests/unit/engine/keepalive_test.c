/* SPDX-License-Identifier: MIT
 *
 * What is asked only to keep a peer: once, not again while it is unanswered. */
#include "rig.h"

#define MIB (1024u * 1024u)

static void a_keepalive_that_is_not_answered_is_not_asked_again(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r, 6 * MIB, rig_script(65536, 2 * MIB, "peer\n"));
    rig_read(&r, 0, 2 * MIB);
    assert_true(fake_lt_peer_set(r.lt, 0, 0, "stall_after=0"));
    struct fake_lt_peer_stats before, after;
    assert_true(fake_lt_get_peer_stats(r.lt, 0, 0, &before));
    for (int i = 0; i < 300; i++)
        fake_lt_advance(r.lt, RIG_SECOND);
    assert_true(fake_lt_get_peer_stats(r.lt, 0, 0, &after));
    assert_true(after.requests > before.requests); /* it was kept */
    if (fake_lt_violation())
        fail_msg("%s", fake_lt_violation());
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_keepalive_that_is_not_answered_is_not_asked_again),
    };
    return cmocka_run_group_tests_name("engine.keepalive", tests, NULL, NULL);
}
