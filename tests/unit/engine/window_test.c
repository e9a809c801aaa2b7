/* SPDX-License-Identifier: MIT
 *
 * Cursors: what counts as reading on, what as a jump, how far ahead each lets us
 * fetch, when it rests and when it is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/window.h"

#define MIB (UINT64_C(1) << 20)
#define KIB (UINT64_C(1) << 10)
#define FILM (8192 * MIB)
#define STEP MIB /* a piece */

static struct gos__window window_of(const struct gos_torrent_reader_opts *o)
{
    struct gos__window w;
    gos__window_init(&w, FILM, o);
    return w;
}

static uint64_t ahead(const struct gos__window *w)
{
    const struct gos__cursor *c = gos__window_current(w);
    return c->edge - c->next;
}

static unsigned count(const struct gos__window *w, bool resting)
{
    unsigned n = 0;
    for (unsigned i = 0; i < GOS__WINDOW_CURSORS; i++)
        n += w->cursor[i].used && w->cursor[i].resting == resting;
    return n;
}

/* Read [from, to) in steps of 128 KiB, as fast as `rate`. */
static void read_on(struct gos__window *w, uint64_t from, uint64_t to, uint64_t rate, int64_t *now)
{
    for (uint64_t off = from; off < to; off += 128 * KIB) {
        *now += (int64_t)(128 * KIB * (uint64_t)GOS__SECOND / rate);
        gos__window_read(w, off, 128 * KIB, STEP, *now);
    }
}

/* ---- growing ---- */

static void a_jump_starts_small_and_reading_on_grows_it(void **state)
{
    struct gos__window w = window_of(NULL);
    int64_t now = GOS__SECOND;
    (void)state;
    assert_int_equal(gos__window_read(&w, 0, 64 * KIB, STEP, now), GOS__WINDOW_JUMPED);
    assert_in_range(ahead(&w), 1, MIB - 1);
    read_on(&w, 0, 20 * MIB, 400 * MIB, &now);
    assert_in_range(ahead(&w), 36 * MIB, 41 * MIB);
    read_on(&w, 20 * MIB, 100 * MIB, 400 * MIB, &now);
    assert_in_range(ahead(&w), 56 * MIB, 64 * MIB);
    assert_int_equal(gos__window_read(&w, 4000 * MIB, 64 * KIB, STEP, now), GOS__WINDOW_JUMPED);
    assert_in_range(ahead(&w), 1, MIB - 1);
}

static void a_slow_reader_gets_seconds_not_megabytes(void **state)
{
    struct gos__window w = window_of(NULL);
    int64_t now = GOS__SECOND;
    (void)state;
    read_on(&w, 0, 60 * MIB, MIB, &now); /* a film of 8 Mbit/s */
    assert_in_range(ahead(&w), 24 * MIB, 31 * MIB);

    struct gos__window crawl = window_of(NULL);
    now = GOS__SECOND;
    read_on(&crawl, 0, 4 * MIB, 16 * KIB, &now);
    assert_in_range(ahead(&crawl), 3 * MIB, 4 * MIB); /* never less than this */
}

static void a_pause_says_nothing_about_the_rate(void **state)
{
    struct gos__window w = window_of(NULL);
    int64_t now = GOS__SECOND;
    (void)state;
    read_on(&w, 0, 60 * MIB, 2 * MIB, &now);
    uint64_t rate = gos__window_current(&w)->rate;
    now += 3600 * GOS__SECOND;
    read_on(&w, 60 * MIB, 61 * MIB, 2 * MIB, &now);
    assert_int_equal(gos__window_current(&w)->rate, rate);
}

static void a_full_window_is_filled_by_steps(void **state)
{
    struct gos__window w = window_of(NULL);
    int64_t now = GOS__SECOND;
    unsigned moves = 0;
    (void)state;
    read_on(&w, 0, 200 * MIB, 400 * MIB, &now);
    for (uint64_t off = 200 * MIB; off < 264 * MIB; off += 128 * KIB)
        moves += gos__window_read(&w, off, 128 * KIB, STEP, now) == GOS__WINDOW_MOVED;
    assert_in_range(moves, 7, 9); /* 512 reads, steps of an eighth of 64 MiB */
}

static void options_bound_the_window(void **state)
{
    const struct gos_torrent_reader_opts o = {.ahead = 3 * MIB};
    const struct gos_torrent_reader_opts film = {
        .kind = GOS_READER_PLAY, .rate = MIB, .ahead_ns = 10 * GOS__SECOND};
    struct gos__window w = window_of(&o);
    int64_t now = GOS__SECOND;
    (void)state;
    read_on(&w, 0, 100 * MIB, 400 * MIB, &now);
    assert_in_range(ahead(&w), 1, 3 * MIB);
    struct gos__window f = window_of(&film);
    read_on(&f, 0, 100 * MIB, 400 * MIB, &now);
    assert_in_range(ahead(&f), 8 * MIB, 10 * MIB); /* ten seconds of the rate that was given */
}

static void kinds_differ(void **state)
{
    struct gos__window play = window_of(&(struct gos_torrent_reader_opts){.kind = GOS_READER_PLAY});
    struct gos__window probe = window_of(
        &(struct gos_torrent_reader_opts){.kind = GOS_READER_PROBE});
    int64_t now = GOS__SECOND;
    (void)state;
    gos__window_read(&play, 0, 64 * KIB, STEP, now);
    assert_true(ahead(&play) >= 4 * MIB);
    read_on(&probe, 0, 20 * MIB, 400 * MIB, &now);
    assert_int_equal(ahead(&probe), 0);
    probe.kind = GOS_READER_PLAY;
    gos__window_kind_changed(&probe);
    assert_true(ahead(&probe) > 20 * MIB);
    play.kind = GOS_READER_PROBE;
    gos__window_kind_changed(&play);
    assert_int_equal(ahead(&play), 0);
}

static void the_end_of_the_file_is_the_end_of_the_window(void **state)
{
    struct gos__window w = window_of(NULL);
    int64_t now = GOS__SECOND;
    (void)state;
    read_on(&w, FILM - 40 * MIB, FILM - 128 * KIB, 400 * MIB, &now);
    assert_int_equal(gos__window_current(&w)->edge, FILM);
    gos__window_read(&w, FILM - 64 * KIB, 64 * KIB, STEP, now);
    assert_int_equal(gos__window_current(&w)->edge, FILM);
}

/* ---- jumps ---- */

static void who_reads_here_and_there_gets_nothing_ahead(void **state)
{
    struct gos__window w = window_of(NULL);
    int64_t now = GOS__SECOND;
    (void)state;
    for (uint64_t i = 1; i < 20; i++) {
        gos__window_read(&w, i * 97 * MIB, 4 * KIB, STEP, now += GOS__MS);
        gos__window_read(&w, i * 97 * MIB + 4 * KIB, 60 * KIB, STEP, now);
        if (i > 3)
            assert_int_equal(ahead(&w), 0);
    }
    /* Until it reads on. */
    read_on(&w, 19 * 97 * MIB + 64 * KIB, 19 * 97 * MIB + 320 * KIB, 400 * MIB, &now);
    assert_true(ahead(&w) >= GOS__WINDOW_FIRST);
    gos__window_read(&w, 4000 * MIB, 64 * KIB, STEP, now);
    assert_true(ahead(&w) >= GOS__WINDOW_FIRST);
    assert_int_equal(w.jumps, 19); /* the first read is none */
}

static void reads_out_of_order_belong_together(void **state)
{
    struct gos__window w = window_of(NULL);
    int64_t now = GOS__SECOND;
    (void)state;
    gos__window_read(&w, 10 * MIB, 128 * KIB, STEP, now);
    assert_true(gos__window_read(&w, 11 * MIB, 128 * KIB, STEP, now) != GOS__WINDOW_JUMPED);
    assert_int_equal(gos__window_read(&w, 10 * MIB + 128 * KIB, 128 * KIB, STEP, now),
                     GOS__WINDOW_SAME);
    assert_int_equal(gos__window_current(&w)->next, 11 * MIB + 128 * KIB);
    assert_int_equal(count(&w, false), 1);
}

static void skipping_within_the_window_is_reading_on(void **state)
{
    struct gos__window w = window_of(NULL);
    int64_t now = GOS__SECOND;
    (void)state;
    read_on(&w, 0, 100 * MIB, 400 * MIB, &now);
    assert_true(gos__window_read(&w, 130 * MIB, 128 * KIB, STEP, now) != GOS__WINDOW_JUMPED);
    assert_int_equal(count(&w, false), 1);
    assert_int_equal(gos__window_current(&w)->at, 130 * MIB);
}

static void a_jump_puts_the_others_to_rest_and_a_return_wakes_them(void **state)
{
    struct gos__window w = window_of(NULL);
    int64_t now = GOS__SECOND;
    (void)state;
    read_on(&w, 0, 20 * MIB, 400 * MIB, &now);
    uint64_t edge = gos__window_current(&w)->edge;
    gos__window_read(&w, 8000 * MIB, 64 * KIB, STEP, now);
    assert_int_equal(count(&w, true), 1);
    assert_true(gos__window_rests(&w, 20 * MIB));
    assert_false(gos__window_rests(&w, 8000 * MIB));
    assert_false(gos__window_rests(&w, 4000 * MIB)); /* nobody's */
    /* Back at the head: as far ahead as before, and the tail is not put to rest:
     * who goes to and fro reads at both places. */
    assert_int_equal(gos__window_read(&w, 20 * MIB, 128 * KIB, STEP, now), GOS__WINDOW_JUMPED);
    assert_true(gos__window_current(&w)->edge >= edge);
    assert_int_equal(count(&w, true), 0);
    assert_int_equal(gos__window_read(&w, 8000 * MIB + 64 * KIB, 64 * KIB, STEP, now) ==
                         GOS__WINDOW_JUMPED,
                     false);
}

static void a_place_that_was_left_is_forgotten_in_time(void **state)
{
    struct gos__window w = window_of(NULL);
    int64_t now = GOS__SECOND;
    (void)state;
    gos__window_read(&w, 0, 64 * KIB, STEP, now);
    gos__window_read(&w, 8000 * MIB, 64 * KIB, STEP, now);
    int64_t next = gos__window_tidy(&w, now + 4 * GOS__SECOND);
    assert_int_equal(next, now + 5 * GOS__SECOND);
    assert_int_equal(count(&w, true), 1);
    assert_true(gos__window_tidy(&w, next) == INT64_MAX);
    assert_int_equal(count(&w, true), 0);
    /* The place where it is stays for ever: a paused player. */
    assert_true(gos__window_tidy(&w, now + 3600 * GOS__SECOND) == INT64_MAX);
    assert_int_equal(count(&w, false), 1);
}

static void the_oldest_place_gives_way(void **state)
{
    struct gos__window w = window_of(NULL);
    (void)state;
    for (unsigned i = 0; i <= GOS__WINDOW_CURSORS; i++)
        gos__window_read(&w, i * 100 * MIB, 4096, STEP, GOS__SECOND);
    assert_int_equal(count(&w, true) + count(&w, false), GOS__WINDOW_CURSORS);
    assert_false(gos__window_rests(&w, 0));
    assert_true(gos__window_rests(&w, 100 * MIB));
}

static void forgotten_ranges_have_no_cursor(void **state)
{
    struct gos__window w = window_of(NULL);
    (void)state;
    gos__window_read(&w, 0, 4096, STEP, GOS__SECOND);
    gos__window_read(&w, 500 * MIB, 4096, STEP, GOS__SECOND);
    gos__window_forget(&w, 0, MIB);
    assert_int_equal(count(&w, true), 0);
    assert_int_equal(count(&w, false), 1);
}

static void what_was_given_of_a_long_read_is_not_needed(void **state)
{
    struct gos__window w = window_of(NULL);
    (void)state;
    gos__window_read(&w, 0, 64 * MIB, STEP, GOS__SECOND);
    assert_int_equal(gos__window_current(&w)->at, 0);
    gos__window_given(&w, 0, 3 * MIB);
    assert_int_equal(gos__window_current(&w)->at, 3 * MIB);
    gos__window_given(&w, 10 * MIB, 11 * MIB); /* a gap: another read's */
    assert_int_equal(gos__window_current(&w)->at, 3 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jump_starts_small_and_reading_on_grows_it),
        cmocka_unit_test(a_slow_reader_gets_seconds_not_megabytes),
        cmocka_unit_test(a_pause_says_nothing_about_the_rate),
        cmocka_unit_test(a_full_window_is_filled_by_steps),
        cmocka_unit_test(options_bound_the_window),
        cmocka_unit_test(kinds_differ),
        cmocka_unit_test(the_end_of_the_file_is_the_end_of_the_window),
        cmocka_unit_test(who_reads_here_and_there_gets_nothing_ahead),
        cmocka_unit_test(reads_out_of_order_belong_together),
        cmocka_unit_test(skipping_within_the_window_is_reading_on),
        cmocka_unit_test(a_jump_puts_the_others_to_rest_and_a_return_wakes_them),
        cmocka_unit_test(a_place_that_was_left_is_forgotten_in_time),
        cmocka_unit_test(the_oldest_place_gives_way),
        cmocka_unit_test(forgotten_ranges_have_no_cursor),
        cmocka_unit_test(what_was_given_of_a_long_read_is_not_needed),
    };
    return cmocka_run_group_tests_name("engine.window", tests, NULL, NULL);
}
