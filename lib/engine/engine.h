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
 * a call into lt-c but those that never block: [any] there, and ltc_peer_has(). */
#ifndef GOS_ENGINE_ENGINE_H
#define GOS_ENGINE_ENGINE_H

#include <gostream/source.h>
#include <gostream/torrent.h>

#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/thread.h"
#include "engine/address.h"
#include "engine/blame.h"
#include "engine/events.h"
#include "engine/registry.h"
#include "engine/scheduler.h"
#include "engine/stats.h"
#include "engine/window.h"
#include "lt-c/lt-c.h"
#include "store/arena.h"
#include "store/piece.h"

#define GOS__PLAN_CURSORS 256 /* that one plan looks at; the rest were not read for longest */

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
    int64_t sleep_after_ns; /* INT64_MAX: never */
    bool libtorrent_picks;
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
    struct gos__list torrents; /* gos_torrent.link: all that are known */
    struct gos__list awake;    /* gos_torrent.awake_link: those that libtorrent has */
    struct gos__registry registry;
    struct gos__list waiting; /* waiter.link, oldest first */
    struct gos__list ready;   /* waiter.ready_link: the done thread shall look */
    struct gos__list to_hash; /* piece.hash_link */
    struct gos__list hashed;  /* piece.hash_link: the network thread shall look */
    struct gos__list pieces;  /* piece.link: begun ones, oldest use first */
    struct gos__list calls;   /* gos__call.link */
    struct gos__list readers; /* torrent_source.use_link: read since they were opened, last first */
    uint64_t ahead_max;       /* bytes ahead of any reader */
    uint64_t last_reader;     /* torrent_source.id */
    uint32_t n_waiting;
    struct gos__events events;
    struct gos__sums gone;            /* of torrents that are gone */
    struct gos_session_limits limits; /* in force, defaults filled in */
    uint64_t last_torrent_id;
    bool wishes_changed;    /* the plan must be made again */
    bool plan_starved;      /* ... when a slot becomes free */
    bool want_utp, utp_now; /* what the network thread asks for, what the pump did */
    bool line;              /* a read waits for room */
    int64_t next_expiry;    /* no read can expire before */
    int64_t next_sleep;     /* no torrent can fall asleep before; INT64_MAX */
    int64_t next_blocked;   /* no reader has waited for long before; INT64_MAX */

    /* network thread only */
    bool on_network; /* whether network_thread is known */
    pthread_t network_thread;
    uint64_t plan_number;
    struct gos__list known;                /* gos_torrent.net_link: those that a hook named */
    struct gos__piece **plan;              /* arena.n_slots entries */
    struct gos__plan_cursor *plan_cursors; /* GOS__PLAN_CURSORS entries */
    int64_t tidy_at;                       /* a cursor is to be forgotten then; INT64_MAX */
    int64_t replan_at;                     /* memory was short: try again then; INT64_MAX */

    /* pump thread only */
    uint64_t layers_round;

    /* hash thread only */
    const void **block_ptrs; /* arena.n_slots entries */
};

enum gos__torrent_state { GOS__TORRENT_NO_METADATA, GOS__TORRENT_READY, GOS__TORRENT_FAILED };

/* Where a torrent is. WAKING and LEAVING last until the pump, and then
 * libtorrent, have done it; nothing comes from libtorrent for one that is ASLEEP. */
enum gos__torrent_place {
    GOS__TORRENT_ASLEEP,  /* known here, if at all; not in libtorrent */
    GOS__TORRENT_WAKING,  /* the pump is adding it, or is going to */
    GOS__TORRENT_AWAKE,   /* in libtorrent */
    GOS__TORRENT_LEAVING, /* the pump removes it, or is going to; hook `removed` is the end */
};

/* A file that can be opened. Of many torrents there are many: kept small. */
struct gos__file {
    uint64_t offset, size; /* in the torrent */
    uint32_t path;         /* in gos__meta.names */
    uint32_t flags;
};

/* What stays of the metadata while a torrent sleeps. */
struct gos__meta {
    struct gos__file *files; /* one allocation, with the names behind them */
    size_t n_files;          /* that can be opened */
    const char *names;       /* the torrent's first */
    uint64_t total_size;     /* of all files that can be opened */
    uint64_t length;         /* of all pieces: padding included */
    uint32_t piece_length, n_pieces;
    uint32_t n_symlinks, n_renamed;
    int64_t created;
    bool multi_file, v1, v2;
    uint8_t v1_hash[20], v2_hash[32];
};

/* A peer of a torrent: network thread only. */
struct gos__peer {
    ltc_peer *lt;
    struct gos__sched_peer *sched; /* from its handshake on; NULL also when memory was short */
    uint32_t who;
    struct gos__endpoint address;
    bool joined; /* its handshake is done */
    bool banned; /* it will leave */
    bool tcp, fast, unchoked;
    uint32_t max_requests;
    struct gos__list link; /* gos_torrent.peers */
};

struct gos_torrent {
    /* immutable after new */
    gos_session *session;
    uint64_t id; /* in events */
    struct gos__list link;
    char *path; /* of its .torrent file: then it can sleep; NULL */

    /* guarded by session->lock */
    unsigned refs; /* the user's, its sources', the pump's while it wakes it */
    enum gos__torrent_place place;
    ltc_torrent *lt;                       /* set by the pump; NULL while it is not there */
    bool entered;                          /* libtorrent had it, once at least */
    bool given_up;                         /* nobody wants it any more */
    bool leaving;                          /* `leave` is posted, or runs */
    bool wake_again;                       /* it was read while it was leaving */
    int64_t used_ns;                       /* when it was read last */
    struct gos__list awake_link;           /* session.awake */
    struct gos__registry_entry entries[2]; /* session.registry: its v1 and its v2 hash */
    struct gos__endpoint *given_peers;     /* to be tried again when it wakes, or has nobody */
    bool redial;                           /* the pump shall */
    size_t n_given_peers;
    enum gos__torrent_state state;
    bool known; /* `meta`: stays so when it fails later */
    int fail_code;
    char fail_text[256];
    bool live; /* pieces may be asked for; `pieces` is there */
    bool needs_layers;
    struct gos__list sources;   /* torrent_source.link */
    struct gos__piece **pieces; /* by index; those that are planned or begun; set before `live` */
    uint32_t n_resident;        /* slots of its begun pieces */
    struct gos_torrent_stats stats; /* what of it is not found out when it is asked for */
    struct gos__rate rate;          /* of bytes received */
    bool metadata_told;             /* the event was */

    /* set once before `known`, immutable then */
    struct gos__meta meta;

    /* set before it is live, immutable until libtorrent has let go of it */
    ltc_info *info;
    const struct ltc_info_view *view;

    /* pump thread */
    uint64_t layers_round; /* the last one in which its layers were asked for */
    struct gos__call leave, wake;

    /* network thread only */
    struct gos__sched *sched;
    struct gos__blame *blame; /* there while it is in libtorrent; else only where somebody lied */
    struct gos__list peers;   /* gos__peer.link */
    uint32_t *order;          /* n_pieces entries, at most arena.n_slots */
    size_t n_order, n_awaited;
    bool ordered;               /* the last order named a piece */
    int64_t next_step;          /* of the scheduler; 0: now */
    struct gos__list net_link;  /* session.known */
    bool changed;               /* its figures, since they were published */
    struct gos_traffic traffic; /* since then; rate is not used */
    uint32_t arrived;           /* bytes of a block of which it is not known what became of it */
    bool arrived_kept_up;       /* it was asked for only to keep the peer */
    uint64_t hedges;            /* of the scheduler, when they were counted last */
    uint32_t tcp_peers;
    int64_t lonely_since; /* when it had a peer over TCP last, or was known first */
    uint32_t tries;       /* connections begun since the last one that worked */
    int64_t redialled;    /* when the peers that were given were dialled again */
    uint8_t *padding;     /* scratch: one byte per block of a piece */
};

/* A file of a torrent, open. */
struct gos__torrent_source {
    /* immutable after open */
    gos_torrent *torrent;
    uint64_t offset, size; /* in the torrent */
    uint64_t id;
    /* guarded by session->lock */
    struct gos__list link;     /* torrent.sources */
    struct gos__list use_link; /* session.readers */
    struct gos__window window;
    uint64_t reads, hits, bytes; /* begun; answered at once; bytes given */
    uint32_t waiting;            /* reads that wait */
    int64_t blocked_ns, blocked_since, longest_wait_ns;
    int64_t blocked_since_told; /* what the event said; 0: none, or it is over */
};

/* Why nothing came in time. */
enum gos__late {
    GOS__LATE_PEERS,   /* those who have it did not send it */
    GOS__LATE_NO_PEER, /* nobody is connected */
    GOS__LATE_NO_PIECE /* nobody who is connected has it */
};

/* A read that waits. Made in start, freed by the done thread. */
struct gos__waiter {
    struct gos__list link;       /* session.waiting, in order of arrival */
    struct gos__list ready_link; /* session.ready */
    struct gos_read *read;
    gos_torrent *torrent;
    struct gos__torrent_source *source;
    int64_t began_ns;
    uint64_t off; /* in the torrent, of its first byte */
    uint64_t len, got;
    uint32_t reserved; /* slots of session.reserved_slices */
    uint32_t piece;    /* what it waits for now */
    bool served;       /* its piece has its slots */
    bool woke;         /* it was there when its torrent was woken last: the outcome is its own */
    int64_t since_ns;  /* progress is counted from here */
    int result;        /* 0, or the error that ends it */
    enum gos__late late;
};

/* ---- session.c ---- */
int64_t gos__session_now_locked(gos_session *s) GOS_REQUIRES(s->lock); /* also when it is closed */
void gos__session_unref_locked(gos_session *s) GOS_RELEASES(s->lock);  /* unlocks; may free */

/* ---- events.c: any thread; never allocates, cheap when the user did not ask ---- */
/* `torrent` and what belongs to `kind` are taken from `e`; its time is now. */
void gos__event_locked(gos_session *s, const struct gos_event *e) GOS_REQUIRES(s->lock);
/* One that is about a torrent and nothing else. */
void gos__event_torrent_locked(gos_session *s, enum gos_event_kind kind, const gos_torrent *t)
    GOS_REQUIRES(s->lock);
/* The metadata is known: told once, however often a torrent sleeps. */
void gos__event_metadata_locked(gos_session *s, gos_torrent *t) GOS_REQUIRES(s->lock);
void gos__event_piece_locked(gos_session *s, enum gos_event_kind kind, const gos_torrent *t,
                             uint32_t piece) GOS_REQUIRES(s->lock);
void gos__event_error_locked(gos_session *s, const gos_torrent *t, int code, const char *text)
    GOS_REQUIRES(s->lock);
void gos__event_peer_locked(gos_session *s, enum gos_event_kind kind, const gos_torrent *t,
                            const struct gos__endpoint *peer) GOS_REQUIRES(s->lock);
/* The session closes: nobody waits for events any longer. */
void gos__events_close_locked(gos_session *s) GOS_REQUIRES(s->lock);

/* ---- stats.c ---- */
/* Network thread: bring the figures up to now that it counts by itself. */
void gos__stats_publish(gos_torrent *t, int64_t now);
/* A torrent goes; its sums stay with the session. */
void gos__stats_keep_locked(gos_session *s, const gos_torrent *t) GOS_REQUIRES(s->lock);

/* ---- limits.c ---- */
void gos__limits_fill(struct gos_session_limits *l); /* defaults for zeros */

/* ---- blocked.c: readers that wait for long ---- */
/* A read begins to wait, after it was put into session.waiting. */
void gos__blocked_begin_locked(gos_session *s, const struct gos__waiter *w) GOS_REQUIRES(s->lock);
/* A read of that reader waits no longer, after it was taken out of session.waiting. */
void gos__blocked_end_locked(gos_session *s, struct gos__torrent_source *f) GOS_REQUIRES(s->lock);
/* Network thread: tell of those that have waited for long by now; returns when to
 * look again. */
int64_t gos__blocked_look_locked(gos_session *s, int64_t now) GOS_REQUIRES(s->lock);

/* ---- torrent.c ---- */
/* A torrent that is ASLEEP, not `known`, with one reference. `path` may be NULL. */
int gos__torrent_new(gos_torrent **out, gos_session *s, const char *path);
/* It may be found by its hashes (20 and 32 bytes, NULL where it has none): 0,
 * GOS_EEXIST when another one is, GOS_ECANCELED, GOS_ENOMEM. Both are left. */
int gos__torrent_enlist(gos_torrent *t, const uint8_t *v1_hash, const uint8_t *v2_hash);
void gos__torrent_fail(gos_torrent *t, int code, const char *text);
void gos__torrent_ref_locked(gos_torrent *t);
/* It is to leave libtorrent. */
void gos__torrent_leave_locked(gos_session *s, gos_torrent *t) GOS_REQUIRES(s->lock);
void gos__torrent_removed(gos_torrent *t); /* network thread */
/* The pump, or who is alone with it: what only a torrent in libtorrent needs. */
int gos__torrent_equip(gos_torrent *t, ltc_info *info);
void gos__torrent_strip(gos_torrent *t); /* also the network thread, when it was removed */

/* ---- metadata.c ---- */
/* Whether the budget is enough, and what stays of the metadata. Nobody else knows
 * of it yet. 0, GOS_EBUDGET, GOS_ENOMEM. */
int gos__torrent_learn(gos_torrent *t, const struct ltc_info_view *view);
/* Whether a file of that number can be opened now: 0, GOS_EAGAIN, GOS_ENOENT. */
int gos__torrent_check_index(gos_torrent *t, size_t index);
/* Both of a magnet: gos__torrent_learn() and gos__torrent_equip(). */
int gos__torrent_set_info(gos_torrent *t, ltc_info *info);

/* ---- adding.c: the pump ---- */
/* Put it into libtorrent, under the name and with the peers of `add`. NULL: it is
 * equipped, and the peers are those that are remembered. */
int gos__adding_enter(gos_torrent *t, const struct ltc_add *add);

/* ---- sleep.c ---- */
/* It is read, or going to be: wake it. */
void gos__sleep_used_locked(gos_session *s, gos_torrent *t, int64_t now) GOS_REQUIRES(s->lock);
/* Send away those that were not read for long; returns when to look again. */
int64_t gos__sleep_look_locked(gos_session *s, int64_t now) GOS_REQUIRES(s->lock);
/* It is in libtorrent now, or is so no more. */
void gos__sleep_awake_locked(gos_session *s, gos_torrent *t) GOS_REQUIRES(s->lock);
void gos__sleep_asleep_locked(gos_session *s, gos_torrent *t) GOS_REQUIRES(s->lock);
void gos__sleep_wake(struct gos__call *call); /* gos_torrent.wake */

/* ---- net.c: the hooks ---- */
extern const struct ltc_hooks gos__net_hooks;
extern const struct gos__sched_out gos__net_sched_out;

/* ---- verdict.c: network thread ---- */
/* `why`: what it did, for the log. */
void gos__verdict_ban(gos_torrent *t, uint32_t who, const char *why) GOS_EXCLUDES(t->session->lock);
/* Act on what the hash thread has judged since. */
void gos__verdict_act(gos_session *s) GOS_EXCLUDES(s->lock);

/* ---- planner.c: network thread, but for the first ---- */
/* Wishes or room have changed: leave word, and wake the network thread. */
void gos__plan_soon_locked(gos_session *s) GOS_REQUIRES(s->lock);
int gos__plan_init(gos_session *s); /* any thread, before the session is anybody else's */
void gos__plan_finish(gos_session *s);
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
/* Network thread: end those whose time is over; returns when to look again. */
int64_t gos__waiters_expire_locked(gos_session *s, int64_t now) GOS_REQUIRES(s->lock);
int gos__waiters_start(struct gos__torrent_source *f, struct gos_read *r);
void gos__waiters_cancel(struct gos__torrent_source *f, struct gos_read *r);
void gos__waiters_release(struct gos__torrent_source *f, struct gos_read *r);

/* ---- torrent_source.c ---- */
/* A read happens there: true when a new plan is due. */
bool gos__torrent_source_read_locked(gos_session *s, struct gos__torrent_source *f, uint64_t off,
                                     uint64_t len, int64_t now) GOS_REQUIRES(s->lock);

/* ---- lonely.c: torrents that have nobody ---- */
/* Network thread: returns when to look again. */
int64_t gos__lonely_look(gos_session *s, int64_t now) GOS_EXCLUDES(s->lock);
void gos__lonely_help(gos_session *s) GOS_EXCLUDES(s->lock); /* pump */

/* ---- pump.c ---- */
void *gos__pump_main(void *session);
/* Run it on the pump, wait for it, and return what it returned, with its sentence;
 * here, when this is the pump. */
int gos__pump_call(gos_session *s, int (*run)(void *arg), void *arg);
void gos__pump_post_locked(gos_session *s, struct gos__call *call) GOS_REQUIRES(s->lock);

#endif
