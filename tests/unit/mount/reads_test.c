/* SPDX-License-Identifier: MIT
 *
 * READs of a kernel of our own, answered late, by one owner each. */
#include "mount/reads.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "hand_source.h"
#include "mount/watch.h"
#include "support/data.h"
#include "wire.h"

#define SIZE (1u << 20)

struct rig {
    struct custom_io io; /* first: what the session hands over */
    struct wire wire;
    struct reads *reads;
    struct reads_file *file;
    struct hand *hand;
    struct wire_answer answer;
};

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi)
{
    (void)ino;
    struct rig *rig = fuse_req_userdata(req);
    reads_start(rig->reads, (struct reads_file *)(uintptr_t)fi->fh, req, (uint64_t)off, size);
}

static const struct fuse_lowlevel_ops ops = {.read = op_read};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig->reads = reads_new(0);
    rig->file = reads_open(rig->reads, hand_new(&rig->hand, SIZE), "film.mkv", SIZE);
    wire_open(&rig->wire, &ops, &rig->io, 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    reads_end(rig->reads);
    hand_end_cancelled(rig->hand);
    while (hand_waiting(rig->hand))
        hand_end(rig->hand, 0);
    wire_close(&rig->wire);
    reads_close_all(rig->reads);
    reads_free(rig->reads);
    free(rig);
    return 0;
}

static uint64_t ask(struct rig *rig, uint64_t off, uint32_t size)
{
    return wire_read(&rig->wire, (uintptr_t)rig->file, off, size, getpid());
}

static void answered_with_bytes(struct rig *rig, uint64_t unique, uint64_t off, size_t n)
{
    wire_answer(&rig->wire, &rig->answer);
    assert_int_equal(rig->answer.unique, unique);
    assert_int_equal(rig->answer.error, 0);
    assert_int_equal(rig->answer.n, n);
    assert_int_equal(data_check(rig->answer.data, n, 1, off), n);
    assert_true(wire_is_silent(&rig->wire));
}

static void answered_with_error(struct rig *rig, uint64_t unique, int error)
{
    wire_answer(&rig->wire, &rig->answer);
    assert_int_equal(rig->answer.unique, unique);
    assert_int_equal(rig->answer.error, error);
    assert_true(wire_is_silent(&rig->wire));
}

static void a_read_is_answered_when_its_bytes_are_there(void **state)
{
    struct rig *rig = *state;
    uint64_t first = ask(rig, 5, 131072), second = ask(rig, 300000, 100);
    assert_true(wire_is_silent(&rig->wire));
    hand_end(rig->hand, 0);
    answered_with_bytes(rig, first, 5, 131072);
    hand_end(rig->hand, 0);
    answered_with_bytes(rig, second, 300000, 100);
}

static void a_read_is_cut_at_the_end(void **state)
{
    struct rig *rig = *state;
    uint64_t unique = ask(rig, SIZE - 10, 4096);
    hand_end(rig->hand, 0);
    answered_with_bytes(rig, unique, SIZE - 10, 10);
    answered_with_bytes(rig, ask(rig, SIZE, 4096), 0, 0);
    answered_with_bytes(rig, ask(rig, UINT64_C(1) << 60, 4096), 0, 0);
}

static void a_source_in_memory_answers_at_once(void **state)
{
    struct rig *rig = *state;
    static unsigned char bytes[50000];
    gos_source *source = NULL;
    data_fill(bytes, sizeof bytes, 1, 0);
    assert_int_equal(gos_source_memory(&source, bytes, sizeof bytes, NULL), 0);
    struct reads_file *file = reads_open(rig->reads, source, "memory", sizeof bytes);
    uint64_t unique = wire_read(&rig->wire, (uintptr_t)file, 7, 40000, getpid());
    answered_with_bytes(rig, unique, 7, 40000);
    reads_close(rig->reads, file);
}

static void refused_borrowing_becomes_a_copy(void **state)
{
    struct rig *rig = *state;
    hand_refuse_slices(rig->hand, GOS_EBUSY, 0);
    uint64_t unique = ask(rig, 1, 70000);
    hand_end(rig->hand, 0);
    answered_with_bytes(rig, unique, 1, 70000);

    hand_refuse_slices(rig->hand, 0, GOS_E2BIG);
    unique = ask(rig, 2, 70000);
    hand_end(rig->hand, 0);
    assert_true(wire_is_silent(&rig->wire));
    assert_int_equal(hand_waiting(rig->hand), 1); /* again, with a buffer */
    hand_end(rig->hand, 0);
    answered_with_bytes(rig, unique, 2, 70000);
}

static void errors_become_eio(void **state)
{
    struct rig *rig = *state;
    static const struct {
        int result, error;
    } cases[] = {{GOS_ETIMEDOUT, EIO}, {GOS_ECANCELED, EIO}, {GOS_EIO, EIO},
                 {GOS_ECONTRACT, EIO}, {GOS_ENOENT, EIO},    {GOS_ENOMEM, ENOMEM}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t unique = ask(rig, i * 8192, 4096);
        hand_end(rig->hand, cases[i].result);
        answered_with_error(rig, unique, cases[i].error);
    }
}

/* The kernel asks again at once, for the first page of a read-ahead that failed. */
static void a_read_that_timed_out_is_not_waited_for_again_at_once(void **state)
{
    struct rig *rig = *state;
    uint64_t unique = ask(rig, 8192, 65536);
    hand_end(rig->hand, GOS_ETIMEDOUT);
    answered_with_error(rig, unique, EIO);
    unique = ask(rig, 8192, 4096);
    answered_with_error(rig, unique, EIO);
    assert_int_equal(hand_waiting(rig->hand), 0);
    unique = ask(rig, 500000, 4096); /* elsewhere */
    hand_end(rig->hand, 0);
    answered_with_bytes(rig, unique, 500000, 4096);
}

static void a_short_read_before_the_end_is_an_error(void **state)
{
    struct rig *rig = *state;
    uint64_t unique = ask(rig, 0, 4096);
    hand_end(rig->hand, 4095);
    answered_with_error(rig, unique, EIO);
}

static void an_interrupted_read_waits_until_its_caller_is_killed(void **state)
{
    struct rig *rig = *state;
    struct reads_interrupted found[4];
    uint64_t first = ask(rig, 0, 4096), second = ask(rig, 4096, 4096);
    assert_int_equal(reads_list_interrupted(rig->reads, found, 4), 0);
    wire_interrupt(&rig->wire, first);
    assert_true(wire_is_silent(&rig->wire));
    assert_int_equal(reads_list_interrupted(rig->reads, found, 4), 1);
    assert_int_equal(found[0].tid, getpid());
    assert_false(watch_is_dying(found[0].tid));

    reads_kill(rig->reads, found[0].id);
    answered_with_error(rig, first, EINTR);
    assert_int_equal(hand_cancelled(rig->hand), 1);
    assert_int_equal(reads_list_interrupted(rig->reads, found, 4), 0);
    reads_kill(rig->reads, found[0].id); /* too late: nothing */
    hand_end_cancelled(rig->hand);
    assert_true(wire_is_silent(&rig->wire));
    hand_end(rig->hand, 0);
    answered_with_bytes(rig, second, 4096, 4096);
}

static void the_end_answers_everything_and_refuses_the_rest(void **state)
{
    struct rig *rig = *state;
    bool seen[101] = {false};
    uint64_t first = ask(rig, 0, 4096);
    for (int i = 1; i < 100; i++)
        ask(rig, 4096u * (unsigned)i, 4096);
    reads_end(rig->reads);
    for (int i = 0; i < 100; i++) {
        wire_answer(&rig->wire, &rig->answer);
        assert_int_equal(rig->answer.error, EIO);
        assert_in_range(rig->answer.unique, first, first + 99);
        assert_false(seen[rig->answer.unique - first]);
        seen[rig->answer.unique - first] = true;
    }
    assert_int_equal(hand_cancelled(rig->hand), 100);
    answered_with_error(rig, ask(rig, 0, 4096), EIO);
    hand_end_cancelled(rig->hand);
    assert_true(wire_is_silent(&rig->wire));
}

static void a_file_may_be_closed_while_it_is_read(void **state)
{
    struct rig *rig = *state;
    struct hand *hand;
    struct reads_file *file = reads_open(rig->reads, hand_new(&hand, SIZE), "other", SIZE);
    uint64_t unique = wire_read(&rig->wire, (uintptr_t)file, 9, 4096, getpid());
    reads_close(rig->reads, file);
    hand_end(hand, 0);
    answered_with_bytes(rig, unique, 9, 4096);
}

/* ---- all at once ---- */

struct race {
    struct rig *rig;
    uint64_t seed;
    atomic_bool over;
};

static void *end_reads(void *arg)
{
    struct race *race = arg;
    uint64_t random = race->seed;
    while (!atomic_load(&race->over)) {
        hand_end(race->rig->hand, data_random(&random) % 4 ? 0 : GOS_EIO);
        hand_end_cancelled(race->rig->hand);
    }
    return NULL;
}

static void *kill_readers(void *arg)
{
    struct race *race = arg;
    struct reads_interrupted found[16];
    while (!atomic_load(&race->over)) {
        size_t n = reads_list_interrupted(race->rig->reads, found, 16);
        for (size_t i = 0; i < n; i++)
            reads_kill(race->rig->reads, found[i].id);
    }
    return NULL;
}

/* Reads are ended, interrupted and killed by three threads; each gets exactly
 * one answer, and the right one. */
static void each_read_has_one_answer_whoever_gives_it(void **state)
{
    enum { ROUNDS = 100, READS_EACH = 20 };
    struct rig *rig = *state;
    struct race race = {.rig = rig, .seed = (uint64_t)time(NULL)};
    uint64_t random = race.seed * 3;
    pthread_t threads[2];
    print_message("seed %llu\n", (unsigned long long)race.seed);
    hand_refuse_slices(rig->hand, 0, GOS_EBUSY);
    pthread_create(&threads[0], NULL, end_reads, &race);
    pthread_create(&threads[1], NULL, kill_readers, &race);
    for (int round = 0; round < ROUNDS; round++) {
        bool seen[READS_EACH * 3] = {false};
        uint64_t first = 0;
        for (int i = 0; i < READS_EACH; i++) {
            uint64_t unique = ask(rig, 1000u * (unsigned)i, 500);
            first = first ? first : unique;
            if (data_random(&random) % 2)
                wire_interrupt(&rig->wire, unique);
        }
        for (int i = 0; i < READS_EACH;) {
            wire_answer(&rig->wire, &rig->answer);
            if (rig->answer.error == EAGAIN)
                continue; /* libfuse, to an interrupt whose read was answered already */
            assert_in_range(rig->answer.unique, first, first + 2 * READS_EACH);
            assert_false(seen[rig->answer.unique - first]);
            seen[rig->answer.unique - first] = true;
            assert_true(rig->answer.error == 0 || rig->answer.error == EIO ||
                        rig->answer.error == EINTR);
            i++;
        }
    }
    atomic_store(&race.over, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_read_is_answered_when_its_bytes_are_there, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_read_is_cut_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_source_in_memory_answers_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_borrowing_becomes_a_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_become_eio, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_read_that_timed_out_is_not_waited_for_again_at_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_short_read_before_the_end_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_interrupted_read_waits_until_its_caller_is_killed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_answers_everything_and_refuses_the_rest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_may_be_closed_while_it_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_read_has_one_answer_whoever_gives_it, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
