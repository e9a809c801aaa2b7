/* SPDX-License-Identifier: MIT
 *
 * Segments: made, shared by reference, spared for the next append, freed; and
 * the count of what a ring holds. Any thread. */
#include "base/alloc.h"
#include "base/error.h"
#include "ring/ring.h"

/* With room to move the data to the begin of a line. */
static uint64_t cost(size_t size)
{
    return sizeof(struct gos__segment) + 2 * (uint64_t)GOS__RING_LINE + size;
}

int gos__segment_charge(gos_ring *ring, uint64_t bytes)
{
    if (ring->opts.set) {
        int rc = gos__set_reserve(ring->opts.set, bytes);
        if (rc < 0)
            return rc;
    }
    /* Relaxed: a count, nothing hangs on its order. */
    atomic_fetch_add_explicit(&ring->memory, bytes, memory_order_relaxed);
    return 0;
}

void gos__segment_discharge(gos_ring *ring, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&ring->memory, bytes, memory_order_relaxed);
    if (ring->opts.set)
        gos__set_give_back(ring->opts.set, bytes);
}

int gos__segment_new(struct gos__segment **out, gos_ring *ring, size_t size)
{
    int rc = gos__segment_charge(ring, cost(size));
    if (rc < 0)
        return rc;
    struct gos__segment *s = gos__malloc(cost(size));
    if (!s) {
        gos__segment_discharge(ring, cost(size));
        return gos__error_nomem();
    }
    s->next = NULL;
    s->base = 0;
    s->size = size;
    /* Behind the line of the references. */
    uintptr_t data = (uintptr_t)(s + 1) + 2 * GOS__RING_LINE - 1;
    s->data = (unsigned char *)(data - data % GOS__RING_LINE);
    atomic_init(&s->refs, 1);
    *out = s;
    return 0;
}

void gos__segment_free(gos_ring *ring, struct gos__segment *s)
{
    gos__segment_discharge(ring, cost(s->size));
    gos__free(s);
}

static bool drop(struct gos__segment *s)
{
    /* Acquire and release: the next user of its memory comes after the last one. */
    return atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1;
}

/* Nobody refers to it. Spare it while it is hot in the cache, if it may be used again. */
static void retire_locked(gos_ring *ring, struct gos__segment *s, bool release)
    GOS_REQUIRES(ring->lock)
{
    if (release || s->size != (size_t)1 << ring->shift || ring->n_spare >= ring->max_spare ||
        gos__wake_ended(ring)) {
        gos__segment_free(ring, s);
        return;
    }
    gos__window_add_spare_locked(ring, s);
}

void gos__segment_unref_locked(gos_ring *ring, struct gos__segment *s, bool release)
{
    if (drop(s))
        retire_locked(ring, s, release);
}

void gos__segment_unref_chain(gos_ring *ring, struct gos__segment *first, uint64_t n)
{
    for (; n > 0; n--) {
        /* Before it may be used anew; and not that of the last one, which an append
         * may be setting now. */
        struct gos__segment *next = n > 1 ? first->next : NULL;
        if (drop(first)) {
            gos__lock(&ring->lock);
            retire_locked(ring, first, false);
            gos__unlock(&ring->lock);
        }
        first = next;
    }
}

void gos__segment_free_spare_locked(gos_ring *ring)
{
    while (ring->spare) {
        struct gos__segment *s = ring->spare;
        ring->spare = s->next;
        gos__segment_free(ring, s);
    }
    ring->n_spare = 0;
}
