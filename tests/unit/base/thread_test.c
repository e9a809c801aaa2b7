/* SPDX-License-Identifier: MIT
 *
 * Threads with names and without signals; waiting with a deadline. */
#include "base/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <gostream/error.h>

#include "base/alloc.h"
#include "base/clock.h"

struct seen {
    gos__mutex lock;
    gos__cond changed;
    bool ran, term_blocked, segv_blocked;
    char name[16];
};

static void *look_around(void *arg)
{
    struct seen *s = arg;
    sigset_t mask;

    gos__lock(&s->lock);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    s->term_blocked = sigismember(&mask, SIGTERM);
    s->segv_blocked = sigismember(&mask, SIGSEGV);
    pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    s->ran = true;
    gos__cond_signal(&s->changed);
    gos__unlock(&s->lock);
    return s;
}

static void set_up(struct seen *s)
{
    memset(s, 0, sizeof *s);
    assert_int_equal(gos__mutex_init(&s->lock), 0);
    assert_int_equal(gos__cond_init(&s->changed), 0);
}

static void tear_down(struct seen *s)
{
    gos__cond_finish(&s->changed);
    gos__mutex_finish(&s->lock);
}

static void thread_has_its_name_and_no_signals(void **state)
{
    struct seen s;
    pthread_t thread;
    void *result;
    sigset_t mask;

    (void)state;
    set_up(&s);
    assert_int_equal(gos__thread_start(&thread, "a-name-that-is-too-long", look_around, &s), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &s);
    assert_string_equal(s.name, "a-name-that-is-");
    assert_true(s.term_blocked);
    assert_false(s.segv_blocked);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGTERM)); /* the starter's own mask is as before */
    tear_down(&s);
}

static void detached_thread_runs(void **state)
{
    struct seen s;

    (void)state;
    set_up(&s);
    assert_int_equal(gos__thread_start_detached("short", look_around, &s), 0);
    int64_t until = gos__clock_ns() + 20 * GOS__SECOND;
    gos__lock(&s.lock);
    while (!s.ran && gos__cond_wait_until(&s.changed, &s.lock, until))
        ;
    assert_true(s.ran);
    gos__unlock(&s.lock);
    assert_string_equal(s.name, "short");
    tear_down(&s);
}

static void thread_needs_memory(void **state)
{
    pthread_t thread;

    (void)state;
    gos__alloc_fail_at(1, 0);
    assert_int_equal(gos__thread_start(&thread, "none", look_around, NULL), GOS_ENOMEM);
    gos__alloc_fail_at(0, 0);
}

static void waiting_ends_at_the_deadline(void **state)
{
    struct seen s;

    (void)state;
    set_up(&s);
    int64_t until = gos__clock_ns() + 20 * GOS__MS;
    gos__lock(&s.lock);
    while (gos__cond_wait_until(&s.changed, &s.lock, until))
        ;
    gos__unlock(&s.lock);
    assert_true(gos__clock_ns() >= until);
    gos__lock(&s.lock);
    assert_false(gos__cond_wait_until(&s.changed, &s.lock, -5));
    gos__unlock(&s.lock);
    tear_down(&s);
}

static void waiting_for_ever_ends_by_signal(void **state)
{
    struct seen s;
    pthread_t thread;

    (void)state;
    set_up(&s);
    gos__lock(&s.lock);
    assert_int_equal(gos__thread_start(&thread, "waker", look_around, &s), 0);
    while (!s.ran)
        assert_true(gos__cond_wait_until(&s.changed, &s.lock, INT64_MAX));
    gos__unlock(&s.lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_has_its_name_and_no_signals),
        cmocka_unit_test(detached_thread_runs),
        cmocka_unit_test(thread_needs_memory),
        cmocka_unit_test(waiting_ends_at_the_deadline),
        cmocka_unit_test(waiting_for_ever_ends_by_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
