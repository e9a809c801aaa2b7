/* SPDX-License-Identifier: MIT
 *
 * Blocking reads of a source that waits. */
#include "source/source.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "support/data.h"
#include "support/delay_source.h"

#define SIZE 100000u
#define SEED 3u

struct rig {
    gos_source *source;
    struct delay_source *control;
    gos_cancel *cancel;
};

static void open_rig(struct rig *r, const struct delay_opts *opts)
{
    struct delay_opts o = *opts;

    o.seed = SEED;
    o.size = SIZE;
    assert_int_equal(delay_source_new(&r->source, &r->control, &o), 0);
    assert_int_equal(gos_cancel_new(&r->cancel), 0);
}

static void close_rig(struct rig *r)
{
    gos_source_unref(r->source);
    delay_source_free(r->control);
    gos_cancel_free(r->cancel);
}

/* A thread that reads, and what came of it. */
struct reader {
    struct rig *rig;
    pthread_t thread;
    size_t len;
    int64_t result;
    char sentence[100];
    unsigned char buf[5000];
};

static void *read_blocking(void *arg)
{
    struct reader *t = arg;
    struct gos_io io = {.struct_size = sizeof io, .cancel = t->rig->cancel};

    t->result = gos_source_pread(t->rig->source, t->buf, t->len, 50, &io);
    if (t->result < 0)
        strncpy(t->sentence, gos_last_error(), sizeof t->sentence - 1);
    return NULL;
}

static void start_reader(struct reader *t, struct rig *rig, size_t len)
{
    memset(t, 0, sizeof *t);
    t->rig = rig;
    t->len = len;
    assert_int_equal(pthread_create(&t->thread, NULL, read_blocking, t), 0);
}

static int64_t join_reader(struct reader *t)
{
    assert_int_equal(pthread_join(t->thread, NULL), 0);
    return t->result;
}

static void read_waits_until_the_bytes_are_there(void **state)
{
    struct rig r;
    struct reader t;

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true});
    start_reader(&t, &r, 1000);
    assert_true(delay_source_await_pending(r.control, 1));
    delay_source_let(r.control, 1);
    assert_int_equal(join_reader(&t), 1000);
    assert_int_equal(data_check(t.buf, 1000, SEED, 50), 1000);
    close_rig(&r);
}

static void read_asks_again_until_it_has_all(void **state)
{
    struct rig r;
    unsigned char buf[1000];
    struct gos_io io = {.struct_size = sizeof io, .flags = GOS_READ_PARTIAL};

    (void)state;
    open_rig(&r, &(struct delay_opts){.max_bytes = 300});
    assert_int_equal(gos_source_pread(r.source, buf, 1000, 50, NULL), 1000);
    assert_int_equal(data_check(buf, 1000, SEED, 50), 1000);
    assert_int_equal(gos_source_pread(r.source, buf, 1000, 50, &io), 300);
    close_rig(&r);
}

static void firing_the_latch_wakes_all_who_wait(void **state)
{
    struct rig r;
    struct reader t[8];

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true});
    for (unsigned i = 0; i < 8; i++)
        start_reader(&t[i], &r, 1000);
    assert_true(delay_source_await_pending(r.control, 8));
    gos_cancel_fire(r.cancel);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(join_reader(&t[i]), GOS_ECANCELED);
        assert_string_equal(t[i].sentence, "cancelled");
    }
    assert_int_equal(delay_source_cancels(r.control), 8);
    close_rig(&r);
}

static void cancel_keeps_the_bytes_that_came_before(void **state)
{
    struct rig r;
    struct reader t;

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true, .max_bytes = 300});
    start_reader(&t, &r, 1000);
    assert_true(delay_source_await_started(r.control, 1));
    delay_source_let(r.control, 1);
    assert_true(delay_source_await_started(r.control, 2));
    gos_cancel_fire(r.cancel);
    assert_int_equal(join_reader(&t), 300);
    assert_int_equal(data_check(t.buf, 300, SEED, 50), 300);
    close_rig(&r);
}

static void deadline_ends_the_wait(void **state)
{
    struct rig r;
    char buf[10];
    struct gos_io io = {.struct_size = sizeof io};

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true});
    io.deadline_ns = gos__clock_ns() + 20 * GOS__MS;
    assert_int_equal(gos_source_pread(r.source, buf, 10, 0, &io), GOS_ETIMEDOUT);
    assert_true(gos__clock_ns() >= io.deadline_ns);
    assert_true(delay_source_await_pending(r.control, 0));
    close_rig(&r);
}

static void deadline_in_the_past_starts_nothing(void **state)
{
    struct rig r;
    char buf[10];
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = 1};

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true});
    assert_int_equal(gos_source_pread(r.source, buf, 10, 0, &io), GOS_ETIMEDOUT);
    assert_string_equal(gos_last_error(), "deadline passed");
    assert_int_equal(delay_source_cancels(r.control), 0);
    close_rig(&r);
}

static void idle_time_reaches_the_source(void **state)
{
    struct rig r;
    char buf[10];
    struct gos_io io = {.struct_size = sizeof io, .idle_ns = 20 * GOS__MS};

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = true});
    assert_int_equal(gos_source_pread(r.source, buf, 10, 0, &io), GOS_ETIMEDOUT);
    assert_string_equal(gos_last_error(), "source delay: Connection timed out");
    close_rig(&r);
}

/* A deadline that the source knows nothing of: it never ends a read by itself. */
struct deaf {
    gos_source *source;
    struct gos_read *pending;
    gos__mutex lock;
    gos__cond changed;
    bool cancelled;
};

static int deaf_start(void *self, struct gos_read *r)
{
    struct deaf *d = self;

    d->pending = r;
    return 0;
}

static void deaf_cancel(void *self, struct gos_read *r)
{
    struct deaf *d = self;

    (void)r;
    gos__lock(&d->lock);
    d->cancelled = true;
    gos__cond_signal(&d->changed);
    gos__unlock(&d->lock);
}

static int64_t deaf_size(void *self)
{
    (void)self;
    return 100;
}

static void *deaf_thread(void *arg)
{
    struct deaf *d = arg;

    gos__lock(&d->lock);
    while (!d->cancelled)
        gos__cond_wait(&d->changed, &d->lock);
    gos__unlock(&d->lock);
    gos_read_complete(d->pending, GOS_ECANCELED);
    return NULL;
}

static void deadline_holds_for_a_source_that_knows_only_cancel(void **state)
{
    static const struct gos_source_ops ops = {
        .struct_size = sizeof ops,
        .name = "deaf",
        .start = deaf_start,
        .cancel = deaf_cancel,
        .size = deaf_size,
    };
    struct deaf d = {.cancelled = false};
    struct gos_io io = {.struct_size = sizeof io};
    pthread_t thread;
    char buf[10];

    (void)state;
    assert_int_equal(gos__mutex_init(&d.lock), 0);
    assert_int_equal(gos__cond_init(&d.changed), 0);
    assert_int_equal(gos_source_new(&d.source, &ops, &d), 0);
    assert_int_equal(pthread_create(&thread, NULL, deaf_thread, &d), 0);
    io.deadline_ns = gos__clock_ns() + 10 * GOS__MS;
    assert_int_equal(gos_source_pread(d.source, buf, 10, 0, &io), GOS_ETIMEDOUT);
    assert_string_equal(gos_last_error(), "deadline passed");
    assert_int_equal(pthread_join(thread, NULL), 0);
    gos_source_unref(d.source);
    gos__cond_finish(&d.changed);
    gos__mutex_finish(&d.lock);
}

/* A source that keeps something for each read until `done` has returned, as it
 * may: a cancel that is under way must have ended by then. */
struct strict {
    struct gos_read *pending;
    atomic_bool cancelling, completing, completed;
    atomic_bool cancel_came_too_late;
};

static int strict_start(void *self, struct gos_read *r)
{
    struct strict *s = self;

    s->pending = r;
    return 0;
}

static void strict_cancel(void *self, struct gos_read *r)
{
    struct strict *s = self;

    (void)r;
    atomic_store(&s->cancelling, true);
    while (!atomic_load(&s->completing))
        sched_yield();
    for (int i = 0; i < 1000; i++) /* time enough for a wrong completion to get through */
        sched_yield();
    if (atomic_load(&s->completed))
        atomic_store(&s->cancel_came_too_late, true);
}

static int64_t strict_size(void *self)
{
    (void)self;
    return 100;
}

static void *strict_thread(void *arg)
{
    struct strict *s = arg;

    while (!atomic_load(&s->cancelling))
        sched_yield();
    atomic_store(&s->completing, true);
    gos_read_complete(s->pending, 10);
    atomic_store(&s->completed, true);
    return NULL;
}

static void completion_waits_for_a_cancel_that_has_begun(void **state)
{
    static const struct gos_source_ops ops = {
        .struct_size = sizeof ops,
        .name = "strict",
        .start = strict_start,
        .cancel = strict_cancel,
        .size = strict_size,
    };
    struct strict s = {.pending = NULL};
    struct gos_io io = {.struct_size = sizeof io};
    gos_source *source;
    pthread_t thread;
    char buf[10];

    (void)state;
    assert_int_equal(gos_source_new(&source, &ops, &s), 0);
    assert_int_equal(pthread_create(&thread, NULL, strict_thread, &s), 0);
    io.deadline_ns = gos__clock_ns() + 5 * GOS__MS;
    assert_int_equal(gos_source_pread(source, buf, 10, 0, &io), 10); /* the bytes won */
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(atomic_load(&s.cancel_came_too_late));
    gos_source_unref(source);
}

static void error_travels_with_its_sentence(void **state)
{
    struct rig r;
    char buf[10];

    (void)state;
    open_rig(&r, &(struct delay_opts){.told = false});
    delay_source_answer(r.control, GOS_EIO);
    assert_int_equal(gos_source_pread(r.source, buf, 10, 0, NULL), GOS_EIO);
    assert_string_equal(gos_last_error(), "source delay: Input/output error");
    delay_source_answer(r.control, 11);
    assert_int_equal(gos_source_pread(r.source, buf, 10, 0, NULL), GOS_ECONTRACT);
    assert_string_equal(gos_last_error(), "source delay gave 11 bytes when asked for 10");
    delay_source_answer(r.control, 0);
    assert_int_equal(gos_source_pread(r.source, buf, 10, 0, NULL), GOS_ECONTRACT);
    delay_source_answer(r.control, DELAY_BYTES);
    assert_int_equal(gos_source_pread(r.source, buf, 10, 0, NULL), 10);
    close_rig(&r);
}

static void *fire_soon(void *arg)
{
    struct rig *r = arg;

    delay_source_await_started(r->control, 1);
    gos_cancel_fire(r->cancel);
    return NULL;
}

static void cancel_and_completion_may_meet(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct rig r;
        struct reader t;
        pthread_t thread;
        open_rig(&r, &(struct delay_opts){.delay_ns = i * 100});
        assert_int_equal(pthread_create(&thread, NULL, fire_soon, &r), 0);
        start_reader(&t, &r, 1000);
        int64_t n = join_reader(&t);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(n == 1000 || n == GOS_ECANCELED);
        close_rig(&r);
    }
}

static void source_closes_with_the_last_reference_not_later(void **state)
{
    struct rig r;
    char buf[10];

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        open_rig(&r, &(struct delay_opts){.told = false});
        assert_int_equal(gos_source_pread(r.source, buf, 10, 0, NULL), 10);
        assert_int_equal(atomic_load(&r.source->refs), 1);
        close_rig(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_waits_until_the_bytes_are_there),
        cmocka_unit_test(read_asks_again_until_it_has_all),
        cmocka_unit_test(firing_the_latch_wakes_all_who_wait),
        cmocka_unit_test(cancel_keeps_the_bytes_that_came_before),
        cmocka_unit_test(deadline_ends_the_wait),
        cmocka_unit_test(deadline_in_the_past_starts_nothing),
        cmocka_unit_test(idle_time_reaches_the_source),
        cmocka_unit_test(deadline_holds_for_a_source_that_knows_only_cancel),
        cmocka_unit_test(completion_waits_for_a_cancel_that_has_begun),
        cmocka_unit_test(error_travels_with_its_sentence),
        cmocka_unit_test(cancel_and_completion_may_meet),
        cmocka_unit_test(source_closes_with_the_last_reference_not_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
