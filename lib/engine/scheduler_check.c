/* SPDX-License-Identifier: MIT
 *
 * The scheduler's invariants, each looked at from both sides. For tests: slow. */
#include "engine/scheduler_private.h"

static const char *check_owner(const struct gos__sched_piece *piece, uint32_t block,
                               const struct gos__sched_owner *owner)
{
    const struct gos__sched_request *r = &owner->peer->request[owner->slot];
    if (r->state != GOS__SCHED_LIVE)
        return "an owner was not asked";
    if (r->piece != piece->number || r->block != block)
        return "an owner was asked for another block";
    if (owner->peer->choked)
        return "an owner chokes us";
    return NULL;
}

static const char *check_block(const struct gos__sched *s, const struct gos__sched_piece *piece,
                               uint32_t i)
{
    const struct gos__sched_block *b = &piece->block[i];
    if ((b->state == GOS__SCHED_ASKED) != (b->n_owners > 0))
        return "a block is asked without an owner, or the other way round";
    if (b->n_owners > GOS__SCHED_OWNERS)
        return "a block has too many owners";
    if (b->n_owners == 2 && b->owner[0].peer == b->owner[1].peer)
        return "a block is asked twice from one peer";
    if (b->n_owners == 2 && !b->owner[0].peer->request[b->owner[0].slot].hedge &&
        !b->owner[1].peer->request[b->owner[1].slot].hedge)
        return "a block is asked twice, and it was not late";
    if (b->state == GOS__SCHED_ARRIVING && (s->arriving_piece != piece || s->arriving_block != i))
        return "a block arrives for ever";
    if (b->state == GOS__SCHED_FREE && i < piece->first_free)
        return "a free block is before the first free one";
    for (unsigned k = 0; k < b->n_owners; k++) {
        const char *wrong = check_owner(piece, i, &b->owner[k]);
        if (wrong)
            return wrong;
    }
    return NULL;
}

static const char *check_piece(const struct gos__sched *s, const struct gos__sched_piece *piece,
                               uint64_t *owners)
{
    uint32_t n_free = 0, n_asked = 0;
    for (uint32_t i = 0; i < piece->n_blocks; i++) {
        const char *wrong = check_block(s, piece, i);
        if (wrong)
            return wrong;
        n_free += piece->block[i].state == GOS__SCHED_FREE;
        n_asked += piece->block[i].state == GOS__SCHED_ASKED;
        *owners += piece->block[i].n_owners;
    }
    if (n_asked && piece->place == GOS__SCHED_UNORDERED)
        return "a block outside the windows is asked for";
    if (n_free != piece->n_free || n_asked != piece->n_asked)
        return "a piece has miscounted its blocks";
    if (piece->place != GOS__SCHED_UNORDERED &&
        (piece->place >= s->order_len || s->order[piece->place].piece != piece))
        return "a piece is not at its place in the order";
    if (piece->n_free && piece->place < s->cursor)
        return "the cursor passed a free block";
    return NULL;
}

static const char *check_peer(const struct gos__sched_peer *p, uint64_t *live)
{
    uint32_t n[GOS__SCHED_STALE + 1] = {0};
    for (unsigned i = 0; i < GOS__SCHED_MAX_QUEUE; i++)
        n[p->request[i].state]++;
    if (n[GOS__SCHED_LIVE] != p->n_live || n[GOS__SCHED_CANCEL_DUE] != p->n_cancel_due ||
        n[GOS__SCHED_CANCEL_DUE] + n[GOS__SCHED_STALE] != p->n_stale ||
        n[GOS__SCHED_UNUSED] != p->n_unused)
        return "a peer has miscounted its requests";
    if (p->choked && p->n_live)
        return "a peer that chokes us is waited for";
    *live += p->n_live;
    return NULL;
}

static const char *check_order(const struct gos__sched *s)
{
    uint32_t unbegun = 0;
    for (uint32_t i = 0; i < s->order_len; i++) {
        const struct gos__sched_piece *piece = s->order[i].piece;
        if (piece && (piece->number != s->order[i].number || piece->place != i))
            return "a place in the order holds another piece";
        if (!piece && gos__sched_find(s, s->order[i].number) &&
            gos__sched_find(s, s->order[i].number)->place > i)
            return "a begun piece does not have its place in the order";
        unbegun += !piece;
    }
    if (unbegun != s->order_unbegun || s->awaited > s->order_len)
        return "the order is miscounted";
    return NULL;
}

const char *gos__sched_check(const struct gos__sched *s)
{
    uint64_t owners = 0, live = 0;
    uint32_t n_pieces = 0, n_only = 0;
    const char *wrong;
    for (uint32_t i = 0; i < s->n_buckets; i++) {
        for (const struct gos__sched_piece *piece = s->buckets[i]; piece; piece = piece->next) {
            wrong = check_piece(s, piece, &owners);
            if (wrong)
                return wrong;
            n_pieces++;
            n_only += piece->only != GOS__SCHED_NOBODY;
        }
    }
    if (n_pieces != s->n_pieces || n_only != s->n_only)
        return "the pieces are miscounted";
    GOS__SCHED_EACH_PEER(s, p)
    {
        wrong = check_peer(p, &live);
        if (wrong)
            return wrong;
    }
    if (live != s->n_live)
        return "the requests are miscounted";
    if (owners != live)
        return "a request is live that no block knows";
    return check_order(s);
}
