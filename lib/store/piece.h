/* SPDX-License-Identifier: MIT
 *
 * A piece in memory: which slots hold its blocks, which of them have arrived,
 * whether it was verified. Made when it is planned, begun when all its slots are
 * reserved, gone when it is evicted. Only the network thread makes, begins and
 * evicts pieces; the session's lock guards what other threads look at. */
#ifndef GOS_STORE_PIECE_H
#define GOS_STORE_PIECE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "store/arena.h"

/* In gos__piece.stored. */
#define GOS__BLOCK_STORED 1  /* arrived */
#define GOS__BLOCK_PADDING 2 /* zeros, never fetched */

struct gos__piece {
    /* immutable after new */
    void *owner; /* the torrent */
    uint32_t index;
    uint32_t n_blocks;
    uint32_t size; /* bytes */

    /* guarded by the session's lock */
    struct gos__list link; /* all begun pieces of the session, oldest use first */
    struct gos__list
        hash_link; /* waits for the hash thread, or its result for the network thread */
    bool begun;    /* has its slots */
    bool hashing;  /* with the hash thread, or its verdict not yet dealt with: a pin */
    bool verified;
    bool gone;           /* evicted; freed when nobody looks at it any more */
    unsigned pins;       /* who looks at it while the lock is not held */
    bool unjudged;       /* complete, but the hashes to compare with are not known yet */
    int verdict;         /* of the hash thread */
    int64_t progress_ns; /* when a block was last stored */
    uint32_t n_stored;
    uint64_t *prints; /* per block, by the hash thread, when asked for */
    bool want_prints;

    /* network thread only */
    uint64_t plan;  /* number of the last plan that wanted it */
    uint64_t kept;  /* ... and of the last one that would rather keep it */
    bool scheduled; /* known to the scheduler */

    uint8_t *stored;   /* per block: its bytes are there */
    uint8_t *withheld; /* per block: libtorrent's write of it is withheld under its slot */
    uint32_t *slots;   /* per block */
};

struct gos__piece *gos__piece_new(void *owner, uint32_t index, uint32_t size); /* NULL: no memory */
void gos__piece_free(struct gos__piece *p); /* holds no slots any more; NULL is fine */
/* Look no more; frees it when it is gone and this was the last. */
void gos__piece_unpin(struct gos__piece *p);

/* Reserve all slots. False: there are not enough. */
bool gos__piece_begin(struct gos__piece *p, struct gos__arena *a);
/* Forget all blocks but padding, as if it had just begun. */
void gos__piece_reset(struct gos__piece *p);

/* Bytes that came over the line: of stored blocks, without padding. */
uint64_t gos__piece_fetched(const struct gos__piece *p);

static inline uint32_t gos__piece_block_len(const struct gos__piece *p, uint32_t block)
{
    uint32_t at = block * GOS__SLOT_SIZE;
    return p->size - at < GOS__SLOT_SIZE ? p->size - at : GOS__SLOT_SIZE;
}

static inline bool gos__piece_complete(const struct gos__piece *p)
{
    return p->n_stored == p->n_blocks;
}

#endif
