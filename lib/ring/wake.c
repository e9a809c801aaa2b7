/* SPDX-License-Identifier: MIT
 *
 * Being told, once, that there are bytes or that there is room. A watch is called with no lock
 * held; `firing` keeps its memory until that has returned. Runs on who publishes, ends, reads or
 * disarms. */
#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "ring/ring.h"

/* A watch's `lib`: ptr[0] and [1] link it, ptr[2] is the list it is in (NULL:
 * none), num[0] is its state, num[1] the offset it has seen or the bytes it needs. */
#define BATCH 16u
#define FIRING 1u
#define USED 2u       /* it was armed before, so it knows of the alarms until then */
#define STATE_BITS 2u /* the rest of num[0] are the alarms it knows of, see gos_ring.alarms */

static void link_locked(struct gos__watches *list, struct gos_ring_watch *w)
{
    w->lib.ptr[0] = NULL;
    w->lib.ptr[1] = list->first;
    if (list->first)
        list->first->lib.ptr[0] = w;
    list->first = w;
    w->lib.ptr[2] = list;
}

static void unlink_locked(struct gos_ring_watch *w)
{
    struct gos__watches *list = w->lib.ptr[2];
    struct gos_ring_watch *prev = w->lib.ptr[0], *next = w->lib.ptr[1];

    if (!list)
        return;
    if (prev)
        prev->lib.ptr[1] = next;
    else
        list->first = next;
    if (next)
        next->lib.ptr[0] = prev;
    w->lib.ptr[2] = NULL;
}

static bool knows_alarms_locked(gos_ring *ring, const struct gos_ring_watch *w)
    GOS_REQUIRES(ring->lock)
{
    return w->lib.num[0] >> STATE_BITS == ring->alarms;
}

/* Who is told, or armed for the first time, knows all alarms so far. */
static void tell_alarms_locked(gos_ring *ring, struct gos_ring_watch *w) GOS_REQUIRES(ring->lock)
{
    w->lib.num[0] = ring->alarms << STATE_BITS | USED | (w->lib.num[0] & FIRING);
}

static bool is_due_locked(gos_ring *ring, const struct gos_ring_watch *w) GOS_REQUIRES(ring->lock)
{
    struct gos__room room;

    if (w->lib.num[0] & FIRING)
        return false; /* who calls it looks again when it has returned */
    if (gos__wake_ended(ring))
        return true;
    if (w->lib.ptr[2] == &ring->watches)
        return atomic_load_explicit(&ring->tail, memory_order_acquire) > w->lib.num[1] ||
               !knows_alarms_locked(ring, w);
    return gos__room_check_locked(ring, w->lib.num[1], gos__clock_ns(), &room);
}

static void note_armed_locked(gos_ring *ring) GOS_REQUIRES(ring->lock)
{
    bool armed = ring->watches.first || !gos__list_empty(&ring->sleepers);

    /* Sequentially consistent, as are the store of `tail` and the loads of both:
     * either who arms sees the new tail, or who publishes sees `armed`. */
    atomic_store_explicit(&ring->armed, armed, memory_order_seq_cst);
}

void gos__wake_arm_sleeper_locked(gos_ring *ring, struct gos__sleeper *s)
{
    if (gos__list_empty(&s->link))
        gos__list_append(&ring->sleepers, &s->link);
    note_armed_locked(ring);
}

static struct gos_ring_watch *next_due_locked(gos_ring *ring, struct gos__watches *list)
    GOS_REQUIRES(ring->lock)
{
    struct gos_ring_watch *w = list->first;

    while (w && !is_due_locked(ring, w))
        w = w->lib.ptr[1];
    return w;
}

static void fire_locked(gos_ring *ring, struct gos__watches *list) GOS_REQUIRES(ring->lock)
{
    struct gos_ring_watch *w;

    while ((w = next_due_locked(ring, list))) {
        unlink_locked(w);
        tell_alarms_locked(ring, w);
        w->lib.num[0] |= FIRING;
        note_armed_locked(ring);
        gos__unlock(&ring->lock);
        w->wake(w);
        gos__lock(&ring->lock);
        w->lib.num[0] &= ~(uint64_t)FIRING;
        gos__cond_broadcast(&ring->fired);
    }
}

/* Take sleepers out of their list: their words, to be woken with no lock held. */
static unsigned take_locked(gos_ring *ring, struct gos__list *sleepers, _Atomic uint32_t *words[])
    GOS_REQUIRES(ring->lock)
{
    unsigned n = 0;

    (void)ring;
    while (n < BATCH && !gos__list_empty(sleepers)) {
        struct gos__sleeper *s = GOS__LIST_OWNER(sleepers->next, struct gos__sleeper, link);
        gos__list_remove(&s->link);
        words[n++] = gos__sleeper_mark(s);
    }
    return n;
}

/* Threads first: the watches' callbacks take a while. */
static void wake(gos_ring *ring, struct gos__list *sleepers, struct gos__watches *watches)
{
    _Atomic uint32_t *words[BATCH];
    unsigned n;
    bool watched;

    do {
        gos__lock(&ring->lock);
        n = take_locked(ring, sleepers, words);
        note_armed_locked(ring);
        watched = watches->first;
        gos__unlock(&ring->lock);
        for (unsigned i = 0; i < n; i++)
            gos__sleeper_wake(words[i]);
    } while (n == BATCH);
    if (!watched)
        return;
    gos__lock(&ring->lock);
    fire_locked(ring, watches);
    gos__unlock(&ring->lock);
}

void gos__wake_bytes(gos_ring *ring)
{
    wake(ring, &ring->sleepers, &ring->watches);
}

void gos__wake_room(gos_ring *ring)
{
    wake(ring, &ring->room_sleepers, &ring->room_watches);
    gos__lock(&ring->lock);
    /* Looking for room has disconnected a reader: just now, or before this was called. */
    bool alarm = ring->told_alarms != ring->alarms;
    ring->told_alarms = ring->alarms;
    gos__unlock(&ring->lock);
    if (alarm)
        gos__wake_bytes(ring);
}

static int check_watch(const gos_ring *ring, const struct gos_ring_watch *w)
{
    if (!ring || !w || !w->wake)
        return gos__error(GOS_EINVAL, "no ring, no watch, or a watch without wake");
    if (w->struct_size != sizeof *w)
        return gos__error(GOS_EINVAL, "struct_size of the watch is not this library's");
    return 0;
}

static int arm_locked(gos_ring *ring, struct gos__watches *list, struct gos_ring_watch *w,
                      uint64_t number) GOS_REQUIRES(ring->lock)
{
    if (w->lib.ptr[2])
        return gos__error(GOS_EBUSY, "the watch is armed");
    if (!(w->lib.num[0] & USED))
        tell_alarms_locked(ring, w);
    w->lib.num[1] = number;
    link_locked(list, w);
    return 0;
}

int gos_ring_arm(gos_ring *ring, uint64_t offset, struct gos_ring_watch *watch)
{
    int rc = check_watch(ring, watch);
    if (rc < 0)
        return rc;
    gos__lock(&ring->lock);
    rc = arm_locked(ring, &ring->watches, watch, offset);
    if (rc == 0) {
        note_armed_locked(ring);
        /* An alarm that came after it has fired is told now. */
        if (atomic_load_explicit(&ring->tail, memory_order_seq_cst) > offset ||
            gos__wake_ended(ring) || !knows_alarms_locked(ring, watch)) {
            tell_alarms_locked(ring, watch);
            unlink_locked(watch);
            note_armed_locked(ring);
            rc = 1;
        }
    }
    gos__unlock(&ring->lock);
    return rc;
}

int gos_ring_writer_arm(gos_ring_writer *w, size_t bytes, struct gos_ring_watch *watch)
{
    struct gos__room room;
    int rc = check_watch(w ? w->ring : NULL, watch);
    if (rc < 0)
        return rc;
    gos_ring *ring = w->ring;
    uint64_t need = gos__min_u64(bytes, ring->max_record);
    bool alarm = false;

    gos__lock(&ring->lock);
    rc = arm_locked(ring, &ring->room_watches, watch, need);
    if (rc == 0) {
        bool room_now = gos__room_check_locked(ring, need, gos__clock_ns(), &room);
        alarm = room.alarm;
        if (room_now || gos__wake_ended(ring)) {
            unlink_locked(watch);
            rc = 1;
        }
    }
    gos__unlock(&ring->lock);
    if (alarm)
        gos__wake_room(ring);
    return rc;
}

void gos_ring_disarm(gos_ring *ring, struct gos_ring_watch *watch)
{
    if (!ring || !watch)
        return;
    gos__lock(&ring->lock);
    unlink_locked(watch);
    while (watch->lib.num[0] & FIRING)
        gos__cond_wait(&ring->fired, &ring->lock);
    unlink_locked(watch); /* its `wake` may have armed it again */
    note_armed_locked(ring);
    gos__unlock(&ring->lock);
}
