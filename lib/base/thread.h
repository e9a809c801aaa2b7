/* SPDX-License-Identifier: MIT
 *
 * Mutex, condition with a monotonic deadline, named thread. */
#ifndef GOS_BASE_THREAD_H
#define GOS_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/annotate.h"

typedef struct GOS_CAPABILITY("mutex") gos__mutex {
    pthread_mutex_t m;
} gos__mutex;

typedef struct gos__cond {
    pthread_cond_t c;
} gos__cond;

int gos__mutex_init(gos__mutex *m); /* 0 or -errno */
void gos__mutex_finish(gos__mutex *m);
void gos__lock(gos__mutex *m) GOS_ACQUIRES(m);
void gos__unlock(gos__mutex *m) GOS_RELEASES(m);

int gos__cond_init(gos__cond *c);
void gos__cond_finish(gos__cond *c);
void gos__cond_signal(gos__cond *c);
void gos__cond_broadcast(gos__cond *c);
void gos__cond_wait(gos__cond *c, gos__mutex *m) GOS_REQUIRES(m);
/* Until CLOCK_MONOTONIC reads deadline_ns (INT64_MAX: for ever). False when it
 * was reached. Wakes without cause like any condition: call it in a loop. */
bool gos__cond_wait_until(gos__cond *c, gos__mutex *m, int64_t deadline_ns) GOS_REQUIRES(m);

/* Start `fn(arg)` on a thread called `name` (15 characters at most) with all
 * signals blocked. 0 or -errno. */
int gos__thread_start(pthread_t *out, const char *name, void *(*fn)(void *), void *arg);
int gos__thread_start_detached(const char *name, void *(*fn)(void *), void *arg);

#endif
