/* SPDX-License-Identifier: MIT
 *
 * One stream of the server: a ring by name, and what wakes its readers on each
 * loop. Any thread, where nothing else is said. */
#ifndef CLI_SERVE_STREAM_H
#define CLI_SERVE_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <gostream.h>

#include "http/http.h"
#include "serve/streamconf.h"

#define STREAM_NAME_MAX 1024

/* What all mounts of the server share. */
struct stream_room {
    gos_ring_set *set;
    uint64_t max_bytes; /* of all streams, and as much of all files */
    unsigned n_loops;
    _Atomic uint64_t files_promised; /* the limits of all memfs together */
};

struct stream;

/* A reader that has nothing to send, in the hub of its loop. */
struct hub_waiter {
    struct hub_waiter *next, **where; /* `where` is NULL while it does not wait */
    void (*wake)(struct hub_waiter *waiter);
};

/* The waiting readers of one stream on one loop. However many they are, a writer
 * wakes them by one call: the watch is armed for all, and its wake posts one
 * task, which lets all of them look again.
 *
 * A round is what follows: each of them gets what there is and waits again. Where
 * rounds are long and follow each other, the hub rests as long as a round took:
 * the writer gets ahead, and each reader's next share is larger, which is what a
 * send to many can save. A round of few is short and never followed by a rest. */
struct hub {
    struct stream *stream;
    struct hub_waiter *first;
    _Atomic unsigned n_waiting; /* changed by the loop's thread, read by any */
    struct gos_ring_watch watch;
    struct http_task task;
    struct http_loop *loop; /* set when it is first armed */
    bool armed;             /* then it holds a reference to the stream */
    struct http_timer rest; /* then it is armed for later bytes than `offset` */
    uint64_t offset;        /* behind which there is something to do */
    int64_t begun_ns;       /* when the round began; 0: it is one of few */
    int64_t round_ns;       /* and how long it has taken so far */
    int64_t rest_for_ns;    /* what the one before it has earned */
};

struct stream {
    atomic_uint refs;
    gos_ring *ring;
    char *name; /* as the mount's key: begins with '/' */
    struct streamconf conf;
    int64_t made_ns;            /* wall clock; tells it from others of its name */
    _Atomic int64_t touched_ns; /* wall clock */
    unsigned n_hubs;
    struct hub hubs[]; /* each of its loop's thread, but for n_waiting */
};

/* NULL: a problem. `set` is whose limits it shares. */
struct stream *stream_new(const char *name, const struct streamconf *conf, gos_ring_set *set,
                          unsigned n_loops, struct problem *p);
struct stream *stream_ref(struct stream *s);
void stream_unref(struct stream *s); /* NULL is fine */

struct gos_ring_stats stream_stats(struct stream *s); /* looks at each reader */
struct gos_ring_span stream_span(struct stream *s);   /* does not */
bool stream_is_deleted(struct stream *s);

/* Wait, on the loop's own thread, for bytes behind `offset` or the end. False:
 * there is something already, and it does not wait. */
bool stream_wait(struct stream *s, struct http_loop *loop, struct hub_waiter *waiter,
                 uint64_t offset);

/* Not any more; harmless if it does not wait. On the loop's own thread. */
void stream_leave(struct stream *s, struct http_loop *loop, struct hub_waiter *waiter);

/* What a code of the library means for a client. Always -1. */
int stream_problem(struct problem *p, int64_t code);

#endif
