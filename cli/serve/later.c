/* SPDX-License-Identifier: MIT
 *
 * Answers made by a worker; see later.h. On the loop of the exchange, but for work(),
 * which runs on the worker's thread. */
#include "serve/later.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "serve/answer.h"
#include "serve/owner.h"
#include "serve/stored.h"

/* The loop's while `working` is false, the worker's otherwise. */
struct later {
    struct worker_job job;
    struct http_exchange *x; /* of the loop alone; NULL: the client is gone */
    struct server *sv;
    struct worker *worker;
    bool working;
    atomic_bool gone; /* nobody waits for it any more: a wish, from the loop to the worker */
    struct later_question question;
    int rc;
    struct problem problem;
    struct stored answer;
};

static void free_later(struct later *l)
{
    stored_drop(&l->answer);
    free(l);
}

static void work(struct worker_job *job)
{
    struct later *l = OWNER(job, struct later, job);
    if (!atomic_load_explicit(&l->gone, memory_order_relaxed))
        l->rc = l->question.make(l->sv, &l->question, &l->answer.body, &l->problem);
}

static void answer(struct later *l)
{
    const struct http_reply head = {
        .status = 200, .type = l->question.type, .len = l->answer.body.n, .length_known = true};
    if (l->rc < 0)
        answer_problem(l->x, &l->problem);
    else if (l->answer.body.failed)
        answer_error(l->x, 503, "out of memory");
    else
        stored_send(l->x, &l->answer, &head);
}

static void done(struct http_task *task)
{
    struct later *l = OWNER(task, struct later, job.task);
    worker_done(l->worker, &l->job);
    l->working = false;
    if (l->x)
        answer(l);
    else
        free_later(l);
}

static enum http_flow produce(struct http_exchange *x, void *data, struct http_batch *batch)
{
    (void)x;
    return stored_produce(&((struct later *)data)->answer, batch);
}

static void sent(struct http_exchange *x, void *data, size_t bytes)
{
    (void)x;
    stored_sent(&((struct later *)data)->answer, bytes);
}

static void end(struct http_exchange *x, void *data, enum http_end why)
{
    struct later *l = data;
    (void)x, (void)why;
    l->x = NULL;
    atomic_store_explicit(&l->gone, true, memory_order_relaxed);
    if (!l->working)
        free_later(l);
}

void later_answer(struct server *sv, struct http_exchange *x, struct worker *w,
                  const struct later_question *q)
{
    static const struct http_exchange_ops ops = {.produce = produce, .sent = sent, .end = end};
    struct later *l = calloc(1, sizeof *l);
    if (!l) {
        answer_error(x, 503, "out of memory");
        return;
    }
    l->job.loop = http_exchange_loop(x);
    l->job.work = work;
    l->job.task.run = done;
    l->x = x;
    l->sv = sv;
    l->worker = w;
    l->question = *q;
    l->working = true;
    http_take(x, &ops, l);
    if (!worker_add(w, &l->job)) {
        l->working = false;
        answer_error(x, 503, "too many of these questions at once");
    }
}
