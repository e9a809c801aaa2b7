/* SPDX-License-Identifier: MIT
 *
 * Reading a torrent through a session over the fake swarm: bytes, seeks, memory
 * that holds, liars, silence, closing. */
#include "rig.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define KIB 1024u
#define MIB (1024u * 1024u)

static void whole_file_is_read_byte_for_byte(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 5 * MIB + 12345, "peer\n"));
    assert_int_equal(gos_source_size(r.file), 5 * MIB + 12345);
    rig_read(&r, 0, 5 * MIB + 12345);
    char c;
    assert_int_equal(gos_source_pread(r.file, &c, 1, 5 * MIB + 12345, NULL), 0);
    rig_close(&r);
}

static void a_file_many_times_the_budget_is_read_and_read_again(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r, 5 * MIB, rig_script(256 * KIB, 40 * MIB, "peer n=3\n"));
    for (uint64_t off = 0; off < 40 * MIB; off += 128 * KIB)
        rig_read(&r, off, 128 * KIB);
    uint64_t before = rig_received(&r);
    assert_true(before >= 40 * MIB);
    rig_read(&r, 0, 2 * MIB);
    assert_true(rig_received(&r) >= before + 2 * MIB - 256 * KIB);
    struct gos_session_stats st = {.struct_size = sizeof st};
    assert_int_equal(gos_session_get_stats(r.session, &st), 0);
    assert_true(st.arena_peak <= st.ram);
    assert_int_equal(st.ram, 5 * MIB);
    rig_close(&r);
}

static void random_seeks_give_the_right_bytes(void **state)
{
    struct rig r;
    unsigned seed = 4711;
    (void)state;
    print_message("seed %u\n", seed);
    rig_open(&r, 5 * MIB, rig_script(128 * KIB, 30 * MIB + 777, "peer n=2\n"));
    for (int i = 0; i < 300; i++) {
        uint64_t off = ((uint64_t)rand_r(&seed) << 8) % (30 * MIB);
        size_t len = 1 + (size_t)rand_r(&seed) % (300 * KIB);
        if (off + len > 30 * MIB + 777)
            len = (size_t)(30 * MIB + 777 - off);
        rig_read(&r, off, len);
    }
    rig_close(&r);
}

static void one_read_larger_than_the_budget_is_answered(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r, 6 * MIB, rig_script(1 * MIB, 24 * MIB, "peer\n"));
    rig_read(&r, 1000, 20 * MIB);
    rig_close(&r);
}

static void more_readers_than_pieces_fit_all_finish(void **state)
{
    struct rig r;
    struct rig_read reads[16];
    gos_source *files[16];
    (void)state;
    rig_open(&r, 6 * MIB, rig_script(1 * MIB, 32 * MIB, "peer latency_ms=2 n=2\n"));
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(gos_torrent_open_file(r.torrent, 0, &files[i]), 0);
        rig_start(&reads[i], files[i], (uint64_t)i * 2 * MIB + 5, 1000, i % 2 == 0,
                  30 * RIG_SECOND);
    }
    for (unsigned i = 0; i < 16; i++) {
        rig_finish(&r, &reads[i], 60 * RIG_SECOND);
        rig_check(&reads[i]);
        rig_free(&reads[i]);
        gos_source_unref(files[i]);
    }
    rig_close(&r);
}

static void a_read_that_waits_in_line_for_room_does_not_lose_its_time(void **state)
{
    struct rig r;
    struct rig_read reads[24];
    gos_source *files[24];
    (void)state;
    /* A piece a second, and room for six: the last one waits in line for longer
     * than its idle time before its piece is begun. */
    rig_open(&r, 6 * MIB, rig_script(1 * MIB, 48 * MIB, "peer rate=1048576\n"));
    for (unsigned i = 0; i < 24; i++) {
        assert_int_equal(gos_torrent_open_file(r.torrent, 0, &files[i]), 0);
        rig_start(&reads[i], files[i], (uint64_t)i * 2 * MIB, 1000, true, 8 * RIG_SECOND);
    }
    for (unsigned i = 0; i < 24; i++) {
        rig_finish(&r, &reads[i], 120 * RIG_SECOND);
        rig_check(&reads[i]);
        rig_free(&reads[i]);
        gos_source_unref(files[i]);
    }
    rig_close(&r);
}

static void borrowed_bytes_stay_while_everything_else_is_evicted(void **state)
{
    struct rig r;
    struct rig_read held;
    (void)state;
    rig_open(&r, 5 * MIB, rig_script(256 * KIB, 30 * MIB, "peer\n"));
    if (rig_start(&held, r.file, 100, 200 * KIB, true, 0) == 0)
        rig_wait(&held);
    rig_check(&held);
    for (uint64_t off = 0; off < 30 * MIB; off += MIB)
        rig_read(&r, off, MIB);
    rig_check(&held);
    rig_free(&held);
    struct gos_session_stats st = {.struct_size = sizeof st};
    assert_int_equal(gos_session_get_stats(r.session, &st), 0);
    assert_int_equal(st.borrowed, 0);
    rig_close(&r);
}

static void at_most_a_quarter_of_the_budget_is_lent_out(void **state)
{
    struct rig r;
    struct rig_read held[40];
    unsigned n = 0;
    int rc = 0;
    (void)state;
    rig_open(&r, 8 * MIB, rig_script(256 * KIB, 16 * MIB, "peer\n"));
    for (; n < 40; n++) {
        rc = rig_start(&held[n], r.file, n * 256 * KIB, 256 * KIB, true, 0);
        if (rc < 0)
            break;
        rig_wait(&held[n]);
        rig_check(&held[n]);
    }
    assert_int_equal(rc, GOS_EBUSY);
    assert_int_equal(n, 8); /* 2 MiB */
    rig_free(&held[n]);
    rig_read(&r, 12 * MIB, 300 * KIB); /* copying is always possible */
    while (n > 0)
        rig_free(&held[--n]);
    assert_true(rig_start(&held[0], r.file, 0, 256 * KIB, true, 0) >= 0);
    rig_wait(&held[0]);
    rig_check(&held[0]);
    rig_free(&held[0]);
    rig_close(&r);
}

static void a_reader_of_a_dead_torrent_is_told_after_its_idle_time(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 4 * MIB, ""));
    assert_int_equal(rig_start(&rr, r.file, 0, 1000, true, 60 * RIG_SECOND), 0);
    fake_lt_advance(r.lt, 59 * RIG_SECOND);
    assert_false(rig_is_done(&rr));
    fake_lt_advance(r.lt, 2 * RIG_SECOND);
    rig_wait(&rr);
    assert_int_equal(rr.result, GOS_ETIMEDOUT);
    rig_free(&rr);
    rig_close(&r);
}

/* What a read that nobody serves ends with. */
static void expect_late(const char *peers, uint64_t off, const char *text)
{
    struct rig r;
    struct rig_read rr;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 4 * MIB, peers));
    assert_int_equal(rig_start(&rr, r.file, off, 1000, false, 20 * RIG_SECOND), 0);
    rig_finish(&r, &rr, 30 * RIG_SECOND);
    assert_int_equal(rr.result, GOS_ETIMEDOUT);
    assert_string_equal(rr.why, text);
    rig_free(&rr);
    rig_close(&r);
}

static void a_read_without_an_answer_says_whom_it_lacked(void **state)
{
    (void)state;
    expect_late("", 0, "nothing came in time: no peer is connected");
    expect_late("peer dead=1\n", 0, "nothing came in time: no peer is connected");
    expect_late("peer have=0-3\npeer have=none\n", 5 * 256 * KIB + 7,
                "nothing came in time: no connected peer has piece 5");
    expect_late("peer have=0-3\npeer stall_after=0\n", 5 * 256 * KIB,
                "no peer sent the data in time");
}

static void progress_moves_the_idle_time(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    /* A block each 4 s: 16 of them take a minute, each one is in time. */
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 256 * KIB, "peer rate=4096\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 1000, true, 10 * RIG_SECOND), 0);
    rig_finish(&r, &rr, 120 * RIG_SECOND);
    rig_check(&rr);
    rig_free(&rr);
    rig_close(&r);
}

static void a_cancelled_read_ends_once(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 4 * MIB, ""));
    assert_int_equal(rig_start(&rr, r.file, 0, 1000, false, 0), 0);
    gos_read_cancel(&rr.read);
    rig_wait(&rr);
    assert_int_equal(rr.result, GOS_ECANCELED);
    rig_free(&rr);
    rig_close(&r);
}

static void closing_ends_pending_reads(void **state)
{
    struct rig r;
    struct rig_read rr[3];
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 4 * MIB, ""));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rig_start(&rr[i], r.file, i * MIB, 1000, i == 1, 0), 0);
    assert_int_equal(gos_session_close(r.session, 20 * RIG_SECOND), 0);
    for (unsigned i = 0; i < 3; i++) {
        rig_wait(&rr[i]);
        assert_int_equal(rr[i].result, GOS_ECANCELED);
        rig_free(&rr[i]);
    }
    char c;
    assert_int_equal(gos_source_pread(r.file, &c, 1, 0, NULL), GOS_ECANCELED);
    gos_source_unref(r.file);
    gos_torrent_unref(r.torrent);
    assert_null(fake_lt_violation());
}

struct closer {
    struct gos_read read;
    gos_session *session;
    atomic_int rc; /* of close; 1: not called yet */
};

static void close_in_done(struct gos_read *r)
{
    struct closer *c = r->user;
    atomic_store(&c->rc, gos_session_close(c->session, 0));
}

static bool has_closed(void *closer)
{
    return atomic_load(&((struct closer *)closer)->rc) != 1;
}

static void a_session_is_not_closed_from_its_own_callback(void **state)
{
    struct rig r;
    char buf[1000];
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 4 * MIB, "peer latency_ms=20\n"));
    struct closer c = {.session = r.session, .rc = 1};
    c.read = (struct gos_read){.struct_size = sizeof c.read,
                               .len = sizeof buf,
                               .buf = buf,
                               .done = close_in_done,
                               .user = &c};
    assert_int_equal(gos_source_start(r.file, &c.read), 0);
    assert_true(fake_lt_run_until(r.lt, has_closed, &c, 10 * RIG_MS, 20 * RIG_SECOND));
    assert_int_equal(atomic_load(&c.rc), GOS_EDEADLK);
    rig_read(&r, 0, 1000); /* nothing happened */
    rig_close(&r);
}

static void a_liar_among_honest_peers_is_banned_and_the_bytes_are_right(void **state)
{
    struct rig r;
    struct rig_read rr;
    struct fake_lt_peer_stats peer;
    (void)state;
    /* The liar answers first, so that it is surely asked. */
    rig_open(
        &r, 16 * MIB,
        rig_script(256 * KIB, 8 * MIB,
                   "peer n=3 latency_ms=20 rate=4000000\npeer corrupt=0-31 corrupt_block=3\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 8 * MIB, false, 30 * RIG_SECOND), 0);
    rig_finish(&r, &rr, 60 * RIG_SECOND);
    rig_check(&rr);
    struct gos_torrent_stats st = rig_stats(&r);
    assert_true(st.failed_pieces > 0);
    assert_int_equal(st.banned_peers, 1);
    assert_true(fake_lt_get_peer_stats(r.lt, 0, 3, &peer));
    assert_true(peer.corrupted > 0);
    assert_int_equal(peer.bans, 1);
    for (int i = 0; i < 3; i++) {
        assert_true(fake_lt_get_peer_stats(r.lt, 0, i, &peer));
        assert_int_equal(peer.bans, 0);
    }
    rig_free(&rr);
    rig_close(&r);
}

static void a_lone_liar_is_banned_and_an_honest_peer_takes_over(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(256 * KIB, 2 * MIB, "peer corrupt=0-7\n"));
    struct rig_read rr;
    assert_int_equal(rig_start(&rr, r.file, 0, MIB, false, 30 * RIG_SECOND), 0);
    struct fake_lt_peer_stats liar = {0};
    for (int i = 0; i < 200 && !liar.bans; i++) {
        fake_lt_advance(r.lt, 10 * RIG_MS);
        assert_true(fake_lt_get_peer_stats(r.lt, 0, 0, &liar));
    }
    assert_false(rig_is_done(&rr));
    assert_int_equal(fake_lt_peer_add(r.lt, 0, ""), 1);
    rig_finish(&r, &rr, 20 * RIG_SECOND);
    rig_check(&rr);
    assert_true(fake_lt_get_peer_stats(r.lt, 0, 0, &liar));
    assert_int_equal(liar.bans, 1);
    rig_free(&rr);
    rig_close(&r);
}

static void a_silent_peer_does_not_stop_the_others(void **state)
{
    struct rig r;
    struct rig_read rr;
    struct fake_lt_peer_stats silent;
    (void)state;
    rig_open(
        &r, 16 * MIB,
        rig_script(256 * KIB, 8 * MIB, "peer stall_after=5\npeer latency_ms=20 rate=2000000\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 8 * MIB, false, 30 * RIG_SECOND), 0);
    rig_finish(&r, &rr, 60 * RIG_SECOND);
    rig_check(&rr);
    assert_true(fake_lt_get_peer_stats(r.lt, 0, 0, &silent));
    assert_int_equal(silent.blocks, 5);
    assert_true(silent.requests > 5); /* some were left unanswered */
    rig_free(&rr);
    rig_close(&r);
}

static void v2_and_hybrid_torrents_are_read(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rig r;
        rig_open(&r, 16 * MIB,
                 rig_script(128 * KIB, 3 * MIB + 99, i ? "hybrid\npeer\n" : "v2\npeer\n"));
        rig_read(&r, 0, 3 * MIB + 99);
        rig_close(&r);
    }
}

static void files_of_a_torrent_are_told_apart(void **state)
{
    struct rig r;
    struct gos_torrent_info info = {.struct_size = sizeof info};
    struct gos_file_info file = {.struct_size = sizeof file};
    gos_source *second;
    unsigned char buf[5000];
    const char *script = "fake-torrent 1\nname season\npiece 65536\nseed 7\nfile a.mkv 100000\n"
                         "pad 31072\nfile b/c d.mkv 5000\nempty e.nfo\nsymlink s.mkv\npeer\n";
    (void)state;
    rig_open(&r, 16 * MIB, script);
    assert_int_equal(gos_torrent_get_info(r.torrent, &info), 0);
    assert_string_equal(info.name, "season");
    assert_true(info.multi_file);
    assert_int_equal(info.n_files, 3);
    assert_int_equal(info.n_symlinks, 1);
    assert_int_equal(info.total_size, 105000);
    assert_int_equal(gos_torrent_get_file(r.torrent, 1, &file), 0);
    assert_string_equal(file.path, "b/c d.mkv");
    assert_int_equal(file.size, 5000);
    assert_int_equal(gos_torrent_get_file(r.torrent, 3, &file), GOS_ENOENT);
    rig_read(&r, 0, 100000);
    assert_int_equal(gos_torrent_open_file(r.torrent, 1, &second), 0);
    assert_int_equal(gos_source_pread(second, buf, sizeof buf, 0, NULL), 5000);
    assert_true(fake_lt_pattern_is(8, 0, buf, 5000));
    gos_source_unref(second);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_file_is_read_byte_for_byte),
        cmocka_unit_test(a_file_many_times_the_budget_is_read_and_read_again),
        cmocka_unit_test(random_seeks_give_the_right_bytes),
        cmocka_unit_test(one_read_larger_than_the_budget_is_answered),
        cmocka_unit_test(more_readers_than_pieces_fit_all_finish),
        cmocka_unit_test(a_read_that_waits_in_line_for_room_does_not_lose_its_time),
        cmocka_unit_test(borrowed_bytes_stay_while_everything_else_is_evicted),
        cmocka_unit_test(at_most_a_quarter_of_the_budget_is_lent_out),
        cmocka_unit_test(a_reader_of_a_dead_torrent_is_told_after_its_idle_time),
        cmocka_unit_test(a_read_without_an_answer_says_whom_it_lacked),
        cmocka_unit_test(progress_moves_the_idle_time),
        cmocka_unit_test(a_cancelled_read_ends_once),
        cmocka_unit_test(closing_ends_pending_reads),
        cmocka_unit_test(a_session_is_not_closed_from_its_own_callback),
        cmocka_unit_test(a_liar_among_honest_peers_is_banned_and_the_bytes_are_right),
        cmocka_unit_test(a_lone_liar_is_banned_and_an_honest_peer_takes_over),
        cmocka_unit_test(a_silent_peer_does_not_stop_the_others),
        cmocka_unit_test(v2_and_hybrid_torrents_are_read),
        cmocka_unit_test(files_of_a_torrent_are_told_apart),
    };
    return cmocka_run_group_tests_name("engine.session", tests, NULL, NULL);
}
