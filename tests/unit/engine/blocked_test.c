/* SPDX-License-Identifier: MIT
 *
 * Readers that wait for long are told, and when they do not any more. */
#include "telling.h"

#define KIB 1024u
#define MIB (1024u * 1024u)

#define BLOCKS (GOS_EVENT_BIT(GOS_EVENT_BLOCKED) | GOS_EVENT_BIT(GOS_EVENT_UNBLOCKED))

static void a_reader_that_waits_for_a_second_is_told_and_its_end_too(void **state)
{
    struct rig r;
    struct told t;
    struct rig_read rr;
    struct gos_torrent_reader_stats st = {.struct_size = sizeof st};
    (void)state;
    telling_open(&r, BLOCKS, rig_script(256 * KIB, 4 * MIB, ""));
    fake_lt_advance(r.lt, 5 * RIG_SECOND);
    int64_t begin = ltc_now_ns(r.lt);
    assert_int_equal(rig_start(&rr, r.file, 0, 1000, false, 0), 0);
    fake_lt_advance(r.lt, 999 * RIG_MS);
    telling_drain(&r, &t);
    assert_int_equal(t.n, 0);
    fake_lt_advance(r.lt, 2 * RIG_MS);
    telling_drain(&r, &t);
    assert_int_equal(gos_torrent_reader_get_stats(r.file, &st), 0);
    const struct gos_event *e = telling_only(&t, GOS_EVENT_BLOCKED);
    assert_int_equal(e->torrent, gos_torrent_id(r.torrent));
    assert_int_equal(e->reader, st.id);
    assert_int_equal(e->since_ns, begin);
    assert_int_equal(e->time_ns, begin + RIG_SECOND);
    fake_lt_advance(r.lt, 3 * RIG_SECOND);
    telling_drain(&r, &t);
    assert_int_equal(t.n, 0); /* once is enough */
    assert_true(fake_lt_peer_add(r.lt, 0, "") >= 0);
    rig_finish(&r, &rr, 20 * RIG_SECOND);
    rig_check(&rr);
    rig_free(&rr);
    telling_drain(&r, &t);
    assert_int_equal(telling_only(&t, GOS_EVENT_UNBLOCKED)->since_ns, begin);
    assert_int_equal(telling_only(&t, GOS_EVENT_UNBLOCKED)->reader, st.id);
    assert_int_equal(t.n, 1);
    rig_close(&r);
}

static void reads_that_follow_each_other_are_no_blocked_reader(void **state)
{
    struct rig r;
    struct told t;
    struct rig_read rr[6];
    (void)state;
    telling_open(&r, BLOCKS, rig_script(256 * KIB, 4 * MIB, ""));
    /* At each moment one or two wait, and none for longer than 0.9 s. */
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(rig_start(&rr[i], r.file, i * 1000, 1000, false, 0), 0);
        fake_lt_advance(r.lt, 450 * RIG_MS);
        if (i > 0) {
            gos_read_cancel(&rr[i - 1].read);
            rig_wait(&rr[i - 1]);
            rig_free(&rr[i - 1]);
        }
    }
    telling_drain(&r, &t);
    assert_int_equal(t.n, 0);
    fake_lt_advance(r.lt, 560 * RIG_MS); /* but the last one is left alone */
    telling_drain(&r, &t);
    assert_int_equal(telling_only(&t, GOS_EVENT_BLOCKED)->kind, GOS_EVENT_BLOCKED);
    gos_read_cancel(&rr[5].read);
    rig_wait(&rr[5]);
    rig_free(&rr[5]);
    telling_drain(&r, &t);
    assert_int_equal(telling_only(&t, GOS_EVENT_UNBLOCKED)->kind, GOS_EVENT_UNBLOCKED);
    rig_close(&r);
}

static void blocked_readers_are_told_apart(void **state)
{
    struct rig r;
    struct told t;
    struct rig_read a, b;
    gos_source *other;
    (void)state;
    telling_open(&r, BLOCKS, rig_script(256 * KIB, 4 * MIB, ""));
    assert_int_equal(gos_torrent_open_file(r.torrent, 0, &other), 0);
    assert_int_equal(rig_start(&a, r.file, 0, 1000, false, 0), 0);
    fake_lt_advance(r.lt, 500 * RIG_MS);
    assert_int_equal(rig_start(&b, other, 0, 1000, false, 0), 0);
    fake_lt_advance(r.lt, 600 * RIG_MS);
    telling_drain(&r, &t);
    uint64_t first = telling_only(&t, GOS_EVENT_BLOCKED)->reader;
    fake_lt_advance(r.lt, 500 * RIG_MS);
    telling_drain(&r, &t);
    assert_int_not_equal(telling_only(&t, GOS_EVENT_BLOCKED)->reader, first);
    gos_read_cancel(&a.read);
    rig_wait(&a);
    telling_drain(&r, &t);
    assert_int_equal(telling_only(&t, GOS_EVENT_UNBLOCKED)->reader, first);
    gos_read_cancel(&b.read);
    rig_wait(&b);
    rig_free(&a);
    rig_free(&b);
    gos_source_unref(other);
    rig_close(&r);
}

static void a_second_read_is_told_on_time_after_the_first_got_its_bytes(void **state)
{
    struct rig r;
    struct told t;
    struct rig_read a, b;
    (void)state;
    telling_open(&r, BLOCKS, rig_script(256 * KIB, 4 * MIB, ""));
    fake_lt_advance(r.lt, 5 * RIG_SECOND);
    assert_int_equal(rig_start(&a, r.file, 0, 1000, false, 0), 0);
    fake_lt_advance(r.lt, 900 * RIG_MS);
    int64_t begin = ltc_now_ns(r.lt);
    assert_int_equal(rig_start(&b, r.file, 3 * MIB, 1000, false, 0), 0);
    fake_lt_advance(r.lt, 200 * RIG_MS);
    telling_drain(&r, &t);
    assert_int_equal(telling_only(&t, GOS_EVENT_BLOCKED)->since_ns, begin - 900 * RIG_MS);
    assert_true(fake_lt_peer_add(r.lt, 0, "have=0") >= 0);
    rig_finish(&r, &a, 300 * RIG_MS);
    rig_check(&a);
    rig_free(&a);
    telling_drain(&r, &t);
    assert_int_equal(telling_only(&t, GOS_EVENT_UNBLOCKED)->kind, GOS_EVENT_UNBLOCKED);
    fake_lt_advance(r.lt, 10 * RIG_SECOND);
    telling_drain(&r, &t);
    assert_int_equal(telling_only(&t, GOS_EVENT_BLOCKED)->since_ns, begin);
    assert_int_equal(telling_only(&t, GOS_EVENT_BLOCKED)->time_ns, begin + RIG_SECOND);
    gos_read_cancel(&b.read);
    rig_wait(&b);
    rig_free(&b);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_waits_for_a_second_is_told_and_its_end_too),
        cmocka_unit_test(reads_that_follow_each_other_are_no_blocked_reader),
        cmocka_unit_test(blocked_readers_are_told_apart),
        cmocka_unit_test(a_second_read_is_told_on_time_after_the_first_got_its_bytes),
    };
    return cmocka_run_group_tests_name("engine.blocked", tests, NULL, NULL);
}
