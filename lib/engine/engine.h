/* SPDX-License-Identifier: MIT
 *
 * The inside of a session, shared by the files of this room.
 *
 * Threads of a session:
 *   network  libtorrent's; runs the hooks of net.c. The only one that begins and
 *            evicts pieces and that touches the scheduler.
 *   hash     hasher.c; verifies pieces.
 *   done     waiters.c; copies, and calls `done` of reads.
 *   pump     pump.c; waits for libtorrent's events, runs calls that may block on
 *            the network thread, takes the session down at the end.
 * Callers' threads read what is there, leave wishes, and wake the network thread.
 *
 * One lock, `session.lock`; it is never held over a callback, a copy of bytes, or
 * a call into lt-c but those marked [any] there, which never block. */
#ifndef GOS_ENGINE_ENGINE_H
#define GOS_ENGINE_ENGINE_H

#include <gostream/source.h>
#include <gostream/torrent.h>

#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/thread.h"
#include "engine/blame.h"
#include "engine/scheduler.h"
#include "engine/window.h"
#include "lt-c/lt-c.h"
#include "store/arena.h"
#include "store/piece.h"

#define GOS__WINDOW_MAX (UINT64_C(64) << 20) /* bytes ahead of one cursor */

/* Work for the pump: lives in the caller's memory until `run` is entered. */
struct gos__call {
    struct gos__list link;
    void (*run)(struct gos__call *call);
};

struct gos_session {
    /* immutable after new */
    struct gos__log log;
    ltc_session *lt;
    uint64_t print_key;
    pthread_t hash_thread, done_thread, pump_thread;

    gos__mutex lock;
    /* guarded by lock */
    unsigned refs; /* the user's, each torrent's, the pump's */
    bool closing;  /* no new reads, no new torrents */
    bool closed;   /* the pump is done; lt is gone */
    bool done_quits, hash_quits;
    gos__cond changed; /* torrents' states, closed, calls done */
    gos__cond done_wakes, hash_wakes;
    struct gos__arena arena;
    uint32_t reserved_slices;  /* slots that reads with slices hold or may come to hold */
    struct gos__list torrents; /* gos_torrent.link */
    struct gos__list waiting;  /* waiter.link, oldest first */
    struct gos__list ready;    /* waiter.ready_link: the done thread shall look */
    struct gos__list to_hash;  /* piece.hash_link */
    struct gos__list hashed;   /* piece.hash_link: the network thread shall look */
    struct gos__list pieces;   /* piece.link: begun ones, oldest use first */
    struct gos__list calls;    /* gos__call.link */
    uint32_t n_waiting;
    uint64_t received_before; /* by torrents that are gone */
    bool wishes_changed;      /* the plan must be made again */
    bool plan_starved;        /* ... when a slot becomes free */
    bool want_utp, utp_now;   /* what the network thread asks for, what the pump did */
    int64_t next_expiry;      /* no read can expire before */

    /* network thread only */
    bool on_network; /* whether network_thread is known */
    pthread_t network_thread;
    uint64_t plan_number;
    struct gos__list known;   /* gos_torrent.net_link: those that a hook named */
    struct gos__piece **plan; /* arena.n_slots entries */
    int64_t replan_at;        /* memory was short: try again then; INT64_MAX */

    /* pump thread only */
    uint64_t layers_round;

    /* hash thread only */
    const void **block_ptrs; /* arena.n_slots entries */
};

enum gos__torrent_state { GOS__TORRENT_NO_METADATA, GOS__TORRENT_READY, GOS__TORRENT_FAILED };

/* A file that can be opened. */
struct gos__file {
    const char *path; /* of ltc_info */
    uint64_t offset, size;
    uint32_t flags;
};

/* A peer of a torrent: network thread only. */
struct gos__peer {
    ltc_peer *lt;
    struct gos__sched_peer *sched; /* from its handshake on; NULL also when memory was short */
    uint32_t who;
    bool joined; /* its handshake is done */
    bool tcp, fast, unchoked;
    uint32_t max_requests;
    struct gos__list link; /* gos_torrent.peers */
};

struct gos_torrent {
    /* immutable after new */
    gos_session *session;
    struct gos__list link;

    /* guarded by session->lock */
    unsigned refs; /* the user's and its sources' */
    bool given_up; /* nobody wanted it any more: the pump was told to remove it */
    bool leaving;  /* ... and has not done so yet */
    bool removed;  /* libtorrent has let go; nothing comes from it any more */
    enum gos__torrent_state state;
    bool known; /* the metadata: stays so when it fails later */
    int fail_code;
    char fail_text[256];
    bool live; /* pieces may be asked for; `pieces` is there */
    bool needs_layers;
    struct gos__list sources;   /* torrent_source.link */
    struct gos__piece **pieces; /* by index; those that are planned or begun; set before `known` */
    uint32_t n_resident;        /* slots of its begun pieces */
    struct gos_torrent_stats stats;

    /* set once before READY, immutable then */
    ltc_info *info;
    const struct ltc_info_view *view;
    struct gos__file *files;
    size_t n_files;
    uint32_t n_symlinks, n_renamed;
    uint64_t total_size;

    /* pump thread */
    ltc_torrent *lt;
    uint64_t layers_round; /* the last one in which its layers were asked for */
    struct gos__call leave;

    /* network thread only */
    struct gos__sched *sched;
    struct gos__blame *blame;
    struct gos__list peers; /* gos__peer.link */
    uint32_t *order;        /* n_pieces entries, at most arena.n_slots */
    size_t n_order, n_awaited;
    int64_t next_step;          /* of the scheduler; 0: now */
    struct gos__list net_link;  /* session.known */
    bool changed;               /* its figures, since they were published */
    uint64_t received, dropped; /* since then */
    uint32_t tcp_peers;
    int64_t lonely_since; /* when it had a peer over TCP last, or was known first */
    uint32_t tries;       /* connections begun since the last one that worked */
    uint8_t *padding;     /* scratch: one byte per block of a piece */
};

/* A file of a torrent, open. */
struct gos__torrent_source {
    /* immutable after open */
    gos_torrent *torrent;
    uint64_t offset, size; /* in the torrent */
    /* guarded by session->lock */
    struct gos__list link;
    struct gos__window window;
    uint64_t window_print; /* the window as of its last plan, condensed; 0: plan at the next read */
};

/* A read that waits. Made in start, freed by the done thread. */
struct gos__waiter {
    struct gos__list link;       /* session.waiting, in order of arrival */
    struct gos__list ready_link; /* session.ready */
    struct gos_read *read;
    gos_torrent *torrent;
    uint64_t off; /* in the torrent, of its first byte */
    uint64_t len, got;
    uint32_t reserved; /* slots of session.reserved_slices */
    uint32_t piece;    /* what it waits for now */
    bool served;       /* its piece has its slots */
    int64_t since_ns;  /* progress is counted from here */
    int result;        /* 0, or the error that ends it */
};

/* ---- session.c ---- */
void gos__session_unref_locked(gos_session *s) GOS_RELEASES(s->lock); /* unlocks; may free */

/* ---- torrent.c ---- */
int gos__torrent_set_info(gos_torrent *t,
                          ltc_info *info); /* any thread, no lock; before READY is set */
void gos__torrent_fail(gos_torrent *t, int code, const char *text);
void gos__torrent_ref_locked(gos_torrent *t);
void gos__torrent_removed(gos_torrent *t); /* network thread */

/* ---- net.c: the hooks ---- */
extern const struct ltc_hooks gos__net_hooks;
extern const struct gos__sched_out gos__net_sched_out;

/* ---- verdict.c: network thread ---- */
/* Act on what the hash thread has judged since. */
void gos__verdict_act(gos_session *s) GOS_EXCLUDES(s->lock);

/* ---- planner.c: network thread, but for the first ---- */
/* Wishes or room have changed: leave word, and wake the network thread. */
void gos__plan_soon_locked(gos_session *s) GOS_REQUIRES(s->lock);
/* Memory was short: what failed for want of it is tried again in a moment. */
void gos__plan_retry(gos_session *s, int64_t now);
void gos__plan(gos_session *s, int64_t now) GOS_EXCLUDES(s->lock);
/* Take a piece out of memory. It is added to `gone` for gos__plan_let_go(). */
void gos__plan_evict_locked(gos_session *s, struct gos__piece *p, struct gos__list *gone)
    GOS_REQUIRES(s->lock);
/* What eviction leaves to do without the lock: scheduler, withheld writes. */
void gos__plan_let_go(gos_session *s, struct gos__list *gone) GOS_EXCLUDES(s->lock);
void gos__plan_give_writes_back(gos_session *s, struct gos__piece *p);

/* ---- hasher.c ---- */
void *gos__hasher_main(void *session);
void gos__hasher_add_locked(gos_session *s, struct gos__piece *p) GOS_REQUIRES(s->lock);

/* ---- waiters.c ---- */
void *gos__waiters_main(void *session);
void gos__waiters_piece_verified_locked(gos_session *s, struct gos__piece *p) GOS_REQUIRES(s->lock);
/* End reads with an error: of one torrent, or of all (NULL). */
void gos__waiters_fail_locked(gos_session *s, const gos_torrent *t, int code) GOS_REQUIRES(s->lock);
void gos__waiters_end_locked(gos_session *s, struct gos__waiter *w, int code) GOS_REQUIRES(s->lock);
/* End those whose time is over; returns when to look again. */
int64_t gos__waiters_expire_locked(gos_session *s, int64_t now) GOS_REQUIRES(s->lock);
int gos__waiters_start(struct gos__torrent_source *f, struct gos_read *r);
void gos__waiters_cancel(struct gos__torrent_source *f, struct gos_read *r);
void gos__waiters_release(struct gos__torrent_source *f, struct gos_read *r);

/* ---- torrent_source.c ---- */
int gos__torrent_source_open(gos_torrent *t, const struct gos__file *file, gos_source **out);
/* A read happens there: true when a new plan is due. */
bool gos__torrent_source_read_locked(gos_session *s, struct gos__torrent_source *f, uint64_t off,
                                     uint64_t len) GOS_REQUIRES(s->lock);

/* ---- pump.c ---- */
void *gos__pump_main(void *session);
/* Run `call->run` on the pump and wait for it; runs it here when this is the pump. */
int gos__pump_call(gos_session *s, struct gos__call *call);
void gos__pump_post_locked(gos_session *s, struct gos__call *call) GOS_REQUIRES(s->lock);

#endif
