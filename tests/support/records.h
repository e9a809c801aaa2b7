/* SPDX-License-Identifier: MIT
 *
 * Records of a ring that say who wrote them, their number and their length; their
 * bytes follow from these. A follower of a reader's bytes and gaps finds out when
 * one is wrong, torn, repeated, out of order, or missing without a gap, and when
 * two readers do not see the same one at the same offset. */
#ifndef TESTS_SUPPORT_RECORDS_H
#define TESTS_SUPPORT_RECORDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gostream/ring.h>

#define RECORDS_IDS 2048u /* writers of one ring */
#define RECORDS_MIN 24u

/* Which record begins where, as the first reader saw it; all others must agree. It
 * belongs to a ring. */
struct records_truth {
    _Atomic uint64_t *at; /* one place for each RECORDS_MIN bytes */
    uint64_t n, max_record;
};

/* Record `number` (from 1) of writer `id`: RECORDS_MIN bytes or more. */
void record_fill(void *buf, uint32_t len, uint32_t id, uint64_t number);

/* Follows the bytes of one reader, which begin with a record. */
struct follower {
    struct records_truth *truth;
    uint64_t start, next; /* offsets of the first byte and behind the last one */
    bool begun;
    uint64_t read, lost, gaps;
    unsigned char head[RECORDS_MIN];
    uint64_t record, in_record; /* where the one at hand begins; bytes of it that were seen */
    struct {
        uint64_t number, gaps;
    } last[RECORDS_IDS];
    const char *wrong; /* what was not as it should be; NULL */
};

void follower_begin(struct follower *f, struct records_truth *truth);
void follower_note(struct follower *f, const struct gos_ring_note *note);
void follower_bytes(struct follower *f, const void *bytes, size_t len);

#endif
