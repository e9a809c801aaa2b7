/* SPDX-License-Identifier: MIT
 *
 * How a peer delivers: how fast, after which delay, and whether in pulses. Pure;
 * the scheduler keeps one for each peer.
 *
 * Pulses: clients that limit their upload send what they may send for half a
 * second at once, and nothing until the next half second begins (libtorrent and
 * Transmission both do). An average rate says nothing about when a block that is
 * asked now will be here: at once while the peer is sending, else not before its
 * next pulse; and what it was asked lies in its send buffer by then, beyond any
 * cancel. So a peer known for pulses is asked for one block of what a reader
 * waits for, and for the rest as soon as it is seen to send; or in its turn, where
 * so much is wanted after it that nothing of it will be called off. */
#ifndef GOS_ENGINE_PACE_H
#define GOS_ENGINE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define GOS__PACE_BLOCK 16384
#define GOS__PACE_MIN_DEPTH 8   /* requests at a peer whose rate is not known */
#define GOS__PACE_MAX_DEPTH 250 /* and at any */

struct gos__pace {
    uint64_t rate;   /* bytes a second; 0: not known */
    int64_t latency; /* from a request to its answer when nothing is queued; 0: not known */
    int64_t silence; /* the longest time between two blocks, of late */
    uint32_t depth;  /* requests that keep it busy */
    int64_t rate_at; /* when it was measured, or raised in hope */
    bool hoped;      /* ... the latter */
    /* the measurement that runs */
    int64_t window_start;
    uint64_t window_bytes;
    int64_t window_silence;
    int64_t last_delivery;
    int64_t begun; /* when it was last asked after a time of nothing */
    /* pulses */
    int64_t gap;          /* between two blocks while it sends */
    unsigned pulses;      /* seen, since it was last seen to send steadily */
    int64_t pause;        /* between two of them, the longest of late */
    int64_t pulse_ns;     /* since the last one began, long times of idleness not counted */
    uint64_t pulse_bytes; /* in that time */
};

void gos__pace_init(struct gos__pace *p);
/* The first request after a time in which nothing was asked. */
void gos__pace_begin(struct gos__pace *p, int64_t now);
/* A measurement that is old is believed less and less: who once was slow is asked
 * little, and could never show that he is not any more. */
void gos__pace_age(struct gos__pace *p, int64_t now);
/* A block that was asked for. */
struct gos__pace_answer {
    uint32_t len;
    uint32_t queued; /* requests, its own among them, that were waiting for an answer */
    int64_t quiet;   /* for so long nothing came although something was asked */
    int64_t alone;   /* since it was asked for, if the queue was empty then; else 0 */
};
void gos__pace_received(struct gos__pace *p, const struct gos__pace_answer *a, int64_t now);
/* It sends in pulses, and is between two of them if it was silent for so long. */
bool gos__pace_between_pulses(const struct gos__pace *p, int64_t silent);
/* The next pulse should begin about now. */
bool gos__pace_pulse_is_due(const struct gos__pace *p, int64_t now);
/* It sends in pulses: how many requests for what is urgent it may hold, since it may
 * stop after any of them; 0: it does not. */
uint32_t gos__pace_pulse_depth(const struct gos__pace *p, int64_t now);
/* In how long a block should be here that is asked now, behind `queued` others. */
int64_t gos__pace_expect(const struct gos__pace *p, uint32_t queued, int64_t now);
/* How long `blocks` take at its rate. */
int64_t gos__pace_time_of(const struct gos__pace *p, uint64_t blocks);

#endif
