/* SPDX-License-Identifier: MIT
 *
 * The network thread: a heap of tasks in the order of the session's clock,
 * calls from other threads, and hooks->work. How other threads reach it, and
 * how a test moves the clock. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/fake_lt_internal.h"

#define BURST 64 /* blocks are read from sockets in bursts: so many tasks, then work */
#define TOO_MANY_WORKS 100000

static _Thread_local const ltc_session *net_of;

bool fake_lt__on_net(const ltc_session *s)
{
    return net_of == s;
}

static int64_t monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

int64_t ltc_now_ns(ltc_session *s)
{
    if (s->mode == FAKE_LT_REAL)
        return monotonic();
    return atomic_load_explicit(&s->now, memory_order_acquire);
}

/* ---- tasks ---- */

static bool before(const struct fake_task *a, const struct fake_task *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

void fake_lt__post(ltc_session *s, int64_t at, void (*run)(ltc_session *, const struct fake_task *),
                   void *object, uint32_t a, uint32_t b)
{
    struct fake_task task = {at, s->seq++, run, object, a, b};
    s->heap = fake_lt__grow(s->heap, &s->heap_room, s->n_heap + 1, sizeof *s->heap);
    size_t k = s->n_heap++;
    for (; k > 0 && before(&task, &s->heap[(k - 1) / 2]); k = (k - 1) / 2)
        s->heap[k] = s->heap[(k - 1) / 2];
    s->heap[k] = task;
}

static struct fake_task take_first(ltc_session *s)
{
    struct fake_task top = s->heap[0], last = s->heap[--s->n_heap];
    size_t k = 0;
    for (size_t child; (child = 2 * k + 1) < s->n_heap; k = child) {
        if (child + 1 < s->n_heap && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[k] = s->heap[child];
    }
    s->heap[k] = last;
    return top;
}

/* ---- one round ---- */

static void check_flushed(ltc_session *s)
{
    for (ltc_peer *c = s->connections; c; c = c->next) {
        if (!c->unflushed.n || c->left || c->leaving || c->told_unflushed)
            continue;
        c->told_unflushed = true;
        fake_lt__violation("work ended with %zu messages to peer %d that were not flushed",
                           c->unflushed.n, c->who->index);
    }
}

static void work(ltc_session *s, int64_t now)
{
    s->burst = false;
    s->stats.works++;
    int64_t next = s->hooks.work(s->user);
    fake_lt__post_completions(s);
    check_flushed(s);
    fake_lt__pick(s);
    if (next > now)
        s->works_in_a_row = 0;
    else if (++s->works_in_a_row == TOO_MANY_WORKS)
        fake_lt__violation("work asked %u times in a row to be called at once", TOO_MANY_WORKS);
    /* A thread that is kept busy for ever would hide the mistake just told. */
    s->work_at = s->works_in_a_row >= TOO_MANY_WORKS ? INT64_MAX : next;
}

/* Do what is due now. False: nothing was. */
static bool one_round(ltc_session *s)
{
    int64_t now = ltc_now_ns(s);
    unsigned n = 0;
    while (s->n_heap && s->heap[0].at <= now && n < BURST) {
        struct fake_task task = take_first(s);
        task.run(s, &task);
        fake_lt__post_completions(s);
        s->works_in_a_row = 0;
        n++;
    }
    if (n > 0)
        fake_lt__pick(s);
    /* Cleared before work looks at anything, so that a later wake is not lost. */
    bool woken = atomic_exchange_explicit(&s->wake, false, memory_order_acq_rel);
    if (woken || s->burst || s->work_at <= now) {
        work(s, now);
        return true;
    }
    return n > 0;
}

static int64_t next_due(const ltc_session *s)
{
    return s->n_heap && s->heap[0].at < s->work_at ? s->heap[0].at : s->work_at;
}

/* ---- the thread ---- */

static bool run_calls_locked(ltc_session *s)
{
    bool any = false;
    while (s->calls) {
        struct fake_call *call = s->calls;
        s->calls = call->next;
        if (!s->calls)
            s->calls_end = &s->calls;
        pthread_mutex_unlock(&s->lock);
        call->run(s, call->arg);
        pthread_mutex_lock(&s->lock);
        call->done = true;
        pthread_cond_broadcast(&s->from_net);
        any = true;
    }
    return any;
}

/* Nothing is due: let the clock jump, or sleep. */
static void rest_locked(ltc_session *s)
{
    int64_t due = next_due(s);
    if (s->mode == FAKE_LT_MANUAL) {
        int64_t now = atomic_load_explicit(&s->now, memory_order_relaxed);
        if (now < s->target) {
            int64_t to = due < s->target ? due : s->target;
            atomic_store_explicit(&s->now, to > now ? to : now, memory_order_release);
            s->works_in_a_row = 0;
            pthread_cond_broadcast(&s->events_came); /* a wait may have reached its end */
            return;
        }
    }
    s->idle = true;
    pthread_cond_broadcast(&s->from_net);
    if (s->mode == FAKE_LT_MANUAL || due == INT64_MAX) {
        pthread_cond_wait(&s->to_net, &s->lock);
    } else {
        struct timespec until = {due / SECOND, due % SECOND};
        pthread_cond_timedwait(&s->to_net, &s->lock, &until);
    }
    s->idle = false;
}

static void begin_end(ltc_session *s)
{
    for (size_t k = 0; k < s->n_torrents; k++)
        fake_lt__torrent_end(s->torrents[k]);
}

static bool all_over(const ltc_session *s)
{
    for (size_t k = 0; k < s->n_torrents; k++)
        if (!s->torrents[k]->removed)
            return false;
    return s->ending;
}

void *fake_lt__network_main(void *session)
{
    ltc_session *s = session;
    net_of = s;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        bool busy = run_calls_locked(s), end_now = s->aborted && !s->ending;
        s->ending = s->aborted;
        pthread_mutex_unlock(&s->lock);
        if (end_now)
            begin_end(s);
        busy |= one_round(s);
        bool over = all_over(s);
        pthread_mutex_lock(&s->lock);
        if (over && !s->calls)
            break;
        if (!busy && !s->calls && s->ending == s->aborted &&
            !atomic_load_explicit(&s->wake, memory_order_acquire))
            rest_locked(s);
    }
    s->ended = s->idle = true;
    pthread_cond_broadcast(&s->from_net);
    pthread_mutex_unlock(&s->lock);
    net_of = NULL;
    return NULL;
}

/* ---- from other threads ---- */

void fake_lt__call(ltc_session *s, void (*run)(ltc_session *, void *), void *arg)
{
    if (fake_lt__on_net(s)) {
        run(s, arg);
        return;
    }
    struct fake_call call = {.run = run, .arg = arg};
    pthread_mutex_lock(&s->lock);
    if (s->ended) { /* nobody else touches the session's things any more */
        run(s, arg);
        pthread_mutex_unlock(&s->lock);
        return;
    }
    *s->calls_end = &call;
    s->calls_end = &call.next;
    pthread_cond_signal(&s->to_net);
    while (!call.done)
        pthread_cond_wait(&s->from_net, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void ltc_wake(ltc_session *s)
{
    if (atomic_exchange_explicit(&s->wake, true, memory_order_acq_rel))
        return;
    if (fake_lt__on_net(s)) /* it looks before it sleeps */
        return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_signal(&s->to_net);
    pthread_mutex_unlock(&s->lock);
}

static void settle_locked(ltc_session *s)
{
    for (;;) {
        int64_t now = s->mode == FAKE_LT_MANUAL ? ltc_now_ns(s) : s->target;
        bool quiet = s->idle && !s->calls && s->ending == s->aborted && now >= s->target;
        if (s->ended || (quiet && !atomic_load_explicit(&s->wake, memory_order_acquire)))
            return;
        pthread_cond_wait(&s->from_net, &s->lock);
    }
}

void fake_lt_settle(ltc_session *s)
{
    pthread_mutex_lock(&s->lock);
    settle_locked(s);
    pthread_mutex_unlock(&s->lock);
}

void fake_lt_advance(ltc_session *s, int64_t ns)
{
    pthread_mutex_lock(&s->lock);
    settle_locked(s); /* what is due now comes before what the new time brings */
    s->target = ltc_now_ns(s) + ns;
    pthread_cond_signal(&s->to_net);
    settle_locked(s);
    pthread_mutex_unlock(&s->lock);
}

static void nap(void)
{
    struct timespec t = {0, 100 * 1000};
    nanosleep(&t, NULL);
}

/* Other threads of the engine run in real time: look again for a while. */
static bool comes_true(bool (*is_so)(void *), void *arg, int64_t for_ns)
{
    for (int64_t end = monotonic() + for_ns; monotonic() < end; nap())
        if (is_so(arg))
            return true;
    return is_so(arg);
}

bool fake_lt_run_until(ltc_session *s, bool (*is_so)(void *), void *arg, int64_t step_ns,
                       int64_t limit_ns)
{
    if (s->mode == FAKE_LT_REAL)
        return comes_true(is_so, arg, limit_ns);
    for (int64_t passed = 0; passed < limit_ns; passed += step_ns) {
        fake_lt_settle(s);
        if (is_so(arg))
            return true;
        nap();
        fake_lt_advance(s, step_ns);
    }
    return comes_true(is_so, arg, SECOND);
}
