/* SPDX-License-Identifier: MIT
 *
 * Files of a torrent as sources. A session owns the BitTorrent engine and one
 * arena of memory, which is the only home of torrent bytes: nothing is written
 * to disk. A torrent is added from the bytes of a .torrent file or from a
 * magnet link; once its metadata is known its files can be opened, each as a
 * `gos_source`. Reading fetches what is read and a window ahead of it; what no
 * reader is near makes room for others and is fetched again when it is wanted.
 *
 *     gos_session *s;
 *     gos_torrent *t;
 *     gos_source *film;
 *     gos_session_new(&s, NULL);
 *     gos_session_add_magnet(s, &t, "magnet:?xt=urn:btih:...", NULL);
 *     gos_torrent_wait(t, NULL);
 *     gos_torrent_open_file(t, 0, &film);
 *
 * Every byte that is read was verified against the torrent's hashes. Memory
 * that libtorrent itself cannot get is outside the promises of this library. */
#ifndef GOSTREAM_TORRENT_H
#define GOSTREAM_TORRENT_H

#include <stdbool.h>

#include <gostream/common.h>
#include <gostream/error.h>
#include <gostream/log.h>
#include <gostream/source.h>

GOS_BEGIN_DECLS

typedef struct gos_session gos_session;
typedef struct gos_torrent gos_torrent;

/* ---- options ---- */

/* Zero in a field is the default. */
struct gos_session_opts {
    size_t struct_size;
    uint64_t ram;          /* budget for torrent bytes; 256 MiB; at least 1 MiB */
    const char *listen;    /* "ADDR:PORT[,ADDR:PORT]"; all interfaces, port chosen by the system */
    uint64_t download_bps; /* bytes per second for all torrents; 0: no limit */
    uint32_t max_peers;    /* connections of the whole session; 200 */
    bool no_dht;           /* do not ask the distributed hash table for peers */
    bool no_lsd;           /* do not look for peers on the local network */
    bool no_pex;           /* do not exchange peers with peers */
    gos_log_fn log;
    void *log_user;
    enum gos_log_level log_level; /* GOS_LOG_INFO */
    uint32_t events;              /* GOS_EVENT_BIT() of each kind to be told; 0: none */
    int64_t sleep_after_ns; /* a torrent whose metadata is on disk leaves the swarm when it was
                             * not read for so long; 10 minutes; negative: never */
    bool libtorrent_picks;  /* requests are chosen by libtorrent, not by our scheduler: slower to
                             * seek; to compare, and where ours is suspected of a fault */
};

struct gos_add_opts {
    size_t struct_size;
    const char *const *peers; /* "HOST:PORT", IPv6 as "[::1]:6881"; addresses, no names */
    size_t n_peers;
    bool asleep; /* gos_session_add_file() only: known, but not in the swarm before it is read */
};

/* What a reader is going to do. */
enum gos_reader_kind {
    GOS_READER_AUTO = 0, /* it shows: little ahead after a jump, more as it reads on */
    GOS_READER_PLAY,     /* in sequence from wherever it begins: much ahead at once */
    GOS_READER_PROBE,    /* here and there: nothing but what it asks for is fetched */
    GOS_READER_PREFETCH, /* nobody waits for it: it comes after everybody else */
};

/* Zero in a field is the default. */
struct gos_torrent_reader_opts {
    size_t struct_size;
    enum gos_reader_kind kind;
    uint64_t ahead;   /* bytes to fetch ahead at most; 64 MiB, and what the budget allows */
    int64_t ahead_ns; /* ... and at most what it reads in this time; 30 s */
    uint64_t behind;  /* bytes kept behind it for seeks back; 8 MiB, and what the budget allows */
    uint64_t rate;    /* bytes per second it will be read at, where that is known; else measured */
};

/* ---- what is known of a torrent ---- */

/* Flags of a file. */
#define GOS_FILE_RENAMED 1u /* its name in the torrent was not usable and was cleaned */

struct gos_file_info {
    size_t struct_size;
    const char
        *path; /* relative, '/' between parts, never "..": safe to create; lives with the torrent */
    uint64_t size;
    uint32_t flags; /* GOS_FILE_... */
};

struct gos_torrent_info {
    size_t struct_size;
    const char *name;      /* cleaned as a file name; lives with the torrent */
    bool multi_file;       /* the paths of its files belong in a folder `name` */
    uint64_t total_size;   /* bytes of all files that can be opened */
    uint32_t piece_length; /* bytes */
    uint32_t n_pieces;
    size_t n_files;      /* files that can be opened: no padding, no links */
    uint32_t n_symlinks; /* left out */
    uint32_t n_renamed;  /* files whose names had to be cleaned */
    int64_t created;     /* seconds since 1970, 0 where the torrent does not say */
    char info_hash[65];  /* hexadecimal; of v1 where there is one, else of v2 */
};

/* What came over the line, in bytes of blocks, ever. Each byte received is in
 * exactly one of the next six, but for blocks of pieces that are not complete yet. */
struct gos_traffic {
    uint64_t received;
    uint64_t verified;  /* of pieces that matched their hash */
    uint64_t failed;    /* of pieces that did not */
    uint64_t late;      /* of pieces that nobody wanted any more when they came */
    uint64_t redundant; /* that were there already: asked twice, or sent twice */
    uint64_t refused;   /* from another peer than the one that had to be asked */
    uint64_t kept_up;   /* asked for only to keep the peer */
    uint64_t hedged;    /* asked a second time because the first was late (no matter which came) */
    uint64_t rate;      /* bytes received per second, of late */
};

struct gos_torrent_stats {
    size_t struct_size;
    uint32_t peers;          /* connected */
    uint32_t peers_unchoked; /* of them, those that answer requests now */
    uint64_t received;       /* bytes of blocks that arrived, ever */
    uint64_t verified;       /* bytes of pieces that were verified, ever */
    uint64_t dropped;        /* bytes that came for nothing: late, redundant, refused, kept_up */
    uint64_t failed_pieces;  /* pieces that did not match their hash */
    uint64_t banned_peers;
    uint64_t evicted_pieces;
    uint64_t resident; /* bytes of the arena that this torrent holds now */
    uint32_t waiting_reads;
    uint32_t peers_connecting;
    uint32_t peers_stalled; /* unchoked, and silent for too long */
    bool asleep;            /* not in the swarm */
    struct gos_traffic traffic;
    int64_t hash_ns; /* time spent on verifying, ever */
};

struct gos_session_stats {
    size_t struct_size;
    uint64_t ram;        /* the budget */
    uint64_t arena_used; /* bytes in use or borrowed */
    uint64_t arena_peak;
    uint64_t borrowed; /* bytes that readers hold as slices */
    uint64_t received; /* sum over torrents, removed ones included */
    uint32_t waiting_reads;
    uint16_t listen_port;       /* 0 until the socket is open */
    struct gos_traffic traffic; /* sums over torrents, removed ones included */
    int64_t hash_ns;
    uint32_t torrents; /* known */
    uint32_t awake;    /* of them, in the swarm */
    uint32_t peers, peers_unchoked, peers_connecting, peers_stalled;
};

/* One reader: a source that gos_torrent_open_file() or _open_reader() made. */
struct gos_torrent_reader_stats {
    size_t struct_size;
    uint64_t id; /* as in events */
    enum gos_reader_kind kind;
    uint64_t reads;           /* begun, ever */
    uint64_t hits;            /* of them, those that were answered at once from memory */
    uint64_t bytes;           /* given, ever */
    uint64_t jumps;           /* reads that did not go on where one of the last had ended */
    uint32_t waiting;         /* reads that wait now */
    int64_t blocked_ns;       /* time in which at least one read waited, ever */
    int64_t blocked_since_ns; /* CLOCK_MONOTONIC; 0: none waits */
    int64_t longest_wait_ns;  /* of a read that has ended */
    uint64_t position;        /* end of the last read */
    uint64_t rate;            /* bytes per second it reads, of late; 0: not known */
    uint64_t window;          /* bytes to be fetched from `position` on */
    uint64_t ready;           /* of them, those that could be read now without waiting */
};

/* ---- events ---- */

/* What happened, told in the order of time. A thread can wait for events, or a
 * loop of its own can poll:
 *
 *     struct pollfd p = {.fd = gos_session_event_fd(s), .events = POLLIN};
 *     while (poll(&p, 1, -1) > 0)
 *         while (gos_session_next_event(s, &event, 0) > 0)
 *             act_on(&event);
 *
 * What an event says may have changed when it is read; figures are of now. */
enum gos_event_kind {
    GOS_EVENT_METADATA = 1, /* of a torrent is known; told once */
    GOS_EVENT_PIECE,        /* verified; `piece` */
    GOS_EVENT_BAD_PIECE,    /* did not match its hash and is fetched again; `piece` */
    GOS_EVENT_PEER_JOINED,  /* its handshake is done; `peer` */
    GOS_EVENT_PEER_LEFT,    /* one that had joined; `peer` */
    GOS_EVENT_PEER_BANNED,  /* it sent wrong data; `peer` */
    GOS_EVENT_ERROR,        /* the torrent stopped: `code`, `text` */
    GOS_EVENT_BLOCKED,      /* a reader waits for a second already: `reader`, `since_ns` */
    GOS_EVENT_UNBLOCKED,    /* it does not any more: `reader`, `since_ns` as it was told */
    GOS_EVENT_AWAKE,        /* a torrent that slept is in the swarm */
    GOS_EVENT_ASLEEP,
    GOS_EVENT_REMOVED,  /* nobody held it any more */
    GOS_EVENT_LOST = 31 /* here `lost` events were not taken in time; needs not be asked for */
};
#define GOS_EVENT_BIT(kind) (UINT32_C(1) << (kind))
#define GOS_EVENT_ALL (~UINT32_C(0))

struct gos_event {
    size_t struct_size;
    enum gos_event_kind kind;
    int64_t time_ns;  /* CLOCK_MONOTONIC */
    uint64_t torrent; /* gos_torrent_id(); 0: of the session */
    uint64_t reader;  /* gos_torrent_reader_stats.id */
    int64_t since_ns; /* when its oldest read that waits began */
    uint64_t lost;
    uint32_t piece;
    int code;       /* GOS_E... */
    char peer[56];  /* "ADDRESS:PORT", IPv6 as "[::1]:6881" */
    char text[200]; /* what went wrong, in words */
};

/* ---- session ---- */

/* Start the engine: its threads, its arena, its listening socket.
 * Returns: 0.
 * Errors: GOS_EINVAL, GOS_ENOMEM, GOS_E2BIG (unknown options), -errno.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_session_new(gos_session **out, const struct gos_session_opts *opts);

/* End the session and free it; NULL is fine. Pending reads end with
 * GOS_ECANCELED. Sources and torrents may outlive it: their reads give
 * GOS_ECANCELED, and they are unref'd as usual. Trackers are told, for
 * `timeout_ns` at most (0: 1 s); past that the rest is left to the system.
 * Returns: 0; GOS_ETIMEDOUT if threads of the engine had to be left behind.
 * Errors: GOS_EDEADLK from inside a callback of the session (nothing happened).
 * Threads: one, once; not from callbacks.
 * Since: 0.1 */
GOS_API int gos_session_close(gos_session *s, int64_t timeout_ns);

/* Figures of now.
 * Returns: 0; `out->struct_size` must be set by the caller.
 * Errors: GOS_EINVAL.
 * Threads: any; never blocks for long.
 * Since: 0.1 */
GOS_API int gos_session_get_stats(gos_session *s, struct gos_session_stats *out);

/* What can be changed while a session runs; no connection is dropped, but those
 * above a lowered `max_peers`. Zero in a field is the default, as in the options. */
struct gos_session_limits {
    size_t struct_size;
    uint64_t download_bps; /* 0: no limit */
    uint32_t max_peers;    /* 0: 200 */
    uint64_t ahead;        /* bytes ahead of any reader at most; 0: 64 MiB */
    bool no_dht, no_lsd;
};

/* The limits in force, defaults filled in.
 * Returns: 0; `out->struct_size` must be set by the caller.
 * Errors: GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_session_get_limits(gos_session *s, struct gos_session_limits *out);

/* Change them: all of them take the values given. To change one, get them, change
 * it, set them.
 * Returns: 0.
 * Errors: GOS_EINVAL, GOS_E2BIG (unknown fields), GOS_ENOMEM, GOS_ECANCELED
 * (session closed).
 * Threads: any; not from callbacks.
 * Since: 0.1 */
GOS_API int gos_session_set_limits(gos_session *s, const struct gos_session_limits *limits);

/* Take the oldest event of the kinds that the session's options named, waiting
 * `timeout_ns` at most (0: not at all, negative: for ever). Each event is given
 * once, to one caller. Up to 1,024 are kept; what comes when the store is full is
 * counted, and GOS_EVENT_LOST says, in its place, how many. A thread that waits
 * when the session closes is woken; as with every function, none may be called
 * when gos_session_close() has returned. `out->struct_size` must be set by the
 * caller.
 * Returns: 1 and `*out`; 0 if there was none in time.
 * Errors: GOS_EINVAL, GOS_ECANCELED (session closing, and no event is left).
 * Threads: any; not from callbacks when it may wait.
 * Since: 0.1 */
GOS_API int gos_session_next_event(gos_session *s, struct gos_event *out, int64_t timeout_ns);

/* A descriptor that is readable while there are events, for poll(2). It stays
 * the session's: do not read or close it, and stop polling before the session is
 * closed.
 * Returns: the descriptor.
 * Errors: GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_session_event_fd(gos_session *s);

/* ---- torrents ---- */

/* Add a torrent from the `len` bytes of a .torrent file. Its metadata is known
 * when this returns. One reference is the caller's.
 * Returns: 0.
 * Errors: GOS_EMETADATA (the sentence says what is wrong with it), GOS_EBUDGET,
 * GOS_EEXIST (in this session already), GOS_EINVAL, GOS_ENOMEM, GOS_ECANCELED
 * (session closed).
 * Threads: any; not from callbacks.
 * Since: 0.1 */
GOS_API int gos_session_add_torrent(gos_session *s, gos_torrent **out, const void *bytes,
                                    size_t len, const struct gos_add_opts *opts);

/* Add a torrent from a magnet link (BEP 9; btih in hex or base32, btmh; tr and
 * x.pe are used). Its metadata comes from peers: gos_torrent_wait().
 * Returns: 0.
 * Errors: GOS_EMETADATA (no hash, or two different ones), GOS_EEXIST,
 * GOS_EINVAL, GOS_ENOMEM, GOS_ECANCELED (session closed).
 * Threads: any; not from callbacks.
 * Since: 0.1 */
GOS_API int gos_session_add_magnet(gos_session *s, gos_torrent **out, const char *uri,
                                   const struct gos_add_opts *opts);

/* Add a torrent from a .torrent file on disk. The engine keeps the path: the
 * torrent can leave the swarm when it is not read (`sleep_after_ns`) and comes
 * back, from the file, with its next read. With `asleep` in `opts` it is not
 * even added before that. A torrent that sleeps costs memory for the names and
 * sizes of its files, no more. A read of it when the file is gone, or is
 * another torrent's, gives GOS_EMETADATA.
 * Returns: 0.
 * Errors: as gos_session_add_torrent(), and -errno of reading the file.
 * Threads: any; not from callbacks.
 * Since: 0.1 */
GOS_API int gos_session_add_file(gos_session *s, gos_torrent **out, const char *path,
                                 const struct gos_add_opts *opts);

/* A number that names the torrent in events; never used again in this process.
 * Returns: the number; 0 for NULL.
 * Errors: none.
 * Threads: any.
 * Since: 0.1 */
GOS_API uint64_t gos_torrent_id(const gos_torrent *t);

/* Wait until the metadata is known. What a peer sends that is not usable is
 * logged and left, and other peers are asked. Of `io` the deadline and the
 * latch count; `idle_ns` and `flags` do not.
 * Returns: 0 when it is known.
 * Errors: of a magnet, found out only now: GOS_EBUDGET, GOS_EEXIST (it is the
 * same torrent as another one). GOS_EIO (libtorrent stopped the torrent),
 * GOS_ETIMEDOUT, GOS_ECANCELED, GOS_EINVAL, GOS_ENOMEM.
 * Threads: any; not from callbacks.
 * Since: 0.1 */
GOS_API int gos_torrent_wait(gos_torrent *t, const struct gos_io *io);

/* Connect to one more peer, "HOST:PORT" with an address for HOST. The engine
 * remembers it and tries again when the connection breaks.
 * Returns: 0.
 * Errors: GOS_EINVAL, GOS_ENOMEM, GOS_ECANCELED (session closed).
 * Threads: any; not from callbacks.
 * Since: 0.1 */
GOS_API int gos_torrent_add_peer(gos_torrent *t, const char *peer);

/* What the metadata says; `out->struct_size` must be set by the caller.
 * Returns: 0.
 * Errors: GOS_EAGAIN (no metadata yet), GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_torrent_get_info(gos_torrent *t, struct gos_torrent_info *out);

/* One file, by index from 0; files of length 0 are among them, padding and
 * symbolic links are not. `out->struct_size` must be set by the caller.
 * Returns: 0.
 * Errors: GOS_EAGAIN (no metadata yet), GOS_ENOENT (no such index), GOS_EINVAL.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_torrent_get_file(gos_torrent *t, size_t index, struct gos_file_info *out);

/* Open a file as a source. Each call makes a source of its own, with its own
 * idea of where it is being read; open one per consumer. It keeps the torrent.
 * Returns: 0.
 * Errors: GOS_EAGAIN (no metadata yet), GOS_ENOENT, GOS_EINVAL, GOS_ENOMEM.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_torrent_open_file(gos_torrent *t, size_t index, gos_source **out);

/* The same, with a say in how it is going to be read. NULL for `opts`: as
 * gos_torrent_open_file().
 * Returns: 0.
 * Errors: GOS_EAGAIN (no metadata yet), GOS_ENOENT, GOS_EINVAL, GOS_E2BIG
 * (unknown options), GOS_ENOMEM.
 * Threads: any.
 * Since: 0.1 */
GOS_API int gos_torrent_open_reader(gos_torrent *t, size_t index,
                                    const struct gos_torrent_reader_opts *opts, gos_source **out);

/* Change what a reader is going to do.
 * Returns: 0.
 * Errors: GOS_EINVAL (not a file of a torrent, or no such kind).
 * Threads: any; never blocks.
 * Since: 0.1 */
GOS_API int gos_torrent_reader_set_kind(gos_source *reader, enum gos_reader_kind kind);

/* Figures of one reader; `out->struct_size` must be set by the caller.
 * Returns: 0.
 * Errors: GOS_EINVAL (not a file of a torrent).
 * Threads: any; never blocks for long.
 * Since: 0.1 */
GOS_API int gos_torrent_reader_get_stats(gos_source *reader, struct gos_torrent_reader_stats *out);

/* Figures of now; `out->struct_size` must be set by the caller.
 * Returns: 0.
 * Errors: GOS_EINVAL.
 * Threads: any; never blocks for long.
 * Since: 0.1 */
GOS_API int gos_torrent_get_stats(gos_torrent *t, struct gos_torrent_stats *out);

/* Give the reference back; NULL is fine. When neither a reference nor a source
 * of the torrent is left, it leaves the swarm and its memory is free again.
 * Returns: nothing.
 * Errors: none.
 * Threads: any; never waits.
 * Since: 0.1 */
GOS_API void gos_torrent_unref(gos_torrent *t);

GOS_END_DECLS

#endif
