/* SPDX-License-Identifier: MIT
 *
 * A session in which libtorrent picks: our scheduler asks for nothing, and what
 * comes was asked for all the same. */
#include "rig.h"

#include <string.h>

#define KIB 1024u
#define MIB (1024u * 1024u)

static void an_honest_peer_is_no_flooder_where_libtorrent_asks(void **state)
{
    struct rig r = {0};
    (void)state;
    fake_lt_reset();
    assert_int_equal(gos_session_new(&r.session, GOS_OPTS(gos_session_opts, .ram = 16 * MIB,
                                                          .libtorrent_picks = true)),
                     0);
    r.lt = fake_lt_last_session();
    const char *script = rig_script(256 * KIB, 32 * MIB, "peer\n");
    assert_int_equal(gos_session_add_torrent(r.session, &r.torrent, script, strlen(script), NULL),
                     0);
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &r.file), 0);
    for (uint64_t at = 0; at < 32 * MIB && rig_stats(&r).banned_peers == 0; at += 256 * KIB)
        rig_read(&r, at, 256 * KIB);
    assert_int_equal(rig_stats(&r).banned_peers, 0);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_peer_is_no_flooder_where_libtorrent_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
