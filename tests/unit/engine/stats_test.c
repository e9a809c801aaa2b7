/* SPDX-License-Identifier: MIT
 *
 * Figures: what a session and its torrents say is what the swarm did. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

#define KIB 1024u
#define MIB (1024u * 1024u)

static struct gos_session_stats session_stats(struct rig *r)
{
    struct gos_session_stats st = {.struct_size = sizeof st};
    fake_lt_settle(r->lt);
    assert_int_equal(gos_session_get_stats(r->session, &st), 0);
    return st;
}

/* ---- bytes per second ---- */

static void a_steady_stream_has_its_rate(void **state)
{
    struct gos__rate r = {0};
    int64_t now = 1000 * RIG_SECOND;
    (void)state;
    for (unsigned i = 0; i < 50; i++, now += 100 * RIG_MS) {
        gos__rate_add(&r, now, 100000);
        if (i >= 20)
            assert_in_range(gos__rate_get(&r, now), 900000, 1100000);
    }
}

static void a_rate_falls_to_nothing_when_nothing_comes(void **state)
{
    struct gos__rate r = {0};
    int64_t now = 1000 * RIG_SECOND;
    (void)state;
    assert_int_equal(gos__rate_get(&r, now), 0);
    gos__rate_add(&r, now, 1000000);
    assert_int_equal(gos__rate_get(&r, now), 1000000);
    assert_int_equal(gos__rate_get(&r, now + 1500 * RIG_MS), 500000);
    assert_int_equal(gos__rate_get(&r, now + 2 * RIG_SECOND), 0);
    assert_int_equal(gos__rate_get(&r, now + 2000 * RIG_SECOND), 0);
    gos__rate_add(&r, now + 2000 * RIG_SECOND, 5);
    assert_int_equal(gos__rate_get(&r, now + 2000 * RIG_SECOND), 5);
}

static void a_clock_that_does_not_move_breaks_no_rate(void **state)
{
    struct gos__rate r = {0};
    (void)state;
    gos__rate_add(&r, 10 * RIG_SECOND, 7);
    assert_int_equal(gos__rate_get(&r, 10 * RIG_SECOND), 7);
    assert_int_equal(gos__rate_get(&r, 10 * RIG_SECOND - 1), 7); /* asked before, seen after */
}

static void the_rate_of_a_torrent_is_that_of_its_peers(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 8 * MIB, "peer rate=1000000\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 8 * MIB, false, 30 * RIG_SECOND), 0);
    fake_lt_advance(r.lt, 4 * RIG_SECOND);
    assert_in_range(rig_stats(&r).traffic.rate, 850000, 1150000);
    assert_in_range(session_stats(&r).traffic.rate, 850000, 1150000);
    fake_lt_peer_drop(r.lt, 0, 0);
    fake_lt_advance(r.lt, 3 * RIG_SECOND);
    assert_int_equal(rig_stats(&r).traffic.rate, 0);
    assert_int_equal(session_stats(&r).traffic.rate, 0);
    gos_read_cancel(&rr.read);
    rig_wait(&rr);
    rig_free(&rr);
    rig_close(&r);
}

/* ---- peers ---- */

static void peers_are_counted_by_their_state(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    rig_open(&r, 16 * MIB,
             rig_script(256 * KIB, 64 * MIB,
                        "peer n=3 rate=100000\npeer n=2 unchoke_ms=-1\npeer dead=1\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 8 * MIB, false, 30 * RIG_SECOND), 0);
    fake_lt_advance(r.lt, 100 * RIG_MS);
    struct gos_torrent_stats st = rig_stats(&r);
    assert_int_equal(st.peers, 5);
    assert_int_equal(st.peers_unchoked, 3);
    assert_int_equal(st.peers_connecting, 1);
    struct gos_session_stats all = session_stats(&r);
    assert_int_equal(all.peers, 5);
    assert_int_equal(all.peers_unchoked, 3);
    assert_int_equal(all.peers_connecting, 1);
    fake_lt_peer_drop(r.lt, 0, 0);
    fake_lt_advance(r.lt, 6 * RIG_SECOND); /* the dead one is given up */
    st = rig_stats(&r);
    assert_int_equal(st.peers, 4);
    assert_int_equal(st.peers_unchoked, 2);
    assert_int_equal(st.peers_connecting, 0);
    gos_read_cancel(&rr.read);
    rig_wait(&rr);
    rig_free(&rr);
    rig_close(&r);
}

static void a_peer_that_falls_silent_is_counted_so(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 8 * MIB, "peer stall_after=5\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 8 * MIB, false, 120 * RIG_SECOND), 0);
    fake_lt_advance(r.lt, 100 * RIG_MS);
    assert_int_equal(rig_stats(&r).peers_stalled, 0);
    fake_lt_advance(r.lt, 30 * RIG_SECOND);
    assert_int_equal(rig_stats(&r).peers_stalled, 1);
    assert_int_equal(session_stats(&r).peers_stalled, 1);
    gos_read_cancel(&rr.read);
    rig_wait(&rr);
    rig_free(&rr);
    rig_close(&r);
}

/* ---- sums ---- */

static bool has_no_torrent(void *rig)
{
    return session_stats(rig).torrents == 0;
}

static void sums_stay_when_their_torrents_go(void **state)
{
    struct rig r;
    gos_torrent *second;
    const char *script = "fake-torrent 1\nname b\npiece 65536\nseed 9\nfile b 100000\npeer\n";
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 2 * MIB, "peer\n"));
    assert_int_equal(gos_session_add_torrent(r.session, &second, script, strlen(script), NULL), 0);
    struct gos_session_stats st = session_stats(&r);
    assert_int_equal(st.torrents, 2);
    assert_int_equal(st.awake, 2);
    rig_read(&r, 0, 2 * MIB);
    struct gos_torrent_stats before = rig_stats(&r);
    assert_int_equal(before.received, 2 * MIB);
    assert_int_equal(before.traffic.received, before.received);
    assert_true(before.hash_ns > 0);
    assert_int_equal(session_stats(&r).hash_ns, before.hash_ns);
    gos_source_unref(r.file);
    gos_torrent_unref(r.torrent);
    gos_torrent_unref(second);
    r.file = NULL;
    r.torrent = NULL;
    assert_true(fake_lt_run_until(r.lt, has_no_torrent, &r, RIG_MS, 10 * RIG_SECOND));
    gos_session *s = r.session;
    for (bool gone = false; !gone;) { /* "known" ends a moment before it is freed */
        gos__lock(&s->lock);
        gone = gos__list_empty(&s->torrents);
        gos__unlock(&s->lock);
    }
    st = session_stats(&r);
    assert_int_equal(st.received, before.received);
    assert_int_equal(st.traffic.received, before.traffic.received);
    assert_int_equal(st.traffic.verified, before.traffic.verified);
    assert_int_equal(st.hash_ns, before.hash_ns);
    assert_int_equal(st.traffic.rate, 0);
    assert_int_equal(st.peers, 0);
    rig_close(&r);
}

static void every_byte_received_is_in_one_place(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    rig_open(&r, 16 * MIB,
             rig_script(256 * KIB, 8 * MIB,
                        "peer n=3 latency_ms=20 rate=4000000\npeer dup=1 rate=1000000\n"
                        "peer corrupt=0-31 corrupt_block=3\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 8 * MIB, false, 30 * RIG_SECOND), 0);
    rig_finish(&r, &rr, 60 * RIG_SECOND);
    rig_check(&rr);
    rig_free(&rr);
    fake_lt_advance(r.lt, 5 * RIG_SECOND); /* what is still on its way */
    struct gos_torrent_stats st = rig_stats(&r);
    struct fake_lt_stats fake;
    fake_lt_get_stats(r.lt, &fake);
    const struct gos_traffic *t = &st.traffic;
    assert_int_equal(t->received, fake.bytes);
    assert_int_equal(t->received,
                     t->verified + t->failed + t->late + t->redundant + t->refused + t->kept_up);
    assert_int_equal(t->verified, 8 * MIB);
    assert_true(t->failed > 0);
    assert_true(t->redundant > 0);
    assert_int_equal(st.dropped, t->late + t->redundant + t->refused + t->kept_up);
    rig_close(&r);
}

static void bytes_of_a_read_that_failed_were_not_given(void **state)
{
    struct rig r;
    struct rig_read rr;
    struct gos_torrent_reader_stats st = {.struct_size = sizeof st};
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 4 * MIB, "peer have=0\n"));
    rig_read(&r, 0, 1000);
    assert_int_equal(rig_start(&rr, r.file, 100 * KIB, 256 * KIB, false, 0), 0);
    fake_lt_advance(r.lt, RIG_SECOND);
    gos_read_cancel(&rr.read);
    rig_wait(&rr);
    assert_int_equal(rr.result, GOS_ECANCELED);
    rig_free(&rr);
    assert_int_equal(gos_torrent_reader_get_stats(r.file, &st), 0);
    assert_int_equal(st.reads, 2);
    assert_int_equal(st.bytes, 1000);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_stream_has_its_rate),
        cmocka_unit_test(a_rate_falls_to_nothing_when_nothing_comes),
        cmocka_unit_test(a_clock_that_does_not_move_breaks_no_rate),
        cmocka_unit_test(the_rate_of_a_torrent_is_that_of_its_peers),
        cmocka_unit_test(peers_are_counted_by_their_state),
        cmocka_unit_test(a_peer_that_falls_silent_is_counted_so),
        cmocka_unit_test(sums_stay_when_their_torrents_go),
        cmocka_unit_test(every_byte_received_is_in_one_place),
        cmocka_unit_test(bytes_of_a_read_that_failed_were_not_given),
    };
    return cmocka_run_group_tests_name("engine.stats", tests, NULL, NULL);
}
