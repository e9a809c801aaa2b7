/* SPDX-License-Identifier: MIT
 *
 * Signals to a flag and a pipe; see interrupt.h. A process has one set of
 * signal handlers, so this state is global. */
#include "pfs/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t came;
static int wake[2] = {-1, -1};
static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
static bool ours[sizeof numbers / sizeof *numbers];

#define N_NUMBERS (sizeof numbers / sizeof *numbers)

/* A signal that comes just before a write begins to wait does not wake it. After
 * the first one another comes each second, so that no wait is for ever. */
static void again(int number)
{
    (void)number;
    alarm(1);
}

static void note(int number)
{
    (void)number;
    int saved = errno;
    came = 1;
    alarm(1);
    /* The second one, of whatever kind, is not ours any more. */
    for (size_t i = 0; i < N_NUMBERS; i++)
        if (ours[i])
            signal(numbers[i], SIG_DFL);
    /* The flag alone could be set between a look at it and poll(). */
    if (write(wake[1], "", 1) < 0)
        came = 1;
    errno = saved;
}

void pfs_interrupt_begin(void)
{
    if (wake[0] >= 0 || pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0)
        return; /* without the pipe a signal ends us as it always did */
    /* No SA_RESTART: a write that waits for a full pipe must return. */
    struct sigaction first = {.sa_handler = note}, tick = {.sa_handler = again}, was;
    for (size_t i = 0; i < N_NUMBERS; i++) {
        /* nohup and `&` of a plain shell set them to be ignored; so they stay. */
        ours[i] = sigaction(numbers[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN;
        sigaddset(&first.sa_mask, numbers[i]);
    }
    sigaction(SIGALRM, &tick, NULL);
    for (size_t i = 0; i < N_NUMBERS; i++)
        if (ours[i])
            sigaction(numbers[i], &first, NULL);
}

bool pfs_interrupted(void)
{
    return came != 0;
}

int pfs_interrupt_fd(void)
{
    return wake[0];
}

void pfs_interrupt_sleep(int milliseconds)
{
    struct pollfd p = {.fd = wake[0], .events = POLLIN};
    poll(&p, 1, milliseconds);
}
