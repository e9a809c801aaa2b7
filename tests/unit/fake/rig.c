/* SPDX-License-Identifier: MIT
 *
 * See rig.h. */
#include "rig.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static uint32_t n_blocks(const struct rig *r, uint32_t piece)
{
    const struct ltc_info_view *v = ltc_info_get(r->ready_info);
    uint64_t left = v->total_size - (uint64_t)piece * v->piece_length;
    uint64_t size = left < v->piece_length ? left : v->piece_length;
    return (uint32_t)((size + LTC_BLOCK - 1) / LTC_BLOCK);
}

static uint32_t block_size(const struct rig *r, uint32_t piece, uint32_t block)
{
    const struct ltc_info_view *v = ltc_info_get(r->ready_info);
    uint64_t off = (uint64_t)piece * v->piece_length + (uint64_t)block * LTC_BLOCK;
    uint64_t left = v->total_size - off;
    return left < LTC_BLOCK ? (uint32_t)left : LTC_BLOCK;
}

static void give_back(struct rig *r, uint32_t piece)
{
    for (uint32_t b = 0; b < n_blocks(r, piece); b++) {
        if (r->state[piece][b] != 2)
            continue;
        ltc_write_done(r->session, (uint32_t)r->slot_of[piece][b]);
        r->slot_used[r->slot_of[piece][b]] = false;
        r->state[piece][b] = 0;
    }
}

static bool is_right(const struct rig *r, uint32_t piece)
{
    const struct ltc_info_view *v = ltc_info_get(r->ready_info);
    uint8_t got[20];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_DigestInit_ex(ctx, EVP_sha1(), NULL);
    for (uint32_t b = 0; b < n_blocks(r, piece); b++)
        EVP_DigestUpdate(ctx, r->bytes + (size_t)r->slot_of[piece][b] * LTC_BLOCK,
                         block_size(r, piece, b));
    EVP_DigestFinal_ex(ctx, got, NULL);
    EVP_MD_CTX_free(ctx);
    return !memcmp(got, v->piece_hashes + 20 * (size_t)piece, 20);
}

static void ban_senders(struct rig *r, uint32_t piece)
{
    for (uint32_t b = 0; r->ban_liars && b < n_blocks(r, piece); b++)
        if (r->asked_of[piece][b] && r->asked_of[piece][b]->lt)
            ltc_peer_ban(r->asked_of[piece][b]->lt);
}

static void check(struct rig *r, uint32_t piece)
{
    r->to_check[piece] = false;
    bool right = is_right(r, piece);
    if (right) {
        atomic_store(&r->verified[piece], true);
        atomic_fetch_add(&r->n_verified, 1);
        return;
    }
    atomic_fetch_add(&r->n_bad, 1);
    ban_senders(r, piece);
    give_back(r, piece);
}

static struct rig_peer *peer_with_room(struct rig *r, uint32_t piece, const struct rig_peer *but)
{
    for (uint32_t k = 0; k < atomic_load(&r->n_peers); k++) {
        struct rig_peer *p = &r->peers[k];
        uint32_t most = p->cap && p->cap < r->most_requests ? p->cap : r->most_requests;
        if (p->lt && p->joined && !p->choked && p != but && p->outstanding < most &&
            ltc_peer_has(p->lt, piece))
            return p;
    }
    return NULL;
}

static void forget_late(struct rig *r, uint32_t piece, uint32_t block, int64_t now)
{
    struct rig_peer *p = r->asked_of[piece][block];
    if (!r->ask_again_ns || r->state[piece][block] != 1)
        return;
    int64_t due = r->asked_at[piece][block] + r->ask_again_ns;
    if (now < due) {
        r->work_again = due < r->work_again ? due : r->work_again;
        return;
    }
    ltc_peer_cancel(p->lt, piece, block, block_size(r, piece, block));
    p->outstanding--;
    r->state[piece][block] = 0;
}

static void ask(struct rig *r, uint32_t piece, uint32_t block)
{
    int64_t now = ltc_now_ns(r->session);
    forget_late(r, piece, block, now);
    if (r->state[piece][block])
        return;
    struct rig_peer *last = r->ask_again_ns ? r->asked_of[piece][block] : NULL;
    struct rig_peer *p = peer_with_room(r, piece, last);
    if (!p)
        return;
    ltc_peer_request(p->lt, piece, block, block_size(r, piece, block));
    p->outstanding++;
    r->state[piece][block] = 1;
    r->asked_of[piece][block] = p;
    r->asked_at[piece][block] = now;
}

static void work_on_piece(struct rig *r, uint32_t p)
{
    if (r->to_check[p])
        check(r, p);
    if (atomic_exchange(&r->evict[p], false)) {
        give_back(r, p);
        if (atomic_exchange(&r->verified[p], false))
            atomic_fetch_sub(&r->n_verified, 1);
    }
    for (uint32_t b = 0;
         b < n_blocks(r, p) && !atomic_load(&r->verified[p]) && !r->libtorrent_picks; b++)
        ask(r, p, b);
}

static void want_all(struct rig *r)
{
    uint32_t wanted[RIG_PIECES], n = ltc_info_get(r->ready_info)->n_pieces;
    for (uint32_t p = 0; p < n; p++)
        wanted[p] = n - 1 - p;
    ltc_torrent_want(r->torrent, wanted, n, r->awaited);
}

static int64_t work(void *user)
{
    struct rig *r = user;
    atomic_fetch_add(&r->works, 1);
    r->work_again = atomic_load(&r->busy) ? 0 : INT64_MAX;
    void (*in_work)(struct rig *) = atomic_load(&r->in_work);
    if (in_work)
        in_work(r);
    if (!atomic_load(&r->added) || !r->ready_info || r->stopped)
        return r->work_again;
    for (uint32_t p = 0; p < ltc_info_get(r->ready_info)->n_pieces; p++)
        work_on_piece(r, p);
    if (r->libtorrent_picks)
        want_all(r);
    for (uint32_t k = 0; k < atomic_load(&r->n_peers); k++)
        if (r->peers[k].lt)
            ltc_peer_flush(r->peers[k].lt);
    return r->work_again;
}

static int64_t ready(void *torrent, ltc_info *info)
{
    struct rig *r = torrent;
    r->ready_info = info;
    atomic_store(&r->info, info);
    atomic_fetch_add(&r->readies, 1);
    ltc_wake(r->session);
    return r->refuse_ready ? -1 : 0;
}

static bool is_whole(const struct rig *r, uint32_t piece)
{
    for (uint32_t b = 0; b < n_blocks(r, piece); b++)
        if (r->state[piece][b] != 2)
            return false;
    return true;
}

/* Each piece once, at the moment that its last block comes. */
static bool drop_at_last(struct rig *r, uint32_t piece, uint32_t b)
{
    uint8_t before = r->state[piece][b];
    r->state[piece][b] = 2;
    bool last = is_whole(r, piece);
    r->state[piece][b] = before;
    if (!r->drop_at_last || r->dropped[piece] || !last)
        return false;
    r->dropped[piece] = true;
    give_back(r, piece);
    return true;
}

static int64_t block(void *torrent, uint32_t piece, uint32_t b, const void *bytes, uint32_t len)
{
    struct rig *r = torrent;
    /* `received` of the same block came right before. */
    assert_true(r->just_received && r->received_piece == piece && r->received_block == b);
    r->just_received = false;
    if (r->drop_all || r->state[piece][b] == 2 || drop_at_last(r, piece, b)) {
        r->state[piece][b] = 0;
        return LTC_DROPPED;
    }
    int slot = 0;
    while (r->slot_used[slot] && slot < RIG_SLOTS - 1)
        slot++;
    r->slot_used[slot] = true;
    r->slot_of[piece][b] = slot;
    r->state[piece][b] = 2;
    memcpy(r->bytes + (size_t)slot * LTC_BLOCK, bytes, len);
    r->to_check[piece] = is_whole(r, piece);
    return r->wrong_slot ? RIG_SLOTS : slot;
}

static void stop(void *torrent)
{
    struct rig *r = torrent;
    atomic_fetch_add(&r->stops, 1);
    r->stopped = true;
    if (!r->ready_info || r->keep_slots)
        return;
    for (uint32_t p = 0; p < ltc_info_get(r->ready_info)->n_pieces; p++) {
        r->to_check[p] = false;
        give_back(r, p);
    }
}

static void removed(void *torrent)
{
    struct rig *r = torrent;
    atomic_fetch_add(&r->removes, 1);
}

static bool peer_new(void *torrent, ltc_peer *peer, const struct ltc_peer_addr *addr, void **user)
{
    struct rig *r = torrent;
    (void)addr;
    if (r->refuse_all || atomic_load(&r->n_peers) == RIG_PEERS)
        return false;
    struct rig_peer *p = &r->peers[atomic_fetch_add(&r->n_peers, 1)];
    p->lt = peer;
    p->choked = true;
    *user = p;
    return true;
}

static void peer_joined(void *torrent, void *peer, bool fast, uint32_t max)
{
    struct rig_peer *p = peer;
    (void)torrent;
    (void)fast;
    p->joined = true;
    p->cap = max;
}

/* Blocks asked of this peer are free again. */
static void release(struct rig *r, struct rig_peer *p)
{
    for (uint32_t i = 0; r->ready_info && i < ltc_info_get(r->ready_info)->n_pieces; i++)
        for (uint32_t b = 0; b < n_blocks(r, i); b++)
            if (r->state[i][b] == 1 && r->asked_of[i][b] == p)
                r->state[i][b] = 0;
    p->outstanding = 0;
    ltc_wake(r->session);
}

static void peer_left(void *torrent, void *peer)
{
    struct rig_peer *p = peer;
    p->lt = NULL;
    release(torrent, p);
    atomic_fetch_add(&p->left, 1);
}

static void peer_choked(void *torrent, void *peer)
{
    struct rig_peer *p = peer;
    p->choked = true;
    release(torrent, p);
}

static void peer_unchoked(void *torrent, void *peer)
{
    struct rig *r = torrent;
    struct rig_peer *p = peer;
    p->choked = false;
    atomic_fetch_add(&p->unchokes, 1);
    ltc_wake(r->session);
}

static void answered(struct rig *r, struct rig_peer *p, uint32_t piece, uint32_t b)
{
    if (r->state[piece][b] != 1 || r->asked_of[piece][b] != p)
        return;
    r->state[piece][b] = 0;
    p->outstanding--;
}

static void peer_rejected(void *torrent, void *peer, uint32_t piece, uint32_t b)
{
    struct rig *r = torrent;
    struct rig_peer *p = peer;
    atomic_fetch_add(&p->rejected, 1);
    answered(r, p, piece, b);
    ltc_wake(r->session);
}

static void peer_have(void *torrent, void *peer, int64_t piece)
{
    struct rig *r = torrent;
    struct rig_peer *p = peer;
    atomic_fetch_add(piece < 0 ? &r->have_alls : &r->haves, 1);
    if (piece >= 0) {
        assert_true(ltc_peer_has(p->lt, (uint32_t)piece));
        atomic_store(&r->last_have, (unsigned)piece);
    }
    ltc_peer_interested(p->lt);
    ltc_wake(r->session);
}

static void received(void *torrent, void *peer, uint32_t piece, uint32_t b, uint32_t len)
{
    struct rig *r = torrent;
    struct rig_peer *p = peer;
    assert_int_equal(len, block_size(r, piece, b));
    atomic_fetch_add(&p->received, 1);
    answered(r, p, piece, b);
    r->just_received = true;
    r->received_piece = piece;
    r->received_block = b;
}

static const struct ltc_hooks hooks = {
    .work = work,
    .ready = ready,
    .block = block,
    .stop = stop,
    .removed = removed,
    .peer_new = peer_new,
    .peer_joined = peer_joined,
    .peer_left = peer_left,
    .peer_choked = peer_choked,
    .peer_unchoked = peer_unchoked,
    .peer_rejected = peer_rejected,
    .peer_have = peer_have,
    .received = received,
};

/* ---- the test's side ---- */

struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->bytes = calloc(RIG_SLOTS, LTC_BLOCK);
    assert_non_null(r->bytes);
    r->most_requests = 50;
    return r;
}

int rig_setup(void **state)
{
    fake_lt_reset();
    *state = rig_new();
    return 0;
}

int rig_teardown(void **state)
{
    struct rig *r = *state;
    if (r->session)
        ltc_session_free(r->session);
    free(r->bytes);
    free(r);
    return 0;
}

void rig_session(struct rig *r)
{
    struct ltc_settings settings = {
        .slots = RIG_SLOTS, .max_peers = RIG_PEERS, .libtorrent_picks = r->libtorrent_picks};
    struct ltc_error err;
    /* Hooks may run before ltc_session_new() returns, but not those that use it. */
    assert_int_equal(ltc_session_new(&r->session, &settings, &hooks, r, &err), 0);
    assert_ptr_equal(fake_lt_last_session(), r->session);
}

/* Hooks run before ltc_torrent_add() returns, but the handle is here only now. */
static void rig_added(struct rig *r)
{
    atomic_store(&r->added, true);
    ltc_wake(r->session);
}

void rig_add(struct rig *r, const char *script)
{
    struct ltc_error err = {""};
    ltc_info *info;
    int rc = ltc_info_parse(&info, script, strlen(script), &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    struct ltc_add add = {.info = info};
    assert_int_equal(ltc_torrent_add(r->session, &r->torrent, &add, r, &err), 0);
    ltc_info_unref(info);
    rig_added(r);
}

int rig_add_magnet(struct rig *r, const char *script)
{
    uint8_t v1[20];
    struct ltc_error err;
    fake_lt_hashes(script, v1, NULL);
    struct ltc_add add = {.v1_hash = v1};
    int rc = ltc_torrent_add(r->session, &r->torrent, &add, r, &err);
    if (rc == 0)
        rig_added(r);
    return rc;
}

void rig_open(struct rig *r, const char *script)
{
    rig_session(r);
    rig_add(r, script);
}

void rig_close_after_misuse(struct rig *r)
{
    ltc_session_free(r->session);
    r->session = NULL;
}

void rig_close(struct rig *r)
{
    rig_close_after_misuse(r);
    if (fake_lt_violations())
        fail_msg("%u violations, the first: %s", fake_lt_violations(), fake_lt_violation());
    assert_int_equal(fake_lt_lost_pieces(), 0);
    assert_int_equal(atomic_load(&r->removes), 1);
    for (uint32_t k = 0; k < atomic_load(&r->n_peers); k++)
        assert_int_equal(atomic_load(&r->peers[k].left), 1);
    for (int k = 0; k < RIG_SLOTS; k++)
        assert_false(r->slot_used[k]);
}

bool rig_done(void *rig)
{
    struct rig *r = rig;
    ltc_info *info = atomic_load(&r->info);
    return info && atomic_load(&r->n_verified) == ltc_info_get(info)->n_pieces;
}

void rig_download(struct rig *r, int64_t limit_ns)
{
    assert_true(fake_lt_run_until(r->session, rig_done, r, RIG_MS, limit_ns));
}

void rig_evict(struct rig *r, uint32_t piece)
{
    atomic_store(&r->evict[piece], true);
    ltc_wake(r->session);
    fake_lt_settle(r->session);
}

struct fake_lt_stats rig_stats(struct rig *r)
{
    struct fake_lt_stats s;
    fake_lt_get_stats(r->session, &s);
    return s;
}
