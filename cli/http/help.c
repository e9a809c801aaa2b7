/* SPDX-License-Identifier: MIT
 *
 * A loop does the light work of another one that sleeps. To wake a thread on a
 * processor that idles takes longer than to send a small record to a reader or two,
 * and the record is late by all of it.
 *
 * A loop's state has one lock, which its thread lets go of for its sleep only. The
 * helper takes it if it is free, and is then that loop's thread. But it does not take
 * events, run timers or free connections: the thread that sleeps may hold events
 * already, and they name connections. If connections are still ready, tasks have come,
 * or a timer is due before the sleep would end, that thread is woken after all.
 *
 * Only a loop with time of its own helps: one that slept, was woken by one event, and
 * hands nothing more to a handler in that turn. What it has promised (HTTP_PROMISED) is
 * one light task: whoever posts anything else wakes the loop, and the promise is void.
 * Runs on any loop's thread. */
#include "http/private.h"

static bool swap(struct http_loop *l, int from, int to)
{
    return atomic_compare_exchange_strong_explicit(&l->sleep, &from, to, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}

bool http_help_later(struct http_loop *other)
{
    struct http_loop *l = http_loop_current;
    /* Another server may end, and be freed, while this thread has its loop. */
    if (!l || l == other || l->server != other->server || !l->calm || l->helps_next ||
        !swap(other, HTTP_ASLEEP, HTTP_PROMISED))
        return false;
    l->helps_next = other;
    return true;
}

/* Void if somebody has woken it, or if it woke up by itself: then it finds the task. */
static void take_back_promise(struct http_loop *other)
{
    if (atomic_load_explicit(&other->sleep, memory_order_seq_cst) == HTTP_PROMISED)
        http_loop_wake(other);
}

void http_help_not(struct http_loop *l)
{
    if (!l->helps_next)
        return;
    take_back_promise(l->helps_next);
    l->helps_next = NULL;
    l->calm = false;
}

/* Not for `dead`: these are closed already, their memory can wait. */
static bool needs_its_thread(struct http_loop *l)
{
    return l->quit || !TAILQ_EMPTY(&l->ready) || http_tasks_any(&l->tasks) ||
           http_timers_next(&l->timers) < l->sleeps_until_ns;
}

static void take_turn(struct http_loop *l, struct http_loop *other)
{
    http_loop_current = other;
    other->now_ns = http_loop_clock();
    other->by_helper = true;
    http_loop_work(other);
    other->by_helper = false;
    http_loop_current = l;
    atomic_fetch_add_explicit(&other->helped, 1, memory_order_relaxed);
    /* As before a sleep: either who posts sees that it sleeps, or we see the task. */
    atomic_store_explicit(&other->sleep, HTTP_ASLEEP, memory_order_seq_cst);
    if (needs_its_thread(other))
        http_loop_wake(other);
}

void http_help(struct http_loop *l)
{
    struct http_loop *other = l->helps_next;
    l->helps_next = NULL;
    l->calm = false; /* what is asked of it from now on would not be done before its sleep */
    if (!other)
        return;
    if (pthread_mutex_trylock(&other->turn_lock) != 0) {
        /* It is about to sleep, has just woken up, or somebody else helps it. */
        take_back_promise(other);
        return;
    }
    if (other->quit)
        take_back_promise(other);
    else if (swap(other, HTTP_PROMISED, HTTP_AWAKE))
        take_turn(l, other);
    pthread_mutex_unlock(&other->turn_lock);
}
