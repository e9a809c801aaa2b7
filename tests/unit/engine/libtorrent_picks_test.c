/* SPDX-License-Identifier: MIT
 *
 * A session in which libtorrent picks: our scheduler asks for nothing, and what
 * comes was asked for all the same. */
#include "rig.h"

#include <string.h>

#define KIB 1024u
#define MIB (1024u * 1024u)

#define PIECE (256 * KIB)

static void open_picking(struct rig *r)
{
    memset(r, 0, sizeof *r);
    fake_lt_reset();
    assert_int_equal(gos_session_new(&r->session, GOS_OPTS(gos_session_opts, .ram = 16 * MIB,
                                                           .libtorrent_picks = true)),
                     0);
    r->lt = fake_lt_last_session();
    const char *script = rig_script(PIECE, 32 * MIB, "peer\n");
    assert_int_equal(gos_session_add_torrent(r->session, &r->torrent, script, strlen(script), NULL),
                     0);
    assert_int_equal(gos_torrent_open_file(r->torrent, 0, &r->file), 0);
}

static void an_honest_peer_is_no_flooder_where_libtorrent_asks(void **state)
{
    struct rig r;
    (void)state;
    open_picking(&r);
    for (uint64_t at = 0; at < 32 * MIB && rig_stats(&r).banned_peers == 0; at += PIECE)
        rig_read(&r, at, PIECE);
    assert_int_equal(rig_stats(&r).banned_peers, 0);
    rig_close(&r);
}

/* With nothing wanted libtorrent fetches one piece, so that seeds stay. Nobody has it
 * twice by that. */
static void what_is_fetched_to_keep_the_peers_is_counted_as_that(void **state)
{
    struct rig r;
    (void)state;
    open_picking(&r);
    fake_lt_advance(r.lt, RIG_SECOND);
    struct gos_traffic before = rig_stats(&r).traffic;
    assert_int_equal(before.received, PIECE);
    assert_int_equal(before.kept_up, PIECE);
    assert_int_equal(before.redundant, 0);
    rig_read(&r, 32 * MIB - PIECE, PIECE); /* the same, for a reader now */
    struct gos_traffic after = rig_stats(&r).traffic;
    assert_int_equal(after.kept_up, PIECE);
    assert_int_equal(after.redundant + after.late + after.refused, 0);
    assert_true(after.verified >= PIECE);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_peer_is_no_flooder_where_libtorrent_asks),
        cmocka_unit_test(what_is_fetched_to_keep_the_peers_is_counted_as_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
