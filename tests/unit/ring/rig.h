/* SPDX-License-Identifier: MIT
 *
 * What the tests of this room share. One seed's pattern stands at each offset,
 * so whatever a reader gets can be checked by its offset alone. */
#ifndef TESTS_UNIT_RING_RIG_H
#define TESTS_UNIT_RING_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gostream/ring.h>
#include <gostream/ring_set.h>
#include <gostream/ring_stats.h>

#define SEED 11u
#define KIB 1024u
#define MIB (1024u * KIB)

gos_ring *make_ring(uint64_t ring_bytes, uint64_t channel_bytes);
gos_ring_writer *make_writer(gos_ring *ring);
gos_ring_reader *make_reader(gos_ring *ring, enum gos_ring_start start,
                             enum gos_ring_policy policy);

/* One that writers wait for; 0: the defaults. */
gos_ring_reader *make_blocking(gos_ring *ring, enum gos_ring_start start, uint64_t max_lag,
                               int64_t block_ns);

/* What it was disconnected with, or 0. */
int status_of(gos_ring_reader *r);
struct gos_ring_stats stats_of(gos_ring *ring);
uint64_t tail_of(gos_ring *ring);

/* Append `n` records of `len` pattern bytes each; nobody else appends meanwhile. */
void append_pattern(gos_ring_writer *w, size_t len, unsigned n);
int64_t try_pattern(gos_ring_writer *w, size_t len);

/* What a reader got. */
struct got {
    uint64_t bytes, gaps, lost;
    uint64_t first, next; /* offsets of the first byte and behind the last one */
    uint32_t events;      /* of all notes */
    int64_t last;         /* what ended it: GOS_EAGAIN, 0, an error */
};

/* Borrow and check pattern bytes until there is nothing; bytes and gaps have to
 * follow each other without a hole. Continues `got` of before, or a zeroed one. */
void drain(gos_ring_reader *r, struct got *got);

/* Until `n` threads sleep for bytes, or as many appends for room: from then on only a wake
 * helps them. */
void wait_for_sleeping_read(gos_ring *ring, unsigned n);
void wait_for_sleeping_append(gos_ring *ring, unsigned n);
/* Until somebody watches for bytes. */
void wait_for_watch(gos_ring *ring);

/* For a thread that fires the latch when somebody waits for the ring. */
struct firing {
    gos_ring *ring;
    gos_cancel *cancel;
};

/* Where a deadline is needed and must not be reached. */
int64_t soon(void);
/* A deadline that will be reached. */
int64_t in_ms(int64_t ms);

void let_pass(int64_t ns);

/* Close whatever of these is not NULL. */
void take_down(gos_ring *ring, gos_ring_writer *w, gos_ring_reader *r);

#endif
