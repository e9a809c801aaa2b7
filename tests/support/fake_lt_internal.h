/* SPDX-License-Identifier: MIT
 *
 * What the files of the fake swarm share. Everything in a session that is not
 * marked otherwise belongs to its network thread; others reach it by having a
 * function run there, fake_lt__call(). Objects live until the session is freed,
 * so that a use after their end is seen and told, and is no crash. */
#ifndef GOS_SUPPORT_FAKE_LT_INTERNAL_H
#define GOS_SUPPORT_FAKE_LT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "support/fake_lt.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

/* ---- attributes of a peer ---- */

struct fake_attrs {
    int64_t n, incoming, dial, dead, utp, utp_only, at, latency, rate, cap, cap_late, real_cap,
        fast;
    int64_t gains, have_spam, unchoke, choke_every, choke_for;
    int64_t corrupt_block, corrupt_ppm, corrupt_times, stall_after, disconnect_after;
    int64_t reconnect, idle, ignores_cancel, dup, unasked;
    char have[128], corrupt[128];
    struct sockaddr_storage addr; /* ss_family 0: none given */
};

void fake_lt__attrs_default(struct fake_attrs *a);
bool fake_lt__attrs_parse(struct fake_attrs *a, const char *text);
/* "all", "none", "0-5,9" into one byte a piece. */
bool fake_lt__ranges(const char *text, uint8_t *set, uint32_t n);
bool fake_lt__same_addr(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
void fake_lt__addr_add_port(struct sockaddr_storage *sa, unsigned n);

/* ---- metadata ---- */

enum fake_metadata { METADATA_GOOD, METADATA_LATE, METADATA_WRONG, METADATA_NEVER };

struct ltc_info {
    atomic_uint refs;
    struct ltc_info_view view;
    struct ltc_file *files;
    uint64_t *file_seeds;
    uint8_t *piece_hashes;
    uint8_t (*roots)[32];
    uint8_t **layers; /* one a file, NULL where it has none */
    atomic_bool layers_known;
    uint64_t seed;
    struct fake_attrs *peers;
    size_t n_peers;
    enum fake_metadata metadata;
    int64_t metadata_ns, layers_ns;
    bool multi, peers_leave_first;
    char *script;
};

ltc_info *fake_lt__info_parse(const char *script, size_t len, bool hash_content,
                              struct ltc_error *err);
void fake_lt__info_hash(ltc_info *i); /* fill in the hashes of the content */
void fake_lt__content(const ltc_info *i, uint64_t off, uint8_t *buf, size_t len);
uint32_t fake_lt__piece_size(const ltc_info *i, uint32_t piece);
uint32_t fake_lt__block_size(const ltc_info *i, uint32_t piece,
                             uint32_t block); /* 0: no such block */
uint32_t fake_lt__piece_blocks(const ltc_info *i, uint32_t piece);
bool fake_lt__block_is_pad(const ltc_info *i, uint32_t piece, uint32_t block);
/* The registered script of a magnet, parsed anew without layers; NULL: none. */
ltc_info *fake_lt__find_magnet(const uint8_t *v1, const uint8_t *v2);
uint64_t fake_lt__mix(uint64_t x); /* splitmix64 */

/* ---- things of a session ---- */

struct fake_task {
    int64_t at;
    uint64_t seq; /* first come, first served among equal times */
    void (*run)(ltc_session *s, const struct fake_task *task);
    void *object;
    uint32_t a, b;
};

enum block_state {
    BLOCK_NONE,
    BLOCK_WITHHELD,
    BLOCK_ABORTING,
    BLOCK_PAD,
    BLOCK_ANCHOR /* held without its bytes: lt-c's own, where libtorrent picks */
};

struct fake_piece {
    uint8_t *blocks; /* enum block_state */
    uint16_t *asked; /* requests per block */
    uint32_t n_blocks, n_pad, n_none;
    uint32_t hashing; /* hashes asked: the answer has not run yet */
};

struct fake_peer { /* somebody, connected or not */
    ltc_torrent *torrent;
    int index;
    struct fake_attrs attrs;
    uint8_t *have, *corrupt;
    uint32_t n_pieces;
    ltc_peer *connection; /* NULL: none now */
    uint64_t sent, since_join, lies;
    bool connecting;
    struct fake_lt_peer_stats stats;
};

struct ltc_torrent {
    ltc_session *session;
    int index;
    void *user;
    ltc_info *info;     /* NULL: not known to us (yet) */
    ltc_info *promised; /* a magnet's, until it came */
    uint8_t v1[20], v2[32];
    bool has_v1, has_v2;
    bool ready, stopped, removing, removed, metadata_due;
    int64_t ready_at, anchor;
    struct fake_piece *pieces;
    struct fake_peer **peers;
    size_t n_peers, peers_room;
    uint32_t *wanted; /* ltc_torrent_want() */
    size_t n_wanted, n_awaited, wanted_room;
};

struct fake_message {
    uint32_t piece, block;
    bool is_cancel, is_reject; /* is_reject: in the peer's queue, to be refused in its turn */
};

struct fake_list {
    struct fake_message *at;
    size_t n, room;
};

struct ltc_peer { /* a connection */
    ltc_session *session;
    ltc_torrent *torrent;
    struct fake_peer *who;
    void *user;
    bool joined, leaving, left;
    bool choked, chokes; /* what we know; what it decided */
    bool interested, serving;
    bool told_unflushed, said_bye;
    uint32_t cap;               /* as it told us, 0: not */
    struct fake_list unflushed; /* requests and cancels of ours */
    struct fake_list queue;     /* at the peer */
    struct fake_list asked;     /* sent, no answer yet, not cancelled */
    int64_t busy_until, last_request;
    uint32_t choke_round;
    struct ltc_peer *next; /* of all connections there ever were */
};

struct fake_slot {
    ltc_torrent *torrent; /* NULL: free */
    uint32_t piece, block;
};

struct fake_completion {
    ltc_torrent *torrent;
    uint32_t piece, block;
};

struct fake_completions {
    struct fake_completion *at;
    size_t n, room;
    size_t posted; /* of the n; the others belong to the hook that runs */
};

struct fake_call {
    void (*run)(ltc_session *s, void *arg);
    void *arg;
    bool done;
    struct fake_call *next;
};

struct ltc_session {
    /* immutable */
    enum fake_lt_mode mode;
    bool break_order; /* write aborts before hash answers */
    bool picks;       /* ltc_torrent_want() says what is asked */
    struct ltc_hooks hooks;
    void *user;
    uint32_t n_slots;
    /* the network thread's */
    uint32_t max_peers;
    struct fake_task *heap;
    size_t n_heap, heap_room;
    uint64_t seq;
    int64_t work_at;
    bool burst; /* blocks came since the last work */
    unsigned works_in_a_row;
    bool ending; /* written with the lock held */
    struct fake_slot *slots;
    struct fake_completions hash_answers, aborts;
    ltc_torrent **torrents;
    size_t n_torrents, torrents_room;
    ltc_peer *connections;
    struct fake_lt_stats stats;
    int64_t limit_busy;
    struct fake_lt_log_entry log[FAKE_LT_LOG];
    uint64_t n_log;
    /* any thread, atomic */
    atomic_int_least64_t now; /* MANUAL */
    atomic_bool wake;
    atomic_uint port;
    /* guarded by lock */
    pthread_mutex_t lock;
    pthread_cond_t to_net, from_net, events_came;
    struct fake_call *calls, **calls_end;
    int64_t target;
    bool idle, ended, interrupted, aborted;
    struct ltc_event *events;
    size_t n_events, events_room;
    pthread_t thread, pump;
    bool has_pump;
    ltc_session *older; /* guarded by the global lock */
};

/* fake_lt_loop.c */
void *fake_lt__network_main(void *session);
void fake_lt__call(ltc_session *s, void (*run)(ltc_session *, void *), void *arg);
void fake_lt__post(ltc_session *s, int64_t at, void (*run)(ltc_session *, const struct fake_task *),
                   void *object, uint32_t a, uint32_t b);
bool fake_lt__on_net(const ltc_session *s);

/* fake_lt_judge.c */
void fake_lt__violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fake_lt__judge_reset(void);
void fake_lt__lost(const ltc_torrent *t, uint32_t piece);
void fake_lt__note(ltc_session *s, enum fake_lt_what what, const ltc_torrent *t,
                   const struct fake_peer *p, uint32_t a, uint32_t b);
bool fake_lt__net_only(const ltc_session *s, const char *function); /* false and told if not */
void fake_lt__pump_only(ltc_session *s, const char *function);

/* fake_lt_global.c */
void fake_lt__remember(ltc_session *s);
void fake_lt__forget(ltc_session *s);
enum fake_lt_mode fake_lt__mode(void);
bool fake_lt__order_is_broken(void);
int fake_lt__fails(enum fake_lt_call call); /* 0, or the error to fail with */
void fake_lt__wait_end_released(void);
void *fake_lt__alloc(size_t n, size_t size); /* zeroed; ends the process when there is no memory */
void *fake_lt__grow(void *array, size_t *room, size_t n, size_t size);

/* fake_lt_events.c */
void fake_lt__event(ltc_session *s, enum ltc_event_kind kind, void *torrent, const char *text);
void fake_lt__event_of(ltc_session *s, enum ltc_event_kind kind, void *torrent, void *other,
                       const char *text);

/* fake_lt_torrent.c */
void fake_lt__torrent_end(ltc_torrent *t);  /* stop, peers leave, removed: posted */
void fake_lt__torrent_stop(ltc_torrent *t); /* stop, peers leave: posted */
void fake_lt__metadata_wanted(ltc_torrent *t);

/* fake_lt_piece.c */
void fake_lt__pieces_init(ltc_torrent *t);
void fake_lt__pieces_free(ltc_torrent *t);
void fake_lt__block_came(ltc_torrent *t, uint32_t piece, uint32_t block, const void *bytes,
                         uint32_t len);
void fake_lt__check_all_given_back(ltc_torrent *t);
void fake_lt__post_completions(ltc_session *s); /* after each hook that may answer */

/* fake_lt_peer.c */
struct fake_peer *fake_lt__peer_new(ltc_torrent *t, const struct fake_attrs *a);
void fake_lt__peer_free(struct fake_peer *p);
void fake_lt__peer_arrive(struct fake_peer *p, int64_t at); /* it will connect */
void fake_lt__peer_leave(ltc_peer *c);                      /* posted */
void fake_lt__peer_left_now(ltc_peer *c);
void fake_lt__peer_knows(struct fake_peer *p); /* the torrent's size is known: sets of pieces */
void fake_lt__torrent_is_ready(
    ltc_torrent *t); /* libtorrent tells peers that it wants the anchor */

/* fake_lt_picker.c */
bool fake_lt__is_wanted(const ltc_torrent *t, uint32_t piece);
void fake_lt__release_anchor(ltc_torrent *t); /* it is the engine's now */
void fake_lt__pick(ltc_session *s);           /* when anything was done */

/* fake_lt_habit.c */
void fake_lt__serve_begin(ltc_peer *c); /* after the handshake */

/* fake_lt_serve.c: a connection's messages */
void fake_lt__serve(ltc_peer *c);
void fake_lt__send_choke(ltc_peer *c, bool choked);
void fake_lt__send_have(ltc_peer *c);
void fake_lt__send_bitfield(ltc_peer *c); /* it came together with the handshake */
void fake_lt__send_piece_gained(ltc_peer *c, uint32_t piece);
void fake_lt__send_unflushed(ltc_peer *c);
void fake_lt__send_block(ltc_peer *c, uint32_t piece, uint32_t block);
void fake_lt__say_interested(ltc_peer *c);
int64_t fake_lt__send_time(const ltc_peer *c); /* when a message it sends now is here */

void fake_lt__list_add(struct fake_list *l, struct fake_message m);
bool fake_lt__list_take(struct fake_list *l, uint32_t piece, uint32_t block,
                        struct fake_message *out);

#endif
