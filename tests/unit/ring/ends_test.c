/* SPDX-License-Identifier: MIT
 *
 * Whoever waits is told when a reader or the stream ends, by its own doing. Nobody
 * waits with a time limit here: a wake that is lost hangs the test, and the watchdog
 * ends it. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "bell.h"
#include "rig.h"

static void *append_some(void *arg)
{
    struct rig *rig = arg;
    static const char bytes[KIB];

    return (void *)(intptr_t)gos_ring_writer_append(rig->w, bytes, sizeof bytes, 0, NULL);
}

/* ---- a reader that held writers up ends ---- */

static gos_ring_reader *hold_up_two_appends(struct rig *rig, pthread_t threads[2])
{
    gos_ring_reader *slow = make_blocking(rig->ring, GOS_RING_NOW, 0, INT64_MAX);

    fill(rig);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_some, rig), 0);
    wait_for_sleeping_append(rig->ring, 2);
    return slow;
}

static void expect_appends(pthread_t threads[2], int64_t result)
{
    for (unsigned i = 0; i < 2; i++) {
        void *n;
        assert_int_equal(pthread_join(threads[i], &n), 0);
        assert_int_equal((intptr_t)n, result);
    }
}

static void closing_a_reader_lets_sleeping_appends_go_on(void **state)
{
    struct rig *rig = *state;
    pthread_t threads[2];
    gos_ring_reader *slow = hold_up_two_appends(rig, threads);

    gos_ring_reader_close(slow);
    expect_appends(threads, KIB);
}

static void who_holds_too_much_lets_sleeping_appends_go_on(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = make_blocking(rig->ring, GOS_RING_NOW, 0, INT64_MAX);
    static struct gos_slice slices[256];
    static struct gos_ring_view views[200];
    pthread_t threads[2];
    unsigned n = 0;

    for (uint64_t held = 0; held < 4 * MIB; n++) {
        assert_true(n < 200);
        views[n] = (struct gos_ring_view){
            .struct_size = sizeof *views, .slices = slices, .max_slices = 256};
        append_pattern(rig->w, 32 * KIB, 1);
        int64_t got = gos_ring_reader_borrow(r, &views[n]);
        assert_true(got > 0);
        held += (uint64_t)got;
    }
    fill(rig);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_some, rig), 0);
    wait_for_sleeping_append(rig->ring, 2);
    struct gos_ring_view more = {.struct_size = sizeof more, .slices = slices, .max_slices = 256};
    assert_int_equal(gos_ring_reader_borrow(r, &more), GOS_EBUSY);
    expect_appends(threads, KIB);
    while (n > 0)
        gos_ring_reader_release(r, &views[--n]);
    gos_ring_reader_close(r);
}

/* ---- the stream ends ---- */

static void seal_ends_sleeping_appends(void **state)
{
    struct rig *rig = *state;
    pthread_t threads[2];
    gos_ring_reader *slow = hold_up_two_appends(rig, threads);

    gos_ring_seal(rig->ring);
    expect_appends(threads, -EPIPE);
    gos_ring_reader_close(slow);
}

static void delete_ends_sleeping_appends(void **state)
{
    struct rig *rig = *state;
    pthread_t threads[2];
    gos_ring_reader *slow = hold_up_two_appends(rig, threads);

    gos_ring_delete(rig->ring);
    expect_appends(threads, -EPIPE);
    gos_ring_reader_close(slow);
}

static void *read_to_the_end(void *arg)
{
    char buf[10];

    return (void *)(intptr_t)gos_ring_reader_read(arg, buf, sizeof buf, NULL, NULL);
}

static void *poll_for_the_end(void *arg)
{
    gos_ring_reader *r = arg;
    struct pollfd p = {.fd = gos_ring_reader_fd(r), .events = POLLIN};
    struct got got = {0};

    do {
        if (poll(&p, 1, -1) < 0)
            return (void *)1;
        drain(r, &got);
    } while (got.last == GOS_EAGAIN);
    return (void *)(intptr_t)got.last;
}

static void each_end(struct rig *rig, void (*end)(gos_ring *))
{
    static void *(*const ways[])(void *) = {read_to_the_end, poll_for_the_end};
    gos_ring_reader *r[6];
    pthread_t threads[6];
    struct bell b[40];
    void *n;

    for (unsigned i = 0; i < 40; i++) {
        bell_init(&b[i]);
        assert_int_equal(gos_ring_arm(rig->ring, 0, &b[i].watch), 0);
    }
    for (unsigned i = 0; i < 6; i++) {
        r[i] = make_reader(rig->ring, GOS_RING_OLDEST, (enum gos_ring_policy)(i % 5));
        assert_int_equal(pthread_create(&threads[i], NULL, ways[i % 2], r[i]), 0);
    }
    wait_for_sleeping_read(rig->ring, 3);
    end(rig->ring);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(pthread_join(threads[i], &n), 0);
        assert_int_equal((intptr_t)n, 0);
        gos_ring_reader_close(r[i]);
    }
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(b[i].rung, 1);
}

static void seal_ends_whoever_reads(void **state)
{
    each_end(*state, gos_ring_seal);
}

static void delete_ends_whoever_reads(void **state)
{
    each_end(*state, gos_ring_delete);
}

/* ---- memory is taken away ---- */

/* A set evicts up to the tail while readers sleep there: they have lost nothing,
 * sleep on, and are woken by the next record. */
static void eviction_by_the_set_leaves_a_sleeping_reader_where_it_is(void **state)
{
    (void)state;
    gos_ring_set *set = NULL;
    gos_ring *ring = NULL, *greedy = NULL;
    pthread_t thread;
    void *n;

    assert_int_equal(gos_ring_set_new(&set, GOS_OPTS(gos_ring_set_opts, .max_bytes = MIB)), 0);
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .set = set)), 0);
    assert_int_equal(gos_ring_new(&greedy, GOS_OPTS(gos_ring_opts, .set = set)), 0);
    gos_ring_writer *w = make_writer(ring), *wg = make_writer(greedy);
    append_pattern(w, 65536, 10);
    gos_ring_reader *r = make_reader(ring, GOS_RING_NOW, GOS_RING_DISCONNECT);
    assert_int_equal(pthread_create(&thread, NULL, read_to_the_end, r), 0);
    wait_for_sleeping_read(ring, 1);
    append_pattern(wg, 65536, 20);
    assert_in_range(stats_of(ring).retained, 0, 9 * 65536); /* some of it is gone */
    append_pattern(w, 10, 1);
    assert_int_equal(pthread_join(thread, &n), 0);
    assert_int_equal((intptr_t)n, 10);
    take_down(ring, w, r);
    take_down(greedy, wg, NULL);
    gos_ring_set_unref(set);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(closing_a_reader_lets_sleeping_appends_go_on),
        WITH_RIG(who_holds_too_much_lets_sleeping_appends_go_on),
        WITH_RIG(seal_ends_sleeping_appends),
        WITH_RIG(delete_ends_sleeping_appends),
        WITH_RIG(seal_ends_whoever_reads),
        WITH_RIG(delete_ends_whoever_reads),
        WITH_RIG(eviction_by_the_set_leaves_a_sleeping_reader_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
