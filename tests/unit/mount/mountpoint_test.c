/* SPDX-License-Identifier: MIT
 *
 * What is mounted where, from the kernel's table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mount/mountpoint.h"

static const char text[] =
    "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
    "60 21 0:40 / /mnt/film ro,nosuid,nodev shared:9 master:2 - fuse.gostream gostream ro\n"
    "61 21 0:41 / /mnt/a\\040b\\134c rw - tmpfs - rw\n"
    "62 21 0:42 / /mnt/twice rw - tmpfs tmpfs rw\n"
    "63 62 0:43 / /mnt/twice ro - fuse.gostream gostream ro\n"
    "64 21 0:44 /mnt/root /elsewhere rw - ext4 /dev/vdb rw\n"
    "cut short";

static void is(const char *path, const char *want)
{
    char type[MOUNTPOINT_TYPE] = "";
    assert_int_equal(mountpoint_find(text, path, type), want != NULL);
    assert_string_equal(type, want ? want : "");
}

static void the_topmost_file_system_counts(void **state)
{
    (void)state;
    is("/mnt/film", "fuse.gostream");
    is("/mnt/twice", "fuse.gostream");
    is("/", "ext4");
}

static void blanks_in_paths_are_understood(void **state)
{
    (void)state;
    is("/mnt/a b\\c", "tmpfs");
}

static void neither_parents_nor_prefixes_nor_roots_are_taken(void **state)
{
    (void)state;
    is("/mnt", NULL);
    is("/mnt/fil", NULL);
    is("/mnt/film/", NULL);
    is("/mnt/film2", NULL);
    is("/mnt/root", NULL);
    is("", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_topmost_file_system_counts),
        cmocka_unit_test(blanks_in_paths_are_understood),
        cmocka_unit_test(neither_parents_nor_prefixes_nor_roots_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
