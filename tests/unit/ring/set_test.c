/* SPDX-License-Identifier: MIT
 *
 * Limits that many rings share: counts, memory with fair eviction, idle rings. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "rig.h"
#include "support/data.h"

static gos_ring_set *make_set(const struct gos_ring_set_opts *opts)
{
    gos_ring_set *set = NULL;

    assert_int_equal(gos_ring_set_new(&set, opts), 0);
    return set;
}

static gos_ring *ring_in(gos_ring_set *set)
{
    gos_ring *ring = NULL;

    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .set = set)), 0);
    return ring;
}

static struct gos_ring_set_stats of(gos_ring_set *set)
{
    struct gos_ring_set_stats s = {.struct_size = sizeof s};

    assert_int_equal(gos_ring_set_get_stats(set, &s), 0);
    return s;
}

/* ---- counts ---- */

static void streams_are_limited_and_deleted_ones_do_not_count(void **state)
{
    (void)state;
    gos_ring_set *set = make_set(GOS_OPTS(gos_ring_set_opts, .max_streams = 2));
    gos_ring *a = ring_in(set), *b = ring_in(set), *c = NULL;

    assert_int_equal(gos_ring_new(&c, GOS_OPTS(gos_ring_opts, .set = set)), GOS_EBUDGET);
    gos_ring_delete(a);
    gos_ring_delete(a);
    assert_int_equal(of(set).streams, 1);
    c = ring_in(set);
    gos_ring_unref(b);
    gos_ring_unref(a);
    assert_int_equal(of(set).streams, 1);
    gos_ring_unref(c);
    assert_int_equal(of(set).streams, 0);
    assert_int_equal(of(set).bytes, 0);
    gos_ring_set_unref(set);
}

static void readers_are_limited(void **state)
{
    (void)state;
    gos_ring_set *set = make_set(GOS_OPTS(gos_ring_set_opts, .max_readers = 2));
    gos_ring *a = ring_in(set), *b = ring_in(set);
    gos_ring_reader *first = make_reader(a, GOS_RING_NOW, GOS_RING_BLOCK);
    gos_ring_reader *second = make_reader(b, GOS_RING_NOW, GOS_RING_BLOCK), *third = NULL;

    assert_int_equal(gos_ring_reader_open(&third, b, NULL), GOS_EBUDGET);
    gos_ring_reader_close(first);
    third = make_reader(b, GOS_RING_NOW, GOS_RING_BLOCK);
    gos_ring_reader_close(second);
    gos_ring_reader_close(third);
    assert_int_equal(of(set).readers, 0);
    gos_ring_unref(a);
    gos_ring_unref(b);
    gos_ring_set_unref(set);
}

static void ring_limits_its_own_readers(void **state)
{
    (void)state;
    gos_ring *ring = NULL;
    gos_ring_reader *second = NULL;

    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .max_readers = 1)), 0);
    gos_ring_reader *first = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    assert_int_equal(gos_ring_reader_open(&second, ring, NULL), GOS_EBUDGET);
    assert_int_equal(stats_of(ring).readers, 1);
    take_down(ring, NULL, first);
}

/* ---- memory ---- */

static void busy_stream_does_not_push_out_the_small_ones(void **state)
{
    (void)state;
    gos_ring_set *set = make_set(GOS_OPTS(gos_ring_set_opts, .max_bytes = 4 * MIB));
    gos_ring *small = ring_in(set), *busy = ring_in(set);
    gos_ring_writer *ws = make_writer(small), *wb = make_writer(busy);

    append_pattern(ws, 100000, 5);
    append_pattern(wb, 100000, 200);
    assert_int_equal(stats_of(small).retained, 500000);
    assert_in_range(stats_of(busy).retained, 3 * MIB - 200000, 4 * MIB);
    assert_in_range(of(set).bytes, 0, 4 * MIB);
    assert_true(of(set).evicted_bytes > 0);
    /* The other one gets as much when it wants it. */
    append_pattern(ws, 100000, 100);
    assert_in_range(stats_of(small).retained, 3 * MIB / 2, 5 * MIB / 2);
    assert_in_range(of(set).bytes, 0, 4 * MIB);
    take_down(small, ws, NULL);
    take_down(busy, wb, NULL);
    assert_int_equal(of(set).bytes, 0);
    gos_ring_set_unref(set);
}

static void memory_that_cannot_be_had_is_refused(void **state)
{
    (void)state;
    gos_ring_set *set = make_set(GOS_OPTS(gos_ring_set_opts, .max_bytes = MIB));
    gos_ring *ring = ring_in(set);
    gos_ring_writer *w = make_writer(ring);
    static char bytes[2 * MIB];
    struct got got = {0};

    assert_int_equal(gos_ring_writer_append(w, bytes, sizeof bytes, 0, NULL), GOS_EBUDGET);
    append_pattern(w, 1000, 3000); /* short ones go on */
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
    drain(r, &got);
    assert_int_equal(got.next, 3000000);
    assert_true(got.bytes > 100000);
    take_down(ring, w, r);
    gos_ring_set_unref(set);
}

/* To ask each of them, and look through all for the next one, took half a minute. */
static void thousands_of_small_streams_are_not_asked_one_by_one(void **state)
{
    (void)state;
    enum { RINGS = 16000 };
    gos_ring_set *set = make_set(GOS_OPTS(gos_ring_set_opts, .max_bytes = 96 * MIB));
    gos_ring **rings = calloc(RINGS, sizeof(*rings));
    int64_t rc = 0;
    int n = 0;

    assert_non_null(rings);
    alarm(20); /* the watchdog */
    while (n < RINGS && rc >= 0) {
        struct gos_ring_opts small = {.struct_size = sizeof small,
                                      .ring_bytes = 64 * KIB,
                                      .channel_bytes = 64 * KIB,
                                      .set = set};
        assert_int_equal(gos_ring_new(&rings[n], &small), 0);
        gos_ring_writer *w = make_writer(rings[n++]);
        rc = try_pattern(w, 1);
        gos_ring_writer_close(w);
    }
    assert_int_equal(rc, GOS_EBUDGET);
    gos_ring_writer *w = make_writer(rings[n - 1]);
    for (int i = 0; i < 20; i++)
        assert_int_equal(try_pattern(w, 1), GOS_EBUDGET);
    alarm(0);
    gos_ring_writer_close(w);
    for (int i = 0; i < n; i++)
        gos_ring_unref(rings[i]);
    free(rings);
    gos_ring_set_unref(set);
}

static void unread_bytes_of_a_blocking_reader_are_not_given_up(void **state)
{
    (void)state;
    gos_ring_set *set = make_set(GOS_OPTS(gos_ring_set_opts, .max_bytes = 2 * MIB));
    gos_ring *ring = ring_in(set), *other = ring_in(set);
    gos_ring_writer *w = make_writer(ring), *wo = make_writer(other);
    gos_ring_reader *r = make_reader(ring, GOS_RING_OLDEST, GOS_RING_BLOCK);
    struct got got = {0};

    append_pattern(w, 100000, 15);
    append_pattern(wo, 20000, 200);
    assert_in_range(of(set).bytes, 0, 2 * MIB);
    drain(r, &got);
    assert_int_equal(got.bytes, 1500000);
    assert_int_equal(got.gaps, 0);
    take_down(ring, w, r);
    take_down(other, wo, NULL);
    gos_ring_set_unref(set);
}

/* ---- a set within a set ---- */

static void parent_counts_streams_and_readers_of_both(void **state)
{
    (void)state;
    gos_ring_set *all = make_set(GOS_OPTS(gos_ring_set_opts, .max_streams = 2, .max_readers = 2));
    gos_ring_set *part = make_set(GOS_OPTS(gos_ring_set_opts, .max_streams = 1, .parent = all));
    gos_ring *a = ring_in(part), *b = NULL;
    gos_ring_reader *refused = NULL;

    assert_int_equal(gos_ring_new(&b, GOS_OPTS(gos_ring_opts, .set = part)), GOS_EBUDGET);
    assert_int_equal(of(all).streams, 1); /* what one refuses does not count in the other */
    b = ring_in(all);
    assert_int_equal(of(all).streams, 2);
    gos_ring_delete(a);
    assert_int_equal(of(all).streams, 1);
    gos_ring_unref(a);
    a = ring_in(all);
    gos_ring *c = NULL;
    assert_int_equal(gos_ring_new(&c, GOS_OPTS(gos_ring_opts, .set = part)), GOS_EBUDGET);
    assert_int_equal(of(part).streams, 0);
    gos_ring_unref(a);
    c = ring_in(part);

    gos_ring_reader *first = make_reader(b, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    gos_ring_reader *second = make_reader(c, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    assert_int_equal(gos_ring_reader_open(&refused, c, NULL), GOS_EBUDGET);
    assert_int_equal(of(all).readers, 2);
    assert_int_equal(of(part).readers, 1);
    gos_ring_reader_close(first);
    gos_ring_reader_close(second);
    assert_int_equal(of(all).readers, 0);
    gos_ring_set_unref(part); /* the ring keeps it, and it keeps its parent */
    gos_ring_set_unref(all);
    gos_ring_unref(b);
    gos_ring_unref(c);
}

static void memory_of_a_part_counts_in_the_whole(void **state)
{
    (void)state;
    gos_ring_set *all = make_set(GOS_OPTS(gos_ring_set_opts, .max_bytes = 4 * MIB));
    gos_ring_set *part = make_set(GOS_OPTS(gos_ring_set_opts, .max_bytes = 2 * MIB, .parent = all));
    gos_ring *outside = ring_in(all), *inside = ring_in(part);
    gos_ring_writer *wo = make_writer(outside), *wi = make_writer(inside);

    append_pattern(wi, 100000, 40);
    assert_in_range(of(part).bytes, MIB, 2 * MIB);
    assert_int_equal(of(all).bytes, of(part).bytes);
    assert_true(of(part).evicted_bytes > 0);
    assert_int_equal(of(all).evicted_bytes, of(part).evicted_bytes);
    append_pattern(wo, 100000, 100);
    assert_in_range(of(all).bytes, 3 * MIB, 4 * MIB);
    assert_true(of(all).evicted_bytes > of(part).evicted_bytes);
    take_down(inside, wi, NULL);
    assert_int_equal(of(part).bytes, 0);
    take_down(outside, wo, NULL);
    assert_int_equal(of(all).bytes, 0);
    gos_ring_set_unref(part);
    gos_ring_set_unref(all);
}

/* A part may be promised more than there is; then the whole refuses. */
static void memory_that_the_whole_has_not_is_no_part_s(void **state)
{
    (void)state;
    static char bytes[2 * MIB];
    gos_ring_set *all = make_set(GOS_OPTS(gos_ring_set_opts, .max_bytes = MIB));
    gos_ring_set *part = make_set(
        GOS_OPTS(gos_ring_set_opts, .max_bytes = 64 * MIB, .parent = all));
    gos_ring *ring = ring_in(part);
    gos_ring_writer *w = make_writer(ring);

    assert_int_equal(gos_ring_writer_append(w, bytes, sizeof bytes, 0, NULL), GOS_EBUDGET);
    assert_in_range(of(all).bytes, 0, MIB);
    assert_int_equal(of(part).bytes, of(all).bytes);
    take_down(ring, w, NULL);
    gos_ring_set_unref(part);
    gos_ring_set_unref(all);
}

static void sets_nest_once_and_are_swept_from_outside(void **state)
{
    (void)state;
    gos_ring_set *all = make_set(NULL), *third = NULL;
    gos_ring_set *part = make_set(GOS_OPTS(gos_ring_set_opts, .parent = all));
    gos_ring *ring = NULL;

    assert_int_equal(gos_ring_set_new(&third, GOS_OPTS(gos_ring_set_opts, .parent = part)),
                     GOS_EINVAL);
    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .set = part, .idle_ns = 1)), 0);
    int64_t deadline = soon();
    while (gos_ring_set_sweep(all) == 0)
        assert_true(in_ms(0) < deadline);
    assert_int_equal(of(part).streams, 0);
    gos_ring_unref(ring);
    gos_ring_set_unref(part);
    gos_ring_set_unref(all);
}

/* ---- idle rings ---- */

static void count_idle(void *user, gos_ring *ring)
{
    unsigned *n = user;

    assert_int_equal(*(int *)gos_ring_user(ring), 42);
    ++*n;
}

static void idle_rings_are_told(void **state)
{
    (void)state;
    unsigned idle = 0;
    int mark = 42;
    gos_ring_set *set = make_set(GOS_OPTS(gos_ring_set_opts, .on_idle = count_idle, .user = &idle));
    gos_ring *ring = NULL;

    assert_int_equal(
        gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .set = set, .idle_ns = 1000000, .user = &mark)),
        0);
    gos_ring_reader *r = make_reader(ring, GOS_RING_NOW, GOS_RING_DROP_OLDEST);
    int64_t until = in_ms(3);
    while (in_ms(0) < until)
        ;
    assert_int_equal(gos_ring_set_sweep(set), 0); /* somebody reads */
    gos_ring_reader_close(r);
    int64_t deadline = soon();
    while (gos_ring_set_sweep(set) == 0)
        assert_true(in_ms(0) < deadline);
    assert_int_equal(idle, 1);
    gos_ring_unref(ring);
    gos_ring_set_unref(set);
}

static void idle_ring_is_deleted_if_nobody_cares(void **state)
{
    (void)state;
    gos_ring_set *set = make_set(NULL);
    gos_ring *ring = NULL, *for_ever = ring_in(set);
    gos_ring_reader *r = NULL;

    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .set = set, .idle_ns = 1)), 0);
    int64_t deadline = soon();
    while (gos_ring_set_sweep(set) == 0)
        assert_true(in_ms(0) < deadline);
    assert_int_equal(gos_ring_set_sweep(set), 0);
    assert_int_equal(gos_ring_reader_open(&r, ring, NULL), GOS_ENOENT);
    assert_int_equal(of(set).streams, 1);
    gos_ring_unref(ring);
    gos_ring_unref(for_ever);
    gos_ring_set_unref(set);
}

/* ---- many threads ---- */

#define RINGS 6u

struct city {
    gos_ring_set *set;
    pthread_mutex_t lock;
    gos_ring *rings[RINGS]; /* guarded by lock */
    atomic_bool wrong;
};

struct dweller {
    struct city *city;
    uint64_t random;
    pthread_t thread;
};

static gos_ring *pick(struct dweller *d, bool replace)
{
    struct city *c = d->city;
    size_t i = data_random(&d->random) % RINGS;
    gos_ring *fresh = NULL, *old = NULL;

    if (replace && gos_ring_new(&fresh, GOS_OPTS(gos_ring_opts, .set = c->set, .ring_bytes = MIB,
                                                 .channel_bytes = MIB)) < 0)
        fresh = NULL;
    pthread_mutex_lock(&c->lock);
    if (fresh) {
        old = c->rings[i];
        c->rings[i] = fresh;
    }
    gos_ring *ring = gos_ring_ref(c->rings[i]);
    pthread_mutex_unlock(&c->lock);
    if (data_random(&d->random) % 2)
        gos_ring_delete(old);
    gos_ring_unref(old);
    return ring;
}

static void write_a_little(struct dweller *d, gos_ring *ring)
{
    static const char bytes[50000];
    gos_ring_writer *w = NULL;

    if (gos_ring_writer_open(&w, ring, NULL) < 0)
        return;
    for (unsigned i = 0; i < 20; i++) {
        size_t len = 1 + data_random(&d->random) % sizeof bytes;
        int64_t n = gos_ring_writer_append(w, bytes, len, 0, NULL);
        if (n != (int64_t)len && n != GOS_EBUDGET && n != -EPIPE)
            atomic_store(&d->city->wrong, true);
    }
    gos_ring_writer_close(w);
}

static void read_a_little(struct dweller *d, gos_ring *ring)
{
    gos_ring_reader *r = NULL;
    char buf[20000];
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = 1};

    if (gos_ring_reader_open(&r, ring,
                             GOS_OPTS(gos_ring_reader_opts, .policy = (enum gos_ring_policy)(
                                                                data_random(&d->random) % 3))) < 0)
        return;
    for (unsigned i = 0; i < 50; i++)
        gos_ring_reader_read(r, buf, sizeof buf, &io, NULL);
    gos_ring_reader_close(r);
}

static void *dwell(void *arg)
{
    struct dweller *d = arg;

    for (unsigned i = 0; i < 150; i++) {
        gos_ring *ring = pick(d, i % 10 == 0);
        switch (data_random(&d->random) % 4) {
        case 0:
            read_a_little(d, ring);
            break;
        case 1:
            gos_ring_set_get_stats(
                d->city->set,
                &(struct gos_ring_set_stats){.struct_size = sizeof(struct gos_ring_set_stats)});
            break;
        default:
            write_a_little(d, ring);
        }
        gos_ring_unref(ring);
    }
    return NULL;
}

static void rings_come_and_go_under_a_small_budget(void **state)
{
    (void)state;
    struct city c = {.set = make_set(GOS_OPTS(gos_ring_set_opts, .max_bytes = 2 * MIB,
                                              .max_streams = RINGS + 2))};
    struct dweller d[4];

    pthread_mutex_init(&c.lock, NULL);
    for (unsigned i = 0; i < RINGS; i++)
        c.rings[i] = ring_in(c.set);
    for (unsigned i = 0; i < 4; i++) {
        d[i] = (struct dweller){.city = &c, .random = i + 1};
        assert_int_equal(pthread_create(&d[i].thread, NULL, dwell, &d[i]), 0);
    }
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(gos_ring_set_sweep(c.set), 0);
        assert_in_range(of(c.set).bytes, 0, 2 * MIB);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(d[i].thread, NULL);
    assert_false(c.wrong);
    for (unsigned i = 0; i < RINGS; i++)
        gos_ring_unref(c.rings[i]);
    assert_int_equal(of(c.set).bytes, 0);
    assert_int_equal(of(c.set).streams, 0);
    assert_int_equal(of(c.set).readers, 0);
    pthread_mutex_destroy(&c.lock);
    gos_ring_set_unref(c.set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_limited_and_deleted_ones_do_not_count),
        cmocka_unit_test(readers_are_limited),
        cmocka_unit_test(ring_limits_its_own_readers),
        cmocka_unit_test(busy_stream_does_not_push_out_the_small_ones),
        cmocka_unit_test(memory_that_cannot_be_had_is_refused),
        cmocka_unit_test(thousands_of_small_streams_are_not_asked_one_by_one),
        cmocka_unit_test(unread_bytes_of_a_blocking_reader_are_not_given_up),
        cmocka_unit_test(parent_counts_streams_and_readers_of_both),
        cmocka_unit_test(memory_of_a_part_counts_in_the_whole),
        cmocka_unit_test(memory_that_the_whole_has_not_is_no_part_s),
        cmocka_unit_test(sets_nest_once_and_are_swept_from_outside),
        cmocka_unit_test(idle_rings_are_told),
        cmocka_unit_test(idle_ring_is_deleted_if_nobody_cares),
        cmocka_unit_test(rings_come_and_go_under_a_small_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
