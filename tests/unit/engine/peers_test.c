/* SPDX-License-Identifier: MIT
 *
 * How the engine treats its peers over time: it keeps idle ones, tries uTP only
 * when TCP finds nobody, survives choking, leaving, rejecting and silence, and
 * never loses a piece that was evicted while its last block was on the way. */
#include <stdlib.h>

#include "telling.h"

#define KIB 1024u
#define MIB (1024u * 1024u)

static struct fake_lt_stats swarm(struct rig *r)
{
    struct fake_lt_stats st;
    fake_lt_settle(r->lt);
    fake_lt_get_stats(r->lt, &st);
    return st;
}

static void an_idle_peer_is_asked_for_something_before_it_leaves(void **state)
{
    struct rig r;
    (void)state;
    /* Seeds leave when nothing was asked of them for a minute. */
    rig_open(&r, 16 * MIB, rig_script(64 * KIB, 4 * MIB, "peer n=2 idle_ms=60000\n"));
    rig_read(&r, 0, 100 * KIB);
    fake_lt_advance(r.lt, 600 * RIG_SECOND);
    assert_int_equal(swarm(&r).connections, 2);
    assert_int_equal(swarm(&r).joins, 2);
    rig_read(&r, 3 * MIB, 100 * KIB);
    rig_close(&r);
}

static void utp_is_tried_when_tcp_finds_nobody_and_given_up_again(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    rig_open(&r, 16 * MIB,
             rig_script(64 * KIB, 4 * MIB, "peer n=4 utp_only=1 reconnect_ms=1000\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 1000, false, 0), 0);
    fake_lt_advance(r.lt, 8 * RIG_SECOND);
    assert_false(swarm(&r).outgoing_utp);
    rig_finish(&r, &rr, 40 * RIG_SECOND);
    rig_check(&rr);
    assert_true(swarm(&r).outgoing_utp);
    assert_true(fake_lt_peer_add(r.lt, 0, "") >= 0); /* over TCP */
    do {
        fake_lt_advance(r.lt, 10 * RIG_MS);
    } while (swarm(&r).outgoing_utp); /* the pump switches in its own time */
    rig_free(&rr);
    rig_close(&r);
}

static void utp_stays_off_while_tcp_works(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r, 16 * MIB,
             rig_script(64 * KIB, 4 * MIB, "peer\npeer n=5 dead=1 reconnect_ms=1000\n"));
    rig_read(&r, 0, MIB);
    fake_lt_advance(r.lt, 60 * RIG_SECOND);
    assert_false(swarm(&r).outgoing_utp);
    rig_close(&r);
}

static void read_for(struct rig *r, uint64_t off, size_t len, int64_t limit_ns)
{
    struct rig_read rr;
    assert_true(rig_start(&rr, r->file, off, len, false, 0) >= 0);
    rig_finish(r, &rr, limit_ns);
    rig_check(&rr);
    rig_free(&rr);
}

/* Read it all while peers do what the script says. */
static void survives(const char *peers)
{
    struct rig r;
    struct rig_read rr;
    rig_open(&r, 6 * MIB, rig_script(128 * KIB, 12 * MIB + 5000, peers));
    assert_true(rig_start(&rr, r.file, 0, 12 * MIB + 5000, false, 120 * RIG_SECOND) >= 0);
    rig_finish(&r, &rr, 3600 * RIG_SECOND);
    rig_check(&rr);
    rig_free(&rr);
    rig_close(&r);
}

static void choking_in_turns(void **state)
{
    (void)state;
    survives("peer n=2 latency_ms=10 rate=4000000 choke_every_ms=300 choke_for_ms=200\n");
}

static void choking_without_the_fast_extension(void **state)
{
    (void)state;
    survives("peer n=2 fast=0 latency_ms=10 rate=4000000 choke_every_ms=300 choke_for_ms=200\n");
}

static void leaving_in_the_middle_of_pieces(void **state)
{
    (void)state;
    survives("peer n=3 latency_ms=5 rate=4000000 disconnect_after=37 reconnect_ms=100\n");
}

static void rejecting_what_is_beyond_its_queue(void **state)
{
    (void)state;
    survives("peer latency_ms=20 rate=8000000 cap=512 real_cap=20\n");
}

static void having_only_some_pieces(void **state)
{
    (void)state;
    survives(
        "peer latency_ms=5 rate=4000000 have=0-40\npeer latency_ms=5 rate=4000000 have=30-96\n");
}

static void never_answering_cancels(void **state)
{
    struct rig r;
    unsigned seed = 99;
    (void)state;
    print_message("seed %u\n", seed);
    rig_open(
        &r, 6 * MIB,
        rig_script(256 * KIB, 24 * MIB,
                   "peer ignores_cancel=1 latency_ms=20 rate=20000000 cap=512 real_cap=511\n"));
    for (int i = 0; i < 60; i++) {
        struct rig_read rr;
        uint64_t off = ((uint64_t)rand_r(&seed) << 8) % (23 * MIB);
        assert_true(rig_start(&rr, r.file, off, 64 * KIB, i % 2, 60 * RIG_SECOND) >= 0);
        rig_finish(&r, &rr, 120 * RIG_SECOND);
        rig_check(&rr);
        rig_free(&rr);
    }
    rig_close(&r);
}

static void sending_blocks_nobody_asked_for(void **state)
{
    (void)state;
    survives("peer latency_ms=5 rate=8000000 unasked_ms=7 dup=1\n");
}

/* It takes the line from the others, whatever limit there is. */
static void who_sends_without_end_what_nobody_asked_for_is_banned_and_nobody_else(void **state)
{
    struct rig r;
    struct told t;
    struct fake_lt_peer_stats honest, flooder;
    (void)state;
    telling_open(&r, GOS_EVENT_BIT(GOS_EVENT_PEER_BANNED),
                 rig_script(64 * KIB, 4 * MIB,
                            "peer addr=192.0.2.1:6881 latency_ms=5 rate=2000000\n"
                            "peer addr=192.0.2.2:6881 unchoke_ms=-1 unasked_ms=1\n"));
    read_for(&r, 0, 64 * KIB, 10 * RIG_SECOND);
    fake_lt_advance(r.lt, 100 * RIG_MS); /* so many may have been late answers */
    telling_drain(&r, &t);
    assert_int_equal(t.n, 0);
    fake_lt_advance(r.lt, 3 * RIG_SECOND);
    telling_drain(&r, &t);
    assert_string_equal(telling_only(&t, GOS_EVENT_PEER_BANNED)->peer, "192.0.2.2:6881");
    assert_true(fake_lt_get_peer_stats(r.lt, 0, 0, &honest));
    assert_true(fake_lt_get_peer_stats(r.lt, 0, 1, &flooder));
    assert_int_equal(honest.bans, 0);
    assert_true(honest.connected);
    assert_int_equal(flooder.bans, 1);
    assert_int_equal(rig_stats(&r).banned_peers, 1);
    read_for(&r, 64 * KIB, 3 * MIB, 10 * RIG_SECOND);
    rig_close(&r);
}

static void lying_now_and_then(void **state)
{
    (void)state;
    survives("peer n=3 latency_ms=5 rate=8000000\n"
             "peer latency_ms=2 rate=9000000 corrupt_ppm=20000 reconnect_ms=50\n");
}

static void seeks_while_blocks_are_on_the_way_lose_no_piece(void **state)
{
    struct rig r;
    unsigned seed = 31337;
    (void)state;
    print_message("seed %u\n", seed);
    rig_open(&r, 5 * MIB, rig_script(256 * KIB, 30 * MIB, "peer n=3 latency_ms=3 rate=30000000\n"));
    gos_source *file[4];
    struct rig_read rr[4];
    for (unsigned k = 0; k < 4; k++)
        assert_int_equal(gos_torrent_open_file(r.torrent, 0, &file[k]), 0);
    for (int i = 0; i < 80; i++) {
        for (unsigned k = 0; k < 4; k++)
            rig_start(&rr[k], file[k], ((uint64_t)rand_r(&seed) << 8) % (29 * MIB), 300 * KIB,
                      false, 60 * RIG_SECOND);
        if (i % 3 == 0)
            fake_lt_advance(r.lt, 2 * RIG_MS);
        for (unsigned k = 0; k < 4; k++) {
            if (i % 4 == 1 && k % 2 && !rig_is_done(&rr[k]))
                gos_read_cancel(&rr[k].read);
            rig_finish(&r, &rr[k], 120 * RIG_SECOND);
            if (rr[k].result != GOS_ECANCELED)
                rig_check(&rr[k]);
            rig_free(&rr[k]);
        }
    }
    for (unsigned k = 0; k < 4; k++)
        gos_source_unref(file[k]);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_peer_is_asked_for_something_before_it_leaves),
        cmocka_unit_test(utp_is_tried_when_tcp_finds_nobody_and_given_up_again),
        cmocka_unit_test(utp_stays_off_while_tcp_works),
        cmocka_unit_test(choking_in_turns),
        cmocka_unit_test(choking_without_the_fast_extension),
        cmocka_unit_test(leaving_in_the_middle_of_pieces),
        cmocka_unit_test(rejecting_what_is_beyond_its_queue),
        cmocka_unit_test(having_only_some_pieces),
        cmocka_unit_test(never_answering_cancels),
        cmocka_unit_test(sending_blocks_nobody_asked_for),
        cmocka_unit_test(who_sends_without_end_what_nobody_asked_for_is_banned_and_nobody_else),
        cmocka_unit_test(lying_now_and_then),
        cmocka_unit_test(seeks_while_blocks_are_on_the_way_lose_no_piece),
    };
    return cmocka_run_group_tests_name("engine.peers", tests, NULL, NULL);
}
