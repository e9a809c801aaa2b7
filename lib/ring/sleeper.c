/* SPDX-License-Identifier: MIT
 *
 * Sleeping on a futex. A condition would do, but who is woken by one runs into
 * the mutex that the waker still holds, which costs a second sleep each time.
 * Runs on threads that wait, and on those that wake them. */
#include "ring/sleeper.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/minmax.h"

void gos__sleeper_wake(_Atomic uint32_t *word)
{
    /* If the word is gone, this wakes somebody for nothing, or nobody. */
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void hear_cancel(struct gos__cancel_sub *sub)
{
    struct gos__sleeper *s = GOS__LIST_OWNER(sub, struct gos__sleeper, sub);

    atomic_store(&s->cancelled, true);
    gos__sleeper_wake(gos__sleeper_mark(s));
}

void gos__sleeper_begin(struct gos__sleeper *s, gos_cancel *cancel)
{
    atomic_store(&s->cancelled, false);
    s->sub = (struct gos__cancel_sub){.fired = hear_cancel};
    s->subscribed = cancel && gos__cancel_subscribe(cancel, &s->sub);
    if (cancel && !s->subscribed)
        atomic_store(&s->cancelled, true);
}

void gos__sleeper_end(struct gos__sleeper *s, gos_cancel *cancel)
{
    if (s->subscribed)
        gos__cancel_unsubscribe(cancel, &s->sub);
}

void gos__sleeper_prepare(struct gos__sleeper *s)
{
    atomic_store_explicit(&s->woken, 0, memory_order_relaxed);
}

bool gos__sleeper_sleep(struct gos__sleeper *s, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = deadline_ns / GOS__SECOND,
                             .tv_nsec = deadline_ns % GOS__SECOND};

    while (atomic_load_explicit(&s->woken, memory_order_acquire) == 0) {
        /* A cancel that came before gos__sleeper_prepare() has left only this. */
        if (atomic_load(&s->cancelled))
            return true;
        long rc = syscall(SYS_futex, &s->woken, FUTEX_WAIT_BITSET_PRIVATE, 0,
                          deadline_ns == INT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
        if (rc < 0 && errno == ETIMEDOUT)
            return false;
    }
    return true;
}

int64_t gos__sleeper_deadline(const struct gos_io *io, int64_t now)
{
    int64_t at = io->deadline_ns == GOS_NO_DEADLINE ? INT64_MAX : io->deadline_ns;

    if (io->idle_ns != GOS_NO_DEADLINE && io->idle_ns < INT64_MAX - now)
        at = gos__min_i64(at, now + io->idle_ns);
    return gos__max_i64(at, 0);
}
