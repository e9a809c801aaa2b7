/* SPDX-License-Identifier: MIT
 *
 * See sleeping.h. Tests run on the main thread. */
#include "sleeping.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char sleeping_path[64];

void sleeping_write_file(const char *text)
{
    FILE *f = fopen(sleeping_path, "w");
    assert_non_null(f);
    assert_int_equal(fputs(text, f) < 0, 0);
    assert_int_equal(fclose(f), 0);
}

int sleeping_make_path(void **state)
{
    (void)state;
    strcpy(sleeping_path, "/tmp/gos-sleep-test.XXXXXX");
    int fd = mkstemp(sleeping_path);
    return fd < 0 ? -1 : close(fd);
}

int sleeping_remove_path(void **state)
{
    (void)state;
    return unlink(sleeping_path) < 0 && errno != ENOENT ? -1 : 0;
}

void sleeping_open_session_that(struct rig *r, int64_t sleep_after_ns, bool libtorrent_picks)
{
    memset(r, 0, sizeof *r);
    fake_lt_reset();
    assert_int_equal(
        gos_session_new(
            &r->session,
            GOS_OPTS(gos_session_opts, .ram = 16 * MIB, .sleep_after_ns = sleep_after_ns,
                     .libtorrent_picks = libtorrent_picks,
                     .events = GOS_EVENT_BIT(GOS_EVENT_AWAKE) | GOS_EVENT_BIT(GOS_EVENT_ASLEEP))),
        0);
    r->lt = fake_lt_last_session();
}

void sleeping_open_session(struct rig *r, int64_t sleep_after_ns)
{
    sleeping_open_session_that(r, sleep_after_ns, false);
}

void sleeping_add_file(struct rig *r, const char *more, bool asleep)
{
    sleeping_write_file(rig_script(256 * KIB, SIZE, more));
    assert_int_equal(gos_session_add_file(r->session, &r->torrent, sleeping_path,
                                          GOS_OPTS(gos_add_opts, .asleep = asleep)),
                     0);
    assert_int_equal(gos_torrent_open_file(r->torrent, 0, &r->file), 0);
}

void sleeping_open_asleep(struct rig *r, const char *more)
{
    sleeping_open_session(r, 10 * RIG_SECOND);
    sleeping_add_file(r, more, true);
}

bool sleeping_is_asleep(void *rig)
{
    struct rig *r = rig;
    struct gos_torrent_stats st = {.struct_size = sizeof st};
    assert_int_equal(gos_torrent_get_stats(r->torrent, &st), 0);
    return st.asleep;
}

/* The hash thread gives back what it had been given in its own time. */
bool sleeping_arena_is_empty(void *rig)
{
    struct rig *r = rig;
    struct gos_session_stats st = {.struct_size = sizeof st};
    assert_int_equal(gos_session_get_stats(r->session, &st), 0);
    return st.arena_used == 0;
}

void sleeping_let_it_sleep(struct rig *r)
{
    fake_lt_advance(r->lt, 10 * RIG_SECOND);
    assert_true(fake_lt_run_until(r->lt, sleeping_is_asleep, r, RIG_MS, RIG_SECOND));
}

int64_t sleeping_read_error(struct rig *r)
{
    char c;
    return gos_source_pread(r->file, &c, 1, 0, NULL);
}
