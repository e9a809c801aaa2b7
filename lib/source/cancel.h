/* SPDX-License-Identifier: MIT
 *
 * Being told when a cancel latch fires. The subscription lives in its owner's
 * memory; nothing is allocated. */
#ifndef GOS_SOURCE_CANCEL_H
#define GOS_SOURCE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>

#include <gostream/source.h>

#include "base/list.h"
#include "base/thread.h"

struct gos__cancel_sub {
    struct gos__list link;
    /* Called once at most, on the firing thread, with no lock of the latch
     * held; must not block and must not unsubscribe. */
    void (*fired)(struct gos__cancel_sub *sub);
};

/* Public as a name only; here so that a job can carry one. */
struct gos_cancel {
    gos__mutex lock;
    gos__cond told; /* `telling` has changed */
    /* guarded by lock */
    struct gos__list subs;
    const struct gos__cancel_sub *telling; /* whose `fired` runs now */
    /* any thread, atomic; written under lock */
    atomic_bool fired;
};

int gos__cancel_init(gos_cancel *c);
void gos__cancel_finish(gos_cancel *c);

/* False when the latch has fired already: `sub` is not in use then. */
bool gos__cancel_subscribe(gos_cancel *c, struct gos__cancel_sub *sub);
/* When this returns, `sub->fired` does not run and will not. */
void gos__cancel_unsubscribe(gos_cancel *c, struct gos__cancel_sub *sub);

#endif
