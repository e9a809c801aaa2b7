/* SPDX-License-Identifier: MIT
 *
 * Records of a ring as frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "serve/frames.h"

static void heads_are_coded_in_network_order(void **state)
{
    static const uint8_t want[FRAME_BYTES] = {
        1, 9, 0, 0, 0,    0,    1,    2,    /* type, flags, zero, length 258 */
        0, 0, 0, 1, 0,    0,    0,    0,    /* offset 2^32 */
        0, 0, 0, 0, 0,    0,    0,    7,    /* number */
        0, 0, 0, 0, 0x3b, 0x9a, 0xca, 0x00, /* a second */
        0, 0, 0, 3, 0,    0,    0,    2,    /* writer, epoch */
    };
    const struct frame f = {.type = FRAME_RECORD,
                            .flags = FRAME_MARK | FRAME_MORE,
                            .length = 258,
                            .offset = UINT64_C(1) << 32,
                            .number = 7,
                            .wall_ns = 1000000000,
                            .writer = 3,
                            .epoch = 2};
    uint8_t got[FRAME_BYTES];
    struct frame back;
    (void)state;
    frame_encode(got, &f);
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(frame_decode(&back, got), 0);
    memset(got, 0xff, sizeof got);
    frame_encode(got, &back);
    assert_memory_equal(got, want, sizeof want);
}

static void other_heads_are_refused(void **state)
{
    struct frame out;
    uint8_t head[FRAME_BYTES] = {1};
    (void)state;
    assert_int_equal(frame_decode(&out, head), 0);
    static const uint8_t types[] = {0, 4, 255};
    for (size_t i = 0; i < sizeof types; i++) {
        head[0] = types[i];
        assert_int_equal(frame_decode(&out, head), -1);
    }
    head[0] = 1;
    head[3] = 1;
    assert_int_equal(frame_decode(&out, head), -1);
}

/* What the pieces say one after the other. */
static size_t flat(const struct frames *f, unsigned n, uint8_t *out)
{
    size_t used = 0;
    for (unsigned i = 0; i < n; i++) {
        memcpy(out + used, f->out[i].iov_base, f->out[i].iov_len);
        used += f->out[i].iov_len;
    }
    return used;
}

static struct frame take(const uint8_t **at, const char *payload)
{
    struct frame f;
    assert_int_equal(frame_decode(&f, *at), 0);
    *at += FRAME_BYTES;
    assert_int_equal(f.length, strlen(payload));
    assert_memory_equal(*at, payload, f.length);
    *at += f.length;
    return f;
}

static void records_are_cut_out_of_slices(void **state)
{
    static struct frames f;
    struct gos_slice slices[] = {{"abcde", 5}, {"fg", 2}, {"hij", 3}};
    /* The first began two bytes before, the last goes on. */
    struct gos_ring_record records[] = {
        {.offset = 98, .len = 5, .number = 4},
        {.offset = 103, .len = 3, .number = 5, .flags = GOS_RING_MARK},
        {.offset = 106, .len = 9, .number = 6}};
    struct gos_ring_view view = {.slices = slices,
                                 .n_slices = 3,
                                 .records = f.records,
                                 .n_records = 3,
                                 .bytes = 10,
                                 .note = {.offset = 100}};
    uint8_t out[1024];
    const uint8_t *at = out;
    (void)state;
    memcpy(f.records, records, sizeof records);
    size_t n = flat(&f, frames_build(&f, &view), out);
    struct frame first = take(&at, "abc"), second = take(&at, "def"), third = take(&at, "ghij");
    assert_int_equal(at - out, n);
    assert_int_equal(first.flags, FRAME_LATER);
    assert_int_equal(first.offset, 100);
    assert_int_equal(second.flags, FRAME_MARK);
    assert_int_equal(second.offset, 103);
    assert_int_equal(third.flags, FRAME_MORE);
    assert_int_equal(third.number, 6);
}

static void a_gap_comes_first_and_the_end_once(void **state)
{
    static struct frames f;
    struct gos_ring_view view = {
        .records = f.records,
        .note = {
            .events = GOS_RING_GAP | GOS_RING_SEALED, .offset = 50, .gap_from = 10, .gap_to = 50}};
    uint8_t out[256];
    const uint8_t *at = out;
    (void)state;
    assert_int_equal(flat(&f, frames_build(&f, &view), out), 2 * FRAME_BYTES);
    struct frame gap = take(&at, ""), end = take(&at, "");
    assert_int_equal(gap.type, FRAME_GAP);
    assert_int_equal(gap.offset, 10);
    assert_int_equal(gap.number, 50);
    assert_int_equal(end.type, FRAME_END);
    assert_int_equal(end.flags, FRAME_SEALED);
    assert_int_equal(end.offset, 50);
    view.note.events = GOS_RING_SEALED;
    assert_int_equal(frames_build(&f, &view), 0);
}

/* The head of an epoch, and what a reader keeps for itself, may have lost its index. */
static void bytes_whose_records_are_forgotten_are_framed_all_the_same(void **state)
{
    static struct frames f;
    struct gos_slice slices[] = {{"abcde", 5}};
    struct gos_ring_view view = {.slices = slices,
                                 .n_slices = 1,
                                 .records = f.records,
                                 .bytes = 5,
                                 .note = {.events = GOS_RING_HEAD, .offset = 100, .epoch = 2}};
    uint8_t out[256];
    const uint8_t *at = out;
    (void)state;
    assert_int_equal(flat(&f, frames_build(&f, &view), out), FRAME_BYTES + 5);
    struct frame bare = take(&at, "abcde");
    assert_int_equal(bare.type, FRAME_RECORD);
    assert_int_equal(bare.flags, FRAME_HEAD | FRAME_BARE);
    assert_int_equal(bare.offset, 100);
    assert_int_equal(bare.epoch, 2);
    /* Before and behind one that is known. */
    f.records[0] = (struct gos_ring_record){.offset = 102, .len = 2, .number = 7};
    view.n_records = 1;
    view.note.events = 0;
    at = out;
    flat(&f, frames_build(&f, &view), out);
    struct frame first = take(&at, "ab"), known = take(&at, "cd"), last = take(&at, "e");
    assert_int_equal(first.flags, FRAME_BARE);
    assert_int_equal(known.number, 7);
    assert_int_equal(known.flags, 0);
    assert_int_equal(last.offset, 104);
    assert_int_equal(last.flags, FRAME_BARE);
}

/* A view that was cut to fewer bytes than were borrowed. */
static void records_behind_the_view_are_not_framed(void **state)
{
    static struct frames f;
    struct gos_slice slices[] = {{"a", 1}, {"cd", 2}};
    struct gos_ring_view view = {.slices = slices,
                                 .n_slices = 1,
                                 .records = f.records,
                                 .n_records = 1,
                                 .bytes = 1,
                                 .note = {.offset = 100}};
    uint8_t out[256];
    const uint8_t *at = out;
    (void)state;
    f.records[0] = (struct gos_ring_record){.offset = 102, .len = 2, .number = 7};
    assert_int_equal(flat(&f, frames_build(&f, &view), out), FRAME_BYTES + 1);
    assert_int_equal(take(&at, "a").flags, FRAME_BARE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_coded_in_network_order),
        cmocka_unit_test(other_heads_are_refused),
        cmocka_unit_test(records_are_cut_out_of_slices),
        cmocka_unit_test(bytes_whose_records_are_forgotten_are_framed_all_the_same),
        cmocka_unit_test(records_behind_the_view_are_not_framed),
        cmocka_unit_test(a_gap_comes_first_and_the_end_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
