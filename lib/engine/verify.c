/* SPDX-License-Identifier: MIT
 *
 * The hashes of pieces, by OpenSSL. Runs on the hash thread. */
#include "engine/verify.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/minmax.h"
#include "engine/layout.h"

#define SHA1_SIZE 20
#define SHA256_SIZE 32
#define MAX_LEVELS 32 /* of a merkle tree: more than 32-bit piece lengths need */

struct gos__verifier {
    EVP_MD_CTX *ctx;
    EVP_MD *sha1;
    EVP_MD *sha256;
};

int gos__verifier_new(struct gos__verifier **out)
{
    struct gos__verifier *v = gos__calloc(1, sizeof *v);
    if (!v)
        return gos__error_nomem();
    v->ctx = EVP_MD_CTX_new();
    if (!v->ctx) {
        gos__verifier_free(v);
        return gos__error_nomem();
    }
    /* Fetched once: a look-up with every 16 KiB would cost as much as the hash. */
    v->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    v->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!v->sha1 || !v->sha256) {
        gos__verifier_free(v);
        return gos__error(GOS_EIO, "the crypto library offers no SHA-1 or no SHA-256");
    }
    *out = v;
    return 0;
}

void gos__verifier_free(struct gos__verifier *v)
{
    if (!v)
        return;
    EVP_MD_free(v->sha1);
    EVP_MD_free(v->sha256);
    EVP_MD_CTX_free(v->ctx);
    gos__free(v);
}

static int hash_error(void)
{
    return gos__error(GOS_EIO, "the crypto library could not hash");
}

static enum gos__verdict verdict(bool good)
{
    return good ? GOS__VERIFY_GOOD : GOS__VERIFY_BAD;
}

/* ---- v1 ---- */

static int verify_v1(struct gos__verifier *v, const struct ltc_info_view *info, uint32_t piece,
                     const void *const *blocks)
{
    uint8_t digest[SHA1_SIZE];
    uint32_t left = gos__layout_piece_size(info, piece);
    if (!EVP_DigestInit_ex(v->ctx, v->sha1, NULL))
        return hash_error();
    for (uint32_t i = 0; left; i++) {
        uint32_t len = (uint32_t)gos__min_u64(left, LTC_BLOCK);
        if (!EVP_DigestUpdate(v->ctx, blocks[i], len))
            return hash_error();
        left -= len;
    }
    if (!EVP_DigestFinal_ex(v->ctx, digest, NULL))
        return hash_error();
    return verdict(!memcmp(digest, info->piece_hashes + (size_t)piece * SHA1_SIZE, SHA1_SIZE));
}

/* ---- v2 ---- */

/* A merkle tree that is built from the left: at each level at most one node
 * waits for its right neighbour. */
struct tree {
    uint32_t n_leaves;
    uint8_t waiting[MAX_LEVELS + 1][SHA256_SIZE];
};

static bool sha256(struct gos__verifier *v, uint8_t *out, const void *a, size_t a_len,
                   const void *b, size_t b_len)
{
    return EVP_DigestInit_ex(v->ctx, v->sha256, NULL) && EVP_DigestUpdate(v->ctx, a, a_len) &&
           EVP_DigestUpdate(v->ctx, b, b_len) && EVP_DigestFinal_ex(v->ctx, out, NULL);
}

static bool tree_add(struct gos__verifier *v, struct tree *t, const uint8_t leaf[SHA256_SIZE])
{
    uint8_t node[SHA256_SIZE];
    unsigned level = 0;
    memcpy(node, leaf, SHA256_SIZE);
    for (uint32_t n = t->n_leaves; n & 1; n >>= 1, level++) {
        if (!sha256(v, node, t->waiting[level], SHA256_SIZE, node, SHA256_SIZE))
            return false;
    }
    memcpy(t->waiting[level], node, SHA256_SIZE);
    t->n_leaves++;
    return true;
}

static uint32_t power_of_two_from(uint32_t n)
{
    uint32_t width = 1;
    while (width < n)
        width *= 2;
    return width;
}

static unsigned level_of(uint32_t width)
{
    unsigned level = 0;
    while (width >>= 1)
        level++;
    return level;
}

/* The root over `len` bytes in blocks, with leaves of zeros up to `width`. */
static bool merkle_root(struct gos__verifier *v, uint8_t *root, const void *const *blocks,
                        uint32_t len, uint32_t width)
{
    static const uint8_t zeros[SHA256_SIZE];
    uint8_t leaf[SHA256_SIZE];
    struct tree t;
    t.n_leaves = 0;
    for (uint32_t i = 0; len; i++) {
        uint32_t n = (uint32_t)gos__min_u64(len, LTC_BLOCK);
        if (!sha256(v, leaf, blocks[i], n, NULL, 0) || !tree_add(v, &t, leaf))
            return false;
        len -= n;
    }
    while (t.n_leaves < width) {
        if (!tree_add(v, &t, zeros))
            return false;
    }
    memcpy(root, t.waiting[level_of(width)], SHA256_SIZE);
    return true;
}

static int verify_v2(struct gos__verifier *v, const ltc_info *info, uint32_t piece,
                     const void *const *blocks, uint32_t n_blocks)
{
    const struct ltc_info_view *view = ltc_info_get(info);
    uint64_t start = (uint64_t)piece * view->piece_length;
    uint32_t file = gos__layout_first_file(view, start);
    if (file == view->n_files)
        return GOS__VERIFY_BAD;
    /* Each file begins with a piece of its own, so a piece holds one file's bytes. */
    const struct ltc_file *f = &view->files[file];
    if (f->offset > start || (start - f->offset) % view->piece_length)
        return GOS__VERIFY_BAD;
    uint32_t len = (uint32_t)gos__min_u64(view->piece_length, f->offset + f->size - start);
    uint32_t n_leaves = (len + LTC_BLOCK - 1) / LTC_BLOCK;
    assert(n_leaves <= n_blocks);
    (void)n_blocks;

    const uint8_t *expected = f->root;
    uint32_t width = power_of_two_from(n_leaves);
    if (f->size > view->piece_length) {
        expected = ltc_info_layer(info, file);
        if (!expected)
            return GOS__VERIFY_UNKNOWN;
        expected += (start - f->offset) / view->piece_length * SHA256_SIZE;
        width = power_of_two_from(view->piece_length / LTC_BLOCK);
    }
    uint8_t root[SHA256_SIZE];
    if (!expected)
        return GOS__VERIFY_BAD;
    if (!merkle_root(v, root, blocks, len, width))
        return hash_error();
    return verdict(!memcmp(root, expected, SHA256_SIZE));
}

int gos__verify_piece(struct gos__verifier *v, const ltc_info *info, uint32_t piece,
                      const void *const *blocks, uint32_t n_blocks)
{
    const struct ltc_info_view *view = ltc_info_get(info);
    assert(piece < view->n_pieces);
    /* A hybrid torrent has both: its v1 hash covers the pads between files too. */
    if (view->v1)
        return verify_v1(v, view, piece, blocks);
    return verify_v2(v, info, piece, blocks, n_blocks);
}
