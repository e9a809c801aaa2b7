/* SPDX-License-Identifier: MIT
 *
 * Limits that many rings share: how many streams and readers, and how much
 * memory. When memory is short the ring that holds most gives up its oldest
 * history, so that a busy stream cannot push out the small ones. A set may be within
 * another: what its rings hold counts in both. Runs on writers' threads, and in sweeps. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/opts.h"
#include "ring/ring.h"

/* So many rings in a row that give up nothing, since their readers block: then it is
 * not worth the time of a writer to ask the smaller ones. */
#define MAX_TRIES 256u

struct gos_ring_set {
    /* immutable after new */
    struct gos_ring_set_opts opts;
    gos_ring_set *parent;
    unsigned level;  /* 0: it has no parent */
    gos__mutex lock; /* never taken with a ring's lock held */
    /* guarded by lock */
    struct gos__list rings;
    uint64_t n_rings, round;
    /* any thread, atomic */
    atomic_uint refs;
    _Atomic uint64_t streams, readers, bytes, evicted;
};

static struct gos__set_place *place_of(struct gos__list *link)
{
    return GOS__LIST_OWNER(link, struct gos__set_place, link);
}

gos_ring_set *gos__set_ref(gos_ring_set *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

int gos_ring_set_new(gos_ring_set **out, const struct gos_ring_set_opts *opts)
{
    if (!out)
        return gos__error(GOS_EINVAL, "nowhere to put the set");
    gos_ring_set *set = gos__calloc(1, sizeof *set);
    if (!set)
        return gos__error_nomem();
    int rc = gos__opts_copy(&set->opts, sizeof set->opts, opts);
    if (rc < 0)
        goto fail;
    set->parent = set->opts.parent;
    set->level = set->parent ? set->parent->level + 1 : 0;
    if (set->level >= GOS__SET_LEVELS) {
        rc = gos__error(GOS_EINVAL, "the parent of a set has a parent of its own");
        goto fail;
    }
    rc = gos__mutex_init(&set->lock);
    if (rc < 0)
        goto fail;
    if (set->parent)
        gos__set_ref(set->parent);
    gos__list_init(&set->rings);
    atomic_init(&set->refs, 1);
    *out = set;
    return 0;
fail:
    gos__free(set);
    return rc;
}

void gos_ring_set_unref(gos_ring_set *set)
{
    /* Acquire and release: who frees it comes after all others. */
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
        return;
    gos_ring_set *parent = set->parent;
    gos__mutex_finish(&set->lock);
    gos__free(set);
    gos_ring_set_unref(parent);
}

/* ---- counts ---- */

/* Add to a count that may not pass `max` (0: no limit). */
static bool add_within(_Atomic uint64_t *count, uint64_t n, uint64_t max)
{
    uint64_t now = atomic_load_explicit(count, memory_order_relaxed);

    do {
        if (max && (n > max || now > max - n))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(count, &now, now + n, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void enter(gos_ring_set *set, gos_ring *ring)
{
    struct gos__set_place *place = &ring->in_sets[set->level];
    place->ring = ring;
    gos__lock(&set->lock);
    gos__list_append(&set->rings, &place->link);
    set->n_rings++;
    gos__unlock(&set->lock);
}

/* One more in `set` and its parent, or in none of them. */
static int add_stream(gos_ring_set *set)
{
    if (!add_within(&set->streams, 1, set->opts.max_streams))
        return gos__error(GOS_EBUDGET, "there are %llu streams already",
                          (unsigned long long)set->opts.max_streams);
    int rc = set->parent ? add_stream(set->parent) : 0;
    if (rc < 0)
        atomic_fetch_sub_explicit(&set->streams, 1, memory_order_relaxed);
    return rc;
}

int gos__set_join(gos_ring_set *set, gos_ring *ring)
{
    int rc = add_stream(set);
    for (; rc == 0 && set; set = set->parent)
        enter(set, ring);
    return rc;
}

void gos__set_leave_stream(gos_ring_set *set)
{
    for (; set; set = set->parent)
        atomic_fetch_sub_explicit(&set->streams, 1, memory_order_relaxed);
}

void gos__set_leave(gos_ring_set *set, gos_ring *ring)
{
    for (; set; set = set->parent) {
        gos__lock(&set->lock);
        gos__list_remove(&ring->in_sets[set->level].link);
        set->n_rings--;
        gos__unlock(&set->lock);
    }
}

int gos__set_add_reader(gos_ring_set *set)
{
    if (!add_within(&set->readers, 1, set->opts.max_readers))
        return gos__error(GOS_EBUDGET, "there are %llu readers already",
                          (unsigned long long)set->opts.max_readers);
    int rc = set->parent ? gos__set_add_reader(set->parent) : 0;
    if (rc < 0)
        atomic_fetch_sub_explicit(&set->readers, 1, memory_order_relaxed);
    return rc;
}

void gos__set_drop_reader(gos_ring_set *set)
{
    for (; set; set = set->parent)
        atomic_fetch_sub_explicit(&set->readers, 1, memory_order_relaxed);
}

/* ---- memory ---- */

/* What a ring must hold to have anything to give up: the segment that is written is
 * never. Most of thousands of rings may have no other; they are not asked. */
static uint64_t least_of(const gos_ring *ring)
{
    return UINT64_C(2) << ring->shift;
}

/* The ring that holds most of those not tried in this round. */
static gos_ring *largest_locked(gos_ring_set *set, uint64_t round) GOS_REQUIRES(set->lock)
{
    gos_ring *best = NULL;
    uint64_t most = 0;

    for (struct gos__list *l = set->rings.next; l != &set->rings; l = l->next) {
        struct gos__set_place *place = place_of(l);
        uint64_t memory = atomic_load_explicit(&place->ring->memory, memory_order_relaxed);
        if (place->tried != round && memory > most && memory >= least_of(place->ring)) {
            most = memory;
            best = place->ring;
        }
    }
    return best;
}

/* The same, with a reference; one that is being freed has nothing to give up. */
static gos_ring *choose_victim(gos_ring_set *set, uint64_t round)
{
    gos_ring *best;

    gos__lock(&set->lock);
    while ((best = largest_locked(set, round))) {
        best->in_sets[set->level].tried = round;
        if (gos__ring_try_ref(best))
            break;
    }
    gos__unlock(&set->lock);
    return best;
}

static uint64_t begin_round(gos_ring_set *set)
{
    gos__lock(&set->lock);
    uint64_t round = ++set->round;
    gos__unlock(&set->lock);
    return round;
}

static void note_evicted(gos_ring_set *set, uint64_t bytes)
{
    for (; set; set = set->parent)
        atomic_fetch_add_explicit(&set->evicted, bytes, memory_order_relaxed);
}

/* In this set alone. */
static int reserve_here(gos_ring_set *set, uint64_t bytes)
{
    uint64_t round = 0;
    unsigned tries = 0;

    while (!add_within(&set->bytes, bytes, set->opts.max_bytes)) {
        if (round == 0)
            round = begin_round(set);
        gos_ring *victim = tries++ < MAX_TRIES ? choose_victim(set, round) : NULL;
        if (!victim)
            return gos__error(GOS_EBUDGET, "streams may hold %llu bytes, and none can be given up",
                              (unsigned long long)set->opts.max_bytes);
        uint64_t evicted = 0;
        if (gos__window_give_up(victim, &evicted) > 0)
            round = tries = 0; /* all may be asked again */
        note_evicted(victim->opts.set, evicted);
        gos_ring_unref(victim);
    }
    return 0;
}

int gos__set_reserve(gos_ring_set *set, uint64_t bytes)
{
    int rc = reserve_here(set, bytes);
    if (rc < 0 || !set->parent)
        return rc;
    rc = gos__set_reserve(set->parent, bytes);
    if (rc < 0)
        atomic_fetch_sub_explicit(&set->bytes, bytes, memory_order_relaxed);
    return rc;
}

void gos__set_give_back(gos_ring_set *set, uint64_t bytes)
{
    for (; set; set = set->parent)
        atomic_fetch_sub_explicit(&set->bytes, bytes, memory_order_relaxed);
}

/* ---- sweeping ---- */

/* The first ring goes to the end, so that as many calls as there are rings see each. */
static gos_ring *rotate(gos_ring_set *set)
{
    gos_ring *ring = NULL;

    gos__lock(&set->lock);
    if (!gos__list_empty(&set->rings)) {
        struct gos__list *link = set->rings.next;
        gos__list_remove(link);
        gos__list_append(&set->rings, link);
        ring = gos__ring_try_ref(place_of(link)->ring) ? place_of(link)->ring : NULL;
    }
    gos__unlock(&set->lock);
    return ring;
}

int gos_ring_set_sweep(gos_ring_set *set)
{
    int idle = 0;

    if (!set)
        return gos__error(GOS_EINVAL, "no set");
    gos__lock(&set->lock);
    uint64_t n = set->n_rings;
    gos__unlock(&set->lock);
    for (; n > 0; n--) {
        gos_ring *ring = rotate(set);
        if (!ring)
            continue;
        gos_ring_sweep(ring);
        if (ring->opts.idle_ns && atomic_load(&ring->state) != GOS_RING_STATE_DELETED &&
            gos__ring_idle_ns(ring, gos__clock_ns()) >= ring->opts.idle_ns) {
            idle++;
            if (set->opts.on_idle)
                set->opts.on_idle(set->opts.user, ring);
            else
                gos_ring_delete(ring);
        }
        gos_ring_unref(ring);
    }
    return idle;
}

int gos_ring_set_get_stats(gos_ring_set *set, struct gos_ring_set_stats *out)
{
    if (!set || !out)
        return gos__error(GOS_EINVAL, "no set, or nothing to fill");
    struct gos_ring_set_stats s = {
        .struct_size = sizeof s,
        .streams = atomic_load_explicit(&set->streams, memory_order_relaxed),
        .readers = atomic_load_explicit(&set->readers, memory_order_relaxed),
        .bytes = atomic_load_explicit(&set->bytes, memory_order_relaxed),
        .evicted_bytes = atomic_load_explicit(&set->evicted, memory_order_relaxed),
    };
    return gos__opts_give(out, &s, sizeof s);
}
