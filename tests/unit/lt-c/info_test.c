/* SPDX-License-Identifier: MIT
 *
 * Metadata: what is read from good torrents, what is cleaned in careless ones,
 * and what is refused in hostile ones. The torrents are written here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lt-c/lt-c.h"

/* ---- a bencode writer; strings may hold any bytes ---- */

struct text {
    char *bytes;
    size_t len, room;
};

static void put(struct text *t, const void *bytes, size_t n)
{
    if (t->len + n > t->room) {
        t->room = (t->len + n) * 2;
        t->bytes = realloc(t->bytes, t->room);
        assert_non_null(t->bytes);
    }
    memcpy(t->bytes + t->len, bytes, n);
    t->len += n;
}

static void raw(struct text *t, const char *s)
{
    put(t, s, strlen(s));
}

static void bytes(struct text *t, const void *s, size_t n)
{
    char head[24];
    put(t, head, (size_t)snprintf(head, sizeof head, "%zu:", n));
    put(t, s, n);
}

static void string(struct text *t, const char *s)
{
    bytes(t, s, strlen(s));
}

static void number(struct text *t, int64_t n)
{
    char s[24];
    put(t, s, (size_t)snprintf(s, sizeof s, "i%llde", (long long)n));
}

static void hashes(struct text *t, size_t n)
{
    char *zeros = calloc(n + 1, 20);
    bytes(t, zeros, n * 20);
    free(zeros);
}

/* The one that most tests vary: a v1 torrent. `files` is the bencoded list or
 * NULL for one file of `size` bytes. */
struct v1 {
    const char *name;
    int64_t piece_length, size;
    size_t n_hashes;
    const char *files;
};

static struct text v1(const struct v1 *v)
{
    struct text t = {0};
    raw(&t, "d8:announce19:http://127.0.0.1:1/13:creation datei1700000000e4:infod");
    if (v->files) {
        raw(&t, "5:files");
        raw(&t, v->files);
    } else {
        raw(&t, "6:length");
        number(&t, v->size);
    }
    raw(&t, "4:name");
    string(&t, v->name);
    raw(&t, "12:piece length");
    number(&t, v->piece_length);
    raw(&t, "6:pieces");
    hashes(&t, v->n_hashes);
    raw(&t, "ee");
    return t;
}

static void assert_refused(struct text t, const char *why)
{
    struct ltc_error err = {"nothing said"};
    ltc_info *info = NULL;
    int rc = ltc_info_parse(&info, t.bytes, t.len, &err);
    if (rc == 0)
        ltc_info_unref(info);
    if (rc != -EBADMSG || !strstr(err.text, why))
        fail_msg("%d \"%s\" where \"%s\" was expected", rc, err.text, why);
    free(t.bytes);
}

static ltc_info *assert_read(struct text t)
{
    struct ltc_error err = {"nothing said"};
    ltc_info *info = NULL;
    if (ltc_info_parse(&info, t.bytes, t.len, &err) != 0)
        fail_msg("%s", err.text);
    free(t.bytes);
    return info;
}

#define PIECE 16384

static void one_file_is_read(void **state)
{
    (void)state;
    ltc_info *info = assert_read(v1(&(struct v1){"film.mkv", PIECE, 40000, 3, NULL}));
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
    ltc_info *info = assert_read(v1(&(struct v1){
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
        raw(&files, "ld6:lengthi5e4:pathl");
        raw(&files, rows[i].path);
        raw(&files, "eee");
        put(&files, "", 1);
        ltc_info *info = assert_read(v1(&(struct v1){"T", PIECE, 0, 1, files.bytes}));
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
    raw(&t, "d4:infod6:lengthi5e4:name");
    bytes(&t, "a\0b.mkv", 7);
    raw(&t, "12:piece lengthi16384e6:pieces");
    hashes(&t, 1);
    raw(&t, "ee");
    ltc_info *info = assert_read(t);
    assert_string_equal(ltc_info_get(info)->name, "ab.mkv");
    assert_true(ltc_info_get(info)->name_renamed);
    assert_int_equal(ltc_info_get(info)->created, 0);
    ltc_info_unref(info);
}

static void a_name_without_a_letter_gets_one(void **state)
{
    (void)state;
    ltc_info *info = assert_read(v1(&(struct v1){"..", PIECE, 0, 1, "ld6:lengthi5e4:pathl1:aeee"}));
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
    ltc_info *info = assert_read(v1(&(struct v1){name, PIECE, 5, 1, NULL}));
    const char *shown = ltc_info_get(info)->name;
    assert_in_range(strlen(shown), 200, 255);
    assert_string_equal(shown + strlen(shown) - 4, ".mkv");
    assert_true(ltc_info_get(info)->name_renamed);
    ltc_info_unref(info);
}

static void equal_paths_become_different(void **state)
{
    (void)state;
    ltc_info *info = assert_read(v1(&(struct v1){
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
    raw(&files, "l");
    for (int i = 0; i < 50000; i++)
        raw(&files, "d6:lengthi1e4:pathl5:a.mkvee");
    raw(&files, "e");
    put(&files, "", 1);
    ltc_info *info = assert_read(v1(&(struct v1){"T", PIECE, 0, 4, files.bytes}));
    assert_string_equal(ltc_info_get(info)->files[49999].path, "a.49999.mkv");
    ltc_info_unref(info);
    free(files.bytes);
}

static void symlinks_are_marked(void **state)
{
    (void)state;
    ltc_info *info = assert_read(v1(&(struct v1){
        "T", PIECE, 0, 1,
        "ld6:lengthi5e4:pathl1:aeed4:attr1:l6:lengthi0e4:pathl1:be12:symlink pathl1:aeee"}));
    const struct ltc_info_view *v = ltc_info_get(info);
    assert_int_equal(v->files[0].flags & LTC_FILE_SYMLINK, 0);
    assert_int_equal(v->files[1].flags & LTC_FILE_SYMLINK, LTC_FILE_SYMLINK);
    ltc_info_unref(info);
}

static void sizes_and_piece_lengths_are_checked(void **state)
{
    (void)state;
    static const struct {
        struct v1 torrent;
        const char *why;
    } rows[] = {
        {{"f", 0, 5, 1, NULL}, "piece length is 0"},
        {{"f", -PIECE, 5, 1, NULL}, "piece length is negative"},
        {{"f", 10000, 5, 1, NULL}, "no multiple of 16 KiB"},
        {{"f", PIECE + 1, 5, 1, NULL}, "no multiple of 16 KiB"},
        {{"f", INT64_C(1) << 40, 5, 1, NULL}, "over 1 GiB"},
        {{"f", PIECE, -5, 1, NULL}, "negative size"},
        {{"f", PIECE, 0, 0, NULL}, "no file in it has any bytes"},
        {{"f", PIECE, INT64_MAX, 1, NULL}, "overflow"},
        {{"f", PIECE, PIECE * 2, 1, NULL}, "number of its piece hashes"},
        {{"f", PIECE, PIECE, 2, NULL}, "number of its piece hashes"},
        {{"f", PIECE, 0, 1, "ld6:lengthi-1e4:pathl1:aeee"}, "negative size"},
        {{"f", PIECE, 0, 0, "le"}, "no file in it has any bytes"},
        {{"f", PIECE, 0, 0, "ld6:lengthi0e4:pathl1:aeee"}, "no file in it has any bytes"},
        {{"f", PIECE, 0, 1, "ld4:attr1:p6:lengthi5e4:pathl1:aeee"}, "no file in it has any bytes"},
        {{"f", PIECE, 0, 1,
          "ld6:lengthi4611686018427387000e4:pathl1:aeed6:lengthi4611686018427387000e4:pathl1:beee"},
         "overflow"},
        {{"f", PIECE, 0, 1, "l1:xe"}, "no dictionary"},
        {{"f", PIECE, 0, 1, "ld6:length1:x4:pathl1:aeee"}, "no number"},
        {{"f", PIECE, 0, 1, "ld4:pathl1:aeee"}, "no size"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(v1(&rows[i].torrent), rows[i].why);
}

static struct text of(const char *s)
{
    struct text t = {0};
    raw(&t, s);
    return t;
}

static void what_is_no_torrent_is_refused(void **state)
{
    (void)state;
    assert_refused((struct text){0}, "empty");
    assert_refused(of("<html>not found</html>"), "not a torrent");
    assert_refused(of("i5e"), "not a torrent");
    assert_refused(of("de"), "no info dictionary");
    assert_refused(of("d4:infoi5ee"), "no info dictionary");
    assert_refused(of("d4:infodee"), "no piece length");
    assert_refused(of("d10:magnet-uri20:magnet:?xt=urn:btih:e"), "no info dictionary");
}

static void a_torrent_that_is_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct text t = v1(&(struct v1){"film.mkv", PIECE, 40000, 3, NULL});
    for (size_t n = 0; n < t.len; n++) {
        ltc_info *info = NULL;
        struct ltc_error err;
        assert_int_equal(ltc_info_parse(&info, t.bytes, n, &err), -EBADMSG);
        if (n > 0 && !strstr(err.text, "cut short"))
            fail_msg("%zu: %s", n, err.text);
    }
    free(t.bytes);
}

static void a_torrent_with_a_wrong_byte_does_no_harm(void **state)
{
    (void)state;
    unsigned seed = 7;
    print_message("seed %u\n", seed);
    struct text t = v1(&(struct v1){
        "Show", PIECE, 0, 1, "ld6:lengthi10000e4:pathl2:s15:a.mkveed6:lengthi0e4:pathl5:emptyeee"});
    for (int i = 0; i < 20000; i++) {
        size_t at = (size_t)rand_r(&seed) % t.len;
        char was = t.bytes[at];
        t.bytes[at] = (char)rand_r(&seed);
        ltc_info *info = NULL;
        if (ltc_info_parse(&info, t.bytes, t.len, NULL) == 0)
            ltc_info_unref(info);
        t.bytes[at] = was;
    }
    free(t.bytes);
}

static struct text nested(int depth)
{
    struct text t = {0};
    raw(&t, "d1:a");
    for (int i = 0; i < depth; i++)
        raw(&t, "l");
    for (int i = 0; i < depth; i++)
        raw(&t, "e");
    raw(&t, "4:infodee");
    return t;
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    assert_refused(nested(1000000), "nested too deep");
    assert_refused(nested(101), "nested too deep");
    assert_refused(nested(50), "no piece length"); /* read, and found wanting */
}

/* One file in `depth` folders, as a list of names. */
static struct text deep_path(int depth)
{
    struct text files = {0};
    raw(&files, "ld6:lengthi5e4:pathl");
    for (int i = 0; i < depth; i++)
        raw(&files, "1:a");
    raw(&files, "5:a.mkveee");
    put(&files, "", 1);
    struct text t = v1(&(struct v1){"T", PIECE, 0, 1, files.bytes});
    free(files.bytes);
    return t;
}

static void deep_folders_are_refused(void **state)
{
    (void)state;
    assert_refused(deep_path(100), "folders are nested too deep");
    assert_refused(deep_path(500000), "folders are nested too deep");
    ltc_info_unref(assert_read(deep_path(99)));
}

/* `n` files of a byte, each in a folder of its own. */
static struct text folders(int n)
{
    struct text files = {0};
    raw(&files, "l");
    for (int i = 0; i < n; i++) {
        char folder[16];
        snprintf(folder, sizeof folder, "%06d", i);
        raw(&files, "d6:lengthi1e4:pathl");
        string(&files, folder);
        raw(&files, "1:aee");
    }
    raw(&files, "e");
    put(&files, "", 1);
    int pieces = (n + PIECE - 1) / PIECE;
    struct text t = v1(&(struct v1){"T", PIECE, 0, (unsigned)pieces, files.bytes});
    free(files.bytes);
    return t;
}

static void more_folders_than_libtorrent_can_look_up_are_refused(void **state)
{
    (void)state;
    assert_refused(folders(20001), "20000 folders");
    ltc_info_unref(assert_read(folders(2000)));
}

/* A folder's name that stands once in the tree and in each path below it. */
static void paths_that_grow_out_of_a_tree_are_refused(void **state)
{
    (void)state;
    struct text t = {0};
    char *name = malloc(1 << 20);
    memset(name, 'x', 1 << 20);
    raw(&t, "d4:infod9:file treed");
    bytes(&t, name, 1 << 20);
    raw(&t, "d");
    for (int i = 0; i < 5000; i++) {
        char file[16];
        snprintf(file, sizeof file, "%06d", i);
        string(&t, file);
        raw(&t, "d0:d6:lengthi1e11:pieces root32:0123456789abcdef0123456789abcdefee");
    }
    raw(&t, "ee12:meta versioni2e4:name1:T12:piece lengthi16384eee");
    free(name);
    assert_refused(t, "paths are too long");
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    struct text t = {0};
    t.len = LTC_MAX_METADATA + 1;
    t.bytes = calloc(1, t.len);
    assert_refused(t, "larger than 16 MiB");
    struct text many = {0};
    raw(&many, "d1:al");
    for (int i = 0; i < 4000000; i++)
        raw(&many, "0:");
    raw(&many, "ee");
    assert_refused(many, "too many values");
}

/* v2, one file of 5 bytes, or longer than a piece and then without layers. */
static struct text v2(int64_t size, int64_t piece_length)
{
    struct text t = {0};
    raw(&t, "d4:infod9:file treed5:a.mkvd0:d6:length");
    number(&t, size);
    raw(&t, "11:pieces root");
    bytes(&t, "0123456789abcdef0123456789abcdef", 32);
    raw(&t, "eee12:meta versioni2e4:name5:a.mkv12:piece length");
    number(&t, piece_length);
    raw(&t, "ee");
    return t;
}

static void v2_is_read(void **state)
{
    (void)state;
    ltc_info *info = assert_read(v2(5, PIECE));
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

static void v2_without_its_layers_is_refused(void **state)
{
    (void)state;
    assert_refused(v2(PIECE * 4, PIECE), "");
    assert_refused(v2(PIECE * 4, PIECE * 3), ""); /* no power of two */
    assert_refused(v2(-1, PIECE), "negative size");
    assert_refused(v2(0, PIECE), "no file in it has any bytes");
}

static void errors_are_escaped(void **state)
{
    (void)state;
    struct text t = of("\x1b[31m\xff");
    struct ltc_error err;
    ltc_info *info;
    assert_int_equal(ltc_info_parse(&info, t.bytes, t.len, &err), -EBADMSG);
    for (const char *c = err.text; *c; c++)
        assert_in_range(*c, 0x20, 0x7e);
    assert_int_equal(ltc_info_parse(&info, t.bytes, t.len, NULL), -EBADMSG);
    free(t.bytes);
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
        cmocka_unit_test(sizes_and_piece_lengths_are_checked),
        cmocka_unit_test(what_is_no_torrent_is_refused),
        cmocka_unit_test(a_torrent_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(a_torrent_with_a_wrong_byte_does_no_harm),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(deep_folders_are_refused),
        cmocka_unit_test(more_folders_than_libtorrent_can_look_up_are_refused),
        cmocka_unit_test(paths_that_grow_out_of_a_tree_are_refused),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(v2_is_read),
        cmocka_unit_test(v2_without_its_layers_is_refused),
        cmocka_unit_test(errors_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
