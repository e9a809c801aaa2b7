/* SPDX-License-Identifier: MIT
 *
 * A scheduler with peers that only write down what they are asked. After each
 * step the invariants are checked. */
#ifndef TESTS_UNIT_ENGINE_SCHEDULER_RIG_H
#define TESTS_UNIT_ENGINE_SCHEDULER_RIG_H

#include "base/clock.h"
#include "engine/scheduler.h"

#define SRIG_PEERS 4
#define SRIG_PIECES 64
#define SRIG_LOG 1024
#define SRIG_BLOCK 16384

struct srig_message {
    bool cancel;
    uint32_t piece, block;
};

struct srig_peer {
    struct srig *rig;
    struct gos__sched_peer *p;
    bool has[SRIG_PIECES];
    unsigned interested, flushes;
    /* since the last srig_clear() */
    unsigned n; /* of messages */
    unsigned n_requests, n_cancels;
    struct srig_message log[SRIG_LOG];
};

struct srig {
    struct gos__sched *s;
    int64_t now, next;
    struct srig_peer peer[SRIG_PEERS];
};

int srig_setup(void **state);
int srig_teardown(void **state);

/* A seed that unchoked us; its identity is 100 + i. */
struct srig_peer *srig_seed(struct srig *r, unsigned i);
/* The same, choking us and without a piece. */
struct srig_peer *srig_join(struct srig *r, unsigned i);
/* Let `ns` pass, then step. */
void srig_step(struct srig *r, int64_t ns);
void srig_clear(struct srig *r);
/* Begin pieces 0 .. n-1 and want them in this order. */
void srig_want(struct srig *r, uint32_t n, uint32_t n_blocks, size_t awaited);
/* A piece that nobody else has blocks of, wanted alone. */
void srig_want_one(struct srig *r, uint32_t piece, uint32_t n_blocks, size_t awaited);
/* A block comes from a peer, and is kept. */
void srig_deliver(struct srig *r, struct srig_peer *p, uint32_t piece, uint32_t block);
/* All that the peer was asked since srig_clear() comes, in `ns`. */
void srig_deliver_all(struct srig *r, struct srig_peer *p, int64_t ns);
/* The peer sends `n` blocks, one each `gap`, and is known for its rate then. It chokes us
 * afterwards, and the others shall do so all the time. */
void srig_measure(struct srig *r, struct srig_peer *p, uint32_t piece, uint32_t n, int64_t gap);
/* The peer sends in pulses, and is known for it then: 40 blocks at once, one each 2 ms,
 * and nothing for SRIG_PAUSE_NS. It has just stopped; nothing is wanted any more. */
#define SRIG_PAUSE_NS (420 * GOS__MS)
void srig_pulses(struct srig *r, struct srig_peer *p);
bool srig_asked(const struct srig_peer *p, uint32_t piece, uint32_t block);
bool srig_cancelled(const struct srig_peer *p, uint32_t piece, uint32_t block);
struct gos__sched_stats srig_stats(const struct srig *r);

#endif
