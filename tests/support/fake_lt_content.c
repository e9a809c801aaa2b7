/* SPDX-License-Identifier: MIT
 *
 * The bytes of a scripted torrent and their hashes: SHA-1 of the pieces, and the
 * merkle trees of v2. Pure. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "support/data.h"
#include "support/fake_lt_internal.h"

uint64_t fake_lt__mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void fake_lt_pattern(uint64_t seed, uint64_t off, void *buf, size_t len)
{
    data_fill(buf, len, seed, off);
}

bool fake_lt_pattern_is(uint64_t seed, uint64_t off, const void *buf, size_t len)
{
    return data_check(buf, len, seed, off) == len;
}

/* The first file that ends behind `off`: files of no bytes are skipped. */
static uint32_t file_at(const ltc_info *i, uint64_t off)
{
    uint32_t low = 0, high = i->view.n_files;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (i->files[mid].offset + i->files[mid].size > off)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

void fake_lt__content(const ltc_info *i, uint64_t off, uint8_t *buf, size_t len)
{
    for (uint32_t f = file_at(i, off); len > 0; f++) {
        const struct ltc_file *file = &i->files[f];
        uint64_t in_file = off - file->offset, left = file->size - in_file;
        size_t n = left < len ? (size_t)left : len;
        if (file->flags & LTC_FILE_PAD)
            memset(buf, 0, n);
        else
            fake_lt_pattern(i->file_seeds[f], in_file, buf, n);
        buf += n;
        off += n;
        len -= n;
    }
}

uint32_t fake_lt__piece_size(const ltc_info *i, uint32_t piece)
{
    uint64_t start = (uint64_t)piece * i->view.piece_length, left = i->view.total_size - start;
    return left < i->view.piece_length ? (uint32_t)left : i->view.piece_length;
}

uint32_t fake_lt__piece_blocks(const ltc_info *i, uint32_t piece)
{
    return (fake_lt__piece_size(i, piece) + LTC_BLOCK - 1) / LTC_BLOCK;
}

uint32_t fake_lt__block_size(const ltc_info *i, uint32_t piece, uint32_t block)
{
    if (piece >= i->view.n_pieces || block >= fake_lt__piece_blocks(i, piece))
        return 0;
    uint32_t left = fake_lt__piece_size(i, piece) - block * LTC_BLOCK;
    return left < LTC_BLOCK ? left : LTC_BLOCK;
}

bool fake_lt__block_is_pad(const ltc_info *i, uint32_t piece, uint32_t block)
{
    uint64_t off = (uint64_t)piece * i->view.piece_length + (uint64_t)block * LTC_BLOCK;
    uint64_t end = off + fake_lt__block_size(i, piece, block);
    for (uint32_t f = file_at(i, off); off < end; f++) {
        if (i->files[f].size && !(i->files[f].flags & LTC_FILE_PAD))
            return false;
        off = i->files[f].offset + i->files[f].size;
    }
    return true;
}

static void digest(const EVP_MD *how, const void *bytes, size_t len, uint8_t *out)
{
    if (EVP_Digest(bytes, len, out, NULL, how, NULL) != 1)
        abort();
}

static void hash_pieces(ltc_info *i)
{
    uint8_t *buf = fake_lt__alloc(1, i->view.piece_length);
    i->piece_hashes = fake_lt__alloc(i->view.n_pieces, 20);
    for (uint32_t p = 0; p < i->view.n_pieces; p++) {
        uint32_t size = fake_lt__piece_size(i, p);
        fake_lt__content(i, (uint64_t)p * i->view.piece_length, buf, size);
        digest(EVP_sha1(), buf, size, i->piece_hashes + 20 * (size_t)p);
    }
    free(buf);
    i->view.piece_hashes = i->piece_hashes;
}

/* The root over `n` hashes in `at` (spoilt), with `empty` standing for each that
 * is missing to a power of two, `width` of them at least. */
static void merkle_root(uint8_t (*at)[32], size_t n, size_t width, const uint8_t empty[32],
                        uint8_t out[32])
{
    uint8_t none[32], pair[64];
    memcpy(none, empty, 32);
    while (width < n)
        width *= 2;
    for (; width > 1; width /= 2) {
        for (size_t k = 0; k < n; k += 2) {
            memcpy(pair, at[k], 32);
            memcpy(pair + 32, k + 1 < n ? at[k + 1] : none, 32);
            digest(EVP_sha256(), pair, 64, at[k / 2]);
        }
        n = (n + 1) / 2;
        memcpy(pair, none, 32);
        memcpy(pair + 32, none, 32);
        digest(EVP_sha256(), pair, 64, none);
    }
    memcpy(out, n ? at[0] : none, 32);
}

/* The root of the blocks of one piece of a file, or of the whole small file. */
static void hash_blocks(const ltc_info *i, uint32_t f, uint64_t off, uint64_t len, size_t width,
                        uint8_t out[32])
{
    static const uint8_t zeros[32];
    size_t n = (size_t)((len + LTC_BLOCK - 1) / LTC_BLOCK);
    uint8_t(*leaves)[32] = fake_lt__alloc(n, 32), block[LTC_BLOCK];
    for (size_t k = 0; k < n; k++) {
        uint64_t at = k * LTC_BLOCK, left = len - at;
        size_t size = left < LTC_BLOCK ? (size_t)left : LTC_BLOCK;
        fake_lt_pattern(i->file_seeds[f], off + at, block, size);
        digest(EVP_sha256(), block, size, leaves[k]);
    }
    merkle_root(leaves, n, width, zeros, out);
    free(leaves);
}

static void hash_file(ltc_info *i, uint32_t f)
{
    static const uint8_t zeros[32];
    struct ltc_file *file = &i->files[f];
    uint32_t length = i->view.piece_length, per_piece = length / LTC_BLOCK;
    if (file->size <= length) {
        hash_blocks(i, f, 0, file->size, 1, i->roots[f]);
        file->root = i->roots[f];
        return;
    }
    size_t n = (size_t)((file->size + length - 1) / length);
    i->layers[f] = fake_lt__alloc(n, 32);
    for (size_t p = 0; p < n; p++) {
        uint64_t off = (uint64_t)p * length, left = file->size - off;
        hash_blocks(i, f, off, left < length ? left : length, per_piece, i->layers[f] + 32 * p);
    }
    uint8_t empty[32], (*spoilt)[32] = fake_lt__alloc(n, 32);
    merkle_root(NULL, 0, per_piece, zeros, empty);
    memcpy(spoilt, i->layers[f], 32 * n);
    merkle_root(spoilt, n, 1, empty, i->roots[f]);
    free(spoilt);
    file->root = i->roots[f];
}

void fake_lt__info_hash(ltc_info *i)
{
    if (i->view.v1)
        hash_pieces(i);
    i->roots = fake_lt__alloc(i->view.n_files, 32);
    i->layers = fake_lt__alloc(i->view.n_files, sizeof *i->layers);
    for (uint32_t f = 0; i->view.v2 && f < i->view.n_files; f++)
        if (i->files[f].size && !(i->files[f].flags & LTC_FILE_PAD))
            hash_file(i, f);
}
