/* SPDX-License-Identifier: MIT
 *
 * Events: each thing that happens is told once, with its fields, to those who
 * asked for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "telling.h"

#define KIB 1024u
#define MIB (1024u * 1024u)

static void a_life_of_a_torrent_is_told_in_order(void **state)
{
    struct rig r;
    struct told t;
    (void)state;
    telling_open(&r, GOS_EVENT_ALL, rig_script(256 * KIB, MIB, "peer addr=192.0.2.7:6881\n"));
    uint64_t id = gos_torrent_id(r.torrent);
    assert_int_not_equal(id, 0);
    rig_read(&r, 0, MIB);
    telling_drain(&r, &t);
    assert_int_equal(telling_only(&t, GOS_EVENT_METADATA)->torrent, id);
    assert_int_equal(t.events[0].kind, GOS_EVENT_METADATA);
    assert_int_equal(telling_only(&t, GOS_EVENT_PEER_JOINED)->torrent, id);
    assert_string_equal(telling_only(&t, GOS_EVENT_PEER_JOINED)->peer, "192.0.2.7:6881");
    assert_int_equal(telling_count(&t, GOS_EVENT_PIECE), 4);
    unsigned seen = 0;
    for (size_t i = 0; i < t.n; i++) {
        assert_true(t.events[i].time_ns >= FAKE_LT_START_NS);
        if (t.events[i].kind == GOS_EVENT_PIECE)
            seen |= 1u << t.events[i].piece;
    }
    assert_int_equal(seen, 0xf);
    assert_int_equal(t.n, 6);

    fake_lt_peer_drop(r.lt, 0, 0);
    telling_drain(&r, &t);
    assert_string_equal(telling_only(&t, GOS_EVENT_PEER_LEFT)->peer, "192.0.2.7:6881");
    assert_int_equal(t.n, 1);

    gos_source_unref(r.file);
    gos_torrent_unref(r.torrent);
    r.file = NULL;
    r.torrent = NULL;
    struct gos_event e = {.struct_size = sizeof e};
    assert_int_equal(gos_session_next_event(r.session, &e, 20 * RIG_SECOND), 1);
    assert_int_equal(e.kind, GOS_EVENT_REMOVED);
    assert_int_equal(e.torrent, id);
    rig_close(&r);
}

static void an_address_of_ipv6_is_told_as_people_write_it(void **state)
{
    struct rig r;
    struct told t;
    (void)state;
    telling_open(&r, GOS_EVENT_BIT(GOS_EVENT_PEER_JOINED),
                 rig_script(256 * KIB, MIB, "peer addr=[2001:db8::7]:51413\n"));
    rig_read(&r, 0, 1);
    telling_drain(&r, &t);
    assert_string_equal(telling_only(&t, GOS_EVENT_PEER_JOINED)->peer, "[2001:db8::7]:51413");
    rig_close(&r);
}

static void metadata_of_a_magnet_is_told_when_it_came(void **state)
{
    struct rig r;
    struct told t;
    uint8_t v1[20];
    char uri[128] = "magnet:?xt=urn:btih:";
    const char *script = rig_script(256 * KIB, MIB, "metadata_ms 500\npeer\n");
    (void)state;
    telling_open(&r, GOS_EVENT_BIT(GOS_EVENT_METADATA), NULL);
    assert_true(fake_lt_register(script));
    fake_lt_hashes(script, v1, NULL);
    for (unsigned i = 0; i < sizeof v1; i++)
        sprintf(uri + strlen(uri), "%02x", v1[i]);
    assert_int_equal(gos_session_add_magnet(r.session, &r.torrent, uri, NULL), 0);
    fake_lt_advance(r.lt, 400 * RIG_MS);
    telling_drain(&r, &t);
    assert_int_equal(t.n, 0);
    fake_lt_advance(r.lt, 200 * RIG_MS);
    telling_drain(&r, &t);
    assert_int_equal(telling_only(&t, GOS_EVENT_METADATA)->torrent, gos_torrent_id(r.torrent));
    rig_close(&r);
}

/* Until an event comes; fake time passes meanwhile. */
static bool there_is_one(void *rig)
{
    gos_session *s = ((struct rig *)rig)->session;
    gos__lock(&s->lock);
    bool any = s->events.count > 0;
    gos__unlock(&s->lock);
    return any;
}

static void next(struct rig *r, enum gos_event_kind kind)
{
    struct gos_event e = {.struct_size = sizeof e};
    assert_true(fake_lt_run_until(r->lt, there_is_one, r, 10 * RIG_MS, 30 * RIG_SECOND));
    assert_int_equal(gos_session_next_event(r->session, &e, 0), 1);
    assert_int_equal(e.kind, kind);
    assert_int_equal(e.torrent, gos_torrent_id(r->torrent));
}

static void sleeping_and_waking_are_told_and_metadata_only_once(void **state)
{
    struct rig r = {0};
    struct told t;
    const char *script = rig_script(256 * KIB, MIB, "peer\n");
    char path[] = "/tmp/gos-events.XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, script, strlen(script)), strlen(script));
    close(fd);
    fake_lt_reset();
    assert_int_equal(
        gos_session_new(&r.session, GOS_OPTS(gos_session_opts, .ram = 16 * MIB,
                                             .sleep_after_ns = 20 * RIG_SECOND,
                                             .events = GOS_EVENT_BIT(GOS_EVENT_METADATA) |
                                                       GOS_EVENT_BIT(GOS_EVENT_AWAKE) |
                                                       GOS_EVENT_BIT(GOS_EVENT_ASLEEP))),
        0);
    r.lt = fake_lt_last_session();
    assert_int_equal(
        gos_session_add_file(r.session, &r.torrent, path, GOS_OPTS(gos_add_opts, .asleep = true)),
        0);
    next(&r, GOS_EVENT_METADATA);
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &r.file), 0);
    for (unsigned i = 0; i < 2; i++) {
        rig_read(&r, 0, 1000);
        next(&r, GOS_EVENT_AWAKE);
        next(&r, GOS_EVENT_ASLEEP);
    }
    telling_drain(&r, &t);
    assert_int_equal(t.n, 0);
    rig_close(&r);
    unlink(path);
}

static void a_torrent_that_was_refused_is_not_told(void **state)
{
    struct rig r;
    struct told t;
    gos_torrent *again = NULL;
    const char *script = rig_script(256 * KIB, MIB, "");
    (void)state;
    telling_open(&r, GOS_EVENT_ALL, script);
    telling_drain(&r, &t);
    assert_int_equal(telling_only(&t, GOS_EVENT_METADATA)->torrent, gos_torrent_id(r.torrent));
    assert_int_equal(gos_session_add_torrent(r.session, &again, script, strlen(script), NULL),
                     GOS_EEXIST);
    telling_drain(&r, &t);
    assert_int_equal(t.n, 0);
    rig_close(&r);
}

static void a_liar_and_his_pieces_are_told(void **state)
{
    struct rig r;
    struct told t;
    struct rig_read rr;
    (void)state;
    telling_open(&r,
                 GOS_EVENT_BIT(GOS_EVENT_BAD_PIECE) | GOS_EVENT_BIT(GOS_EVENT_PEER_BANNED) |
                     GOS_EVENT_BIT(GOS_EVENT_PEER_LEFT),
                 rig_script(256 * KIB, 8 * MIB,
                            "peer n=3 latency_ms=20 rate=4000000\n"
                            "peer addr=192.0.2.66:6666 corrupt=0-31 corrupt_block=3\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 8 * MIB, false, 30 * RIG_SECOND), 0);
    rig_finish(&r, &rr, 60 * RIG_SECOND);
    rig_check(&rr);
    rig_free(&rr);
    telling_drain(&r, &t);
    assert_int_equal(telling_count(&t, GOS_EVENT_BAD_PIECE), rig_stats(&r).failed_pieces);
    assert_true(telling_count(&t, GOS_EVENT_BAD_PIECE) > 0);
    assert_string_equal(telling_only(&t, GOS_EVENT_PEER_BANNED)->peer, "192.0.2.66:6666");
    assert_string_equal(telling_only(&t, GOS_EVENT_PEER_LEFT)->peer, "192.0.2.66:6666");
    rig_close(&r);
}

static void an_error_is_told_with_its_words(void **state)
{
    struct rig r;
    struct gos_event e = {.struct_size = sizeof e};
    (void)state;
    telling_open(&r, GOS_EVENT_BIT(GOS_EVENT_ERROR), rig_script(256 * KIB, MIB, ""));
    fake_lt_emit_error(r.lt, 0, "the sky fell");
    assert_int_equal(gos_session_next_event(r.session, &e, 20 * RIG_SECOND), 1);
    assert_int_equal(e.kind, GOS_EVENT_ERROR);
    assert_int_equal(e.torrent, gos_torrent_id(r.torrent));
    assert_int_equal(e.code, GOS_EIO);
    assert_string_equal(e.text, "the sky fell");
    rig_close(&r);
}

static void words_of_many_errors_make_room_but_their_codes_stay(void **state)
{
    struct rig r;
    struct gos_event e = {.struct_size = sizeof e, .kind = GOS_EVENT_ERROR, .code = GOS_EIO};
    (void)state;
    telling_open(&r, GOS_EVENT_ALL, NULL);
    gos_session *s = r.session;
    gos__lock(&s->lock);
    for (unsigned i = 0; i < GOS__EVENT_TEXTS + 1; i++) {
        e.text[0] = (char)('a' + i);
        gos__event_locked(s, &e);
    }
    gos__unlock(&s->lock);
    for (unsigned i = 0; i < GOS__EVENT_TEXTS + 1; i++) {
        char words[] = {(char)('a' + i), 0};
        assert_int_equal(gos_session_next_event(s, &e, 0), 1);
        assert_int_equal(e.code, GOS_EIO);
        assert_string_equal(e.text, i == 0 ? gos_strerror(GOS_EIO) : words);
    }
    rig_close(&r);
}

static void only_what_was_asked_for_is_told(void **state)
{
    struct rig r;
    struct told t;
    (void)state;
    telling_open(&r, GOS_EVENT_BIT(GOS_EVENT_PIECE), rig_script(256 * KIB, MIB, "peer\n"));
    rig_read(&r, 0, MIB);
    telling_drain(&r, &t);
    assert_int_equal(t.n, 4);
    assert_int_equal(telling_count(&t, GOS_EVENT_PIECE), 4);
    rig_close(&r);

    telling_open(&r, 0, rig_script(256 * KIB, MIB, "peer\n"));
    rig_read(&r, 0, MIB);
    telling_drain(&r, &t);
    assert_int_equal(t.n, 0);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life_of_a_torrent_is_told_in_order),
        cmocka_unit_test(an_address_of_ipv6_is_told_as_people_write_it),
        cmocka_unit_test(metadata_of_a_magnet_is_told_when_it_came),
        cmocka_unit_test(sleeping_and_waking_are_told_and_metadata_only_once),
        cmocka_unit_test(a_torrent_that_was_refused_is_not_told),
        cmocka_unit_test(a_liar_and_his_pieces_are_told),
        cmocka_unit_test(an_error_is_told_with_its_words),
        cmocka_unit_test(words_of_many_errors_make_room_but_their_codes_stay),
        cmocka_unit_test(only_what_was_asked_for_is_told),
    };
    return cmocka_run_group_tests_name("engine.events", tests, NULL, NULL);
}
