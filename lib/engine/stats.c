/* SPDX-License-Identifier: MIT
 *
 * Figures of a session and of its torrents. What changes with each block is
 * counted by the network thread for itself and published after each burst; the
 * rest is found out when somebody asks. */
#include "engine/stats.h"

#include "base/clock.h"
#include "base/minmax.h"
#include "base/opts.h"
#include "engine/engine.h"

/* ---- bytes per second ---- */

/* Move on to the second that `now` is in. */
static struct gos__rate rolled(struct gos__rate r, int64_t now)
{
    int64_t passed = now - r.since_ns;
    if (passed >= 2 * GOS__SECOND) {
        r = (struct gos__rate){.since_ns = now};
    } else if (passed >= GOS__SECOND) {
        r.bytes_before = r.bytes;
        r.bytes = 0;
        r.since_ns += GOS__SECOND;
    }
    return r;
}

void gos__rate_add(struct gos__rate *r, int64_t now, uint64_t bytes)
{
    *r = rolled(*r, now);
    r->bytes += bytes;
}

uint64_t gos__rate_get(const struct gos__rate *rate, int64_t now)
{
    struct gos__rate r = rolled(*rate, now);
    int64_t passed = gos__max_i64(now - r.since_ns, 0);
    /* Of the second before, as much as the one that runs lacks to be whole. */
    double share = (double)(GOS__SECOND - passed) / (double)GOS__SECOND;
    return r.bytes + (uint64_t)((double)r.bytes_before * share);
}

/* ---- sums ---- */

static void add_traffic(struct gos_traffic *sum, const struct gos_traffic *t)
{
    sum->received += t->received;
    sum->verified += t->verified;
    sum->failed += t->failed;
    sum->late += t->late;
    sum->redundant += t->redundant;
    sum->refused += t->refused;
    sum->kept_up += t->kept_up;
    sum->hedged += t->hedged;
}

/* What came for nothing, all causes together. */
static uint64_t dropped(const struct gos_traffic *t)
{
    return t->late + t->redundant + t->refused + t->kept_up;
}

void gos__sums_add(struct gos__sums *sums, const struct gos_torrent_stats *st)
{
    sums->received += st->received;
    sums->hash_ns += st->hash_ns;
    add_traffic(&sums->traffic, &st->traffic);
}

void gos__stats_keep_locked(gos_session *s, const gos_torrent *t)
{
    gos__sums_add(&s->gone, &t->stats);
}

/* ---- what the network thread counts ---- */

void gos__stats_publish(gos_torrent *t, int64_t now)
{
    gos_session *s = t->session;
    uint32_t joined = 0, unchoked = 0, connecting = 0, stalled = 0;
    struct gos__sched_stats sched = {0};
    for (struct gos__list *l = t->peers.next; l != &t->peers; l = l->next) {
        const struct gos__peer *p = GOS__LIST_OWNER(l, struct gos__peer, link);
        connecting += !p->joined;
        joined += p->joined;
        unchoked += p->joined && p->unchoked;
        stalled += p->sched && p->unchoked && gos__sched_stalled(p->sched);
    }
    if (t->sched)
        gos__sched_get_stats(t->sched, &sched);
    t->traffic.hedged = (sched.hedges - t->hedges) * LTC_BLOCK;
    t->hedges = sched.hedges;
    gos__lock(&s->lock);
    t->stats.peers = joined;
    t->stats.peers_unchoked = unchoked;
    t->stats.peers_connecting = connecting;
    t->stats.peers_stalled = stalled;
    add_traffic(&t->stats.traffic, &t->traffic);
    t->stats.received = t->stats.traffic.received;
    gos__rate_add(&t->rate, now, t->traffic.received);
    gos__unlock(&s->lock);
    t->traffic = (struct gos_traffic){0};
}

/* ---- questions ---- */

int gos_torrent_get_stats(gos_torrent *t, struct gos_torrent_stats *out)
{
    if (!t || !out)
        return gos__error(GOS_EINVAL, "no torrent, or no place for its figures");
    gos_session *s = t->session;
    gos__lock(&s->lock);
    struct gos_torrent_stats st = t->stats;
    st.struct_size = sizeof st;
    st.resident = (uint64_t)t->n_resident * GOS__SLOT_SIZE;
    st.traffic.rate = gos__rate_get(&t->rate, gos__session_now_locked(s));
    st.dropped = dropped(&st.traffic);
    st.waiting_reads = 0;
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next)
        st.waiting_reads += GOS__LIST_OWNER(l, struct gos__waiter, link)->torrent == t;
    gos__unlock(&s->lock);
    return gos__opts_give(out, &st, sizeof st);
}

/* What is summed over the torrents that are known. */
static void sum_torrents_locked(gos_session *s, struct gos_session_stats *st) GOS_REQUIRES(s->lock)
{
    struct gos__sums sums = s->gone;
    int64_t now = gos__session_now_locked(s);
    for (struct gos__list *l = s->torrents.next; l != &s->torrents; l = l->next) {
        const gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, link);
        gos__sums_add(&sums, &t->stats);
        sums.traffic.rate += gos__rate_get(&t->rate, now);
        if (!t->given_up) {
            st->torrents++;
            st->awake += !t->stats.asleep;
        }
        st->peers += t->stats.peers;
        st->peers_unchoked += t->stats.peers_unchoked;
        st->peers_connecting += t->stats.peers_connecting;
        st->peers_stalled += t->stats.peers_stalled;
    }
    st->received = sums.received;
    st->traffic = sums.traffic;
    st->hash_ns = sums.hash_ns;
}

int gos_session_get_stats(gos_session *s, struct gos_session_stats *out)
{
    if (!s || !out)
        return gos__error(GOS_EINVAL, "no session, or no place for its figures");
    struct gos_session_stats st = {.struct_size = sizeof st};
    gos__lock(&s->lock);
    st.ram = (uint64_t)s->arena.n_slots * GOS__SLOT_SIZE;
    st.arena_used = (uint64_t)gos__arena_used(&s->arena) * GOS__SLOT_SIZE;
    st.arena_peak = (uint64_t)s->arena.peak_used * GOS__SLOT_SIZE;
    st.borrowed = (uint64_t)s->reserved_slices * GOS__SLOT_SIZE;
    st.waiting_reads = s->n_waiting;
    sum_torrents_locked(s, &st);
    if (!s->closing) /* as gos__session_now_locked() */
        st.listen_port = ltc_listen_port(s->lt);
    gos__unlock(&s->lock);
    return gos__opts_give(out, &st, sizeof st);
}
