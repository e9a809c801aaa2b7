/* SPDX-License-Identifier: MIT
 *
 * Making rings, filling them with the pattern, and checking what comes out. */
#include "rig.h"

#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "ring/ring.h"
#include "support/data.h"

gos_ring *make_ring(uint64_t ring_bytes, uint64_t channel_bytes)
{
    gos_ring *ring = NULL;

    assert_int_equal(gos_ring_new(&ring, GOS_OPTS(gos_ring_opts, .ring_bytes = ring_bytes,
                                                  .channel_bytes = channel_bytes)),
                     0);
    return ring;
}

gos_ring_writer *make_writer(gos_ring *ring)
{
    gos_ring_writer *w = NULL;

    assert_int_equal(gos_ring_writer_open(&w, ring, NULL), 0);
    return w;
}

gos_ring_reader *make_reader(gos_ring *ring, enum gos_ring_start start, enum gos_ring_policy policy)
{
    gos_ring_reader *r = NULL;

    assert_int_equal(
        gos_ring_reader_open(&r, ring,
                             GOS_OPTS(gos_ring_reader_opts, .start = start, .policy = policy)),
        0);
    return r;
}

gos_ring_reader *make_blocking(gos_ring *ring, enum gos_ring_start start, uint64_t max_lag,
                               int64_t block_ns)
{
    gos_ring_reader *r = NULL;

    assert_int_equal(
        gos_ring_reader_open(&r, ring,
                             GOS_OPTS(gos_ring_reader_opts, .start = start, .max_lag = max_lag,
                                      .policy = GOS_RING_BLOCK, .block_ns = block_ns)),
        0);
    return r;
}

int status_of(gos_ring_reader *r)
{
    struct gos_ring_reader_stats s = {.struct_size = sizeof s};

    assert_int_equal(gos_ring_reader_get_stats(r, &s), 0);
    return s.status;
}

struct gos_ring_stats stats_of(gos_ring *ring)
{
    struct gos_ring_stats s = {.struct_size = sizeof s};

    assert_int_equal(gos_ring_get_stats(ring, &s), 0);
    return s;
}

uint64_t tail_of(gos_ring *ring)
{
    return stats_of(ring).tail;
}

/* The inside of a writer is this room's, and so are these tests. */
static uint64_t pattern_at(gos_ring_writer *w)
{
    return tail_of(w->ring);
}

int64_t try_pattern(gos_ring_writer *w, size_t len)
{
    unsigned char *bytes = malloc(len);

    assert_non_null(bytes);
    data_fill(bytes, len, SEED, pattern_at(w));
    struct gos_slice part = {bytes, len};
    int64_t n = gos_ring_writer_try_appendv(w, &part, 1, 0);
    free(bytes);
    return n;
}

void append_pattern(gos_ring_writer *w, size_t len, unsigned n)
{
    unsigned char *bytes = malloc(len);

    assert_non_null(bytes);
    for (; n > 0; n--) {
        data_fill(bytes, len, SEED, pattern_at(w));
        assert_int_equal(gos_ring_writer_append(w, bytes, len, 0, NULL), len);
    }
    free(bytes);
}

static void check_note(const struct gos_ring_note *note, struct got *got)
{
    bool fresh = got->bytes == 0 && got->gaps == 0 && got->events == 0;

    got->events |= note->events;
    if (note->events & GOS_RING_GAP) {
        if (!fresh)
            assert_int_equal(note->gap_from, got->next);
        assert_true(note->gap_to > note->gap_from);
        got->gaps++;
        got->lost += note->gap_to - note->gap_from;
        got->next = note->gap_to;
    } else if (fresh) {
        got->first = got->next = note->offset;
    }
    assert_int_equal(note->offset, got->next);
}

void drain(gos_ring_reader *r, struct got *got)
{
    struct gos_slice slices[8];
    struct gos_ring_view v = {.struct_size = sizeof v, .slices = slices, .max_slices = 8};

    while ((got->last = gos_ring_reader_borrow(r, &v)) > 0) {
        if (v.note.events & GOS_RING_HEAD) {
            assert_int_equal(data_check(v.slices[0].base, v.bytes, SEED, v.note.offset), v.bytes);
            gos_ring_reader_release(r, &v);
            continue;
        }
        check_note(&v.note, got);
        uint64_t sum = 0;
        for (unsigned i = 0; i < v.n_slices; i++) {
            assert_true(v.slices[i].len > 0);
            assert_int_equal(data_check(v.slices[i].base, v.slices[i].len, SEED, got->next + sum),
                             v.slices[i].len);
            sum += v.slices[i].len;
        }
        assert_int_equal(sum, got->last);
        assert_int_equal(sum, v.bytes);
        got->next += sum;
        got->bytes += sum;
        gos_ring_reader_release(r, &v);
    }
    if (got->last == 0)
        check_note(&v.note, got);
}

static unsigned count(gos_ring *ring, const struct gos__list *list)
{
    unsigned n = 0;

    gos__lock(&ring->lock);
    for (const struct gos__list *l = list->next; l != list; l = l->next)
        n++;
    gos__unlock(&ring->lock);
    return n;
}

/* It is in the list before it looks a last time; from then on it is woken. */
static void wait_for_sleepers(gos_ring *ring, const struct gos__list *list, unsigned n)
{
    int64_t deadline = soon();

    while (count(ring, list) < n) {
        assert_true(in_ms(0) < deadline);
        sched_yield();
    }
}

void wait_for_sleeping_read(gos_ring *ring, unsigned n)
{
    wait_for_sleepers(ring, &ring->sleepers, n);
}

void wait_for_sleeping_append(gos_ring *ring, unsigned n)
{
    wait_for_sleepers(ring, &ring->room_sleepers, n);
}

void wait_for_watch(gos_ring *ring)
{
    int64_t deadline = soon();
    bool watched;

    do {
        gos__lock(&ring->lock);
        watched = ring->watches.first;
        gos__unlock(&ring->lock);
        assert_true(in_ms(0) < deadline);
        sched_yield();
    } while (!watched);
}

int64_t soon(void)
{
    return gos__clock_ns() + 20 * GOS__SECOND;
}

int64_t in_ms(int64_t ms)
{
    return gos__clock_ns() + ms * GOS__MS;
}

void let_pass(int64_t ns)
{
    int64_t until = in_ms(0) + ns;

    while (in_ms(0) < until)
        ;
}

void take_down(gos_ring *ring, gos_ring_writer *w, gos_ring_reader *r)
{
    gos_ring_reader_close(r);
    gos_ring_writer_close(w);
    gos_ring_unref(ring);
}
