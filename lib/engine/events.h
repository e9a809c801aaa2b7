/* SPDX-License-Identifier: MIT
 *
 * The events of a session, kept until its user takes them. A fixed store, made
 * with the session and only if its options name a kind: telling (gos__event_*()
 * of engine.h) never allocates and never blocks. When the store is full what
 * comes next is counted, and the count stands in the place of what was lost. */
#ifndef GOS_ENGINE_EVENTS_H
#define GOS_ENGINE_EVENTS_H

#include <gostream/torrent.h>

#include "base/thread.h"
#include "engine/address.h"

#define GOS__EVENTS_MAX 1024
#define GOS__EVENT_TEXTS 16 /* of errors, the newest */
#define GOS__EVENT_TEXT_SIZE (sizeof((struct gos_event *)NULL)->text)

/* An event as it is kept: 48 bytes where struct gos_event has 320. */
struct gos__event_record {
    int64_t time_ns;
    uint64_t torrent;
    union { /* by kind */
        uint32_t piece;
        uint64_t lost;
        struct gos__endpoint peer;
        struct {
            uint64_t id;
            int64_t since_ns;
        } reader;
        struct {
            int code;
            uint32_t text; /* counts from 0; the last GOS__EVENT_TEXTS are there */
        } error;
    };
    uint8_t kind;
};

/* Guarded by session.lock, but for what is immutable. */
struct gos__events {
    uint32_t mask;                  /* immutable: GOS_EVENT_BIT() of what is told */
    int fd;                         /* immutable: an eventfd */
    bool ready;                     /* immutable: init has begun */
    bool fd_used;                   /* somebody asked for it: it is kept up to date */
    bool fd_set;                    /* it is readable */
    struct gos__event_record *ring; /* GOS__EVENTS_MAX; NULL: `mask` is 0 */
    char (*texts)[GOS__EVENT_TEXT_SIZE];
    uint32_t first, count; /* in the ring */
    uint32_t n_texts;      /* ever */
    uint64_t lost;         /* behind the last one in the ring */
    gos__cond came;
};

int gos__events_init(struct gos__events *e, uint32_t mask);
void gos__events_finish(struct gos__events *e); /* also of one that is all zero */

#endif
