/* SPDX-License-Identifier: MIT
 *
 * Who is dying. That a killed reader gets its EINTR is shown with a real mount. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mount/watch.h"

static pid_t start_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    return pid;
}

static void the_living_are_not(void **state)
{
    (void)state;
    sigset_t set;
    assert_false(watch_is_dying(getpid()));
    /* A deadly signal that is blocked kills nobody. */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTERM);
    assert_false(watch_is_dying(getpid()));
    sigwaitinfo(&set, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void the_killed_and_the_gone_are(void **state)
{
    (void)state;
    siginfo_t info;
    pid_t pid = start_child();
    assert_false(watch_is_dying(pid));
    kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_true(watch_is_dying(pid)); /* not reaped yet */
    waitpid(pid, NULL, 0);
    assert_true(watch_is_dying(pid));
}

static void who_cannot_be_seen_is_not(void **state)
{
    (void)state;
    assert_false(watch_is_dying(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_living_are_not),
        cmocka_unit_test(the_killed_and_the_gone_are),
        cmocka_unit_test(who_cannot_be_seen_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
