/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/tasks.h"

struct counted {
    struct http_task task;
    int runs, order;
    int *clock;
};

static void count(struct http_task *task)
{
    struct counted *c = (struct counted *)(void *)task;
    c->runs++;
    c->order = (*c->clock)++;
}

static void tasks_run_once_in_order_of_posting(void **state)
{
    (void)state;
    struct http_tasks t = {NULL};
    int clock = 0;
    struct counted c[3];
    for (int i = 0; i < 3; i++)
        c[i] = (struct counted){.task = {.run = count}, .clock = &clock};
    assert_false(http_tasks_run(&t));
    for (int i = 0; i < 3; i++)
        assert_true(http_tasks_push(&t, &c[i].task));
    assert_false(http_tasks_push(&t, &c[0].task));
    assert_true(http_tasks_any(&t));
    assert_true(http_tasks_run(&t));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(c[i].runs, 1);
        assert_int_equal(c[i].order, i);
    }
    assert_false(http_tasks_any(&t));
    assert_false(http_tasks_run(&t));
}

static struct http_tasks *again_in;

static void again(struct http_task *task)
{
    struct counted *c = (struct counted *)(void *)task;
    if (++c->runs < 3)
        assert_true(http_tasks_push(again_in, task));
}

static void a_task_may_post_itself_for_the_next_time(void **state)
{
    (void)state;
    struct http_tasks t = {NULL};
    struct counted c = {.task = {.run = again}};
    again_in = &t;
    http_tasks_push(&t, &c.task);
    for (int i = 1; i <= 3; i++) {
        assert_true(http_tasks_run(&t));
        assert_int_equal(c.runs, i);
    }
    assert_false(http_tasks_run(&t));
}

static void free_it(struct http_task *task)
{
    free(task);
}

static void a_task_may_be_freed_when_it_runs(void **state)
{
    (void)state;
    struct http_tasks t = {NULL};
    for (int i = 0; i < 3; i++) {
        struct http_task *task = calloc(1, sizeof *task);
        task->run = free_it;
        http_tasks_push(&t, task);
    }
    assert_true(http_tasks_run(&t));
}

#define POSTERS 4
#define POSTS 100000

/* Each poster counts up before it posts; what has been counted when the last task
 * has run must be everything. */
struct shared {
    struct http_task task;
    struct http_tasks tasks;
    atomic_long counted; /* by posters */
    long seen;           /* by the task */
    atomic_int done;
};

static void look(struct http_task *task)
{
    struct shared *s = (struct shared *)(void *)task;
    s->seen = atomic_load_explicit(&s->counted, memory_order_relaxed);
}

static void *post_often(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < POSTS; i++) {
        atomic_fetch_add_explicit(&s->counted, 1, memory_order_relaxed);
        http_tasks_push(&s->tasks, &s->task);
    }
    atomic_fetch_add(&s->done, 1);
    return NULL;
}

static void no_post_is_lost_however_many_post(void **state)
{
    (void)state;
    static struct shared s;
    pthread_t threads[POSTERS];
    s.task.run = look;
    for (int i = 0; i < POSTERS; i++)
        pthread_create(&threads[i], NULL, post_often, &s);
    while (atomic_load(&s.done) < POSTERS)
        http_tasks_run(&s.tasks);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    http_tasks_run(&s.tasks);
    assert_int_equal(s.seen, (long)POSTERS * POSTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_once_in_order_of_posting),
        cmocka_unit_test(a_task_may_post_itself_for_the_next_time),
        cmocka_unit_test(a_task_may_be_freed_when_it_runs),
        cmocka_unit_test(no_post_is_lost_however_many_post),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
