/* SPDX-License-Identifier: MIT
 *
 * The interrupt watch; see watch.h. */
#include "mount/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY_NS (INT64_C(100) * 1000000)
#define LOOK_AT_MAX 1024 /* more than max_background; the rest waits for the next look */

struct watch {
    struct reads *reads;
    pthread_t thread;
    struct reads_interrupted found[LOOK_AT_MAX];
};

static bool has_sigkill(const char *status, const char *field)
{
    const char *p = strstr(status, field);
    return p && strtoull(p + strlen(field), NULL, 16) & (UINT64_C(1) << (SIGKILL - 1));
}

bool watch_is_dying(pid_t tid)
{
    char path[32], status[4096];
    if (tid <= 0)
        return false;
    snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        /* A /proc that hides other users' processes says ENOENT too. */
        return errno == ENOENT && kill(tid, 0) < 0 && errno == ESRCH;
    ssize_t n = read(fd, status, sizeof status - 1);
    int error = errno;
    close(fd);
    if (n <= 0)
        return n < 0 && error == ESRCH;
    status[n] = '\0';
    return has_sigkill(status, "\nSigPnd:") || has_sigkill(status, "\nShdPnd:") ||
           strstr(status, "\nState:\tZ") || strstr(status, "\nState:\tX");
}

static void *run(void *arg)
{
    struct watch *w = arg;
    while (reads_wait(w->reads, LOOK_EVERY_NS)) {
        size_t n = reads_list_interrupted(w->reads, w->found, LOOK_AT_MAX);
        for (size_t i = 0; i < n; i++)
            if (watch_is_dying(w->found[i].tid))
                reads_kill(w->reads, w->found[i].id);
    }
    return NULL;
}

struct watch *watch_start(struct reads *reads)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->reads = reads;
    int rc = pthread_create(&w->thread, NULL, run, w);
    if (rc) {
        free(w);
        errno = rc;
        return NULL;
    }
    pthread_setname_np(w->thread, "gos-watch");
    return w;
}

void watch_stop(struct watch *w)
{
    if (!w)
        return;
    pthread_join(w->thread, NULL);
    free(w);
}
