/* SPDX-License-Identifier: MIT
 *
 * The hooks of the smallest engine over lt-c, in the network thread. See rig.h. */
#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { FREE, ASKED, STORED, GIVEN_UP };

#define DEPTH 64

static uint32_t block_len(const struct rig_torrent *t, uint32_t n)
{
    const struct ltc_info_view *v = ltc_info_get(t->info);
    uint64_t off = (uint64_t)n * LTC_BLOCK;
    uint64_t left = v->total_size - off;
    return left < LTC_BLOCK ? (uint32_t)left : LTC_BLOCK;
}

static uint32_t blocks_of(const struct rig_torrent *t, uint32_t piece)
{
    uint32_t left = t->n_blocks - piece * t->per_piece;
    return left < t->per_piece ? left : t->per_piece;
}

static bool complete(const struct rig_torrent *t, uint32_t piece)
{
    for (uint32_t b = 0; b < blocks_of(t, piece); b++) {
        uint32_t n = piece * t->per_piece + b;
        if (t->block[n] != STORED && !t->pad[n])
            return false;
    }
    return true;
}

static void mark_pads(struct rig_torrent *t)
{
    const struct ltc_info_view *v = ltc_info_get(t->info);
    for (uint32_t f = 0; f < v->n_files; f++) {
        const struct ltc_file *file = &v->files[f];
        if (!(file->flags & LTC_FILE_PAD))
            continue;
        uint64_t first = (file->offset + LTC_BLOCK - 1) / LTC_BLOCK;
        uint64_t end = (file->offset + file->size) / LTC_BLOCK;
        for (uint64_t n = first; n < end; n++)
            t->pad[n] = true;
    }
}

static int64_t on_ready(void *torrent, ltc_info *info)
{
    struct rig_torrent *t = torrent;
    const struct ltc_info_view *v = ltc_info_get(info);
    pthread_mutex_lock(&t->rig->lock);
    t->readies++;
    if (!t->info)
        t->info = ltc_info_ref(info);
    t->per_piece = v->piece_length / LTC_BLOCK;
    t->n_blocks = (uint32_t)((v->total_size + LTC_BLOCK - 1) / LTC_BLOCK);
    t->block = calloc(t->n_blocks, 1);
    t->pad = calloc(t->n_blocks, sizeof *t->pad);
    t->whole = calloc(v->n_pieces, sizeof *t->whole);
    t->verified = calloc(v->n_pieces, sizeof *t->verified);
    t->drop = calloc(v->n_pieces, sizeof *t->drop);
    t->used = calloc(v->n_pieces, sizeof *t->used);
    mark_pads(t);
    bool refuse = t->refuse_ready;
    pthread_cond_broadcast(&t->rig->changed);
    pthread_mutex_unlock(&t->rig->lock);
    ltc_wake(t->rig->session);
    return refuse ? -1 : (int64_t)v->n_pieces - 1;
}

static void give_back(struct rig_torrent *t, uint32_t n)
{
    if (t->rig->withheld[t->first_slot + n]) {
        t->rig->withheld[t->first_slot + n] = false;
        ltc_write_done(t->rig->session, t->first_slot + n);
    }
    t->block[n] = FREE;
}

static void forget_piece(struct rig_torrent *t, uint32_t piece)
{
    t->drop[piece] = false;
    t->whole[piece] = false;
    t->verified[piece] = false;
    for (uint32_t b = 0; b < blocks_of(t, piece); b++) {
        if (t->block[piece * t->per_piece + b] == STORED)
            give_back(t, piece * t->per_piece + b);
    }
}

/* Would this block make its piece whole? */
static bool is_last(struct rig_torrent *t, uint32_t piece, uint32_t n)
{
    uint8_t before = t->block[n];
    t->block[n] = STORED;
    bool last = complete(t, piece);
    t->block[n] = before;
    return last;
}

/* libtorrent will count the block that is coming, and ask for the hash: all writes
 * of the piece are given back while that is unanswered. */
static void drop_at_last(struct rig_torrent *t, uint32_t piece)
{
    forget_piece(t, piece);
    for (uint32_t b = 0; t->drop_at_last && b < blocks_of(t, piece); b++)
        t->block[piece * t->per_piece + b] = GIVEN_UP;
    t->rig->last_drops++;
}

static int64_t on_block(void *torrent, uint32_t piece, uint32_t block, const void *bytes,
                        uint32_t len)
{
    struct rig_torrent *t = torrent;
    struct rig *r = t->rig;
    uint32_t n = piece * t->per_piece + block;
    int64_t slot = LTC_DROPPED;
    pthread_mutex_lock(&r->lock);
    r->blocks_in++;
    bool wanted = n < t->n_blocks && len == block_len(t, n) && t->wants && t->block[n] != STORED &&
                  !r->withheld[t->first_slot + n];
    if (t->rig->picks && (piece < t->want || piece >= t->want + t->want_n))
        wanted = false;
    bool last = wanted && is_last(t, piece, n);
    if (last && (t->drop_at_last || (t->spite && rand_r(&t->spite) % 8 == 0))) {
        drop_at_last(t, piece);
        wanted = false;
    }
    if (wanted) {
        slot = t->first_slot + n;
        r->withheld[slot] = true;
        t->block[n] = STORED;
        t->whole[piece] = last;
        memcpy(r->arena + (size_t)slot * LTC_BLOCK, bytes, len);
    } else {
        r->blocks_dropped++;
    }
    pthread_mutex_unlock(&r->lock);
    return slot;
}

static void on_stop(void *torrent)
{
    struct rig_torrent *t = torrent;
    pthread_mutex_lock(&t->rig->lock);
    t->stops++;
    t->wants = false;
    for (uint32_t n = 0; n < t->n_blocks; n++)
        give_back(t, n);
    pthread_mutex_unlock(&t->rig->lock);
}

static void on_removed(void *torrent)
{
    struct rig_torrent *t = torrent;
    pthread_mutex_lock(&t->rig->lock);
    t->removed++;
    pthread_cond_broadcast(&t->rig->changed);
    pthread_mutex_unlock(&t->rig->lock);
}

static bool on_peer_new(void *torrent, ltc_peer *peer, const struct ltc_peer_addr *addr,
                        void **user)
{
    struct rig_torrent *t = torrent;
    assert_true(addr->sa.ss_family == AF_INET || addr->sa.ss_family == AF_INET6);
    bool taken = false;
    pthread_mutex_lock(&t->rig->lock);
    assert_int_equal(t->removed, 0);
    for (int i = 0; i < RIG_PEERS && !taken && !t->refuse_peers; i++) {
        if (t->peers[i].peer)
            continue;
        t->peers[i] = (struct rig_peer){.torrent = t, .peer = peer, .choked = true};
        *user = &t->peers[i];
        taken = true;
        if (!t->dialled_ns)
            t->dialled_ns = ltc_now_ns(t->rig->session);
        pthread_cond_broadcast(&t->rig->changed);
    }
    pthread_mutex_unlock(&t->rig->lock);
    return taken;
}

static void on_peer_joined(void *torrent, void *peer, bool fast, uint32_t max_requests)
{
    struct rig_torrent *t = torrent;
    struct rig_peer *p = peer;
    (void)fast;
    (void)max_requests;
    pthread_mutex_lock(&t->rig->lock);
    assert_non_null(p->peer);
    if (!p->joined)
        t->joined++;
    p->joined = true;
    ltc_peer_interested(p->peer);
    pthread_cond_broadcast(&t->rig->changed);
    pthread_mutex_unlock(&t->rig->lock);
}

/* What one peer owes is free again; with several, a block may be asked twice,
 * which is fine here. */
static void release(struct rig_peer *p)
{
    struct rig_torrent *t = p->torrent;
    for (uint32_t n = 0; t->block && n < t->n_blocks; n++) {
        if (t->block[n] == ASKED)
            t->block[n] = FREE;
    }
    p->asked = 0;
}

static void on_peer_left(void *torrent, void *peer)
{
    struct rig_torrent *t = torrent;
    struct rig_peer *p = peer;
    pthread_mutex_lock(&t->rig->lock);
    assert_int_equal(t->removed, 0);
    assert_non_null(p->peer);
    release(p);
    p->peer = NULL;
    if (p->joined)
        t->left++;
    pthread_cond_broadcast(&t->rig->changed);
    pthread_mutex_unlock(&t->rig->lock);
}

static void on_choked(void *torrent, void *peer)
{
    struct rig_torrent *t = torrent;
    pthread_mutex_lock(&t->rig->lock);
    struct rig_peer *p = peer;
    p->choked = true;
    release(p);
    pthread_mutex_unlock(&t->rig->lock);
}

static void on_unchoked(void *torrent, void *peer)
{
    struct rig_torrent *t = torrent;
    pthread_mutex_lock(&t->rig->lock);
    ((struct rig_peer *)peer)->choked = false;
    pthread_mutex_unlock(&t->rig->lock);
    ltc_wake(t->rig->session);
}

static void answered(struct rig_torrent *t, struct rig_peer *p, uint32_t piece, uint32_t block)
{
    uint32_t n = piece * t->per_piece + block;
    pthread_mutex_lock(&t->rig->lock);
    assert_non_null(p->peer);
    if (p->asked)
        p->asked--;
    if (n < t->n_blocks && t->block[n] == ASKED)
        t->block[n] = FREE;
    pthread_mutex_unlock(&t->rig->lock);
}

static void on_rejected(void *torrent, void *peer, uint32_t piece, uint32_t block)
{
    answered(torrent, peer, piece, block);
}

static void on_received(void *torrent, void *peer, uint32_t piece, uint32_t block, uint32_t len)
{
    (void)len;
    answered(torrent, peer, piece, block);
}

static void on_have(void *torrent, void *peer, int64_t piece)
{
    struct rig_torrent *t = torrent;
    struct rig_peer *p = peer;
    pthread_mutex_lock(&t->rig->lock);
    if (piece < 0) {
        t->news++;
    } else {
        assert_true(ltc_peer_has(p->peer, (uint32_t)piece));
        t->haves++;
    }
    pthread_mutex_unlock(&t->rig->lock);
}

static bool is_right(const struct rig_torrent *t, uint32_t piece)
{
    for (uint32_t b = 0; b < blocks_of(t, piece); b++) {
        uint32_t n = piece * t->per_piece + b;
        const uint8_t *have = t->rig->arena + ((size_t)t->first_slot + n) * LTC_BLOCK;
        if (!t->pad[n] && memcmp(have, t->expected + (size_t)n * LTC_BLOCK, block_len(t, n)) != 0)
            return false;
    }
    return true;
}

static void check_pieces(struct rig_torrent *t)
{
    for (uint32_t p = 0; p < ltc_info_get(t->info)->n_pieces; p++) {
        if (t->whole[p]) {
            t->whole[p] = false;
            t->verified[p] = is_right(t, p);
            if (!t->verified[p]) {
                t->wrong++;
                forget_piece(t, p);
            }
            pthread_cond_broadcast(&t->rig->changed);
        }
        if (t->drop[p])
            forget_piece(t, p);
    }
}

static bool is_kept(const struct rig_torrent *t, uint32_t piece)
{
    for (uint32_t b = 0; b < blocks_of(t, piece); b++) {
        if (t->block[piece * t->per_piece + b] == STORED)
            return true;
    }
    return false;
}

/* Room for the window: those that were wanted longest ago go. */
static void make_room(struct rig_torrent *t, uint32_t n_pieces)
{
    uint32_t kept = 0;
    for (uint32_t p = 0; p < n_pieces; p++)
        kept += is_kept(t, p) && t->used[p] != t->n_wanted;
    for (; kept > 0 && kept + t->want_n > t->budget; kept--) {
        uint32_t oldest = n_pieces;
        for (uint32_t p = 0; p < n_pieces; p++) {
            if (t->used[p] != t->n_wanted && is_kept(t, p) &&
                (oldest == n_pieces || t->used[p] < t->used[oldest]))
                oldest = p;
        }
        forget_piece(t, oldest);
    }
}

static void tell_wants(struct rig_torrent *t)
{
    uint32_t pieces[64], n = 0, n_pieces = ltc_info_get(t->info)->n_pieces;
    t->n_wanted++;
    for (uint32_t p = t->want; p < t->want + t->want_n && p < n_pieces && n < 64; p++) {
        pieces[n++] = p;
        t->used[p] = t->n_wanted;
    }
    ltc_torrent_want(t->torrent, pieces, n, 1);
    make_room(t, n_pieces);
}

static void ask(struct rig_torrent *t, struct rig_peer *p)
{
    for (uint32_t n = 0; n < t->n_blocks && p->asked < DEPTH; n++) {
        uint32_t piece = n / t->per_piece;
        if (t->block[n] != FREE || t->pad[n] || !ltc_peer_has(p->peer, piece))
            continue;
        t->block[n] = ASKED;
        p->asked++;
        ltc_peer_request(p->peer, piece, n % t->per_piece, block_len(t, n));
    }
    ltc_peer_flush(p->peer);
}

static int64_t on_work(void *user)
{
    struct rig *r = user;
    pthread_mutex_lock(&r->lock);
    r->works++;
    r->last_drops_over = r->last_drops; /* answered when this returns */
    for (int i = 0; i < 64; i++) {
        struct rig_torrent *t = r->torrents[i];
        if (!t || !t->block || t->removed)
            continue;
        check_pieces(t);
        if (r->picks && t->wants)
            tell_wants(t);
        for (int k = 0; t->wants && !r->picks && k < RIG_PEERS; k++) {
            struct rig_peer *p = &t->peers[k];
            if (p->peer && p->joined && !p->choked)
                ask(t, p);
        }
    }
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return ltc_now_ns(NULL) + 50 * 1000000;
}

const struct ltc_hooks rig_hooks = {
    .work = on_work,
    .ready = on_ready,
    .block = on_block,
    .stop = on_stop,
    .removed = on_removed,
    .peer_new = on_peer_new,
    .peer_joined = on_peer_joined,
    .peer_left = on_peer_left,
    .peer_choked = on_choked,
    .peer_unchoked = on_unchoked,
    .peer_rejected = on_rejected,
    .peer_have = on_have,
    .received = on_received,
};
