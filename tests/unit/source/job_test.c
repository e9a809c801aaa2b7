/* SPDX-License-Identifier: MIT
 *
 * Background reads of a source that can only block. */
#include "source/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "support/data.h"
#include "support/delay_source.h"
#include "support/fault_source.h"

#define SIZE 100000u
#define SEED 5u

/* A simple source (fault_source) over one that waits until it is told. */
struct rig {
    gos_source *below, *source;
    struct delay_source *control;
    struct fault_plan plan;
    gos__mutex lock;
    gos__cond changed;
    /* guarded by lock */
    unsigned dones;
    int64_t result;
    char sentence[100];
    bool free_read; /* done frees the read and drops the last reference */
};

static void open_rig(struct rig *r, const struct delay_opts *opts)
{
    struct delay_opts o = *opts;

    memset(r, 0, sizeof *r);
    o.seed = SEED;
    o.size = SIZE;
    assert_int_equal(gos__mutex_init(&r->lock), 0);
    assert_int_equal(gos__cond_init(&r->changed), 0);
    assert_int_equal(delay_source_new(&r->below, &r->control, &o), 0);
    assert_int_equal(fault_source_new(&r->source, r->below, &r->plan), 0);
    gos_source_unref(r->below);
}

static void close_rig(struct rig *r)
{
    gos_source_unref(r->source);
    delay_source_free(r->control);
    gos__cond_finish(&r->changed);
    gos__mutex_finish(&r->lock);
}

static void note_done(struct gos_read *read)
{
    struct rig *r = read->user;

    gos__lock(&r->lock);
    r->dones++;
    r->result = read->result;
    strncpy(r->sentence, gos_last_error(), sizeof r->sentence - 1);
    if (r->free_read) {
        free(read);
        gos_source_unref(r->source);
        r->source = NULL;
    }
    gos__cond_broadcast(&r->changed);
    gos__unlock(&r->lock);
}

static struct gos_read new_read(struct rig *r, void *buf, size_t len)
{
    return (struct gos_read){.struct_size = sizeof(struct gos_read),
                             .off = 10,
                             .len = len,
                             .buf = buf,
                             .done = note_done,
                             .user = r};
}

static void await_dones(struct rig *r, unsigned n)
{
    int64_t until = gos__clock_ns() + 20 * GOS__SECOND;

    gos__lock(&r->lock);
    while (r->dones < n && gos__cond_wait_until(&r->changed, &r->lock, until))
        ;
    assert_int_equal(r->dones, n);
    gos__unlock(&r->lock);
}

static void read_ends_on_a_worker(void **state)
{
    struct rig r;
    unsigned char buf[1000];

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true});
    struct gos_read read = new_read(&r, buf, 1000);
    assert_int_equal(gos_source_start(r.source, &read), 0);
    assert_true(delay_source_await_pending(r.control, 1));
    delay_source_let(r.control, 1);
    await_dones(&r, 1);
    assert_int_equal(r.result, 1000);
    assert_int_equal(data_check(buf, 1000, SEED, 10), 1000);
    close_rig(&r);
}

static void slices_are_not_lent(void **state)
{
    struct rig r;
    struct gos_slice slice;

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true});
    struct gos_read read = new_read(&r, NULL, 1000);
    read.slices = &slice;
    read.max_slices = 1;
    assert_int_equal(gos_source_start(r.source, &read), GOS_ENOTSUP);
    assert_int_equal(atomic_load(&r.source->refs), 1);
    close_rig(&r);
}

static void cancel_reaches_the_blocking_call(void **state)
{
    struct rig r;
    unsigned char buf[1000];

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true});
    struct gos_read read = new_read(&r, buf, 1000);
    assert_int_equal(gos_source_start(r.source, &read), 0);
    assert_true(delay_source_await_pending(r.control, 1));
    gos_read_cancel(&read);
    await_dones(&r, 1);
    assert_int_equal(r.result, GOS_ECANCELED);
    assert_string_equal(r.sentence, "cancelled");
    close_rig(&r);
}

static void cancelled_read_in_the_queue_never_asks_the_source(void **state)
{
    struct rig r;
    unsigned char buf[3][1000];
    struct gos_read reads[3];

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true});
    for (unsigned i = 0; i < 3; i++) {
        reads[i] = new_read(&r, buf[i], 1000);
        assert_int_equal(gos_source_start(r.source, &reads[i]), 0);
    }
    assert_true(delay_source_await_pending(r.control, 2)); /* both workers are busy */
    gos_read_cancel(&reads[2]);
    delay_source_let(r.control, 2);
    await_dones(&r, 3);
    assert_int_equal(atomic_load(&r.plan.reads), 2);
    close_rig(&r);
}

static void deadline_reaches_the_blocking_call(void **state)
{
    struct rig r;
    unsigned char buf[1000];

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true});
    struct gos_read read = new_read(&r, buf, 1000);
    read.deadline_ns = gos__clock_ns() + 20 * GOS__MS;
    int rc = gos_source_start(r.source, &read);
    if (rc == 0) {
        await_dones(&r, 1);
        rc = (int)r.result;
    }
    assert_int_equal(rc, GOS_ETIMEDOUT);
    close_rig(&r);
}

static void last_error_in_done_is_of_this_read(void **state)
{
    struct rig r;
    unsigned char buf[1000];

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = false});
    r.plan.fail_nth = 1;
    r.plan.fail_with = -ENOENT;
    struct gos_read read = new_read(&r, buf, 1000);
    assert_int_equal(gos_source_start(r.source, &read), 0);
    await_dones(&r, 1);
    assert_int_equal(r.result, -ENOENT);
    assert_string_equal(r.sentence, "source fault: No such file or directory");
    close_rig(&r);
}

static void done_may_free_the_read_and_the_source(void **state)
{
    struct rig r;
    unsigned char buf[1000];

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = false});
    struct gos_read *read = malloc(sizeof *read);
    assert_non_null(read);
    *read = new_read(&r, buf, 1000);
    r.free_read = true;
    assert_int_equal(gos_source_start(r.source, read), 0);
    await_dones(&r, 1);
    assert_true(delay_source_await_closed(r.control));
    assert_int_equal(atomic_load(&r.plan.closes), 1);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_ends_on_a_worker),
        cmocka_unit_test(slices_are_not_lent),
        cmocka_unit_test(cancel_reaches_the_blocking_call),
        cmocka_unit_test(cancelled_read_in_the_queue_never_asks_the_source),
        cmocka_unit_test(deadline_reaches_the_blocking_call),
        cmocka_unit_test(last_error_in_done_is_of_this_read),
        cmocka_unit_test(done_may_free_the_read_and_the_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
