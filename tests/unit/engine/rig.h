/* SPDX-License-Identifier: MIT
 *
 * A session over the fake swarm, for the tests of this folder: make it from a
 * script, read from it, compare what came with what the script says. */
#ifndef TESTS_ENGINE_RIG_H
#define TESTS_ENGINE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <gostream/source.h>
#include <gostream/torrent.h>
#include <pthread.h>

#include "support/fake_lt.h"

#define RIG_SEED 7
#define RIG_MS INT64_C(1000000)
#define RIG_SECOND INT64_C(1000000000)

struct rig {
    gos_session *session;
    ltc_session *lt;
    gos_torrent *torrent;
    gos_source *file; /* the first one */
};

/* What the swarm has: `pieces` pieces of `piece` bytes in one file, and the lines of `more`. */
const char *rig_script(uint32_t piece, uint64_t size, const char *more);

/* Reset the fake, start a session of `ram` bytes and add the script's torrent. */
void rig_open(struct rig *r, uint64_t ram, const char *script);
void rig_open_session(struct rig *r, uint64_t ram);
/* Let go of all there is, close, and fail the test on misuse of lt-c or a lost piece. */
void rig_close(struct rig *r);

/* Read and compare, or fail. Peers must need no time. */
void rig_read(struct rig *r, uint64_t off, size_t len);
uint64_t rig_received(struct rig *r);
struct gos_torrent_stats rig_stats(struct rig *r);

/* A read in the background. */
struct rig_read {
    struct gos_read read;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int done; /* how often */
    unsigned char *buf;
    struct gos_slice slices[80];
    int64_t result;
    char why[128]; /* the sentence of an error */
};
/* `borrow`: slices instead of a buffer. Returns what gos_source_start() returned. */
int rig_start(struct rig_read *rr, gos_source *s, uint64_t off, size_t len, bool borrow,
              int64_t idle_ns);
bool rig_is_done(void *rig_read);
/* Let fake time pass until it is done; fails the test if it is not in `limit_ns`. */
void rig_finish(struct rig *r, struct rig_read *rr, int64_t limit_ns);
/* Wait in real time until it is done. */
void rig_wait(struct rig_read *rr);
void rig_check(const struct rig_read *rr); /* its bytes are right */
void rig_free(struct rig_read *rr);

#endif
