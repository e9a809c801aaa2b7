/* SPDX-License-Identifier: MIT
 *
 * Whoever waits is told when a reader that held writers up for too long is
 * disconnected, whoever finds that out. Nobody waits with a time limit here: a wake
 * that is lost hangs the test, and the watchdog ends it. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bell.h"
#include "rig.h"

#define BLOCK_NS 1000000 /* that a slow reader may hold writers up */

/* ---- a reader that held writers up is disconnected ---- */

/* Of two readers that hold up a writer one is out of time. Whoever finds that out
 * has to tell those who watch for bytes: among their readers may be that one. And
 * who waits for room is told if there is some. */
struct late {
    gos_ring_reader *slow, *other;
    struct bell bytes, room;
};

static void late_begin(struct rig *rig, struct late *l)
{
    l->slow = make_blocking(rig->ring, GOS_RING_NOW, 0, BLOCK_NS);
    l->other = make_blocking(rig->ring, GOS_RING_NOW, 0, 0);
    bell_init(&l->bytes);
    bell_init(&l->room);
    fill(rig);
    assert_int_equal(gos_ring_writer_arm(rig->w, KIB, &l->room.watch), 0);
    assert_int_equal(gos_ring_arm(rig->ring, tail_of(rig->ring), &l->bytes.watch), 0);
    let_pass(BLOCK_NS);
    assert_int_equal(status_of(l->slow), 0); /* nobody has looked */
}

static void late_end(struct rig *rig, struct late *l, bool room)
{
    assert_int_equal(status_of(l->slow), GOS_ETIMEDOUT);
    assert_int_equal(l->bytes.rung, 1);
    assert_int_equal(l->room.rung, room);
    /* And not once more. */
    assert_int_equal(gos_ring_arm(rig->ring, tail_of(rig->ring), &l->bytes.watch), 0);
    gos_ring_disarm(rig->ring, &l->bytes.watch);
    gos_ring_disarm(rig->ring, &l->room.watch);
    gos_ring_reader_close(l->slow);
    gos_ring_reader_close(l->other);
}

static void a_borrow_that_finds_a_late_reader_tells_all(void **state)
{
    struct rig *rig = *state;
    struct got got = {0};
    struct late l;

    late_begin(rig, &l);
    drain(l.other, &got);
    late_end(rig, &l, true);
}

static void a_close_that_finds_a_late_reader_tells_all(void **state)
{
    struct rig *rig = *state;
    struct late l;

    late_begin(rig, &l);
    gos_ring_reader_close(l.other);
    l.other = NULL;
    late_end(rig, &l, true);
}

static void a_sweep_that_finds_a_late_reader_tells_all(void **state)
{
    struct rig *rig = *state;
    struct late l;

    late_begin(rig, &l);
    gos_ring_sweep(rig->ring);
    late_end(rig, &l, false);
}

static void an_append_that_finds_a_late_reader_tells_all(void **state)
{
    struct rig *rig = *state;
    struct late l;

    late_begin(rig, &l);
    assert_int_equal(try_pattern(rig->w, KIB), GOS_EAGAIN); /* the other still holds it up */
    late_end(rig, &l, false);
}

static void a_writer_that_finds_a_late_reader_as_it_arms_tells_all(void **state)
{
    struct rig *rig = *state;
    gos_ring_writer *second = make_writer(rig->ring);
    struct bell b;
    struct late l;

    late_begin(rig, &l);
    bell_init(&b);
    assert_int_equal(gos_ring_writer_arm(second, KIB, &b.watch), 0);
    gos_ring_disarm(rig->ring, &b.watch);
    gos_ring_writer_close(second);
    late_end(rig, &l, false);
}

/* The room that it makes by that is not all its own. */
static void an_append_that_ends_the_last_late_reader_tells_other_writers(void **state)
{
    struct rig *rig = *state;
    gos_ring_writer *second = make_writer(rig->ring);
    gos_ring_reader *slow = make_blocking(rig->ring, GOS_RING_NOW, 0, BLOCK_NS);
    struct bell b;

    bell_init(&b);
    fill(rig);
    assert_int_equal(gos_ring_writer_arm(second, KIB, &b.watch), 0);
    let_pass(BLOCK_NS);
    assert_int_equal(try_pattern(rig->w, KIB), KIB);
    assert_int_equal(b.rung, 1);
    gos_ring_disarm(rig->ring, &b.watch);
    gos_ring_writer_close(second);
    gos_ring_reader_close(slow);
}

static void *append_some(void *arg)
{
    struct rig *rig = arg;
    static const char bytes[KIB];

    return (void *)(intptr_t)gos_ring_writer_append(rig->w, bytes, sizeof bytes, 0, NULL);
}

/* They sleep until the first reader's time is up, and then for the second one's. */
static void appends_that_sleep_find_late_readers_by_themselves(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *slow[2] = {make_blocking(rig->ring, GOS_RING_NOW, 0, BLOCK_NS),
                                make_blocking(rig->ring, GOS_RING_NOW, 0, 4 * BLOCK_NS)};
    pthread_t threads[2];
    struct bell b;
    void *n;

    bell_init(&b);
    fill(rig);
    assert_int_equal(gos_ring_arm(rig->ring, tail_of(rig->ring), &b.watch), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_some, rig), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &n), 0);
        assert_int_equal((intptr_t)n, KIB);
    }
    assert_int_equal(b.rung, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(status_of(slow[i]), GOS_ETIMEDOUT);
        gos_ring_reader_close(slow[i]);
    }
    gos_ring_disarm(rig->ring, &b.watch);
}

/* And tell it at once, although another reader makes them sleep on. */
static void an_append_that_finds_a_late_reader_and_sleeps_on_tells_it(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *slow = make_blocking(rig->ring, GOS_RING_NOW, 0, BLOCK_NS);
    gos_ring_reader *other = make_blocking(rig->ring, GOS_RING_NOW, 0, INT64_MAX);
    pthread_t thread;
    struct bell b;
    void *n;

    bell_init(&b);
    fill(rig);
    assert_int_equal(gos_ring_arm(rig->ring, tail_of(rig->ring), &b.watch), 0);
    assert_int_equal(pthread_create(&thread, NULL, append_some, rig), 0);
    while (atomic_load(&b.rung) == 0)
        sched_yield();
    gos_ring_reader_close(other);
    assert_int_equal(pthread_join(thread, &n), 0);
    assert_int_equal((intptr_t)n, KIB);
    gos_ring_disarm(rig->ring, &b.watch);
    gos_ring_reader_close(slow);
}

/* Between the firing of a watch and its next arming its owner looks at one reader
 * after the other; what ends behind its back must not be lost. */
static void a_reader_that_ends_while_the_watch_is_not_armed_is_told_by_arming(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *slow = make_blocking(rig->ring, GOS_RING_NOW, 0, BLOCK_NS);
    struct bell b;

    bell_init(&b);
    assert_int_equal(gos_ring_arm(rig->ring, 0, &b.watch), 0);
    fill(rig);
    assert_int_equal(b.rung, 1);
    let_pass(BLOCK_NS);
    assert_int_equal(try_pattern(rig->w, KIB), KIB);
    assert_int_equal(status_of(slow), GOS_ETIMEDOUT);
    assert_int_equal(gos_ring_arm(rig->ring, tail_of(rig->ring), &b.watch), 1);
    assert_int_equal(gos_ring_arm(rig->ring, tail_of(rig->ring), &b.watch), 0); /* told once */
    gos_ring_disarm(rig->ring, &b.watch);
    struct bell fresh; /* what was before it is not its business */
    bell_init(&fresh);
    assert_int_equal(gos_ring_arm(rig->ring, tail_of(rig->ring), &fresh.watch), 0);
    gos_ring_disarm(rig->ring, &fresh.watch);
    gos_ring_reader_close(slow);
}

static void descriptor_of_a_late_reader_says_so(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *slow = make_blocking(rig->ring, GOS_RING_NOW, 0, BLOCK_NS);
    struct got got = {0};
    int fd = gos_ring_reader_fd(slow);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    assert_true(fd >= 0);
    drain(slow, &got);
    assert_int_equal(poll(&p, 1, 0), 0);
    fill(rig);
    let_pass(BLOCK_NS);
    assert_int_equal(try_pattern(rig->w, KIB), KIB);
    assert_int_equal(poll(&p, 1, -1), 1);
    drain(slow, &got);
    assert_int_equal(got.last, GOS_ETIMEDOUT);
    gos_ring_reader_close(slow);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(a_borrow_that_finds_a_late_reader_tells_all),
        WITH_RIG(a_close_that_finds_a_late_reader_tells_all),
        WITH_RIG(a_sweep_that_finds_a_late_reader_tells_all),
        WITH_RIG(an_append_that_finds_a_late_reader_tells_all),
        WITH_RIG(a_writer_that_finds_a_late_reader_as_it_arms_tells_all),
        WITH_RIG(an_append_that_ends_the_last_late_reader_tells_other_writers),
        WITH_RIG(appends_that_sleep_find_late_readers_by_themselves),
        WITH_RIG(an_append_that_finds_a_late_reader_and_sleeps_on_tells_it),
        WITH_RIG(a_reader_that_ends_while_the_watch_is_not_armed_is_told_by_arming),
        WITH_RIG(descriptor_of_a_late_reader_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
