/* SPDX-License-Identifier: MIT
 *
 * A thread that sleeps until it is woken. The waker needs no lock that the woken
 * one would run into, and touches nothing of it but the address of its word:
 * that may be gone by then. */
#ifndef GOS_RING_SLEEPER_H
#define GOS_RING_SLEEPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <gostream/source.h>

#include "base/list.h"
#include "source/cancel.h"

struct gos__sleeper {
    struct gos__list link; /* where its waker finds it */
    uint64_t need;         /* of room */
    _Atomic uint32_t woken;
    atomic_bool cancelled;
    struct gos__cancel_sub sub;
    bool subscribed;
};

/* Listen to the latch, if there is one, while waiting; always end it. */
void gos__sleeper_begin(struct gos__sleeper *s, gos_cancel *cancel);
void gos__sleeper_end(struct gos__sleeper *s, gos_cancel *cancel);

/* From here on a wake counts. */
void gos__sleeper_prepare(struct gos__sleeper *s);
/* Sleep until woken, cancelled, or `deadline_ns` (INT64_MAX: for ever). Returns
 * false when that has passed. */
bool gos__sleeper_sleep(struct gos__sleeper *s, int64_t deadline_ns);

/* Say that it is woken; whoever said so then wakes the word, with no lock held. */
static inline _Atomic uint32_t *gos__sleeper_mark(struct gos__sleeper *s)
{
    /* Release: what happened before is seen by the one who wakes. */
    atomic_store_explicit(&s->woken, 1, memory_order_release);
    return &s->woken;
}
void gos__sleeper_wake(_Atomic uint32_t *word);

/* When a call that began now has to end; INT64_MAX: never. */
int64_t gos__sleeper_deadline(const struct gos_io *io, int64_t now);

#endif
