/* SPDX-License-Identifier: MIT
 *
 * The one home of torrent bytes: a fixed number of 16 KiB slots in one mapping
 * that never grows. A slot belongs to a piece, or is borrowed by readers, or
 * both, or is free. A slot whose piece is gone stays where it is until the last
 * borrower gives it back. No locks here: the session's lock guards it. */
#ifndef GOS_STORE_ARENA_H
#define GOS_STORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOS__SLOT_SIZE 16384u

struct gos__arena {
    /* immutable after init */
    unsigned char *base;
    uint32_t n_slots;
    /* guarded by the session's lock */
    uint32_t *free_slots; /* a stack */
    uint32_t n_free;
    uint32_t *borrows;  /* per slot */
    bool *owned;        /* per slot: by a piece */
    uint32_t n_orphans; /* borrowed, but no piece's any more */
    uint32_t peak_used;
};

/* 0, GOS_ENOMEM, or GOS_EINVAL for fewer bytes than a slot. */
int gos__arena_init(struct gos__arena *a, uint64_t bytes);
void gos__arena_finish(struct gos__arena *a); /* a zeroed one is fine */

/* Take `n` slots for a piece, all or nothing. */
bool gos__arena_take(struct gos__arena *a, uint32_t *slots, uint32_t n);
/* The piece lets go of its slots; those that nobody borrows are free. */
void gos__arena_give(struct gos__arena *a, const uint32_t *slots, uint32_t n);

void gos__arena_borrow(struct gos__arena *a, uint32_t slot);
/* True when this made a slot free that no piece owned. */
bool gos__arena_unborrow(struct gos__arena *a, uint32_t slot);

static inline unsigned char *gos__arena_at(const struct gos__arena *a, uint32_t slot)
{
    return a->base + (size_t)slot * GOS__SLOT_SIZE;
}

static inline uint32_t gos__arena_slot_of(const struct gos__arena *a, const void *p)
{
    return (uint32_t)(((const unsigned char *)p - a->base) / GOS__SLOT_SIZE);
}

static inline uint32_t gos__arena_used(const struct gos__arena *a)
{
    return a->n_slots - a->n_free;
}

#endif
