/* SPDX-License-Identifier: MIT
 *
 * Framed streams taken apart, whole, byte by byte, and broken off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#include "pfs/frames.h"

/* What came out, and the stream that went in. */
struct rig {
    struct pfs_frames frames;
    char out[4096];
    size_t n;
    int64_t first; /* offset of the first byte of this run */
    uint64_t lost_from, lost_to, lost, gaps;
    size_t enough; /* take() says so after as many bytes; 0: never */
    char in[8192];
    size_t in_n;
};

static int take(void *user, const void *data, size_t n, int64_t offset)
{
    struct rig *r = user;
    if (!r->n)
        r->first = offset;
    assert_true(r->n + n <= sizeof r->out);
    memcpy(r->out + r->n, data, n);
    r->n += n;
    return r->enough && r->n >= r->enough ? -1 : 0;
}

static void lose(void *user, uint64_t from, uint64_t to)
{
    struct rig *r = user;
    assert_true(from < to);
    r->lost_from = from;
    r->lost_to = to;
    r->lost += to - from;
    r->gaps++;
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    r->frames = (struct pfs_frames){.take = take, .lose = lose, .user = r, .at = -1};
    pfs_frames_begin(&r->frames);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void add_head(struct rig *r, struct frame f)
{
    frame_encode((uint8_t *)r->in + r->in_n, &f);
    r->in_n += FRAME_BYTES;
}

static void add_record(struct rig *r, uint64_t offset, const char *text, uint8_t flags)
{
    uint32_t n = (uint32_t)strlen(text);
    add_head(r,
             (struct frame){.type = FRAME_RECORD, .flags = flags, .length = n, .offset = offset});
    memcpy(r->in + r->in_n, text, n);
    r->in_n += n;
}

static void add_gap(struct rig *r, uint64_t from, uint64_t to)
{
    add_head(r, (struct frame){.type = FRAME_GAP, .offset = from, .number = to});
}

static void add_end(struct rig *r, uint8_t flags)
{
    add_head(r, (struct frame){.type = FRAME_END, .flags = flags});
}

static int feed(struct rig *r)
{
    bool wrong;
    int rc = pfs_frames_feed(&r->frames, r->in, r->in_n, &wrong);
    assert_false(wrong);
    r->in_n = 0;
    return rc;
}

static void assert_out(const struct rig *r, const char *want)
{
    assert_int_equal(r->n, strlen(want));
    assert_memory_equal(r->out, want, r->n);
}

static void records_become_their_bytes(void **state)
{
    struct rig *r = *state;
    add_record(r, 100, "one", 0);
    add_record(r, 103, "", 0);
    add_record(r, 103, "two", FRAME_MORE);
    add_record(r, 106, "rest", FRAME_LATER);
    add_end(r, FRAME_SEALED);
    assert_int_equal(feed(r), 0);
    assert_out(r, "onetworest");
    assert_int_equal(r->first, 100);
    assert_int_equal(r->frames.at, 110);
    assert_true(r->frames.ended);
    assert_int_equal(r->frames.end_flags, FRAME_SEALED);
    assert_int_equal(r->gaps, 0);
}

static void pieces_of_any_size_give_the_same(void **state)
{
    struct rig *r = *state;
    char whole[sizeof r->in];
    add_record(r, 0, "some bytes", 0);
    add_gap(r, 10, 20);
    add_record(r, 20, "and others", 0);
    add_end(r, 0);
    size_t n = r->in_n;
    memcpy(whole, r->in, n);
    for (size_t piece = 1; piece <= n; piece++) {
        r->frames.at = -1;
        r->n = r->lost = r->gaps = 0;
        pfs_frames_begin(&r->frames);
        for (size_t at = 0; at < n; at += piece) {
            bool wrong;
            size_t here = n - at < piece ? n - at : piece;
            assert_int_equal(pfs_frames_feed(&r->frames, whole + at, here, &wrong), 0);
        }
        assert_out(r, "some bytesand others");
        assert_int_equal(r->lost, 10);
        assert_int_equal(r->gaps, 1);
        assert_true(r->frames.ended);
    }
}

static void gaps_are_counted_once(void **state)
{
    struct rig *r = *state;
    add_record(r, 0, "aa", 0);
    add_gap(r, 2, 50);
    add_record(r, 50, "b", 0);
    assert_int_equal(feed(r), 0);
    assert_int_equal(r->gaps, 1);
    assert_int_equal(r->lost_from, 2);
    assert_int_equal(r->lost_to, 50);
}

static void a_jump_that_nobody_announced_is_a_gap(void **state)
{
    struct rig *r = *state;
    add_record(r, 0, "aa", 0);
    add_record(r, 5, "b", 0);
    assert_int_equal(feed(r), 0);
    assert_int_equal(r->lost_from, 2);
    assert_int_equal(r->lost_to, 5);
}

static void history_before_the_first_byte_is_not_lost(void **state)
{
    struct rig *r = *state;
    add_record(r, 1000, "a", 0);
    assert_int_equal(feed(r), 0);
    assert_int_equal(r->gaps, 0);
}

static void a_gap_may_come_first(void **state)
{
    struct rig *r = *state;
    add_gap(r, 10, 30);
    add_record(r, 30, "a", 0);
    assert_int_equal(feed(r), 0);
    assert_int_equal(r->lost, 20);
    assert_int_equal(r->frames.at, 31);
}

static void a_broken_answer_is_gone_on_with(void **state)
{
    struct rig *r = *state;
    add_record(r, 0, "0123456789", 0);
    r->in_n -= 4; /* broken off in a record */
    assert_int_equal(feed(r), 0);
    assert_int_equal(r->frames.at, 6);
    pfs_frames_begin(&r->frames);
    add_record(r, 6, "6789", FRAME_LATER);
    assert_int_equal(feed(r), 0);
    assert_out(r, "0123456789");
    assert_int_equal(r->gaps, 0);
}

static void what_was_lost_while_away_is_a_gap(void **state)
{
    struct rig *r = *state;
    add_record(r, 0, "0123", 0);
    r->in_n -= 1;
    assert_int_equal(feed(r), 0);
    pfs_frames_begin(&r->frames);
    add_record(r, 9, "9", 0);
    assert_int_equal(feed(r), 0);
    assert_out(r, "0129");
    assert_int_equal(r->lost_from, 3);
    assert_int_equal(r->lost_to, 9);
}

static void bytes_that_were_had_are_not_given_twice(void **state)
{
    struct rig *r = *state;
    add_record(r, 0, "0123", 0);
    assert_int_equal(feed(r), 0);
    pfs_frames_begin(&r->frames);
    add_record(r, 0, "01", 0);
    add_record(r, 2, "2345", 0);
    assert_int_equal(feed(r), 0);
    assert_out(r, "012345");
    assert_int_equal(r->frames.at, 6);
}

static void sticky_head_is_given_once_and_does_not_move_us(void **state)
{
    struct rig *r = *state;
    add_record(r, 0, "head", FRAME_HEAD);
    add_record(r, 900, "body", 0);
    assert_int_equal(feed(r), 0);
    assert_out(r, "headbody");
    assert_int_equal(r->frames.at, 904);
    assert_int_equal(r->gaps, 0);
    pfs_frames_begin(&r->frames);
    add_record(r, 0, "head", FRAME_HEAD);
    add_record(r, 904, "!", 0);
    assert_int_equal(feed(r), 0);
    assert_out(r, "headbody!");
}

static void enough_is_enough(void **state)
{
    struct rig *r = *state;
    r->enough = 3;
    add_record(r, 0, "abc", 0);
    add_record(r, 3, "def", 0);
    assert_int_equal(feed(r), -1);
    assert_out(r, "abc");
}

static void refused(struct rig *r)
{
    bool wrong = false;
    assert_int_equal(pfs_frames_feed(&r->frames, r->in, r->in_n, &wrong), -1);
    assert_true(wrong);
}

static void other_bytes_are_refused(void **state)
{
    struct rig *r = *state;
    memset(r->in, 'x', 64);
    r->in_n = 64;
    refused(r);
}

static void bytes_behind_the_end_are_refused(void **state)
{
    struct rig *r = *state;
    add_end(r, 0);
    add_record(r, 0, "x", 0);
    refused(r);
}

static void impossible_heads_are_refused(void **state)
{
    struct rig *r = *state;
    static const struct frame heads[] = {
        {.type = FRAME_RECORD, .offset = UINT64_MAX},
        {.type = FRAME_GAP, .number = UINT64_MAX},
        {.type = FRAME_GAP, .length = 1},
        {.type = FRAME_END, .length = 1},
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        pfs_frames_begin(&r->frames);
        r->in_n = 0;
        add_head(r, heads[i]);
        refused(r);
    }
}

/* Whatever the pieces, breaks and repeats: what came out and what was lost are
 * together all that there was. */
static void storms_account_for_every_byte(void **state)
{
    struct rig *r = *state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    for (int round = 0; round < 300; round++) {
        uint64_t at = 0;
        r->frames.at = 0;
        r->n = r->lost = r->gaps = 0;
        for (int answer = 0; answer < 4; answer++) {
            pfs_frames_begin(&r->frames);
            r->in_n = 0;
            at = (uint64_t)r->frames.at;
            for (int i = 0; i < 5; i++) {
                if (rand_r(&seed) % 4 == 0) {
                    add_gap(r, at, at + 7);
                    at += 7;
                }
                add_record(r, at, "0123456789", 0);
                at += 10;
            }
            size_t n = answer < 3 ? (size_t)rand_r(&seed) % r->in_n : r->in_n;
            for (size_t done = 0; done < n;) {
                bool wrong;
                size_t piece = 1 + (size_t)rand_r(&seed) % 90;
                piece = piece < n - done ? piece : n - done;
                assert_int_equal(pfs_frames_feed(&r->frames, r->in + done, piece, &wrong), 0);
                done += piece;
            }
            assert_int_equal(r->n + r->lost, r->frames.at);
        }
        assert_int_equal(r->frames.at, at);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_become_their_bytes),
        TEST(pieces_of_any_size_give_the_same),
        TEST(gaps_are_counted_once),
        TEST(a_jump_that_nobody_announced_is_a_gap),
        TEST(history_before_the_first_byte_is_not_lost),
        TEST(a_gap_may_come_first),
        TEST(a_broken_answer_is_gone_on_with),
        TEST(what_was_lost_while_away_is_a_gap),
        TEST(bytes_that_were_had_are_not_given_twice),
        TEST(sticky_head_is_given_once_and_does_not_move_us),
        TEST(enough_is_enough),
        TEST(other_bytes_are_refused),
        TEST(bytes_behind_the_end_are_refused),
        TEST(impossible_heads_are_refused),
        TEST(storms_account_for_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
