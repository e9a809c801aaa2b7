/* SPDX-License-Identifier: MIT
 *
 * The smallest user of lt-c.h that can download: in order, from whoever has
 * room. Its state belongs to the network thread; what a test asks for goes
 * through atomics and ltc_wake(), what it sees comes through atomics. */
#ifndef GOS_FAKE_RIG_H
#define GOS_FAKE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/fake_lt.h"

#define RIG_SLOTS 256
#define RIG_PIECES 512
#define RIG_PEERS 16
#define RIG_BLOCKS 64 /* a piece at most */
#define RIG_MS INT64_C(1000000)
#define RIG_SECOND INT64_C(1000000000)

struct rig_peer {
    ltc_peer *lt;
    bool joined, choked;
    uint32_t cap, outstanding;
    atomic_uint left, rejected, received, unchokes;
};

struct rig {
    /* set by the test before a torrent is added */
    uint32_t most_requests; /* at one peer */
    bool libtorrent_picks;  /* ask nothing, want all pieces from the last to the first ... */
    uint32_t awaited;       /* ... so many of them with readers */
    bool refuse_all, drop_all, wrong_slot, keep_slots, drop_at_last, refuse_ready, ban_liars;
    int64_t ask_again_ns; /* cancel what is not answered so long and ask another; 0: never */
    ltc_session *session;
    ltc_torrent *torrent; /* for the network thread once `added` */
    /* the network thread's */
    ltc_info *ready_info;
    struct rig_peer peers[RIG_PEERS];
    uint8_t state[RIG_PIECES][RIG_BLOCKS]; /* 0 free, 1 asked, 2 kept */
    struct rig_peer *asked_of[RIG_PIECES][RIG_BLOCKS];
    int64_t asked_at[RIG_PIECES][RIG_BLOCKS];
    int slot_of[RIG_PIECES][RIG_BLOCKS];
    bool slot_used[RIG_SLOTS], to_check[RIG_PIECES], dropped[RIG_PIECES];
    uint8_t *bytes; /* RIG_SLOTS blocks */
    uint32_t received_piece, received_block;
    bool just_received, stopped;
    int64_t work_again;
    /* any thread, atomic */
    void (*_Atomic in_work)(struct rig *r); /* run in work */
    atomic_bool busy;                       /* work asks to be called at once */
    atomic_bool added, evict[RIG_PIECES], verified[RIG_PIECES];
    ltc_info *_Atomic info;
    atomic_uint haves, have_alls, last_have;
    atomic_uint n_verified, n_bad, n_peers, readies, stops, removes, works;
};

void rig_open(struct rig *r, const char *script);
void rig_close(struct rig *r); /* also checks that nothing was misused and nothing lost */
void rig_close_after_misuse(struct rig *r);
void rig_session(struct rig *r);
void rig_add(struct rig *r, const char *script);
int rig_add_magnet(struct rig *r, const char *script);
bool rig_done(void *r); /* all pieces are verified */
void rig_download(struct rig *r, int64_t limit_ns);
void rig_evict(struct rig *r, uint32_t piece);
struct fake_lt_stats rig_stats(struct rig *r);
struct rig *rig_new(void);

int rig_setup(void **state);
int rig_teardown(void **state);

#endif
