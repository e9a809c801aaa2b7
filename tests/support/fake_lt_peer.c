/* SPDX-License-Identifier: MIT
 *
 * Peers of the scripted swarm: who there is, connecting, leaving, and the
 * functions of lt-c.h by which the engine speaks to one. Network thread. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "support/fake_lt_internal.h"

#define GIVES_UP (5 * SECOND) /* peer_connect_timeout */

static const ltc_info *script_of(const ltc_torrent *t)
{
    return t->info ? t->info : t->promised;
}

void fake_lt__peer_knows(struct fake_peer *p)
{
    fake_lt__ranges(p->attrs.have, p->have, p->n_pieces);
    fake_lt__ranges(p->attrs.corrupt, p->corrupt, p->n_pieces);
}

static void invent_addr(struct fake_peer *p)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&p->attrs.addr;
    in->sin_family = AF_INET;
    in->sin_port = htons(6881);
    unsigned host = (unsigned)p->index + 1, net = (unsigned)p->torrent->index & 255;
    in->sin_addr.s_addr = htonl(10u << 24 | net << 16 | (host & 0xffff));
}

struct fake_peer *fake_lt__peer_new(ltc_torrent *t, const struct fake_attrs *a)
{
    struct fake_peer *p = fake_lt__alloc(1, sizeof *p);
    const ltc_info *i = script_of(t);
    p->torrent = t;
    p->index = (int)t->n_peers;
    p->attrs = *a;
    p->n_pieces = i ? i->view.n_pieces : 0;
    p->have = fake_lt__alloc(p->n_pieces, 1);
    p->corrupt = fake_lt__alloc(p->n_pieces, 1);
    fake_lt__peer_knows(p);
    if (p->attrs.addr.ss_family == 0)
        invent_addr(p);
    t->peers = fake_lt__grow(t->peers, &t->peers_room, t->n_peers + 1, sizeof *t->peers);
    t->peers[t->n_peers++] = p;
    if (!a->dial)
        fake_lt__peer_arrive(p, ltc_now_ns(t->session) + a->at);
    return p;
}

void fake_lt__peer_free(struct fake_peer *p)
{
    free(p->have);
    free(p->corrupt);
    free(p);
}

/* ---- leaving ---- */

static void set_unchoked(ltc_peer *c, bool unchoked)
{
    if (c->choked == !unchoked)
        return;
    c->choked = !unchoked;
    c->session->stats.unchoked += unchoked ? 1 : (uint64_t)-1;
}

void fake_lt__peer_left_now(ltc_peer *c)
{
    ltc_session *s = c->session;
    struct fake_peer *p = c->who;
    if (c->left)
        return;
    set_unchoked(c, false);
    c->left = c->leaving = true;
    p->connection = NULL;
    s->stats.connections--;
    fake_lt__note(s, FAKE_LT_PEER_LEFT, c->torrent, p, 0, 0);
    s->hooks.peer_left(c->torrent->user, c->user);
    if (p->attrs.reconnect >= 0)
        fake_lt__peer_arrive(p, ltc_now_ns(s) + p->attrs.reconnect);
}

static void leave(ltc_session *s, const struct fake_task *task)
{
    (void)s;
    fake_lt__peer_left_now(task->object);
}

void fake_lt__peer_leave(ltc_peer *c)
{
    if (c->leaving)
        return;
    c->leaving = true;
    fake_lt__post(c->session, ltc_now_ns(c->session), leave, c, 0, 0);
}

/* ---- connecting ---- */

static void told_cap(ltc_session *s, const struct fake_task *task)
{
    ltc_peer *c = task->object;
    if (c->leaving)
        return;
    c->cap = (uint32_t)c->who->attrs.cap;
    s->hooks.peer_joined(c->torrent->user, c->user, c->who->attrs.fast, c->cap);
}

static void shake_hands(ltc_session *s, const struct fake_task *task)
{
    ltc_peer *c = task->object;
    struct fake_peer *p = c->who;
    if (c->leaving)
        return;
    bool late = p->attrs.cap_late >= 0;
    c->joined = true;
    c->cap = late || p->attrs.cap < 0 ? 0 : (uint32_t)p->attrs.cap;
    p->stats.joins++;
    s->stats.joins++;
    fake_lt__note(s, FAKE_LT_PEER_JOINED, c->torrent, p, c->cap, 0);
    s->hooks.peer_joined(c->torrent->user, c->user, p->attrs.fast, c->cap);
    if (late)
        fake_lt__post(s, ltc_now_ns(s) + p->attrs.cap_late, told_cap, c, 0, 0);
    fake_lt__serve_begin(c);
    fake_lt__metadata_wanted(c->torrent);
}

static ltc_peer *new_connection(struct fake_peer *p)
{
    ltc_session *s = p->torrent->session;
    ltc_peer *c = fake_lt__alloc(1, sizeof *c);
    c->session = s;
    c->torrent = p->torrent;
    c->who = p;
    c->choked = c->chokes = true;
    c->next = s->connections;
    s->connections = c;
    p->since_join = 0;
    return c;
}

static void connect_now(ltc_session *s, const struct fake_task *task)
{
    struct fake_peer *p = task->object;
    ltc_torrent *t = p->torrent;
    p->connecting = false;
    if (t->stopped || p->connection || s->stats.connections >= s->max_peers)
        return;
    ltc_peer *c = new_connection(p);
    struct ltc_peer_addr addr = {.sa = p->attrs.addr, .outgoing = !p->attrs.incoming};
    fake_lt__note(s, FAKE_LT_PEER_NEW, t, p, 0, 0);
    if (!s->hooks.peer_new(t->user, c, &addr, &c->user)) {
        c->left = c->leaving = true;
        p->stats.refused++;
        s->stats.refused++;
        return;
    }
    p->connection = c;
    s->stats.connections++;
    if (p->attrs.dead || (p->attrs.utp_only && !s->stats.outgoing_utp))
        fake_lt__post(s, ltc_now_ns(s) + GIVES_UP, leave, c, 0, 0);
    else
        fake_lt__post(s, ltc_now_ns(s) + p->attrs.latency, shake_hands, c, 0, 0);
}

void fake_lt__peer_arrive(struct fake_peer *p, int64_t at)
{
    if (p->connecting || p->connection || p->torrent->stopped)
        return;
    p->connecting = true;
    fake_lt__post(p->torrent->session, at, connect_now, p, 0, 0);
}

void fake_lt__torrent_is_ready(ltc_torrent *t)
{
    for (size_t k = 0; k < t->n_peers; k++) {
        ltc_peer *c = t->peers[k]->connection;
        if (c && c->joined && !c->leaving)
            fake_lt__send_bitfield(c); /* of a magnet: held back until now */
    }
}

/* ---- what the engine says ---- */

/* Whether a call about this peer may have an effect. */
static bool may_speak(const ltc_peer *c, const char *function)
{
    if (!fake_lt__net_only(c->session, function))
        return false;
    if (c->left) {
        fake_lt__violation("%s() to peer %d, which has left", function, c->who->index);
        return false;
    }
    return !c->leaving;
}

bool ltc_peer_has(const ltc_peer *c, uint32_t piece)
{
    if (!may_speak(c, __func__) || !c->torrent->ready || !c->joined)
        return false;
    if (piece < c->who->n_pieces)
        return c->who->have[piece];
    fake_lt__violation("ltc_peer_has() of piece %u of %u", piece, c->who->n_pieces);
    return false;
}

bool ltc_peer_utp(const ltc_peer *c)
{
    may_speak(c, __func__);
    return c->who->attrs.utp || c->who->attrs.utp_only;
}

void ltc_peer_interested(ltc_peer *c)
{
    if (!may_speak(c, __func__))
        return;
    if (c->joined)
        fake_lt__say_interested(c);
    else
        fake_lt__violation("ltc_peer_interested() before peer_joined");
}

static const char *what_is_wrong(const ltc_peer *c, uint32_t piece, uint32_t block, uint32_t len)
{
    const ltc_torrent *t = c->torrent;
    if (!c->joined)
        return "before peer_joined";
    if (!t->ready || t->stopped)
        return "of a torrent that is not running";
    if (!fake_lt__block_size(t->info, piece, block))
        return "of a block that does not exist";
    if (len != fake_lt__block_size(t->info, piece, block))
        return "with the wrong length";
    return NULL;
}

static const char *what_is_wrong_with_request(const ltc_peer *c, uint32_t piece, uint32_t block)
{
    if (c->choked)
        return "while it chokes us";
    if (!c->who->have[piece])
        return "of a piece that it does not have";
    for (size_t k = 0; k < c->asked.n; k++)
        if (c->asked.at[k].piece == piece && c->asked.at[k].block == block)
            return "that it was asked for already";
    if (c->cap && c->asked.n >= c->cap)
        return "beyond the number that it accepts";
    return NULL;
}

void ltc_peer_request(ltc_peer *c, uint32_t piece, uint32_t block, uint32_t len)
{
    if (!may_speak(c, __func__))
        return;
    const char *wrong = what_is_wrong(c, piece, block, len);
    if (!wrong)
        wrong = what_is_wrong_with_request(c, piece, block);
    if (wrong) {
        fake_lt__violation("request to peer %d %s: piece %u block %u length %u", c->who->index,
                           wrong, piece, block, len);
        return;
    }
    fake_lt__list_add(&c->asked, (struct fake_message){.piece = piece, .block = block});
    fake_lt__list_add(&c->unflushed, (struct fake_message){.piece = piece, .block = block});
    if (c->asked.n > c->who->stats.most_outstanding)
        c->who->stats.most_outstanding = c->asked.n;
}

void ltc_peer_cancel(ltc_peer *c, uint32_t piece, uint32_t block, uint32_t len)
{
    if (!may_speak(c, __func__))
        return;
    const char *wrong = what_is_wrong(c, piece, block, len);
    if (wrong) {
        fake_lt__violation("cancel to peer %d %s: piece %u block %u length %u", c->who->index,
                           wrong, piece, block, len);
        return;
    }
    fake_lt__list_take(&c->asked, piece, block, NULL);
    fake_lt__list_add(&c->unflushed,
                      (struct fake_message){.piece = piece, .block = block, .is_cancel = true});
}

void ltc_peer_flush(ltc_peer *c)
{
    if (may_speak(c, __func__))
        fake_lt__send_unflushed(c);
}

void ltc_peer_ban(ltc_peer *c)
{
    if (!may_speak(c, __func__))
        return;
    c->who->stats.bans++;
    c->session->stats.bans++;
    fake_lt__note(c->session, FAKE_LT_PEER_BANNED, c->torrent, c->who, 0, 0);
    fake_lt__peer_leave(c);
}
