/* SPDX-License-Identifier: MIT
 *
 * Everything this room does, again and again with the 1st, 2nd, ... allocation
 * failing: each call works or gives GOS_ENOMEM, nothing is lost (the sanitizers
 * watch), and everything works when there is memory again. */
#include <gostream/source.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "support/data.h"
#include "support/delay_source.h"

#define SIZE 4000u
#define SEED 9u

/* ---- the ways to read ---- */

struct ending {
    gos__mutex lock;
    gos__cond changed;
    bool done; /* guarded by lock */
};

static void note_done(struct gos_read *r)
{
    struct ending *e = r->user;

    gos__lock(&e->lock);
    e->done = true;
    gos__cond_signal(&e->changed);
    gos__unlock(&e->lock);
}

static int64_t read_in_background(gos_source *s, void *buf)
{
    struct ending e = {.done = false};
    struct gos_read r = {.struct_size = sizeof r, .len = SIZE, .buf = buf};

    assert_int_equal(gos__mutex_init(&e.lock), 0);
    assert_int_equal(gos__cond_init(&e.changed), 0);
    r.done = note_done;
    r.user = &e;
    int64_t rc = gos_source_start(s, &r);
    gos__lock(&e.lock);
    while (rc == 0 && !e.done)
        gos__cond_wait(&e.changed, &e.lock);
    gos__unlock(&e.lock);
    gos__cond_finish(&e.changed);
    gos__mutex_finish(&e.lock);
    return rc < 0 ? rc : r.result;
}

static int64_t read_by_reader(gos_source *s, void *buf)
{
    gos_reader *reader;
    int64_t n = gos_reader_new(&reader, s);

    if (n < 0)
        return n;
    n = gos_reader_read(reader, buf, SIZE, NULL);
    gos_reader_free(reader);
    return n;
}

static int64_t read_with_latch(gos_source *s, void *buf)
{
    struct gos_io io = {.struct_size = sizeof io};
    int64_t n = gos_cancel_new(&io.cancel);

    if (n < 0)
        return n;
    n = gos_source_pread(s, buf, SIZE, 0, &io);
    gos_cancel_free(io.cancel);
    return n;
}

/* Read in each way. 0, or the first error. */
static int64_t read_all_ways(gos_source *s)
{
    static int64_t (*const ways[])(gos_source *, void *) = {read_in_background, read_by_reader,
                                                            read_with_latch};
    unsigned char buf[SIZE];
    int64_t first = 0;

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        memset(buf, 0, sizeof buf);
        int64_t n = ways[i](s, buf);
        if (n < 0) {
            assert_int_equal(n, GOS_ENOMEM);
            assert_string_equal(gos_last_error(), "out of memory");
            first = n;
        } else {
            assert_int_equal(n, SIZE);
            assert_int_equal(data_check(buf, SIZE, SEED, 0), SIZE);
        }
    }
    return first;
}

/* ---- the sources ---- */

static int64_t use_memory(void)
{
    unsigned char bytes[SIZE];
    gos_source *s;

    data_fill(bytes, SIZE, SEED, 0);
    int64_t rc = gos_source_memory(&s, bytes, SIZE, NULL);
    if (rc < 0)
        return rc;
    rc = read_all_ways(s);
    gos_source_unref(s);
    return rc;
}

static int64_t use_file(void)
{
    char path[] = "/tmp/gos-oom-XXXXXX";
    unsigned char bytes[SIZE];
    gos_source *s;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    data_fill(bytes, SIZE, SEED, 0);
    assert_int_equal(write(fd, bytes, SIZE), SIZE);
    close(fd);
    int64_t rc = gos_source_file(&s, path);
    unlink(path);
    if (rc < 0)
        return rc;
    rc = read_all_ways(s);
    gos_source_unref(s);
    return rc;
}

static int64_t use_delay(void)
{
    struct delay_opts opts = {.seed = SEED, .size = SIZE, .max_bytes = 0};
    struct delay_source *control;
    gos_source *s;
    int64_t rc = delay_source_new(&s, &control, &opts);

    if (rc < 0)
        return rc;
    rc = read_all_ways(s);
    gos_source_unref(s);
    delay_source_free(control);
    return rc;
}

static void fail_each_allocation(int64_t (*use)(void), int for_ever)
{
    long n = 0;
    int64_t rc;

    assert_int_equal(use(), 0);
    do {
        gos__alloc_fail_at(++n, for_ever);
        rc = use();
        bool reached = gos__alloc_count() >= n;
        gos__alloc_fail_at(0, 0);
        if (!reached)
            break;
        assert_true(rc == 0 || rc == GOS_ENOMEM);
        assert_int_equal(use(), 0);
    } while (n < 100);
    assert_in_range(n, 4, 99);
}

static void memory_source_survives(void **state)
{
    (void)state;
    fail_each_allocation(use_memory, 0);
    fail_each_allocation(use_memory, 1);
}

static void file_source_survives(void **state)
{
    (void)state;
    fail_each_allocation(use_file, 0);
    fail_each_allocation(use_file, 1);
}

static void waiting_source_survives(void **state)
{
    (void)state;
    fail_each_allocation(use_delay, 0);
    fail_each_allocation(use_delay, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_source_survives),
        cmocka_unit_test(file_source_survives),
        cmocka_unit_test(waiting_source_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
