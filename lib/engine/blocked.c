/* SPDX-License-Identifier: MIT
 *
 * Tells when a reader waits for long, and when it does not any more. What counts
 * is its oldest read that waits: reads that end one after the other while others
 * begin are no trouble. Reads come and go in callers' threads and on the done
 * thread; the network thread looks at the clock. */
#include "base/clock.h"
#include "base/minmax.h"
#include "engine/engine.h"

#define LONG_NS GOS__SECOND

static void tell_locked(gos_session *s, enum gos_event_kind kind,
                        const struct gos__torrent_source *f, int64_t since) GOS_REQUIRES(s->lock)
{
    const struct gos_event e = {
        .kind = kind, .torrent = f->torrent->id, .reader = f->id, .since_ns = since};
    gos__event_locked(s, &e);
}

/* When the oldest of its reads that wait began; INT64_MAX: none waits. */
static int64_t oldest_locked(gos_session *s, const struct gos__torrent_source *f)
    GOS_REQUIRES(s->lock)
{
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next) {
        const struct gos__waiter *w = GOS__LIST_OWNER(l, struct gos__waiter, link);
        if (w->source == f)
            return w->began_ns;
    }
    return INT64_MAX;
}

void gos__blocked_begin_locked(gos_session *s, const struct gos__waiter *w)
{
    if (s->events.mask & (GOS_EVENT_BIT(GOS_EVENT_BLOCKED) | GOS_EVENT_BIT(GOS_EVENT_UNBLOCKED)))
        s->next_blocked = gos__min_i64(s->next_blocked, w->began_ns + LONG_NS);
}

void gos__blocked_end_locked(gos_session *s, struct gos__torrent_source *f)
{
    if (!f->blocked_since_told)
        return;
    int64_t oldest = oldest_locked(s, f);
    if (oldest != INT64_MAX && gos__session_now_locked(s) - oldest >= LONG_NS)
        return;
    tell_locked(s, GOS_EVENT_UNBLOCKED, f, f->blocked_since_told);
    f->blocked_since_told = 0;
    if (oldest != INT64_MAX) {
        s->next_blocked = gos__min_i64(s->next_blocked, oldest + LONG_NS);
        if (!s->closing)
            ltc_wake(s->lt); /* it may have nothing else to look for */
    }
}

int64_t gos__blocked_look_locked(gos_session *s, int64_t now)
{
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next) {
        const struct gos__waiter *w = GOS__LIST_OWNER(l, struct gos__waiter, link);
        struct gos__torrent_source *f = w->source;
        if (f->blocked_since_told)
            continue;
        if (now - w->began_ns < LONG_NS)
            return w->began_ns + LONG_NS; /* the rest began later */
        f->blocked_since_told = w->began_ns;
        tell_locked(s, GOS_EVENT_BLOCKED, f, w->began_ns);
    }
    return INT64_MAX;
}
