/* SPDX-License-Identifier: MIT
 *
 * One connection's messages, both ways. A peer answers in the order of its
 * queue, one block after the other at its rate; what it sends arrives in the
 * order it was sent. Network thread. */
#include <string.h>

#include "support/fake_lt_internal.h"

void fake_lt__list_add(struct fake_list *l, struct fake_message m)
{
    l->at = fake_lt__grow(l->at, &l->room, l->n + 1, sizeof *l->at);
    l->at[l->n++] = m;
}

bool fake_lt__list_take(struct fake_list *l, uint32_t piece, uint32_t block,
                        struct fake_message *out)
{
    for (size_t k = 0; k < l->n; k++) {
        if (l->at[k].piece != piece || l->at[k].block != block)
            continue;
        if (out)
            *out = l->at[k];
        l->n--;
        memmove(l->at + k, l->at + k + 1, (l->n - k) * sizeof *l->at);
        return true;
    }
    return false;
}

static int64_t one_way(const ltc_peer *c)
{
    return c->who->attrs.latency / 2;
}

int64_t fake_lt__send_time(const ltc_peer *c)
{
    int64_t now = ltc_now_ns(c->session);
    return (c->busy_until > now ? c->busy_until : now) + one_way(c);
}

/* ---- what arrives here ---- */

static void rejected(ltc_session *s, const struct fake_task *task)
{
    ltc_peer *c = task->object;
    if (c->leaving)
        return;
    fake_lt__list_take(&c->asked, task->a, task->b, NULL);
    c->who->stats.rejects++;
    s->stats.rejects++;
    fake_lt__note(s, FAKE_LT_PEER_REJECTED, c->torrent, c->who, task->a, task->b);
    s->hooks.peer_rejected(c->torrent->user, c->user, task->a, task->b);
}

static void send_reject(ltc_peer *c, const struct fake_message *m)
{
    if (c->who->attrs.fast)
        fake_lt__post(c->session, fake_lt__send_time(c), rejected, c, m->piece, m->block);
}

/* The same peer lies about the same block each time. */
static bool lies(struct fake_peer *p, uint32_t piece, uint32_t block)
{
    const struct fake_attrs *a = &p->attrs;
    uint64_t dice = p->torrent->info->seed ^ (uint64_t)p->index << 48 ^ (uint64_t)piece << 16;
    bool lie = p->corrupt[piece] && (a->corrupt_block < 0 || a->corrupt_block == block);
    lie |= (int64_t)(fake_lt__mix(dice ^ block) % 1000000) < a->corrupt_ppm;
    return lie && (a->corrupt_times < 0 || p->lies < (uint64_t)a->corrupt_times);
}

static void deliver(ltc_session *s, const struct fake_task *task)
{
    ltc_peer *c = task->object;
    ltc_torrent *t = c->torrent;
    uint8_t bytes[LTC_BLOCK];
    if (c->leaving || !t->ready || t->stopped)
        return;
    uint32_t piece = task->a, block = task->b, len = fake_lt__block_size(t->info, piece, block);
    uint64_t off = (uint64_t)piece * t->info->view.piece_length + (uint64_t)block * LTC_BLOCK;
    fake_lt__content(t->info, off, bytes, len);
    if (lies(c->who, piece, block)) {
        bytes[fake_lt__mix(off) % len] ^= 0x5a;
        c->who->lies++;
        c->who->stats.corrupted++;
        s->stats.corrupted++;
    }
    fake_lt__list_take(&c->asked, piece, block, NULL);
    c->who->stats.blocks++;
    s->stats.blocks++;
    s->stats.bytes += len;
    s->burst = true;
    fake_lt__note(s, FAKE_LT_RECEIVED, t, c->who, piece, block);
    s->hooks.received(t->user, c->user, piece, block, len);
    fake_lt__block_came(t, piece, block, bytes, len);
}

/* The session's download limit comes after the peer's own rate. */
static void arrive(ltc_session *s, const struct fake_task *task)
{
    int64_t now = ltc_now_ns(s), at = s->limit_busy > now ? s->limit_busy : now;
    if (s->stats.download_limit)
        s->limit_busy = at + (int64_t)(LTC_BLOCK * (uint64_t)SECOND / s->stats.download_limit);
    if (at > now)
        fake_lt__post(s, at, deliver, task->object, task->a, task->b);
    else
        deliver(s, task);
}

static void choke_came(ltc_session *s, const struct fake_task *task)
{
    ltc_peer *c = task->object;
    if (c->leaving || c->choked == (bool)task->a)
        return;
    c->choked = task->a;
    s->stats.unchoked += c->choked ? (uint64_t)-1 : 1;
    fake_lt__note(s, c->choked ? FAKE_LT_PEER_CHOKED : FAKE_LT_PEER_UNCHOKED, c->torrent, c->who, 0,
                  0);
    if (!c->choked) {
        s->hooks.peer_unchoked(c->torrent->user, c->user);
        return;
    }
    c->asked.n = 0; /* with the fast extension a REJECT for each follows */
    s->hooks.peer_choked(c->torrent->user, c->user);
}

static void have_came(ltc_session *s, const struct fake_task *task)
{
    ltc_peer *c = task->object;
    if (c->leaving)
        return;
    if (task->b) /* a new piece: what the peer has and what we know of it is one set */
        c->who->have[task->a] = 1;
    ltc_torrent *t = c->torrent;
    if (!t->ready || t->stopped)
        return; /* told when the metadata is there */
    s->hooks.peer_have(t->user, c->user, task->b ? (int64_t)task->a : -1);
    if (t->anchor >= 0 && t->anchor < c->who->n_pieces && c->who->have[t->anchor])
        fake_lt__say_interested(c);
}

static void bye(ltc_session *s, const struct fake_task *task)
{
    (void)s;
    fake_lt__peer_left_now(task->object);
}

/* ---- what the peer sends ---- */

void fake_lt__send_block(ltc_peer *c, uint32_t piece, uint32_t block)
{
    ltc_session *s = c->session;
    const struct fake_attrs *a = &c->who->attrs;
    const ltc_info *i = c->torrent->info;
    uint32_t len = i ? fake_lt__block_size(i, piece, block) : 0;
    if (!len)
        return;
    int64_t now = ltc_now_ns(s), start = c->busy_until > now ? c->busy_until : now;
    c->busy_until = start + (a->rate > 0 ? (int64_t)len * SECOND / a->rate : 0);
    fake_lt__post(s, c->busy_until + one_way(c), arrive, c, piece, block);
    if (a->dup)
        fake_lt__post(s, c->busy_until + one_way(c), arrive, c, piece, block);
    c->who->sent++;
    c->who->since_join++;
}

static void served(ltc_session *s, const struct fake_task *task)
{
    (void)s;
    ltc_peer *c = task->object;
    c->serving = false;
    fake_lt__serve(c);
}

void fake_lt__serve(ltc_peer *c)
{
    const struct fake_attrs *a = &c->who->attrs;
    while (c->queue.n && !c->serving && !c->leaving && !c->said_bye) {
        if (a->stall_after >= 0 && c->who->sent >= (uint64_t)a->stall_after)
            return;
        struct fake_message m = c->queue.at[0];
        c->queue.n--;
        memmove(c->queue.at, c->queue.at + 1, c->queue.n * sizeof m);
        if (m.is_reject) {
            send_reject(c, &m);
            continue;
        }
        fake_lt__send_block(c, m.piece, m.block);
        if (a->disconnect_after > 0 && c->who->since_join >= (uint64_t)a->disconnect_after) {
            c->said_bye = true;
            fake_lt__post(c->session, fake_lt__send_time(c), bye, c, 0, 0);
        }
        c->serving = c->busy_until > ltc_now_ns(c->session);
        if (c->serving)
            fake_lt__post(c->session, c->busy_until, served, c, 0, 0);
    }
}

static void unchoke_again(ltc_session *s, const struct fake_task *task)
{
    (void)s;
    ltc_peer *c = task->object;
    if (!c->leaving && c->choke_round == task->a)
        fake_lt__send_choke(c, task->b);
}

void fake_lt__send_choke(ltc_peer *c, bool choked)
{
    const struct fake_attrs *a = &c->who->attrs;
    ltc_session *s = c->session;
    if (c->leaving || c->chokes == choked)
        return;
    c->chokes = choked;
    c->choke_round++;
    c->last_request = ltc_now_ns(s);
    fake_lt__post(s, fake_lt__send_time(c), choke_came, c, choked, 0);
    for (size_t k = 0; choked && k < c->queue.n; k++)
        send_reject(c, &c->queue.at[k]);
    if (choked)
        c->queue.n = 0;
    int64_t next = choked ? a->choke_for : a->choke_every;
    if (a->choke_every >= 0)
        fake_lt__post(s, ltc_now_ns(s) + next, unchoke_again, c, c->choke_round, !choked);
}

void fake_lt__send_have(ltc_peer *c)
{
    fake_lt__post(c->session, fake_lt__send_time(c), have_came, c, 0, 0);
}

void fake_lt__send_bitfield(ltc_peer *c)
{
    fake_lt__post(c->session, ltc_now_ns(c->session), have_came, c, 0, 0);
}

void fake_lt__send_piece_gained(ltc_peer *c, uint32_t piece)
{
    fake_lt__post(c->session, fake_lt__send_time(c), have_came, c, piece, 1);
}

/* ---- what the peer hears ---- */

static void request_came(ltc_session *s, const struct fake_task *task)
{
    ltc_peer *c = task->object;
    const struct fake_attrs *a = &c->who->attrs;
    struct fake_message m = {.piece = task->a, .block = task->b};
    if (c->leaving)
        return;
    c->last_request = ltc_now_ns(s);
    if (c->chokes || !c->who->have[m.piece]) {
        send_reject(c, &m);
        return;
    }
    m.is_reject = a->real_cap >= 0 && c->queue.n >= (uint64_t)a->real_cap;
    fake_lt__list_add(&c->queue, m);
    fake_lt__serve(c);
}

static void cancel_came(ltc_session *s, const struct fake_task *task)
{
    (void)s;
    ltc_peer *c = task->object;
    struct fake_message m;
    if (c->leaving || !fake_lt__list_take(&c->queue, task->a, task->b, &m))
        return;
    if (!c->who->attrs.ignores_cancel)
        send_reject(c, &m);
}

void fake_lt__send_unflushed(ltc_peer *c)
{
    ltc_session *s = c->session;
    int64_t at = ltc_now_ns(s) + one_way(c);
    for (size_t k = 0; k < c->unflushed.n; k++) {
        const struct fake_message *m = &c->unflushed.at[k];
        if (m->is_cancel) {
            s->stats.cancels++;
            c->who->stats.cancels++;
        } else {
            s->stats.requests++;
            c->who->stats.requests++;
            c->torrent->pieces[m->piece].asked[m->block]++;
        }
        fake_lt__note(s, m->is_cancel ? FAKE_LT_CANCEL : FAKE_LT_REQUEST, c->torrent, c->who,
                      m->piece, m->block);
        fake_lt__post(s, at, m->is_cancel ? cancel_came : request_came, c, m->piece, m->block);
    }
    c->unflushed.n = 0;
}

static void unchoke_first(ltc_session *s, const struct fake_task *task)
{
    (void)s;
    fake_lt__send_choke(task->object, false);
}

static void interested_came(ltc_session *s, const struct fake_task *task)
{
    ltc_peer *c = task->object;
    if (!c->leaving && c->who->attrs.unchoke >= 0)
        fake_lt__post(s, ltc_now_ns(s) + c->who->attrs.unchoke, unchoke_first, c, 0, 0);
}

void fake_lt__say_interested(ltc_peer *c)
{
    ltc_session *s = c->session;
    if (c->interested)
        return;
    c->interested = true;
    fake_lt__note(s, FAKE_LT_INTERESTED, c->torrent, c->who, 0, 0);
    fake_lt__post(s, ltc_now_ns(s) + one_way(c), interested_came, c, 0, 0);
}
