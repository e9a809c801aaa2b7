/* SPDX-License-Identifier: MIT
 *
 * What every source has to do when a read may finish later: `done` comes once,
 * on a thread of the source, and bytes may be borrowed. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "contract_rig.h"
#include "support/data.h"

#define MAX_SLICES 64u

/* A read in the background, and the news of its end. */
struct background {
    struct gos_read read;
    struct gos_slice slices[MAX_SLICES];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* guarded by lock */
    unsigned dones;
    bool starting; /* inside gos_source_start() on thread `starter` */
    bool done_inside_start;
    pthread_t starter;
};

static void note_done(struct gos_read *r)
{
    struct background *b = r->user;

    pthread_mutex_lock(&b->lock);
    if (b->starting && pthread_equal(b->starter, pthread_self()))
        b->done_inside_start = true;
    b->dones++;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static void background_init(struct background *b, void *buf, size_t len, uint64_t off)
{
    memset(b, 0, sizeof *b);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    b->read.struct_size = sizeof b->read;
    b->read.off = off;
    b->read.len = len;
    b->read.buf = buf;
    b->read.slices = b->slices;
    b->read.max_slices = MAX_SLICES;
    b->read.done = note_done;
    b->read.user = b;
}

static int background_start(struct background *b, gos_source *s)
{
    pthread_mutex_lock(&b->lock);
    b->starting = true;
    b->starter = pthread_self();
    pthread_mutex_unlock(&b->lock);
    int rc = gos_source_start(s, &b->read);
    pthread_mutex_lock(&b->lock);
    b->starting = false;
    pthread_mutex_unlock(&b->lock);
    return rc;
}

/* The result of a read that was started with `rc`. */
static int64_t background_result(struct background *b, int rc)
{
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&b->lock);
    while (rc == 0 && b->dones == 0)
        pthread_cond_wait(&b->changed, &b->lock);
    assert_int_equal(b->dones, rc == 0 ? 1 : 0);
    assert_false(b->done_inside_start);
    pthread_mutex_unlock(&b->lock);
    return b->read.result;
}

static void background_finish(struct background *b)
{
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
}

static int64_t background_read(gos_source *s, struct background *b)
{
    return background_result(b, background_start(b, s));
}

/* ---- background reads ---- */

static void background_read_gives_all_and_ends_once(void **state)
{
    struct rig *r = *state;
    struct background b;

    background_init(&b, r->buf, 100000, 12345);
    assert_int_equal(background_read(r->source, &b), 100000);
    assert_int_equal(data_check(r->buf, 100000, SEED, 12345), 100000);
    assert_int_equal(b.read.n_slices, 0);
    gos_read_release(&b.read); /* harmless */
    background_finish(&b);
}

static void background_read_is_cut_at_the_end(void **state)
{
    struct rig *r = *state;
    struct background b;

    background_init(&b, r->buf, 1000, SIZE - 10);
    assert_int_equal(background_read(r->source, &b), 10);
    assert_int_equal(data_check(r->buf, 10, SEED, SIZE - 10), 10);
    background_finish(&b);
}

static void background_read_of_nothing_ends_at_once(void **state)
{
    struct rig *r = *state;
    struct background b;

    background_init(&b, r->buf, 100, SIZE);
    assert_int_equal(background_start(&b, r->source), 1);
    assert_int_equal(b.read.result, 0);
    background_finish(&b);
}

static void background_range_that_overflows_is_refused(void **state)
{
    struct rig *r = *state;
    struct background b;

    background_init(&b, r->buf, 100, UINT64_MAX - 10);
    assert_int_equal(background_start(&b, r->source), GOS_EINVAL);
    background_finish(&b);
}

static void many_background_reads_end_each_once(void **state)
{
    enum { N = 64, LEN = 4000 };
    struct rig *r = *state;
    struct background *b = calloc(N, sizeof *b);
    int rc[N];

    assert_non_null(b);
    for (unsigned i = 0; i < N; i++) {
        background_init(&b[i], r->buf + (size_t)i * LEN, LEN, (uint64_t)i * LEN);
        rc[i] = background_start(&b[i], r->source);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(background_result(&b[i], rc[i]), LEN);
        background_finish(&b[i]);
    }
    assert_int_equal(data_check(r->buf, N * LEN, SEED, 0), N * LEN);
    free(b);
}

/* A read that begins its next part inside `done`, in the same storage. */
struct chain {
    struct background b;
    gos_source *source;
    unsigned char *buf;
    uint64_t at;
    bool right;
};

static void next_link(struct gos_read *r)
{
    struct chain *c = r->user;

    for (;;) {
        c->right = c->right && r->result > 0;
        if (!c->right)
            break;
        c->at += (uint64_t)r->result;
        if (c->at == SIZE)
            break;
        r->off = c->at;
        r->len = 50000;
        r->buf = c->buf + c->at;
        int rc = gos_source_start(c->source, r);
        if (rc == 0)
            return;
        if (rc < 0)
            r->result = rc;
    }
    r->user = &c->b;
    note_done(r);
}

static void read_may_be_started_again_inside_done(void **state)
{
    struct rig *r = *state;
    struct chain c = {.source = r->source, .buf = r->buf, .right = true};

    background_init(&c.b, r->buf, 50000, 0);
    c.b.read.done = next_link;
    c.b.read.user = &c;
    int rc = gos_source_start(r->source, &c.b.read);
    assert_true(rc >= 0);
    if (rc == 1)
        next_link(&c.b.read);
    background_result(&c.b, 0);
    assert_true(c.right);
    assert_int_equal(c.at, SIZE);
    assert_int_equal(data_check(r->buf, SIZE, SEED, 0), SIZE);
    background_finish(&c.b);
}

static void pending_read_keeps_its_source(void **state)
{
    struct rig *r = *state;
    struct background b;

    background_init(&b, r->buf, 60000, 100);
    int rc = background_start(&b, r->source);
    gos_source_unref(r->source);
    r->source = NULL;
    assert_int_equal(background_result(&b, rc), 60000);
    assert_int_equal(data_check(r->buf, 60000, SEED, 100), 60000);
    background_finish(&b);
}

static void cancelled_read_ends_once_with_bytes_or_cancelled(void **state)
{
    struct rig *r = *state;
    struct background b;

    for (unsigned i = 0; i < 50; i++) {
        background_init(&b, r->buf, 2000, i * 2000);
        int rc = background_start(&b, r->source);
        pthread_mutex_lock(&b.lock); /* keeps `done` from ending while we cancel */
        if (rc == 0 && b.dones == 0)
            gos_read_cancel(&b.read);
        pthread_mutex_unlock(&b.lock);
        int64_t n = background_result(&b, rc);
        if (n != GOS_ECANCELED) { /* those that came before are not lost */
            assert_in_range(n, 1, 2000);
            assert_int_equal(data_check(r->buf, (size_t)n, SEED, i * 2000), n);
        }
        background_finish(&b);
    }
    assert_reads(r->source, r->buf, 5000, 0);
}

static void background_read_past_its_deadline_ends(void **state)
{
    struct rig *r = *state;
    struct background b;

    background_init(&b, r->buf, 100, 0);
    b.read.deadline_ns = 1;
    int64_t n = background_read(r->source, &b);
    assert_true(n == GOS_ETIMEDOUT || n == 100);
    background_finish(&b);
}

/* ---- slices ---- */

static size_t check_slices(const struct gos_read *read)
{
    size_t at = 0;

    for (unsigned i = 0; i < read->n_slices; i++) {
        const struct gos_slice *s = &read->slices[i];
        assert_int_equal(data_check(s->base, s->len, SEED, read->off + at), s->len);
        at += s->len;
    }
    return at;
}

static void borrowed_slices_are_the_bytes(void **state)
{
    struct rig *r = *state;
    struct background b;

    for (unsigned i = 0; i < 20; i++) {
        background_init(&b, NULL, 90000, i * 5001);
        int64_t n = background_read(r->source, &b);
        if (n == GOS_ENOTSUP) {
            background_finish(&b);
            return; /* it lends nothing */
        }
        assert_int_equal(n, 90000);
        assert_int_equal(check_slices(&b.read), 90000);
        gos_read_release(&b.read);
        assert_int_equal(b.read.n_slices, 0);
        gos_read_release(&b.read); /* harmless */
        background_finish(&b);
    }
}

static void slices_outlive_the_last_reference(void **state)
{
    struct rig *r = *state;
    struct background b;

    background_init(&b, NULL, 50000, 3);
    int rc = background_start(&b, r->source);
    gos_source_unref(r->source);
    r->source = NULL;
    int64_t n = background_result(&b, rc);
    if (n != GOS_ENOTSUP) {
        assert_int_equal(n, 50000);
        assert_int_equal(check_slices(&b.read), 50000);
        gos_read_release(&b.read);
    }
    background_finish(&b);
}

static void too_few_slices_end_short_or_refused(void **state)
{
    struct rig *r = *state;
    struct background b;

    background_init(&b, NULL, SIZE, 0);
    b.read.max_slices = 1;
    int64_t n = background_read(r->source, &b);
    if (n == SIZE)
        gos_read_release(&b.read); /* it lends all in one */
    else
        assert_true(n == GOS_E2BIG || n == GOS_ENOTSUP);
    assert_int_equal(b.read.n_slices, 0);
    background_finish(&b);

    background_init(&b, NULL, SIZE, 0);
    b.read.max_slices = 1;
    b.read.flags = GOS_READ_PARTIAL;
    n = background_read(r->source, &b);
    if (n != GOS_ENOTSUP) {
        assert_in_range(n, 1, SIZE);
        assert_int_equal(check_slices(&b.read), n);
        gos_read_release(&b.read);
    }
    background_finish(&b);
}

int source_contract_run_background(const struct source_maker *maker)
{
    static const struct CMUnitTest tests[] = {
        CONTRACT_TEST(background_read_gives_all_and_ends_once),
        CONTRACT_TEST(background_read_is_cut_at_the_end),
        CONTRACT_TEST(background_read_of_nothing_ends_at_once),
        CONTRACT_TEST(background_range_that_overflows_is_refused),
        CONTRACT_TEST(many_background_reads_end_each_once),
        CONTRACT_TEST(read_may_be_started_again_inside_done),
        CONTRACT_TEST(pending_read_keeps_its_source),
        CONTRACT_TEST(cancelled_read_ends_once_with_bytes_or_cancelled),
        CONTRACT_TEST(background_read_past_its_deadline_ends),
        CONTRACT_TEST(borrowed_slices_are_the_bytes),
        CONTRACT_TEST(slices_outlive_the_last_reference),
        CONTRACT_TEST(too_few_slices_end_short_or_refused),
    };
    contract_use(maker);
    return cmocka_run_group_tests_name("in the background", tests, NULL, NULL);
}
