/* SPDX-License-Identifier: MIT
 *
 * The test's hand in a running swarm: peers, events, counters. Each function
 * runs its work on the network thread and waits for it. */
#include <string.h>

#include "support/fake_lt_internal.h"

/* One struct for all: what to do, and its answer. */
struct order {
    int torrent, peer;
    const char *text;
    uint32_t a, b;
    bool flag;
    void *out;
    int64_t result;
};

static ltc_torrent *torrent_at(ltc_session *s, int index)
{
    return index >= 0 && (size_t)index < s->n_torrents ? s->torrents[index] : NULL;
}

static struct fake_peer *peer_at(ltc_session *s, const struct order *o)
{
    ltc_torrent *t = torrent_at(s, o->torrent);
    return t && o->peer >= 0 && (size_t)o->peer < t->n_peers ? t->peers[o->peer] : NULL;
}

static ltc_peer *joined_peer(ltc_session *s, const struct order *o)
{
    struct fake_peer *p = peer_at(s, o);
    return p && p->connection && p->connection->joined ? p->connection : NULL;
}

/* ---- peers ---- */

static void run_peer_add(ltc_session *s, void *arg)
{
    struct order *o = arg;
    struct fake_attrs a;
    ltc_torrent *t = torrent_at(s, o->torrent);
    fake_lt__attrs_default(&a);
    o->result = -1;
    if (t && fake_lt__attrs_parse(&a, o->text))
        o->result = fake_lt__peer_new(t, &a)->index;
}

int fake_lt_peer_add(ltc_session *s, int torrent, const char *attributes)
{
    struct order o = {.torrent = torrent, .text = attributes};
    fake_lt__call(s, run_peer_add, &o);
    return (int)o.result;
}

static void run_peer_set(ltc_session *s, void *arg)
{
    struct order *o = arg;
    struct fake_peer *p = peer_at(s, o);
    struct fake_attrs a;
    if (!p)
        return;
    a = p->attrs;
    if (!fake_lt__attrs_parse(&a, o->text))
        return;
    p->attrs = a;
    fake_lt__ranges(a.corrupt, p->corrupt, p->n_pieces);
    if (p->connection)
        fake_lt__serve(p->connection);
    o->result = 1;
}

bool fake_lt_peer_set(ltc_session *s, int torrent, int peer, const char *attributes)
{
    struct order o = {.torrent = torrent, .peer = peer, .text = attributes};
    fake_lt__call(s, run_peer_set, &o);
    return o.result;
}

static void run_peer_drop(ltc_session *s, void *arg)
{
    struct fake_peer *p = peer_at(s, arg);
    if (p && p->connection)
        fake_lt__peer_leave(p->connection);
}

void fake_lt_peer_drop(ltc_session *s, int torrent, int peer)
{
    fake_lt__call(s, run_peer_drop, &(struct order){.torrent = torrent, .peer = peer});
}

static void run_peer_choke(ltc_session *s, void *arg)
{
    struct order *o = arg;
    ltc_peer *c = joined_peer(s, o);
    if (c)
        fake_lt__send_choke(c, o->flag);
}

void fake_lt_peer_choke(ltc_session *s, int torrent, int peer, bool choked)
{
    struct order o = {.torrent = torrent, .peer = peer, .flag = choked};
    fake_lt__call(s, run_peer_choke, &o);
}

static void run_peer_have(ltc_session *s, void *arg)
{
    struct order *o = arg;
    struct fake_peer *p = peer_at(s, o);
    ltc_peer *c = joined_peer(s, o);
    if (p)
        fake_lt__ranges(o->text, p->have, p->n_pieces);
    if (c)
        fake_lt__send_have(c);
}

void fake_lt_peer_have(ltc_session *s, int torrent, int peer, const char *pieces)
{
    struct order o = {.torrent = torrent, .peer = peer, .text = pieces};
    fake_lt__call(s, run_peer_have, &o);
}

static void run_peer_send(ltc_session *s, void *arg)
{
    struct order *o = arg;
    ltc_peer *c = joined_peer(s, o);
    if (c)
        fake_lt__send_block(c, o->a, o->b);
}

void fake_lt_peer_send(ltc_session *s, int torrent, int peer, uint32_t piece, uint32_t block)
{
    struct order o = {.torrent = torrent, .peer = peer, .a = piece, .b = block};
    fake_lt__call(s, run_peer_send, &o);
}

/* ---- events ---- */

static void run_emit(ltc_session *s, void *arg)
{
    struct order *o = arg;
    ltc_torrent *t = torrent_at(s, o->torrent);
    fake_lt__event(s, (enum ltc_event_kind)o->a, t ? t->user : NULL, o->text);
    if (t && o->flag)
        fake_lt__torrent_stop(t);
}

void fake_lt_emit(ltc_session *s, enum ltc_event_kind kind, int torrent, const char *text)
{
    struct order o = {.torrent = torrent, .text = text, .a = kind};
    fake_lt__call(s, run_emit, &o);
}

static void run_emit_twins(ltc_session *s, void *arg)
{
    struct order *o = arg;
    ltc_torrent *t = torrent_at(s, o->torrent), *other = torrent_at(s, (int)o->a);
    fake_lt__event_of(s, LTC_EVENT_TWINS, t ? t->user : NULL, other ? other->user : NULL, "");
}

void fake_lt_emit_twins(ltc_session *s, int torrent, int other)
{
    struct order o = {.torrent = torrent, .a = (uint32_t)other};
    fake_lt__call(s, run_emit_twins, &o);
}

void fake_lt_emit_error(ltc_session *s, int torrent, const char *text)
{
    struct order o = {.torrent = torrent, .text = text, .a = LTC_EVENT_TORRENT_ERROR, .flag = true};
    fake_lt__call(s, run_emit, &o);
}

/* ---- counters ---- */

static void run_stats(ltc_session *s, void *arg)
{
    *(struct fake_lt_stats *)arg = s->stats;
}

void fake_lt_get_stats(ltc_session *s, struct fake_lt_stats *out)
{
    fake_lt__call(s, run_stats, out);
}

static void run_peer_stats(ltc_session *s, void *arg)
{
    struct order *o = arg;
    struct fake_peer *p = peer_at(s, o);
    struct fake_lt_peer_stats *out = o->out;
    if (!p)
        return;
    *out = p->stats;
    const ltc_peer *c = p->connection;
    out->connected = c != NULL;
    out->joined = c && c->joined;
    out->unchoked = c && !c->choked;
    out->interested = c && c->interested;
    o->result = 1;
}

bool fake_lt_get_peer_stats(ltc_session *s, int torrent, int peer, struct fake_lt_peer_stats *out)
{
    struct order o = {.torrent = torrent, .peer = peer, .out = out};
    memset(out, 0, sizeof *out);
    fake_lt__call(s, run_peer_stats, &o);
    return o.result;
}

static void run_block_requests(ltc_session *s, void *arg)
{
    struct order *o = arg;
    ltc_torrent *t = torrent_at(s, o->torrent);
    if (t && t->pieces && fake_lt__block_size(t->info, o->a, o->b))
        o->result = t->pieces[o->a].asked[o->b];
}

unsigned fake_lt_block_requests(ltc_session *s, int torrent, uint32_t piece, uint32_t block)
{
    struct order o = {.torrent = torrent, .a = piece, .b = block};
    fake_lt__call(s, run_block_requests, &o);
    return (unsigned)o.result;
}

struct log_order {
    struct fake_lt_log_entry *out;
    size_t n;
};

static void run_log(ltc_session *s, void *arg)
{
    struct log_order *o = arg;
    uint64_t there = s->n_log < FAKE_LT_LOG ? s->n_log : FAKE_LT_LOG;
    if (o->n > there)
        o->n = (size_t)there;
    for (size_t k = 0; k < o->n; k++)
        o->out[k] = s->log[(s->n_log - o->n + k) % FAKE_LT_LOG];
}

size_t fake_lt_log(ltc_session *s, struct fake_lt_log_entry *out, size_t n)
{
    struct log_order o = {out, n};
    fake_lt__call(s, run_log, &o);
    return o.n;
}
