/* SPDX-License-Identifier: MIT
 *
 * Adding torrents and peers. Runs in callers' threads, which read and parse; the
 * pump, which may wait for libtorrent, puts torrents into it. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "engine/address.h"
#include "engine/engine.h"
#include "engine/magnet.h"
#include "engine/torrent_file.h"

#define MAX_GIVEN_PEERS 64 /* that are remembered of a torrent */

/* ---- peers that were given ---- */

static int parse_peers(struct sockaddr_storage **out, const struct gos_add_opts *o,
                       char *const *more, size_t n_more, size_t *n_out)
{
    struct sockaddr_storage *sa = gos__calloc(o->n_peers + n_more + 1, sizeof *sa);
    size_t n = 0;
    if (!sa)
        return gos__error_nomem();
    for (size_t i = 0; i < o->n_peers; i++) {
        int rc = gos__address_parse(&sa[n], o->peers[i]);
        if (rc < 0) {
            gos__free(sa);
            return rc;
        }
        n++;
    }
    for (size_t i = 0; i < n_more; i++) {
        /* What a magnet link says may be a name or nonsense: left out, not refused. */
        if (gos__address_parse(&sa[n], more[i]) == 0)
            n++;
    }
    *out = sa;
    *n_out = n;
    return 0;
}

static int remember_locked(gos_session *s, gos_torrent *t, const struct sockaddr_storage *sa)
    GOS_REQUIRES(s->lock)
{
    (void)s; /* says whose lock is held */
    size_t n = t->n_given_peers;
    const struct gos__endpoint peer = gos__address_pack(sa);
    for (size_t i = 0; i < n; i++) {
        if (!memcmp(&t->given_peers[i], &peer, sizeof peer))
            return 0;
    }
    if (n == MAX_GIVEN_PEERS)
        return 0;
    struct gos__endpoint *more = gos__realloc(t->given_peers, (n + 1) * sizeof *more);
    if (!more)
        return gos__error_nomem();
    more[n] = peer;
    t->given_peers = more;
    t->n_given_peers = n + 1;
    return 0;
}

/* For the next time that it wakes, or has nobody. */
static int remember(gos_torrent *t, const struct sockaddr_storage *peers, size_t n)
{
    gos_session *s = t->session;
    int rc = 0;
    gos__lock(&s->lock);
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = remember_locked(s, t, &peers[i]);
    gos__unlock(&s->lock);
    return rc;
}

/* ---- into libtorrent ---- */

/* The peers that are remembered, for one that wakes. */
static int recall(gos_torrent *t, struct ltc_add *add, struct sockaddr_storage **peers)
{
    gos_session *s = t->session;
    gos__lock(&s->lock);
    size_t n = t->n_given_peers;
    *peers = n ? gos__calloc(n, sizeof **peers) : NULL;
    for (size_t i = 0; *peers && i < n; i++)
        (*peers)[i] = gos__address_unpack(&t->given_peers[i]);
    gos__unlock(&s->lock);
    if (n && !*peers)
        return gos__error_nomem();
    add->peers = *peers;
    add->n_peers = n;
    return 0;
}

int gos__adding_enter(gos_torrent *t, const struct ltc_add *given)
{
    gos_session *s = t->session;
    struct ltc_add add = given ? *given : (struct ltc_add){.info = t->info};
    struct sockaddr_storage *peers = NULL;
    struct ltc_error err = {0};
    ltc_torrent *lt = NULL;
    int rc = t->blame ? 0 : gos__blame_new(&t->blame);
    if (rc >= 0 && !given)
        rc = recall(t, &add, &peers);
    gos__lock(&s->lock);
    t->stats.asleep = rc < 0; /* now, since hooks may answer a read before the call returns */
    gos__unlock(&s->lock);
    if (rc >= 0) {
        rc = ltc_torrent_add(s->lt, &lt, &add, t, &err);
        if (rc < 0)
            rc = gos__error(rc == -EBADMSG ? GOS_EMETADATA : rc, "%s", err.text);
    }
    gos__free(peers);
    gos__lock(&s->lock);
    if (rc < 0) {
        t->stats.asleep = true;
    } else {
        t->lt = lt;
        t->entered = true;
        gos__sleep_awake_locked(s, t);
        if (s->libtorrent_picks) /* it could not be told what to pick before */
            gos__plan_soon_locked(s);
    }
    gos__unlock(&s->lock);
    return rc;
}

struct add_call {
    gos_torrent *torrent;
    const struct ltc_add *add;
};

static int add_on_pump(void *call)
{
    const struct add_call *c = call;
    return gos__adding_enter(c->torrent, c->add);
}

static int enter_by_pump(gos_torrent *t, const struct ltc_add *add)
{
    gos_session *s = t->session;
    struct add_call c = {.torrent = t, .add = add};
    gos__lock(&s->lock);
    t->place = GOS__TORRENT_WAKING;
    t->used_ns = s->closing ? 0 : ltc_now_ns(s->lt);
    gos__unlock(&s->lock);
    int rc = gos__pump_call(s, add_on_pump, &c);
    if (rc < 0) { /* libtorrent never took it */
        gos__lock(&s->lock);
        t->place = GOS__TORRENT_ASLEEP;
        gos__unlock(&s->lock);
    }
    return rc;
}

/* ---- torrents of which the metadata is known ---- */

struct given {
    struct gos_add_opts opts;
    struct ltc_add add;
    struct sockaddr_storage *peers;
    bool asleep;
};

static int bring_in(gos_torrent *t, struct given *g)
{
    const struct ltc_info_view *v = ltc_info_get(g->add.info);
    int rc = gos__torrent_learn(t, v);
    if (rc >= 0)
        rc = gos__torrent_enlist(t, v->v1 ? v->v1_hash : NULL, v->v2 ? v->v2_hash : NULL);
    if (rc >= 0)
        rc = remember(t, g->peers, g->add.n_peers);
    if (rc < 0)
        return rc;
    gos_session *s = t->session;
    gos__lock(&s->lock);
    t->state = GOS__TORRENT_READY;
    t->known = true;
    gos__unlock(&s->lock);
    if (g->asleep) {
        gos__lock(&s->lock);
        gos__event_metadata_locked(s, t);
        gos__unlock(&s->lock);
        return 0;
    }
    rc = gos__torrent_equip(t, g->add.info);
    return rc < 0 ? rc : enter_by_pump(t, &g->add);
}

static int add_bytes(gos_session *s, gos_torrent **out, const void *bytes, size_t len,
                     struct given *g, const char *path)
{
    struct ltc_error err = {0};
    gos_torrent *t = NULL;
    int rc = ltc_info_parse(&g->add.info, bytes, len, &err);
    if (rc < 0)
        return gos__error(rc == -EBADMSG ? GOS_EMETADATA : rc, "%s", err.text);
    rc = parse_peers(&g->peers, &g->opts, NULL, 0, &g->add.n_peers);
    g->add.peers = g->peers;
    if (rc >= 0)
        rc = gos__torrent_new(&t, s, path);
    if (rc >= 0)
        rc = bring_in(t, g);
    if (rc >= 0)
        *out = t;
    else
        gos_torrent_unref(t);
    gos__free(g->peers);
    ltc_info_unref(g->add.info);
    return rc;
}

int gos_session_add_torrent(gos_session *s, gos_torrent **out, const void *bytes, size_t len,
                            const struct gos_add_opts *opts)
{
    struct given g = {0};
    if (!s || !out || !bytes)
        return gos__error(GOS_EINVAL, "no session, no bytes, or no place for the torrent");
    int rc = gos__opts_copy(&g.opts, sizeof g.opts, opts);
    if (rc < 0)
        return rc;
    return add_bytes(s, out, bytes, len, &g, NULL);
}

int gos_session_add_file(gos_session *s, gos_torrent **out, const char *path,
                         const struct gos_add_opts *opts)
{
    struct given g = {0};
    char *bytes = NULL;
    size_t len = 0;
    if (!s || !out || !path)
        return gos__error(GOS_EINVAL, "no session, no path, or no place for the torrent");
    int rc = gos__opts_copy(&g.opts, sizeof g.opts, opts);
    if (rc >= 0)
        rc = gos__torrent_file_read(&bytes, &len, path);
    if (rc < 0)
        return rc;
    g.asleep = g.opts.asleep;
    rc = add_bytes(s, out, bytes, len, &g, path);
    gos__free(bytes);
    return rc;
}

/* ---- magnets ---- */

int gos_session_add_magnet(gos_session *s, gos_torrent **out, const char *uri,
                           const struct gos_add_opts *opts)
{
    struct gos_add_opts o;
    struct gos__magnet m;
    struct sockaddr_storage *peers = NULL;
    gos_torrent *t = NULL;
    if (!s || !out || !uri)
        return gos__error(GOS_EINVAL, "no session, no link, or no place for the torrent");
    int rc = gos__opts_copy(&o, sizeof o, opts);
    if (rc < 0)
        return rc;
    rc = gos__magnet_parse(&m, uri);
    if (rc < 0)
        return rc;
    struct ltc_add add = {.v1_hash = m.has_v1 ? m.v1 : NULL,
                          .v2_hash = m.has_v2 ? m.v2 : NULL,
                          .name = m.name,
                          .trackers = (const char *const *)m.trackers,
                          .n_trackers = m.n_trackers};
    rc = parse_peers(&peers, &o, m.peers, m.n_peers, &add.n_peers);
    add.peers = peers;
    if (rc >= 0)
        rc = gos__torrent_new(&t, s, NULL);
    if (rc >= 0)
        rc = gos__torrent_enlist(t, add.v1_hash, add.v2_hash);
    if (rc >= 0)
        rc = remember(t, peers, add.n_peers);
    if (rc >= 0)
        rc = enter_by_pump(t, &add);
    if (rc >= 0)
        *out = t;
    else
        gos_torrent_unref(t);
    gos__free(peers);
    gos__magnet_finish(&m);
    return rc;
}

/* ---- one more peer ---- */

struct peer_call {
    gos_torrent *torrent;
    struct sockaddr_storage sa;
};

/* On the pump it is either before the torrent wakes, which recalls the peer, or
 * after. */
static int add_peer_on_pump(void *call)
{
    const struct peer_call *c = call;
    gos_torrent *t = c->torrent;
    gos_session *s = t->session;
    int rc = remember(t, &c->sa, 1);
    if (rc < 0)
        return rc;
    gos__lock(&s->lock);
    ltc_torrent *lt = t->place == GOS__TORRENT_AWAKE ? t->lt : NULL;
    gos__unlock(&s->lock);
    rc = lt ? ltc_torrent_add_peer(lt, &c->sa) : 0;
    return rc < 0 ? gos__error(rc, "the peer cannot be added") : 0;
}

int gos_torrent_add_peer(gos_torrent *t, const char *peer)
{
    if (!t || !peer)
        return gos__error(GOS_EINVAL, "no torrent or no peer");
    struct peer_call c = {.torrent = t};
    int rc = gos__address_parse(&c.sa, peer);
    if (rc < 0)
        return rc;
    return rc < 0 ? rc : gos__pump_call(t->session, add_peer_on_pump, &c);
}
