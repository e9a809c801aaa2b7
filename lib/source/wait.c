/* SPDX-License-Identifier: MIT
 *
 * A blocking read of a source that may wait: start the read and sleep until its
 * `done`, the deadline, or the cancel latch. The thread that reads owns the
 * sleeper on its stack, and it alone cancels; the thread that completes and the
 * one that fires the latch only leave word and wake it. */
#include <limits.h>

#include "base/clock.h"
#include "base/error.h"
#include "source/cancel.h"
#include "source/source.h"

struct sleeper {
    struct gos_read read;
    struct gos__cancel_sub sub;
    gos__mutex lock;
    gos__cond changed;
    /* guarded by lock */
    bool done;
    bool fired;                   /* the cancel latch has */
    bool cancelling;              /* the sleeper is inside the source's cancel */
    struct gos__error_text error; /* of the completing thread */
};

/* Legal for `cancel` means: until done is entered. Both may come at the same
 * moment, so done lets a cancel that has begun come to its end before the read
 * counts as finished; cancel never blocks, so this does not take long. */
void gos__wait_done(struct gos_read *r)
{
    struct sleeper *w = r->user;

    gos__lock(&w->lock);
    while (w->cancelling)
        gos__cond_wait(&w->changed, &w->lock);
    if (r->result < 0)
        gos__error_save(&w->error);
    w->done = true;
    gos__cond_broadcast(&w->changed);
    gos__unlock(&w->lock);
}

static void hear_fire(struct gos__cancel_sub *sub)
{
    struct sleeper *w = GOS__LIST_OWNER(sub, struct sleeper, sub);

    gos__lock(&w->lock);
    w->fired = true;
    gos__cond_broadcast(&w->changed);
    gos__unlock(&w->lock);
}

static void cancel_read_locked(struct sleeper *w, gos_source *s) GOS_REQUIRES(w->lock)
{
    w->cancelling = true;
    gos__unlock(&w->lock);
    s->ops.cancel(s->self, &w->read);
    gos__lock(&w->lock);
    w->cancelling = false;
    gos__cond_broadcast(&w->changed);
}

/* Sleep until done. Returns why the read had to be cancelled, or 0. */
static int sleep_until_done(struct sleeper *w, gos_source *s, int64_t deadline_ns)
{
    int why = 0;

    if (deadline_ns == GOS_NO_DEADLINE)
        deadline_ns = INT64_MAX;
    gos__lock(&w->lock);
    while (!w->done) {
        if (why) {
            gos__cond_wait(&w->changed, &w->lock);
        } else if (w->fired) {
            why = GOS_ECANCELED;
            cancel_read_locked(w, s);
        } else if (!gos__cond_wait_until(&w->changed, &w->lock, deadline_ns) && !w->done) {
            why = GOS_ETIMEDOUT;
            cancel_read_locked(w, s);
        }
    }
    gos__unlock(&w->lock);
    return why;
}

static int64_t wait_for_done(struct sleeper *w, gos_source *s, const struct gos_io *io)
{
    bool subscribed = io->cancel && gos__cancel_subscribe(io->cancel, &w->sub);

    if (io->cancel && !subscribed)
        hear_fire(&w->sub);
    int why = sleep_until_done(w, s, io->deadline_ns);
    if (subscribed)
        gos__cancel_unsubscribe(io->cancel, &w->sub);
    if (w->read.result == GOS_ECANCELED && why)
        return gos__error(why, why == GOS_ECANCELED ? "cancelled" : "deadline passed");
    if (w->read.result < 0)
        gos__error_restore(&w->error);
    return w->read.result;
}

int64_t gos__wait_read(gos_source *s, void *buf, size_t len, uint64_t off, const struct gos_io *io)
{
    struct sleeper w = {
        .read = {.struct_size = sizeof w.read,
                 .off = off,
                 .len = len,
                 .deadline_ns = io->deadline_ns,
                 .idle_ns = io->idle_ns,
                 .flags = io->flags,
                 .buf = buf,
                 .done = gos__wait_done,
                 .lib = {.source = s}},
        .sub = {.fired = hear_fire},
    };
    w.read.user = &w;
    int rc = gos__mutex_init(&w.lock);
    if (rc < 0)
        return rc;
    rc = gos__cond_init(&w.changed);
    if (rc < 0)
        goto out;
    int64_t result = gos__source_begin(s, &w.read);
    if (result == 0)
        result = wait_for_done(&w, s, io);
    else if (result > 0)
        result = w.read.result;
    gos__cond_finish(&w.changed);
    gos__mutex_finish(&w.lock);
    return result;
out:
    gos__mutex_finish(&w.lock);
    return rc;
}
