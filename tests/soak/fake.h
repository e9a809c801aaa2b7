/* SPDX-License-Identifier: MIT
 *
 * One round of the soak over the scripted swarm: a session with torrents,
 * readers, reads, and whoever disturbs them. */
#ifndef TESTS_SOAK_FAKE_H
#define TESTS_SOAK_FAKE_H

#include <gostream/source.h>
#include <gostream/torrent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "soak.h"
#include "support/fake_lt.h"

#define SOAK_KIB UINT64_C(1024)
#define SOAK_MIB (UINT64_C(1024) * 1024)
#define SOAK_MS INT64_C(1000000)
#define SOAK_SECOND INT64_C(1000000000)

enum {
    SOAK_TORRENTS = 4,
    SOAK_FILES = 3,
    SOAK_READERS = 10,
    SOAK_READS = 24,
    SOAK_SLICES = 320,
    SOAK_WORKERS = 2
};

struct soak_torrent {
    gos_torrent *torrent; /* NULL: the place is free */
    unsigned n_files;
    uint64_t seed, size[SOAK_FILES];
};

struct soak_reader {
    gos_source *source; /* NULL: the place is free */
    unsigned torrent;
    uint64_t seed, size, position;
};

/* What a read may end with beside its bytes. */
enum soak_allowance {
    SOAK_MAY_CANCEL = 1,
    SOAK_MAY_TIME_OUT = 2,
    SOAK_MAY_NOMEM = 4,
    SOAK_MAY_EIO = 8
};

struct soak_read {
    struct gos_read read;
    pthread_mutex_t lock; /* `done` against cancel */
    int done;             /* under the lock: how often */
    bool in_use;          /* begun, not judged */
    bool held;            /* judged, its slices are not given back */
    uint64_t seed, size;
    unsigned allowed;   /* enum soak_allowance */
    unsigned starvings; /* of the round, when it began */
    struct gos_slice slices[SOAK_SLICES];
};

struct soak_round {
    uint64_t seed, number, operation;
    int64_t until; /* then it is brought to its end */
    gos_session *session;
    ltc_session *lt;
    uint64_t ram;
    uint32_t piece;
    int torrents_added; /* of the fake, at most */
    uint64_t next_content;
    struct soak_torrent torrent[SOAK_TORRENTS];
    pthread_mutex_t lock; /* readers' places against the workers */
    struct soak_reader reader[SOAK_READERS];
    struct soak_read read[SOAK_READS];
    /* any thread */
    atomic_bool starved;   /* allocations may fail now */
    atomic_uint starvings; /* how often that began */
    atomic_bool broken;    /* a torrent was stopped by an error */
    atomic_bool over;      /* workers shall end */
    atomic_uint worker_reads[SOAK_WORKERS];
    gos_cancel *cancel;
    pthread_t worker[SOAK_WORKERS], onlooker;
    char folder[64];
};

/* ---- fake_swarm.c: who there is ---- */
const char *soak_script(struct soak_round *r, struct soak_dice *d, struct soak_torrent *t);
void soak_add_torrent(struct soak_round *r, struct soak_dice *d);
void soak_remove_torrent(struct soak_round *r, struct soak_dice *d);
void soak_honest_peers(struct soak_round *r); /* one more for each torrent */
void soak_fault(struct soak_round *r, struct soak_dice *d);
void soak_feed(struct soak_round *r); /* memory is there again */

/* ---- fake_reads.c: who reads ---- */
void soak_open_reader(struct soak_round *r, struct soak_dice *d);
void soak_close_reader(struct soak_round *r, struct soak_dice *d);
void soak_start_read(struct soak_round *r, struct soak_dice *d);
void soak_judge_done(struct soak_round *r); /* all reads that are over */
void soak_release_one(struct soak_round *r, struct soak_dice *d);
void soak_cancel_reads(struct soak_round *r, struct soak_dice *d, unsigned one_in);
void soak_allow_all(struct soak_round *r, unsigned allowed);
bool soak_all_done(struct soak_round *r);
void soak_end_reads(struct soak_round *r); /* after the session's end, or with all done */
void soak_advise(struct soak_round *r, struct soak_dice *d);

/* ---- fake_threads.c: threads beside the main one ---- */
void soak_threads_begin(struct soak_round *r);
void soak_threads_end(struct soak_round *r);
void soak_check_stats(struct soak_round *r);

#endif
