/* SPDX-License-Identifier: MIT
 *
 * Pieces, blocks and padding of a torrent, from what its metadata says. Pure. */
#include "engine/layout.h"

#include <assert.h>
#include <string.h>

#include "base/minmax.h"

uint32_t gos__layout_piece_size(const struct ltc_info_view *info, uint32_t piece)
{
    uint64_t start = (uint64_t)piece * info->piece_length;
    assert(start < info->total_size);
    return (uint32_t)gos__min_u64(info->piece_length, info->total_size - start);
}

uint32_t gos__layout_block_size(const struct ltc_info_view *info, uint32_t piece, uint32_t block)
{
    uint32_t at = block * LTC_BLOCK;
    return (uint32_t)gos__min_u64(gos__layout_piece_size(info, piece) - at, LTC_BLOCK);
}

/* Files follow each other and do not overlap, so their ends never decrease. */
uint32_t gos__layout_first_file(const struct ltc_info_view *info, uint64_t offset)
{
    uint32_t low = 0, high = info->n_files;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (info->files[middle].offset + info->files[middle].size > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint32_t gos__layout_padding(const struct ltc_info_view *info, uint32_t piece, uint8_t *have,
                             uint32_t n_blocks)
{
    uint64_t start = (uint64_t)piece * info->piece_length;
    uint64_t end = start + gos__layout_piece_size(info, piece);
    uint32_t n_padding = n_blocks;
    /* What belongs to no file is padding too: v2 lets files begin at the next
     * piece whether or not a pad file says so. */
    memset(have, 1, n_blocks);
    for (uint32_t i = gos__layout_first_file(info, start); i < info->n_files; i++) {
        const struct ltc_file *f = &info->files[i];
        if (f->offset >= end)
            break;
        if (!f->size || f->flags & LTC_FILE_PAD)
            continue;
        uint64_t from = gos__max_u64(f->offset, start) - start;
        uint64_t to = gos__min_u64(f->offset + f->size, end) - start;
        for (uint64_t b = from / LTC_BLOCK; b <= (to - 1) / LTC_BLOCK && b < n_blocks; b++) {
            n_padding -= have[b];
            have[b] = 0;
        }
    }
    return n_padding;
}
