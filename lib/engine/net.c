/* SPDX-License-Identifier: MIT
 *
 * The hooks: what libtorrent's network thread tells us, and the bookkeeping that
 * follows each burst of it. All of this file runs on the network thread.
 *
 * Events only set state; whatever goes out (requests, cancels, answers to
 * withheld writes) leaves from `work`, which runs after each burst. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/minmax.h"
#include "engine/engine.h"
#include "engine/layout.h"

/* ---- doing it soon, and again ---- */

/* Something happened that the scheduler should act on when the burst is over. */
static void act_soon(gos_torrent *t)
{
    t->changed = true;
    t->next_step = 0;
    ltc_wake(t->session->lt);
}

static void join(gos_torrent *t, struct gos__peer *p)
{
    if (!t->live)
        return; /* no metadata yet */
    if (!p->sched && gos__sched_join(t->sched, &p->sched, p->lt, p->who) < 0) {
        /* Without memory the peer is of no use for a while; others serve. */
        p->sched = NULL;
        gos__plan_retry(t->session, ltc_now_ns(t->session->lt));
        return;
    }
    gos__sched_set_cap(t->sched, p->sched, p->max_requests, p->fast);
    gos__sched_choke(t->sched, p->sched, !p->unchoked);
    gos__sched_have(t->sched, p->sched, -1);
    act_soon(t);
}

/* What could not be done for want of memory: peers that were not taken, pieces
 * that were not judged. */
static void try_again(gos_session *s)
{
    for (struct gos__list *k = s->known.next; k != &s->known; k = k->next) {
        gos_torrent *t = GOS__LIST_OWNER(k, gos_torrent, net_link);
        for (struct gos__list *l = t->peers.next; l != &t->peers; l = l->next) {
            struct gos__peer *p = GOS__LIST_OWNER(l, struct gos__peer, link);
            if (p->joined && !p->sched)
                join(t, p);
        }
    }
    gos__lock(&s->lock);
    for (struct gos__list *l = s->pieces.next; l != &s->pieces; l = l->next) {
        struct gos__piece *p = GOS__LIST_OWNER(l, struct gos__piece, link);
        if (p->unjudged && p->verdict < 0 && !p->hashing)
            gos__hasher_add_locked(s, p);
    }
    gos__unlock(&s->lock);
}

/* ---- what became of a block ---- */

/* One that libtorrent took for redundant never reached net_block(). */
static void settle_traffic(gos_torrent *t)
{
    if (t->arrived_kept_up)
        t->traffic.kept_up += t->arrived;
    else
        t->traffic.redundant += t->arrived;
    t->arrived = 0;
}

/* The one that just arrived is dropped: why. */
static void count_dropped(gos_torrent *t, const struct gos__piece *p, uint32_t block, uint32_t len)
{
    if (t->arrived_kept_up)
        t->traffic.kept_up += len;
    else if (!p)
        t->traffic.late += len;
    else if (block < p->n_blocks && p->stored[block])
        t->traffic.redundant += len;
    else
        t->traffic.refused += len;
    t->arrived = 0;
}

/* The last piece: seldom read first, and every seed has it. */
static uint32_t anchor_of(const gos_torrent *t)
{
    return t->view->n_pieces - 1;
}

/* Where libtorrent asks, it fetches the anchor for itself while nobody wants it. */
static bool fetched_by_libtorrent(const gos_torrent *t, uint32_t piece)
{
    return t->session->libtorrent_picks && t->live && piece == anchor_of(t) && !t->pieces[piece];
}

/* ---- work ---- */

static int64_t step_torrents(gos_session *s, int64_t now)
{
    int64_t next = INT64_MAX;
    for (struct gos__list *l = s->known.next; l != &s->known; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, net_link);
        if (t->sched && t->live && now >= t->next_step)
            t->next_step = gos__sched_step(t->sched, now);
        if (t->sched && t->live)
            next = gos__min_i64(next, t->next_step);
        if (t->changed) {
            settle_traffic(t);
            gos__stats_publish(t, now);
            t->changed = false;
        }
    }
    return next;
}

static int64_t net_work(void *user)
{
    gos_session *s = user;
    gos__lock(&s->lock);
    if (!s->on_network) {
        s->network_thread = pthread_self();
        s->on_network = true;
    }
    if (!s->lt) { /* ltc_session_new() has not returned yet; it is woken again then */
        gos__unlock(&s->lock);
        return INT64_MAX;
    }
    int64_t now = ltc_now_ns(s->lt);
    if (now >= s->next_expiry)
        s->next_expiry = gos__waiters_expire_locked(s, now);
    if (now >= s->next_sleep)
        s->next_sleep = gos__sleep_look_locked(s, now);
    if (now >= s->next_blocked)
        s->next_blocked = gos__blocked_look_locked(s, now);
    gos__unlock(&s->lock);

    gos__verdict_act(s);
    bool retry = now >= s->replan_at;
    if (retry) {
        s->replan_at = INT64_MAX;
        try_again(s);
    }
    gos__lock(&s->lock);
    bool plan = s->wishes_changed || retry || now >= s->tidy_at;
    gos__unlock(&s->lock);
    if (plan)
        gos__plan(s, now);
    int64_t next = gos__min_i64(step_torrents(s, now), gos__lonely_look(s, now));
    next = gos__min_i64(next, s->tidy_at);
    gos__lock(&s->lock);
    next = gos__min_i64(next, gos__min_i64(s->next_expiry, s->next_blocked));
    next = gos__min_i64(next, s->next_sleep);
    gos__unlock(&s->lock);
    return gos__min_i64(next, s->replan_at);
}

/* ---- torrents ---- */

static void know(gos_torrent *t)
{
    gos_session *s = t->session;
    if (!gos__list_empty(&t->net_link))
        return;
    gos__list_append(&s->known, &t->net_link);
    t->lonely_since = ltc_now_ns(s->lt);
}

static int64_t net_ready(void *torrent, ltc_info *info)
{
    gos_torrent *t = torrent;
    gos_session *s = t->session;
    know(t);
    int rc = t->info ? 0 : gos__torrent_set_info(t, info);
    if (rc < 0) {
        gos__torrent_fail(t, rc, gos_last_error());
        return -1;
    }
    gos__lock(&s->lock);
    t->state = GOS__TORRENT_READY;
    t->known = true;
    t->live = true;
    gos__event_metadata_locked(s, t);
    s->wishes_changed = true;
    gos__cond_broadcast(&s->changed);
    gos__unlock(&s->lock);
    for (struct gos__list *l = t->peers.next; l != &t->peers; l = l->next) {
        struct gos__peer *p = GOS__LIST_OWNER(l, struct gos__peer, link);
        if (p->joined)
            join(t, p);
    }
    ltc_wake(s->lt);
    return (int64_t)anchor_of(t);
}

static int64_t net_block(void *torrent, uint32_t piece, uint32_t block, const void *bytes,
                         uint32_t len)
{
    gos_torrent *t = torrent;
    gos_session *s = t->session;
    /* Pieces come and go on this thread only, so looking needs no lock. */
    struct gos__piece *p = t->live && piece < t->view->n_pieces ? t->pieces[piece] : NULL;
    t->changed = true;
    if (!p || block >= p->n_blocks || p->stored[block] || len != gos__piece_block_len(p, block) ||
        !gos__sched_takes(t->sched, piece, block)) {
        count_dropped(t, p, block, len);
        return LTC_DROPPED;
    }
    t->arrived = 0;
    memcpy(gos__arena_at(&s->arena, p->slots[block]), bytes, len);
    int64_t now = ltc_now_ns(s->lt);
    gos__lock(&s->lock);
    p->stored[block] = GOS__BLOCK_STORED;
    p->n_stored++;
    p->progress_ns = now;
    if (gos__piece_complete(p))
        gos__hasher_add_locked(s, p);
    gos__unlock(&s->lock);
    p->withheld[block] = 1;
    gos__sched_stored(t->sched, piece, block);
    return p->slots[block];
}

static void net_stop(void *torrent)
{
    gos_torrent *t = torrent;
    gos_session *s = t->session;
    struct gos__list gone;
    gos__list_init(&gone);
    gos__lock(&s->lock);
    t->live = false;
    for (struct gos__list *l = s->pieces.next, *next; l != &s->pieces; l = next) {
        struct gos__piece *p = GOS__LIST_OWNER(l, struct gos__piece, link);
        next = l->next;
        if (p->owner == t)
            gos__plan_evict_locked(s, p, &gone);
    }
    gos__unlock(&s->lock);
    gos__plan_let_go(s, &gone);
}

static void net_removed(void *torrent)
{
    gos_torrent *t = torrent;
    net_stop(t);
    gos__list_remove(&t->net_link);
    settle_traffic(t);
    gos__stats_publish(t, ltc_now_ns(t->session->lt));
    gos__torrent_removed(t);
}

/* ---- peers ---- */

static void tell_peer(gos_torrent *t, enum gos_event_kind kind, const struct gos__peer *p)
{
    gos_session *s = t->session;
    gos__lock(&s->lock);
    gos__event_peer_locked(s, kind, t, &p->address);
    gos__unlock(&s->lock);
}

static bool net_peer_new(void *torrent, ltc_peer *peer, const struct ltc_peer_addr *addr,
                         void **peer_user)
{
    gos_torrent *t = torrent;
    know(t);
    t->tries += addr->outgoing;
    int64_t who = gos__blame_who(t->blame, &addr->sa, addr->outgoing);
    if (who < 0 || gos__blame_banned(t->blame, (uint32_t)who))
        return false;
    struct gos__peer *p = gos__calloc(1, sizeof *p);
    if (!p)
        return false;
    p->lt = peer;
    p->who = (uint32_t)who;
    p->address = gos__address_pack(&addr->sa);
    gos__list_append(&t->peers, &p->link);
    t->changed = true;
    ltc_wake(t->session->lt);
    *peer_user = p;
    return true;
}

static void net_peer_joined(void *torrent, void *peer, bool fast_extension, uint32_t max_requests)
{
    gos_torrent *t = torrent;
    struct gos__peer *p = peer;
    if (!p->joined) {
        p->joined = true;
        tell_peer(t, GOS_EVENT_PEER_JOINED, p);
        p->tcp = !ltc_peer_utp(p->lt);
        t->tcp_peers += p->tcp;
        t->tries = 0;
    }
    p->fast = fast_extension;
    p->max_requests = max_requests;
    join(t, p);
    act_soon(t);
}

static void net_peer_left(void *torrent, void *peer)
{
    gos_torrent *t = torrent;
    struct gos__peer *p = peer;
    if (p->sched)
        gos__sched_leave(t->sched, p->sched);
    if (p->joined)
        tell_peer(t, GOS_EVENT_PEER_LEFT, p);
    if (p->joined && p->tcp && --t->tcp_peers == 0)
        t->lonely_since = ltc_now_ns(t->session->lt);
    gos__list_remove(&p->link);
    gos__free(p);
    act_soon(t);
}

static void set_choked(gos_torrent *t, struct gos__peer *p, bool choked)
{
    p->unchoked = !choked;
    if (p->sched)
        gos__sched_choke(t->sched, p->sched, choked);
    act_soon(t);
}

static void net_peer_choked(void *torrent, void *peer)
{
    set_choked(torrent, peer, true);
}

static void net_peer_unchoked(void *torrent, void *peer)
{
    set_choked(torrent, peer, false);
}

static void net_peer_rejected(void *torrent, void *peer, uint32_t piece, uint32_t block)
{
    gos_torrent *t = torrent;
    struct gos__peer *p = peer;
    if (p->sched)
        gos__sched_reject(t->sched, p->sched, piece, block);
    act_soon(t);
}

static void net_peer_have(void *torrent, void *peer, int64_t piece)
{
    gos_torrent *t = torrent;
    struct gos__peer *p = peer;
    if (p->sched)
        gos__sched_have(t->sched, p->sched, piece);
    act_soon(t);
}

static void net_received(void *torrent, void *peer, uint32_t piece, uint32_t block, uint32_t len)
{
    gos_torrent *t = torrent;
    struct gos__peer *p = peer;
    settle_traffic(t);
    t->traffic.received += len;
    t->arrived = len;
    /* Where libtorrent asks, the scheduler knows of no request. */
    if (p->sched && !p->banned && !t->session->libtorrent_picks && gos__sched_floods(p->sched)) {
        p->banned = true;
        gos__verdict_ban(t, p->who, "sent without end what nobody asked for");
    }
    t->arrived_kept_up = p->sched && gos__sched_received(t->sched, p->sched, piece, block, len,
                                                         ltc_now_ns(t->session->lt));
    t->arrived_kept_up |= fetched_by_libtorrent(t, piece);
    act_soon(t); /* also when libtorrent finds the block redundant, and block is not called */
}

const struct ltc_hooks gos__net_hooks = {
    .work = net_work,
    .ready = net_ready,
    .block = net_block,
    .stop = net_stop,
    .removed = net_removed,
    .peer_new = net_peer_new,
    .peer_joined = net_peer_joined,
    .peer_left = net_peer_left,
    .peer_choked = net_peer_choked,
    .peer_unchoked = net_peer_unchoked,
    .peer_rejected = net_peer_rejected,
    .peer_have = net_peer_have,
    .received = net_received,
};

/* ---- what the scheduler can do ---- */

static uint32_t block_size(const gos_torrent *t, uint32_t piece, uint32_t block)
{
    return gos__layout_block_size(t->view, piece, block);
}

static bool out_has(void *user, void *peer, uint32_t piece)
{
    const gos_torrent *t = user;
    return piece < t->view->n_pieces && ltc_peer_has(peer, piece);
}

static void out_interested(void *user, void *peer)
{
    (void)user;
    ltc_peer_interested(peer);
}

static void out_request(void *user, void *peer, uint32_t piece, uint32_t block)
{
    ltc_peer_request(peer, piece, block, block_size(user, piece, block));
}

static void out_cancel(void *user, void *peer, uint32_t piece, uint32_t block)
{
    ltc_peer_cancel(peer, piece, block, block_size(user, piece, block));
}

static void out_flush(void *user, void *peer)
{
    (void)user;
    ltc_peer_flush(peer);
}

const struct gos__sched_out gos__net_sched_out = {
    .has = out_has,
    .interested = out_interested,
    .request = out_request,
    .cancel = out_cancel,
    .flush = out_flush,
};
