/* SPDX-License-Identifier: MIT
 *
 * Being told: watches, the descriptor, blocking reads. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "rig.h"

struct rig {
    gos_ring *ring;
    gos_ring_writer *w;
    gos_ring_reader *r;
};

static int set_up(void **state)
{
    static struct rig rig;

    rig.ring = make_ring(MIB, 64 * KIB);
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

/* ---- watches ---- */

struct bell {
    struct gos_ring_watch watch;
    atomic_uint rung;
    gos_ring *arm_again; /* from inside */
};

static void ring_bell(struct gos_ring_watch *w)
{
    struct bell *b = w->user;

    atomic_fetch_add(&b->rung, 1);
    if (b->arm_again)
        assert_true(gos_ring_arm(b->arm_again, tail_of(b->arm_again), w) >= 0);
}

static void bell_init(struct bell *b)
{
    memset(b, 0, sizeof *b);
    b->watch = (struct gos_ring_watch){
        .struct_size = sizeof b->watch, .wake = ring_bell, .user = b};
}

static void watch_fires_once(void **state)
{
    struct rig *rig = *state;
    struct bell b;

    bell_init(&b);
    assert_int_equal(gos_ring_arm(rig->ring, 0, &b.watch), 0);
    assert_int_equal(gos_ring_arm(rig->ring, 0, &b.watch), GOS_EBUSY);
    append_pattern(rig->w, 10, 3);
    assert_int_equal(b.rung, 1);
    assert_int_equal(gos_ring_arm(rig->ring, 0, &b.watch), 1);
    assert_int_equal(gos_ring_arm(rig->ring, 30, &b.watch), 0);
    gos_ring_disarm(rig->ring, &b.watch);
    append_pattern(rig->w, 10, 1);
    assert_int_equal(b.rung, 1);
    gos_ring_disarm(rig->ring, &b.watch);
}

/* A long append is many records: readers must not sleep until its end. */
static void each_record_of_a_long_append_fires(void **state)
{
    struct rig *rig = *state;
    struct bell b;

    bell_init(&b);
    b.arm_again = rig->ring;
    assert_int_equal(gos_ring_arm(rig->ring, 0, &b.watch), 0);
    append_pattern(rig->w, 5 * MIB, 1);
    assert_int_equal(b.rung, 10); /* max_record is 512 KiB */
    gos_ring_disarm(rig->ring, &b.watch);
}

static void watch_may_be_armed_again_from_inside(void **state)
{
    struct rig *rig = *state;
    struct bell b;

    bell_init(&b);
    b.arm_again = rig->ring;
    assert_int_equal(gos_ring_arm(rig->ring, 0, &b.watch), 0);
    append_pattern(rig->w, 10, 5);
    assert_int_equal(b.rung, 5);
    gos_ring_disarm(rig->ring, &b.watch);
}

static void end_of_the_stream_fires(void **state)
{
    struct rig *rig = *state;
    struct bell b[3];

    for (unsigned i = 0; i < 3; i++) {
        bell_init(&b[i]);
        assert_int_equal(gos_ring_arm(rig->ring, 0, &b[i].watch), 0);
    }
    gos_ring_seal(rig->ring);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(b[i].rung, 1);
        assert_int_equal(gos_ring_arm(rig->ring, 0, &b[i].watch), 1);
    }
}

static void room_fires_when_there_is_enough_of_it(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *slow = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_BLOCK);
    char buf[1000];
    struct bell b;

    bell_init(&b);
    assert_int_equal(gos_ring_writer_arm(rig->w, 1000, &b.watch), 1);
    while (try_pattern(rig->w, 1024) == 1024)
        ;
    assert_int_equal(gos_ring_writer_arm(rig->w, 1500, &b.watch), 0);
    assert_int_equal(gos_ring_reader_read(slow, buf, 1000, NULL, NULL), 1000);
    assert_int_equal(b.rung, 0);
    assert_int_equal(gos_ring_reader_read(slow, buf, 1000, NULL, NULL), 1000);
    assert_int_equal(b.rung, 1);
    assert_int_equal(try_pattern(rig->w, 1500), 1500);
    assert_int_equal(gos_ring_writer_arm(rig->w, 100000, &b.watch), 0);
    gos_ring_reader_close(slow);
    assert_int_equal(b.rung, 2);
    gos_ring_disarm(rig->ring, &b.watch);
}

static void room_is_told_to_who_wants_little_of_it(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *slow = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_BLOCK);
    gos_ring_writer *other = make_writer(rig->ring);
    char buf[1000];
    struct bell much[2], little;

    bell_init(&much[0]);
    bell_init(&little);
    bell_init(&much[1]);
    while (try_pattern(rig->w, 1024) == 1024)
        ;
    assert_int_equal(gos_ring_writer_arm(rig->w, 50000, &much[0].watch), 0);
    assert_int_equal(gos_ring_writer_arm(other, 500, &little.watch), 0);
    assert_int_equal(gos_ring_writer_arm(rig->w, 50000, &much[1].watch), 0);
    assert_int_equal(gos_ring_reader_read(slow, buf, 1000, NULL, NULL), 1000);
    assert_int_equal(little.rung, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(much[i].rung, 0);
        gos_ring_disarm(rig->ring, &much[i].watch);
    }
    gos_ring_writer_close(other);
    gos_ring_reader_close(slow);
}

static void end_of_the_stream_fires_those_who_want_room(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *slow = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_BLOCK);
    struct bell b;

    bell_init(&b);
    while (try_pattern(rig->w, 1024) == 1024)
        ;
    assert_int_equal(gos_ring_writer_arm(rig->w, 1500, &b.watch), 0);
    gos_ring_delete(rig->ring);
    assert_int_equal(b.rung, 1);
    assert_int_equal(gos_ring_writer_arm(rig->w, 1500, &b.watch), 1);
    gos_ring_reader_close(slow);
}

static void disconnecting_a_reader_fires(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *slow = NULL;
    struct bell b;

    assert_int_equal(gos_ring_reader_open(&slow, rig->ring,
                                          GOS_OPTS(gos_ring_reader_opts, .start = GOS_RING_NOW,
                                                   .policy = GOS_RING_BLOCK, .block_ns = 1)),
                     0);
    while (try_pattern(rig->w, 1024) == 1024 && tail_of(rig->ring) < 64 * KIB)
        ;
    bell_init(&b);
    assert_int_equal(gos_ring_arm(rig->ring, tail_of(rig->ring), &b.watch), 0);
    assert_int_equal(gos_ring_writer_append(rig->w, "x", 1, 0, NULL), 1);
    assert_int_equal(b.rung, 1);
    gos_ring_reader_close(slow);
}

/* Armed and disarmed by two threads while two write: each disarm leaves a watch
 * that will not be touched any more. */
struct churn {
    gos_ring *ring;
    atomic_bool stop;
};

static void *arm_and_forget(void *arg)
{
    struct churn *c = arg;
    unsigned n = 0;

    while (!atomic_load(&c->stop)) {
        struct bell b;
        bell_init(&b);
        b.arm_again = n++ % 2 ? c->ring : NULL;
        assert_true(gos_ring_arm(c->ring, tail_of(c->ring), &b.watch) >= 0);
        if (atomic_load(&b.rung) == 0 && !b.arm_again)
            gos_ring_arm(c->ring, tail_of(c->ring), &b.watch);
        while (b.arm_again && atomic_load(&b.rung) == 0 && !atomic_load(&c->stop))
            sched_yield(); /* disarmed while it fires, and arms itself */
        gos_ring_disarm(c->ring, &b.watch);
        memset(&b, 0xee, sizeof b);
    }
    return NULL;
}

static void *write_on(void *arg)
{
    struct churn *c = arg;
    gos_ring_writer *w = make_writer(c->ring);

    for (unsigned i = 0; i < 20000; i++)
        assert_int_equal(gos_ring_writer_append(w, "0123456789", 10, 0, NULL), 10);
    gos_ring_writer_close(w);
    return NULL;
}

static void disarmed_watch_is_touched_no_more(void **state)
{
    struct rig *rig = *state;
    struct churn c = {.ring = rig->ring};
    pthread_t writers[2], watchers[2];

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&watchers[i], NULL, arm_and_forget, &c), 0);
        assert_int_equal(pthread_create(&writers[i], NULL, write_on, &c), 0);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&c.stop, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(watchers[i], NULL);
    assert_int_equal(tail_of(rig->ring), 400000);
}

/* ---- the descriptor ---- */

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    assert_true(poll(&p, 1, 0) >= 0);
    return p.revents & POLLIN;
}

static void descriptor_is_readable_while_there_is_something(void **state)
{
    struct rig *rig = *state;
    struct got got = {0};

    append_pattern(rig->w, 10, 1);
    int fd = gos_ring_reader_fd(rig->r);
    assert_true(fd >= 0);
    assert_int_equal(gos_ring_reader_fd(rig->r), fd);
    assert_true(is_readable(fd));
    for (unsigned i = 0; i < 3; i++) {
        drain(rig->r, &got);
        assert_int_equal(got.last, GOS_EAGAIN);
        assert_false(is_readable(fd));
        append_pattern(rig->w, 10, 2);
        assert_true(is_readable(fd));
    }
    drain(rig->r, &got);
    assert_int_equal(got.bytes, 70);
    assert_false(is_readable(fd));
    gos_ring_seal(rig->ring);
    assert_true(is_readable(fd));
    drain(rig->r, &got);
    assert_int_equal(got.last, 0);
}

/* ---- blocking reads ---- */

static void *append_later(void *arg)
{
    struct rig *rig = arg;

    wait_for_sleeping_read(rig->ring, 1);
    append_pattern(rig->w, 100, 1);
    return NULL;
}

static void read_waits_for_bytes(void **state)
{
    struct rig *rig = *state;
    struct gos_ring_note note = {.struct_size = sizeof note};
    pthread_t thread;
    char buf[1000];

    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(pthread_create(&thread, NULL, append_later, rig), 0);
        assert_int_equal(gos_ring_reader_read(rig->r, buf, sizeof buf, NULL, &note), 100);
        assert_int_equal(note.offset, i * 100);
        pthread_join(thread, NULL);
    }
}

static void read_gives_up_at_its_deadline(void **state)
{
    struct rig *rig = *state;
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = in_ms(5)};
    char buf[10];

    assert_int_equal(gos_ring_reader_read(rig->r, buf, sizeof buf, &io, NULL), GOS_ETIMEDOUT);
    assert_string_equal(gos_last_error(), "deadline passed");
    assert_true(in_ms(0) >= io.deadline_ns);
    io.deadline_ns = 0;
    io.idle_ns = 1000000;
    assert_int_equal(gos_ring_reader_wait(rig->r, &io), GOS_ETIMEDOUT);
    append_pattern(rig->w, 10, 1);
    io.deadline_ns = 1; /* what is there is given even then */
    assert_int_equal(gos_ring_reader_read(rig->r, buf, sizeof buf, &io, NULL), 10);
}

static void *fire(void *arg)
{
    struct firing *f = arg;

    wait_for_sleeping_read(f->ring, 1);
    gos_cancel_fire(f->cancel);
    return NULL;
}

static void read_can_be_cancelled(void **state)
{
    struct rig *rig = *state;
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = soon()};
    pthread_t thread;
    char buf[10];

    assert_int_equal(gos_cancel_new(&io.cancel), 0);
    struct firing f = {rig->ring, io.cancel};
    assert_int_equal(pthread_create(&thread, NULL, fire, &f), 0);
    assert_int_equal(gos_ring_reader_read(rig->r, buf, sizeof buf, &io, NULL), GOS_ECANCELED);
    assert_int_equal(gos_ring_reader_wait(rig->r, &io), GOS_ECANCELED);
    pthread_join(thread, NULL);
    gos_cancel_free(io.cancel);
    append_pattern(rig->w, 10, 1);
    assert_int_equal(gos_ring_reader_wait(rig->r, NULL), 0);
}

static void read_that_never_looks_before_it_sleeps_is_woken(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *r = NULL;
    pthread_t thread;
    char buf[1000];

    assert_int_equal(
        gos_ring_reader_open(&r, rig->ring, GOS_OPTS(gos_ring_reader_opts, .spin_ns = -1)), 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(pthread_create(&thread, NULL, append_later, rig), 0);
        assert_int_equal(gos_ring_reader_read(r, buf, sizeof buf, NULL, NULL), 100);
        pthread_join(thread, NULL);
    }
    gos_ring_reader_close(r);
}

static void *read_once(void *arg)
{
    char buf[10];

    return (void *)(intptr_t)gos_ring_reader_read(arg, buf, sizeof buf, NULL, NULL);
}

/* More than are woken at a time. */
static void a_record_wakes_each_of_many_threads(void **state)
{
    enum { N = 40 };
    struct rig *rig = *state;
    gos_ring_reader *r[N];
    pthread_t threads[N];
    void *n;

    for (unsigned i = 0; i < N; i++) {
        r[i] = make_reader(rig->ring, GOS_RING_OLDEST, GOS_RING_DROP_OLDEST);
        assert_int_equal(pthread_create(&threads[i], NULL, read_once, r[i]), 0);
    }
    wait_for_sleeping_read(rig->ring, N);
    append_pattern(rig->w, 10, 1);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(pthread_join(threads[i], &n), 0);
        assert_int_equal((intptr_t)n, 10);
        gos_ring_reader_close(r[i]);
    }
}

static void *append_one(void *arg)
{
    struct rig *rig = arg;
    static const char bytes[2000];

    return (void *)(intptr_t)gos_ring_writer_append(rig->w, bytes, sizeof bytes, 0, NULL);
}

static void reading_wakes_appends_that_wait(void **state)
{
    struct rig *rig = *state;
    gos_ring_reader *slow = make_reader(rig->ring, GOS_RING_NOW, GOS_RING_BLOCK);
    pthread_t threads[2];
    char buf[4000];
    void *n;

    while (try_pattern(rig->w, 1024) == 1024)
        ;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_one, rig), 0);
    wait_for_sleeping_append(rig->ring, 2);
    assert_int_equal(gos_ring_reader_read(slow, buf, sizeof buf, NULL, NULL), sizeof buf);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &n), 0);
        assert_int_equal((intptr_t)n, 2000);
    }
    gos_ring_reader_close(slow);
}

static void *seal_it(void *arg)
{
    wait_for_sleeping_read(arg, 1);
    gos_ring_seal(arg);
    return NULL;
}

static void seal_wakes_who_reads(void **state)
{
    struct rig *rig = *state;
    struct gos_ring_note note = {.struct_size = sizeof note};
    pthread_t thread;
    char buf[10];

    assert_int_equal(pthread_create(&thread, NULL, seal_it, rig->ring), 0);
    assert_int_equal(gos_ring_reader_read(rig->r, buf, sizeof buf, NULL, &note), 0);
    assert_int_equal(note.events, GOS_RING_SEALED);
    pthread_join(thread, NULL);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(watch_fires_once),
        WITH_RIG(each_record_of_a_long_append_fires),
        WITH_RIG(watch_may_be_armed_again_from_inside),
        WITH_RIG(end_of_the_stream_fires),
        WITH_RIG(room_fires_when_there_is_enough_of_it),
        WITH_RIG(room_is_told_to_who_wants_little_of_it),
        WITH_RIG(end_of_the_stream_fires_those_who_want_room),
        WITH_RIG(disconnecting_a_reader_fires),
        WITH_RIG(disarmed_watch_is_touched_no_more),
        WITH_RIG(descriptor_is_readable_while_there_is_something),
        WITH_RIG(read_waits_for_bytes),
        WITH_RIG(read_gives_up_at_its_deadline),
        WITH_RIG(read_can_be_cancelled),
        WITH_RIG(read_that_never_looks_before_it_sleeps_is_woken),
        WITH_RIG(a_record_wakes_each_of_many_threads),
        WITH_RIG(reading_wakes_appends_that_wait),
        WITH_RIG(seal_wakes_who_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
