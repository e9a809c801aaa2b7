/* SPDX-License-Identifier: MIT
 *
 * Writing what there is, and how it can end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "pfs/input.h"
#include "pfs/output.h"

static void small_pieces_wait_for_the_flush(void **state)
{
    struct pfs_output o;
    int fds[2];
    char got[16];
    (void)state;
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    pfs_output_init(&o, fds[1]);
    assert_int_equal(pfs_output_put(&o, "ab", 2), 0);
    assert_int_equal(pfs_output_put(&o, "c", 1), 0);
    assert_int_equal(read(fds[0], got, sizeof got), -1);
    assert_int_equal(o.written, 0);
    assert_int_equal(pfs_output_flush(&o), 0);
    assert_int_equal(read(fds[0], got, sizeof got), 3);
    assert_memory_equal(got, "abc", 3);
    assert_int_equal(o.written, 3);
    assert_int_equal(o.last, 'c');
    pfs_output_free(&o);
    close(fds[0]);
    close(fds[1]);
}

static void any_sizes_arrive_in_order(void **state)
{
    static const size_t sizes[] = {1, 1000, 262143, 262144, 1, 300000, 262145, 5};
    struct pfs_output o;
    char name[] = "/tmp/gos-output.XXXXXX";
    int fd = mkstemp(name);
    uint64_t total = 0;
    (void)state;
    assert_true(fd >= 0);
    unlink(name);
    unsigned char *data = malloc(300000);
    pfs_output_init(&o, fd);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            data[k] = (unsigned char)((total + k) % 251);
        assert_int_equal(pfs_output_put(&o, data, sizes[i]), 0);
        total += sizes[i];
    }
    assert_int_equal(pfs_output_flush(&o), 0);
    assert_int_equal(o.written, total);
    for (uint64_t at = 0; at < total;) {
        ssize_t n = pread(fd, data, 300000, (off_t)at);
        assert_true(n > 0);
        for (ssize_t k = 0; k < n; k++, at++)
            if (data[k] != at % 251)
                fail_msg("byte %llu is wrong", (unsigned long long)at);
    }
    free(data);
    pfs_output_free(&o);
    close(fd);
}

static void a_reader_that_goes_is_noticed_without_writing(void **state)
{
    struct pfs_output o;
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    pfs_output_init(&o, fds[1]);
    assert_false(pfs_output_gone(&o));
    close(fds[0]);
    assert_true(pfs_output_gone(&o));
    assert_int_equal(o.end, PFS_OUTPUT_CLOSED);
    assert_int_equal(pfs_output_put(&o, "x", 1), -1);
    pfs_output_free(&o);
    close(fds[1]);
}

static void ends_as(int fd, enum pfs_output_end end, int error)
{
    struct pfs_output o;
    pfs_output_init(&o, fd);
    assert_int_equal(pfs_output_put(&o, "x", 1), 0);
    assert_int_equal(pfs_output_flush(&o), -1);
    assert_int_equal(o.end, end);
    assert_int_equal(o.error, error);
    assert_int_equal(pfs_output_flush(&o), -1);
    pfs_output_free(&o);
}

static void how_it_ended_is_known(void **state)
{
    int fds[2];
    (void)state;
    int full = open("/dev/full", O_WRONLY);
    ends_as(full, PFS_OUTPUT_FAILED, ENOSPC);
    close(full);
    int reading = open("/dev/null", O_RDONLY);
    ends_as(reading, PFS_OUTPUT_FAILED, EBADF);
    close(reading);
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    ends_as(fds[1], PFS_OUTPUT_CLOSED, 0);
    close(fds[1]);
}

static void input_gives_what_is_there(void **state)
{
    int fds[2];
    char got[64];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    struct pfs_input in = {.fd = fds[0]};
    assert_int_equal(pfs_input_try(&in, got, sizeof got), PFS_INPUT_LATER);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(pfs_input_try(&in, got, 2), 2);
    assert_int_equal(pfs_input_wait(&in, got, sizeof got), 1);
    assert_int_equal(in.total, 3);
    assert_int_equal(in.pieces, 2);
    close(fds[1]);
    assert_int_equal(pfs_input_try(&in, got, sizeof got), 0);
    assert_true(in.ended);
    assert_int_equal(in.error, 0);
    close(fds[0]);
}

static void input_that_cannot_be_read_says_why(void **state)
{
    char got[8];
    int folder = open("/", O_RDONLY | O_DIRECTORY);
    (void)state;
    struct pfs_input in = {.fd = folder};
    assert_int_equal(pfs_input_wait(&in, got, sizeof got), 0);
    assert_int_equal(in.error, EISDIR);
    close(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_pieces_wait_for_the_flush),
        cmocka_unit_test(any_sizes_arrive_in_order),
        cmocka_unit_test(a_reader_that_goes_is_noticed_without_writing),
        cmocka_unit_test(how_it_ended_is_known),
        cmocka_unit_test(input_gives_what_is_there),
        cmocka_unit_test(input_that_cannot_be_read_says_why),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
