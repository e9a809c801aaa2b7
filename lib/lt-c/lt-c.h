/* SPDX-License-Identifier: MIT
 *
 * The only face of libtorrent: plain C types, `ltc_` names. libtorrent carries
 * messages, encryption, trackers and the hash table of peers; what to ask from
 * whom, where bytes live and whether they are right is decided by the caller,
 * through the hooks below. Two things implement this file: the real one beside
 * it, and a scripted swarm in C for tests.
 *
 * Threads. One network thread per session runs every hook, and only functions
 * marked [net] may be called there; they may be called nowhere else. Functions
 * marked [any] never block. Functions marked [pump] may block on the network
 * thread and belong to the one thread that waits for events.
 *
 * The method (withheld writes). A block that arrives is handed to hooks->block.
 * If the caller keeps it, under the number of one of its memory slots, then
 * libtorrent's write completion is withheld under that number until
 * ltc_write_done(), which answers "operation aborted": libtorrent returns the
 * block to "not requested", with no blame, no alert and no pause. libtorrent
 * never "has" a piece, so a piece can be dropped and fetched again for ever.
 * Whether a piece is whole, and right, is the caller's to find: when libtorrent
 * thinks so it asks for a hash, and that is answered "operation aborted" here.
 * Two rules of order keep libtorrent from losing such a piece: no write of it is
 * aborted while its hash is being computed (none ever is), and the answer to its
 * hash runs before any abort of its writes (it is queued in front of them).
 *
 * No exception leaves this face. Nothing posted to the network thread throws:
 * what waits there is kept in arrays that are allocated with the session. */
#ifndef GOS_LTC_H
#define GOS_LTC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LTC_BLOCK 16384u /* bytes of a block; the last of a torrent is shorter */
#define LTC_MAX_METADATA (16u * 1024 * 1024) /* bytes of a .torrent or of metadata from peers */
#define LTC_MAX_DEPTH 100                    /* nesting of bencoded values */
#define LTC_DROPPED (-1)                     /* hooks->block: not kept */

typedef struct ltc_session ltc_session;
typedef struct ltc_torrent ltc_torrent;
typedef struct ltc_info ltc_info;
typedef struct ltc_peer ltc_peer;

/* What went wrong, in words that can be shown (no bytes of the network in it
 * that are not escaped). Filled when a function returns a negative errno:
 * -ENOMEM, -EINVAL, -EBADMSG (metadata not usable), -EEXIST. */
struct ltc_error {
    char text[256];
};

/* ---- metadata: immutable, counted ---- */

#define LTC_FILE_PAD 1u
#define LTC_FILE_SYMLINK 2u
#define LTC_FILE_RENAMED 4u /* the path differs from what the torrent says: it was cleaned */

struct ltc_file {
    const char *
        path; /* below the torrent's folder: without its name, '/' between parts, cleaned, unique */
    uint64_t size;
    uint64_t offset; /* in the torrent, padding included */
    const uint8_t
        *root; /* v2: 32 bytes, the root of its merkle tree; NULL for v1 and empty files */
    uint32_t flags;
};

struct ltc_info_view {
    const char *name; /* cleaned as one file name, 255 bytes at most */
    bool multi_file;
    bool name_renamed;
    bool v1, v2;           /* both: hybrid */
    uint64_t total_size;   /* padding included */
    uint32_t piece_length; /* a multiple of LTC_BLOCK */
    uint32_t n_pieces;
    uint32_t n_files;
    const struct ltc_file *files;
    const uint8_t *piece_hashes; /* v1: 20 bytes a piece; NULL for v2 only */
    int64_t created;             /* seconds since 1970, or 0 */
    uint8_t v1_hash[20];         /* zeros where there is none */
    uint8_t v2_hash[32];
};

/* Read the bytes of a .torrent file. Refuses, with -EBADMSG and a sentence:
 * not bencoded or cut short, over LTC_MAX_METADATA, nesting over LTC_MAX_DEPTH,
 * folders in LTC_MAX_DEPTH others, paths of over 32 MiB altogether,
 * no file with bytes, a piece length that is 0 or no multiple of LTC_BLOCK,
 * negative sizes, sizes that overflow 2^62, wrong count of hashes. [any] */
int ltc_info_parse(ltc_info **out, const void *bytes, size_t len, struct ltc_error *err);
ltc_info *ltc_info_ref(ltc_info *i);
void ltc_info_unref(ltc_info *i); /* NULL is fine */
const struct ltc_info_view *ltc_info_get(const ltc_info *i);
/* v2: the hashes of the pieces of a file that is longer than a piece, 32 bytes
 * each; NULL while not known (a magnet: see ltc_torrent_fetch_layers). Once not
 * NULL it stays as it is. [any] */
const uint8_t *ltc_info_layer(const ltc_info *i, uint32_t file);

/* ---- session ---- */

struct ltc_settings {
    const char *listen; /* libtorrent's form: "0.0.0.0:0,[::]:0" */
    const char *user_agent;
    const char *peer_id_prefix; /* "-LG0100-" */
    uint32_t slots;             /* slot numbers are 0 .. slots-1 */
    uint32_t max_peers;
    uint64_t download_bps; /* 0: no limit */
    bool dht, lsd, pex;
    bool libtorrent_picks; /* see ltc_torrent_want() */
};

/* What can be changed while a session runs. */
struct ltc_limits {
    uint64_t download_bps; /* 0: no limit */
    uint32_t max_peers;
    bool dht, lsd;
};

struct ltc_peer_addr {
    struct sockaddr_storage sa; /* AF_INET or AF_INET6 */
    bool outgoing;              /* we connected to it: its port is the one it listens on */
};

/* All run on the network thread; none may block, and completions that they
 * cause run later, never inside the call. `torrent` is what ltc_torrent_add()
 * was given, `peer` what peer_new() returned in *peer_user. */
struct ltc_hooks {
    /* Bookkeeping time: after ltc_wake(), after a burst of blocks was read from
     * a socket, and at the time that the last call asked for. All requests,
     * cancels and answers leave from here. Returns when to be called again,
     * in the time of ltc_now_ns(), or INT64_MAX. */
    int64_t (*work)(void *user);

    /* The metadata is there and pieces may be asked from now on. For a .torrent
     * once, soon after the add; for a magnet when its metadata came. Returns the
     * piece that libtorrent shall go on wanting (it keeps us interested; its
     * requests are swallowed), or -1: it cannot be used, the torrent is stopped. */
    int64_t (*ready)(void *torrent, ltc_info *info);

    /* A block arrived and libtorrent accepted it. Keep it: copy the bytes and
     * return the slot (< slots) under which its write is withheld; no two
     * withheld writes share a slot. Or LTC_DROPPED. A call of `received` for the
     * same block comes right before, in the same call stack. Nobody tells when a
     * piece is complete: count. Blocks wholly inside padding never come. */
    int64_t (*block)(void *torrent, uint32_t piece, uint32_t block, const void *bytes,
                     uint32_t len);

    /* Give every withheld write of this torrent back (ltc_write_done) before
     * returning: it is paused, removed or the session ends. */
    void (*stop)(void *torrent);

    /* The last hook for this torrent; its ltc_torrent is gone. */
    void (*removed)(void *torrent);

    /* A connection begins (not yet established). False: refuse it. */
    bool (*peer_new)(void *torrent, ltc_peer *peer, const struct ltc_peer_addr *addr,
                     void **peer_user);
    /* The handshake is done: messages may be sent. `max_requests` is the number
     * of requests the peer says it accepts, 0 unknown; may be called again when
     * it says so later. */
    void (*peer_joined)(void *torrent, void *peer, bool fast_extension, uint32_t max_requests);
    /* The last hook for this peer. After it the ltc_peer must not be used. */
    void (*peer_left)(void *torrent, void *peer);
    void (*peer_choked)(void *torrent, void *peer);
    void (*peer_unchoked)(void *torrent, void *peer);
    void (*peer_rejected)(void *torrent, void *peer, uint32_t piece, uint32_t block);
    /* It has `piece` now, or, if that is -1, anything may have changed: ask
     * ltc_peer_has() again. Told once for each piece, so a flood of them costs the
     * caller what it does here; -1 is told no more than once a second after a few. */
    void (*peer_have)(void *torrent, void *peer, int64_t piece);
    /* A whole PIECE message came; libtorrent has not decided on it yet. */
    void (*received)(void *torrent, void *peer, uint32_t piece, uint32_t block, uint32_t len);
};

/* Start libtorrent. `hooks` and `user` must outlive the session; hooks may run
 * before this returns. */
int ltc_session_new(ltc_session **out, const struct ltc_settings *settings,
                    const struct ltc_hooks *hooks, void *user, struct ltc_error *err);
/* Ask everything to end: torrents stop, trackers are told (at most a second).
 * Does not block. [pump] */
void ltc_session_abort(ltc_session *s);
/* Wait for the end of the network thread and free. All hooks are over then.
 * May take as long as libtorrent needs: call it from a thread that may be left
 * behind. Calls ltc_session_abort() if nobody did. */
void ltc_session_free(ltc_session *s);

int64_t ltc_now_ns(ltc_session *s); /* CLOCK_MONOTONIC; the fake's own clock. [any] */
void ltc_wake(ltc_session *s); /* hooks->work soon; never fails, cheap when already due. [any] */

/* Change settings while it runs; no connection is dropped, but those above a
 * lowered `max_peers`. [pump] */
int ltc_set_limits(ltc_session *s, const struct ltc_limits *l);
int ltc_set_outgoing_utp(ltc_session *s, bool on); /* [pump] */
uint16_t ltc_listen_port(ltc_session *s);          /* 0: not listening (yet). [any] */

/* ---- events ---- */

enum ltc_event_kind {
    LTC_EVENT_LISTEN_FAILED = 1, /* text */
    LTC_EVENT_TORRENT_ERROR,     /* torrent, text: it is stopped */
    LTC_EVENT_TRACKER_ERROR,     /* torrent, text */
    LTC_EVENT_METADATA_FAILED,   /* torrent, text: from peers, not usable; others may follow */
    LTC_EVENT_LISTENING,         /* the port is known */
    LTC_EVENT_TWINS              /* torrent, other: of two magnets, one with the hash of v1
                                  * and one with that of v2, the metadata shows that they
                                  * are one. Both stand still until one of them is removed
                                  * and then the other told to ltc_torrent_go_on(). */
};

struct ltc_event {
    enum ltc_event_kind kind;
    void *torrent;  /* what ltc_torrent_add() was given, or NULL; may be removed by now:
                     * compare it with those you know before using it */
    void *other;    /* the same holds for it */
    char text[200]; /* escaped */
};

/* Wait for events, `timeout_ms` at most (-1: for ever), and fill up to `n`.
 * Returns how many; 0 on time-out or ltc_interrupt(). [pump] */
int ltc_wait_events(ltc_session *s, struct ltc_event *events, int n, int timeout_ms);
void ltc_interrupt(ltc_session *s); /* ends a wait, or the next one. [any] */

/* ---- torrents ---- */

struct ltc_add {
    ltc_info *info;              /* of a .torrent; NULL for a magnet, and then: */
    const uint8_t *v1_hash;      /* 20 bytes, or NULL */
    const uint8_t *v2_hash;      /* 32 bytes, or NULL */
    const char *name;            /* the magnet's dn, or NULL */
    const char *const *trackers; /* of a magnet; those of a .torrent are in `info` */
    size_t n_trackers;
    const struct sockaddr_storage *peers;
    size_t n_peers;
};

/* Add it: paused, then resumed, so that the peers given are dialled at once. The
 * call may wait for the network thread. -EEXIST: it is in the session. [pump] */
int ltc_torrent_add(ltc_session *s, ltc_torrent **out, const struct ltc_add *add, void *torrent,
                    struct ltc_error *err);
/* Leave the swarm. Asynchronous: hooks->stop, then hooks->removed. Not to be used
 * after this call. [pump] */
void ltc_torrent_remove(ltc_torrent *t);
int ltc_torrent_add_peer(ltc_torrent *t, const struct sockaddr_storage *sa); /* [pump] */
int ltc_torrent_go_on(ltc_torrent *t); /* after LTC_EVENT_TWINS. [pump] */
/* v2 metadata from a magnet comes without layers: copy what libtorrent has got
 * meanwhile. 1: all are known (see ltc_info_layer), 0: not yet. [pump] */
int ltc_torrent_fetch_layers(ltc_torrent *t, ltc_info *info);

/* ---- the network thread's own: [net] ---- */

/* The way without a scheduler, in a session whose libtorrent picks: it shall ask for
 * these pieces, in the order of their numbers, but the first `awaited` before the
 * others, and for nothing else. Pieces that are kept whole may stay in the list. A
 * torrent wants nothing until this is called. Cheap when nothing has changed. Does
 * nothing in a session whose libtorrent does not pick. */
void ltc_torrent_want(ltc_torrent *t, const uint32_t *pieces, size_t n, size_t awaited);

void ltc_write_done(
    ltc_session *s,
    uint32_t slot); /* answer a withheld write "aborted", soon; the slot is free at once */
bool ltc_peer_has(const ltc_peer *p, uint32_t piece);
bool ltc_peer_utp(const ltc_peer *p);  /* connected over uTP, not TCP */
void ltc_peer_interested(ltc_peer *p); /* say that we want something of it, unless it knows */
void ltc_peer_request(ltc_peer *p, uint32_t piece, uint32_t block,
                      uint32_t len); /* buffered until flush */
void ltc_peer_cancel(ltc_peer *p, uint32_t piece, uint32_t block, uint32_t len);
void ltc_peer_flush(ltc_peer *p);
void ltc_peer_ban(ltc_peer *p); /* disconnect; refuse it in peer_new */

#ifdef __cplusplus
}
#endif

#endif
