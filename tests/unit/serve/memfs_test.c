/* SPDX-License-Identifier: MIT
 *
 * The files and folders of memfs, within their limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/memfs.h"

#define KIB 1024u

struct rig {
    struct fs *fs;
    struct problem p;
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    r->fs = memfs_new(64 * KIB);
    *state = r;
    return r->fs ? 0 : -1;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    r->fs->ops->free(r->fs);
    free(r);
    return 0;
}

static void put(struct rig *r, const char *path, const char *text)
{
    if (r->fs->ops->write(r->fs, path, text, strlen(text), &r->p) < 0)
        fail_msg("write %s: %s", path, r->p.text);
}

static void has(struct rig *r, const char *path, const char *want)
{
    struct bytes out = {0};
    if (r->fs->ops->read(r->fs, path, 0, UINT64_MAX, &out, &r->p) < 0)
        fail_msg("read %s: %s", path, r->p.text);
    assert_int_equal(out.n, strlen(want));
    if (out.n)
        assert_memory_equal(out.data, want, out.n);
    bytes_free(&out);
}

static void fails(struct rig *r, int rc, int status)
{
    assert_int_equal(rc, -1);
    assert_int_equal(r->p.status, status);
}

static void writing_replaces_and_needs_a_folder(void **state)
{
    struct rig *r = *state;
    put(r, "/f", "long content");
    put(r, "/f", "short");
    has(r, "/f", "short");
    fails(r, r->fs->ops->write(r->fs, "/no/f", "x", 1, &r->p), 404);
    fails(r, r->fs->ops->write(r->fs, "/f/g", "x", 1, &r->p), 500);
    fails(r, r->fs->ops->write(r->fs, "/", "x", 1, &r->p), 500);
}

static void reading_at_offsets(void **state)
{
    struct rig *r = *state;
    struct bytes out = {0};
    put(r, "/f", "0123456789");
    assert_int_equal(r->fs->ops->read(r->fs, "/f", 8, UINT64_MAX, &out, &r->p), 0);
    assert_int_equal(out.n, 2);
    out.n = 0;
    assert_int_equal(r->fs->ops->read(r->fs, "/f", UINT64_MAX, 5, &out, &r->p), 0);
    assert_int_equal(out.n, 0);
    bytes_free(&out);
}

static void writing_at_offsets_fills_with_zeros(void **state)
{
    struct rig *r = *state;
    uint64_t at = 4;
    put(r, "/f", "ab");
    assert_int_equal(r->fs->ops->write_at(r->fs, "/f", &at, "cd", 2, &r->p), 0);
    struct bytes out = {0};
    r->fs->ops->read(r->fs, "/f", 0, UINT64_MAX, &out, &r->p);
    assert_int_equal(out.n, 6);
    assert_memory_equal(out.data, "ab\0\0cd", 6);
    bytes_free(&out);
    at = FS_END;
    assert_int_equal(r->fs->ops->write_at(r->fs, "/f", &at, "!", 1, &r->p), 0);
    assert_int_equal(at, 6);
    at = UINT64_MAX - 1;
    fails(r, r->fs->ops->write_at(r->fs, "/f", &at, "xyz", 3, &r->p), 413);
}

static void listings_are_sorted(void **state)
{
    struct rig *r = *state;
    struct listing l = {0};
    put(r, "/b", "");
    put(r, "/c", "");
    put(r, "/a", "");
    assert_int_equal(r->fs->ops->list(r->fs, "/", &l, &r->p), 0);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.items[0].name, "a");
    assert_string_equal(l.items[2].name, "c");
    listing_free(&l);
    fails(r, r->fs->ops->list(r->fs, "/a", &l, &r->p), 500);
    fails(r, r->fs->ops->list(r->fs, "/none", &l, &r->p), 404);
}

static void rename_moves_replaces_and_refuses_circles(void **state)
{
    struct rig *r = *state;
    r->fs->ops->mkdir(r->fs, "/d", 0755, &r->p);
    put(r, "/d/f", "moved");
    put(r, "/g", "replaced");
    assert_int_equal(r->fs->ops->rename(r->fs, "/d/f", "/g", &r->p), 0);
    has(r, "/g", "moved");
    fails(r, r->fs->ops->rename(r->fs, "/d", "/d/e", &r->p), 400);
    fails(r, r->fs->ops->rename(r->fs, "/g", "/d", &r->p), 409);
    fails(r, r->fs->ops->rename(r->fs, "/d", "/g", &r->p), 409);
    fails(r, r->fs->ops->rename(r->fs, "/none", "/x", &r->p), 404);
    assert_int_equal(r->fs->ops->rename(r->fs, "/g", "/g", &r->p), 0);
    assert_int_equal(r->fs->ops->rename(r->fs, "/g", "/d/longer-name", &r->p), 0);
    has(r, "/d/longer-name", "moved");
}

static void folders_go_only_empty_or_recursively(void **state)
{
    struct rig *r = *state;
    r->fs->ops->mkdir(r->fs, "/d", 0755, &r->p);
    put(r, "/d/f", "x");
    fails(r, r->fs->ops->remove(r->fs, "/d", false, &r->p), 409);
    assert_int_equal(r->fs->ops->remove(r->fs, "/d", true, &r->p), 0);
    struct fs_info info;
    fails(r, r->fs->ops->stat(r->fs, "/d/f", &info, &r->p), 404);
    fails(r, r->fs->ops->remove(r->fs, "/", true, &r->p), 403);
}

static void the_limit_counts_bytes_names_and_folders(void **state)
{
    struct rig *r = *state;
    static char block[64 * KIB];
    fails(r, r->fs->ops->write(r->fs, "/f", block, sizeof block, &r->p), 413);
    struct fs_info info;
    fails(r, r->fs->ops->stat(r->fs, "/f", &info, &r->p), 404); /* it left nothing behind */
    fails(r, r->fs->ops->truncate(r->fs, "/f", 1, &r->p), 404);
    put(r, "/f", "x");
    fails(r, r->fs->ops->truncate(r->fs, "/f", INT64_MAX, &r->p), 413);
    has(r, "/f", "x");
    int n = 0;
    char name[32];
    do
        snprintf(name, sizeof name, "/folder-%d", n++);
    while (r->fs->ops->mkdir(r->fs, name, 0755, &r->p) == 0);
    assert_int_equal(r->p.status, 413);
    assert_in_range(n, 100, 1000);
}

static void what_is_freed_can_be_used_again(void **state)
{
    struct rig *r = *state;
    static char block[48 * KIB];
    for (int i = 0; i < 10; i++) {
        assert_int_equal(r->fs->ops->write(r->fs, "/f", block, sizeof block, &r->p), 0);
        if (i % 3 == 0)
            assert_int_equal(r->fs->ops->remove(r->fs, "/f", false, &r->p), 0);
        else if (i % 3 == 1)
            assert_int_equal(r->fs->ops->truncate(r->fs, "/f", 0, &r->p), 0);
        else
            assert_int_equal(r->fs->ops->rename(r->fs, "/f", "/f2", &r->p), 0),
                r->fs->ops->remove(r->fs, "/f2", false, &r->p);
    }
}

/* So deep that recursion would end badly. */
static void deep_trees_are_freed(void **state)
{
    (void)state;
    struct fs *fs = memfs_new(64u << 20);
    struct problem p;
    char path[4096] = "";
    for (size_t n = 0; n < sizeof path - 3; n += 2) {
        memcpy(path + n, "/d", 3);
        assert_int_equal(fs->ops->mkdir(fs, path, 0755, &p), 0);
    }
    assert_int_equal(fs->ops->remove(fs, "/d", true, &p), 0);
    fs->ops->free(fs);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writing_replaces_and_needs_a_folder),       TEST(reading_at_offsets),
        TEST(writing_at_offsets_fills_with_zeros),       TEST(listings_are_sorted),
        TEST(rename_moves_replaces_and_refuses_circles), TEST(folders_go_only_empty_or_recursively),
        TEST(the_limit_counts_bytes_names_and_folders),  TEST(what_is_freed_can_be_used_again),
        cmocka_unit_test(deep_trees_are_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
