/* SPDX-License-Identifier: MIT
 *
 * How a torrent is cut into pieces and blocks, and which blocks hold nothing but
 * padding. Pure; any thread. */
#ifndef GOS_ENGINE_LAYOUT_H
#define GOS_ENGINE_LAYOUT_H

#include <stdint.h>

#include "lt-c/lt-c.h"

/* Bytes of a piece; the last one is shorter. */
uint32_t gos__layout_piece_size(const struct ltc_info_view *info, uint32_t piece);
/* Bytes of a block of a piece; the last one may be shorter. */
uint32_t gos__layout_block_size(const struct ltc_info_view *info, uint32_t piece, uint32_t block);
/* The first file that ends behind `offset`, or n_files. */
uint32_t gos__layout_first_file(const struct ltc_info_view *info, uint64_t offset);
/* Mark the blocks of a piece that hold nothing but padding: have[i] = 1, else 0.
 * Returns how many. They are zeros and are never asked for. */
uint32_t gos__layout_padding(const struct ltc_info_view *info, uint32_t piece, uint8_t *have,
                             uint32_t n_blocks);

#endif
