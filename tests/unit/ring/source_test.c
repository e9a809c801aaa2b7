/* SPDX-License-Identifier: MIT
 *
 * What a ring does as a source beyond the contract of all sources: it waits for
 * what is not written yet, and forgets what is no longer kept. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "rig.h"
#include "support/data.h"

struct rig {
    gos_ring *ring;
    gos_ring_writer *w;
    gos_source *source;
};

static int set_up(void **state)
{
    static struct rig rig;

    rig.ring = make_ring(MIB, MIB);
    rig.w = make_writer(rig.ring);
    assert_int_equal(gos_ring_source(&rig.source, rig.ring), 0);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    gos_source_unref(rig->source);
    take_down(rig->ring, rig->w, NULL);
    return 0;
}

/* ---- size and window ---- */

static void size_is_known_when_sealed(void **state)
{
    struct rig *rig = *state;
    char buf[10];

    append_pattern(rig->w, 1000, 1);
    assert_int_equal(gos_source_size(rig->source), GOS_SIZE_UNKNOWN);
    gos_ring_seal(rig->ring);
    assert_int_equal(gos_source_size(rig->source), 1000);
    assert_int_equal(gos_source_pread(rig->source, buf, 10, 1000, NULL), 0);
    assert_int_equal(gos_source_pread(rig->source, buf, 10, 995, NULL), 5);
}

static void offset_that_left_the_window_has_elapsed(void **state)
{
    struct rig *rig = *state;
    static unsigned char buf[2 * MIB];

    append_pattern(rig->w, 100000, 30);
    uint64_t oldest = stats_of(rig->ring).oldest;
    assert_int_equal(gos_source_pread(rig->source, buf, 10, 0, NULL), GOS_ELAPPED);
    assert_string_equal(gos_last_error(), "offset is no longer kept");
    assert_int_equal(gos_source_present(rig->source, 0, 100), 0);
    assert_int_equal(gos_source_present(rig->source, oldest, 100), 100);
    assert_int_equal(gos_source_pread(rig->source, buf, 3000000 - oldest, oldest, NULL),
                     3000000 - oldest);
    assert_int_equal(data_check(buf, 3000000 - oldest, SEED, oldest), 3000000 - oldest);
}

/* ---- waiting ---- */

/* Not before somebody waits for it. */
static void *append_slowly(void *arg)
{
    struct rig *rig = arg;

    wait_for_watch(rig->ring);
    append_pattern(rig->w, 999, 100);
    gos_ring_seal(rig->ring);
    return NULL;
}

static void read_waits_until_all_is_written(void **state)
{
    struct rig *rig = *state;
    static unsigned char buf[99900];
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, append_slowly, rig), 0);
    assert_int_equal(gos_source_pread(rig->source, buf, 50000, 100, NULL), 50000);
    assert_int_equal(data_check(buf, 50000, SEED, 100), 50000);
    assert_int_equal(gos_source_pread(rig->source, buf, sizeof buf, 50000, NULL), 49900);
    assert_int_equal(data_check(buf, 49900, SEED, 50000), 49900);
    pthread_join(thread, NULL);
}

static void partial_read_takes_what_there_is(void **state)
{
    struct rig *rig = *state;
    struct gos_io io = {.struct_size = sizeof io, .flags = GOS_READ_PARTIAL};
    char buf[1000];

    append_pattern(rig->w, 300, 1);
    assert_int_equal(gos_source_pread(rig->source, buf, 1000, 0, &io), 300);
}

static void read_ends_at_its_deadline_with_what_came(void **state)
{
    struct rig *rig = *state;
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = in_ms(3)};
    char buf[1000];

    assert_int_equal(gos_source_pread(rig->source, buf, 1000, 0, &io), GOS_ETIMEDOUT);
    append_pattern(rig->w, 300, 1);
    io.deadline_ns = in_ms(3);
    assert_int_equal(gos_source_pread(rig->source, buf, 1000, 0, &io), 300);
}

struct ending {
    struct gos_read read;
    struct gos_slice slices[32];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned dones;
};

static void note_done(struct gos_read *r)
{
    struct ending *e = r->user;

    pthread_mutex_lock(&e->lock);
    e->dones++;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

static struct gos_read *ending_init(struct ending *e, void *buf, size_t len, uint64_t off)
{
    memset(e, 0, sizeof *e);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->changed, NULL);
    e->read = (struct gos_read){.struct_size = sizeof e->read,
                                .off = off,
                                .len = len,
                                .buf = buf,
                                .slices = e->slices,
                                .max_slices = 32,
                                .done = note_done,
                                .user = e};
    return &e->read;
}

static int64_t ending_wait(struct ending *e)
{
    pthread_mutex_lock(&e->lock);
    while (e->dones == 0)
        pthread_cond_wait(&e->changed, &e->lock);
    pthread_mutex_unlock(&e->lock);
    return e->read.result;
}

static void thousand_reads_that_wait_end_each_once(void **state)
{
    struct rig *rig = *state;
    static struct ending e[1000];
    static unsigned char bufs[1000][64];

    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(
            gos_source_start(rig->source, ending_init(&e[i], bufs[i], 64, 64ull * (999 - i))), 0);
    append_pattern(rig->w, 640, 100);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(ending_wait(&e[i]), 64);
        assert_int_equal(data_check(bufs[i], 64, SEED, 64ull * (999 - i)), 64);
    }
    /* Whatever would end one of them twice has happened when this one ends. */
    struct ending last;
    unsigned char buf[64];
    assert_int_equal(gos_source_start(rig->source, ending_init(&last, buf, 64, 64000)), 0);
    append_pattern(rig->w, 64, 1);
    assert_int_equal(ending_wait(&last), 64);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(e[i].dones, 1);
}

static void reads_that_wait_are_cancelled_or_late(void **state)
{
    struct rig *rig = *state;
    struct ending cancelled, late, idle, ended;
    char buf[4][10];

    assert_int_equal(gos_source_start(rig->source, ending_init(&cancelled, buf[0], 10, 0)), 0);
    ending_init(&late, buf[1], 10, 0)->deadline_ns = in_ms(2);
    ending_init(&idle, buf[2], 10, 0)->idle_ns = 1000000;
    assert_int_equal(gos_source_start(rig->source, &late.read), 0);
    assert_int_equal(gos_source_start(rig->source, &idle.read), 0);
    assert_int_equal(gos_source_start(rig->source, ending_init(&ended, buf[3], 10, 0)), 0);
    assert_int_equal(ending_wait(&late), GOS_ETIMEDOUT);
    assert_int_equal(ending_wait(&idle), GOS_ETIMEDOUT);
    gos_read_cancel(&cancelled.read);
    assert_int_equal(ending_wait(&cancelled), GOS_ECANCELED);
    append_pattern(rig->w, 4, 1);
    gos_ring_seal(rig->ring);
    assert_int_equal(ending_wait(&ended), 4);
}

static void read_that_waits_keeps_its_source(void **state)
{
    struct rig *rig = *state;
    struct ending e;
    char buf[10];

    assert_int_equal(gos_source_start(rig->source, ending_init(&e, buf, 10, 0)), 0);
    gos_source_unref(rig->source);
    rig->source = NULL;
    append_pattern(rig->w, 10, 1);
    assert_int_equal(ending_wait(&e), 10);
}

static void *append_a_byte(void *arg)
{
    struct rig *rig = arg;

    wait_for_watch(rig->ring);
    append_pattern(rig->w, 1, 1);
    return NULL;
}

static void read_of_a_byte_is_woken_by_one(void **state)
{
    struct rig *rig = *state;
    pthread_t thread;
    char byte;

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&thread, NULL, append_a_byte, rig), 0);
        assert_int_equal(gos_source_pread(rig->source, &byte, 1, i, NULL), 1);
        pthread_join(thread, NULL);
    }
}

/* ---- slices ---- */

static void lent_slices_outlive_the_window(void **state)
{
    struct rig *rig = *state;
    struct ending e;

    append_pattern(rig->w, 100000, 3);
    assert_int_equal(gos_source_start(rig->source, ending_init(&e, NULL, 250000, 1234)), 1);
    assert_int_equal(e.read.result, 250000);
    append_pattern(rig->w, 100000, 30);
    uint64_t at = 1234;
    for (unsigned i = 0; i < e.read.n_slices; i++) {
        assert_int_equal(data_check(e.slices[i].base, e.slices[i].len, SEED, at), e.slices[i].len);
        at += e.slices[i].len;
    }
    assert_int_equal(at, 251234);
    gos_read_release(&e.read);
}

static void slices_are_lent_when_all_is_written(void **state)
{
    struct rig *rig = *state;
    struct ending e;

    append_pattern(rig->w, 1000, 1);
    assert_int_equal(gos_source_start(rig->source, ending_init(&e, NULL, 3000, 0)), 0);
    append_pattern(rig->w, 1000, 2);
    assert_int_equal(ending_wait(&e), 3000);
    assert_int_equal(e.read.n_slices, 1);
    gos_read_release(&e.read);
    assert_int_equal(gos_source_start(rig->source, ending_init(&e, NULL, 3000, 1000)), 0);
    gos_ring_seal(rig->ring); /* then there will be no more */
    assert_int_equal(ending_wait(&e), 2000);
    gos_read_release(&e.read);
}

static void too_many_slices_are_refused(void **state)
{
    struct rig *rig = *state;
    struct ending e;

    append_pattern(rig->w, 500000, 2);
    ending_init(&e, NULL, 900000, 0)->max_slices = 2;
    assert_int_equal(gos_source_start(rig->source, &e.read), GOS_E2BIG);
    e.read.flags = GOS_READ_PARTIAL;
    assert_int_equal(gos_source_start(rig->source, &e.read), 1);
    assert_int_equal(e.read.n_slices, 2);
    gos_read_release(&e.read);
}

static void at_most_16_mib_are_lent(void **state)
{
    (void)state;
    gos_ring *ring = make_ring(8 * MIB, 0);
    gos_ring_writer *w = make_writer(ring);
    gos_source *source = NULL;
    static struct ending e[6];
    static struct gos_slice slices[6][128];

    append_pattern(w, MIB, 6);
    assert_int_equal(gos_ring_source(&source, ring), 0);
    for (unsigned i = 0; i < 6; i++) {
        ending_init(&e[i], NULL, 4 * MIB, 0);
        e[i].read.slices = slices[i];
        e[i].read.max_slices = 128;
        assert_int_equal(gos_source_start(source, &e[i].read), i < 4 ? 1 : GOS_EBUSY);
        if (i == 4)
            gos_read_release(&e[0].read);
        if (i == 4)
            assert_int_equal(gos_source_start(source, &e[4].read), 1);
    }
    for (unsigned i = 1; i < 5; i++)
        gos_read_release(&e[i].read);
    gos_source_unref(source);
    take_down(ring, w, NULL);
}

static void nonsense_is_refused(void **state)
{
    struct rig *rig = *state;
    gos_source *s = NULL;

    assert_int_equal(gos_ring_source(&s, NULL), GOS_EINVAL);
    assert_int_equal(gos_ring_source(NULL, rig->ring), GOS_EINVAL);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(size_is_known_when_sealed),
        WITH_RIG(offset_that_left_the_window_has_elapsed),
        WITH_RIG(read_waits_until_all_is_written),
        WITH_RIG(partial_read_takes_what_there_is),
        WITH_RIG(read_ends_at_its_deadline_with_what_came),
        WITH_RIG(thousand_reads_that_wait_end_each_once),
        WITH_RIG(reads_that_wait_are_cancelled_or_late),
        WITH_RIG(read_that_waits_keeps_its_source),
        WITH_RIG(lent_slices_outlive_the_window),
        WITH_RIG(slices_are_lent_when_all_is_written),
        WITH_RIG(too_many_slices_are_refused),
        WITH_RIG(read_of_a_byte_is_woken_by_one),
        WITH_RIG(at_most_16_mib_are_lent),
        WITH_RIG(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
