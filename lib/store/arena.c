/* SPDX-License-Identifier: MIT
 *
 * Slots of the arena: taking, giving, borrowing. Called with the session's lock
 * held, by whatever thread holds it. */
#include "store/arena.h"

#include <assert.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/error.h"

int gos__arena_init(struct gos__arena *a, uint64_t bytes)
{
    *a = (struct gos__arena){0};
    if (bytes < GOS__SLOT_SIZE || bytes / GOS__SLOT_SIZE > UINT32_MAX / 2)
        return gos__error(GOS_EINVAL, "a memory budget of %llu bytes cannot be used",
                          (unsigned long long)bytes);
    uint32_t n = (uint32_t)(bytes / GOS__SLOT_SIZE);
    a->free_slots = gos__calloc(n, sizeof *a->free_slots);
    a->borrows = gos__calloc(n, sizeof *a->borrows);
    a->owned = gos__calloc(n, sizeof *a->owned);
    if (!a->free_slots || !a->borrows || !a->owned) {
        gos__arena_finish(a);
        return gos__error_nomem();
    }
    void *m = mmap(NULL, (size_t)n * GOS__SLOT_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED) {
        gos__arena_finish(a);
        return gos__error(GOS_ENOMEM, "no address space for a budget of %llu bytes",
                          (unsigned long long)bytes);
    }
    /* Large pages save a third of the copying cost; not having them is no error. */
    (void)madvise(m, (size_t)n * GOS__SLOT_SIZE, MADV_HUGEPAGE);
    a->base = m;
    a->n_slots = n;
    /* The lowest slots on top of the stack, so that what is used stays together. */
    for (uint32_t i = 0; i < n; i++)
        a->free_slots[i] = n - 1 - i;
    a->n_free = n;
    return 0;
}

void gos__arena_finish(struct gos__arena *a)
{
    if (a->base)
        munmap(a->base, (size_t)a->n_slots * GOS__SLOT_SIZE);
    gos__free(a->free_slots);
    gos__free(a->borrows);
    gos__free(a->owned);
    *a = (struct gos__arena){0};
}

bool gos__arena_take(struct gos__arena *a, uint32_t *slots, uint32_t n)
{
    if (n > a->n_free)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        slots[i] = a->free_slots[--a->n_free];
        assert(!a->owned[slots[i]] && a->borrows[slots[i]] == 0);
        a->owned[slots[i]] = true;
    }
    if (gos__arena_used(a) > a->peak_used)
        a->peak_used = gos__arena_used(a);
    return true;
}

static void make_free(struct gos__arena *a, uint32_t slot)
{
    a->free_slots[a->n_free++] = slot;
}

void gos__arena_give(struct gos__arena *a, const uint32_t *slots, uint32_t n)
{
    /* Backwards, so that the next piece gets them in the same order. */
    for (uint32_t i = n; i-- > 0;) {
        assert(a->owned[slots[i]]);
        a->owned[slots[i]] = false;
        if (a->borrows[slots[i]] == 0)
            make_free(a, slots[i]);
        else
            a->n_orphans++;
    }
}

void gos__arena_borrow(struct gos__arena *a, uint32_t slot)
{
    assert(a->owned[slot] || a->borrows[slot] > 0);
    a->borrows[slot]++;
}

bool gos__arena_unborrow(struct gos__arena *a, uint32_t slot)
{
    assert(a->borrows[slot] > 0);
    if (--a->borrows[slot] > 0 || a->owned[slot])
        return false;
    a->n_orphans--;
    make_free(a, slot);
    return true;
}
