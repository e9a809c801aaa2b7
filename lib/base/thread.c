/* SPDX-License-Identifier: MIT
 *
 * Thin names over pthreads. Called by any thread; the threads started here
 * block every signal but those a fault raises, so that the program's own
 * threads get the program's signals. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_setname_np */
#endif

#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

/* A failure of lock or unlock is a bug of ours, never a state of the world. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        assert(rc_ == 0);                                                                          \
        (void)rc_;                                                                                 \
    } while (0)

int gos__mutex_init(gos__mutex *m)
{
    int rc = pthread_mutex_init(&m->m, NULL);

    return rc ? gos__error(-rc, "make a mutex") : 0;
}

void gos__mutex_finish(gos__mutex *m)
{
    MUST(pthread_mutex_destroy(&m->m));
}

void gos__lock(gos__mutex *m) GOS_NO_TSA
{
    MUST(pthread_mutex_lock(&m->m));
}

void gos__unlock(gos__mutex *m) GOS_NO_TSA
{
    MUST(pthread_mutex_unlock(&m->m));
}

int gos__cond_init(gos__cond *c)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);

    if (!rc) {
        rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        if (!rc)
            rc = pthread_cond_init(&c->c, &attr);
        pthread_condattr_destroy(&attr);
    }
    return rc ? gos__error(-rc, "make a condition") : 0;
}

void gos__cond_finish(gos__cond *c)
{
    MUST(pthread_cond_destroy(&c->c));
}

void gos__cond_signal(gos__cond *c)
{
    MUST(pthread_cond_signal(&c->c));
}

void gos__cond_broadcast(gos__cond *c)
{
    MUST(pthread_cond_broadcast(&c->c));
}

void gos__cond_wait(gos__cond *c, gos__mutex *m) GOS_NO_TSA
{
    MUST(pthread_cond_wait(&c->c, &m->m));
}

bool gos__cond_wait_until(gos__cond *c, gos__mutex *m, int64_t deadline_ns) GOS_NO_TSA
{
    if (deadline_ns == INT64_MAX) {
        gos__cond_wait(c, m);
        return true;
    }
    if (deadline_ns < 0)
        deadline_ns = 0;
    struct timespec until = {
        .tv_sec = deadline_ns / GOS__SECOND,
        .tv_nsec = deadline_ns % GOS__SECOND,
    };
    int rc = pthread_cond_timedwait(&c->c, &m->m, &until);
    assert(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

/* What a new thread needs to know; the thread frees it. */
struct birth {
    char name[16];
    void *(*fn)(void *);
    void *arg;
};

static void *live(void *arg)
{
    struct birth b = *(struct birth *)arg;

    gos__free(arg);
    /* Named from inside: a detached thread may be gone before its starter could. */
    pthread_setname_np(pthread_self(), b.name);
    return b.fn(b.arg);
}

/* Faults keep their signals: a crash handler or a sanitizer wants to hear of them. */
static void block_signals(sigset_t *old)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t all;

    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    MUST(pthread_sigmask(SIG_BLOCK, &all, old));
}

static int start(pthread_t *out, bool detached, const char *name, void *(*fn)(void *), void *arg)
{
    struct birth *b = gos__malloc(sizeof *b);
    if (!b)
        return gos__error_nomem();
    *b = (struct birth){.fn = fn, .arg = arg};
    snprintf(b->name, sizeof b->name, "%s", name);

    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (!rc) {
        sigset_t old;
        if (detached)
            pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        block_signals(&old); /* the new thread inherits the mask */
        rc = pthread_create(out, &attr, live, b);
        MUST(pthread_sigmask(SIG_SETMASK, &old, NULL));
        pthread_attr_destroy(&attr);
    }
    if (rc) {
        gos__free(b);
        return gos__error(-rc, "start thread %s", name);
    }
    return 0;
}

int gos__thread_start(pthread_t *out, const char *name, void *(*fn)(void *), void *arg)
{
    return start(out, false, name, fn, arg);
}

int gos__thread_start_detached(const char *name, void *(*fn)(void *), void *arg)
{
    pthread_t ignored;

    return start(&ignored, true, name, fn, arg);
}
