/* SPDX-License-Identifier: MIT
 *
 * A scripted swarm: the second implementation of lt-c.h, in C, with its own
 * clock. A real thread plays libtorrent's network thread and runs every hook;
 * what peers do follows from a script, a seed and the clock, so a test that
 * moves the clock itself sees the same swarm each time.
 *
 * A torrent is a text that ltc_info_parse() takes in place of a .torrent:
 *
 *   fake-torrent 1
 *   name film.mkv
 *   piece 262144
 *   seed 7                     see fake_lt_pattern()
 *   file film.mkv 10000000     any number; size last, so a path may hold spaces
 *   renamed a/b.mkv 5000       a file whose path was cleaned
 *   pad 1000                   padding
 *   empty c.nfo                a file of no bytes
 *   symlink d.mkv
 *   multi                      multi-file although there is one file
 *   v2 | hybrid                kind; v1 if not told. Files are aligned to pieces
 *   created 1700000000
 *   metadata good|late|wrong|never   as a magnet: late is a wrong answer, then a good one
 *   metadata_ms 20             from the first handshake; 0 if not told
 *   layers_ms 100              v2 as a magnet: from the metadata; -1 never; 0 if not told
 *   peers_leave_first          on stop and removal peer_left comes before stop
 *   peer latency_ms=40 rate=5000000 n=3
 *
 * A file's bytes are fake_lt_pattern(seed + i) of the offset in the file, where
 * i counts `file` and `renamed` lines that have bytes, from 0. The hashes of a torrent are those
 * of its script. For a magnet, register the script first.
 *
 * Peers connect by themselves (a tracker told us) unless `dial` says otherwise.
 * Attributes, all numbers; -1 means never or none:
 *   n=1                how many peers like this (a line of a script only)
 *   addr=1.2.3.4:5     or [v6]:port; with n, the port counts up. Else 10.x.x.x
 *   incoming=1         it connected to us
 *   dial=1             only when its address is dialled
 *   dead=1             never answers: leaves after 5 s
 *   utp=1              connected over uTP
 *   utp_only=1         and dead until outgoing uTP is on
 *   at_ms=0            connects this long after the add
 *   latency_ms=0       there and back again
 *   rate=0             bytes a second, 0 is boundless
 *   cap=500            requests it says it accepts, 0: it does not say
 *   cap_late_ms=0      says so this long after the handshake, in a second
 *                      peer_joined; -1: in the first
 *   real_cap=-1        accepts only so many: the others are rejected behind the
 *                      queued data (0: it rejects all)
 *   fast=1             fast extension
 *   have=all           or none, or 0-5,9
 *   gains_ms=-1        one more piece each
 *   have_spam_ms=-1    peer_have of everything without news each
 *   unchoke_ms=0       after we said that we are interested; -1 never
 *   choke_every_ms=-1  chokes so long after each unchoke
 *   choke_for_ms=100   and for so long
 *   corrupt=none       or pieces, 3,7-9: their blocks are wrong
 *   corrupt_block=-1   only this block of each of them
 *   corrupt_ppm=0      of a million blocks so many are wrong, by the seed
 *   corrupt_times=-1   at most
 *   stall_after=-1     goes silent after so many blocks
 *   disconnect_after=-1  leaves after each so many blocks
 *   reconnect_ms=-1    comes back after it left
 *   idle_ms=-1         leaves when it unchoked us and is asked nothing so long
 *   ignores_cancel=1   drops a cancelled request without a REJECT
 *   dup=1              sends each block twice
 *   unasked_ms=-1      sends a block nobody asked for each */
#ifndef GOS_SUPPORT_FAKE_LT_H
#define GOS_SUPPORT_FAKE_LT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lt-c/lt-c.h"

/* ---- before a session ---- */

/* MANUAL: time moves by fake_lt_advance() only, from FAKE_LT_START_NS on. REAL:
 * CLOCK_MONOTONIC. For sessions made from now on. A program that cannot call
 * this sets FAKE_LT_CLOCK=real in the environment, and may name script files
 * for magnets in FAKE_LT_SCRIPTS, with ':' between them. */
enum fake_lt_mode { FAKE_LT_MANUAL, FAKE_LT_REAL };
#define FAKE_LT_START_NS INT64_C(1000000000000)
void fake_lt_set_mode(enum fake_lt_mode mode);

/* Let magnets find this script. False: it does not parse. */
bool fake_lt_register(const char *script);
/* What a script's magnet carries; NULL where not wanted. */
void fake_lt_hashes(const char *script, uint8_t v1[20], uint8_t v2[32]);

/* Answer hashes behind the write aborts of the same hook, the wrong way round,
 * to see that fake_lt_lost_pieces() tells. For sessions made from now on. */
void fake_lt_break_order(bool on);

/* The next calls of these fail with `rc`, after `skip` that do not. */
enum fake_lt_call { FAKE_LT_NEW, FAKE_LT_PARSE, FAKE_LT_ADD, FAKE_LT_CALLS };
void fake_lt_fail_next(enum fake_lt_call call, unsigned skip, int rc);
/* In the middle of the next one that fails so, in its thread: what could come
 * between the failure and what is done about it. */
void fake_lt_as_it_fails(void (*run)(void *arg), void *arg);

/* Back to the first state: mode, scripts, failures, counters that outlive a
 * session. For a test's set-up; no session may be alive. */
void fake_lt_reset(void);

/* ---- content ---- */

/* The bytes of support/data.h. */
void fake_lt_pattern(uint64_t seed, uint64_t off, void *buf, size_t len);
bool fake_lt_pattern_is(uint64_t seed, uint64_t off, const void *buf, size_t len);

/* ---- judgement: over all sessions since the reset ---- */

/* The first misuse of lt-c.h that was seen, in words, or NULL; and how many. */
const char *fake_lt_violation(void);
unsigned fake_lt_violations(void);
/* How often all write aborts of a piece ran while its hash was unanswered: with
 * libtorrent such a piece may never be fetched again. See fake_lt_break_order(). */
unsigned fake_lt_lost_pieces(void);

/* ---- the session under test; any thread but the network thread's hooks ---- */

ltc_session *fake_lt_last_session(void); /* the newest that is not freed, or NULL */

/* MANUAL: let `ns` pass, running what becomes due in its order, and return when
 * the network thread has nothing to do. Other threads of the engine run beside. */
void fake_lt_advance(ltc_session *s, int64_t ns);
/* Wait until the network thread has nothing to do right now. */
void fake_lt_settle(ltc_session *s);
/* Let time pass in steps until `is_so(arg)`, giving other threads a moment after
 * each step. False: it is not so after `limit_ns`, and a second of real time
 * more. REAL: waits that long. */
bool fake_lt_run_until(ltc_session *s, bool (*is_so)(void *), void *arg, int64_t step_ns,
                       int64_t limit_ns);
/* While held ltc_session_free() does not return (a tracker that does not answer). */
void fake_lt_hold_end(bool hold);

/* An event for ltc_wait_events(). `torrent`: its index, or -1. */
void fake_lt_emit(ltc_session *s, enum ltc_event_kind kind, int torrent, const char *text);
/* LTC_EVENT_TWINS of two torrents. */
void fake_lt_emit_twins(ltc_session *s, int torrent, int other);
/* LTC_EVENT_TORRENT_ERROR: it is stopped, its peers leave. */
void fake_lt_emit_error(ltc_session *s, int torrent, const char *text);

/* ---- peers: torrents and peers count from 0 in the order they were added ---- */

int fake_lt_peer_add(ltc_session *s, int torrent, const char *attributes); /* its index, or -1 */
/* Change attributes of a peer; what it has not begun yet follows them. */
bool fake_lt_peer_set(ltc_session *s, int torrent, int peer, const char *attributes);
void fake_lt_peer_drop(ltc_session *s, int torrent, int peer); /* it leaves */
void fake_lt_peer_choke(ltc_session *s, int torrent, int peer, bool choked);
void fake_lt_peer_have(ltc_session *s, int torrent, int peer,
                       const char *pieces); /* from now on, as have= */
void fake_lt_peer_send(ltc_session *s, int torrent, int peer, uint32_t piece, uint32_t block);

/* ---- what was seen ---- */

struct fake_lt_stats {
    uint64_t requests, cancels, rejects; /* requests and cancels as they left us */
    uint64_t blocks, bytes;              /* that came from peers */
    uint64_t redundant;                  /* came while libtorrent thought it had them */
    uint64_t dropped;                    /* LTC_DROPPED */
    uint64_t corrupted;
    uint64_t connections, unchoked; /* now */
    uint64_t joins, refused, bans;
    uint64_t hashes;           /* asked by libtorrent, each answered at once */
    uint64_t withheld, aborts; /* now; given back */
    uint64_t works;
    uint64_t goes_on; /* ltc_torrent_go_on() */
    uint64_t download_limit, max_peers;
    bool outgoing_utp, dht, lsd;
};
void fake_lt_get_stats(ltc_session *s, struct fake_lt_stats *out);

struct fake_lt_peer_stats {
    uint64_t requests, cancels, rejects, blocks, corrupted, joins, refused, bans;
    uint64_t most_outstanding; /* the most requests it had from us at a time */
    bool connected, joined, unchoked, interested;
};
bool fake_lt_get_peer_stats(ltc_session *s, int torrent, int peer, struct fake_lt_peer_stats *out);
/* How many requests left us for a block, over all peers. */
unsigned fake_lt_block_requests(ltc_session *s, int torrent, uint32_t piece, uint32_t block);

/* The order of things: the last FAKE_LT_LOG of them. `a` and `b` are piece and
 * block where there are such. */
enum fake_lt_what {
    FAKE_LT_PEER_NEW = 1,
    FAKE_LT_PEER_JOINED,
    FAKE_LT_PEER_LEFT,
    FAKE_LT_PEER_CHOKED,
    FAKE_LT_PEER_UNCHOKED,
    FAKE_LT_PEER_REJECTED,
    FAKE_LT_PEER_BANNED,
    FAKE_LT_INTERESTED,
    FAKE_LT_REQUEST,
    FAKE_LT_CANCEL,
    FAKE_LT_RECEIVED,
    FAKE_LT_BLOCK_KEPT,
    FAKE_LT_BLOCK_DROPPED,
    FAKE_LT_HASH_ASKED,
    FAKE_LT_HASH_ANSWERED,
    FAKE_LT_WRITE_ABORTED,
    FAKE_LT_READY,
    FAKE_LT_STOP,
    FAKE_LT_REMOVED
};
#define FAKE_LT_LOG 16384
struct fake_lt_log_entry {
    int64_t at_ns;
    enum fake_lt_what what;
    int torrent, peer; /* -1 where there is none */
    uint32_t a, b;
};
/* Copies the last `n` entries at most, oldest first; returns how many. */
size_t fake_lt_log(ltc_session *s, struct fake_lt_log_entry *out, size_t n);

#endif
