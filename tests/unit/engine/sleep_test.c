/* SPDX-License-Identifier: MIT
 *
 * Torrents that sleep: known without being in the swarm, woken by reads, sent
 * away when nobody reads them; see sleep_race_test.c for what can come between. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sleeping.h"

static struct fake_lt_stats swarm(struct rig *r)
{
    struct fake_lt_stats st;
    fake_lt_settle(r->lt);
    fake_lt_get_stats(r->lt, &st);
    return st;
}

/* ---- known, and woken ---- */

static void a_sleeping_torrent_is_known_but_not_in_the_swarm(void **state)
{
    struct rig r;
    struct gos_torrent_info info = {.struct_size = sizeof info};
    struct gos_file_info file = {.struct_size = sizeof file};
    struct gos_session_stats all = {.struct_size = sizeof all};
    (void)state;
    sleeping_open_asleep(&r,
                         "renamed extras/cut.mkv 5000\nempty note.nfo\ncreated 1700000000\npeer\n");
    fake_lt_advance(r.lt, 60 * RIG_SECOND);
    assert_true(sleeping_is_asleep(&r));
    assert_int_equal(swarm(&r).joins, 0);
    assert_int_equal(gos_torrent_wait(r.torrent, NULL), 0);
    assert_int_equal(gos_torrent_get_info(r.torrent, &info), 0);
    assert_string_equal(info.name, "film.mkv");
    assert_int_equal(info.n_files, 3);
    assert_int_equal(info.n_renamed, 1);
    assert_int_equal(info.total_size, SIZE + 5000);
    assert_int_equal(info.piece_length, 256 * KIB);
    assert_int_equal(info.created, 1700000000);
    assert_int_equal(strlen(info.info_hash), 40);
    assert_int_equal(gos_torrent_get_file(r.torrent, 1, &file), 0);
    assert_string_equal(file.path, "extras/cut.mkv");
    assert_int_equal(file.size, 5000);
    assert_int_equal(file.flags, GOS_FILE_RENAMED);
    assert_int_equal(gos_torrent_get_file(r.torrent, 2, &file), 0);
    assert_string_equal(file.path, "note.nfo");
    assert_int_equal(gos_source_size(r.file), SIZE);
    assert_int_equal(gos_source_present(r.file, 0, SIZE), 0);
    assert_int_equal(gos_session_get_stats(r.session, &all), 0);
    assert_int_equal(all.torrents, 1);
    assert_int_equal(all.awake, 0);
    rig_close(&r);
}

static void a_read_wakes_it_and_gets_its_bytes(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_asleep(&r, "peer\n");
    rig_read(&r, MIB + 7, 700 * KIB);
    assert_false(sleeping_is_asleep(&r));
    rig_close(&r);
}

static void advice_that_it_will_be_read_wakes_it(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_asleep(&r, "peer\n");
    assert_int_equal(gos_source_advise(r.file, 0, MIB, GOS_ADVICE_WILLNEED), 0);
    for (int i = 0; i < 2000 && gos_source_present(r.file, 0, MIB) < MIB; i++)
        fake_lt_advance(r.lt, RIG_MS);
    assert_int_equal(gos_source_present(r.file, 0, MIB), MIB);
    rig_close(&r);
}

static void a_path_is_good_when_the_working_directory_has_changed(void **state)
{
    struct rig r;
    char here[512];
    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    sleeping_open_session(&r, 0);
    sleeping_write_file(rig_script(256 * KIB, SIZE, "peer\n"));
    assert_int_equal(chdir("/tmp"), 0);
    int rc = gos_session_add_file(r.session, &r.torrent, strrchr(sleeping_path, '/') + 1,
                                  GOS_OPTS(gos_add_opts, .asleep = true));
    assert_int_equal(chdir(here), 0);
    assert_int_equal(rc, 0);
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &r.file), 0);
    rig_read(&r, 0, 1000);
    rig_close(&r);
}

static void peers_that_were_given_are_dialled_at_each_waking(void **state)
{
    struct rig r;
    const char *peers[] = {"10.1.1.1:1000"};
    (void)state;
    sleeping_open_session(&r, 10 * RIG_SECOND);
    sleeping_write_file(rig_script(
        256 * KIB, SIZE, "peer addr=10.1.1.1:1000 dial=1\npeer addr=10.1.1.2:1000 dial=1\n"));
    assert_int_equal(
        gos_session_add_file(r.session, &r.torrent, sleeping_path,
                             GOS_OPTS(gos_add_opts, .asleep = true, .peers = peers, .n_peers = 1)),
        0);
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &r.file), 0);
    assert_int_equal(gos_torrent_add_peer(r.torrent, "10.1.1.2:1000"), 0);
    assert_true(sleeping_is_asleep(&r));
    rig_read(&r, 0, 1000);
    assert_int_equal(swarm(&r).joins, 2);
    sleeping_let_it_sleep(&r);
    assert_int_equal(swarm(&r).connections, 0);
    rig_read(&r, 2 * MIB, 1000);
    assert_int_equal(swarm(&r).joins, 4);
    rig_close(&r);
}

/* ---- falling asleep ---- */

static void it_leaves_when_it_is_not_read_and_comes_back_with_the_next_read(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_session(&r, 10 * RIG_SECOND);
    sleeping_add_file(&r, "peer n=2\n", false);
    rig_read(&r, 0, MIB);
    fake_lt_advance(r.lt, 9 * RIG_SECOND);
    assert_false(sleeping_is_asleep(&r));
    assert_int_equal(swarm(&r).connections, 2);
    rig_read(&r, 0, 1000); /* from memory: a use all the same */
    fake_lt_advance(r.lt, 9 * RIG_SECOND);
    assert_false(sleeping_is_asleep(&r));
    sleeping_let_it_sleep(&r);
    assert_int_equal(swarm(&r).connections, 0);
    struct gos_torrent_stats st = rig_stats(&r);
    assert_int_equal(st.resident, 0);
    assert_int_equal(st.peers, 0);
    assert_true(st.received >= MIB);
    assert_true(fake_lt_run_until(r.lt, sleeping_arena_is_empty, &r, RIG_MS, RIG_SECOND));
    assert_int_equal(gos_source_present(r.file, 0, MIB), 0);
    for (int i = 0; i < 3; i++) {
        rig_read(&r, 0, SIZE);
        assert_true(rig_received(&r) >= (uint64_t)(i + 1) * SIZE);
        sleeping_let_it_sleep(&r);
    }
    rig_close(&r);
}

static void slices_stay_good_while_it_sleeps(void **state)
{
    struct rig r;
    struct rig_read held;
    (void)state;
    sleeping_open_asleep(&r, "peer\n");
    rig_start(&held, r.file, 5, 300 * KIB, true, 0);
    rig_finish(&r, &held, RIG_SECOND);
    sleeping_let_it_sleep(&r);
    rig_check(&held);
    rig_free(&held);
    assert_true(fake_lt_run_until(r.lt, sleeping_arena_is_empty, &r, RIG_MS, RIG_SECOND));
    rig_close(&r);
}

static void a_read_that_waits_keeps_it_awake(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    sleeping_open_asleep(&r, "peer unchoke_ms=60000\n");
    assert_int_equal(rig_start(&rr, r.file, 0, 1000, false, 0), 0);
    rig_finish(&r, &rr, 70 * RIG_SECOND);
    rig_check(&rr);
    rig_free(&rr);
    assert_int_equal(swarm(&r).joins, 1);
    sleeping_let_it_sleep(&r);
    rig_close(&r);
}

static void a_session_can_be_told_that_torrents_never_sleep(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_session(&r, -1);
    sleeping_add_file(&r, "peer\n", false);
    rig_read(&r, 0, 1000);
    fake_lt_advance(r.lt, 3600 * RIG_SECOND);
    assert_false(sleeping_is_asleep(&r));
    rig_close(&r);
}

static void a_time_without_an_end_is_never(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_session(&r, INT64_MAX - 1);
    sleeping_add_file(&r, "peer\n", false);
    rig_read(&r, 0, 1000);
    fake_lt_advance(r.lt, 3600 * RIG_SECOND);
    assert_false(sleeping_is_asleep(&r));
    rig_close(&r);
}

static void it_sleeps_and_wakes_where_libtorrent_picks_too(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_session_that(&r, 10 * RIG_SECOND, true);
    sleeping_add_file(&r, "peer n=2\n", false);
    for (uint64_t i = 0; i < 20; i++) {
        rig_read(&r, i % 4 * MIB, 300 * KIB);
        sleeping_let_it_sleep(&r);
    }
    rig_close(&r);
}

static void a_torrent_without_a_file_never_sleeps(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_session(&r, 10 * RIG_SECOND);
    const char *script = rig_script(256 * KIB, SIZE, "peer\n");
    assert_int_equal(gos_session_add_torrent(r.session, &r.torrent, script, strlen(script),
                                             GOS_OPTS(gos_add_opts, .asleep = true)),
                     0);
    fake_lt_advance(r.lt, 60 * RIG_SECOND);
    assert_false(sleeping_is_asleep(&r));
    rig_close(&r);
}

static void a_torrent_that_libtorrent_stopped_works_again_after_it_slept(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_session(&r, 10 * RIG_SECOND);
    sleeping_add_file(&r, "peer\n", false);
    rig_read(&r, 0, 1000);
    fake_lt_emit_error(r.lt, 0, "no more files may be open");
    for (int i = 0; i < 2000 && sleeping_read_error(&r) != GOS_EIO; i++)
        fake_lt_advance(r.lt, RIG_MS);
    assert_int_equal(sleeping_read_error(&r), GOS_EIO);
    sleeping_let_it_sleep(&r);
    rig_read(&r, MIB, 1000);
    rig_close(&r);
}

static void liars_are_still_banned_after_it_slept(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_asleep(
        &r, "peer addr=10.1.1.1:1000 corrupt=all\npeer addr=10.1.1.2:1000 at_ms=3000\n");
    struct rig_read rr;
    rig_start(&rr, r.file, 0, SIZE, false, 0);
    rig_finish(&r, &rr, 9 * RIG_SECOND);
    rig_check(&rr);
    rig_free(&rr);
    assert_int_equal(rig_stats(&r).banned_peers, 1);
    sleeping_let_it_sleep(&r);
    rig_start(&rr, r.file, 0, SIZE, false, 0);
    rig_finish(&r, &rr, 9 * RIG_SECOND);
    rig_check(&rr);
    rig_free(&rr);
    assert_int_equal(rig_stats(&r).banned_peers, 1);
    assert_true(swarm(&r).refused >= 1);
    rig_close(&r);
}

/* ---- events ---- */

static void events_tell_when_it_wakes_and_sleeps(void **state)
{
    struct rig r;
    struct gos_event e = {.struct_size = sizeof e};
    (void)state;
    sleeping_open_asleep(&r, "peer\n");
    rig_read(&r, 0, 1000);
    assert_int_equal(gos_session_next_event(r.session, &e, 10 * RIG_SECOND), 1);
    assert_int_equal(e.kind, GOS_EVENT_AWAKE);
    assert_int_equal(e.torrent, gos_torrent_id(r.torrent));
    sleeping_let_it_sleep(&r);
    assert_int_equal(gos_session_next_event(r.session, &e, 10 * RIG_SECOND), 1);
    assert_int_equal(e.kind, GOS_EVENT_ASLEEP);
    assert_int_equal(e.torrent, gos_torrent_id(r.torrent));
    rig_close(&r);
}

/* ---- the file has changed ---- */

static void a_read_says_what_is_wrong_with_the_file_and_the_next_one_tries_again(void **state)
{
    struct rig r;
    char right[4096];
    (void)state;
    sleeping_open_asleep(&r, "peer\n");
    strcpy(right, rig_script(256 * KIB, SIZE, "peer\n"));

    assert_int_equal(unlink(sleeping_path), 0);
    assert_int_equal(sleeping_read_error(&r), GOS_EMETADATA);
    assert_non_null(strstr(gos_last_error(), sleeping_path));
    assert_non_null(strstr(gos_last_error(), strerror(ENOENT)));
    sleeping_write_file("");
    assert_int_equal(sleeping_read_error(&r), GOS_EMETADATA);
    assert_non_null(strstr(gos_last_error(), "empty"));
    sleeping_write_file("fake-torr");
    assert_int_equal(sleeping_read_error(&r), GOS_EMETADATA);
    sleeping_write_file(rig_script(256 * KIB, SIZE + 1, "peer\n"));
    assert_int_equal(sleeping_read_error(&r), GOS_EMETADATA);
    assert_non_null(strstr(gos_last_error(), "another torrent"));
    assert_true(sleeping_is_asleep(&r));

    sleeping_write_file(right);
    rig_read(&r, 0, SIZE);
    rig_close(&r);
}

static void a_pipe_in_the_place_of_the_file_holds_nobody_up(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_asleep(&r, "peer\n");
    assert_int_equal(unlink(sleeping_path), 0);
    assert_int_equal(mkfifo(sleeping_path, 0600), 0);
    assert_int_equal(sleeping_read_error(&r), GOS_EMETADATA);
    rig_close(&r);
}

static void files_that_cannot_be_read_are_refused_when_added(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_session(&r, 0);
    assert_int_equal(gos_session_add_file(r.session, &r.torrent, "/nowhere/x.torrent", NULL),
                     -ENOENT);
    assert_int_equal(gos_session_add_file(r.session, &r.torrent, "/tmp", NULL), -EISDIR);
    sleeping_write_file("");
    assert_int_equal(gos_session_add_file(r.session, &r.torrent, sleeping_path, NULL),
                     GOS_EMETADATA);
    sleeping_write_file("nonsense");
    assert_int_equal(gos_session_add_file(r.session, &r.torrent, sleeping_path, NULL),
                     GOS_EMETADATA);
    assert_null(r.torrent);
    rig_close(&r);
}

/* ---- the same torrent twice ---- */

static void the_same_torrent_is_found_out_when_it_is_added(void **state)
{
    struct rig r;
    gos_torrent *twin = NULL;
    char text[4096], magnet[128];
    uint8_t v1[20];
    (void)state;
    sleeping_open_asleep(&r, "peer\n");
    strcpy(text, rig_script(256 * KIB, SIZE, "peer\n"));
    assert_int_equal(gos_session_add_file(r.session, &twin, sleeping_path,
                                          GOS_OPTS(gos_add_opts, .asleep = true)),
                     GOS_EEXIST);
    assert_int_equal(gos_session_add_torrent(r.session, &twin, text, strlen(text), NULL),
                     GOS_EEXIST);
    fake_lt_hashes(text, v1, NULL);
    strcpy(magnet, "magnet:?xt=urn:btih:");
    for (unsigned i = 0; i < 20; i++)
        sprintf(magnet + strlen(magnet), "%02x", v1[i]);
    assert_int_equal(gos_session_add_magnet(r.session, &twin, magnet, NULL), GOS_EEXIST);
    assert_null(twin);

    /* Nobody's any more: it may be added again. */
    gos_source_unref(r.file);
    gos_torrent_unref(r.torrent);
    assert_int_equal(gos_session_add_file(r.session, &r.torrent, sleeping_path,
                                          GOS_OPTS(gos_add_opts, .asleep = true)),
                     0);
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &r.file), 0);
    rig_read(&r, 0, 1000);
    rig_close(&r);
}

static void many_are_known_in_little_memory(void **state)
{
    enum { N = 1000 };
    static gos_torrent *torrents[N];
    struct rig r;
    struct gos_session_stats all = {.struct_size = sizeof all};
    (void)state;
    sleeping_open_session(&r, 0);
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < N; i++) {
        sleeping_write_file(rig_script(256 * KIB, SIZE + i, "peer\n"));
        assert_int_equal(gos_session_add_file(r.session, &torrents[i], sleeping_path,
                                              GOS_OPTS(gos_add_opts, .asleep = true)),
                         0);
    }
    size_t each = (mallinfo2().uordblks - before) / N;
    print_message("%zu bytes each\n", each);
    assert_true(each <= 2048 + strlen(sleeping_path) + 2 * strlen("film.mkv"));
    assert_int_equal(gos_session_get_stats(r.session, &all), 0);
    assert_int_equal(all.torrents, N);
    assert_int_equal(all.awake, 0);
    for (unsigned i = 0; i < N; i++)
        gos_torrent_unref(torrents[i]);
    assert_int_equal(gos_session_get_stats(r.session, &all), 0);
    assert_int_equal(all.torrents, 0);
    rig_close(&r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, sleeping_make_path, sleeping_remove_path)
    const struct CMUnitTest tests[] = {
        T(a_sleeping_torrent_is_known_but_not_in_the_swarm),
        T(a_read_wakes_it_and_gets_its_bytes),
        T(advice_that_it_will_be_read_wakes_it),
        T(a_path_is_good_when_the_working_directory_has_changed),
        T(peers_that_were_given_are_dialled_at_each_waking),
        T(it_leaves_when_it_is_not_read_and_comes_back_with_the_next_read),
        T(slices_stay_good_while_it_sleeps),
        T(a_read_that_waits_keeps_it_awake),
        T(a_session_can_be_told_that_torrents_never_sleep),
        T(a_time_without_an_end_is_never),
        T(it_sleeps_and_wakes_where_libtorrent_picks_too),
        T(a_torrent_without_a_file_never_sleeps),
        T(a_torrent_that_libtorrent_stopped_works_again_after_it_slept),
        T(liars_are_still_banned_after_it_slept),
        T(events_tell_when_it_wakes_and_sleeps),
        T(a_read_says_what_is_wrong_with_the_file_and_the_next_one_tries_again),
        T(a_pipe_in_the_place_of_the_file_holds_nobody_up),
        T(files_that_cannot_be_read_are_refused_when_added),
        T(the_same_torrent_is_found_out_when_it_is_added),
        T(many_are_known_in_little_memory),
    };
    return cmocka_run_group_tests_name("engine.sleep", tests, NULL, NULL);
}
