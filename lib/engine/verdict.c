/* SPDX-License-Identifier: MIT
 *
 * What follows from a verdict of the hash thread: a good piece leaves the
 * scheduler, a bad one is fetched again from one peer alone, and who lied is
 * banned. All of this file runs on the network thread. */
#include "base/alloc.h"
#include "engine/engine.h"
#include "engine/layout.h"
#include "engine/verify.h"

#define MAX_LIARS 16 /* told at once by one piece */
#define MAX_SUSPECTS 64

/* ---- liars ---- */

void gos__verdict_ban(gos_torrent *t, uint32_t who, const char *why)
{
    gos_session *s = t->session;
    if (gos__blame_banned(t->blame, who))
        return;
    gos__blame_ban(t->blame, who);
    const struct gos__endpoint seen = gos__blame_seen(t->blame, who);
    gos__lock(&s->lock);
    t->stats.banned_peers = gos__blame_bans(t->blame);
    gos__event_peer_locked(s, GOS_EVENT_PEER_BANNED, t, &seen);
    gos__unlock(&s->lock);
    for (struct gos__list *l = t->peers.next, *next; l != &t->peers; l = next) {
        struct gos__peer *p = GOS__LIST_OWNER(l, struct gos__peer, link);
        next = l->next; /* the peer may leave inside the call */
        if (p->who == who)
            ltc_peer_ban(p->lt);
    }
    gos__log(&s->log, GOS_LOG_WARN, "engine", "a peer %s and was banned (%llu so far)", why,
             (unsigned long long)gos__blame_bans(t->blame));
}

static void ban_all(gos_torrent *t, const uint32_t *liars, int n)
{
    for (int i = 0; i < n && i < MAX_LIARS; i++)
        gos__verdict_ban(t, liars[i], "sent wrong data");
}

/* Who shall send the next copy: one peer alone, best one that had no part in the
 * failed ones, so that its copy can be compared with theirs. */
static uint32_t pick_sender(gos_torrent *t, uint32_t piece)
{
    uint32_t suspects[MAX_SUSPECTS];
    size_t n = gos__blame_senders(t->blame, piece, suspects, MAX_SUSPECTS);
    uint32_t who = gos__sched_pick(t->sched, piece, suspects, n);
    return who != GOS__SCHED_NOBODY ? who : gos__sched_pick(t->sched, piece, NULL, 0);
}

static void find_liars(gos_torrent *t, struct gos__piece *p, const uint64_t *prints)
{
    uint32_t liars[MAX_LIARS];
    uint32_t *senders = gos__malloc(p->n_blocks * sizeof *senders);
    if (senders && prints) {
        for (uint32_t i = 0; i < p->n_blocks; i++)
            senders[i] = gos__sched_sender(t->sched, p->index, i);
        ban_all(
            t, liars,
            gos__blame_failed(t->blame, p->index, prints, senders, p->n_blocks, liars, MAX_LIARS));
    }
    gos__free(senders);
}

/* libtorrent is not told: it would blame by guess. The piece is quietly forgotten
 * and fetched again. */
static void piece_failed(gos_torrent *t, struct gos__piece *p, const uint64_t *prints)
{
    gos_session *s = t->session;
    gos__log(&s->log, GOS_LOG_WARN, "engine", "piece %u does not match its hash: fetching it again",
             p->index);
    find_liars(t, p, prints);
    gos__plan_give_writes_back(s, p);
    gos__lock(&s->lock);
    uint64_t fetched = gos__piece_fetched(p);
    gos__piece_reset(p);
    p->want_prints = true;
    s->wishes_changed = true; /* complete pieces are in no order: it must be put there again */
    gos__event_piece_locked(s, GOS_EVENT_BAD_PIECE, t, p->index);
    t->stats.failed_pieces++;
    t->stats.traffic.failed += fetched;
    t->stats.banned_peers = gos__blame_bans(t->blame);
    gos__unlock(&s->lock);
    gos__layout_padding(t->view, p->index, t->padding, p->n_blocks);
    gos__sched_restart(t->sched, p->index, t->padding, pick_sender(t, p->index));
    t->next_step = 0;
}

static void piece_good(gos_torrent *t, struct gos__piece *p, const uint64_t *prints)
{
    gos_session *s = t->session;
    uint32_t liars[MAX_LIARS];
    if (gos__blame_suspects(t->blame, p->index) && prints)
        ban_all(t, liars,
                gos__blame_good(t->blame, p->index, prints, p->n_blocks, liars, MAX_LIARS));
    gos__sched_end(t->sched, p->index);
    p->scheduled = false;
    t->next_step = 0;
    gos__lock(&s->lock);
    p->want_prints = false;
    gos__event_piece_locked(s, GOS_EVENT_PIECE, t, p->index);
    t->stats.verified += p->size;
    t->stats.traffic.verified += gos__piece_fetched(p);
    t->stats.banned_peers = gos__blame_bans(t->blame);
    gos__unlock(&s->lock);
}

/* The hash thread has a verdict. */
static void deal_with(gos_session *s, struct gos__piece *p)
{
    gos_torrent *t = p->owner;
    gos__lock(&s->lock);
    uint64_t *prints = p->prints;
    int verdict = p->verdict;
    bool gone = p->gone;
    p->prints = NULL;
    p->hashing = false;
    if (verdict == GOS__VERIFY_UNKNOWN || verdict < 0)
        p->unjudged = true;
    if (verdict == GOS__VERIFY_UNKNOWN && !gone) {
        t->needs_layers = true;
        if (!s->closing)
            ltc_interrupt(s->lt); /* the pump asks for them */
    }
    gos__unlock(&s->lock);
    if (!gone && verdict == GOS__VERIFY_GOOD)
        piece_good(t, p, prints);
    else if (!gone && verdict == GOS__VERIFY_BAD)
        piece_failed(t, p, prints);
    else if (!gone && verdict < 0)
        gos__plan_retry(s, ltc_now_ns(s->lt));
    gos__free(prints);
    gos__lock(&s->lock);
    gos__piece_unpin(p);
    gos__unlock(&s->lock);
    gos_torrent_unref(t);
}

void gos__verdict_act(gos_session *s)
{
    gos__lock(&s->lock);
    while (!gos__list_empty(&s->hashed)) {
        struct gos__piece *p = GOS__LIST_OWNER(s->hashed.next, struct gos__piece, hash_link);
        gos__list_remove(&p->hash_link);
        gos__unlock(&s->lock);
        deal_with(s, p);
        gos__lock(&s->lock);
    }
    gos__unlock(&s->lock);
}
