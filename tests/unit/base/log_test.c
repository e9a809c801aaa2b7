/* SPDX-License-Identifier: MIT
 *
 * What reaches the embedder's log function. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct journal {
    int lines;
    enum gos_log_level level;
    char first[600], last[600];
};

static void keep(void *user, enum gos_log_level level, const char *line)
{
    struct journal *j = user;

    if (j->lines++ == 0)
        strncpy(j->first, line, sizeof j->first - 1);
    strncpy(j->last, line, sizeof j->last - 1);
    j->level = level;
}

static void line_carries_its_room(void **state)
{
    struct gos__log log;
    struct journal j = {0};

    (void)state;
    gos__log_init(&log, keep, &j, GOS_LOG_INFO);
    gos__log(&log, GOS_LOG_WARN, "engine", "piece %d", 8);
    assert_int_equal(j.lines, 1);
    assert_int_equal(j.level, GOS_LOG_WARN);
    assert_string_equal(j.last, "engine: piece 8");
}

static void level_cuts(void **state)
{
    struct gos__log log;
    struct journal j = {0};

    (void)state;
    gos__log_init(&log, keep, &j, GOS_LOG_WARN);
    gos__log(&log, GOS_LOG_INFO, "engine", "chatter");
    assert_int_equal(j.lines, 0);
    gos__log(&log, GOS_LOG_ERROR, "engine", "trouble");
    assert_int_equal(j.lines, 1);
}

static void no_log_is_fine(void **state)
{
    struct gos__log log;

    (void)state;
    gos__log(NULL, GOS_LOG_ERROR, "engine", "lost");
    gos__log_init(&log, NULL, NULL, GOS_LOG_DEBUG);
    gos__log(&log, GOS_LOG_ERROR, "engine", "lost");
}

static void long_line_is_cut(void **state)
{
    struct gos__log log;
    struct journal j = {0};
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    gos__log_init(&log, keep, &j, GOS_LOG_WARN);
    gos__log(&log, GOS_LOG_WARN, "engine", "%s", text);
    assert_in_range(strlen(j.last), 100, 511);
}

static void flood_is_held_back_and_counted(void **state)
{
    struct gos__log log;
    struct journal j = {0};

    (void)state;
    gos__log_init(&log, keep, &j, GOS_LOG_WARN);
    /* As if 70 lines had come in a second long ago. */
    atomic_store(&log.second, 1);
    atomic_store(&log.lines, 70);
    gos__log(&log, GOS_LOG_WARN, "engine", "after");
    assert_int_equal(j.lines, 2);
    assert_string_equal(j.first, "log: 20 lines left out");
    assert_string_equal(j.last, "engine: after");

    /* However many seconds this loop takes, no second has more than its share. */
    long long first = atomic_load(&log.second);
    for (int i = 0; i < 5000; i++)
        gos__log(&log, GOS_LOG_WARN, "engine", "flood");
    long long seconds = atomic_load(&log.second) - first + 1;
    assert_true(j.lines <= 1 + 51 * seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_carries_its_room),
        cmocka_unit_test(level_cuts),
        cmocka_unit_test(no_log_is_fine),
        cmocka_unit_test(long_line_is_cut),
        cmocka_unit_test(flood_is_held_back_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
