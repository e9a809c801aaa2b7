/* SPDX-License-Identifier: MIT
 *
 * soak_streams, from file to file: rings that come and go in a few places, and the
 * threads that use them. */
#ifndef TESTS_SOAK_STREAMS_H
#define TESTS_SOAK_STREAMS_H

#include <gostream/ring.h>
#include <gostream/ring_set.h>
#include <gostream/ring_stats.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "soak/soak.h"
#include "support/records.h"

#define STREAM_PLACES 6
#define STREAM_WRITERS 4
#define STREAM_READERS 8
#define STREAM_SETS_READERS 12 /* fewer than may want to come */
#define STREAM_MS INT64_C(1000000)
#define STREAM_SECOND INT64_C(1000000000)

/* ---- a ring, and what is known of it ---- */

struct stream {
    atomic_int refs;
    gos_ring *ring;
    uint64_t bytes_most; /* then it is sealed */
    struct records_truth truth;
    atomic_uint next_id;       /* visits of writers; RECORDS_IDS at most write */
    _Atomic uint64_t appended; /* as writers were told */
    atomic_uint writers;       /* that may still append */
};

/* ---- the whole ---- */

struct streams {
    uint64_t seed;
    atomic_bool over;
    gos_cancel *cancel; /* fired at the end */
    gos_ring_set *set;
    pthread_mutex_t lock; /* of `place` */
    struct stream *place[STREAM_PLACES];
    /* Allocations fail: now, and how often it has begun. */
    atomic_bool starved;
    atomic_uint starvings;
    atomic_ullong refused; /* by limits of the set: no fault */
    atomic_ullong gaps, joins, lost;
};

/* One reference to what is in a place; NULL: nothing. */
struct stream *stream_take(struct streams *s, uint64_t place);
void stream_drop(struct stream *st);

/* Whether memory was short at some time since `before` was filled. */
struct starving {
    unsigned count;
    bool now;
};
struct starving starving_before(struct streams *s);
bool starved_since(struct streams *s, struct starving before);

/* ---- threads ---- */

struct member {
    struct streams *s;
    unsigned index;
    uint64_t operation;
    pthread_t thread;
};

void *stream_writer(void *member);
void *stream_reader(void *member);
void *stream_looker(void *member); /* reads by the ring as a source */

/* Something that can be waited for with a limit, for watches. */
struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    bool ringing;
};
void bell_begin(struct bell *b);
void bell_end(struct bell *b);
void bell_ring(struct bell *b);
bool bell_wait(struct bell *b, int64_t ns); /* false: not rung within that time */

#endif
