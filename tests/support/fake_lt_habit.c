/* SPDX-License-Identifier: MIT
 *
 * What a peer does by itself, again and again, from the handshake on: gets
 * pieces, says HAVE, sends what nobody asked for, leaves when it is bored.
 * Network thread. */
#include "support/fake_lt_internal.h"

static void again(ltc_peer *c, int64_t after, void (*run)(ltc_session *, const struct fake_task *))
{
    if (after > 0)
        fake_lt__post(c->session, ltc_now_ns(c->session) + after, run, c, 0, 0);
}

static void gain(ltc_session *s, const struct fake_task *task)
{
    (void)s;
    ltc_peer *c = task->object;
    struct fake_peer *p = c->who;
    uint32_t piece = 0;
    while (piece < p->n_pieces && p->have[piece])
        piece++;
    if (c->leaving || piece == p->n_pieces)
        return;
    fake_lt__send_piece_gained(c, piece);
    again(c, p->attrs.gains, gain);
}

static void spam(ltc_session *s, const struct fake_task *task)
{
    (void)s;
    ltc_peer *c = task->object;
    if (c->leaving)
        return;
    fake_lt__send_have(c);
    again(c, c->who->attrs.have_spam, spam);
}

static void send_unasked(ltc_session *s, const struct fake_task *task)
{
    ltc_peer *c = task->object;
    struct fake_peer *p = c->who;
    if (c->leaving)
        return;
    /* What the download limit keeps waiting fills its system's buffers, and it has to wait. */
    if (s->limit_busy > ltc_now_ns(s) + SECOND) {
        again(c, p->attrs.unasked, send_unasked);
        return;
    }
    uint64_t dice = fake_lt__mix(p->sent + ((uint64_t)p->index << 32));
    const ltc_info *i = c->torrent->info;
    uint32_t piece = p->n_pieces ? (uint32_t)(dice % p->n_pieces) : 0;
    if (i && p->have[piece])
        fake_lt__send_block(c, piece, (uint32_t)(dice >> 32) % fake_lt__piece_blocks(i, piece));
    again(c, p->attrs.unasked, send_unasked);
}

static void look_if_idle(ltc_session *s, const struct fake_task *task)
{
    ltc_peer *c = task->object;
    int64_t limit = c->who->attrs.idle, now = ltc_now_ns(s);
    if (c->leaving || limit <= 0)
        return;
    bool idle = c->interested && !c->chokes;
    int64_t left = idle ? c->last_request + limit - now : limit;
    if (left <= 0)
        fake_lt__peer_left_now(c);
    else
        again(c, left, look_if_idle);
}

void fake_lt__serve_begin(ltc_peer *c)
{
    struct fake_peer *p = c->who;
    for (uint32_t k = 0; k < p->n_pieces; k++) {
        if (!p->have[k])
            continue;
        fake_lt__send_bitfield(c);
        break;
    }
    again(c, p->attrs.gains, gain);
    again(c, p->attrs.have_spam, spam);
    again(c, p->attrs.unasked, send_unasked);
    again(c, p->attrs.idle, look_if_idle);
}
