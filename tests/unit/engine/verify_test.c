/* SPDX-License-Identifier: MIT
 *
 * Hashes of pieces against constants made by an independent program (Python's
 * hashlib over the same pattern), and the padding of pieces. */
#include "engine/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/layout.h"
#include "support/fake_lt_internal.h"

#define LENGTH 65536u
#define MAX_BLOCKS 8

/* a: 150000 bytes of pattern 5, b: 40000 of pattern 6 */
#define FILES "seed 5\nfile a 150000\nfile b 40000\n"

static ltc_info *parse(const char *script)
{
    ltc_info *info;
    struct ltc_error err;
    if (ltc_info_parse(&info, script, strlen(script), &err) < 0)
        fail_msg("%s", err.text);
    return info;
}

static void assert_hex(const uint8_t *bytes, const char *hex)
{
    for (size_t i = 0; hex[2 * i]; i++) {
        char two[3];
        snprintf(two, sizeof two, "%02x", bytes[i]);
        assert_memory_equal(two, hex + 2 * i, 2);
    }
}

/* The bytes of a piece, in blocks that lie apart. */
struct piece {
    uint32_t n;
    uint8_t *block[MAX_BLOCKS];
};

static struct piece read_piece(const ltc_info *info, uint32_t piece, uint32_t seed)
{
    const struct ltc_info_view *view = ltc_info_get(info);
    uint64_t start = (uint64_t)piece * view->piece_length;
    uint32_t size = gos__layout_piece_size(view, piece);
    uint8_t *all = calloc(1, size);
    struct piece p = {0};
    for (uint32_t i = 0, n = 0; i < view->n_files; i++) {
        const struct ltc_file *f = &view->files[i];
        if (f->flags & LTC_FILE_PAD || !f->size)
            continue;
        uint8_t *file = malloc(f->size);
        fake_lt_pattern(seed + n++, 0, file, f->size);
        for (uint64_t k = 0; k < f->size; k++) {
            if (f->offset + k >= start && f->offset + k < start + size)
                all[f->offset + k - start] = file[k];
        }
        free(file);
    }
    for (uint32_t at = 0; at < size; at += LTC_BLOCK) {
        uint32_t len = size - at < LTC_BLOCK ? size - at : LTC_BLOCK;
        p.block[p.n] = malloc(len); /* exact, so that a sanitizer sees a read behind it */
        memcpy(p.block[p.n++], all + at, len);
    }
    free(all);
    return p;
}

static int verify(struct gos__verifier *v, const ltc_info *info, uint32_t piece, struct piece *p)
{
    return gos__verify_piece(v, info, piece, (const void *const *)p->block, p->n);
}

static void finish_piece(struct piece *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        free(p->block[i]);
}

/* Each piece is good; with the first and the last byte that counts spoilt it is bad. */
static void assert_verifies(const char *script, uint32_t seed)
{
    ltc_info *info = parse(script);
    struct gos__verifier *v;
    assert_int_equal(gos__verifier_new(&v), 0);
    for (uint32_t i = 0; i < ltc_info_get(info)->n_pieces; i++) {
        struct piece p = read_piece(info, i, seed);
        assert_int_equal(verify(v, info, i, &p), GOS__VERIFY_GOOD);
        for (uint32_t b = 0; b < p.n; b++) {
            uint8_t have[MAX_BLOCKS];
            gos__layout_padding(ltc_info_get(info), i, have, p.n);
            p.block[b][0] ^= 1;
            bool counts = !have[b] || ltc_info_get(info)->v1;
            assert_int_equal(verify(v, info, i, &p), counts ? GOS__VERIFY_BAD : GOS__VERIFY_GOOD);
            p.block[b][0] ^= 1;
        }
        finish_piece(&p);
    }
    gos__verifier_free(v);
    ltc_info_unref(info);
}

/* ---- against constants ---- */

static void v1_pieces_match_their_sha1(void **state)
{
    static const char script[] = "fake-torrent 1\npiece 65536\n" FILES;
    (void)state;
    ltc_info *info = parse(script);
    const uint8_t *hashes = ltc_info_get(info)->piece_hashes;
    assert_hex(hashes, "38703908bd90cf12ed871b36989dbc52fd0067ea");
    assert_hex(hashes + 20, "6013a15d20d34e1ba69865859db10b657280d9ca");
    assert_hex(hashes + 40, "46997b7072bc26e1e3f5d535a311b786782b6c68");
    ltc_info_unref(info);
    assert_verifies(script, 5);
}

static void v2_pieces_match_their_merkle_roots(void **state)
{
    static const char script[] = "fake-torrent 1\npiece 65536\nv2\n" FILES;
    static const char *const layer[] = {
        "29c450c087c53b415778d317071d6d31ff2362b01d7831f89cfc6886d8984e1f",
        "018758f205c991be319f27ddfb0c3282105569cb12eb94f4b1bfd3f3158cf911",
        "0e928e9afce78c874ea778785efc74bff63da7c830104e35974ec1204b767a77",
    };
    (void)state;
    ltc_info *info = parse(script);
    const struct ltc_info_view *view = ltc_info_get(info);
    for (uint32_t i = 0; i < 3; i++)
        assert_hex(ltc_info_layer(info, 0) + 32 * i, layer[i]);
    const struct ltc_file *last = &view->files[view->n_files - 1];
    assert_hex(last->root, "a2b2081d693f9f9d56c84313d72aacd3c2e4f5b9f2b15e98cb1a197fe5f63871");
    assert_null(view->piece_hashes);
    ltc_info_unref(info);
    assert_verifies(script, 5);
}

static void v2_file_of_one_short_block_is_its_own_leaf(void **state)
{
    static const char script[] = "fake-torrent 1\npiece 65536\nv2\nseed 7\nfile a 100\n";
    (void)state;
    ltc_info *info = parse(script);
    assert_hex(ltc_info_get(info)->files[0].root,
               "f86afc20cc8153854080307df429539da3b90c5dceb080f3ef42e6518a265bd4");
    ltc_info_unref(info);
    assert_verifies(script, 7);
}

/* ---- against the torrents of the scripted swarm ---- */

static void all_kinds_and_sizes_of_torrents_verify(void **state)
{
    static const char *const kinds[] = {"", "v2\n", "hybrid\n"};
    static const char *const files[] = {
        "file a 1\n",
        "file a 16384\n",
        "file a 65536\n",
        "file a 65537\n",
        "file a 131072\nempty e\nfile b 16385\nsymlink s\nfile c 49152\nfile d 1\n",
        "empty e\nfile a 40000\nfile b 65536\nfile c 200000\nempty f\n",
        "file a 20000\npad 45536\nfile b 70000\n",
    };
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
            char script[400];
            snprintf(script, sizeof script, "fake-torrent 1\npiece 65536\nseed 3\n%s%s", kinds[k],
                     files[f]);
            assert_verifies(script, 3);
        }
    }
    assert_verifies("fake-torrent 1\npiece 16384\nv2\nseed 3\nfile a 50000\nfile b 16384\n", 3);
}

static void piece_is_unknown_while_the_layer_of_its_file_is(void **state)
{
    (void)state;
    ltc_info *info = parse("fake-torrent 1\npiece 65536\nv2\nseed 3\nfile a 70000\nfile b 9\n");
    atomic_store(&info->layers_known, false); /* as after a magnet */
    struct gos__verifier *v;
    assert_int_equal(gos__verifier_new(&v), 0);
    struct piece p = read_piece(info, 0, 3);
    assert_int_equal(verify(v, info, 0, &p), GOS__VERIFY_UNKNOWN);
    finish_piece(&p);
    p = read_piece(info, 2, 3); /* a file of one piece needs no layer */
    assert_int_equal(verify(v, info, 2, &p), GOS__VERIFY_GOOD);
    finish_piece(&p);
    gos__verifier_free(v);
    ltc_info_unref(info);
}

static void lack_of_memory_is_told(void **state)
{
    struct gos__verifier *v;
    (void)state;
    gos__alloc_fail_at(1, 1);
    assert_int_equal(gos__verifier_new(&v), GOS_ENOMEM);
    gos__alloc_fail_at(0, 0);
    gos__verifier_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_pieces_match_their_sha1),
        cmocka_unit_test(v2_pieces_match_their_merkle_roots),
        cmocka_unit_test(v2_file_of_one_short_block_is_its_own_leaf),
        cmocka_unit_test(all_kinds_and_sizes_of_torrents_verify),
        cmocka_unit_test(piece_is_unknown_while_the_layer_of_its_file_is),
        cmocka_unit_test(lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
