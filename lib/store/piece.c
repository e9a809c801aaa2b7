/* SPDX-License-Identifier: MIT
 *
 * Making and beginning pieces. Called with the session's lock held. */
#include "store/piece.h"

#include "base/alloc.h"

struct gos__piece *gos__piece_new(void *owner, uint32_t index, uint32_t size)
{
    uint32_t n = (size + GOS__SLOT_SIZE - 1) / GOS__SLOT_SIZE;
    size_t bytes = sizeof(struct gos__piece) + n * (sizeof(uint32_t) + 2);
    struct gos__piece *p = gos__calloc(1, bytes);
    if (!p)
        return NULL;
    p->owner = owner;
    p->index = index;
    p->n_blocks = n;
    p->size = size;
    p->slots = (uint32_t *)(p + 1);
    p->stored = (uint8_t *)(p->slots + n);
    p->withheld = p->stored + n;
    gos__list_init(&p->link);
    gos__list_init(&p->hash_link);
    return p;
}

void gos__piece_free(struct gos__piece *p)
{
    if (!p)
        return;
    gos__free(p->prints);
    gos__free(p);
}

void gos__piece_unpin(struct gos__piece *p)
{
    if (--p->pins == 0 && p->gone)
        gos__piece_free(p);
}

bool gos__piece_begin(struct gos__piece *p, struct gos__arena *a)
{
    if (!gos__arena_take(a, p->slots, p->n_blocks))
        return false;
    p->begun = true;
    return true;
}

void gos__piece_reset(struct gos__piece *p)
{
    p->n_stored = 0;
    for (uint32_t i = 0; i < p->n_blocks; i++) {
        if (p->stored[i] == GOS__BLOCK_PADDING)
            p->n_stored++;
        else
            p->stored[i] = 0;
    }
    p->verified = false;
    p->unjudged = false;
}

uint64_t gos__piece_fetched(const struct gos__piece *p)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < p->n_blocks; i++) {
        if (p->stored[i] == GOS__BLOCK_STORED)
            bytes += gos__piece_block_len(p, i);
    }
    return bytes;
}
