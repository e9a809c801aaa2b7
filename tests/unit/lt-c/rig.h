/* SPDX-License-Identifier: MIT
 *
 * What the tests of lt-c stand on: a folder with random data and torrents of
 * it, seeders, and the smallest engine that can be behind the hooks. Each slot
 * belongs to one block; a piece is right when it equals the original bytes. The
 * hooks run in the network thread; `lock` guards what the test looks at. */
#ifndef GOS_TEST_LTC_RIG_H
#define GOS_TEST_LTC_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "lt-c/lt-c.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RIG_PEERS 64

/* ---- programs and files ---- */

struct seeder {
    pid_t pid;
    int in; /* closing it ends the seeder */
    struct sockaddr_storage addr;
};

/* Exits with 77 if the tools are not built. */
const char *rig_tool(const char *name);
void rig_run(const char *const argv[]);
char *rig_folder(void); /* a new one; remove and free with rig_remove() */
void rig_remove(char *folder);
/* Write `size` random bytes, the same for the same seed. */
void rig_file(const char *folder, const char *name, size_t size, unsigned seed);
/* Read a whole file. */
uint8_t *rig_read(const char *path, size_t *size);
ltc_info *rig_torrent(const char *folder, const char *name, const char *kind, unsigned piece);
/* film.mkv of random bytes in a folder of its own, and its torrent (v1). */
struct rig_film {
    char *folder;
    uint8_t *bytes;
    ltc_info *info;
};
void rig_film_begin(struct rig_film *f, size_t size, unsigned piece);
void rig_film_end(struct rig_film *f);
void rig_seed(struct seeder *s, const char *folder, const char *name, const char *const extra[]);
void rig_seed_end(struct seeder *s);

/* ---- the engine ---- */

extern const struct ltc_hooks rig_hooks;

struct rig;

struct rig_peer {
    struct rig_torrent *torrent;
    ltc_peer *peer; /* NULL: this entry is free */
    bool joined, choked;
    unsigned asked; /* requests that were not answered */
};

struct rig_torrent {
    struct rig *rig;
    ltc_torrent *torrent;
    ltc_info *info;
    const uint8_t *expected; /* the whole torrent, padding included */
    uint32_t first_slot;
    uint32_t n_blocks, per_piece;
    uint8_t *block; /* an enum in hooks.c */
    bool *pad;      /* libtorrent has it already */
    bool *whole;    /* every block is stored, not checked yet */
    bool *verified, *drop;
    struct rig_peer peers[RIG_PEERS];
    int64_t dialled_ns; /* when its first connection began */
    unsigned joined, left, news, haves, readies, stops, removed, wrong;
    bool refuse_peers, refuse_ready, wants; /* set by the test */
    /* drop pieces at the moment that their last block comes: */
    unsigned spite;    /* some, a seed */
    bool drop_at_last; /* all, and do not ask again; set before the add */
    /* where libtorrent picks: */
    uint32_t budget;          /* pieces that are kept at most; set before the add */
    uint32_t want, want_n;    /* the window */
    uint64_t *used, n_wanted; /* when each piece was wanted last */
};

struct rig {
    ltc_session *session;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* guarded by lock */
    uint8_t *arena;
    bool *withheld;
    uint32_t slots;
    struct rig_torrent *torrents[64];
    uint64_t blocks_in, blocks_dropped;
    uint64_t last_drops, last_drops_over; /* pieces dropped at their last block; answered */
    unsigned works;
    /* the pump thread; who holds `pumping` is the pump */
    bool picks; /* libtorrent does: see rig_start_picking() */
    pthread_t pump;
    pthread_mutex_t pumping;
    unsigned breaks; /* guarded by lock: who wants to be the pump meanwhile */
    bool end;
    struct ltc_event events[64];
    unsigned n_events;
};

/* What a test of one film has: cmocka's state, which is made once for all tests of a
 * file. The rig is started by each. */
struct rig_scene {
    struct rig_film film;
    struct rig rig;
};
int rig_scene_begin(void **state, size_t size, unsigned piece);
int rig_scene_end(void **state);

void rig_start(struct rig *r, uint32_t slots);
/* Nothing is asked, but the window is told. */
void rig_start_picking(struct rig *r, uint32_t slots);
void rig_want(struct rig_torrent *t, uint32_t first, uint32_t n);
void rig_end(struct rig *r);
/* Around a function of lt-c that belongs to the pump. */
void rig_be_pump(struct rig *r);
void rig_be_pump_no_more(struct rig *r);
/* `info` NULL: a magnet of the hashes. `slot`: where its slots begin. */
int rig_add(struct rig *r, struct rig_torrent *t, const struct ltc_add *add,
            const uint8_t *expected, uint32_t first_slot);
void rig_leave(struct rig_torrent *t);                /* remove, wait for `removed`, release */
void rig_drop(struct rig_torrent *t, uint32_t piece); /* un-have it, soon */
/* Wait until `piece` (or, if -1, each) is verified; false after `seconds`. */
bool rig_wait_piece(struct rig_torrent *t, int64_t piece, double seconds);
bool rig_wait(struct rig *r, bool (*is_so)(void *arg), void *arg, double seconds);
/* Pieces in libtorrent's list of downloads with no block to wait for: its own
 * picker never asks for them again. */
unsigned rig_lost_pieces(struct rig_torrent *t);

#ifdef __cplusplus
}
#endif

#endif
