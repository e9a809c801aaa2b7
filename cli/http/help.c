/* SPDX-License-Identifier: MIT
 *
 * A loop does the light work of another one that sleeps. To wake a thread on a
 * processor that idles takes longer than to send a small record to a reader or two,
 * and the record is late by all of it.
 *
 * A loop's state has one lock, which its thread lets go of for its sleep only. The
 * helper takes it if it is free, and is then that loop's thread in all respects, but
 * it neither takes events nor frees connections: the thread that sleeps may have
 * events already, and names connections by them. What is left of such work, and what
 * is due before the sleep was to end, the loop is woken for.
 *
 * Only a loop with time of its own helps: one that slept and was woken by one event.
 * Where there is more to do each loop works for itself. Any loop's thread. */
#include "http/private.h"

bool http_help_later(struct http_loop *other)
{
    struct http_loop *l = http_loop_current;
    if (!l || l == other || l->server != other->server || !l->calm || l->helps_next)
        return false;
    l->helps_next = other;
    return true;
}

/* Connections that have ended are closed, and may wait to be freed. */
static bool needs_its_thread(struct http_loop *l)
{
    return l->quit || !TAILQ_EMPTY(&l->ready) || http_timers_next(&l->timers) < l->sleeps_until_ns;
}

void http_help(struct http_loop *l)
{
    struct http_loop *other = l->helps_next;
    l->helps_next = NULL;
    l->calm = false; /* what is asked of it from now on would not be done before its sleep */
    if (!other)
        return;
    if (pthread_mutex_trylock(&other->turn_lock) != 0) {
        /* It is about to sleep, or has just woken up. */
        http_loop_rouse(other);
        return;
    }
    http_loop_current = other;
    other->now_ns = http_loop_clock();
    other->calm = false;
    http_loop_work(other);
    http_loop_current = l;
    atomic_fetch_add_explicit(&other->helps, 1, memory_order_relaxed);
    /* As before a sleep: either who posts sees that it sleeps, or we see the task. */
    atomic_store_explicit(&other->asleep, true, memory_order_seq_cst);
    if ((needs_its_thread(other) || http_tasks_any(&other->tasks)) &&
        atomic_exchange_explicit(&other->asleep, false, memory_order_seq_cst))
        http_loop_rouse(other);
    pthread_mutex_unlock(&other->turn_lock);
}
