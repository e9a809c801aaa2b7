/* SPDX-License-Identifier: MIT
 *
 * What time does: records get too old, readers hold writers up for too long, and
 * nobody is there for a while. */
#include <time.h>

#include "base/clock.h"
#include "rig.h"
#include "ring/ring.h"

static uint64_t oldest_of(gos_ring *ring)
{
    struct gos_ring_span span = {.struct_size = sizeof span};

    assert_int_equal(gos_ring_get_span(ring, &span), 0);
    return span.oldest;
}

/* ---- records get too old ---- */

static void append_gives_up_what_is_too_old(void **state)
{
    (void)state;
    gos_ring *ring = NULL;

    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .max_age_ns = 2 * GOS__MS)), 0);
    gos_ring_writer *w = make_writer(ring);
    assert_int_equal(gos_ring_writer_append(w, "old", 3, 0, NULL), 3);
    let_pass(3 * GOS__MS);
    /* Nothing else that would look for it: no pattern, no figures. */
    assert_int_equal(gos_ring_writer_append(w, "new", 3, 0, NULL), 3);
    assert_int_equal(oldest_of(ring), 3);
    take_down(ring, w, NULL);
}

static void sweep_gives_up_what_is_too_old(void **state)
{
    (void)state;
    gos_ring *ring = NULL;

    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .max_age_ns = GOS__MS)), 0);
    gos_ring_writer *w = make_writer(ring);
    assert_int_equal(gos_ring_writer_append(w, "old", 3, 0, NULL), 3);
    let_pass(2 * GOS__MS);
    gos_ring_sweep(ring);
    assert_int_equal(oldest_of(ring), 3);
    take_down(ring, w, NULL);
}

static void longest_times_are_for_ever(void **state)
{
    (void)state;
    gos_ring *ring = NULL;
    gos_ring_reader *r = NULL;

    assert_int_equal(
        gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .max_age_ns = INT64_MAX, .idle_ns = INT64_MAX)),
        0);
    gos_ring_writer *w = make_writer(ring);
    assert_int_equal(
        gos_ring_reader_open(&r, ring,
                             GOS_OPTS(gos_ring_reader_opts, .policy = GOS_RING_BLOCK, .max_lag = 10,
                                      .block_ns = INT64_MAX, .spin_ns = INT64_MAX)),
        0);
    struct gos_io io = {.struct_size = sizeof io, .idle_ns = INT64_MAX};
    append_pattern(w, 10, 1);
    assert_int_equal(gos_ring_reader_wait(r, &io), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(try_pattern(w, 1), GOS_EAGAIN);
        gos_ring_sweep(ring);
    }
    struct gos__room room;
    gos__lock(&ring->lock);
    assert_false(gos__room_check_locked(ring, 1, in_ms(0), &room));
    gos__unlock(&ring->lock);
    assert_true(room.retry_ns > in_ms(1000000000)); /* else writers would not sleep */
    assert_int_equal(stats_of(ring).retained, 10);
    take_down(ring, w, r);
}

static void reader_that_blocks_does_not_begin_with_what_is_too_old(void **state)
{
    (void)state;
    gos_ring *ring = NULL;

    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .max_age_ns = GOS__MS)), 0);
    gos_ring_writer *w = make_writer(ring);
    append_pattern(w, 1000, 3);
    let_pass(2 * GOS__MS);
    gos_ring_reader *r = make_blocking(ring, GOS_RING_OLDEST, 0, 0);
    assert_int_equal(gos_ring_reader_offset(r), 3000);
    take_down(ring, w, r);
}

static void reader_that_lags_does_not_get_what_is_too_old(void **state)
{
    (void)state;
    gos_ring *ring = NULL;
    struct got got = {0};

    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .max_age_ns = GOS__MS)), 0);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    append_pattern(w, 1000, 3);
    let_pass(2 * GOS__MS);
    drain(r, &got);
    assert_int_equal(got.last, GOS_EAGAIN);
    append_pattern(w, 1000, 2);
    let_pass(2 * GOS__MS);
    drain(r, &got);
    assert_int_equal(got.bytes, 0);
    gos_ring_seal(ring);
    drain(r, &got);
    assert_int_equal(got.lost, 5000); /* told as one, there were no bytes between */
    assert_int_equal(got.gaps, 1);
    assert_int_equal(stats_of(ring).gaps, 1);
    take_down(ring, w, r);
}

/* ---- a reader's time ---- */

#define BLOCK_NS (20 * GOS__MS)

static gos_ring_reader *fill_for(gos_ring *ring, gos_ring_writer *w, int64_t block_ns)
{
    gos_ring_reader *r = make_blocking(ring, GOS_RING_NOW, 0, block_ns);

    while (try_pattern(w, 1000) == 1000)
        ;
    return r;
}

static void hear_nothing(struct gos_ring_watch *watch)
{
    (void)watch;
}

/* It makes too little room, but it does read. */
static void time_of_a_reader_begins_anew_when_it_reads(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(MIB, 64 * KIB);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = fill_for(ring, w, BLOCK_NS);
    struct gos_ring_watch watch = {.struct_size = sizeof watch, .wake = hear_nothing};
    char byte;

    assert_int_equal(gos_ring_writer_arm(w, 60000, &watch), 0);
    let_pass(BLOCK_NS);
    assert_int_equal(gos_ring_reader_read(r, &byte, 1, NULL, NULL), 1);
    assert_int_equal(status_of(r), 0);
    gos_ring_disarm(ring, &watch);
    take_down(ring, w, r);
}

static void let_block_since(gos_ring *ring, gos_ring_reader *r, int64_t since_ns, int64_t seen_ns)
{
    gos__lock(&ring->lock);
    r->blocked_since = in_ms(0) - since_ns;
    r->blocked_seen = in_ms(0) - seen_ns;
    gos__unlock(&ring->lock);
}

/* A writer that came, and went without waiting, says nothing of the time between. */
static void time_of_a_reader_runs_only_while_somebody_waits(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(MIB, 64 * KIB);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = fill_for(ring, w, 30 * GOS__SECOND);
    struct gos_ring_watch watch = {.struct_size = sizeof watch, .wake = hear_nothing};

    let_block_since(ring, r, 40 * GOS__SECOND, 2 * GOS__SECOND);
    assert_int_equal(try_pattern(w, 1000), GOS_EAGAIN);
    assert_int_equal(status_of(r), 0);
    assert_int_equal(gos_ring_writer_arm(w, 1000, &watch), 0);
    let_block_since(ring, r, 40 * GOS__SECOND, 2 * GOS__SECOND);
    gos_ring_sweep(ring);
    assert_int_equal(status_of(r), GOS_ETIMEDOUT);
    gos_ring_disarm(ring, &watch);
    take_down(ring, w, r);
}

/* ---- figures ---- */

static void idle_time_runs_from_when_the_last_one_left(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);

    let_pass(3 * GOS__MS);
    assert_int_equal(stats_of(ring).idle_ns, 0);
    int64_t before = in_ms(0);
    gos_ring_writer_close(w);
    assert_int_equal(stats_of(ring).idle_ns, 0); /* somebody reads */
    gos_ring_reader_close(r);
    int64_t idle = stats_of(ring).idle_ns;
    assert_in_range(idle, 0, in_ms(0) - before);
    w = make_writer(ring);
    let_pass(3 * GOS__MS);
    assert_int_equal(stats_of(ring).idle_ns, 0);
    before = in_ms(0);
    gos_ring_writer_close(w);
    idle = stats_of(ring).idle_ns;
    assert_in_range(idle, 0, in_ms(0) - before);
    gos_ring_unref(ring);
}

static void lag_is_the_age_of_the_next_byte(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *r = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    struct gos_ring_reader_stats s = {.struct_size = sizeof s};
    struct got got = {0};
    int64_t before = in_ms(0);

    append_pattern(w, 10, 1);
    let_pass(GOS__MS);
    append_pattern(w, 10, 1);
    assert_int_equal(gos_ring_reader_get_stats(r, &s), 0);
    assert_in_range(s.lag_ns, GOS__MS, in_ms(0) - before);
    assert_int_equal(s.lag_bytes, 20);
    drain(r, &got);
    assert_int_equal(gos_ring_reader_get_stats(r, &s), 0);
    assert_int_equal(s.lag_ns, 0);
    assert_int_equal(s.lag_bytes, 0);
    take_down(ring, w, r);
}

static void records_have_the_time_of_day(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(0, 0);
    gos_ring_writer *w = make_writer(ring);
    struct gos_ring_record record;
    struct timespec now;

    append_pattern(w, 10, 1);
    clock_gettime(CLOCK_REALTIME, &now);
    assert_int_equal(gos_ring_find(ring, 0, &record), 0);
    int64_t wall = (int64_t)now.tv_sec * GOS__SECOND + now.tv_nsec;
    assert_in_range(record.wall_ns, wall - 10 * GOS__SECOND, wall + GOS__SECOND);
    assert_in_range(record.mono_ns, in_ms(-10000), in_ms(0));
    assert_in_range(stats_of(ring).written_wall_ns, wall - 10 * GOS__SECOND, wall + GOS__SECOND);
    take_down(ring, w, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_gives_up_what_is_too_old),
        cmocka_unit_test(sweep_gives_up_what_is_too_old),
        cmocka_unit_test(longest_times_are_for_ever),
        cmocka_unit_test(reader_that_blocks_does_not_begin_with_what_is_too_old),
        cmocka_unit_test(reader_that_lags_does_not_get_what_is_too_old),
        cmocka_unit_test(time_of_a_reader_begins_anew_when_it_reads),
        cmocka_unit_test(time_of_a_reader_runs_only_while_somebody_waits),
        cmocka_unit_test(idle_time_runs_from_when_the_last_one_left),
        cmocka_unit_test(lag_is_the_age_of_the_next_byte),
        cmocka_unit_test(records_have_the_time_of_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
