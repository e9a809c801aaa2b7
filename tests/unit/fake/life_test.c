/* SPDX-License-Identifier: MIT
 *
 * The life of sessions and torrents: magnets, events, errors, removal, and an
 * end at any moment. */
#include "rig.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#define HEAD "fake-torrent 1\npiece 65536\nfile film 1000000\n"

static int next_event(struct rig *r, struct ltc_event *e)
{
    return ltc_wait_events(r->session, e, 1, 0);
}

static void skip_listening(struct rig *r)
{
    struct ltc_event e;
    fake_lt_settle(r->session);
    assert_int_equal(next_event(r, &e), 1);
    assert_int_equal(e.kind, LTC_EVENT_LISTENING);
    assert_int_equal(ltc_listen_port(r->session), 6881);
}

static void a_magnet_becomes_ready_when_metadata_comes(void **state)
{
    struct rig *r = *state;
    const char *script = HEAD "metadata_ms 500\npeer latency_ms=100\n";
    assert_true(fake_lt_register(script));
    rig_session(r);
    assert_int_equal(rig_add_magnet(r, script), 0);
    fake_lt_advance(r->session, 599 * RIG_MS);
    assert_int_equal(atomic_load(&r->readies), 0);
    fake_lt_advance(r->session, RIG_MS);
    assert_int_equal(atomic_load(&r->readies), 1);
    rig_download(r, RIG_SECOND);
    rig_close(r);
}

static void wrong_metadata_is_an_event(void **state)
{
    struct rig *r = *state;
    struct ltc_event e;
    const char *script = HEAD "metadata late\nmetadata_ms 100\npeer\n";
    assert_true(fake_lt_register(script));
    rig_session(r);
    skip_listening(r);
    assert_int_equal(rig_add_magnet(r, script), 0);
    fake_lt_advance(r->session, 150 * RIG_MS);
    assert_int_equal(next_event(r, &e), 1);
    assert_int_equal(e.kind, LTC_EVENT_METADATA_FAILED);
    assert_ptr_equal(e.torrent, r);
    assert_int_equal(atomic_load(&r->readies), 0);
    rig_download(r, RIG_SECOND);
    rig_close(r);
}

static void a_magnet_nobody_knows_waits(void **state)
{
    struct rig *r = *state;
    rig_session(r);
    assert_int_equal(rig_add_magnet(r, HEAD), 0);
    fake_lt_advance(r->session, 3600 * RIG_SECOND);
    assert_int_equal(atomic_load(&r->readies), 0);
    rig_close(r);
    assert_int_equal(atomic_load(&r->stops), 0); /* nothing was withheld */
}

static void layers_of_a_v2_magnet_come_later(void **state)
{
    struct rig *r = *state;
    uint8_t v2[32];
    struct ltc_error err;
    const char *script = HEAD "hybrid\nlayers_ms 1000\npeer\n";
    assert_true(fake_lt_register(script));
    fake_lt_hashes(script, NULL, v2);
    rig_session(r);
    struct ltc_add add = {.v2_hash = v2};
    assert_int_equal(ltc_torrent_add(r->session, &r->torrent, &add, r, &err), 0);
    fake_lt_advance(r->session, 500 * RIG_MS);
    assert_non_null(r->info);
    assert_null(ltc_info_layer(r->info, 0));
    assert_int_equal(ltc_torrent_fetch_layers(r->torrent, r->info), 0);
    fake_lt_advance(r->session, 500 * RIG_MS);
    assert_int_equal(ltc_torrent_fetch_layers(r->torrent, r->info), 1);
    assert_non_null(ltc_info_layer(r->info, 0));
    rig_close(r);
}

static void metadata_can_be_refused(void **state)
{
    struct rig *r = *state;
    r->refuse_ready = true;
    rig_open(r, HEAD "peer at_ms=10\n");
    fake_lt_advance(r->session, RIG_SECOND);
    assert_int_equal(atomic_load(&r->stops), 1);
    assert_int_equal(atomic_load(&r->n_peers), 0);
    rig_close(r);
}

static void an_error_stops_the_torrent(void **state)
{
    struct rig *r = *state;
    struct ltc_event e;
    rig_open(r, HEAD "peer rate=1000000\n");
    skip_listening(r);
    fake_lt_advance(r->session, 300 * RIG_MS);
    fake_lt_emit_error(r->session, 0, "the disk is on fire");
    fake_lt_settle(r->session);
    assert_int_equal(next_event(r, &e), 1);
    assert_int_equal(e.kind, LTC_EVENT_TORRENT_ERROR);
    assert_string_equal(e.text, "the disk is on fire");
    assert_int_equal(atomic_load(&r->stops), 1);
    assert_int_equal(rig_stats(r).connections, 0);
    assert_int_equal(rig_stats(r).withheld, 0);
    rig_close(r);
    assert_int_equal(atomic_load(&r->stops), 2);
}

static void the_same_torrent_twice_is_refused(void **state)
{
    struct rig *r = *state;
    struct ltc_error err;
    struct ltc_info *info;
    ltc_torrent *second = NULL;
    rig_open(r, HEAD);
    assert_int_equal(ltc_info_parse(&info, HEAD, strlen(HEAD), &err), 0);
    struct ltc_add add = {.info = info};
    assert_int_equal(ltc_torrent_add(r->session, &second, &add, NULL, &err), -EEXIST);
    assert_null(second);
    ltc_torrent_remove(r->torrent);
    fake_lt_settle(r->session);
    assert_int_equal(atomic_load(&r->removes), 1);
    assert_int_equal(atomic_load(&r->stops), 1);
    ltc_info_unref(info);
    rig_close(r);
}

static void a_removed_torrent_stops_then_peers_leave(void **state)
{
    struct rig *r = *state;
    struct fake_lt_log_entry log[512];
    rig_open(r, HEAD "peer\n");
    rig_download(r, RIG_SECOND);
    ltc_torrent_remove(r->torrent);
    fake_lt_settle(r->session);
    size_t n = fake_lt_log(r->session, log, 512), k = 0;
    while (k < n && log[k].what != FAKE_LT_STOP)
        k++;
    assert_true(k + 64 < n + 1);
    assert_int_equal(log[k + 1].what, FAKE_LT_PEER_LEFT);
    for (size_t j = k + 2; j < k + 64; j++)
        assert_int_equal(log[j].what, FAKE_LT_WRITE_ABORTED);
    assert_int_equal(log[k + 64].what, FAKE_LT_REMOVED);
    assert_int_equal(k + 65, n);
    rig_close(r);
}

static void peers_can_leave_before_stop(void **state)
{
    struct rig *r = *state;
    struct fake_lt_log_entry log[512];
    rig_open(r, HEAD "peers_leave_first\npeer\n");
    rig_download(r, RIG_SECOND);
    ltc_torrent_remove(r->torrent);
    fake_lt_settle(r->session);
    size_t n = fake_lt_log(r->session, log, 512), k = 0;
    while (k < n && log[k].what != FAKE_LT_STOP)
        k++;
    assert_true(k > 0 && k < n);
    assert_int_equal(log[k - 1].what, FAKE_LT_PEER_LEFT);
    rig_close(r);
}

/* A magnet or a .torrent, two peers that choke, corrupt and leave: cut off after
 * each of many lengths of time, by removal or by the session's end. */
static void the_end_may_come_at_any_moment(void **state)
{
    const char *script = HEAD "peer latency_ms=6 rate=4000000 choke_every_ms=30 choke_for_ms=10\n"
                              "peer latency_ms=9 rate=3000000 corrupt_ppm=20000 reconnect_ms=5 "
                              "disconnect_after=7\n";
    for (int64_t after = 0; after < 300; after += 3) {
        struct rig *r = *state;
        if (after % 2) {
            rig_open(r, script);
        } else {
            assert_true(fake_lt_register(script));
            rig_session(r);
            assert_int_equal(rig_add_magnet(r, script), 0);
        }
        for (int64_t k = 0; k < after; k++) {
            fake_lt_advance(r->session, RIG_MS);
            rig_evict(r, (uint32_t)k % 16);
        }
        if (after % 4 < 2)
            ltc_torrent_remove(r->torrent);
        else
            ltc_session_abort(r->session);
        rig_close(r);
        rig_teardown(state);
        rig_setup(state);
    }
}

static void *wait_for_ever(void *rig)
{
    struct rig *r = rig;
    struct ltc_event events[4];
    int n;
    do {
        n = ltc_wait_events(r->session, events, 4, -1);
        atomic_fetch_add(&r->readies, (unsigned)n);
    } while (n > 0);
    return NULL;
}

static void events_wake_the_pump_and_an_interrupt_ends_it(void **state)
{
    struct rig *r = *state;
    pthread_t pump;
    rig_session(r);
    assert_int_equal(pthread_create(&pump, NULL, wait_for_ever, r), 0);
    fake_lt_emit(r->session, LTC_EVENT_TRACKER_ERROR, -1, "no such host");
    while (atomic_load(&r->readies) < 2) /* it and LISTENING; ctest's own time-out ends a hang */
        fake_lt_settle(r->session);
    ltc_interrupt(r->session);
    pthread_join(pump, NULL);
    rig_close_after_misuse(r);
    assert_null(fake_lt_violation());
}

static void *wait_a_second(void *rig)
{
    struct rig *r = rig;
    struct ltc_event e;
    while (ltc_wait_events(r->session, &e, 1, 1000) > 0)
        ;
    atomic_store(&r->readies, 1);
    return NULL;
}

static bool waited(void *rig)
{
    struct rig *r = rig;
    return atomic_load(&r->readies) == 1;
}

static void a_wait_for_events_follows_the_fake_clock(void **state)
{
    struct rig *r = *state;
    pthread_t pump;
    rig_session(r);
    assert_int_equal(pthread_create(&pump, NULL, wait_a_second, r), 0);
    assert_true(fake_lt_run_until(r->session, waited, r, 100 * RIG_MS, 3600 * RIG_SECOND));
    pthread_join(pump, NULL);
    assert_true(ltc_now_ns(r->session) >= FAKE_LT_START_NS + RIG_SECOND);
    rig_close_after_misuse(r);
}

static void wakes_are_gathered(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD);
    fake_lt_settle(r->session);
    unsigned before = atomic_load(&r->works);
    for (int k = 0; k < 1000; k++)
        ltc_wake(r->session);
    fake_lt_settle(r->session);
    unsigned works = atomic_load(&r->works) - before;
    assert_in_range(works, 1, 1000);
    rig_close(r);
}

static void *free_session(void *rig)
{
    struct rig *r = rig;
    ltc_session_free(r->session);
    atomic_store(&r->readies, 7);
    return NULL;
}

static bool all_removed(struct rig *r)
{
    return atomic_load(&r->removes) == 1;
}

static void the_end_can_be_held_up(void **state)
{
    struct rig *r = *state;
    pthread_t other;
    rig_open(r, HEAD);
    fake_lt_settle(r->session);
    fake_lt_hold_end(true);
    assert_int_equal(pthread_create(&other, NULL, free_session, r), 0);
    while (!all_removed(r))
        sched_yield();
    assert_int_not_equal(atomic_load(&r->readies), 7);
    fake_lt_hold_end(false);
    pthread_join(other, NULL);
    r->session = NULL;
    assert_null(fake_lt_last_session());
}

static void calls_fail_when_told(void **state)
{
    struct rig *r = *state;
    struct ltc_settings settings = {.slots = 1};
    struct ltc_hooks none = {0};
    struct ltc_error err = {""};
    ltc_session *s = NULL;
    fake_lt_fail_next(FAKE_LT_NEW, 0, -ENOMEM);
    assert_int_equal(ltc_session_new(&s, &settings, &none, NULL, &err), -ENOMEM);
    assert_null(s);
    assert_string_not_equal(err.text, "");
    fake_lt_fail_next(FAKE_LT_ADD, 0, -ENOMEM);
    rig_session(r);
    assert_int_equal(rig_add_magnet(r, HEAD), -ENOMEM);
    assert_null(r->torrent);
    rig_close_after_misuse(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_magnet_becomes_ready_when_metadata_comes),
        T(wrong_metadata_is_an_event),
        T(a_magnet_nobody_knows_waits),
        T(layers_of_a_v2_magnet_come_later),
        T(metadata_can_be_refused),
        T(an_error_stops_the_torrent),
        T(the_same_torrent_twice_is_refused),
        T(a_removed_torrent_stops_then_peers_leave),
        T(peers_can_leave_before_stop),
        T(the_end_may_come_at_any_moment),
        T(events_wake_the_pump_and_an_interrupt_ends_it),
        T(a_wait_for_events_follows_the_fake_clock),
        T(wakes_are_gathered),
        T(the_end_can_be_held_up),
        T(calls_fail_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
