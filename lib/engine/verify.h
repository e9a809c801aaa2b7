/* SPDX-License-Identifier: MIT
 *
 * Whether the bytes of a piece are what the torrent says: SHA-1 of the piece
 * (v1 and hybrid, BEP 3) or the merkle root of its blocks (v2, BEP 52). Runs on
 * the hash thread, on blocks that stay where they are meanwhile. */
#ifndef GOS_ENGINE_VERIFY_H
#define GOS_ENGINE_VERIFY_H

#include <stdint.h>

#include "lt-c/lt-c.h"

enum gos__verdict { GOS__VERIFY_BAD = 0, GOS__VERIFY_GOOD = 1, GOS__VERIFY_UNKNOWN = 2 };

struct gos__verifier; /* hash contexts, one per thread */

int gos__verifier_new(struct gos__verifier **out);
void gos__verifier_free(struct gos__verifier *v);

/* `blocks[i]` are the bytes of block i of the piece, full length but the last.
 * GOS__VERIFY_UNKNOWN: v2, and the layer of its file is not known yet. Negative:
 * GOS_ENOMEM, GOS_EIO (the crypto library failed). */
int gos__verify_piece(struct gos__verifier *v, const ltc_info *info, uint32_t piece,
                      const void *const *blocks, uint32_t n_blocks);

#endif
