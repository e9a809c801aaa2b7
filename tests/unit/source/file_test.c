/* SPDX-License-Identifier: MIT
 *
 * A file on disk as a source. */
#include <gostream/source.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/data.h"

#define SIZE 5000u

struct rig {
    char dir[32], path[64];
};

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    unsigned char bytes[SIZE];

    assert_non_null(r);
    strcpy(r->dir, "/tmp/gos-file-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->path, sizeof r->path, "%s/film.mkv", r->dir);
    data_fill(bytes, SIZE, 1, 0);
    FILE *f = fopen(r->path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, SIZE, f), SIZE);
    assert_int_equal(fclose(f), 0);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    unlink(r->path);
    rmdir(r->dir);
    free(r);
    return 0;
}

static void missing_file_is_named(void **state)
{
    struct rig *r = *state;
    gos_source *s = NULL;

    unlink(r->path);
    assert_int_equal(gos_source_file(&s, r->path), GOS_ENOENT);
    assert_null(s);
    assert_non_null(strstr(gos_last_error(), r->path));
    assert_non_null(strstr(gos_last_error(), "No such file or directory"));
}

static void only_regular_files_are_taken(void **state)
{
    struct rig *r = *state;
    gos_source *s = NULL;

    assert_int_equal(gos_source_file(&s, r->dir), GOS_EINVAL);
    unlink(r->path);
    assert_int_equal(mkfifo(r->path, 0600), 0);
    assert_int_equal(gos_source_file(&s, r->path), GOS_EINVAL); /* and does not wait */
    assert_int_equal(gos_source_file(&s, NULL), GOS_EINVAL);
    assert_int_equal(gos_source_file(NULL, r->path), GOS_EINVAL);
    assert_null(s);
}

static void file_is_read_after_it_lost_its_name(void **state)
{
    struct rig *r = *state;
    gos_source *s;
    unsigned char buf[SIZE];

    assert_int_equal(gos_source_file(&s, r->path), 0);
    unlink(r->path);
    assert_int_equal(gos_source_pread(s, buf, SIZE, 0, NULL), SIZE);
    assert_int_equal(data_check(buf, SIZE, 1, 0), SIZE);
    gos_source_unref(s);
}

static void file_that_became_shorter_is_an_error(void **state)
{
    struct rig *r = *state;
    gos_source *s;
    unsigned char buf[SIZE];

    assert_int_equal(gos_source_file(&s, r->path), 0);
    assert_int_equal(truncate(r->path, 100), 0);
    assert_int_equal(gos_source_pread(s, buf, SIZE, 0, NULL), 100);
    assert_int_equal(gos_source_pread(s, buf, SIZE, 100, NULL), GOS_EIO);
    assert_non_null(strstr(gos_last_error(), "became shorter than 5000 bytes"));
    gos_source_unref(s);
}

static void empty_file_is_at_its_end(void **state)
{
    struct rig *r = *state;
    gos_source *s;
    unsigned char buf[10];

    assert_int_equal(truncate(r->path, 0), 0);
    assert_int_equal(gos_source_file(&s, r->path), 0);
    assert_int_equal(gos_source_size(s), 0);
    assert_int_equal(gos_source_pread(s, buf, 10, 0, NULL), 0);
    gos_source_unref(s);
}

static void descriptor_is_closed_and_not_inherited(void **state)
{
    struct rig *r = *state;
    gos_source *s;
    int next = dup(0);

    assert_true(next >= 0);
    close(next);
    assert_int_equal(gos_source_file(&s, r->path), 0);
    assert_int_equal(fcntl(next, F_GETFD), FD_CLOEXEC);
    gos_source_unref(s);
    assert_int_equal(fcntl(next, F_GETFD), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(missing_file_is_named),
        TEST(only_regular_files_are_taken),
        TEST(file_is_read_after_it_lost_its_name),
        TEST(file_that_became_shorter_is_an_error),
        TEST(empty_file_is_at_its_end),
        TEST(descriptor_is_closed_and_not_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
