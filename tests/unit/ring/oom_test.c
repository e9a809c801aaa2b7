/* SPDX-License-Identifier: MIT
 *
 * Everything this room does, again and again with the 1st, 2nd, ... allocation
 * failing: each call works or says why not, and the ring stays usable. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "rig.h"
#include "support/data.h"

/* Whether `rc` is a success; else it is GOS_ENOMEM. */
static bool worked(int64_t rc)
{
    if (rc >= 0)
        return true;
    assert_int_equal(rc, GOS_ENOMEM);
    assert_string_equal(gos_last_error(), "out of memory");
    return false;
}

static void append_some(gos_ring *ring, const char *name)
{
    static unsigned char bytes[70000];
    gos_ring_writer *w = NULL;

    if (!worked(gos_ring_writer_open(
            &w, ring, GOS_OPTS(gos_ring_writer_opts, .name = name, .flags = GOS_RING_NEW_EPOCH))))
        return;
    for (unsigned i = 0; i < 40; i++) {
        size_t len = i % 4 ? 30 : sizeof bytes;
        data_fill(bytes, len, SEED, tail_of(ring));
        worked(gos_ring_writer_append(w, bytes, len, i % 10 ? 0 : GOS_RING_NEW_EPOCH, NULL));
    }
    gos_ring_writer_close(w);
}

static void read_some(gos_ring *ring, enum gos_ring_policy policy)
{
    gos_ring_reader *r = NULL;
    struct got got = {0};

    if (!worked(gos_ring_reader_open(&r, ring, GOS_OPTS(gos_ring_reader_opts, .policy = policy))))
        return;
    drain(r, &got);
    assert_true(got.last == GOS_EAGAIN);
    gos_ring_reader_close(r);
}

static void use_source(gos_ring *ring)
{
    gos_source *s = NULL;
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = in_ms(1)};
    char buf[10];

    if (!worked(gos_ring_source(&s, ring)))
        return;
    int64_t n = gos_source_pread(s, buf, 10, tail_of(ring), &io);
    assert_true(n == GOS_ETIMEDOUT || n == GOS_ENOMEM);
    gos_source_unref(s);
}

/* Returns how many allocations there were while some of them could fail. */
static long use_all(gos_ring_set *set)
{
    gos_ring *ring = NULL;

    if (!worked(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .ring_bytes = 256 * KIB, .set = set,
                                             .channel_bytes = 256 * KIB, .head_bytes = 1000))))
        return gos__alloc_count();
    append_some(ring, "one");
    read_some(ring, GOS_RING_DROP_OLDEST);
    read_some(ring, GOS_RING_DROP_NEW);
    append_some(ring, "one");
    use_source(ring);
    long count = gos__alloc_count();
    gos__alloc_fail_at(0, 0);

    /* There is memory again: all of it works. */
    uint64_t before = tail_of(ring);
    append_some(ring, "two");
    assert_int_equal(tail_of(ring), before + 10 * 70000 + 30 * 30);
    read_some(ring, GOS_RING_DROP_NEW);
    use_source(ring);
    gos_ring_unref(ring);
    return count;
}

static long use_with_failure(long n, int for_ever)
{
    gos_ring_set *set = NULL;
    long count = n;
    struct gos_ring_set_stats s = {.struct_size = sizeof s};

    gos__alloc_fail_at(n, for_ever);
    if (worked(gos_ring_set_new(&set, NULL))) {
        count = use_all(set);
        /* A source's thread gives the ring up a little later than the source. */
        int64_t deadline = soon();
        do {
            assert_int_equal(gos_ring_set_get_stats(set, &s), 0);
            assert_true(in_ms(0) < deadline);
        } while (s.streams > 0);
        assert_int_equal(s.readers, 0);
    }
    gos__alloc_fail_at(0, 0);
    gos_ring_set_unref(set);
    return count;
}

static void every_failure_leaves_the_ring_usable(void **state)
{
    (void)state;
    for (int for_ever = 0; for_ever <= 1; for_ever++) {
        long n = 1;
        while (use_with_failure(n, for_ever) >= n)
            n++;
        assert_in_range(n, 20, 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_leaves_the_ring_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
