/* SPDX-License-Identifier: MIT
 *
 * Names and inode numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mount/names.h"
#include "mount/tree.h"

static int set_up(void **state)
{
    *state = tree_new(1000);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    tree_free(*state);
    return 0;
}

static const struct tree_node *add_file(struct tree *t, const char *name, const char *identity)
{
    const struct tree_file file = {.path = name, .size = 5};
    const struct tree_torrent torrent = {
        .name = name, .identity = identity, .time = 7, .files = &file, .n_files = 1};
    return tree_add(t, &torrent);
}

static const struct tree_node *add_folder(struct tree *t, const char *name, const char *identity,
                                          const char *const *paths)
{
    struct tree_file files[16];
    size_t n = 0;
    for (; paths[n]; n++)
        files[n] = (struct tree_file){.path = paths[n], .size = n};
    const struct tree_torrent torrent = {
        .name = name, .identity = identity, .folder = true, .files = files, .n_files = n};
    return tree_add(t, &torrent);
}

#define PATHS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct tree_node *at(struct tree *t, const char *path)
{
    const struct tree_node *node = tree_root(t);
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *part = strtok(copy, "/"); part && node; part = strtok(NULL, "/"))
        node = tree_child(t, node, part);
    return node;
}

static void a_single_file_lies_in_the_root(void **state)
{
    struct tree *t = *state;
    const struct tree_node *film = add_file(t, "film.mkv", "a");
    assert_ptr_equal(at(t, "film.mkv"), film);
    assert_false(film->is_dir);
    assert_int_equal(film->size, 5);
    assert_int_equal(film->time, 7);
    assert_ptr_equal(film->parent, tree_root(t));
    assert_ptr_equal(tree_by_ino(t, film->ino), film);
    assert_int_equal(tree_count_files(t), 1);
    assert_int_equal(tree_count_bytes(t), 5);
}

static void several_files_lie_in_a_folder_in_their_order(void **state)
{
    struct tree *t = *state;
    char path[64];
    const struct tree_node *top = add_folder(t, "show", "a",
                                             PATHS("s1/e2.mkv", "s1/e1.mkv", "note", "s2/x/deep"));
    assert_true(top->is_dir);
    assert_int_equal(at(t, "show/s1/e1.mkv")->file, 1);
    assert_int_equal(at(t, "show/s2/x/deep")->file, 3);
    assert_string_equal(tree_path(at(t, "show/s2/x/deep"), path, sizeof path), "show/s2/x/deep");
    assert_string_equal(tree_child_at(t, at(t, "show/s1"), 0)->name, "e2.mkv");
    assert_string_equal(tree_child_at(t, at(t, "show/s1"), 1)->name, "e1.mkv");
    assert_null(tree_child_at(t, at(t, "show/s1"), 2));
    assert_int_equal(tree_count_dirs(t, top), 2);
    assert_int_equal(tree_count_dirs(t, tree_root(t)), 1);
    assert_null(at(t, "show/s3"));
    assert_null(tree_by_ino(t, 4711));
}

static void equal_names_in_the_root_are_numbered(void **state)
{
    struct tree *t = *state;
    assert_string_equal(add_file(t, "film.mkv", "a")->name, "film.mkv");
    assert_string_equal(add_file(t, "film.mkv", "b")->name, "film (2).mkv");
    assert_string_equal(add_file(t, "film.mkv", "c")->name, "film (3).mkv");
    assert_string_equal(add_folder(t, "show.one", "d", PATHS("a"))->name, "show.one");
    assert_string_equal(add_folder(t, "show.one", "e", PATHS("a"))->name, "show.one (2)");
    assert_string_equal(at(t, "show.one (2)/a")->parent->name, "show.one (2)");
}

static void a_path_that_comes_twice_is_numbered(void **state)
{
    struct tree *t = *state;
    add_folder(t, "show", "a", PATHS("x/e.mkv", "x/e.mkv", "x", "x/e.mkv/deep"));
    assert_int_equal(at(t, "show/x/e.mkv")->file, 0);
    assert_int_equal(at(t, "show/x/e (2).mkv")->file, 1);
    assert_int_equal(at(t, "show/x (2)")->file, 2);
    assert_int_equal(at(t, "show/x/e.mkv (2)/deep")->file, 3);
}

static void inode_numbers_are_the_same_in_another_run(void **state)
{
    struct tree *t = *state, *other = tree_new(5);
    add_file(t, "film.mkv", "a");
    add_folder(t, "show", "b", PATHS("s1/e1", "s1/e2"));
    add_folder(other, "show", "b", PATHS("s1/e1", "s1/e2"));
    add_file(other, "film.mkv", "other content");
    assert_int_equal(at(t, "show/s1/e2")->ino, at(other, "show/s1/e2")->ino);
    assert_int_equal(at(t, "show/s1")->ino, at(other, "show/s1")->ino);
    assert_int_equal(at(t, "show")->ino, at(other, "show")->ino);
    assert_int_not_equal(at(t, "film.mkv")->ino, at(other, "film.mkv")->ino);
    tree_free(other);
}

static int by_low(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* 120,000 numbers of 32 bits: without stepping over, one or two would be equal. */
static void the_low_half_of_inode_numbers_is_unique_too(void **state)
{
    enum { N = 120000 };
    struct tree *t = *state;
    struct tree_file *files = calloc(N, sizeof *files);
    char(*names)[16] = calloc(N, sizeof *names);
    uint32_t *low = calloc(N, sizeof *low);
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "f%zu", i);
        files[i] = (struct tree_file){.path = names[i], .size = 1};
    }
    const struct tree_torrent torrent = {
        .name = "many", .identity = "a", .folder = true, .files = files, .n_files = N};
    const struct tree_node *top = tree_add(t, &torrent);
    assert_non_null(top);
    for (size_t i = 0; i < N; i++) {
        const struct tree_node *node = tree_child_at(t, top, i);
        assert_ptr_equal(tree_by_ino(t, node->ino), node);
        low[i] = (uint32_t)node->ino;
        assert_true(low[i] > TREE_ROOT_INO);
    }
    qsort(low, N, sizeof *low, by_low);
    for (size_t i = 1; i < N; i++)
        assert_int_not_equal(low[i - 1], low[i]);
    free(low);
    free(names);
    free(files);
}

static void no_files_no_entry(void **state)
{
    const struct tree_torrent torrent = {.name = "none", .identity = "a", .folder = true};
    assert_null(tree_add(*state, &torrent));
    assert_null(at(*state, "none"));
}

static void fits(const char *name, bool is_dir, const char *want)
{
    char got[NAME_BYTES + 1];
    names_fit(got, name, strlen(name), is_dir);
    assert_string_equal(got, want);
}

static void long_names_are_cut_between_characters_and_keep_their_extension(void **state)
{
    (void)state;
    char long_name[400], want[400];
    memset(long_name, 'a', sizeof long_name);
    strcpy(long_name + 300, ".mkv");
    snprintf(want, sizeof want, "%.251s.mkv", long_name);
    fits(long_name, false, want);
    snprintf(want, sizeof want, "%.255s", long_name);
    fits(long_name, true, want);
    /* 150 times two bytes */
    for (int i = 0; i < 150; i++)
        memcpy(long_name + 2 * i, "é", 2);
    strcpy(long_name + 300, ".mkv");
    snprintf(want, sizeof want, "%.250s.mkv", long_name);
    fits(long_name, false, want);
    fits("", false, "_");
    fits("..", true, "_");
    fits("...", true, "...");
}

static void a_number_finds_room_in_a_full_name(void **state)
{
    (void)state;
    char full[NAME_BYTES + 1], got[NAME_BYTES + 1];
    memset(full, 'a', NAME_BYTES);
    strcpy(full + NAME_BYTES - 4, ".mkv");
    names_numbered(got, full, 12, false);
    assert_int_equal(strlen(got), NAME_BYTES);
    assert_string_equal(got + NAME_BYTES - 9, " (12).mkv");
    names_numbered(got, ".profile", 2, false);
    assert_string_equal(got, ".profile (2)");
    names_numbered(got, "Mr. Smith goes to Washington", 2, false);
    assert_string_equal(got, "Mr. Smith goes to Washington (2)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_single_file_lies_in_the_root, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_files_lie_in_a_folder_in_their_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(equal_names_in_the_root_are_numbered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_path_that_comes_twice_is_numbered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(inode_numbers_are_the_same_in_another_run, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_low_half_of_inode_numbers_is_unique_too, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_files_no_entry, set_up, tear_down),
        cmocka_unit_test(long_names_are_cut_between_characters_and_keep_their_extension),
        cmocka_unit_test(a_number_finds_room_in_a_full_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
