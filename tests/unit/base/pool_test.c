/* SPDX-License-Identifier: MIT
 *
 * Workers: each job runs once, never too many at a time, and the pool may go
 * while they work. */
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <gostream/error.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"

#define N 20

struct site {
    gos__mutex lock;
    gos__cond changed;
    /* guarded by lock */
    unsigned running, most_running, finished;
    bool gate_open;
};

struct task {
    struct gos__job job;
    struct site *site;
    unsigned runs;
    struct gos__pool *give_up; /* free this pool from inside the job */
};

static void run_task(struct gos__job *job)
{
    struct task *t = GOS__LIST_OWNER(job, struct task, job);
    struct site *s = t->site;

    gos__pool_free(t->give_up);
    gos__lock(&s->lock);
    t->runs++;
    if (++s->running > s->most_running)
        s->most_running = s->running;
    gos__cond_broadcast(&s->changed);
    while (!s->gate_open)
        gos__cond_wait(&s->changed, &s->lock);
    s->running--;
    s->finished++;
    gos__cond_broadcast(&s->changed);
    gos__unlock(&s->lock);
}

static void set_up(struct site *s, struct task *tasks)
{
    memset(s, 0, sizeof *s);
    memset(tasks, 0, N * sizeof *tasks);
    assert_int_equal(gos__mutex_init(&s->lock), 0);
    assert_int_equal(gos__cond_init(&s->changed), 0);
    for (unsigned i = 0; i < N; i++) {
        tasks[i].job.run = run_task;
        tasks[i].site = s;
    }
}

static void tear_down(struct site *s)
{
    gos__cond_finish(&s->changed);
    gos__mutex_finish(&s->lock);
}

static void open_gate(struct site *s)
{
    gos__lock(&s->lock);
    s->gate_open = true;
    gos__cond_broadcast(&s->changed);
    gos__unlock(&s->lock);
}

static void await(struct site *s, const unsigned *what, unsigned n)
{
    int64_t until = gos__clock_ns() + 20 * GOS__SECOND;

    gos__lock(&s->lock);
    while (*what < n && gos__cond_wait_until(&s->changed, &s->lock, until))
        ;
    assert_true(*what >= n);
    gos__unlock(&s->lock);
}

static void every_job_runs_once_and_two_at_a_time(void **state)
{
    struct site s;
    struct task tasks[N];
    struct gos__pool *p;

    (void)state;
    set_up(&s, tasks);
    assert_int_equal(gos__pool_new(&p, 2), 0);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(gos__pool_add(p, &tasks[i].job), 0);
    await(&s, &s.running, 2);
    open_gate(&s);
    await(&s, &s.finished, N);
    gos__lock(&s.lock);
    assert_int_equal(s.most_running, 2);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(tasks[i].runs, 1);
    gos__unlock(&s.lock);
    gos__pool_free(p);
    tear_down(&s);
}

static void waiting_jobs_run_after_the_pool_was_freed(void **state)
{
    struct site s;
    struct task tasks[N];
    struct gos__pool *p;

    (void)state;
    set_up(&s, tasks);
    assert_int_equal(gos__pool_new(&p, 1), 0);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(gos__pool_add(p, &tasks[i].job), 0);
    gos__pool_free(p);
    open_gate(&s);
    await(&s, &s.finished, N);
    tear_down(&s);
}

static void job_may_free_its_pool(void **state)
{
    struct site s;
    struct task tasks[N];
    struct gos__pool *p;

    (void)state;
    set_up(&s, tasks);
    assert_int_equal(gos__pool_new(&p, 2), 0);
    tasks[0].give_up = p;
    open_gate(&s);
    assert_int_equal(gos__pool_add(p, &tasks[0].job), 0);
    await(&s, &s.finished, 1);
    tear_down(&s);
}

static void job_stays_with_its_owner_when_no_thread_can_start(void **state)
{
    struct site s;
    struct task tasks[N];
    struct gos__pool *p;

    (void)state;
    set_up(&s, tasks);
    gos__alloc_fail_at(1, 0);
    assert_int_equal(gos__pool_new(&p, 2), GOS_ENOMEM);
    gos__alloc_fail_at(0, 0);
    assert_int_equal(gos__pool_new(&p, 2), 0);
    gos__alloc_fail_at(1, 1);
    assert_int_equal(gos__pool_add(p, &tasks[0].job), GOS_ENOMEM);
    gos__alloc_fail_at(0, 0);
    open_gate(&s);
    assert_int_equal(gos__pool_add(p, &tasks[0].job), 0);
    await(&s, &s.finished, 1);
    assert_int_equal(tasks[0].runs, 1);
    gos__pool_free(p);
    tear_down(&s);
}

static void one_thread_is_enough_when_no_second_can_start(void **state)
{
    struct site s;
    struct task tasks[N];
    struct gos__pool *p;

    (void)state;
    set_up(&s, tasks);
    assert_int_equal(gos__pool_new(&p, 2), 0);
    assert_int_equal(gos__pool_add(p, &tasks[0].job), 0);
    await(&s, &s.running, 1);
    gos__alloc_fail_at(1, 1);
    assert_int_equal(gos__pool_add(p, &tasks[1].job), 0);
    gos__alloc_fail_at(0, 0);
    open_gate(&s);
    await(&s, &s.finished, 2);
    gos__pool_free(p);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once_and_two_at_a_time),
        cmocka_unit_test(waiting_jobs_run_after_the_pool_was_freed),
        cmocka_unit_test(job_may_free_its_pool),
        cmocka_unit_test(job_stays_with_its_owner_when_no_thread_can_start),
        cmocka_unit_test(one_thread_is_enough_when_no_second_can_start),
    };
    gos__pool_free(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
