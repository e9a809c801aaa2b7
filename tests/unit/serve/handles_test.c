/* SPDX-License-Identifier: MIT
 *
 * The table of handles, without any request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/clock.h"
#include "serve/handles.h"
#include "serve/memfs.h"
#include "serve/streamfs.h"

struct rig {
    struct mounts mounts;
    struct handles handles;
    struct stream_room room;
    struct mount *files, *streams;
    struct problem p;
};

static struct mount *mount(struct rig *r, const char *kind, const char *path)
{
    struct fs *fs;
    unsigned line;
    const char *within;
    const struct fs_kind *k = kinds_find(kind);
    assert_int_equal(kinds_make(k, &fs, NULL, &r->room, &line, &r->p), 0);
    assert_int_equal(mounts_add(&r->mounts, path, k, fs, NULL, NULL, &r->p), 0);
    return mounts_find(&r->mounts, path, &within);
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    r->room = (struct stream_room){.max_bytes = 1u << 30, .n_loops = 1};
    mounts_init(&r->mounts);
    handles_init(&r->handles);
    r->files = mount(r, "memfs", "/m");
    r->streams = mount(r, "streamfs", "/s");
    r->files->fs->ops->create(r->files->fs, "/f", &r->p);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    handles_finish(&r->handles);
    mount_unref(r->files);
    mount_unref(r->streams);
    mounts_finish(&r->mounts);
    free(r);
    return 0;
}

static uint64_t open_one(struct rig *r, struct mount *m, const char *within, int64_t flags)
{
    struct handle *h;
    if (handles_open(&r->handles, m, within, within, flags, &h, &r->p) < 0)
        fail_msg("%s: %s", within, r->p.text);
    uint64_t id = h->id;
    handle_unref(h);
    return id;
}

static bool is_open(struct rig *r, uint64_t id)
{
    struct handle *h = handles_find(&r->handles, id);
    handle_unref(h);
    return h != NULL;
}

/* As if nobody had used it for so long. */
static void age(struct rig *r, uint64_t id, int64_t ns)
{
    struct handle *h = handles_find(&r->handles, id);
    assert_non_null(h);
    atomic_store(&h->used_ns, clock_ns() - ns);
    handle_unref(h);
}

static uint64_t readers(struct rig *r)
{
    struct stream *s;
    assert_int_equal(streamfs_open(r->streams->fs, "/x", false, &s, &r->p), 0);
    uint64_t n = stream_stats(s).readers;
    stream_unref(s);
    return n;
}

static void ids_are_never_used_twice(void **state)
{
    struct rig *r = *state;
    uint64_t first = open_one(r, r->files, "/f", 0), second = open_one(r, r->files, "/f", 0);
    assert_true(second > first);
    assert_int_equal(handles_close(&r->handles, second), 0);
    assert_int_equal(handles_close(&r->handles, second), -1);
    assert_true(is_open(r, first));
    assert_false(is_open(r, second));
    assert_true(open_one(r, r->files, "/f", 0) > second);
}

static void forgotten_handles_are_closed_and_others_are_not(void **state)
{
    struct rig *r = *state;
    uint64_t used = open_one(r, r->files, "/f", 0), forgotten = open_one(r, r->streams, "/x", 0);
    assert_int_equal(readers(r), 1);
    age(r, forgotten, HANDLES_IDLE_NS + SECOND);
    age(r, used, HANDLES_IDLE_NS - SECOND);
    handles_expire(&r->handles);
    assert_true(is_open(r, used));
    assert_false(is_open(r, forgotten));
    assert_int_equal(readers(r), 0);
}

static void a_handle_whose_reader_is_lent_is_in_use(void **state)
{
    struct rig *r = *state;
    uint64_t id = open_one(r, r->streams, "/x", 0);
    struct handle *h = handles_find(&r->handles, id);
    age(r, id, 2 * HANDLES_IDLE_NS);
    gos_ring_reader *reader = handle_lend_reader(h);
    assert_non_null(reader);
    assert_null(handle_lend_reader(h));
    handles_expire(&r->handles);
    assert_true(is_open(r, id));
    /* Closed meanwhile: the reader that comes back goes with it. */
    assert_int_equal(handles_close(&r->handles, id), 0);
    assert_int_equal(readers(r), 1);
    handle_reading_ended(h, reader);
    assert_int_equal(readers(r), 0);
    handle_unref(h);
}

static void a_mounts_handles_go_with_it(void **state)
{
    struct rig *r = *state;
    uint64_t file = open_one(r, r->files, "/f", 0);
    uint64_t streams[100];
    for (int i = 0; i < 100; i++)
        streams[i] = open_one(r, r->streams, "/x", 0);
    handles_close_mount(&r->handles, r->streams);
    for (int i = 0; i < 100; i++)
        assert_false(is_open(r, streams[i]));
    assert_true(is_open(r, file));
    assert_int_equal(readers(r), 0);
}

static void there_is_a_limit(void **state)
{
    struct rig *r = *state;
    struct handle *h;
    for (int i = 0; i < HANDLES_MAX; i++)
        open_one(r, r->files, "/f", 0);
    assert_int_equal(handles_open(&r->handles, r->files, "/f", "/f", 0, &h, &r->p), -1);
    assert_int_equal(r->p.status, 403);
    assert_string_equal(r->p.text, "too many handles (limit 10000)");
}

static void write_only_is_no_reader(void **state)
{
    struct rig *r = *state;
    static const struct {
        int64_t flags;
        uint64_t readers;
    } rows[] = {{0, 1}, {1, 0}, {2, 1}, {577, 0}, {1025, 0}, {17, 0}, {16, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t id = open_one(r, r->streams, "/x", rows[i].flags);
        assert_int_equal(readers(r), rows[i].readers);
        handles_close(&r->handles, id);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ids_are_never_used_twice),
        TEST(forgotten_handles_are_closed_and_others_are_not),
        TEST(a_handle_whose_reader_is_lent_is_in_use),
        TEST(a_mounts_handles_go_with_it),
        TEST(there_is_a_limit),
        TEST(write_only_is_no_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
