/* SPDX-License-Identifier: MIT
 *
 * See service.h. */
#include "support/service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/signalfd.h>
#include <sys/stat.h>

int64_t service_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

uint64_t service_bytes(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    return *end == 'K' ? n << 10 : *end == 'M' ? n << 20 : *end == 'G' ? n << 30 : n;
}

int service_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool service_goes_on(int signals, void (*report)(void *arg), void *arg)
{
    struct signalfd_siginfo info = {0};
    if (read(signals, &info, sizeof info) != sizeof info)
        return true;
    report(arg);
    fflush(stdout);
    return info.ssi_signo == SIGUSR1;
}

bool service_has_input(void)
{
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

bool service_input_ended(void)
{
    char c[64];
    ssize_t n = read(STDIN_FILENO, c, sizeof c);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}
