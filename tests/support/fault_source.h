/* SPDX-License-Identifier: MIT
 *
 * A source over another one that misbehaves as told. Written against the public
 * headers only. */
#ifndef TESTS_SUPPORT_FAULT_SOURCE_H
#define TESTS_SUPPORT_FAULT_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <gostream/source.h>

/* What to do; the test's own memory, which must outlive the source. All zero
 * passes every read through. */
struct fault_plan {
    size_t max_bytes;  /* give so many bytes in one read at most; 0: all */
    unsigned fail_nth; /* this read of `pread`, counted from 1, gives fail_with; 0: none does */
    bool fail_on;      /* and every later one too */
    int64_t fail_with; /* an error, or a result that cannot be */
    int64_t size_is;   /* what `size` gives instead of the truth; 0: the truth */
    /* counted by the source */
    atomic_uint reads;
    atomic_uint closes;
};

/* Holds its own reference to `below`. */
int fault_source_new(gos_source **out, gos_source *below, struct fault_plan *plan);

#endif
