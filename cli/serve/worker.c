/* SPDX-License-Identifier: MIT
 *
 * A queue of jobs and its threads; see worker.h. */
#include "serve/worker.h"

#include <string.h>
#include <time.h>

/* A job that is given up ends soon, unless it digests a very large file. */
#define STOP_SECONDS 3

static struct worker_job *take(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->stop)
        pthread_cond_wait(&w->news, &w->lock);
    struct worker_job *job = w->stop ? NULL : w->first;
    if (job) {
        w->first = job->next;
        if (!w->first)
            w->last = &w->first;
        w->n--;
    }
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    for (struct worker_job *job; (job = take(w)) != NULL;) {
        job->work(job);
        pthread_mutex_lock(&w->lock);
        job->next = w->posted;
        w->posted = job;
        pthread_mutex_unlock(&w->lock);
        http_loop_post(job->loop, &job->task);
    }
    return NULL;
}

int worker_start(struct worker *w, const char *name, unsigned threads, unsigned most)
{
    memset(w, 0, sizeof *w);
    w->last = &w->first;
    w->most = most;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->news, NULL);
    for (; w->running < threads && w->running < WORKER_THREADS_MAX; w->running++) {
        if (pthread_create(&w->threads[w->running], NULL, run, w) != 0)
            return -1;
        pthread_setname_np(w->threads[w->running], name);
    }
    return 0;
}

void worker_done(struct worker *w, struct worker_job *job)
{
    pthread_mutex_lock(&w->lock);
    for (struct worker_job **at = &w->posted; *at; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            break;
        }
    }
    pthread_mutex_unlock(&w->lock);
}

bool worker_stop(struct worker *w, void (*drop)(struct worker_job *job))
{
    struct timespec deadline;
    if (!w->running)
        return true;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->news);
    pthread_mutex_unlock(&w->lock);
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += STOP_SECONDS;
    for (; w->running > 0; w->running--)
        if (pthread_timedjoin_np(w->threads[w->running - 1], NULL, &deadline) != 0)
            return false;
    while (w->first) {
        struct worker_job *job = w->first;
        w->first = job->next;
        drop(job);
    }
    while (w->posted) { /* to loops that had ended already */
        struct worker_job *job = w->posted;
        w->posted = job->next;
        drop(job);
    }
    return true;
}

bool worker_add(struct worker *w, struct worker_job *job)
{
    pthread_mutex_lock(&w->lock);
    bool room = w->n < w->most && !w->stop;
    if (room) {
        job->next = NULL;
        *w->last = job;
        w->last = &job->next;
        w->n++;
        pthread_cond_signal(&w->news);
    }
    pthread_mutex_unlock(&w->lock);
    return room;
}
