/* SPDX-License-Identifier: MIT
 *
 * Tasks from any thread to one; see tasks.h. */
#include "http/tasks.h"

#include <stdatomic.h>
#include <stddef.h>

bool http_tasks_push(struct http_tasks *t, struct http_task *task)
{
    /* Release: what the poster wrote before is seen by `run`, also where another
     * post got the task into the list. */
    if (atomic_exchange_explicit(&task->queued, true, memory_order_acq_rel))
        return false;
    /* Sequentially consistent, like the look at `sleep` that follows it: either the
     * poster sees that the loop sleeps or the loop sees the task. */
    struct http_task *head = atomic_load_explicit(&t->newest, memory_order_relaxed);
    do {
        atomic_store_explicit(&task->next, head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&t->newest, &head, task, memory_order_seq_cst,
                                                    memory_order_relaxed));
    return true;
}

bool http_tasks_any(struct http_tasks *t)
{
    return atomic_load_explicit(&t->newest, memory_order_seq_cst);
}

bool http_tasks_run(struct http_tasks *t)
{
    if (!atomic_load_explicit(&t->newest, memory_order_relaxed))
        return false;
    struct http_task *newest = atomic_exchange_explicit(&t->newest, NULL, memory_order_acquire);
    struct http_task *oldest = NULL;
    while (newest) {
        struct http_task *next = atomic_load_explicit(&newest->next, memory_order_relaxed);
        atomic_store_explicit(&newest->next, oldest, memory_order_relaxed);
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct http_task *task = oldest;
        oldest = atomic_load_explicit(&task->next, memory_order_relaxed);
        /* From here on it may be posted again, and `run` may free it. */
        atomic_exchange_explicit(&task->queued, false, memory_order_acq_rel);
        task->run(task);
    }
    return true;
}
