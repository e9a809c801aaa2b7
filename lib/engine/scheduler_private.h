/* SPDX-License-Identifier: MIT
 *
 * What the files of the scheduler share: blocks know who was asked for them,
 * peers know what they were asked for, and both sides are changed together by
 * the functions below. Network thread only.
 *
 *   scheduler.c         the pass: whom to ask for what, and when to look again
 *   scheduler_pieces.c  pieces, blocks, the order
 *   scheduler_peers.c   peers, their queues, what they say
 *   scheduler_time.c    what follows when they do not answer
 *   scheduler_check.c   the invariants, for tests */
#ifndef GOS_ENGINE_SCHEDULER_PRIVATE_H
#define GOS_ENGINE_SCHEDULER_PRIVATE_H

#include "base/clock.h"
#include "base/list.h"
#include "engine/pace.h"
#include "engine/scheduler.h"

#define GOS__SCHED_BLOCK 16384
#define GOS__SCHED_OWNERS 2 /* peers asked for one block at the same time */
#define GOS__SCHED_NEXT_PASS INT64_MIN
#define GOS__SCHED_UNORDERED UINT32_MAX /* a piece that is not in the order */

/* ---- blocks and pieces ---- */

enum gos__sched_state {
    GOS__SCHED_FREE,
    GOS__SCHED_ASKED,    /* has owners */
    GOS__SCHED_ARRIVING, /* received in this call stack; free again unless stored in it */
    GOS__SCHED_STORED,
};

struct gos__sched_owner {
    struct gos__sched_peer *peer;
    uint8_t slot; /* of its queue */
};

struct gos__sched_block {
    struct gos__sched_owner owner[GOS__SCHED_OWNERS];
    uint32_t sender;
    uint8_t n_owners;
    uint8_t state;
};

struct gos__sched_piece {
    struct gos__sched_piece *next;       /* in its bucket */
    struct gos__sched_piece *was_listed; /* scratch of gos__sched_order() */
    uint32_t number;
    uint32_t n_blocks;
    uint32_t n_free;
    uint32_t n_asked;
    uint32_t first_free; /* no block before it is free */
    uint32_t place;      /* in the order, or GOS__SCHED_UNORDERED */
    uint64_t sat_on;     /* who kept a request of it unanswered: a bit for each, some share one */
    uint32_t only;       /* the one peer to ask, or GOS__SCHED_NOBODY */
    struct gos__sched_block block[];
};

/* The order keeps the numbers of pieces that are not begun (yet). */
struct gos__sched_place {
    uint32_t number;
    struct gos__sched_piece *piece; /* NULL: not begun, or listed before */
};

/* ---- peers ---- */

enum gos__sched_request_state {
    GOS__SCHED_UNUSED,
    GOS__SCHED_LIVE,       /* an owner of its block */
    GOS__SCHED_CANCEL_DUE, /* given up; the next pass tells the peer */
    GOS__SCHED_STALE,      /* given up; the peer may still answer */
};

struct gos__sched_request {
    uint32_t piece;
    uint32_t block;
    int64_t asked;
    int64_t due;   /* live: expected then */
    int64_t until; /* live: late from then on; else: forgotten from then on */
    uint8_t state;
    bool alone;        /* nothing else was asked when it was: its time is the latency */
    bool kept_up;      /* asked for only to keep the peer */
    bool called_off;   /* ... and not answered: a cancel was sent */
    uint32_t answered; /* peer.n_answered when it was asked */
    uint8_t queue;     /* requests that it had when this one was asked */
    bool hedge;        /* somebody else was asked before, and is late */
    bool twice;        /* given up because somebody else had answered: its block is redundant */
};

struct gos__sched_peer {
    struct gos__list link;
    void *handle;
    uint32_t who;
    bool fast;
    bool choked;
    bool interested; /* told so */
    bool stalled;    /* asked, and silent for too long */
    bool deferred;   /* something was left to others that are faster */
    bool unflushed;
    /* Nothing for this peer before this place of the order, as of that change. */
    uint32_t cursor;
    uint64_t cursor_change;
    uint64_t interest_order; /* the order in which it was found to have nothing */
    /* queue */
    uint32_t cap;
    uint32_t ceiling;      /* requests that it is known to hold; some drop what is beyond */
    int64_t ceiling_until; /* raised again then */
    uint32_t n_live;
    uint32_t n_stale; /* and due for cancelling */
    uint32_t n_cancel_due;
    uint32_t n_unused;
    uint8_t unused[GOS__SCHED_MAX_QUEUE];
    struct gos__sched_request request[GOS__SCHED_MAX_QUEUE];
    struct gos__pace pace;
    unsigned distrust; /* requests that it kept while it answered others, of late */
    int64_t distrust_until;
    int64_t last_ask;            /* or GOS__SCHED_NEXT_PASS: counts from the next pass */
    int64_t waiting_since;       /* while something is live: the last sign of life */
    int64_t quiet_until;         /* it rejected: not asked before */
    int64_t quiet_due;           /* the same, counted from the next pass; 0: none */
    int64_t choked_at;           /* the last time ... */
    bool choke_broke;            /* ... and it had been asked for something */
    unsigned brief_chokes;       /* in a row */
    uint64_t n_asked, n_unasked; /* requests, and blocks that answer none, ever */
    bool owes;           /* the last request that was only to keep it, and no answer since */
    uint32_t n_answered; /* requests that were; may wrap */
    uint32_t n_kept_up;  /* requests that were only to keep it */
    uint32_t rejects;    /* in a row */
    int64_t next_sweep;
};

struct gos__sched {
    struct gos__sched_out out;
    void *user;
    int64_t now; /* of the last event that carried a time */
    struct gos__sched_stats stats;
    struct gos__list peers;
    /* begun pieces by number */
    struct gos__sched_piece **buckets;
    uint32_t n_buckets; /* a power of two */
    uint32_t n_pieces;
    uint32_t n_only; /* pieces that are asked from one peer only */
    uint32_t n_live; /* requests of all peers */
    uint64_t limit;  /* bytes a second of all peers; 0: none */
    /* the order */
    struct gos__sched_place *order;
    uint32_t order_len;
    uint32_t order_cap;
    uint32_t order_unbegun; /* places without a piece */
    uint32_t awaited;
    uint32_t cursor;       /* no free block before this place */
    uint64_t change;       /* grows when a block becomes free or may be asked from more peers */
    uint64_t order_number; /* grows with each order */
    int64_t next_hedge;
    int64_t hedge_credit; /* in blocks received, see GOS__SCHED_HEDGE_PRICE */
    /* the one block that is arriving */
    struct gos__sched_piece *arriving_piece;
    uint32_t arriving_block;
};

/* Of what is asked twice, what comes twice may be a block of so many that were asked
 * for, and so many blocks at once. Where answers are late again and again, as on
 * lossy lines, to ask twice would take from the line what it is to save. */
#define GOS__SCHED_HEDGE_PRICE 128
#define GOS__SCHED_HEDGE_CREDIT (8 * GOS__SCHED_HEDGE_PRICE)

#define GOS__SCHED_EACH_PEER(s, p)                                                                 \
    for (struct gos__sched_peer *p =                                                               \
             GOS__LIST_OWNER((s)->peers.next, struct gos__sched_peer, link);                       \
         &(p)->link != &(s)->peers;                                                                \
         (p) = GOS__LIST_OWNER((p)->link.next, struct gos__sched_peer, link))

/* ---- scheduler_pieces.c ---- */

struct gos__sched_piece *gos__sched_find(const struct gos__sched *s, uint32_t number);
void gos__sched_drop_pieces(struct gos__sched *s);
/* Whether p kept a request of this piece unanswered, while it answered others. */
bool gos__sched_sat_on(const struct gos__sched_piece *piece, const struct gos__sched_peer *p);
/* Somebody may be asked for it who could not be before. */
void gos__sched_release_only(struct gos__sched *s, struct gos__sched_piece *piece);
/* The first free block of a piece that has one. */
uint32_t gos__sched_first_free(struct gos__sched_piece *piece);
void gos__sched_own(struct gos__sched_piece *piece, uint32_t block, struct gos__sched_peer *p,
                    uint8_t slot);
bool gos__sched_owns(const struct gos__sched_block *b, const struct gos__sched_peer *p,
                     uint8_t *slot);
/* p is not asked for it any more. The state of the block is the caller's to set. */
void gos__sched_remove_owner(struct gos__sched_block *b, const struct gos__sched_peer *p);
/* p is not asked for it any more; free when nobody else is. */
void gos__sched_disown(struct gos__sched *s, uint32_t piece, uint32_t block,
                       const struct gos__sched_peer *p);
/* It was received from `who`: nobody shall be asked until it is known whether it is stored. */
void gos__sched_arrive(struct gos__sched *s, struct gos__sched_piece *piece, uint32_t block,
                       uint32_t who);
/* What arrived and was not stored is free again. */
void gos__sched_settle(struct gos__sched *s);

/* ---- scheduler_peers.c ---- */

/* How long a further block asked from p now should take. */
int64_t gos__sched_expect(const struct gos__sched *s, const struct gos__sched_peer *p);
/* The same for a peer that sends all the time: pulses are not looked at. */
int64_t gos__sched_expect_steady(const struct gos__sched_peer *p);
/* It is between two pulses. */
bool gos__sched_paused(const struct gos__sched *s, const struct gos__sched_peer *p);
/* Whether p may be asked for one more. */
bool gos__sched_room(const struct gos__sched *s, const struct gos__sched_peer *p);
/* The same, for what a reader waits for: queues are kept full of read-ahead, and it
 * need not wait for a place in one; but a peer between two pulses gets one block.
 * `extra`: for what is late already. */
bool gos__sched_urgent_room(const struct gos__sched *s, const struct gos__sched_peer *p,
                            uint32_t extra);
/* Ask p for a block that it does not own; it has room. `hedge`: somebody else was asked. */
void gos__sched_ask(struct gos__sched *s, struct gos__sched_peer *p, struct gos__sched_piece *piece,
                    uint32_t block, bool hedge);
/* Ask for a block that nobody wants, so that the peer stays. */
void gos__sched_ask_redundant(struct gos__sched *s, struct gos__sched_peer *p, uint32_t piece,
                              uint32_t block);
/* The request has lost its block; the peer will be told by the next pass. `twice`: it
 * came from somebody else. */
void gos__sched_give_up(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot, bool twice);
void gos__sched_send_cancels(struct gos__sched *s, struct gos__sched_peer *p);
/* A live request ends, or goes on as one that nobody waits for; its block is free
 * unless somebody else was asked for it too. */
void gos__sched_take_back(struct gos__sched *s, struct gos__sched_peer *p, uint8_t slot,
                          enum gos__sched_request_state state);
/* A request that was given up will not be answered any more. */
void gos__sched_forget_stale(struct gos__sched_peer *p, uint8_t slot);
/* What is asked of all peers takes so long with the limit that there is. */
int64_t gos__sched_time_of_limit(const struct gos__sched *s);

/* ---- scheduler_time.c ---- */

/* Take back what a silent peer was asked, forget what will not be answered. */
void gos__sched_expire(struct gos__sched *s, struct gos__sched_peer *p);
/* When gos__sched_expire() may have something to do, or the peer may be asked again. */
int64_t gos__sched_peer_next(const struct gos__sched *s, const struct gos__sched_peer *p);

#endif
