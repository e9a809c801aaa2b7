/* SPDX-License-Identifier: MIT
 *
 * Torrents that sleep, and what comes between: reads while one leaves, the end at each
 * moment, no memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sleeping.h"

/* How often each race is run; GOS_TEST_LONG: often. */
static int so_often(int n)
{
    return getenv("GOS_TEST_LONG") ? n : n / 5;
}

/* ---- what comes between ---- */

static void a_read_that_comes_while_it_leaves_wakes_it_again(void **state)
{
    struct rig r;
    unsigned seed = 815;
    (void)state;
    print_message("seed %u\n", seed);
    sleeping_open_asleep(&r, "peer n=2 latency_ms=3\n");
    for (int i = 0; i < so_often(300); i++) {
        struct rig_read rr;
        rig_start(&rr, r.file, (uint64_t)rand_r(&seed) % (SIZE - MIB), 1000, i % 2, 0);
        rig_finish(&r, &rr, 5 * RIG_SECOND);
        rig_check(&rr);
        rig_free(&rr);
        /* Just until it is sent away: the pump and the network thread race us. */
        fake_lt_advance(r.lt, 10 * RIG_SECOND - 20 * RIG_MS + rand_r(&seed) % (40 * RIG_MS));
    }
    rig_close(&r);
}

static void it_may_be_given_up_at_each_moment_of_waking_and_leaving(void **state)
{
    unsigned seed = 4711;
    (void)state;
    print_message("seed %u\n", seed);
    for (int i = 0; i < so_often(200); i++) {
        struct rig r;
        sleeping_open_asleep(&r, "peer latency_ms=3\n");
        gos_source_advise(r.file, 0, 1000, GOS_ADVICE_WILLNEED);
        if (i % 2)
            fake_lt_advance(r.lt, 10 * RIG_SECOND - 5 * RIG_MS + rand_r(&seed) % (10 * RIG_MS));
        for (int spin = rand_r(&seed) % 2000; spin > 0; spin--)
            (void)sleeping_is_asleep(&r);
        gos_source_unref(r.file);
        gos_torrent_unref(r.torrent);
        r.file = NULL;
        r.torrent = NULL;
        rig_close(&r);
    }
}

static void the_session_may_close_at_each_moment_of_waking_and_leaving(void **state)
{
    unsigned seed = 1234;
    (void)state;
    print_message("seed %u\n", seed);
    for (int i = 0; i < so_often(200); i++) {
        struct rig r;
        struct rig_read rr;
        sleeping_open_asleep(&r, "peer latency_ms=3\n");
        gos_source_advise(r.file, 0, 1000, GOS_ADVICE_WILLNEED);
        if (i % 2)
            fake_lt_advance(r.lt, 10 * RIG_SECOND - 5 * RIG_MS + rand_r(&seed) % (10 * RIG_MS));
        rig_start(&rr, r.file, MIB, 1000, false, 0);
        for (int spin = rand_r(&seed) % 2000; spin > 0; spin--)
            (void)sleeping_is_asleep(&r);
        assert_int_equal(gos_session_close(r.session, 20 * RIG_SECOND), 0);
        rig_wait(&rr);
        assert_true(rr.result == 1000 || rr.result == GOS_ECANCELED);
        rig_free(&rr);
        assert_int_equal(sleeping_read_error(&r), GOS_ECANCELED);
        gos_source_unref(r.file);
        gos_torrent_unref(r.torrent);
    }
    assert_null(fake_lt_violation());
}

static void what_libtorrent_refuses_is_tried_again_by_the_next_read(void **state)
{
    struct rig r;
    (void)state;
    sleeping_open_asleep(&r, "peer\n");
    fake_lt_fail_next(FAKE_LT_ADD, 0, -ENOMEM);
    assert_int_equal(sleeping_read_error(&r), GOS_ENOMEM);
    fake_lt_fail_next(FAKE_LT_PARSE, 0, -ENOMEM);
    assert_int_equal(sleeping_read_error(&r), GOS_ENOMEM);
    rig_read(&r, 0, SIZE);
    rig_close(&r);
}

struct later {
    struct rig *rig;
    struct rig_read read;
};

static void read_later(void *arg)
{
    struct later *l = arg;
    rig_start(&l->read, l->rig->file, MIB, 1000, false, 0);
}

/* Memory was short before it began: that is no matter of this read. */
static void a_read_that_comes_as_waking_fails_gets_a_waking_of_its_own(void **state)
{
    struct rig r;
    struct rig_read first;
    struct later later = {.rig = &r};
    (void)state;
    sleeping_open_asleep(&r, "peer latency_ms=3\n");
    fake_lt_as_it_fails(read_later, &later);
    fake_lt_fail_next(FAKE_LT_PARSE, 0, -ENOMEM);
    assert_int_equal(rig_start(&first, r.file, 0, 1000, false, 0), 0);
    rig_wait(&first);
    assert_int_equal(first.result, GOS_ENOMEM);
    rig_finish(&r, &later.read, 5 * RIG_SECOND);
    rig_check(&later.read);
    rig_free(&first);
    rig_free(&later.read);
    rig_close(&r);
}

/* ---- no memory ---- */

static int read_all(struct rig *r, const struct gos_io *io)
{
    static unsigned char buf[SIZE / 4];
    int64_t n = gos_source_pread(r->file, buf, sizeof buf, 0, io);
    assert_true(n <= 0 || fake_lt_pattern_is(RIG_SEED, 0, buf, (size_t)n));
    return n < 0 ? (int)n : n == sizeof buf ? 0 : GOS_ENOMEM; /* short: the error came behind */
}

/* Add it asleep, wake it, let it sleep, and wake it again. */
static int live(struct rig *r, const struct gos_io *io)
{
    const char *peers[] = {"10.1.1.1:1000"};
    int rc = gos_session_add_file(
        r->session, &r->torrent, sleeping_path,
        GOS_OPTS(gos_add_opts, .asleep = true, .peers = peers, .n_peers = 1));
    if (rc == 0)
        rc = gos_torrent_open_file(r->torrent, 0, &r->file);
    if (rc == 0)
        rc = read_all(r, io);
    while (rc == 0 && !sleeping_is_asleep(r))
        usleep(1000);
    return rc == 0 ? read_all(r, io) : rc;
}

static void each_allocation_may_fail(void **state)
{
    const struct gos_io io = {.struct_size = sizeof io, .idle_ns = 20 * RIG_SECOND};
    unsigned failed = 0;
    (void)state;
    sleeping_write_file(rig_script(
        64 * KIB, SIZE / 4, "peer addr=10.1.1.1:1000 reconnect_ms=20\npeer reconnect_ms=20\n"));
    for (long n = 1, seen = 1; n <= seen && n < 500; n++) {
        struct rig r = {0};
        fake_lt_reset();
        fake_lt_set_mode(FAKE_LT_REAL); /* the engine tries again after a while */
        assert_int_equal(gos_session_new(&r.session, GOS_OPTS(gos_session_opts, .ram = 6 * MIB,
                                                              .sleep_after_ns = 30 * RIG_MS)),
                         0);
        gos__alloc_fail_at(n, 0);
        int rc = live(&r, &io);
        seen = rc ? n + 1 : gos__alloc_count();
        gos__alloc_fail_at(0, 0);
        if (rc != 0 && rc != GOS_ENOMEM)
            fail_msg("allocation %ld: %d, %s", n, rc, gos_last_error());
        failed += rc != 0;
        if (rc != 0 && r.file)
            assert_int_equal(read_all(&r, NULL), 0);
        rig_close(&r);
    }
    print_message("%u failures were told\n", failed);
    assert_true(failed > 10);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, sleeping_make_path, sleeping_remove_path)
    const struct CMUnitTest tests[] = {
        T(a_read_that_comes_while_it_leaves_wakes_it_again),
        T(it_may_be_given_up_at_each_moment_of_waking_and_leaving),
        T(the_session_may_close_at_each_moment_of_waking_and_leaving),
        T(what_libtorrent_refuses_is_tried_again_by_the_next_read),
        T(a_read_that_comes_as_waking_fails_gets_a_waking_of_its_own),
        T(each_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("engine.sleep_race", tests, NULL, NULL);
}
