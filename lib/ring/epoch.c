/* SPDX-License-Identifier: MIT
 *
 * Epochs: where they begin, the sticky head of the newest one, and the names of
 * writers, by which a writer is known that has reconnected. Runs on writers'
 * threads; readers look under the ring's lock. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/minmax.h"
#include "ring/ring.h"

#define MAX_NAMES 16u

struct gos__names {
    char name[MAX_NAMES][64];
    unsigned next; /* the slot that the next new name gets */
};

/* The last epoch that begins at `off` or before; the first one if none does. */
static unsigned find_locked(gos_ring *ring, uint64_t off) GOS_REQUIRES(ring->lock)
{
    unsigned low = 0, high = ring->n_epochs;

    while (high - low > 1) {
        unsigned middle = low + (high - low) / 2;
        if (ring->epochs[middle].off <= off)
            low = middle;
        else
            high = middle;
    }
    return low;
}

uint32_t gos__epoch_at_locked(gos_ring *ring, uint64_t off)
{
    return ring->n_epochs ? ring->epochs[find_locked(ring, off)].number : 1;
}

uint64_t gos__epoch_next_locked(gos_ring *ring, uint64_t off)
{
    if (ring->n_epochs < 2)
        return GOS__RING_NONE;
    unsigned i = find_locked(ring, off) + 1;
    return i < ring->n_epochs ? ring->epochs[i].off : GOS__RING_NONE;
}

void gos__epoch_prune_locked(gos_ring *ring)
{
    unsigned gone = 0;

    /* The one that the oldest byte is in stays. */
    while (gone + 1 < ring->n_epochs && ring->epochs[gone + 1].off <= ring->floor)
        gone++;
    if (gone == 0)
        return;
    ring->n_epochs -= gone;
    memmove(ring->epochs, ring->epochs + gone, ring->n_epochs * sizeof *ring->epochs);
}

int gos__epoch_reserve_locked(gos_ring *ring)
{
    /* The first one, which was there from the begin, takes a place as well. */
    if (ring->n_epochs + 2 <= ring->cap_epochs)
        return 0;
    unsigned cap = ring->cap_epochs ? ring->cap_epochs * 2 : 4;
    struct gos__epoch *epochs = gos__realloc(ring->epochs, cap * sizeof *epochs);
    if (!epochs)
        return gos__error_nomem();
    ring->epochs = epochs;
    ring->cap_epochs = cap;
    return 0;
}

/* A new head, if this ring has them: readers keep the old one as long as they read it. */
static int begin_head(gos_ring *ring, uint64_t off) GOS_REQUIRES(ring->append_lock)
{
    struct gos__segment *head = NULL;

    if (ring->opts.head_bytes == 0)
        return 0;
    int rc = gos__segment_new(&head, ring, ring->opts.head_bytes);
    if (rc < 0)
        return rc;
    head->base = off;
    gos__lock(&ring->lock);
    struct gos__segment *old = ring->head;
    ring->head = head;
    ring->head_len = 0;
    if (old)
        gos__segment_unref_locked(ring, old, true);
    gos__unlock(&ring->lock);
    ring->head_left = ring->opts.head_bytes;
    return 0;
}

int gos__epoch_begin(gos_ring *ring, uint64_t off)
{
    gos__lock(&ring->lock);
    int rc = gos__epoch_reserve_locked(ring);
    gos__unlock(&ring->lock);
    if (rc == 0)
        rc = begin_head(ring, off);
    if (rc < 0 || off == 0)
        return rc; /* the first epoch needs no note */
    gos__lock(&ring->lock);
    if (ring->n_epochs == 0)
        ring->epochs[ring->n_epochs++] = (struct gos__epoch){.off = 0, .number = 1};
    uint32_t number = ring->epochs[ring->n_epochs - 1].number + 1;
    ring->epochs[ring->n_epochs++] = (struct gos__epoch){.off = off, .number = number};
    gos__unlock(&ring->lock);
    return 0;
}

void gos__epoch_add_head(gos_ring *ring, struct gos__segment *first, uint64_t off, uint64_t len)
{
    uint64_t n = gos__min_u64(len, ring->head_left), at = off;

    /* The head is replaced under append_lock, which is ours; what readers have of
     * it lies before head_len. */
    gos__lock(&ring->lock);
    struct gos__segment *head = ring->head;
    gos__unlock(&ring->lock);
    for (struct gos__segment *s = first; at < off + n; s = s->next) {
        uint64_t part = gos__min_u64(s->base + s->size, off + n) - at;
        memcpy(head->data + (at - head->base), s->data + (at - s->base), part);
        at += part;
    }
    ring->head_left -= n;
    gos__lock(&ring->lock);
    ring->head_len += n;
    gos__unlock(&ring->lock);
}

/* ---- names ---- */

static bool knows(const struct gos__names *names, const char *name)
{
    for (unsigned i = 0; i < MAX_NAMES; i++) {
        if (strcmp(names->name[i], name) == 0)
            return true;
    }
    return false;
}

bool gos__epoch_name_known_locked(gos_ring *ring, const char *name)
{
    return name[0] && ring->names && knows(ring->names, name);
}

int gos__epoch_reserve_names(gos_ring *ring)
{
    struct gos__names *names = gos__calloc(1, sizeof *names);
    if (!names)
        return gos__error_nomem();
    gos__lock(&ring->lock);
    if (!ring->names) {
        ring->names = names;
        names = NULL;
    }
    gos__unlock(&ring->lock);
    gos__free(names);
    return 0;
}

void gos__epoch_remember_locked(gos_ring *ring, const char *name)
{
    struct gos__names *names = ring->names;

    if (knows(names, name))
        return;
    strcpy(names->name[names->next], name); /* checked to fit when the writer was opened */
    names->next = (names->next + 1) % MAX_NAMES;
}
