/* SPDX-License-Identifier: MIT
 *
 * Scripts as metadata: layout, hashes, what is refused. */
#include "rig.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static ltc_info *parse(const char *script)
{
    ltc_info *i;
    struct ltc_error err = {""};
    int rc = ltc_info_parse(&i, script, strlen(script), &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    return i;
}

static void files_follow_each_other(void **state)
{
    (void)state;
    ltc_info *i = parse("fake-torrent 1\nname a film\npiece 32768\nfile one name.mkv 40000\n"
                        "pad 25536\nempty e.nfo\nsymlink l\nrenamed b/c 10\ncreated 1700000000\n");
    const struct ltc_info_view *v = ltc_info_get(i);
    assert_string_equal(v->name, "a film");
    assert_true(v->multi_file && v->v1 && !v->v2);
    assert_int_equal(v->total_size, 65546);
    assert_int_equal(v->n_pieces, 3);
    assert_int_equal(v->n_files, 5);
    assert_int_equal(v->created, 1700000000);
    assert_string_equal(v->files[0].path, "one name.mkv");
    assert_int_equal(v->files[1].flags, LTC_FILE_PAD);
    assert_int_equal(v->files[2].size, 0);
    assert_int_equal(v->files[3].flags, LTC_FILE_SYMLINK);
    assert_int_equal(v->files[4].flags, LTC_FILE_RENAMED);
    assert_int_equal(v->files[4].offset, 65536);
    ltc_info_unref(ltc_info_ref(i));
    ltc_info_unref(i);
}

static void piece_hashes_are_those_of_the_pattern(void **state)
{
    (void)state;
    ltc_info *i = parse("fake-torrent 1\npiece 16384\nseed 9\nfile a 20000\nfile b 5000\n");
    uint8_t bytes[25000], sha[20];
    fake_lt_pattern(9, 0, bytes, 20000);
    fake_lt_pattern(10, 0, bytes + 20000, 5000);
    assert_true(fake_lt_pattern_is(10, 3, bytes + 20003, 4000));
    assert_false(fake_lt_pattern_is(10, 4, bytes + 20003, 4000));
    EVP_Digest(bytes, 16384, sha, NULL, EVP_sha1(), NULL);
    assert_memory_equal(ltc_info_get(i)->piece_hashes, sha, 20);
    EVP_Digest(bytes + 16384, 8616, sha, NULL, EVP_sha1(), NULL);
    assert_memory_equal(ltc_info_get(i)->piece_hashes + 20, sha, 20);
    ltc_info_unref(i);
}

static void sha256(uint8_t out[32], const void *bytes, size_t len)
{
    EVP_Digest(bytes, len, out, NULL, EVP_sha256(), NULL);
}

static void pair(uint8_t out[32], const uint8_t a[32], const uint8_t b[32])
{
    uint8_t both[64];
    memcpy(both, a, 32);
    memcpy(both + 32, b, 32);
    sha256(out, both, 64);
}

/* Three blocks, two a piece: the tree is ((b0 b1) (b2 0)). */
static void v2_has_layers_and_roots(void **state)
{
    (void)state;
    static const uint8_t zeros[32];
    ltc_info *i = parse("fake-torrent 1\nv2\npiece 32768\nseed 1\nfile a 40000\nfile b 100\n");
    const struct ltc_info_view *v = ltc_info_get(i);
    uint8_t bytes[40000], b0[32], b1[32], b2[32], layer[64], root[32];
    assert_true(v->v2 && !v->v1);
    assert_null(v->piece_hashes);
    assert_int_equal(v->n_files, 3);
    assert_int_equal(v->files[1].flags, LTC_FILE_PAD);
    assert_int_equal(v->files[2].offset, 65536);
    fake_lt_pattern(1, 0, bytes, sizeof bytes);
    sha256(b0, bytes, 16384);
    sha256(b1, bytes + 16384, 16384);
    sha256(b2, bytes + 32768, 7232);
    pair(layer, b0, b1);
    pair(layer + 32, b2, zeros);
    pair(root, layer, layer + 32);
    assert_memory_equal(ltc_info_layer(i, 0), layer, 64);
    assert_memory_equal(v->files[0].root, root, 32);
    assert_null(ltc_info_layer(i, 2));
    fake_lt_pattern(2, 0, bytes, 100);
    sha256(b0, bytes, 100);
    assert_memory_equal(v->files[2].root, b0, 32);
    ltc_info_unref(i);
}

static void a_hybrid_has_both(void **state)
{
    (void)state;
    ltc_info *i = parse("fake-torrent 1\nhybrid\nfile a 1000\n");
    const struct ltc_info_view *v = ltc_info_get(i);
    uint8_t v1[20], v2[32];
    fake_lt_hashes("fake-torrent 1\nhybrid\nfile a 1000\n", v1, v2);
    assert_true(v->v1 && v->v2);
    assert_non_null(v->piece_hashes);
    assert_non_null(v->files[0].root);
    assert_memory_equal(v->v1_hash, v1, 20);
    assert_memory_equal(v->v2_hash, v2, 32);
    ltc_info_unref(i);
}

static void nonsense_is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "d4:infod6:lengthi1eee",
        "fake-torrent 1\n",
        "fake-torrent 1\nempty a\n",
        "fake-torrent 1\npiece 0\nfile a 1\n",
        "fake-torrent 1\npiece 20000\nfile a 1\n",
        "fake-torrent 1\nfile a\n",
        "fake-torrent 1\nfile a 9223372036854775807\n",
        "fake-torrent 1\npiece 16384\nfile a 4000000000000000000\nfile b 4000000000000000000\n",
        "fake-torrent 1\nfile a 1\nwhat 3\n",
        "fake-torrent 1\nfile a 1\npeer rate=fast\n",
        "fake-torrent 1\nfile a 1\npeer addr=here\n",
        "fake-torrent 1\nfile a 1\nmetadata some\n",
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        ltc_info *i = NULL;
        struct ltc_error err = {""};
        assert_int_equal(ltc_info_parse(&i, bad[k], strlen(bad[k]), &err), -EBADMSG);
        assert_null(i);
        assert_string_not_equal(err.text, "");
    }
}

static void a_test_can_let_it_fail(void **state)
{
    (void)state;
    const char *script = "fake-torrent 1\nfile a 1\n";
    ltc_info *i;
    fake_lt_fail_next(FAKE_LT_PARSE, 1, -ENOMEM);
    ltc_info_unref(parse(script));
    assert_int_equal(ltc_info_parse(&i, script, strlen(script), NULL), -ENOMEM);
    ltc_info_unref(parse(script));
}

static int reset(void **state)
{
    (void)state;
    fake_lt_reset();
    return 0;
}

#define T(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(files_follow_each_other),
        T(piece_hashes_are_those_of_the_pattern),
        T(v2_has_layers_and_roots),
        T(a_hybrid_has_both),
        T(nonsense_is_refused_with_a_sentence),
        T(a_test_can_let_it_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
