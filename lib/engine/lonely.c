/* SPDX-License-Identifier: MIT
 *
 * Torrents that have nobody. The network thread notices, the pump does what can be
 * done: try uTP, which costs seconds where peers speak only TCP and is off until
 * then; and dial the peers that we were given once more, since libtorrent gives up
 * on a peer after a few failures, and a network is away for longer than that. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/minmax.h"
#include "engine/engine.h"

#define UTP_AFTER_NS (10 * GOS__SECOND) /* without any peer ... */
#define UTP_AFTER_TRIES 3               /* ... and so many tried */
#define REDIAL_NS (3 * GOS__SECOND)
#define REDIAL_IDLE_NS (30 * GOS__SECOND) /* when nobody waits for anything */

/* ---- network thread ---- */

static bool wants_utp(const gos_torrent *t, int64_t now, int64_t *next)
{
    int64_t due = t->lonely_since + UTP_AFTER_NS;
    if (t->tries < UTP_AFTER_TRIES)
        return false;
    if (due > now)
        *next = gos__min_i64(*next, due);
    return due <= now;
}

static void look_for_redial_locked(gos_session *s, gos_torrent *t, int64_t now, int64_t *next)
    GOS_REQUIRES(s->lock)
{
    int64_t pause = s->n_waiting ? REDIAL_NS : REDIAL_IDLE_NS;
    int64_t due = gos__max_i64(t->lonely_since, t->redialled) + pause;
    if (!t->n_given_peers)
        return;
    if (due > now) {
        *next = gos__min_i64(*next, due);
        return;
    }
    t->redialled = now;
    t->redial = true;
    *next = gos__min_i64(*next, now + pause);
    if (!s->closing)
        ltc_interrupt(s->lt);
}

int64_t gos__lonely_look(gos_session *s, int64_t now)
{
    bool want = false, settled = true;
    int64_t next = INT64_MAX;
    gos__lock(&s->lock);
    for (struct gos__list *l = s->known.next; l != &s->known; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, net_link);
        if (t->tcp_peers > 0)
            continue;
        settled = false;
        want |= wants_utp(t, now, &next);
        look_for_redial_locked(s, t, now, &next);
    }
    /* Once on it stays on until every torrent has a peer over TCP. */
    bool utp = want || (s->want_utp && !settled);
    if (utp != s->want_utp) {
        s->want_utp = utp;
        if (!s->closing)
            ltc_interrupt(s->lt);
    }
    gos__unlock(&s->lock);
    return next;
}

/* ---- pump ---- */

static void switch_utp(gos_session *s)
{
    gos__lock(&s->lock);
    bool want = s->want_utp, now = s->utp_now;
    s->utp_now = want;
    gos__unlock(&s->lock);
    if (want == now)
        return;
    if (want)
        gos__log(&s->log, GOS_LOG_INFO, "engine", "no peer answers over TCP: trying uTP as well");
    ltc_set_outgoing_utp(s->lt, want);
}

/* A torrent to be helped, with a reference, and a copy of the peers it was given. Its
 * `lt` stays good until the pump itself lets it leave. */
static gos_torrent *take_lonely(gos_session *s, ltc_torrent **lt, struct gos__endpoint **peers,
                                size_t *n)
{
    gos_torrent *found = NULL;
    gos__lock(&s->lock);
    for (struct gos__list *l = s->awake.next; l != &s->awake && !found; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, awake_link);
        if (!t->redial)
            continue;
        t->redial = false;
        if (t->refs == 0 || t->place != GOS__TORRENT_AWAKE || !t->lt)
            continue;
        *lt = t->lt;
        *peers = gos__malloc(t->n_given_peers * sizeof **peers);
        *n = *peers ? t->n_given_peers : 0; /* without memory: the next time */
        for (size_t i = 0; i < *n; i++)
            (*peers)[i] = t->given_peers[i];
        gos__torrent_ref_locked(t);
        found = t;
    }
    gos__unlock(&s->lock);
    return found;
}

static void redial(gos_session *s)
{
    struct gos__endpoint *peers = NULL;
    ltc_torrent *lt = NULL;
    size_t n = 0;
    for (gos_torrent *t; (t = take_lonely(s, &lt, &peers, &n)) != NULL; gos_torrent_unref(t)) {
        for (size_t i = 0; i < n; i++) {
            struct sockaddr_storage sa = gos__address_unpack(&peers[i]);
            ltc_torrent_add_peer(lt, &sa);
        }
        gos__free(peers);
    }
}

void gos__lonely_help(gos_session *s)
{
    switch_utp(s);
    redial(s);
}
