/* SPDX-License-Identifier: MIT
 *
 * Threads for what takes too long for a loop: searching and digesting files, listings,
 * figures of many streams. */
#ifndef CLI_SERVE_WORKER_H
#define CLI_SERVE_WORKER_H

#include <pthread.h>
#include <stdbool.h>

#include "http/http.h"

#define WORKER_THREADS_MAX 2

struct worker_job {
    struct worker_job *next;
    struct http_loop *loop;
    struct http_task task;                /* its `run` is where the answer is given, on the loop */
    void (*work)(struct worker_job *job); /* on a thread of the worker */
};

struct worker {
    pthread_t threads[WORKER_THREADS_MAX];
    unsigned running; /* the first so many of them */
    pthread_mutex_t lock;
    pthread_cond_t news;
    /* guarded by lock */
    struct worker_job *first, **last;
    struct worker_job *posted; /* done, and not seen by their loops yet */
    unsigned n, most;
    bool stop;
};

/* With `threads` of this name, and `most` jobs that wait. 0, or -1: as many as could be
 * started run until worker_stop(). */
int worker_start(struct worker *w, const char *name, unsigned threads, unsigned most);

/* The first thing that a job's task does. */
void worker_done(struct worker *w, struct worker_job *job);

/* Jobs that did not begin, or that no loop saw, are dropped. Once no loop runs any more. False: a
 * job goes on and on, and what it uses must stay. */
bool worker_stop(struct worker *w, void (*drop)(struct worker_job *job));

/* False: there are too many. */
bool worker_add(struct worker *w, struct worker_job *job);

#endif
