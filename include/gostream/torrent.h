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
};

struct gos_add_opts {
    size_t struct_size;
    const char *const *peers; /* "HOST:PORT", IPv6 as "[::1]:6881"; addresses, no names */
    size_t n_peers;
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

struct gos_torrent_stats {
    size_t struct_size;
    uint32_t peers;          /* connected */
    uint32_t peers_unchoked; /* of them, those that answer requests now */
    uint64_t received;       /* bytes of blocks that arrived, ever */
    uint64_t verified;       /* bytes of pieces that were verified, ever */
    uint64_t dropped;        /* bytes that arrived and were not wanted any more */
    uint64_t failed_pieces;  /* pieces that did not match their hash */
    uint64_t banned_peers;
    uint64_t evicted_pieces;
    uint64_t resident; /* bytes of the arena that this torrent holds now */
    uint32_t waiting_reads;
};

struct gos_session_stats {
    size_t struct_size;
    uint64_t ram;        /* the budget */
    uint64_t arena_used; /* bytes in use or borrowed */
    uint64_t arena_peak;
    uint64_t borrowed; /* bytes that readers hold as slices */
    uint64_t received; /* sum over torrents, removed ones included */
    uint32_t waiting_reads;
    uint16_t listen_port; /* 0 until the socket is open */
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

/* Change the download limit of a running session; 0: none. No connection is
 * dropped.
 * Returns: 0.
 * Errors: GOS_EINVAL, GOS_ENOMEM, GOS_ECANCELED (session closed).
 * Threads: any; not from callbacks.
 * Since: 0.1 */
GOS_API int gos_session_set_download_limit(gos_session *s, uint64_t bytes_per_second);

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

/* Wait until the metadata is known. What a peer sends that is not usable is
 * logged and left, and other peers are asked. Of `io` the deadline and the
 * latch count; `idle_ns` and `flags` do not.
 * Returns: 0 when it is known.
 * Errors: GOS_EBUDGET (of a magnet: found out only now), GOS_EIO (libtorrent
 * stopped the torrent), GOS_ETIMEDOUT, GOS_ECANCELED, GOS_EINVAL, GOS_ENOMEM.
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
