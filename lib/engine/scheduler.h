/* SPDX-License-Identifier: MIT
 *
 * Which block is asked from which peer, for one torrent. Pure: no clock, no
 * locks, no I/O; time is passed in. Runs on the network thread: events set
 * state, gos__sched_step() acts on it.
 *
 * The invariant: every block of a begun piece is stored, or requested from a
 * live peer that may still answer, or free. "Received" is not a state: a block
 * that was received but not stored by the next step is free again. */
#ifndef GOS_ENGINE_SCHEDULER_H
#define GOS_ENGINE_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gos__sched;
struct gos__sched_peer;

#define GOS__SCHED_MAX_QUEUE 250 /* requests outstanding at one peer */
#define GOS__SCHED_NOBODY UINT32_MAX

/* What the scheduler can do, and the one thing it asks. Called from step() (and
 * cancel also from end() and restart()), never re-entered. `peer` is the handle
 * given to gos__sched_join(). */
struct gos__sched_out {
    bool (*has)(void *user, void *peer, uint32_t piece);
    void (*interested)(void *user, void *peer);
    void (*request)(void *user, void *peer, uint32_t piece, uint32_t block);
    void (*cancel)(void *user, void *peer, uint32_t piece, uint32_t block);
    void (*flush)(void *user, void *peer); /* after the requests and cancels of one pass */
};

/* Counters, only ever growing. */
struct gos__sched_stats {
    uint64_t requests, cancels, hedges, rejects, stale_expired, keepalives, stalls, lost;
};

int gos__sched_new(struct gos__sched **out, const struct gos__sched_out *table, void *user);
void gos__sched_free(struct gos__sched *s); /* NULL is fine; peers and pieces go with it */

/* ---- peers ---- */

/* A peer is there, choking us. `who` is its identity for blame: stable over
 * reconnections. */
int gos__sched_join(struct gos__sched *s, struct gos__sched_peer **out, void *peer, uint32_t who);
void gos__sched_leave(struct gos__sched *s,
                      struct gos__sched_peer *p); /* frees p; its blocks are free again */
void gos__sched_set_cap(struct gos__sched *s, struct gos__sched_peer *p, uint32_t max_requests,
                        bool fast);
void gos__sched_choke(struct gos__sched *s, struct gos__sched_peer *p, bool choked);
void gos__sched_reject(struct gos__sched *s, struct gos__sched_peer *p, uint32_t piece,
                       uint32_t block);
/* It has that piece now, or (-1) everything about what it has may be different. */
void gos__sched_have(struct gos__sched *s, struct gos__sched_peer *p, int64_t piece);
/* Whether it sends without end what nobody asked it for: it takes the line, and
 * whatever limit there is, from the others. */
bool gos__sched_floods(const struct gos__sched_peer *p);
/* Whether it was asked, and silent for too long. */
bool gos__sched_stalled(const struct gos__sched_peer *p);
/* A block came from p: ends the request, feeds its rate. Returns whether it was
 * asked for only to keep the peer. */
bool gos__sched_received(struct gos__sched *s, struct gos__sched_peer *p, uint32_t piece,
                         uint32_t block, uint32_t len, int64_t now);

/* ---- pieces ---- */

/* From now on the blocks of `piece` shall be fetched, but those that `have` (one
 * byte a block, or NULL: none) marks as there already (padding). */
int gos__sched_begin(struct gos__sched *s, uint32_t piece, uint32_t n_blocks, const uint8_t *have);
/* Not any more, or it is complete and verified: cancels what is under way. Unknown pieces are fine.
 */
void gos__sched_end(struct gos__sched *s, uint32_t piece);
/* It did not match its hash: all blocks (but `have`) are free again, and are asked only from
 * the peer `only` while that one is connected (GOS__SCHED_NOBODY: from anybody). */
void gos__sched_restart(struct gos__sched *s, uint32_t piece, const uint8_t *have, uint32_t only);
/* Whether the block that was just received may be kept. A piece that is asked from one
 * peer only takes no block from others: one liar could spoil each copy unasked, and
 * no copy would show who he is. */
bool gos__sched_takes(const struct gos__sched *s, uint32_t piece, uint32_t block);
/* The block that was just received is kept. Also remembers who sent it. */
void gos__sched_stored(struct gos__sched *s, uint32_t piece, uint32_t block);
/* Who sent a stored block: GOS__SCHED_NOBODY for padding and unknown ones. */
uint32_t gos__sched_sender(const struct gos__sched *s, uint32_t piece, uint32_t block);
/* A connected, unchoked peer that has `piece` and is not among `not_these`; the
 * fastest one, else GOS__SCHED_NOBODY. */
uint32_t gos__sched_pick(const struct gos__sched *s, uint32_t piece, const uint32_t *not_these,
                         size_t n);

/* The order in which begun pieces shall be asked for; the first `awaited` of
 * them have readers waiting. Begun pieces that are not in the list are not asked
 * for, and what is under way of them is called off (what comes all the same may
 * be stored). Unbegun ones are skipped. -ENOMEM: the old order stays. */
int gos__sched_order(struct gos__sched *s, const uint32_t *pieces, size_t n, size_t awaited);

/* All peers together may send so many bytes per second (0: no limit): more is not
 * asked of them than they can deliver in a while. */
void gos__sched_set_limit(struct gos__sched *s, uint64_t bytes_per_second);

/* Do all there is to do now: ask, ask again, cancel, keep alive. Returns the
 * time of the next thing that needs no event, or INT64_MAX. */
int64_t gos__sched_step(struct gos__sched *s, int64_t now);

void gos__sched_get_stats(const struct gos__sched *s, struct gos__sched_stats *out);

/* Tests: NULL if every invariant holds, else what does not. */
const char *gos__sched_check(const struct gos__sched *s);

#endif
