/* SPDX-License-Identifier: MIT
 *
 * Metadata that is refused: broken, hostile, too large. No byte of it does harm. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lt-c/lt-c.h"
#include "text.h"

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
        text_refused(text_v1(&rows[i].torrent), rows[i].why);
}

static void what_is_no_torrent_is_refused(void **state)
{
    (void)state;
    text_refused((struct text){0}, "empty");
    text_refused(text_of("<html>not found</html>"), "not a torrent");
    text_refused(text_of("i5e"), "not a torrent");
    text_refused(text_of("de"), "no info dictionary");
    text_refused(text_of("d4:infoi5ee"), "no info dictionary");
    text_refused(text_of("d4:infodee"), "no piece length");
    text_refused(text_of("d10:magnet-uri20:magnet:?xt=urn:btih:e"), "no info dictionary");
}

static void a_torrent_that_is_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct text t = text_v1(&(struct v1){"film.mkv", PIECE, 40000, 3, NULL});
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
    struct text t = text_v1(&(struct v1){
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
    text_raw(&t, "d1:a");
    for (int i = 0; i < depth; i++)
        text_raw(&t, "l");
    for (int i = 0; i < depth; i++)
        text_raw(&t, "e");
    text_raw(&t, "4:infodee");
    return t;
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    text_refused(nested(1000000), "nested too deep");
    text_refused(nested(101), "nested too deep");
    text_refused(nested(50), "no piece length"); /* read, and found wanting */
}

/* One file in `depth` folders, as a list of names. */
static struct text deep_path(int depth)
{
    struct text files = {0};
    text_raw(&files, "ld6:lengthi5e4:pathl");
    for (int i = 0; i < depth; i++)
        text_raw(&files, "1:a");
    text_raw(&files, "5:a.mkveee");
    text_put(&files, "", 1);
    struct text t = text_v1(&(struct v1){"T", PIECE, 0, 1, files.bytes});
    free(files.bytes);
    return t;
}

static void deep_folders_are_refused(void **state)
{
    (void)state;
    text_refused(deep_path(100), "folders are nested too deep");
    text_refused(deep_path(500000), "folders are nested too deep");
    ltc_info_unref(text_read(deep_path(99)));
}

/* `n` files of a byte, each in a folder of its own. */
static struct text folders(int n)
{
    struct text files = {0};
    text_raw(&files, "l");
    for (int i = 0; i < n; i++) {
        char folder[16];
        snprintf(folder, sizeof folder, "%06d", i);
        text_raw(&files, "d6:lengthi1e4:pathl");
        text_string(&files, folder);
        text_raw(&files, "1:aee");
    }
    text_raw(&files, "e");
    text_put(&files, "", 1);
    int pieces = (n + PIECE - 1) / PIECE;
    struct text t = text_v1(&(struct v1){"T", PIECE, 0, (unsigned)pieces, files.bytes});
    free(files.bytes);
    return t;
}

static void more_folders_than_libtorrent_can_look_up_are_refused(void **state)
{
    (void)state;
    text_refused(folders(20001), "20000 folders");
    ltc_info_unref(text_read(folders(2000)));
}

/* A folder's name that stands once in the tree and in each path below it. */
static void paths_that_grow_out_of_a_tree_are_refused(void **state)
{
    (void)state;
    struct text t = {0};
    char *name = malloc(1 << 20);
    memset(name, 'x', 1 << 20);
    text_raw(&t, "d4:infod9:file treed");
    text_bytes(&t, name, 1 << 20);
    text_raw(&t, "d");
    for (int i = 0; i < 5000; i++) {
        char file[16];
        snprintf(file, sizeof file, "%06d", i);
        text_string(&t, file);
        text_raw(&t, "d0:d6:lengthi1e11:pieces root32:0123456789abcdef0123456789abcdefee");
    }
    text_raw(&t, "ee12:meta versioni2e4:name1:T12:piece lengthi16384eee");
    free(name);
    text_refused(t, "paths are too long");
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    struct text t = {0};
    t.len = LTC_MAX_METADATA + 1;
    t.bytes = calloc(1, t.len);
    text_refused(t, "larger than 16 MiB");
    struct text many = {0};
    text_raw(&many, "d1:al");
    for (int i = 0; i < 4000000; i++)
        text_raw(&many, "0:");
    text_raw(&many, "ee");
    text_refused(many, "too many values");
}

static void v2_without_its_layers_is_refused(void **state)
{
    (void)state;
    text_refused(text_v2(PIECE * 4, PIECE), "");
    text_refused(text_v2(PIECE * 4, PIECE * 3), ""); /* no power of two */
    text_refused(text_v2(-1, PIECE), "negative size");
    text_refused(text_v2(0, PIECE), "no file in it has any bytes");
}

static void errors_are_escaped(void **state)
{
    (void)state;
    struct text t = text_of("\x1b[31m\xff");
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
        cmocka_unit_test(sizes_and_piece_lengths_are_checked),
        cmocka_unit_test(what_is_no_torrent_is_refused),
        cmocka_unit_test(a_torrent_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(a_torrent_with_a_wrong_byte_does_no_harm),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(deep_folders_are_refused),
        cmocka_unit_test(more_folders_than_libtorrent_can_look_up_are_refused),
        cmocka_unit_test(paths_that_grow_out_of_a_tree_are_refused),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(v2_without_its_layers_is_refused),
        cmocka_unit_test(errors_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
