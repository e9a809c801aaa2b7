/* SPDX-License-Identifier: MIT
 *
 * Limits that change while a session runs: reads go on, and no peer leaves. */
#include "rig.h"

#include <string.h>

#define KIB 1024u
#define MIB (1024u * 1024u)

static struct gos_session_limits limits_of(struct rig *r)
{
    struct gos_session_limits l = {.struct_size = sizeof l};
    assert_int_equal(gos_session_get_limits(r->session, &l), 0);
    return l;
}

static void the_limits_in_force_are_told(void **state)
{
    struct rig r;
    (void)state;
    rig_open_session(&r, 16 * MIB);
    struct gos_session_limits l = limits_of(&r);
    assert_int_equal(l.download_bps, 0);
    assert_int_equal(l.max_peers, 200);
    assert_int_equal(l.ahead, 64 * MIB);
    assert_false(l.no_dht);
    assert_false(l.no_lsd);
    l = (struct gos_session_limits){.struct_size = sizeof l,
                                    .download_bps = 123456,
                                    .max_peers = 7,
                                    .ahead = 3 * MIB,
                                    .no_dht = true,
                                    .no_lsd = true};
    assert_int_equal(gos_session_set_limits(r.session, &l), 0);
    struct gos_session_limits now = limits_of(&r);
    assert_memory_equal(&now, &l, sizeof l);
    assert_int_equal(gos_session_set_limits(r.session, GOS_OPTS(gos_session_limits, .ahead = 0)),
                     0);
    now = limits_of(&r); /* zeros are defaults here too */
    assert_int_equal(now.max_peers, 200);
    assert_int_equal(now.ahead, 64 * MIB);
    assert_false(now.no_dht);
    rig_close(&r);
}

static void those_of_the_options_are_told(void **state)
{
    struct rig r = {0};
    (void)state;
    fake_lt_reset();
    assert_int_equal(gos_session_new(&r.session, GOS_OPTS(gos_session_opts, .download_bps = 5,
                                                          .max_peers = 9, .no_lsd = true)),
                     0);
    struct gos_session_limits l = limits_of(&r);
    assert_int_equal(l.download_bps, 5);
    assert_int_equal(l.max_peers, 9);
    assert_false(l.no_dht);
    assert_true(l.no_lsd);
    rig_close(&r);
}

static void limits_change_while_reads_go_on_and_no_peer_leaves(void **state)
{
    struct rig r;
    struct rig_read rr;
    struct fake_lt_stats before, after;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 8 * MIB, "peer n=4 rate=500000\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 8 * MIB, false, 30 * RIG_SECOND), 0);
    fake_lt_advance(r.lt, RIG_SECOND);
    fake_lt_get_stats(r.lt, &before);
    for (unsigned i = 1; i <= 20; i++) {
        assert_int_equal(gos_session_set_limits(
                             r.session, GOS_OPTS(gos_session_limits, .download_bps = i * 1000000,
                                                 .ahead = i * MIB, .no_dht = i % 2)),
                         0);
        fake_lt_advance(r.lt, 50 * RIG_MS);
        assert_int_equal(limits_of(&r).download_bps, i * 1000000);
    }
    rig_finish(&r, &rr, 60 * RIG_SECOND);
    rig_check(&rr);
    rig_free(&rr);
    fake_lt_get_stats(r.lt, &after);
    assert_int_equal(before.connections, 4);
    assert_int_equal(after.connections, 4);
    assert_int_equal(after.joins, before.joins);
    assert_int_equal(after.download_limit, 20000000);
    rig_close(&r);
}

/* What is fetched when the first bytes were read and nothing else is. */
static uint64_t fetched_ahead(uint64_t ahead)
{
    struct rig r;
    gos_source *player;
    unsigned char buf[1000];
    rig_open(&r, 64 * MIB, rig_script(256 * KIB, 40 * MIB, "peer\n"));
    assert_int_equal(
        gos_session_set_limits(r.session, GOS_OPTS(gos_session_limits, .ahead = ahead)), 0);
    assert_int_equal(
        gos_torrent_open_reader(
            r.torrent, 0, GOS_OPTS(gos_torrent_reader_opts, .kind = GOS_READER_PLAY), &player),
        0);
    assert_int_equal(gos_source_pread(player, buf, sizeof buf, 0, NULL), sizeof buf);
    fake_lt_advance(r.lt, 5 * RIG_SECOND);
    uint64_t n = rig_received(&r);
    gos_source_unref(player);
    rig_close(&r);
    return n;
}

static void the_window_obeys_its_limit(void **state)
{
    (void)state;
    assert_in_range(fetched_ahead(MIB), 1, MIB + 512 * KIB);
    assert_true(fetched_ahead(0) > 4 * MIB);
}

static void nonsense_is_refused_and_changes_nothing(void **state)
{
    struct rig r;
    struct {
        struct gos_session_limits known;
        uint64_t news;
    } later = {.known = {.struct_size = sizeof later, .max_peers = 3}, .news = 1};
    struct gos_session_limits l = {.struct_size = 0};
    (void)state;
    rig_open_session(&r, 16 * MIB);
    assert_int_equal(gos_session_set_limits(r.session, NULL), GOS_EINVAL);
    assert_int_equal(gos_session_set_limits(NULL, &later.known), GOS_EINVAL);
    assert_int_equal(gos_session_set_limits(r.session, &l), GOS_EINVAL);
    assert_int_equal(gos_session_set_limits(r.session, &later.known), GOS_E2BIG);
    l = (struct gos_session_limits){.struct_size = sizeof l};
    assert_int_equal(gos_session_get_limits(NULL, &l), GOS_EINVAL);
    assert_int_equal(gos_session_get_limits(r.session, NULL), GOS_EINVAL);
    assert_int_equal(limits_of(&r).max_peers, 200);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limits_in_force_are_told),
        cmocka_unit_test(those_of_the_options_are_told),
        cmocka_unit_test(limits_change_while_reads_go_on_and_no_peer_leaves),
        cmocka_unit_test(the_window_obeys_its_limit),
        cmocka_unit_test(nonsense_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("engine.limits", tests, NULL, NULL);
}
