/* SPDX-License-Identifier: MIT
 *
 * Memory runs out at each allocation in turn, once and for ever: every call
 * gives GOS_ENOMEM or works, and when there is memory again, all works. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define MIB (1024u * 1024u)
#define FILE_SIZE (2u * MIB)

/* One life of a session. Returns 0 when everything worked. */
static int live(const char *script, int64_t idle_ns, long *allocations)
{
    static unsigned char buf[FILE_SIZE];
    struct gos_io io = {.struct_size = sizeof io, .idle_ns = idle_ns};
    struct rig r = {0};
    int rc = gos_session_new(&r.session,
                             GOS_OPTS(gos_session_opts, .ram = 6 * MIB, .events = GOS_EVENT_ALL));
    if (rc < 0)
        return rc;
    rc = gos_session_add_torrent(r.session, &r.torrent, script, strlen(script), NULL);
    if (rc == 0)
        rc = gos_torrent_wait(r.torrent, &io);
    if (rc == 0)
        rc = gos_torrent_open_file(r.torrent, 0, &r.file);
    if (rc == 0) {
        int64_t n = gos_source_pread(r.file, buf, sizeof buf, 0, &io);
        rc = n < 0 ? (int)n : n == FILE_SIZE ? 0 : GOS_ENOMEM; /* short: the error came behind */
        assert_true(n < 0 || fake_lt_pattern_is(RIG_SEED, 0, buf, (size_t)n));
    }
    *allocations = gos__alloc_count();
    /* Memory is there again: what exists must work. */
    gos__alloc_fail_at(0, 0);
    if (rc != 0 && r.file) {
        memset(buf, 0, sizeof buf);
        /* Those that were refused for want of memory may not come back. */
        assert_true(fake_lt_peer_add(fake_lt_last_session(), 0, "") >= 0);
        assert_int_equal(gos_source_pread(r.file, buf, sizeof buf, 0, NULL), FILE_SIZE);
        assert_true(fake_lt_pattern_is(RIG_SEED, 0, buf, FILE_SIZE));
    }
    gos_source_unref(r.file);
    gos_torrent_unref(r.torrent);
    assert_int_equal(gos_session_close(r.session, 20 * RIG_SECOND), 0);
    return rc;
}

static void fail_each(int for_ever)
{
    char script[4096];
    fake_lt_reset();
    fake_lt_set_mode(FAKE_LT_REAL); /* engine and swarm try again after a while */
    strcpy(script, rig_script(65536, FILE_SIZE, "peer n=2\n"));
    unsigned failed = 0;
    long n = 1;
    /* Until one life sees fewer allocations than that; the upper bound is for a
     * life that makes more of them the longer it takes. */
    for (bool reached = true; reached && n < 2000; n++) {
        long seen = n; /* when it failed before it could count */
        gos__alloc_fail_at(n, for_ever);
        int rc = live(script, for_ever ? 60 * RIG_MS : 20 * RIG_SECOND, &seen);
        gos__alloc_fail_at(0, 0);
        if (rc != 0 && rc != GOS_ENOMEM && !(for_ever && rc == GOS_ETIMEDOUT))
            fail_msg("allocation %ld: %d, %s", n, rc, gos_last_error());
        failed += rc != 0;
        reached = rc != 0 || seen >= n;
    }
    print_message("%ld allocations failed in turn, %u of them told\n", n, failed);
    assert_true(failed > 5);
    assert_null(fake_lt_violation());
    assert_int_equal(fake_lt_lost_pieces(), 0);
}

static void each_allocation_may_fail_once(void **state)
{
    (void)state;
    fail_each(0);
}

static void all_allocations_from_one_on_may_fail(void **state)
{
    (void)state;
    fail_each(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail_once),
        cmocka_unit_test(all_allocations_from_one_on_may_fail),
    };
    return cmocka_run_group_tests_name("engine.oom", tests, NULL, NULL);
}
