/* SPDX-License-Identifier: MIT
 *
 * The files and folders of memfs, within their limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "serve/memfs.h"
#include "serve/memnode.h"

#define KIB 1024u

/* The next copy of a name finds no memory. */
static bool no_name;

char *strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = no_name ? NULL : malloc(n);
    no_name = false;
    return copy ? memcpy(copy, text, n) : NULL;
}

struct rig {
    struct fs *fs;
    struct problem p;
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    r->fs = memfs_new(64 * KIB, NULL);
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

static void a_large_folder_is_listed_whole_and_takes_little_memory(void **state)
{
    (void)state;
    struct fs *fs = memfs_new(64u << 20, NULL);
    struct listing l = {0};
    struct problem p;
    char path[16];
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(path, sizeof path, "/%04u", i);
        assert_int_equal(fs->ops->create(fs, path, &p), 0);
    }
    assert_int_equal(fs->ops->list(fs, "/", &l, &p), 0);
    assert_int_equal(l.n, 3000);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(path, sizeof path, "/%04u", i);
        assert_string_equal(l.items[i].name, path + 1);
    }
    /* What files take of the limit covers what listing them takes for a moment. */
    assert_in_range(sizeof *l.items, 1, sizeof(struct memnode));
    listing_free(&l);
    fs->ops->free(fs);
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

static void a_rename_that_fails_loses_nothing(void **state)
{
    struct rig *r = *state;
    put(r, "/f", "new");
    put(r, "/g", "old");
    no_name = true;
    fails(r, r->fs->ops->rename(r->fs, "/f", "/g", &r->p), 413);
    has(r, "/f", "new");
    has(r, "/g", "old");
    assert_int_equal(r->fs->ops->rename(r->fs, "/f", "/g", &r->p), 0);
    has(r, "/g", "new");
}

/* The room of what is replaced counts. */
static void a_full_memfs_can_still_rename(void **state)
{
    struct rig *r = *state;
    char name[32], longer[] = "/a-name-that-takes-more-bytes-than-there-are-left-by-then";
    put(r, "/f", "kept");
    put(r, longer, "replaced");
    for (int n = 0; snprintf(name, sizeof name, "/%d", n), n < 10000; n++)
        if (r->fs->ops->create(r->fs, name, &r->p) < 0)
            break;
    assert_int_equal(r->p.status, 413);
    fails(r, r->fs->ops->rename(r->fs, "/f", "/another-name-that-is-quite-long-but-new", &r->p),
          413);
    assert_int_equal(r->fs->ops->rename(r->fs, "/f", longer, &r->p), 0);
    has(r, longer, "kept");
}

static void what_is_being_sent_stays_as_it_was(void **state)
{
    struct rig *r = *state;
    struct content shared = {0};
    char got[16];
    put(r, "/f", "as it was");
    assert_int_equal(r->fs->ops->share(r->fs, "/f", 3, UINT64_MAX, &shared, &r->p), 0);
    uint64_t at = 3;
    assert_int_equal(r->fs->ops->write_at(r->fs, "/f", &at, "XX", 2, &r->p), 0);
    put(r, "/f", "new");
    assert_int_equal(r->fs->ops->remove(r->fs, "/f", false, &r->p), 0);
    assert_int_equal(shared.size, 6);
    content_copy(&shared, got);
    assert_memory_equal(got, "it was", 6);
    content_free(&shared);
}

/* ---- who copies does not hold the lock ---- */

/* A source of bytes that cannot be read before the gate is opened: whoever copies
 * it stops there, in the middle. */
static struct {
    char *bytes;
    sem_t reached, open;
} gate;

static void at_the_gate(int signal)
{
    (void)signal;
    sem_post(&gate.reached);
    while (sem_wait(&gate.open) < 0 && errno == EINTR)
        continue;
    mprotect(gate.bytes, 1 << 20, PROT_READ | PROT_WRITE);
}

static void close_gate(void)
{
    struct sigaction action = {.sa_handler = at_the_gate};
    sigaction(SIGSEGV, &action, NULL);
    gate.bytes = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(gate.bytes != MAP_FAILED);
    memset(gate.bytes, 'x', 1 << 20);
    assert_int_equal(mprotect(gate.bytes, 1 << 20, PROT_NONE), 0);
    sem_init(&gate.reached, 0, 0);
    sem_init(&gate.open, 0, 0);
}

static void *write_whole(void *arg)
{
    struct problem p;
    struct fs *fs = arg;
    return fs->ops->write(fs, "/f", gate.bytes, 1 << 20, &p) == 0 ? arg : NULL;
}

static void *write_at_end(void *arg)
{
    struct problem p;
    struct fs *fs = arg;
    uint64_t at = FS_END;
    return fs->ops->write_at(fs, "/f", &at, gate.bytes, 1 << 20, &p) == 0 && at == 5 ? arg : NULL;
}

static void others_go_on_while(void *(*copy)(void *))
{
    struct rig r = {.fs = memfs_new(64u << 20, NULL)};
    pthread_t thread;
    struct fs_info info;
    struct timespec deadline;
    put(&r, "/f", "there");
    close_gate();
    assert_int_equal(pthread_create(&thread, NULL, copy, r.fs), 0);
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 60;
    assert_int_equal(sem_timedwait(&gate.reached, &deadline), 0);
    alarm(60); /* the lock is held: for ever */
    has(&r, "/f", "there");
    put(&r, "/g", "small");
    alarm(0);
    sem_post(&gate.open);
    void *good;
    pthread_join(thread, &good);
    assert_non_null(good);
    assert_int_equal(r.fs->ops->stat(r.fs, "/f", &info, &r.p), 0);
    assert_int_equal(info.size, (1 << 20) + (copy == write_at_end ? 5 : 0));
    signal(SIGSEGV, SIG_DFL);
    munmap(gate.bytes, 1 << 20);
    r.fs->ops->free(r.fs);
}

static void a_large_write_holds_nobody_up(void **state)
{
    (void)state;
    others_go_on_while(write_whole);
}

static void a_large_append_holds_nobody_up(void **state)
{
    (void)state;
    others_go_on_while(write_at_end);
}

/* Of many that append at the same time none is lost. */
static void *append_ten(void *arg)
{
    struct fs *fs = arg;
    struct problem p;
    static char block[200 * KIB];
    for (int i = 0; i < 10; i++) {
        uint64_t at = FS_END;
        if (fs->ops->write_at(fs, "/f", &at, block, sizeof block - (size_t)i, &p) < 0)
            return NULL;
    }
    return arg;
}

static void large_appends_at_the_same_time_are_all_there(void **state)
{
    struct fs *fs = memfs_new(64u << 20, NULL);
    struct problem p;
    struct fs_info info;
    pthread_t threads[4];
    (void)state;
    assert_int_equal(fs->ops->create(fs, "/f", &p), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_ten, fs), 0);
    for (int i = 0; i < 4; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_non_null(good);
    }
    assert_int_equal(fs->ops->stat(fs, "/f", &info, &p), 0);
    assert_int_equal(info.size, 4 * (10 * 200 * KIB - 45));
    fs->ops->free(fs);
}

/* A cut file gives its room back, also while it is being sent. */
static void cut_files_hold_what_they_are_told_to(void **state)
{
    struct rig *r = *state;
    static char block[32 * KIB];
    char name[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "/%d", i);
        assert_int_equal(r->fs->ops->write(r->fs, name, block, sizeof block, &r->p), 0);
        assert_int_equal(r->fs->ops->truncate(r->fs, name, 1, &r->p), 0);
    }
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
    struct fs *fs = memfs_new(64u << 20, NULL);
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
        TEST(writing_replaces_and_needs_a_folder),
        TEST(reading_at_offsets),
        TEST(writing_at_offsets_fills_with_zeros),
        TEST(listings_are_sorted),
        TEST(a_large_folder_is_listed_whole_and_takes_little_memory),
        TEST(rename_moves_replaces_and_refuses_circles),
        TEST(folders_go_only_empty_or_recursively),
        TEST(the_limit_counts_bytes_names_and_folders),
        TEST(what_is_freed_can_be_used_again),
        TEST(a_rename_that_fails_loses_nothing),
        TEST(a_full_memfs_can_still_rename),
        TEST(what_is_being_sent_stays_as_it_was),
        TEST(cut_files_hold_what_they_are_told_to),
        cmocka_unit_test(a_large_write_holds_nobody_up),
        cmocka_unit_test(a_large_append_holds_nobody_up),
        cmocka_unit_test(large_appends_at_the_same_time_are_all_there),
        cmocka_unit_test(deep_trees_are_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
