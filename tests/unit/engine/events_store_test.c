/* SPDX-License-Identifier: MIT
 *
 * The store of events: what is not taken is counted, each event is given once,
 * whoever waits is woken. */
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "telling.h"

#define KIB 1024u
#define MIB (1024u * 1024u)

/* Tell one by hand, as the engine does; `number` is its torrent. */
static void tell(struct rig *r, uint64_t number)
{
    gos_session *s = r->session;
    const struct gos_event e = {.kind = GOS_EVENT_AWAKE, .torrent = number};
    gos__lock(&s->lock);
    gos__event_locked(s, &e);
    gos__unlock(&s->lock);
}

static bool next_is(struct rig *r, uint64_t number)
{
    struct gos_event e = {.struct_size = sizeof e};
    return gos_session_next_event(r->session, &e, 0) == 1 && e.kind == GOS_EVENT_AWAKE &&
           e.torrent == number;
}

static void what_is_not_taken_is_counted_in_its_place(void **state)
{
    struct rig r;
    struct gos_event e = {.struct_size = sizeof e};
    (void)state;
    telling_open(&r, GOS_EVENT_BIT(GOS_EVENT_AWAKE), NULL);
    for (unsigned i = 1; i <= GOS__EVENTS_MAX + 5; i++)
        tell(&r, i);
    assert_true(next_is(&r, 1));
    tell(&r, 5000); /* one place is free, but two are needed: the count comes first */
    assert_true(next_is(&r, 2));
    assert_true(next_is(&r, 3));
    tell(&r, 5001);
    for (unsigned i = 4; i <= GOS__EVENTS_MAX; i++)
        assert_true(next_is(&r, i));
    assert_int_equal(gos_session_next_event(r.session, &e, 0), 1);
    assert_int_equal(e.kind, GOS_EVENT_LOST);
    assert_int_equal(e.lost, 6);
    assert_true(next_is(&r, 5001));
    assert_int_equal(gos_session_next_event(r.session, &e, 0), 0);
    rig_close(&r);
}

static void what_was_lost_is_told_also_when_nothing_follows(void **state)
{
    struct rig r;
    struct told t;
    (void)state;
    /* From the swarm: more pieces than the store holds. */
    telling_open(&r, GOS_EVENT_BIT(GOS_EVENT_PIECE), rig_script(16 * KIB, 20 * MIB, "peer\n"));
    rig_read(&r, 0, 20 * MIB);
    telling_drain(&r, &t);
    assert_int_equal(telling_count(&t, GOS_EVENT_PIECE), GOS__EVENTS_MAX);
    assert_int_equal(t.n, GOS__EVENTS_MAX + 1);
    assert_true(telling_only(&t, GOS_EVENT_LOST)->lost >= 20 * MIB / (16 * KIB) - GOS__EVENTS_MAX);
    assert_int_equal(t.events[t.n - 1].kind, GOS_EVENT_LOST);
    telling_drain(&r, &t);
    assert_int_equal(t.n, 0);
    rig_close(&r);
}

static void a_struct_of_another_size_loses_no_event(void **state)
{
    struct rig r;
    struct gos_event e = {.struct_size = 0};
    (void)state;
    telling_open(&r, GOS_EVENT_ALL, NULL);
    tell(&r, 9);
    assert_int_equal(gos_session_next_event(r.session, &e, 0), GOS_EINVAL);
    assert_int_equal(gos_session_next_event(r.session, NULL, 0), GOS_EINVAL);
    assert_int_equal(gos_session_next_event(NULL, &e, 0), GOS_EINVAL);
    memset(&e, 0x55, sizeof e);
    e.struct_size = offsetof(struct gos_event, reader); /* an older one */
    assert_int_equal(gos_session_next_event(r.session, &e, 0), 1);
    assert_int_equal(e.torrent, 9);
    assert_int_equal(e.reader, 0x5555555555555555);
    rig_close(&r);
}

/* ---- waiting ---- */

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static void the_descriptor_is_readable_while_there_are_events(void **state)
{
    struct rig r;
    (void)state;
    telling_open(&r, GOS_EVENT_ALL, NULL);
    tell(&r, 1); /* before anybody asked for it */
    int fd = gos_session_event_fd(r.session);
    assert_true(fd >= 0);
    assert_true(readable(fd));
    tell(&r, 2);
    assert_true(next_is(&r, 1));
    assert_true(readable(fd));
    assert_true(next_is(&r, 2));
    assert_false(readable(fd));
    assert_int_equal(gos_session_event_fd(r.session), fd);
    for (unsigned i = 1; i <= GOS__EVENTS_MAX + 1; i++)
        tell(&r, i);
    for (unsigned i = 1; i <= GOS__EVENTS_MAX; i++)
        assert_true(next_is(&r, i));
    assert_true(readable(fd)); /* the count of the lost is left */
    struct gos_event e = {.struct_size = sizeof e};
    assert_int_equal(gos_session_next_event(r.session, &e, 0), 1);
    assert_int_equal(e.lost, 1);
    assert_false(readable(fd));
    assert_int_equal(gos_session_event_fd(NULL), GOS_EINVAL);
    rig_close(&r);
}

static void a_wait_ends_in_time(void **state)
{
    struct rig r;
    struct gos_event e = {.struct_size = sizeof e};
    struct timespec t;
    (void)state;
    telling_open(&r, GOS_EVENT_ALL, NULL);
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t before = t.tv_sec * RIG_SECOND + t.tv_nsec;
    assert_int_equal(gos_session_next_event(r.session, &e, 30 * RIG_MS), 0);
    clock_gettime(CLOCK_MONOTONIC, &t);
    assert_true(t.tv_sec * RIG_SECOND + t.tv_nsec - before >= 30 * RIG_MS);
    rig_close(&r);
}

struct taker {
    pthread_t thread;
    gos_session *session;
    atomic_uint *taken; /* how often each number was */
    unsigned n;
    int rc;
};

static void *take_all(void *arg)
{
    struct taker *t = arg;
    struct gos_event e = {.struct_size = sizeof e};
    while ((t->rc = gos_session_next_event(t->session, &e, -1)) == 1) {
        atomic_fetch_add(&t->taken[e.torrent], 1);
        t->n++;
    }
    return NULL;
}

/* Until that many wait inside: each holds a reference. */
static void wait_for_takers(gos_session *s, unsigned n)
{
    for (unsigned tries = 0; tries < 20000; tries++) {
        gos__lock(&s->lock);
        unsigned inside = s->refs - 2;
        gos__unlock(&s->lock);
        if (inside == n)
            return;
        nanosleep(&(struct timespec){.tv_nsec = RIG_MS}, NULL);
    }
    fail_msg("they do not wait");
}

static void closing_wakes_who_waits(void **state)
{
    struct rig r;
    atomic_uint taken[8] = {0};
    struct taker t[3];
    (void)state;
    telling_open(&r, GOS_EVENT_ALL, NULL);
    for (unsigned i = 0; i < 3; i++) {
        t[i] = (struct taker){.session = r.session, .taken = taken, .rc = 1};
        assert_int_equal(pthread_create(&t[i].thread, NULL, take_all, &t[i]), 0);
    }
    wait_for_takers(r.session, 3);
    tell(&r, 3);
    assert_int_equal(gos_session_close(r.session, 20 * RIG_SECOND), 0);
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(t[i].thread, NULL);
        assert_int_equal(t[i].rc, GOS_ECANCELED);
    }
    assert_int_equal(taken[3], 1);
}

static void many_threads_take_each_event_once(void **state)
{
    enum { TAKERS = 4, EVENTS = 20000 };
    struct rig r;
    struct taker t[TAKERS];
    atomic_uint *taken = calloc(EVENTS, sizeof *taken);
    (void)state;
    assert_non_null(taken);
    telling_open(&r, GOS_EVENT_ALL, NULL);
    gos_session *s = r.session;
    for (unsigned i = 0; i < TAKERS; i++) {
        t[i] = (struct taker){.session = s, .taken = taken, .rc = 1};
        assert_int_equal(pthread_create(&t[i].thread, NULL, take_all, &t[i]), 0);
    }
    for (unsigned i = 0; i < EVENTS;) {
        gos__lock(&s->lock);
        bool room = s->events.count < GOS__EVENTS_MAX;
        gos__unlock(&s->lock);
        if (room)
            tell(&r, i++);
        else
            sched_yield();
    }
    for (unsigned i = 0; i < EVENTS; i++) {
        while (atomic_load(&taken[i]) == 0)
            sched_yield();
    }
    wait_for_takers(s, TAKERS);
    assert_int_equal(gos_session_close(s, 20 * RIG_SECOND), 0);
    unsigned all = 0;
    for (unsigned i = 0; i < TAKERS; i++) {
        pthread_join(t[i].thread, NULL);
        all += t[i].n;
    }
    assert_int_equal(all, EVENTS);
    free(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_taken_is_counted_in_its_place),
        cmocka_unit_test(what_was_lost_is_told_also_when_nothing_follows),
        cmocka_unit_test(a_struct_of_another_size_loses_no_event),
        cmocka_unit_test(the_descriptor_is_readable_while_there_are_events),
        cmocka_unit_test(a_wait_ends_in_time),
        cmocka_unit_test(closing_wakes_who_waits),
        cmocka_unit_test(many_threads_take_each_event_once),
    };
    return cmocka_run_group_tests_name("engine.events_store", tests, NULL, NULL);
}
