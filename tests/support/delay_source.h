/* SPDX-License-Identifier: MIT
 *
 * A source that waits: its reads finish on a thread of its own, when the test
 * says so or after a while. The bytes are the pattern of support/data.h.
 * Written against the public headers only. */
#ifndef TESTS_SUPPORT_DELAY_SOURCE_H
#define TESTS_SUPPORT_DELAY_SOURCE_H

#include <stdbool.h>

#include <gostream/source.h>

struct delay_source;

#define DELAY_BYTES INT64_MIN /* an answer: the bytes that were asked for */

struct delay_opts {
    uint64_t seed, size;
    bool told;        /* a read waits for delay_source_let(); else only for delay_ns */
    int64_t delay_ns; /* from start to end */
    bool at_once;     /* finish inside `start` what needs no waiting */
    size_t max_bytes; /* give so many bytes at most; 0: all */
    size_t slice;     /* lend the bytes in slices of this size; 0: lends nothing */
};

/* The source and its remote control, which outlives it. */
int delay_source_new(gos_source **out, struct delay_source **control,
                     const struct delay_opts *opts);

/* Let `n` more reads end. */
void delay_source_let(struct delay_source *d, unsigned n);

/* What reads that are let give from now on: DELAY_BYTES, an error, or nonsense. */
void delay_source_answer(struct delay_source *d, int64_t result);

/* Wait until `n` reads are pending (exactly), or have been started, ever (at
 * least); false after 20 s. */
bool delay_source_await_pending(struct delay_source *d, unsigned n);
bool delay_source_await_started(struct delay_source *d, unsigned n);

/* Wait until the source is closed; false after 20 s. */
bool delay_source_await_closed(struct delay_source *d);

/* How many cancels came. */
unsigned delay_source_cancels(struct delay_source *d);

/* Waits until the source is closed and its thread has ended. */
void delay_source_free(struct delay_source *d);

#endif
