/* SPDX-License-Identifier: MIT
 *
 * How a peer delivers, as far as its blocks tell: its rate, its delay, and whether
 * it sends in pulses. */
#include "engine/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

#define MIB (UINT64_C(1) << 20)
#define PULSE_NS (500 * GOS__MS)

/* A peer that always has something to send, and the time. */
struct sender {
    struct gos__pace pace;
    int64_t now;
    int64_t last; /* the last sign of life, or the first request */
};

static void start(struct sender *s)
{
    *s = (struct sender){.now = 1000 * GOS__SECOND};
    gos__pace_init(&s->pace);
    gos__pace_begin(&s->pace, s->now);
    s->last = s->now;
}

static void deliver_queued(struct sender *s, int64_t ns, bool alone, uint32_t queued)
{
    s->now += ns;
    struct gos__pace_answer a = {.len = GOS__PACE_BLOCK,
                                 .queued = queued,
                                 .quiet = s->now - s->last,
                                 .alone = alone ? ns : 0};
    gos__pace_received(&s->pace, &a, s->now);
    s->last = s->now;
}

static void deliver_after(struct sender *s, int64_t ns, bool alone)
{
    deliver_queued(s, ns, alone, alone ? 1 : 8);
}

/* So many blocks, each so long after the one before. */
static void deliver(struct sender *s, unsigned n, int64_t gap)
{
    for (unsigned i = 0; i < n; i++)
        deliver_after(s, gap, false);
}

static void pulse_and_pause(struct sender *s, int64_t pause)
{
    deliver(s, 63, 2 * GOS__MS);
    deliver_after(s, pause, false); /* the first of the next one */
}

/* Half a second of a peer that may send 2 MiB/s: all of it at once, then silence. */
static void pulse(struct sender *s)
{
    pulse_and_pause(s, PULSE_NS - 126 * GOS__MS);
}

static void start_pulsing(struct sender *s)
{
    start(s);
    deliver_after(s, 10 * GOS__MS, true);
}

/* ---- rate, depth, delay ---- */

static void a_steady_peer_has_its_rate_and_a_queue_for_a_fifth_of_a_second(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    assert_int_equal(s.pace.rate, 0);
    assert_int_equal(s.pace.depth, GOS__PACE_MIN_DEPTH);
    deliver_after(&s, 10 * GOS__MS, true);
    deliver(&s, 640, GOS__SECOND / 320); /* 5 MiB/s */
    assert_in_range(s.pace.rate, 5 * MIB * 95 / 100, 5 * MIB * 105 / 100);
    assert_int_equal(s.pace.latency, 10 * GOS__MS);
    /* 0.2 s of it are 64 blocks, two round trips 6; a few more for its pauses. */
    assert_in_range(s.pace.depth, 70, 70 + GOS__PACE_MIN_DEPTH + 8);
    assert_int_equal(gos__pace_pulse_depth(&s.pace, s.now), 0);
}

static void the_queue_of_a_peer_that_was_not_measured_grows_with_each_answer(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver(&s, 10, GOS__MS);
    assert_int_equal(s.pace.rate, 0);
    assert_int_equal(s.pace.depth, GOS__PACE_MIN_DEPTH + 10);
}

static void no_queue_is_deeper_than_the_deepest(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver(&s, 20000, 100000); /* 156 MiB/s */
    assert_int_equal(s.pace.depth, GOS__PACE_MAX_DEPTH);
}

/* What is queued there comes after a jump, whether it is called off or not. */
static void the_queue_of_a_very_distant_peer_is_no_deeper_than_for_a_second(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver_after(&s, 3 * GOS__SECOND, true);
    deliver(&s, 640, GOS__SECOND / 64); /* 1 MiB/s */
    assert_int_equal(s.pace.latency, 3 * GOS__SECOND);
    assert_in_range(s.pace.depth, 64 * 9 / 10, 64 * 11 / 10 + GOS__PACE_MIN_DEPTH);
}

static void the_delay_is_the_shortest_of_late_and_may_grow_again(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver_after(&s, 40 * GOS__MS, true);
    deliver_after(&s, 20 * GOS__MS, true);
    assert_int_equal(s.pace.latency, 20 * GOS__MS);
    deliver_after(&s, 900 * GOS__MS, true); /* something else was in its way */
    assert_in_range(s.pace.latency, 20 * GOS__MS, 25 * GOS__MS);
    for (int i = 0; i < 30; i++)
        deliver_after(&s, 200 * GOS__MS, true);
    assert_int_equal(s.pace.latency, 200 * GOS__MS);
}

static void what_to_expect_is_the_delay_and_the_queue_at_its_rate(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver_after(&s, 10 * GOS__MS, true);
    deliver(&s, 640, GOS__SECOND / 64); /* 1 MiB/s */
    int64_t one = GOS__SECOND / 64, first = gos__pace_expect(&s.pace, 0, s.now);
    assert_in_range(first, 10 * GOS__MS + one * 95 / 100, 10 * GOS__MS + one * 105 / 100);
    int64_t tenth = gos__pace_expect(&s.pace, 9, s.now);
    assert_in_range(tenth - first, 9 * one * 95 / 100, 9 * one * 105 / 100);
    assert_in_range(gos__pace_time_of(&s.pace, 64), GOS__SECOND * 95 / 100,
                    GOS__SECOND * 105 / 100);
}

/* ---- what is no measurement ---- */

static void time_in_which_nothing_was_asked_is_not_measured(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    /* Bursts of 30 ms at 8 MiB/s, with pauses of ours that are much longer. */
    for (int i = 0; i < 40; i++) {
        deliver(&s, 15, 2 * GOS__MS);
        s.now += 700 * GOS__MS;
        s.last = s.now;
        gos__pace_begin(&s.pace, s.now);
    }
    assert_in_range(s.pace.rate, 6 * MIB, 9 * MIB);
    assert_int_equal(gos__pace_pulse_depth(&s.pace, s.now), 0);
}

/* Each jump calls off what was asked, and asks again before anything came. */
static void idle_time_between_many_jumps_is_counted_once(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver(&s, 15, 2 * GOS__MS);
    int64_t before = s.pace.pulse_ns;
    for (int i = 0; i < 10; i++) {
        s.now += 30 * GOS__MS;
        gos__pace_begin(&s.pace, s.now);
    }
    s.last = s.now;
    assert_true(s.pace.window_start <= s.now);
    deliver(&s, 400, 2 * GOS__MS); /* 7.8 MiB/s */
    assert_in_range(s.pace.rate, 7 * MIB, 9 * MIB);
    assert_int_equal(s.pace.pulse_ns - before, 10 * 30 * GOS__MS + 400 * 2 * GOS__MS);
}

static void an_old_low_rate_is_raised_in_hope_and_replaced_by_the_next_measurement(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver(&s, 64, GOS__SECOND / 16); /* 256 KiB/s */
    uint64_t rate = s.pace.rate;
    assert_in_range(rate, MIB / 4 * 9 / 10, MIB / 4 * 11 / 10);
    gos__pace_age(&s.pace, s.pace.rate_at + 3 * GOS__SECOND - 1);
    assert_int_equal(s.pace.rate, rate);
    int64_t at = s.pace.rate_at + 3 * GOS__SECOND;
    gos__pace_age(&s.pace, at);
    assert_int_equal(s.pace.rate, 2 * rate);
    gos__pace_age(&s.pace, at + GOS__SECOND);
    assert_int_equal(s.pace.rate, 2 * rate);
    for (int i = 1; i < 100; i++)
        gos__pace_age(&s.pace, at + i * 3 * GOS__SECOND);
    assert_in_range(s.pace.rate, 4 * MIB * 9 / 10, 8 * MIB); /* and no further */
    s.now = s.last = at + 300 * GOS__SECOND;
    gos__pace_begin(&s.pace, s.now);
    deliver(&s, 8, GOS__SECOND / 16);
    assert_in_range(s.pace.rate, MIB / 4 * 9 / 10, MIB / 4 * 11 / 10);
}

/* ---- pulses ---- */

static void a_peer_that_sends_twice_a_second_is_known_after_two_pulses(void **state)
{
    struct sender s;
    (void)state;
    start_pulsing(&s);
    assert_int_equal(gos__pace_pulse_depth(&s.pace, s.now), 0);
    pulse(&s);
    assert_int_equal(gos__pace_pulse_depth(&s.pace, s.now), 0);
    pulse(&s);
    assert_in_range(gos__pace_pulse_depth(&s.pace, s.now), 1, 8);
    /* What it may send, not how fast it does. */
    assert_in_range(s.pace.rate, 2 * MIB * 95 / 100, 2 * MIB * 105 / 100);
    pulse(&s);
    assert_in_range(s.pace.rate, 2 * MIB * 95 / 100, 2 * MIB * 105 / 100);
}

/* Two blocks twice a second, whatever is asked. */
static void rate_of_a_slow_peer_that_pulses_is_learned_if_it_owed_more(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver(&s, 64, 4 * GOS__MS); /* it was fast once */
    for (int i = 0; i < 20; i++) {
        deliver(&s, 1, 499 * GOS__MS);
        deliver(&s, 1, GOS__MS);
    }
    assert_in_range(s.pace.rate, 60 * 1024, 70 * 1024);
}

static void rate_of_a_fast_peer_is_not_lowered_by_pulses_of_which_little_was_asked(void **state)
{
    struct sender s;
    (void)state;
    start_pulsing(&s);
    for (int i = 0; i < 4; i++)
        pulse(&s);
    uint64_t rate = s.pace.rate;
    for (int i = 0; i < 20; i++) {
        deliver_queued(&s, 499 * GOS__MS, false, 1);
        deliver_queued(&s, GOS__MS, false, 1);
    }
    assert_in_range(s.pace.rate, rate * 95 / 100, rate * 105 / 100);
}

/* It sends without a pause now, but slowly: that is no pulse, and what it may send at
 * most. Nobody shall count on its old rate until its pulses are forgotten. */
static void a_peer_that_pulsed_and_drips_now_is_known_to_be_slow_within_three_seconds(void **state)
{
    struct sender s;
    (void)state;
    start_pulsing(&s);
    for (int i = 0; i < 4; i++)
        pulse(&s);
    deliver(&s, 48, 60 * GOS__MS); /* 267 KiB/s */
    assert_true(gos__pace_pulse_depth(&s.pace, s.now) > 0);
    assert_in_range(s.pace.rate, MIB / 4, MIB / 3);
}

/* Of a distant one what is asked now and then comes as slowly in the middle of a pulse. */
static void rate_of_a_peer_with_pulses_is_not_lowered_within_a_second(void **state)
{
    struct sender s;
    (void)state;
    start_pulsing(&s);
    for (int i = 0; i < 4; i++)
        pulse(&s);
    uint64_t rate = s.pace.rate;
    deliver(&s, 16, 60 * GOS__MS);
    assert_int_equal(s.pace.rate, rate);
}

static void rate_of_a_peer_with_pulses_is_not_lowered_by_a_queue_that_runs_dry(void **state)
{
    struct sender s;
    (void)state;
    start_pulsing(&s);
    for (int i = 0; i < 4; i++)
        pulse(&s);
    uint64_t rate = s.pace.rate;
    for (int i = 0; i < 33; i++)
        deliver_queued(&s, 60 * GOS__MS, false, 1);
    assert_int_equal(s.pace.rate, rate);
}

/* A pulse may last longer than a measurement: what it sends in it is more than its rate. */
static void rate_of_a_peer_with_long_pulses_is_what_it_sends_from_one_to_the_next(void **state)
{
    struct sender s;
    (void)state;
    start_pulsing(&s);
    for (int i = 0; i < 8; i++) {
        deliver(&s, 79, 5 * GOS__MS); /* 3.1 MiB/s for 0.4 s */
        deliver_after(&s, 305 * GOS__MS, false);
    }
    uint64_t mean = 80 * GOS__PACE_BLOCK * UINT64_C(10) / 7;
    assert_in_range(s.pace.rate, mean * 95 / 100, mean * 105 / 100);
}

static void it_is_between_two_pulses_when_it_has_been_silent_for_a_moment(void **state)
{
    struct sender s;
    (void)state;
    start_pulsing(&s);
    for (int i = 0; i < 4; i++)
        pulse(&s);
    deliver(&s, 20, 2 * GOS__MS);
    assert_false(gos__pace_between_pulses(&s.pace, 0));
    /* 40 ms, and its delay of 10 */
    assert_false(gos__pace_between_pulses(&s.pace, 50 * GOS__MS));
    assert_true(gos__pace_between_pulses(&s.pace, 51 * GOS__MS));
    assert_int_equal(gos__pace_pulse_depth(&s.pace, s.now + 51 * GOS__MS), 1);
    int64_t sending = gos__pace_expect(&s.pace, 0, s.now);
    int64_t silent = gos__pace_expect(&s.pace, 0, s.now + 51 * GOS__MS);
    assert_in_range(silent - sending, 100 * GOS__MS, PULSE_NS);
}

static void its_pause_is_the_longest_of_late(void **state)
{
    struct sender s;
    (void)state;
    start_pulsing(&s);
    for (int i = 0; i < 4; i++)
        pulse_and_pause(&s, 400 * GOS__MS);
    pulse_and_pause(&s, 450 * GOS__MS);
    assert_int_equal(s.pace.pause, 450 * GOS__MS);
    pulse_and_pause(&s, 200 * GOS__MS); /* it was asked in the middle of it, perhaps */
    assert_in_range(s.pace.pause, 350 * GOS__MS, 450 * GOS__MS);
    for (int i = 0; i < 20; i++)
        pulse_and_pause(&s, 200 * GOS__MS);
    assert_int_equal(s.pace.pause, 200 * GOS__MS);
}

static void short_measurements_within_a_pulse_say_nothing_about_the_next_one(void **state)
{
    struct sender s;
    (void)state;
    start_pulsing(&s);
    for (int i = 0; i < 4; i++)
        pulse(&s);
    for (int i = 0; i < 3; i++) { /* jumps: each asks anew */
        deliver(&s, 30, 2 * GOS__MS);
        gos__pace_begin(&s.pace, s.now);
    }
    int64_t due = s.now + PULSE_NS - 126 * GOS__MS;
    assert_false(gos__pace_pulse_is_due(&s.pace, due - 60 * GOS__MS));
    assert_true(gos__pace_pulse_is_due(&s.pace, due - 40 * GOS__MS));
    assert_true(gos__pace_pulse_is_due(&s.pace, due + 40 * GOS__MS));
    assert_false(gos__pace_pulse_is_due(&s.pace, due + 60 * GOS__MS));
}

static void pulses_are_forgotten_when_it_sends_steadily_for_five_seconds(void **state)
{
    struct sender s;
    (void)state;
    start_pulsing(&s);
    for (int i = 0; i < 4; i++)
        pulse(&s);
    deliver(&s, 490, 10 * GOS__MS);
    assert_in_range(gos__pace_pulse_depth(&s.pace, s.now), 1, 8);
    deliver(&s, 20, 10 * GOS__MS);
    assert_int_equal(gos__pace_pulse_depth(&s.pace, s.now), 0);
    assert_false(gos__pace_between_pulses(&s.pace, GOS__SECOND));
}

static void a_slow_steady_peer_is_not_taken_for_one_that_pulses(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver_after(&s, 250 * GOS__MS, true);
    for (int i = 0; i < 100; i++) /* 64 KiB/s, and not quite even */
        deliver_after(&s, (i % 3 == 0 ? 150 : 300) * GOS__MS, false);
    assert_int_equal(gos__pace_pulse_depth(&s.pace, s.now), 0);
    assert_false(gos__pace_between_pulses(&s.pace, GOS__SECOND));
    assert_in_range(s.pace.rate, 48 * 1024, 80 * 1024);
}

/* 64 KiB/s again, but what it is asked first it sends at once. */
static void a_slow_peer_that_begins_quickly_is_not_taken_for_one_that_pulses(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver_after(&s, 20 * GOS__MS, true);
    deliver(&s, 100, 250 * GOS__MS);
    assert_int_equal(gos__pace_pulse_depth(&s.pace, s.now), 0);
    assert_in_range(s.pace.rate, 60 * 1024, 68 * 1024);
}

/* Its queue runs dry with each round trip: eight blocks, then 100 ms of nothing. */
static void a_distant_peer_is_not_taken_for_one_that_pulses(void **state)
{
    struct sender s;
    (void)state;
    start(&s);
    deliver_after(&s, 100 * GOS__MS, true);
    for (int i = 0; i < 100; i++) {
        deliver(&s, 7, GOS__MS);
        deliver_after(&s, 100 * GOS__MS, false);
    }
    assert_int_equal(gos__pace_pulse_depth(&s.pace, s.now), 0);
    assert_false(gos__pace_between_pulses(&s.pace, GOS__SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_peer_has_its_rate_and_a_queue_for_a_fifth_of_a_second),
        cmocka_unit_test(the_queue_of_a_peer_that_was_not_measured_grows_with_each_answer),
        cmocka_unit_test(no_queue_is_deeper_than_the_deepest),
        cmocka_unit_test(the_queue_of_a_very_distant_peer_is_no_deeper_than_for_a_second),
        cmocka_unit_test(the_delay_is_the_shortest_of_late_and_may_grow_again),
        cmocka_unit_test(what_to_expect_is_the_delay_and_the_queue_at_its_rate),
        cmocka_unit_test(time_in_which_nothing_was_asked_is_not_measured),
        cmocka_unit_test(idle_time_between_many_jumps_is_counted_once),
        cmocka_unit_test(an_old_low_rate_is_raised_in_hope_and_replaced_by_the_next_measurement),
        cmocka_unit_test(a_peer_that_sends_twice_a_second_is_known_after_two_pulses),
        cmocka_unit_test(rate_of_a_slow_peer_that_pulses_is_learned_if_it_owed_more),
        cmocka_unit_test(rate_of_a_fast_peer_is_not_lowered_by_pulses_of_which_little_was_asked),
        cmocka_unit_test(a_peer_that_pulsed_and_drips_now_is_known_to_be_slow_within_three_seconds),
        cmocka_unit_test(rate_of_a_peer_with_pulses_is_not_lowered_within_a_second),
        cmocka_unit_test(rate_of_a_peer_with_pulses_is_not_lowered_by_a_queue_that_runs_dry),
        cmocka_unit_test(rate_of_a_peer_with_long_pulses_is_what_it_sends_from_one_to_the_next),
        cmocka_unit_test(it_is_between_two_pulses_when_it_has_been_silent_for_a_moment),
        cmocka_unit_test(its_pause_is_the_longest_of_late),
        cmocka_unit_test(short_measurements_within_a_pulse_say_nothing_about_the_next_one),
        cmocka_unit_test(pulses_are_forgotten_when_it_sends_steadily_for_five_seconds),
        cmocka_unit_test(a_slow_steady_peer_is_not_taken_for_one_that_pulses),
        cmocka_unit_test(a_slow_peer_that_begins_quickly_is_not_taken_for_one_that_pulses),
        cmocka_unit_test(a_distant_peer_is_not_taken_for_one_that_pulses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
