/* SPDX-License-Identifier: MIT
 *
 * Adding torrents: magnets whose metadata comes, comes late, is wrong or never
 * comes; budgets that are too small; duplicates; lives that end early. */
#include "rig.h"

#include <stdio.h>
#include <string.h>

#include <gostream/version.h>

#include "base/clock.h"

#define MIB (1024u * 1024u)

static const char *magnet_of(const char *script)
{
    static char uri[256];
    uint8_t v1[20];
    fake_lt_hashes(script, v1, NULL);
    int n = snprintf(uri, sizeof uri, "magnet:?xt=urn:btih:");
    for (unsigned i = 0; i < 20; i++)
        n += snprintf(uri + n, sizeof uri - (size_t)n, "%02x", v1[i]);
    return uri;
}

static void open_magnet(struct rig *r, uint64_t ram, const char *script)
{
    rig_open_session(r, ram);
    assert_true(fake_lt_register(script));
    assert_int_equal(gos_session_add_magnet(r->session, &r->torrent, magnet_of(script), NULL), 0);
}

static void a_magnet_is_read_once_its_metadata_came(void **state)
{
    struct rig r;
    struct gos_torrent_info info = {.struct_size = sizeof info};
    (void)state;
    open_magnet(&r, 16 * MIB, rig_script(65536, MIB, "peer\n"));
    assert_int_equal(gos_torrent_wait(r.torrent, NULL), 0);
    assert_int_equal(gos_torrent_get_info(r.torrent, &info), 0);
    assert_string_equal(info.name, "film.mkv");
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &r.file), 0);
    rig_read(&r, 0, MIB);
    rig_close(&r);
}

static void wrong_metadata_is_left_and_the_right_one_taken(void **state)
{
    struct rig r;
    (void)state;
    open_magnet(&r, 16 * MIB, rig_script(65536, MIB, "metadata late\npeer\n"));
    assert_int_equal(gos_torrent_wait(r.torrent, NULL), 0);
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &r.file), 0);
    rig_read(&r, 0, MIB);
    rig_close(&r);
}

static void a_v2_magnet_waits_for_the_hashes_of_its_pieces(void **state)
{
    struct rig r;
    uint8_t v2[32];
    char uri[256];
    const char *script = rig_script(65536, MIB, "v2\nlayers_ms 0\npeer\n");
    (void)state;
    rig_open_session(&r, 16 * MIB);
    assert_true(fake_lt_register(script));
    fake_lt_hashes(script, NULL, v2);
    int n = snprintf(uri, sizeof uri, "magnet:?xt=urn:btmh:1220");
    for (unsigned i = 0; i < 32; i++)
        n += snprintf(uri + n, sizeof uri - (size_t)n, "%02x", v2[i]);
    assert_int_equal(gos_session_add_magnet(r.session, &r.torrent, uri, NULL), 0);
    assert_int_equal(gos_torrent_wait(r.torrent, NULL), 0);
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &r.file), 0);
    rig_read(&r, 0, MIB);
    rig_close(&r);
}

static void metadata_that_never_comes_is_waited_for_until_the_deadline(void **state)
{
    struct rig r;
    struct gos_io io = {.struct_size = sizeof io};
    struct gos_torrent_info info = {.struct_size = sizeof info};
    gos_source *file;
    (void)state;
    open_magnet(&r, 16 * MIB, rig_script(65536, MIB, "metadata never\npeer\n"));
    io.deadline_ns = gos__clock_ns() + 20 * RIG_MS;
    assert_int_equal(gos_torrent_wait(r.torrent, &io), GOS_ETIMEDOUT);
    assert_int_equal(gos_torrent_get_info(r.torrent, &info), GOS_EAGAIN);
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &file), GOS_EAGAIN);
    io.deadline_ns = 0;
    assert_int_equal(gos_cancel_new(&io.cancel), 0);
    gos_cancel_fire(io.cancel);
    assert_int_equal(gos_torrent_wait(r.torrent, &io), GOS_ECANCELED);
    gos_cancel_free(io.cancel);
    rig_close(&r);
}

static void a_budget_that_is_too_small_is_refused_by_name(void **state)
{
    struct rig r;
    gos_torrent *t;
    const char *script = rig_script(4 * MIB, 32 * MIB, "peer\n");
    (void)state;
    rig_open_session(&r, 12 * MIB - 16384);
    assert_int_equal(gos_session_add_torrent(r.session, &t, script, strlen(script), NULL),
                     GOS_EBUDGET);
    assert_non_null(strstr(gos_last_error(), "12288 KiB"));
    assert_true(fake_lt_register(script));
    assert_int_equal(gos_session_add_magnet(r.session, &r.torrent, magnet_of(script), NULL), 0);
    assert_int_equal(gos_torrent_wait(r.torrent, NULL), GOS_EBUDGET);
    assert_non_null(strstr(gos_last_error(), "12288 KiB"));
    rig_close(&r);
}

static void the_least_budget_is_enough(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r, 12 * MIB, rig_script(4 * MIB, 32 * MIB, "peer n=2\n"));
    for (unsigned i = 0; i < 32; i++)
        rig_read(&r, (uint64_t)i * MIB, MIB);
    rig_close(&r);
}

static void a_torrent_can_be_added_once(void **state)
{
    struct rig r;
    gos_torrent *again;
    const char *script = rig_script(65536, MIB, "peer\n");
    (void)state;
    rig_open(&r, 16 * MIB, script);
    assert_int_equal(gos_session_add_torrent(r.session, &again, script, strlen(script), NULL),
                     GOS_EEXIST);
    rig_read(&r, 0, MIB);
    rig_close(&r);
}

static bool one_went_on(void *rig)
{
    struct fake_lt_stats st;
    fake_lt_get_stats(((struct rig *)rig)->lt, &st);
    return st.goes_on == 1;
}

static void of_two_magnets_that_are_one_torrent_the_first_stays(void **state)
{
    struct rig r;
    uint8_t v2[32];
    char magnet[160] = "magnet:?xt=urn:btmh:1220";
    const char *script = rig_script(65536, MIB, "hybrid\nmetadata_ms 500\npeer\n");
    gos_torrent *twin;
    (void)state;
    rig_open_session(&r, 16 * MIB);
    assert_true(fake_lt_register(script));
    assert_int_equal(gos_session_add_magnet(r.session, &r.torrent, magnet_of(script), NULL), 0);
    fake_lt_hashes(script, NULL, v2);
    for (size_t i = 0, n = strlen(magnet); i < sizeof v2; i++, n += 2)
        snprintf(magnet + n, 3, "%02x", v2[i]);
    assert_int_equal(gos_session_add_magnet(r.session, &twin, magnet, NULL), 0);
    fake_lt_emit_twins(r.lt, 1, 0);
    assert_int_equal(gos_torrent_wait(twin, NULL), GOS_EEXIST);
    assert_string_equal(gos_last_error(), "it is the same torrent as one that is there already");
    fake_lt_advance(r.lt, RIG_SECOND);
    assert_int_equal(gos_torrent_wait(r.torrent, NULL), 0);
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &r.file), 0);
    rig_read(&r, 0, MIB);
    /* the pump says so after it has told who waits for the twin */
    assert_true(fake_lt_run_until(r.lt, one_went_on, &r, 10 * RIG_MS, 20 * RIG_SECOND));
    gos_torrent_unref(twin);
    rig_close(&r);
}

static void nonsense_is_refused_with_a_sentence(void **state)
{
    struct rig r;
    gos_torrent *t;
    (void)state;
    rig_open_session(&r, 16 * MIB);
    assert_int_equal(gos_session_add_torrent(r.session, &t, "x", 1, NULL), GOS_EMETADATA);
    assert_true(strlen(gos_last_error()) > 0);
    assert_int_equal(gos_session_add_magnet(r.session, &t, "magnet:?dn=x", NULL), GOS_EMETADATA);
    assert_int_equal(gos_session_add_magnet(r.session, &t, "http://x/", NULL), GOS_EMETADATA);
    assert_int_equal(gos_session_add_torrent(r.session, &t, NULL, 0, NULL), GOS_EINVAL);
    const char *peers[] = {"example.org:80"};
    const char *script = rig_script(65536, MIB, "");
    assert_int_equal(gos_session_add_torrent(r.session, &t, script, strlen(script),
                                             GOS_OPTS(gos_add_opts, .peers = peers, .n_peers = 1)),
                     GOS_EINVAL);
    assert_int_equal(gos_session_new(&r.session, GOS_OPTS(gos_session_opts, .ram = 4096)),
                     GOS_EINVAL);
    assert_int_equal(
        gos_session_new(&r.session, GOS_OPTS(gos_session_opts, .listen = "localhost:1")),
        GOS_EINVAL);
    rig_close(&r);
}

static void a_torrent_leaves_when_nobody_holds_it(void **state)
{
    struct rig r;
    struct fake_lt_stats st;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(65536, 4 * MIB, "peer n=3\n"));
    rig_read(&r, 0, MIB);
    gos_torrent_unref(r.torrent);
    rig_read(&r, MIB, MIB); /* the source keeps it */
    gos_source_unref(r.file);
    struct gos_session_stats ss = {.struct_size = sizeof ss};
    do { /* the pump and the network thread let go of it in their time */
        fake_lt_settle(r.lt);
        fake_lt_get_stats(r.lt, &st);
        assert_int_equal(gos_session_get_stats(r.session, &ss), 0);
    } while (st.connections > 0 || ss.arena_used > 0);
    assert_int_equal(st.withheld, 0);
    assert_true(ss.received >= 2 * MIB);
    r.torrent = NULL;
    r.file = NULL;
    rig_close(&r);
}

static void sources_and_torrents_outlive_their_session(void **state)
{
    struct rig r;
    struct rig_read held;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(65536, 4 * MIB, "peer\n"));
    rig_read(&r, 0, MIB);
    assert_int_equal(rig_start(&held, r.file, 0, 100000, true, 0), 1);
    assert_int_equal(gos_session_close(r.session, 20 * RIG_SECOND), 0);
    rig_check(&held); /* borrowed bytes stay */
    rig_free(&held);
    char c;
    assert_int_equal(gos_source_pread(r.file, &c, 1, 0, NULL), GOS_ECANCELED);
    assert_int_equal(gos_source_size(r.file), 4 * MIB);
    gos_source_unref(r.file);
    struct gos_torrent_stats ts = {.struct_size = sizeof ts};
    assert_int_equal(gos_torrent_get_stats(r.torrent, &ts), 0);
    gos_torrent_unref(r.torrent);
    assert_null(fake_lt_violation());
}

static void closing_does_not_wait_for_a_tracker_that_is_dead(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(65536, 4 * MIB, "peer\n"));
    gos_source_unref(r.file);
    gos_torrent_unref(r.torrent);
    fake_lt_hold_end(true);
    int64_t t0 = gos__clock_ns();
    assert_int_equal(gos_session_close(r.session, 50 * RIG_MS), GOS_ETIMEDOUT);
    assert_true(gos__clock_ns() - t0 < 20 * RIG_SECOND);
    fake_lt_hold_end(false);
    while (fake_lt_last_session() == r.lt) /* what was left behind ends by itself */
        ;
    assert_null(fake_lt_violation());
}

static void an_error_of_the_torrent_ends_its_reads(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    rig_open(&r, 16 * MIB, rig_script(65536, 4 * MIB, ""));
    assert_int_equal(rig_start(&rr, r.file, 0, 1000, false, 0), 0);
    fake_lt_emit_error(r.lt, 0, "disk on fire");
    rig_wait(&rr);
    assert_int_equal(rr.result, GOS_EIO);
    char c;
    assert_int_equal(gos_source_pread(r.file, &c, 1, 0, NULL), GOS_EIO);
    assert_non_null(strstr(gos_last_error(), "disk on fire"));
    rig_free(&rr);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_magnet_is_read_once_its_metadata_came),
        cmocka_unit_test(wrong_metadata_is_left_and_the_right_one_taken),
        cmocka_unit_test(a_v2_magnet_waits_for_the_hashes_of_its_pieces),
        cmocka_unit_test(metadata_that_never_comes_is_waited_for_until_the_deadline),
        cmocka_unit_test(a_budget_that_is_too_small_is_refused_by_name),
        cmocka_unit_test(the_least_budget_is_enough),
        cmocka_unit_test(a_torrent_can_be_added_once),
        cmocka_unit_test(of_two_magnets_that_are_one_torrent_the_first_stays),
        cmocka_unit_test(nonsense_is_refused_with_a_sentence),
        cmocka_unit_test(a_torrent_leaves_when_nobody_holds_it),
        cmocka_unit_test(sources_and_torrents_outlive_their_session),
        cmocka_unit_test(closing_does_not_wait_for_a_tracker_that_is_dead),
        cmocka_unit_test(an_error_of_the_torrent_ends_its_reads),
    };
    return cmocka_run_group_tests_name("engine.metadata", tests, NULL, NULL);
}
