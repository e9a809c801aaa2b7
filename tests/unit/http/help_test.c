/* SPDX-License-Identifier: MIT
 *
 * A loop that does the light work of another one that sleeps: it must be done as if
 * on the loop's own thread, and what is left of it must not wait for anything else. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crew.h"

/* ---- Who does it ----------------------------------------------------------------- */

static void light_work_is_done_by_the_loop_that_asked_for_it(void **state)
{
    struct crew *c = crew_start(2);
    int tap, poker;
    bool whole;
    struct spot *s = crew_tap_and_poker(c, &tap, &poker);
    (void)state;
    crew_poke_until_helped(c, poker, s);
    assert_true(atomic_load(&s->by_others) > 0);
    atomic_store(&s->what, END);
    crew_poke(poker);
    rig_await(&s->ended, 1);
    struct text reply = client_read_reply(tap), body = reply_body(reply, &whole);
    assert_true(whole);
    assert_int_equal(strspn(body.at, "x"), body.len);
    assert_int_equal(body.len, atomic_load(&s->tap[0].sent));
    text_free(&body);
    text_free(&reply);
    crew_leave(c, tap, poker);
}

/* Who reads what was written comes before who wrote it. */
static void it_is_done_before_the_answer(void **state)
{
    struct crew *c = crew_start(2);
    int tap, poker;
    unsigned n_helped = 0;
    struct spot *s = crew_tap_and_poker(c, &tap, &poker);
    (void)state;
    for (int n = 0; n < POKES; n++) {
        uint64_t before = crew_stats(c).helped;
        crew_poke(poker);
        bool done = atomic_load(&s->seen) == atomic_load(&s->asked);
        crew_await_seen(s);
        if (crew_stats(c).helped == before)
            continue; /* its own thread does it, at its own time */
        assert_true(done);
        n_helped++;
    }
    assert_true(n_helped > 0);
    crew_leave(c, tap, poker);
}

/* Else nothing would be won: it would be woken each time. */
static void a_loop_that_was_helped_sleeps_on(void **state)
{
    struct crew *c = crew_start(2);
    int tap, poker;
    struct spot *s = crew_tap_and_poker(c, &tap, &poker);
    (void)state;
    atomic_store(&s->what, TIMER_FAR);
    crew_poke(poker);
    crew_await_seen(s);
    atomic_store(&s->what, FEED);
    struct http_stats before = crew_stats(c);
    for (int n = 0; n < POKES; n++) {
        crew_poke(poker);
        crew_await_seen(s);
    }
    struct http_stats after = crew_stats(c);
    assert_true(after.helped > before.helped);
    /* Each poke takes the one or the other. */
    assert_in_range(after.helped - before.helped + after.wakes - before.wakes, 1, POKES);
    crew_leave(c, tap, poker);
}

static void who_has_two_to_help_wakes_one(void **state)
{
    struct crew *c = crew_start(3);
    int fd[3];
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        fd[i] = client_connect(c->address);
    for (int n = 0; n < POKES; n++) {
        crew_poke(fd[1]);
        for (unsigned i = 0; i < 3; i++)
            crew_await_seen(&c->spot[i]);
    }
    assert_true(crew_stats(c).helped > 0);
    for (unsigned i = 0; i < 3; i++)
        close(fd[i]);
    crew_finish(c);
}

static void what_is_not_light_is_done_by_its_own_thread(void **state)
{
    struct crew *c = crew_start(2);
    int tap, poker;
    struct spot *s = crew_tap_and_poker(c, &tap, &poker);
    (void)state;
    for (int n = 1; n <= POKES; n++) {
        client_say(poker, "GET /heavy HTTP/1.1\r\nHost: x\r\n\r\n");
        client_expect(poker, 200, "poked\n");
        rig_await(&s->heavies, n);
    }
    crew_leave(c, tap, poker);
}

static void who_has_a_second_request_wakes_the_other(void **state)
{
    struct crew *c = crew_start(2);
    int tap, poker;
    struct spot *s = crew_tap_and_poker(c, &tap, &poker);
    (void)state;
    for (int n = 0; n < POKES; n++) {
        client_say(poker, "GET /poke HTTP/1.1\r\nHost: x\r\n\r\n"
                          "GET /poke HTTP/1.1\r\nHost: x\r\n\r\n");
        client_expect(poker, 200, "poked\n");
        client_expect(poker, 200, "poked\n");
        crew_await_seen(s);
    }
    assert_int_equal(crew_stats(c).helped, 0);
    crew_leave(c, tap, poker);
}

/* on_request() looks at its thread. */
static void requests_behind_a_stream_wait_for_their_own_thread(void **state)
{
    struct crew *c = crew_start(2);
    int poker = client_connect(c->address);
    (void)state;
    for (int n = 1; n <= POKES; n++) {
        int before = atomic_load(&c->taps), tap = client_connect(c->address);
        client_say(tap, "GET /tap HTTP/1.1\r\nHost: x\r\n\r\n"
                        "GET /poke HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        rig_await(&c->taps, before + 1);
        struct spot *s = &c->spot[atomic_load(&c->spot[1].taps) > 0];
        atomic_store(&s->what, END);
        crew_poke(poker);
        struct text all = client_read_all(tap);
        assert_true(text_has(all, "poked\n"));
        text_free(&all);
        close(tap);
        crew_await_connections(c, 1);
    }
    assert_true(crew_stats(c).helped > 0);
    close(poker);
    crew_finish(c);
}

/* ---- What is left of it ------------------------------------------------------------ */

static void what_is_due_before_its_sleep_would_end_wakes_the_loop(void **state)
{
    struct crew *c = crew_start(2);
    int tap, poker;
    struct spot *s = crew_tap_and_poker(c, &tap, &poker);
    (void)state;
    atomic_store(&s->what, TIMER);
    bool has_helped = false;
    for (int n = 0; !has_helped; n++) {
        int timers = atomic_load(&s->timers);
        assert_true(n < POKES);
        has_helped = crew_poke_helps(c, poker, s);
        rig_await(&s->timers, timers + 1); /* nothing else would wake it */
    }
    crew_leave(c, tap, poker);
}

static void what_becomes_ready_by_it_is_not_left_behind(void **state)
{
    struct crew *c = crew_start(2);
    int tap, poker;
    struct spot *s = crew_tap_and_poker(c, &tap, &poker);
    (void)state;
    int second = crew_open_tap(c, "1.1"), spare = client_connect(c->address);
    assert_int_equal(atomic_load(&s->taps), 2);
    atomic_store(&s->what, CHAIN);
    for (int n = 1; n <= POKES; n++) {
        crew_poke(poker);
        rig_await(&s->tap[1].sent, n);
    }
    assert_true(crew_stats(c).helped > 0);
    close(second);
    close(spare);
    crew_leave(c, tap, poker);
}

static void a_task_that_is_posted_again_is_not_left_behind(void **state)
{
    struct crew *c = crew_start(2);
    int tap, poker;
    struct spot *s = crew_tap_and_poker(c, &tap, &poker);
    (void)state;
    atomic_store(&s->what, AGAIN);
    for (int n = 1; n <= POKES; n++) {
        atomic_store(&s->again, 1);
        crew_poke(poker);
        rig_await(&s->repeats, n);
    }
    assert_true(crew_stats(c).helped > 0);
    crew_leave(c, tap, poker);
}

/* A timer runs when the loop has helped whom it helps in that turn. */
static void poke_by_timer(struct http_timer *timer)
{
    struct spot *s = crew_spot_by_timer(timer);
    struct crew *c = http_loop_user(s->loop);
    crew_poke_lightly(&c->spot[1 - http_loop_index(s->loop)]);
    atomic_fetch_add(&s->timers, 1);
}

static void what_a_timer_asks_for_does_not_wait(void **state)
{
    struct crew *c = crew_start(2);
    struct spot *first = &c->spot[0], *second = &c->spot[1];
    (void)state;
    first->timer.run = poke_by_timer;
    atomic_store(&first->what, TIMER_NOW);
    for (int n = 1; n <= 20; n++) {
        http_loop_post(first->loop, &first->task);
        rig_await(&first->timers, n);
        rig_await(&second->seen, n);
    }
    crew_finish(c);
}

/* ---- What comes meanwhile ---------------------------------------------------------- */

/* The thread that sleeps may have the event of a client that leaves when the helper
 * ends its connection. */
static void a_client_may_leave_meanwhile(void **state)
{
    struct crew *c = crew_start(2);
    int tap, poker;
    struct spot *s = crew_tap_and_poker(c, &tap, &poker);
    (void)state;
    atomic_store(&s->what, END);
    for (int n = 1; n <= POKES; n++) {
        client_say(poker, "GET /poke HTTP/1.1\r\nHost: x\r\n\r\n");
        close(tap);
        client_expect(poker, 200, "poked\n");
        rig_await(&s->ended, n);
        crew_await_connections(c, 1);
        tap = crew_open_tap(c, n % 2 ? "1.0" : "1.1");
    }
    assert_int_equal(atomic_load(&s->taps), POKES + 1);
    assert_true(crew_stats(c).helped > 0);
    crew_leave(c, tap, poker);
}

static void *poke_on(void *fd)
{
    for (int n = 0; n < POKES; n++)
        crew_poke(*(int *)fd);
    return NULL;
}

static void no_poke_is_lost_when_both_ask_each_other(void **state)
{
    enum { CLIENTS = 4 };
    struct crew *c = crew_start(2);
    pthread_t thread[CLIENTS];
    int fd[CLIENTS];
    (void)state;
    for (unsigned i = 0; i < CLIENTS; i++) {
        fd[i] = client_connect(c->address);
        assert_int_equal(pthread_create(&thread[i], NULL, poke_on, &fd[i]), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        pthread_join(thread[i], NULL);
        close(fd[i]);
    }
    assert_int_equal(atomic_load(&c->spot[0].asked) + atomic_load(&c->spot[1].asked),
                     CLIENTS * POKES);
    for (unsigned i = 0; i < 2; i++)
        crew_await_seen(&c->spot[i]);
    crew_finish(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(light_work_is_done_by_the_loop_that_asked_for_it),
        cmocka_unit_test(it_is_done_before_the_answer),
        cmocka_unit_test(a_loop_that_was_helped_sleeps_on),
        cmocka_unit_test(who_has_two_to_help_wakes_one),
        cmocka_unit_test(what_is_not_light_is_done_by_its_own_thread),
        cmocka_unit_test(who_has_a_second_request_wakes_the_other),
        cmocka_unit_test(requests_behind_a_stream_wait_for_their_own_thread),
        cmocka_unit_test(what_is_due_before_its_sleep_would_end_wakes_the_loop),
        cmocka_unit_test(what_becomes_ready_by_it_is_not_left_behind),
        cmocka_unit_test(a_task_that_is_posted_again_is_not_left_behind),
        cmocka_unit_test(what_a_timer_asks_for_does_not_wait),
        cmocka_unit_test(a_client_may_leave_meanwhile),
        cmocka_unit_test(no_poke_is_lost_when_both_ask_each_other),
    };
    return cmocka_run_group_tests_name("http.help", tests, NULL, NULL);
}
