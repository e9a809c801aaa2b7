/* SPDX-License-Identifier: MIT
 *
 * Numbered records: each says who wrote it, its number and its length, and its
 * bytes follow from these. A parser follows one reader's bytes and gaps. */
#ifndef TESTS_UNIT_RING_PARSER_H
#define TESTS_UNIT_RING_PARSER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gostream/ring.h>

#define RECORD_MIN 32u
#define WRITERS_MAX 8u

/* Which record begins where, as the first reader saw it; all others must agree.
 * One place for each RECORD_MIN bytes. */
struct truth {
    _Atomic uint64_t *at;
    uint64_t cap;
};

struct parser {
    struct truth *truth;
    uint64_t start, next; /* offsets of the first byte and behind the last one */
    bool begun;
    uint64_t read, lost;
    uint64_t record;            /* where the one at hand begins */
    unsigned char head[24];     /* of it */
    uint64_t in_record;         /* bytes of it that were seen */
    uint64_t last[WRITERS_MAX]; /* number of each writer's last record, 0: not known */
    const char *wrong;          /* what was not as it should be; NULL */
};

/* Record `number` (from 1) of `writer`, `len` bytes from RECORD_MIN on. */
void record_fill(unsigned char *buf, uint32_t len, uint32_t writer, uint64_t number);

void parser_init(struct parser *p, struct truth *truth);
/* Follow one borrow. */
void parser_take(struct parser *p, const struct gos_ring_view *v);

#endif
