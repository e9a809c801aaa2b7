/* SPDX-License-Identifier: MIT
 *
 * Open handles: a number for a path with a position. Any thread. */
#ifndef CLI_SERVE_HANDLES_H
#define CLI_SERVE_HANDLES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gostream.h>
#include <gostream/ring.h>

#include "serve/mounts.h"
#include "serve/stream.h"

#define HANDLES_MAX 10000
/* What is told. Clients do not renew it, so nothing ends with it. */
#define HANDLES_LEASE_S 60
/* A handle that nobody has used for so long was forgotten. */
#define HANDLES_IDLE_NS (INT64_C(3600) * 1000000000)

struct reading;

struct handle {
    atomic_uint refs;
    /* immutable after open */
    uint64_t id;
    int64_t flags; /* as given */
    bool readable, writable, append;
    char *path;
    char *within;
    struct mount *mount;
    int64_t created_ns;      /* wall clock */
    struct stream *stream;   /* NULL: an ordinary file, or the README */
    uint64_t base;           /* of a stream: where this handle began */
    _Atomic int64_t used_ns; /* monotonic; INT64_MAX: now, by a streaming read */
    pthread_mutex_t lock;
    /* guarded by lock */
    gos_ring_reader *reader; /* NULL: not readable, or lent to `reading` */
    struct reading *reading;
    bool streaming; /* the reader is lent */
    bool closed;
    uint64_t position; /* of an ordinary file */
};

struct handles {
    pthread_mutex_t lock;
    /* guarded by lock: sorted by id, since ids only grow */
    struct handle **items;
    size_t n;
    size_t room;
    uint64_t next_id;
};

void handles_init(struct handles *hs);
void handles_finish(struct handles *hs);

/* Open; `*out` has a reference. */
int handles_open(struct handles *hs, struct mount *mount, const char *path, const char *within,
                 int64_t flags, struct handle **out, struct problem *p);

/* NULL: there is none. Counts as a use. */
struct handle *handles_find(struct handles *hs, uint64_t id);
void handle_unref(struct handle *h); /* NULL is fine */

/* 0, or -1: there is none. */
int handles_close(struct handles *hs, uint64_t id);

/* Close those of a mount that goes away. */
void handles_close_mount(struct handles *hs, const struct mount *mount);

/* Close those that nobody has used for HANDLES_IDLE_NS. */
void handles_expire(struct handles *hs);

/* All, each with a reference, in a malloc'd array; NULL: no memory. */
struct handle **handles_snapshot(struct handles *hs, size_t *n);

/* Lend the reader to a streaming read. NULL: there is none to lend. */
gos_ring_reader *handle_lend_reader(struct handle *h);
void handle_reading_began(struct handle *h, struct reading *d);
void handle_reading_ended(struct handle *h, gos_ring_reader *r);

#endif
