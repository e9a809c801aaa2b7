/* SPDX-License-Identifier: MIT
 *
 * Slices lent where they lie: they outlive the window, they are limited, and
 * records frame them. */
#include "rig.h"

#include "support/data.h"

#define MAX 128u

struct rig {
    gos_ring *ring;
    gos_ring_writer *w;
    gos_ring_reader *r;
};

static int set_up(void **state)
{
    static struct rig rig;

    rig.ring = make_ring(MIB, MIB);
    rig.w = make_writer(rig.ring);
    rig.r = make_reader(rig.ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    take_down(rig->ring, rig->w, rig->r);
    return 0;
}

struct lot {
    struct gos_slice slices[MAX];
    struct gos_ring_record records[MAX];
    struct gos_ring_view v;
};

static struct gos_ring_view *view(struct lot *l, size_t max_bytes, unsigned max_slices,
                                  unsigned max_records)
{
    l->v = (struct gos_ring_view){.struct_size = sizeof l->v,
                                  .max_bytes = max_bytes,
                                  .slices = l->slices,
                                  .max_slices = max_slices,
                                  .records = max_records ? l->records : NULL,
                                  .max_records = max_records};
    return &l->v;
}

static void check(const struct gos_ring_view *v, uint64_t off)
{
    assert_int_equal(v->note.offset, off);
    for (unsigned i = 0; i < v->n_slices; i++) {
        assert_int_equal(data_check(v->slices[i].base, v->slices[i].len, SEED, off),
                         v->slices[i].len);
        off += v->slices[i].len;
    }
    assert_int_equal(off - v->note.offset, v->bytes);
}

static void lent_bytes_are_right_after_the_ring_has_gone_round(void **state)
{
    struct rig *rig = *state;
    struct lot l;

    append_pattern(rig->w, 70001, 5);
    assert_int_equal(gos_ring_reader_borrow(rig->r, view(&l, 0, MAX, 0)), 350005);
    append_pattern(rig->w, 70001, 100);
    check(&l.v, 0);
    gos_ring_delete(rig->ring);
    check(&l.v, 0);
    gos_ring_reader_release(rig->r, &l.v);
    gos_ring_reader_release(rig->r, &l.v); /* harmless */
    assert_int_equal(l.v.n_slices, 0);
}

static void bytes_and_slices_are_limited_as_asked(void **state)
{
    struct rig *rig = *state;
    struct lot l;

    append_pattern(rig->w, 300000, 1);
    assert_int_equal(gos_ring_reader_borrow(rig->r, view(&l, 10, MAX, 0)), 10);
    check(&l.v, 0);
    gos_ring_reader_release(rig->r, &l.v);
    int64_t n = gos_ring_reader_borrow(rig->r, view(&l, 0, 2, 0));
    assert_int_equal(l.v.n_slices, 2);
    check(&l.v, 10);
    gos_ring_reader_release(rig->r, &l.v);
    assert_true(n > 0);
    assert_int_equal(gos_ring_reader_borrow(rig->r, view(&l, 0, MAX, 0)), 300000 - 10 - n);
    gos_ring_reader_release(rig->r, &l.v);
    assert_int_equal(gos_ring_reader_borrow(rig->r, view(&l, 0, MAX, 0)), GOS_EAGAIN);
}

static void views_may_be_released_in_any_order(void **state)
{
    struct rig *rig = *state;
    struct lot l[5];

    append_pattern(rig->w, 500000, 1);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(gos_ring_reader_borrow(rig->r, view(&l[i], 100000, MAX, 0)), 100000);
    append_pattern(rig->w, 100000, 30);
    for (unsigned i = 0; i < 5; i++)
        check(&l[i].v, i * 100000);
    static const unsigned order[] = {3, 0, 4, 1, 2};
    for (unsigned i = 0; i < 5; i++) {
        gos_ring_reader_release(rig->r, &l[order[i]].v);
        for (unsigned j = i + 1; j < 5; j++)
            check(&l[order[j]].v, order[j] * 100000);
    }
    struct gos_ring_reader_stats s = {.struct_size = sizeof s};
    assert_int_equal(gos_ring_reader_get_stats(rig->r, &s), 0);
    assert_int_equal(s.held_bytes, 0);
}

static void who_holds_more_than_4_mib_is_disconnected(void **state)
{
    struct rig *rig = *state;
    struct lot l[9];
    uint64_t held = 0;
    unsigned n = 0;

    for (; n < 9; n++) {
        append_pattern(rig->w, 500000, 1);
        int64_t got = gos_ring_reader_borrow(rig->r, view(&l[n], 0, MAX, 0));
        assert_true(got > 0);
        held += (uint64_t)got;
        if (held == 4 * MIB)
            break;
    }
    assert_int_equal(held, 4 * MIB);
    struct lot more;
    assert_int_equal(gos_ring_reader_borrow(rig->r, view(&more, 0, MAX, 0)), GOS_EBUSY);
    for (unsigned i = 0; i <= n; i++) {
        check(&l[i].v, i * 500000);
        gos_ring_reader_release(rig->r, &l[i].v);
    }
    assert_int_equal(gos_ring_reader_borrow(rig->r, view(&more, 0, MAX, 0)), GOS_EBUSY);
    append_pattern(rig->w, 500000, 1); /* the others go on */
}

static void held_segments_are_counted_and_given_back(void **state)
{
    struct rig *rig = *state;
    struct lot l;

    append_pattern(rig->w, 100000, 20);
    uint64_t before = stats_of(rig->ring).memory;
    assert_true(gos_ring_reader_borrow(rig->r, view(&l, 0, MAX, 0)) > 0);
    append_pattern(rig->w, 100000, 20);
    assert_true(stats_of(rig->ring).memory > before + 512 * KIB);
    gos_ring_reader_release(rig->r, &l.v);
    append_pattern(rig->w, 100000, 20);
    /* Some are spared for the next append, no more than make the largest record. */
    assert_in_range(stats_of(rig->ring).memory, 0, before + 640 * KIB);
}

/* ---- framing ---- */

static void records_frame_what_is_lent(void **state)
{
    struct rig *rig = *state;
    struct lot l;
    uint64_t at = 0;

    for (size_t len = 1; len <= 50; len++)
        append_pattern(rig->w, len * 100, 1);
    for (size_t len = 1; len <= 50;) {
        int64_t n = gos_ring_reader_borrow(rig->r, view(&l, 20000, MAX, 7));
        assert_true(n > 0);
        check(&l.v, at);
        assert_in_range(l.v.n_records, 1, 7);
        uint64_t sum = 0;
        for (unsigned i = 0; i < l.v.n_records; i++, len++) {
            assert_int_equal(l.records[i].offset, at + sum);
            assert_int_equal(l.records[i].len, len * 100);
            assert_int_equal(l.records[i].number, len - 1);
            assert_true(l.records[i].mono_ns > 0);
            sum += l.records[i].len;
        }
        assert_int_equal(sum, n);
        at += sum;
        gos_ring_reader_release(rig->r, &l.v);
    }
    assert_int_equal(at, tail_of(rig->ring));
}

static void record_too_large_for_the_view_comes_in_pieces(void **state)
{
    struct rig *rig = *state;
    struct lot l;

    append_pattern(rig->w, 250000, 1);
    append_pattern(rig->w, 10, 1);
    for (uint64_t at = 0; at < 250000; at += 100000) {
        int64_t due = at == 200000 ? 50010 : 100000;
        assert_int_equal(gos_ring_reader_borrow(rig->r, view(&l, 100000, MAX, 5)), due);
        check(&l.v, at);
        assert_int_equal(l.v.n_records, at == 200000 ? 2 : 1);
        assert_int_equal(l.records[0].offset, 0);
        assert_int_equal(l.records[0].len, 250000);
        gos_ring_reader_release(rig->r, &l.v);
    }
}

static void skipping_reader_goes_on_with_a_whole_record(void **state)
{
    struct rig *rig = *state;
    struct lot l;

    append_pattern(rig->w, 30001, 200);
    assert_true(gos_ring_reader_borrow(rig->r, view(&l, 0, MAX, 5)) > 0);
    assert_int_equal(l.v.note.events, GOS_RING_GAP);
    assert_int_equal(l.v.note.gap_to % 30001, 0);
    assert_int_equal(l.records[0].offset, l.v.note.gap_to);
    gos_ring_reader_release(rig->r, &l.v);
}

static void nonsense_is_refused(void **state)
{
    struct rig *rig = *state;
    struct lot l;

    assert_int_equal(gos_ring_reader_borrow(rig->r, NULL), GOS_EINVAL);
    assert_int_equal(gos_ring_reader_borrow(NULL, view(&l, 0, MAX, 0)), GOS_EINVAL);
    assert_int_equal(gos_ring_reader_borrow(rig->r, view(&l, 0, 0, 0)), GOS_EINVAL);
    view(&l, 0, MAX, 0)->struct_size = 8;
    assert_int_equal(gos_ring_reader_borrow(rig->r, &l.v), GOS_EINVAL);
}

/* ---- epochs and heads ---- */

static void borrow_ends_where_an_epoch_begins(void **state)
{
    struct rig *rig = *state;
    struct lot l;

    append_pattern(rig->w, 1000, 3);
    assert_int_equal(gos_ring_writer_append(rig->w, "one", 3, GOS_RING_NEW_EPOCH, NULL), 3);
    assert_int_equal(gos_ring_writer_append(rig->w, "two", 3, GOS_RING_NEW_EPOCH, NULL), 3);
    assert_int_equal(gos_ring_reader_borrow(rig->r, view(&l, 0, MAX, 9)), 3000);
    assert_int_equal(l.v.note.epoch, 1);
    assert_int_equal(l.v.note.events, 0);
    gos_ring_reader_release(rig->r, &l.v);
    for (unsigned epoch = 2; epoch <= 3; epoch++) {
        assert_int_equal(gos_ring_reader_borrow(rig->r, view(&l, 0, MAX, 9)), 3);
        assert_int_equal(l.v.note.events, GOS_RING_EPOCH);
        assert_int_equal(l.v.note.epoch, epoch);
        assert_int_equal(l.records[0].epoch, epoch);
        gos_ring_reader_release(rig->r, &l.v);
    }
    assert_int_equal(stats_of(rig->ring).epoch, 3);
}

static gos_ring_writer *named(gos_ring *ring, const char *name)
{
    gos_ring_writer *w = NULL;

    assert_int_equal(gos_ring_writer_open(&w, ring, GOS_OPTS(gos_ring_writer_opts, .name = name)),
                     0);
    return w;
}

static void writer_that_comes_back_begins_an_epoch(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 1; i <= 3; i++) {
        gos_ring_writer *camera = named(rig->ring, "camera");
        assert_int_equal(stats_of(rig->ring).epoch, i < 2 ? 1 : i - 1); /* with the first record */
        assert_int_equal(gos_ring_writer_append(camera, "abc", 3, 0, NULL), 3);
        assert_int_equal(gos_ring_writer_append(camera, "abc", 3, 0, NULL), 3);
        assert_int_equal(stats_of(rig->ring).epoch, i);
        gos_ring_writer_close(camera);
    }
    gos_ring_writer *other = named(rig->ring, "microphone");
    assert_int_equal(gos_ring_writer_append(other, "abc", 3, 0, NULL), 3);
    assert_int_equal(stats_of(rig->ring).epoch, 3);
    gos_ring_writer_close(other);
}

static uint32_t epoch_after(gos_ring *ring, const char *name)
{
    gos_ring_writer *w = named(ring, name);

    assert_int_equal(gos_ring_writer_append(w, "abc", 3, 0, NULL), 3);
    gos_ring_writer_close(w);
    return stats_of(ring).epoch;
}

/* Each name once, however often it writes. */
static void last_sixteen_names_are_remembered(void **state)
{
    struct rig *rig = *state;
    char name[] = "writer a";

    for (unsigned i = 0; i < 16; i++, name[7]++)
        assert_int_equal(epoch_after(rig->ring, name), 1);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(epoch_after(rig->ring, "writer p"), 2 + i);
    assert_int_equal(epoch_after(rig->ring, "writer a"), 22);
    assert_int_equal(epoch_after(rig->ring, "writer q"), 22); /* takes the place of the first */
    assert_int_equal(epoch_after(rig->ring, "writer b"), 23);
    assert_int_equal(epoch_after(rig->ring, "writer a"), 23);
}

static void gap_and_epoch_are_told_together(void **state)
{
    struct rig *rig = *state;
    struct lot l;

    append_pattern(rig->w, 1000, 3);
    assert_int_equal(gos_ring_reader_borrow(rig->r, view(&l, 0, MAX, 0)), 3000);
    gos_ring_reader_release(rig->r, &l.v);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(gos_ring_writer_append(rig->w, "abc", 3, GOS_RING_NEW_EPOCH, NULL), 3);
        append_pattern(rig->w, 100000, 20);
    }
    assert_true(gos_ring_reader_borrow(rig->r, view(&l, 0, MAX, 0)) > 0);
    assert_int_equal(l.v.note.events, GOS_RING_GAP | GOS_RING_EPOCH);
    assert_int_equal(l.v.note.epoch, 4);
    assert_int_equal(l.v.note.gap_from, 3000);
    gos_ring_reader_release(rig->r, &l.v);
}

static void late_reader_gets_the_sticky_head_first(void **state)
{
    (void)state;
    gos_ring *ring = NULL;
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .ring_bytes = 64 * KIB,
                                                  .channel_bytes = 64 * KIB, .head_bytes = 10000)),
                     0);
    gos_ring_writer *w = make_writer(ring);
    gos_ring_reader *early = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    struct lot l;

    append_pattern(w, 6000, 1);
    assert_int_equal(gos_ring_reader_borrow(early, view(&l, 0, MAX, 0)), 6000);
    assert_int_equal(l.v.note.events, 0); /* it has the real thing */
    gos_ring_reader_release(early, &l.v);
    gos_ring_reader_close(early);
    append_pattern(w, 6000, 30);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    assert_int_equal(gos_ring_reader_borrow(r, view(&l, 7000, MAX, 0)), 7000);
    assert_int_equal(l.v.note.events, GOS_RING_HEAD);
    check(&l.v, 0);
    gos_ring_reader_release(r, &l.v);
    assert_int_equal(gos_ring_reader_borrow(r, view(&l, 0, MAX, 0)), 3000);
    assert_int_equal(l.v.note.events, GOS_RING_HEAD);
    check(&l.v, 7000);
    uint64_t oldest = stats_of(ring).oldest;
    struct lot next;
    assert_int_equal(gos_ring_reader_borrow(r, view(&next, 0, MAX, 0)), tail_of(ring) - oldest);
    assert_int_equal(next.v.note.events, 0);
    check(&next.v, oldest);
    gos_ring_reader_release(r, &l.v);
    gos_ring_reader_release(r, &next.v);
    take_down(ring, w, r);
}

static void head_is_of_the_newest_epoch(void **state)
{
    (void)state;
    gos_ring *ring = NULL;
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .ring_bytes = 64 * KIB,
                                                  .channel_bytes = 64 * KIB, .head_bytes = 8)),
                     0);
    gos_ring_writer *w = make_writer(ring);
    struct lot l;

    append_pattern(w, 30000, 5);
    assert_int_equal(gos_ring_writer_append(w, "new head", 8, GOS_RING_NEW_EPOCH, NULL), 8);
    gos_ring_reader *r = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    assert_int_equal(gos_ring_reader_borrow(r, view(&l, 0, MAX, 0)), 8);
    assert_int_equal(l.v.note.epoch, 2);
    assert_memory_equal(l.slices[0].base, "new head", 8);
    gos_ring_reader_release(r, &l.v);
    gos_ring_reader_close(r);
    assert_int_equal(gos_ring_reader_open(&r, ring,
                                          GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_NOW,
                                                   .flags = GOS_RING_NO_HEAD)),
                     0);
    assert_int_equal(gos_ring_reader_borrow(r, view(&l, 0, MAX, 0)), GOS_EAGAIN);
    take_down(ring, w, r);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(lent_bytes_are_right_after_the_ring_has_gone_round),
        WITH_RIG(bytes_and_slices_are_limited_as_asked),
        WITH_RIG(views_may_be_released_in_any_order),
        WITH_RIG(who_holds_more_than_4_mib_is_disconnected),
        WITH_RIG(held_segments_are_counted_and_given_back),
        WITH_RIG(records_frame_what_is_lent),
        WITH_RIG(record_too_large_for_the_view_comes_in_pieces),
        WITH_RIG(skipping_reader_goes_on_with_a_whole_record),
        WITH_RIG(nonsense_is_refused),
        WITH_RIG(borrow_ends_where_an_epoch_begins),
        WITH_RIG(writer_that_comes_back_begins_an_epoch),
        WITH_RIG(last_sixteen_names_are_remembered),
        WITH_RIG(gap_and_epoch_are_told_together),
        cmocka_unit_test(late_reader_gets_the_sticky_head_first),
        cmocka_unit_test(head_is_of_the_newest_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
