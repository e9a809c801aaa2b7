/* SPDX-License-Identifier: MIT
 *
 * Signals and the last second; see ending.h. A thread of its own keeps the
 * time, because the main thread is the one that may hang: in an unmount, or in
 * a thread of the engine that waits for a dead resolver. */
#include "mount/ending.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

#define END_NS (SECOND * 95 / 100)   /* the promise, less the time to notice it */
#define SPARE_NS (SECOND * 15 / 100) /* for what comes after closing the session */

static struct run_result end_result; /* written before the thread starts */
static int64_t end_at_ns;

int ending_block_signals(void)
{
    struct sigaction old;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    /* nohup asked for it to be ignored */
    if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void die_by(int signo)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    signal(signo, SIG_DFL);
    raise(signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *keep_time(void *arg)
{
    (void)arg;
    const struct timespec until = {.tv_sec = end_at_ns / SECOND, .tv_nsec = end_at_ns % SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        ;
    if (end_result.signal)
        die_by(end_result.signal);
    _exit(end_result.status);
}

void ending_begin(struct run_result result)
{
    pthread_t thread;
    end_result = result;
    end_at_ns = clock_ns() + END_NS;
    if (pthread_create(&thread, NULL, keep_time, NULL) == 0)
        pthread_detach(thread);
}

int64_t ending_left_ns(void)
{
    int64_t left = end_at_ns - SPARE_NS - clock_ns();
    return left > 1 ? left : 1;
}

int ending_finish(struct run_result result)
{
    if (result.signal)
        die_by(result.signal);
    return result.status;
}
