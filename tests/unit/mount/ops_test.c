/* SPDX-License-Identifier: MIT
 *
 * What a kernel of our own is told by INIT, LOOKUP, READDIR and the like. */
#include "mount/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "wire.h"

#define ALL_FLAGS (~(uint32_t)FUSE_INIT_EXT)

struct rig {
    struct ops ops; /* first: it is the user data of the session */
    struct wire wire;
    struct wire_answer answer;
};

static struct rig *rig_new(uint32_t flags)
{
    struct rig *rig = calloc(1, sizeof *rig);
    static const struct tree_file files[] = {{"s1/e1.mkv", 1000}, {"s1/e2.mkv", 2}, {"note", 0}};
    const struct tree_torrent torrent = {
        .name = "show", .identity = "a", .folder = true, .time = 99, .files = files, .n_files = 3};
    rig->ops.tree = tree_new(50);
    rig->ops.reads = reads_new(0);
    rig->ops.uid = 7;
    rig->ops.gid = 8;
    assert_non_null(tree_add(rig->ops.tree, &torrent));
    wire_open(&rig->wire, &ops_table, &rig->ops.io, flags);
    return rig;
}

static int set_up(void **state)
{
    *state = rig_new(ALL_FLAGS);
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    wire_close(&rig->wire);
    reads_free(rig->ops.reads);
    tree_free(rig->ops.tree);
    free(rig);
    return 0;
}

static void ask(struct rig *rig, enum fuse_opcode opcode, uint64_t node, const void *body, size_t n)
{
    uint64_t unique = wire_ask(&rig->wire, opcode, node, 1, body, n);
    wire_answer(&rig->wire, &rig->answer);
    assert_int_equal(rig->answer.unique, unique);
}

static struct fuse_entry_out look_up(struct rig *rig, uint64_t dir, const char *name)
{
    struct fuse_entry_out out = {0};
    ask(rig, FUSE_LOOKUP, dir, name, strlen(name) + 1);
    if (!rig->answer.error)
        memcpy(&out, rig->answer.data, sizeof out);
    return out;
}

static uint64_t walk(struct rig *rig, const char *one, const char *two)
{
    uint64_t node = look_up(rig, FUSE_ROOT_ID, one).nodeid;
    return two ? look_up(rig, node, two).nodeid : node;
}

static void init_asks_for_what_keeps_readers_killable(void **state)
{
    struct rig *rig = *state;
    const struct fuse_init_out *init = &rig->wire.init;
    assert_int_equal(init->max_background, 512);
    assert_int_equal(init->congestion_threshold, 384);
    assert_true(init->flags & FUSE_PARALLEL_DIROPS);
    assert_true(init->flags & FUSE_ASYNC_READ);
    assert_true(init->flags & FUSE_EXPORT_SUPPORT);
    assert_true(init->flags & FUSE_DO_READDIRPLUS);
    assert_true(init->flags & FUSE_READDIRPLUS_AUTO);
    assert_true(init->flags & FUSE_EXPLICIT_INVAL_DATA);
    assert_false(init->flags & (FUSE_ASYNC_DIO | FUSE_AUTO_INVAL_DATA | FUSE_POSIX_LOCKS |
                                FUSE_FLOCK_LOCKS | FUSE_WRITEBACK_CACHE | FUSE_ATOMIC_O_TRUNC |
                                FUSE_SPLICE_READ | FUSE_SPLICE_WRITE | FUSE_SPLICE_MOVE));
    assert_int_equal(init->max_pages, 256);
}

static void init_asks_for_nothing_that_was_not_offered(void **state)
{
    struct rig *rig = rig_new(FUSE_ASYNC_READ);
    assert_int_equal(rig->wire.init.flags & FUSE_PARALLEL_DIROPS, 0);
    assert_int_equal(rig->wire.init.flags & FUSE_EXPORT_SUPPORT, 0);
    *state = rig;
    tear_down(state);
}

static void names_lead_to_nodes(void **state)
{
    struct rig *rig = *state;
    uint64_t show = walk(rig, "show", NULL), s1 = walk(rig, "show", "s1");
    struct fuse_entry_out film = look_up(rig, s1, "e1.mkv");
    assert_int_equal(film.attr.ino, film.nodeid);
    assert_int_equal(film.attr.mode, S_IFREG | 0444);
    assert_int_equal(film.attr.size, 1000);
    assert_int_equal(film.attr.blocks, 2);
    assert_int_equal(film.attr.uid, 7);
    assert_int_equal(film.attr.gid, 8);
    assert_int_equal(film.attr.mtime, 99);
    assert_int_equal(film.entry_valid, 86400);
    /* of inodes whose names the kernel forgot */
    assert_int_equal(look_up(rig, s1, "..").nodeid, show);
    assert_int_equal(look_up(rig, film.nodeid, ".").nodeid, film.nodeid);
    assert_int_equal(look_up(rig, FUSE_ROOT_ID, "..").nodeid, FUSE_ROOT_ID);
}

static void what_is_not_there_is_remembered_for_a_second(void **state)
{
    struct rig *rig = *state;
    struct fuse_entry_out none = look_up(rig, FUSE_ROOT_ID, "film.nfo");
    char name[300];
    assert_int_equal(rig->answer.error, 0);
    assert_int_equal(none.nodeid, 0);
    assert_int_equal(none.entry_valid, 1);
    memset(name, 'a', sizeof name);
    name[256] = '\0';
    look_up(rig, FUSE_ROOT_ID, name);
    assert_int_equal(rig->answer.error, ENAMETOOLONG);
    look_up(rig, 4711, "a");
    assert_int_equal(rig->answer.error, ESTALE);
}

static void folders_count_their_folders(void **state)
{
    struct rig *rig = *state;
    const struct fuse_getattr_in in = {0};
    struct fuse_attr_out out;
    ask(rig, FUSE_GETATTR, walk(rig, "show", NULL), &in, sizeof in);
    memcpy(&out, rig->answer.data, sizeof out);
    assert_int_equal(out.attr.mode, S_IFDIR | 0555);
    assert_int_equal(out.attr.nlink, 3);
    ask(rig, FUSE_GETATTR, 4711, &in, sizeof in);
    assert_int_equal(rig->answer.error, ESTALE);
}

/* All names of a folder, read in answers of `size` bytes. */
static size_t list(struct rig *rig, uint64_t dir, uint32_t size, char *names)
{
    struct fuse_read_in in = {.size = size};
    size_t n = 0;
    *names = '\0';
    for (;;) {
        ask(rig, FUSE_READDIR, dir, &in, sizeof in);
        assert_int_equal(rig->answer.error, 0);
        if (rig->answer.n == 0)
            return n;
        for (size_t at = 0; at < rig->answer.n;) {
            struct fuse_dirent entry;
            memcpy(&entry, rig->answer.data + at, sizeof entry);
            strncat(names, (char *)rig->answer.data + at + FUSE_NAME_OFFSET, entry.namelen);
            strcat(names, " ");
            in.offset = entry.off;
            at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
            n++;
        }
    }
}

static void folders_are_listed_in_any_number_of_steps(void **state)
{
    struct rig *rig = *state;
    char names[200];
    assert_int_equal(list(rig, walk(rig, "show", NULL), 4096, names), 4);
    assert_string_equal(names, ". .. s1 note ");
    assert_int_equal(list(rig, walk(rig, "show", "s1"), 40, names), 4);
    assert_string_equal(names, ". .. e1.mkv e2.mkv ");
}

static void listing_with_attributes_counts_no_look_up_of_dots(void **state)
{
    struct rig *rig = *state;
    const struct fuse_read_in in = {.size = 4096};
    struct fuse_direntplus entry;
    ask(rig, FUSE_READDIRPLUS, walk(rig, "show", NULL), &in, sizeof in);
    memcpy(&entry, rig->answer.data, sizeof entry);
    assert_int_equal(entry.entry_out.nodeid, 0);
    size_t step = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + 1);
    memcpy(&entry, rig->answer.data + 2 * step, sizeof entry);
    assert_int_equal(entry.entry_out.nodeid, walk(rig, "show", "s1"));
    assert_int_equal(entry.entry_out.attr.mode, S_IFDIR | 0555);
}

static void opening_to_write_is_erofs(void **state)
{
    struct rig *rig = *state;
    struct fuse_open_in in = {.flags = O_RDWR};
    uint64_t note = walk(rig, "show", "note");
    ask(rig, FUSE_OPEN, note, &in, sizeof in);
    assert_int_equal(rig->answer.error, EROFS);
    in.flags = O_WRONLY;
    ask(rig, FUSE_OPEN, note, &in, sizeof in);
    assert_int_equal(rig->answer.error, EROFS);
}

static void folders_keep_their_pages(void **state)
{
    struct rig *rig = *state;
    const struct fuse_open_in in = {0};
    struct fuse_open_out out;
    ask(rig, FUSE_OPENDIR, FUSE_ROOT_ID, &in, sizeof in);
    memcpy(&out, rig->answer.data, sizeof out);
    assert_int_equal(out.open_flags, FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE);
    ask(rig, FUSE_OPENDIR, walk(rig, "show", "note"), &in, sizeof in);
    assert_int_equal(rig->answer.error, ENOTDIR);
}

static void what_is_not_offered_is_enosys(void **state)
{
    struct rig *rig = *state;
    const struct {
        struct fuse_getxattr_in in;
        char name[12];
    } xattr = {.in = {.size = 10}, .name = "user.x"};
    const struct fuse_flush_in flush = {0};
    ask(rig, FUSE_GETXATTR, walk(rig, "show", "note"), &xattr, sizeof xattr);
    assert_int_equal(rig->answer.error, ENOSYS);
    ask(rig, FUSE_FLUSH, walk(rig, "show", "note"), &flush, sizeof flush);
    assert_int_equal(rig->answer.error, ENOSYS);
}

static void the_file_system_is_full(void **state)
{
    struct rig *rig = *state;
    struct fuse_statfs_out out;
    ask(rig, FUSE_STATFS, FUSE_ROOT_ID, NULL, 0);
    memcpy(&out, rig->answer.data, sizeof out);
    assert_int_equal(out.st.bsize, 4096);
    assert_int_equal(out.st.blocks, 1);
    assert_int_equal(out.st.bfree, 0);
    assert_int_equal(out.st.files, 3);
    assert_int_equal(out.st.namelen, 255);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(init_asks_for_what_keeps_readers_killable),
        cmocka_unit_test(init_asks_for_nothing_that_was_not_offered),
        TEST(names_lead_to_nodes),
        TEST(what_is_not_there_is_remembered_for_a_second),
        TEST(folders_count_their_folders),
        TEST(folders_are_listed_in_any_number_of_steps),
        TEST(listing_with_attributes_counts_no_look_up_of_dots),
        TEST(opening_to_write_is_erofs),
        TEST(folders_keep_their_pages),
        TEST(what_is_not_offered_is_enosys),
        TEST(the_file_system_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
