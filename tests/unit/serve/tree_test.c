/* SPDX-License-Identifier: MIT
 *
 * Mounts, symbolic links, and the tree of both; digests and grep over it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/digest.h"
#include "serve/grep.h"
#include "serve/kinds.h"
#include "serve/memfs.h"
#include "serve/tree.h"

struct rig {
    struct tree tree;
    struct problem p;
};

static void mount(struct rig *r, const char *path)
{
    struct fs *fs = memfs_new(1 << 20, NULL);
    assert_non_null(fs);
    assert_int_equal(mounts_add(&r->tree.mounts, path, kinds_find("memfs"), fs, NULL, NULL, &r->p),
                     0);
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    tree_init(&r->tree);
    mount(r, "/a");
    mount(r, "/a/deep/er");
    mount(r, "/ab");
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    tree_finish(&r->tree);
    free(r);
    return 0;
}

static void put(struct rig *r, const char *path, const char *text)
{
    if (tree_write(&r->tree, path, text, strlen(text), &r->p) < 0)
        fail_msg("write %s: %s", path, r->p.text);
}

static void link_to(struct rig *r, const char *path, const char *target)
{
    if (tree_symlink(&r->tree, path, target, &r->p) < 0)
        fail_msg("symlink %s: %s", path, r->p.text);
}

static void has(struct rig *r, const char *path, const char *want)
{
    struct bytes out = {0};
    if (tree_read(&r->tree, path, 0, UINT64_MAX, &out, &r->p) < 0)
        fail_msg("read %s: %s", path, r->p.text);
    assert_int_equal(out.n, strlen(want));
    assert_memory_equal(out.data, want, out.n);
    bytes_free(&out);
}

static void the_longest_mount_holds_a_path(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *path, *mount, *within;
    } rows[] = {{"/a", "/a", "/"},
                {"/a/x", "/a", "/x"},
                {"/ab/x", "/ab", "/x"},
                {"/a/deep", "/a", "/deep"},
                {"/a/deep/er", "/a/deep/er", "/"},
                {"/a/deep/er/x/y", "/a/deep/er", "/x/y"},
                {"/a/deep/erx", "/a", "/deep/erx"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *within;
        struct mount *m = mounts_find(&r->tree.mounts, rows[i].path, &within);
        assert_non_null(m);
        assert_string_equal(m->path, rows[i].mount);
        assert_string_equal(within, rows[i].within);
        mount_unref(m);
    }
    const char *within;
    assert_null(mounts_find(&r->tree.mounts, "/", &within));
    assert_null(mounts_find(&r->tree.mounts, "/abc", &within));
}

static void a_mount_lives_until_its_last_user(void **state)
{
    struct rig *r = *state;
    const char *within;
    struct mount *m = mounts_find(&r->tree.mounts, "/ab", &within);
    assert_int_equal(mounts_remove(&r->tree.mounts, "/ab", &r->p), 0);
    struct fs_info info;
    assert_int_equal(m->fs->ops->stat(m->fs, "/", &info, &r->p), 0);
    mount_unref(m);
    assert_int_equal(mounts_remove(&r->tree.mounts, "/ab", &r->p), -1);
    assert_string_equal(r->p.text, "no mount at path: /ab");
}

static void too_many_mounts_are_refused(void **state)
{
    struct rig *r = *state;
    int rc = 0, n = 3;
    for (; rc == 0; n++) {
        char path[32];
        snprintf(path, sizeof path, "/m%d", n);
        rc = mounts_add(&r->tree.mounts, path, kinds_find("memfs"), memfs_new(4096, NULL), NULL,
                        NULL, &r->p);
    }
    assert_int_equal(n - 1, MOUNTS_MAX);
    assert_int_equal(r->p.status, 409);
}

static void links_are_followed_and_shown(void **state)
{
    struct rig *r = *state;
    put(r, "/a/f", "content");
    link_to(r, "/a/l", "f");
    link_to(r, "/ab/up", "../a");
    has(r, "/a/l", "content");
    has(r, "/ab/up/l", "content");
    char name[PATH_BYTES], target[PATH_BYTES];
    struct fs_info info;
    assert_int_equal(tree_stat(&r->tree, "/a/l", name, target, &info, &r->p), 0);
    assert_string_equal(info.meta_type, "symlink");
    assert_string_equal(info.target, "f");
    assert_int_equal(tree_symlink(&r->tree, "/a/f", "x", &r->p), -1);
    assert_int_equal(r->p.status, 409);
    /* It moves with its name, and goes with its folder. */
    assert_int_equal(tree_rename(&r->tree, "/a/l", "/a/m", &r->p), 0);
    assert_int_equal(tree_readlink(&r->tree, "/a/m", target, &r->p), 0);
    assert_int_equal(tree_readlink(&r->tree, "/a/l", target, &r->p), -1);
    assert_int_equal(tree_mkdir(&r->tree, "/a/d", 0755, &r->p), 0);
    link_to(r, "/a/d/l", "/a/f");
    assert_int_equal(tree_remove(&r->tree, "/a/d", true, &r->p), 0);
    assert_int_equal(tree_readlink(&r->tree, "/a/d/l", target, &r->p), -1);
}

static void circles_end(void **state)
{
    struct rig *r = *state;
    struct bytes out = {0};
    link_to(r, "/a/one", "two");
    link_to(r, "/a/two", "one");
    assert_int_equal(tree_read(&r->tree, "/a/one", 0, 1, &out, &r->p), -1);
    assert_non_null(strstr(r->p.text, "too many levels of symbolic links"));
    /* Longer each time. */
    link_to(r, "/a/self", "self/x");
    assert_int_equal(tree_read(&r->tree, "/a/self", 0, 1, &out, &r->p), -1);
    bytes_free(&out);
}

static void digests_of_known_inputs(void **state)
{
    char out[DIGEST_BYTES];
    (void)state;
    assert_int_equal(digest_bytes(out, "md5", "abc", 3), 0);
    assert_string_equal(out, "900150983cd24fb0d6963f7d28e17f72"); /* RFC 1321 */
    assert_int_equal(digest_bytes(out, "xxh3", NULL, 0), 0);
    assert_string_equal(out, "6001c324468d497f"); /* low half of the published XXH3-128 */
    assert_false(digest_known("sha256"));
}

static uint64_t count(struct rig *r, const char *pattern, const char *path)
{
    struct grep g;
    if (grep_begin(&g, pattern, false, &r->p) < 0)
        fail_msg("%s: %s", pattern, r->p.text);
    g.recursive = true;
    if (grep_run(&g, &r->tree, path, &r->p) < 0)
        fail_msg("%s: %s", pattern, r->p.text);
    uint64_t n = g.count;
    grep_end(&g);
    return n;
}

static void grep_counts_lines(void **state)
{
    struct rig *r = *state;
    put(r, "/a/f", "one 1\n\ntwo 22\nlast");
    assert_int_equal(count(r, "^$", "/a/f"), 1);
    assert_int_equal(count(r, "last$", "/a/f"), 1);
    assert_int_equal(count(r, "[0-9]", "/a/f"), 2);
    assert_int_equal(count(r, "\\d{2}", "/a/f"), 1);
    assert_int_equal(count(r, "[\\d]", "/a/f"), 2);
    assert_int_equal(count(r, "\\D", "/a/f"), 3);
    put(r, "/a/deep/er/g", "one");
    link_to(r, "/a/again", "/a");
    assert_int_equal(count(r, "one", "/a"),
                     1); /* other mounts stand at /, links are not followed */
}

static void patterns_that_would_take_for_ever_are_refused(void **state)
{
    struct rig *r = *state;
    static const char *const bad[] = {
        "(", "[", "a{2000}", "(a{100}){100}", "((a{10}){10}){21}", "(a)\\1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct grep g;
        if (grep_begin(&g, bad[i], false, &r->p) == 0) {
            grep_end(&g);
            fail_msg("%s was taken", bad[i]);
        }
        assert_int_equal(r->p.status, 400);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_longest_mount_holds_a_path),
        TEST(a_mount_lives_until_its_last_user),
        TEST(too_many_mounts_are_refused),
        TEST(links_are_followed_and_shown),
        TEST(circles_end),
        TEST(digests_of_known_inputs),
        TEST(grep_counts_lines),
        TEST(patterns_that_would_take_for_ever_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
