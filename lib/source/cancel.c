/* SPDX-License-Identifier: MIT
 *
 * A latch that ends blocking calls. Any thread fires; those who wait have
 * subscribed and are told on the firing thread, one after the other. */
#include "source/cancel.h"

#include "base/alloc.h"
#include "base/error.h"

int gos__cancel_init(gos_cancel *c)
{
    int rc = gos__mutex_init(&c->lock);
    if (rc < 0)
        return rc;
    rc = gos__cond_init(&c->told);
    if (rc < 0) {
        gos__mutex_finish(&c->lock);
        return rc;
    }
    gos__list_init(&c->subs);
    c->telling = NULL;
    atomic_init(&c->fired, false);
    return 0;
}

void gos__cancel_finish(gos_cancel *c)
{
    gos__cond_finish(&c->told);
    gos__mutex_finish(&c->lock);
}

bool gos__cancel_subscribe(gos_cancel *c, struct gos__cancel_sub *sub)
{
    gos__lock(&c->lock);
    bool fired = atomic_load_explicit(&c->fired, memory_order_relaxed); /* the lock orders it */
    if (!fired)
        gos__list_append(&c->subs, &sub->link);
    gos__unlock(&c->lock);
    return !fired;
}

void gos__cancel_unsubscribe(gos_cancel *c, struct gos__cancel_sub *sub)
{
    gos__lock(&c->lock);
    while (c->telling == sub)
        gos__cond_wait(&c->told, &c->lock);
    gos__list_remove(&sub->link);
    gos__unlock(&c->lock);
}

int gos_cancel_new(gos_cancel **out)
{
    if (!out)
        return gos__error(GOS_EINVAL, "nowhere to put the cancel latch");
    gos_cancel *c = gos__calloc(1, sizeof *c);
    if (!c)
        return gos__error_nomem();
    int rc = gos__cancel_init(c);
    if (rc < 0) {
        gos__free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void gos_cancel_fire(gos_cancel *c)
{
    if (!c)
        return;
    gos__lock(&c->lock);
    if (!atomic_load_explicit(&c->fired, memory_order_relaxed)) {
        /* Release: who sees the latch fired sees what was done before it. */
        atomic_store_explicit(&c->fired, true, memory_order_release);
        while (!gos__list_empty(&c->subs)) {
            struct gos__cancel_sub *sub = GOS__LIST_OWNER(c->subs.next, struct gos__cancel_sub,
                                                          link);
            gos__list_remove(&sub->link);
            c->telling = sub;
            gos__unlock(&c->lock);
            sub->fired(sub);
            gos__lock(&c->lock);
            c->telling = NULL;
            gos__cond_broadcast(&c->told);
        }
    }
    gos__unlock(&c->lock);
}

int gos_cancel_fired(const gos_cancel *c)
{
    return c && atomic_load_explicit(&c->fired, memory_order_acquire);
}

void gos_cancel_free(gos_cancel *c)
{
    if (!c)
        return;
    gos__cancel_finish(c);
    gos__free(c);
}
