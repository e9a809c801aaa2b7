/* SPDX-License-Identifier: MIT
 *
 * Metadata: what is read from good torrents, and what is cleaned in careless
 * ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lt-c/lt-c.h"
#include "text.h"

static void one_file_is_read(void **state)
{
    (void)state;
    ltc_info *info = text_read(text_v1(&(struct v1){"film.mkv", PIECE, 40000, 3, NULL}));
    const struct ltc_info_view *v = ltc_info_get(info);
    assert_string_equal(v->name, "film.mkv");
    assert_false(v->multi_file);
    assert_false(v->name_renamed);
    assert_true(v->v1);
    assert_false(v->v2);
    assert_int_equal(v->total_size, 40000);
    assert_int_equal(v->piece_length, PIECE);
    assert_int_equal(v->n_pieces, 3);
    assert_int_equal(v->n_files, 1);
    assert_int_equal(v->created, 1700000000);
    assert_non_null(v->piece_hashes);
    assert_string_equal(v->files[0].path, "film.mkv");
    assert_int_equal(v->files[0].size, 40000);
    assert_int_equal(v->files[0].flags, 0);
    assert_null(v->files[0].root);
    assert_null(ltc_info_layer(info, 0));
    assert_null(ltc_info_layer(info, 7));
    ltc_info *again = ltc_info_ref(info);
    ltc_info_unref(info);
    assert_string_equal(ltc_info_get(again)->name, "film.mkv");
    ltc_info_unref(again);
    ltc_info_unref(NULL);
}

static void several_files_are_read(void **state)
{
    (void)state;
    ltc_info *info = text_read(text_v1(&(struct v1){
        "Show", PIECE, 0, 2,
        "ld6:lengthi10000e4:pathl2:s15:a.mkveed6:lengthi0e4:pathl5:emptyee"
        "d4:attr1:p6:lengthi6384e4:pathl4:.pad4:6384eed6:lengthi100e4:pathl5:b.mkveee"}));
    const struct ltc_info_view *v = ltc_info_get(info);
    assert_true(v->multi_file);
    assert_int_equal(v->n_files, 4);
    assert_string_equal(v->files[0].path, "s1/a.mkv");
    assert_string_equal(v->files[1].path, "empty");
    assert_int_equal(v->files[1].size, 0);
    assert_int_equal(v->files[2].flags & LTC_FILE_PAD, LTC_FILE_PAD);
    assert_string_equal(v->files[3].path, "b.mkv");
    assert_int_equal(v->files[3].offset, 16384);
    assert_int_equal(v->files[3].flags, 0);
    assert_int_equal(v->total_size, 16484);
    ltc_info_unref(info);
}

/* One torrent per row: the elements of a path, and what is shown. */
static void careless_paths_are_cleaned(void **state)
{
    (void)state;
    static const struct {
        const char *path, *shown;
        bool renamed;
    } rows[] = {
        {"5:a.mkv", "a.mkv", false},
        {"1:a5:b.mkv", "a/b.mkv", false},
        {"2:..5:a.mkv", "a.mkv", true},
        {"2:..2:..", "_", true},
        {"1:.5:a.mkv", "a.mkv", true},
        {"0:5:a.mkv", "_/a.mkv", true},
        {"11:/etc/passwd", "etcpasswd", true},
        {"7:a/../bc", "a..bc", true},
        {"5:a\\b.c", "ab.c", true},
        {"6:a\xff\xfe.mk", "a__.mk", true},
        {"6:t\xc3\xa4st.", "t\xc3\xa4st.", false},
        {"3:...", "...", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text files = {0};
        text_raw(&files, "ld6:lengthi5e4:pathl");
        text_raw(&files, rows[i].path);
        text_raw(&files, "eee");
        text_put(&files, "", 1);
        ltc_info *info = text_read(text_v1(&(struct v1){"T", PIECE, 0, 1, files.bytes}));
        const struct ltc_file *f = &ltc_info_get(info)->files[0];
        assert_true(ltc_info_get(info)->multi_file);
        if (strcmp(f->path, rows[i].shown) != 0)
            fail_msg("%s: \"%s\" where \"%s\" was expected", rows[i].path, f->path, rows[i].shown);
        if (!(f->flags & LTC_FILE_RENAMED) != !rows[i].renamed)
            fail_msg("%s: renamed is wrong", rows[i].path);
        ltc_info_unref(info);
        free(files.bytes);
    }
}

static void a_nul_in_a_name_is_cleaned(void **state)
{
    (void)state;
    struct text t = {0};
    text_raw(&t, "d4:infod6:lengthi5e4:name");
    text_bytes(&t, "a\0b.mkv", 7);
    text_raw(&t, "12:piece lengthi16384e6:pieces");
    text_hashes(&t, 1);
    text_raw(&t, "ee");
    ltc_info *info = text_read(t);
    assert_string_equal(ltc_info_get(info)->name, "ab.mkv");
    assert_true(ltc_info_get(info)->name_renamed);
    assert_int_equal(ltc_info_get(info)->created, 0);
    ltc_info_unref(info);
}

static void a_name_without_a_letter_gets_one(void **state)
{
    (void)state;
    ltc_info *info = text_read(
        text_v1(&(struct v1){"..", PIECE, 0, 1, "ld6:lengthi5e4:pathl1:aeee"}));
    assert_true(strlen(ltc_info_get(info)->name) > 0);
    assert_null(strchr(ltc_info_get(info)->name, '/'));
    assert_string_equal(ltc_info_get(info)->files[0].path, "a");
    ltc_info_unref(info);
}

static void long_names_are_shortened_and_keep_their_extension(void **state)
{
    (void)state;
    char name[400];
    memset(name, 'x', sizeof name);
    memcpy(name + 390, ".mkv", 5);
    ltc_info *info = text_read(text_v1(&(struct v1){name, PIECE, 5, 1, NULL}));
    const char *shown = ltc_info_get(info)->name;
    assert_in_range(strlen(shown), 200, 255);
    assert_string_equal(shown + strlen(shown) - 4, ".mkv");
    assert_true(ltc_info_get(info)->name_renamed);
    ltc_info_unref(info);
}

static void equal_paths_become_different(void **state)
{
    (void)state;
    ltc_info *info = text_read(text_v1(&(struct v1){
        "T", PIECE, 0, 1,
        "ld6:lengthi5e4:pathl5:a.mkveed6:lengthi5e4:pathl5:a.mkvee"
        "d6:lengthi5e4:pathl5:A.MKVeed6:lengthi5e4:pathl1:deed6:lengthi5e4:pathl1:d1:xeee"}));
    const struct ltc_file *f = ltc_info_get(info)->files;
    assert_string_equal(f[0].path, "a.mkv");
    assert_string_equal(f[1].path, "a.1.mkv");
    assert_int_equal(f[1].flags, LTC_FILE_RENAMED);
    assert_string_equal(f[2].path, "A.2.MKV"); /* whatever the case */
    assert_string_equal(f[3].path, "d.1");     /* d is a folder */
    assert_string_equal(f[4].path, "d/x");
    ltc_info_unref(info);
}

static void thousands_of_equal_paths_are_no_burden(void **state)
{
    (void)state;
    struct text files = {0};
    text_raw(&files, "l");
    for (int i = 0; i < 50000; i++)
        text_raw(&files, "d6:lengthi1e4:pathl5:a.mkvee");
    text_raw(&files, "e");
    text_put(&files, "", 1);
    ltc_info *info = text_read(text_v1(&(struct v1){"T", PIECE, 0, 4, files.bytes}));
    assert_string_equal(ltc_info_get(info)->files[49999].path, "a.49999.mkv");
    ltc_info_unref(info);
    free(files.bytes);
}

static void symlinks_are_marked(void **state)
{
    (void)state;
    ltc_info *info = text_read(text_v1(&(struct v1){
        "T", PIECE, 0, 1,
        "ld6:lengthi5e4:pathl1:aeed4:attr1:l6:lengthi0e4:pathl1:be12:symlink pathl1:aeee"}));
    const struct ltc_info_view *v = ltc_info_get(info);
    assert_int_equal(v->files[0].flags & LTC_FILE_SYMLINK, 0);
    assert_int_equal(v->files[1].flags & LTC_FILE_SYMLINK, LTC_FILE_SYMLINK);
    ltc_info_unref(info);
}

static void v2_is_read(void **state)
{
    (void)state;
    ltc_info *info = text_read(text_v2(5, PIECE));
    const struct ltc_info_view *v = ltc_info_get(info);
    assert_false(v->v1);
    assert_true(v->v2);
    assert_null(v->piece_hashes);
    for (uint32_t f = 1; f < v->n_files; f++) /* libtorrent fills the last piece */
        assert_int_equal(v->files[f].flags, LTC_FILE_PAD);
    assert_memory_equal(v->files[0].root, "0123456789abcdef0123456789abcdef", 32);
    assert_string_equal(v->files[0].path, "a.mkv");
    assert_int_equal(v->files[0].flags, 0);
    assert_null(ltc_info_layer(info, 0));
    ltc_info_unref(info);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file_is_read),
        cmocka_unit_test(several_files_are_read),
        cmocka_unit_test(careless_paths_are_cleaned),
        cmocka_unit_test(a_nul_in_a_name_is_cleaned),
        cmocka_unit_test(a_name_without_a_letter_gets_one),
        cmocka_unit_test(long_names_are_shortened_and_keep_their_extension),
        cmocka_unit_test(equal_paths_become_different),
        cmocka_unit_test(thousands_of_equal_paths_are_no_burden),
        cmocka_unit_test(symlinks_are_marked),
        cmocka_unit_test(v2_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
