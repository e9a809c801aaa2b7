/* SPDX-License-Identifier: MIT
 *
 * The swarm does what its script says, and a correct user of lt-c.h gets
 * through with no violation. */
#include "rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define HEAD "fake-torrent 1\nname film.mkv\npiece 65536\nseed 7\nfile film.mkv 1000000\n"
#define N_PIECES 16
#define N_BLOCKS 62

static void the_whole_torrent_comes(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer\n");
    rig_download(r, RIG_SECOND);
    struct fake_lt_stats s = rig_stats(r);
    assert_int_equal(s.blocks, N_BLOCKS);
    assert_int_equal(s.bytes, 1000000);
    assert_int_equal(s.withheld, N_BLOCKS);
    assert_int_equal(s.hashes, N_PIECES);
    assert_int_equal(s.requests, N_BLOCKS);
    rig_close(r);
}

static void an_evicted_piece_comes_again(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer latency_ms=10 rate=10000000 n=2\n");
    rig_download(r, 10 * RIG_SECOND);
    for (uint32_t turn = 0; turn < 50; turn++) {
        rig_evict(r, turn % N_PIECES);
        assert_false(rig_done(r));
        rig_download(r, RIG_SECOND);
    }
    assert_true(fake_lt_block_requests(r->session, 0, 0, 0) > 1);
    assert_int_equal(rig_stats(r).blocks, N_BLOCKS + 50 * 4 - 3 * 2);
    rig_close(r);
}

static void time_follows_rate_and_latency(void **state)
{
    struct rig *r = *state;
    r->most_requests = 100;
    rig_open(r, HEAD "peer latency_ms=100 rate=1000000\n");
    /* handshake 100, interest and unchoke 100, request 50; then a second of data, 50 */
    fake_lt_advance(r->session, 1290 * RIG_MS);
    assert_false(rig_done(r));
    fake_lt_advance(r->session, 20 * RIG_MS);
    assert_true(rig_done(r));
    assert_int_equal(ltc_now_ns(r->session), FAKE_LT_START_NS + 1310 * RIG_MS);
    rig_close(r);
}

static void the_download_limit_holds(void **state)
{
    struct rig *r = *state;
    rig_session(r);
    const struct ltc_limits l = {.download_bps = 500000, .max_peers = RIG_PEERS};
    assert_int_equal(ltc_set_limits(r->session, &l), 0);
    rig_add(r, HEAD "peer n=3\n");
    fake_lt_advance(r->session, 1900 * RIG_MS);
    assert_false(rig_done(r));
    fake_lt_advance(r->session, 200 * RIG_MS);
    assert_true(rig_done(r));
    rig_close(r);
}

static void a_lowered_number_of_peers_drops_those_above_it_only(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer n=5\n");
    rig_download(r, RIG_SECOND);
    assert_int_equal(rig_stats(r).connections, 5);
    struct ltc_limits l = {.max_peers = 3, .dht = true};
    assert_int_equal(ltc_set_limits(r->session, &l), 0);
    fake_lt_settle(r->session);
    assert_int_equal(rig_stats(r).connections, 3);
    assert_true(rig_stats(r).dht && !rig_stats(r).lsd);
    l.max_peers = 4;
    assert_int_equal(ltc_set_limits(r->session, &l), 0);
    fake_lt_settle(r->session);
    assert_int_equal(rig_stats(r).connections, 3);
    rig_close(r);
}

static void libtorrent_asks_for_what_is_wanted_those_with_readers_first(void **state)
{
    struct rig *r = *state;
    static struct fake_lt_log_entry log[FAKE_LT_LOG];
    r->libtorrent_picks = true;
    r->awaited = 2;
    rig_open(r, HEAD "peer latency_ms=10 rate=10000000\n");
    rig_download(r, 5 * RIG_SECOND);
    uint32_t n = ltc_info_get(atomic_load(&r->info))->n_pieces, expected = n - 2, changes = 0;
    size_t entries = fake_lt_log(r->session, log, FAKE_LT_LOG);
    for (size_t k = 0; k < entries; k++) {
        if (log[k].what != FAKE_LT_REQUEST || log[k].a == expected)
            continue;
        expected = expected == n - 1 ? 0 : expected + 1;
        assert_int_equal(log[k].a, expected);
        changes++;
    }
    assert_int_equal(changes, n - 1); /* n-2, n-1, 0, 1, ..., n-3 */
    rig_close(r);
}

static void libtorrent_asks_again_for_what_was_dropped_given_back_or_refused(void **state)
{
    struct rig *r = *state;
    r->libtorrent_picks = r->drop_at_last = true;
    rig_open(r, HEAD "peer latency_ms=4 real_cap=5 choke_every_ms=20 choke_for_ms=10 "
                     "corrupt=2 corrupt_times=6\npeer latency_ms=4 have=0-7\n");
    rig_download(r, 20 * RIG_SECOND);
    assert_true(atomic_load(&r->n_bad) > 0);
    for (uint32_t k = 0; k < 20; k++) {
        rig_evict(r, k % 16);
        rig_download(r, 20 * RIG_SECOND);
    }
    assert_true(rig_stats(r).rejects > 0);
    rig_close(r);
}

static void one_piece_is_told_by_its_number_and_all_by_minus_one(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer have=0-2 gains_ms=10\n");
    fake_lt_advance(r->session, RIG_MS);
    assert_int_equal(atomic_load(&r->haves), 0);
    assert_int_equal(atomic_load(&r->have_alls), 1);
    fake_lt_advance(r->session, 10 * RIG_MS);
    assert_int_equal(atomic_load(&r->haves), 1);
    assert_int_equal(atomic_load(&r->last_have), 3);
    rig_download(r, RIG_SECOND);
    assert_int_equal(atomic_load(&r->have_alls), 1);
    rig_close(r);
}

static void a_corrupt_piece_is_seen_and_its_sender_banned(void **state)
{
    struct rig *r = *state;
    r->ban_liars = true;
    rig_open(r, HEAD "peer corrupt=3 latency_ms=1\npeer at_ms=50 latency_ms=20 rate=5000000\n");
    rig_download(r, 20 * RIG_SECOND);
    struct fake_lt_peer_stats p;
    assert_true(fake_lt_get_peer_stats(r->session, 0, 0, &p));
    assert_int_equal(p.corrupted, 4);
    assert_int_equal(p.bans, 1);
    assert_false(p.connected);
    assert_int_equal(atomic_load(&r->n_bad), 1);
    rig_close(r);
}

static void a_silent_peer_is_passed_over(void **state)
{
    struct rig *r = *state;
    r->ask_again_ns = RIG_SECOND;
    rig_open(r, HEAD "peer stall_after=5 ignores_cancel=1\npeer latency_ms=30 rate=2000000\n");
    rig_download(r, 60 * RIG_SECOND);
    struct fake_lt_peer_stats p;
    assert_true(fake_lt_get_peer_stats(r->session, 0, 0, &p));
    assert_int_equal(p.blocks, 5);
    assert_true(p.cancels > 0);
    assert_int_equal(p.rejects, 0);
    rig_close(r);
}

static void a_cancel_is_answered_by_a_reject(void **state)
{
    struct rig *r = *state;
    r->ask_again_ns = RIG_SECOND;
    rig_open(r, HEAD "peer stall_after=5\npeer at_ms=2000\n");
    rig_download(r, 60 * RIG_SECOND);
    struct fake_lt_peer_stats p;
    assert_true(fake_lt_get_peer_stats(r->session, 0, 0, &p));
    assert_int_equal(p.rejects, p.cancels);
    assert_true(p.cancels > 0);
    rig_close(r);
}

static void choking_peers_still_give_all(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer latency_ms=10 rate=2000000 choke_every_ms=50 choke_for_ms=30\n"
                     "peer latency_ms=20 rate=1000000 choke_every_ms=70 fast=0\n");
    rig_download(r, 60 * RIG_SECOND);
    assert_true(atomic_load(&r->peers[0].unchokes) > 2);
    assert_true(atomic_load(&r->peers[0].rejected) > 0);
    assert_int_equal(atomic_load(&r->peers[1].rejected), 0);
    rig_close(r);
}

static void requests_over_the_real_cap_are_rejected_late(void **state)
{
    struct rig *r = *state;
    r->most_requests = 20;
    rig_open(r, HEAD "peer latency_ms=10 rate=2000000 cap=500 real_cap=10\n");
    rig_download(r, 60 * RIG_SECOND);
    assert_true(atomic_load(&r->peers[0].rejected) > 0);
    rig_close(r);
}

static void a_peer_leaves_and_comes_back(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer disconnect_after=20 reconnect_ms=1000 rate=10000000\n");
    rig_download(r, 60 * RIG_SECOND);
    assert_int_equal(atomic_load(&r->n_peers), 4);
    assert_true(ltc_now_ns(r->session) > FAKE_LT_START_NS + 3 * RIG_SECOND);
    rig_close(r);
}

static void unwanted_and_double_blocks_do_no_harm(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer unasked_ms=3 dup=1 rate=3000000 have_spam_ms=2\n");
    rig_download(r, 60 * RIG_SECOND);
    assert_true(rig_stats(r).redundant > 0);
    rig_close(r);
}

static void pieces_are_gained_one_by_one(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer have=none gains_ms=100\n");
    fake_lt_advance(r->session, 350 * RIG_MS);
    assert_int_equal(atomic_load(&r->n_verified), 3);
    rig_download(r, 60 * RIG_SECOND);
    rig_close(r);
}

static void a_bored_peer_leaves(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer idle_ms=60000\n");
    rig_download(r, RIG_SECOND);
    fake_lt_advance(r->session, 59 * RIG_SECOND);
    assert_int_equal(rig_stats(r).connections, 1);
    fake_lt_advance(r->session, 2 * RIG_SECOND);
    assert_int_equal(rig_stats(r).connections, 0);
    rig_close(r);
}

static void a_dialled_peer_comes_only_when_dialled(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer dial=1 addr=127.0.0.1:7000 n=2\n");
    fake_lt_advance(r->session, 10 * RIG_SECOND);
    assert_int_equal(rig_stats(r).connections, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(7001)};
    in.sin_addr.s_addr = htonl(0x7f000001);
    struct sockaddr_storage sa = {0};
    memcpy(&sa, &in, sizeof in);
    assert_int_equal(ltc_torrent_add_peer(r->torrent, &sa), 0);
    fake_lt_settle(r->session);
    struct fake_lt_peer_stats p;
    assert_true(fake_lt_get_peer_stats(r->session, 0, 1, &p));
    assert_true(p.joined);
    assert_int_equal(rig_stats(r).connections, 1);
    rig_download(r, RIG_SECOND);
    rig_close(r);
}

static void dead_and_utp_only_peers_never_join_over_tcp(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer dead=1\npeer utp_only=1 reconnect_ms=1000\n");
    fake_lt_advance(r->session, 5500 * RIG_MS);
    assert_int_equal(rig_stats(r).joins, 0);
    assert_int_equal(atomic_load(&r->peers[0].left), 1);
    assert_int_equal(ltc_set_outgoing_utp(r->session, true), 0);
    rig_download(r, 10 * RIG_SECOND);
    assert_int_equal(rig_stats(r).joins, 1);
    rig_close(r);
}

static void a_refused_peer_is_gone(void **state)
{
    struct rig *r = *state;
    r->refuse_all = true;
    rig_open(r, HEAD "peer n=3\n");
    fake_lt_advance(r->session, RIG_SECOND);
    assert_int_equal(rig_stats(r).refused, 3);
    assert_int_equal(rig_stats(r).connections, 0);
    rig_close(r);
}

static void dropped_blocks_are_wanted_again(void **state)
{
    struct rig *r = *state;
    r->drop_all = true;
    r->most_requests = 4;
    rig_open(r, HEAD "peer rate=1000000\n");
    fake_lt_advance(r->session, 200 * RIG_MS);
    struct fake_lt_stats s = rig_stats(r);
    assert_true(s.dropped > 4);
    assert_int_equal(s.withheld, 0);
    rig_close(r);
}

static void hash_answers_go_before_write_aborts(void **state)
{
    struct rig *r = *state;
    struct fake_lt_log_entry log[64];
    r->drop_at_last = true;
    rig_open(r, "fake-torrent 1\npiece 32768\nfile a 32768\npeer\n");
    rig_download(r, RIG_SECOND);
    size_t n = fake_lt_log(r->session, log, 64), k = 0;
    while (k < n && log[k].what != FAKE_LT_HASH_ASKED)
        assert_int_not_equal(log[k++].what, FAKE_LT_WRITE_ABORTED);
    while (k < n && log[k].what != FAKE_LT_HASH_ANSWERED)
        assert_int_not_equal(log[k++].what, FAKE_LT_WRITE_ABORTED);
    assert_true(k + 2 < n);
    assert_int_equal(log[k + 1].what, FAKE_LT_WRITE_ABORTED);
    assert_int_equal(log[k + 2].what, FAKE_LT_WRITE_ABORTED);
    rig_close(r);
}

static void pieces_dropped_at_their_last_block_are_not_lost(void **state)
{
    struct rig *r = *state;
    r->drop_at_last = true;
    rig_open(r, HEAD "peer n=2 latency_ms=3 rate=5000000\n");
    rig_download(r, 10 * RIG_SECOND);
    assert_int_equal(rig_stats(r).dropped, N_PIECES);
    assert_int_equal(rig_stats(r).hashes, 2 * N_PIECES);
    rig_close(r); /* also sees that none was lost */
}

static void lost_pieces_are_counted(void **state)
{
    struct rig *r = *state;
    r->drop_at_last = true;
    fake_lt_break_order(true);
    rig_open(r, HEAD "peer n=2 latency_ms=3 rate=5000000\n");
    rig_download(r, 10 * RIG_SECOND);
    assert_int_equal(fake_lt_lost_pieces(), N_PIECES);
    assert_null(fake_lt_violation());
    rig_close_after_misuse(r);
}

static void peers_are_scripted_while_it_runs(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD);
    assert_int_equal(fake_lt_peer_add(r->session, 0, "have=0-3"), 0);
    assert_int_equal(fake_lt_peer_add(r->session, 0, "nonsense=1"), -1);
    fake_lt_advance(r->session, RIG_SECOND);
    assert_int_equal(atomic_load(&r->n_verified), 4);
    fake_lt_peer_have(r->session, 0, 0, "0-7");
    fake_lt_settle(r->session);
    assert_int_equal(atomic_load(&r->n_verified), 8);
    fake_lt_peer_choke(r->session, 0, 0, true);
    fake_lt_peer_have(r->session, 0, 0, "all");
    fake_lt_settle(r->session);
    assert_int_equal(atomic_load(&r->n_verified), 8);
    fake_lt_peer_choke(r->session, 0, 0, false);
    rig_download(r, RIG_SECOND);
    fake_lt_peer_drop(r->session, 0, 0);
    fake_lt_settle(r->session);
    assert_int_equal(rig_stats(r).connections, 0);
    rig_close(r);
}

static void the_same_script_gives_the_same_run(void **state)
{
    static struct fake_lt_log_entry one[FAKE_LT_LOG], two[FAKE_LT_LOG];
    size_t n[2];
    for (int turn = 0; turn < 2; turn++) {
        struct rig *r = *state;
        rig_open(r, HEAD "peer n=4 latency_ms=7 rate=900000 choke_every_ms=90 corrupt_ppm=9000 "
                         "corrupt_times=3\n");
        fake_lt_advance(r->session, 10 * RIG_SECOND);
        assert_true(rig_done(r));
        n[turn] = fake_lt_log(r->session, turn ? two : one, FAKE_LT_LOG);
        rig_close(r);
        rig_teardown(state);
        rig_setup(state);
    }
    assert_int_equal(n[0], n[1]);
    for (size_t k = 0; k < n[0]; k++) {
        assert_int_equal(one[k].at_ns, two[k].at_ns);
        assert_int_equal(one[k].what, two[k].what);
        assert_int_equal(one[k].peer, two[k].peer);
        assert_int_equal(one[k].a, two[k].a);
        assert_int_equal(one[k].b, two[k].b);
    }
}

static void real_time_works_too(void **state)
{
    struct rig *r = *state;
    fake_lt_set_mode(FAKE_LT_REAL);
    rig_open(r, HEAD "peer latency_ms=2 rate=20000000\n");
    rig_download(r, 20 * RIG_SECOND);
    rig_close(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_whole_torrent_comes),
        T(an_evicted_piece_comes_again),
        T(time_follows_rate_and_latency),
        T(the_download_limit_holds),
        T(a_lowered_number_of_peers_drops_those_above_it_only),
        T(libtorrent_asks_for_what_is_wanted_those_with_readers_first),
        T(libtorrent_asks_again_for_what_was_dropped_given_back_or_refused),
        T(one_piece_is_told_by_its_number_and_all_by_minus_one),
        T(a_corrupt_piece_is_seen_and_its_sender_banned),
        T(a_silent_peer_is_passed_over),
        T(a_cancel_is_answered_by_a_reject),
        T(choking_peers_still_give_all),
        T(requests_over_the_real_cap_are_rejected_late),
        T(a_peer_leaves_and_comes_back),
        T(unwanted_and_double_blocks_do_no_harm),
        T(pieces_are_gained_one_by_one),
        T(a_bored_peer_leaves),
        T(a_dialled_peer_comes_only_when_dialled),
        T(dead_and_utp_only_peers_never_join_over_tcp),
        T(a_refused_peer_is_gone),
        T(dropped_blocks_are_wanted_again),
        T(hash_answers_go_before_write_aborts),
        T(pieces_dropped_at_their_last_block_are_not_lost),
        T(lost_pieces_are_counted),
        T(peers_are_scripted_while_it_runs),
        T(the_same_script_gives_the_same_run),
        T(real_time_works_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
