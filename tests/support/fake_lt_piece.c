/* SPDX-License-Identifier: MIT
 *
 * Pieces as libtorrent's picker and disk queue see them: which blocks are being
 * written (withheld), which hash is asked, and the answers, which run after the
 * hook that gave them. Network thread. */
#include <stdlib.h>
#include <string.h>

#include "support/fake_lt_internal.h"

void fake_lt__pieces_init(ltc_torrent *t)
{
    uint32_t n = t->info->view.n_pieces;
    t->pieces = fake_lt__alloc(n, sizeof *t->pieces);
    for (uint32_t p = 0; p < n; p++) {
        struct fake_piece *piece = &t->pieces[p];
        piece->n_blocks = fake_lt__piece_blocks(t->info, p);
        piece->blocks = fake_lt__alloc(piece->n_blocks, 1);
        piece->asked = fake_lt__alloc(piece->n_blocks, sizeof *piece->asked);
        for (uint32_t b = 0; b < piece->n_blocks; b++) {
            if (!fake_lt__block_is_pad(t->info, p, b))
                continue;
            piece->blocks[b] = BLOCK_PAD;
            piece->n_pad++;
        }
        piece->n_none = piece->n_blocks - piece->n_pad;
    }
}

void fake_lt__pieces_free(ltc_torrent *t)
{
    for (uint32_t p = 0; t->pieces && p < t->info->view.n_pieces; p++) {
        free(t->pieces[p].blocks);
        free(t->pieces[p].asked);
    }
    free(t->pieces);
}

/* ---- answers ---- */

static void add_completion(struct fake_completions *q, ltc_torrent *t, uint32_t piece,
                           uint32_t block)
{
    q->at = fake_lt__grow(q->at, &q->room, q->n + 1, sizeof *q->at);
    q->at[q->n++] = (struct fake_completion){t, piece, block};
}

static void remove_first(struct fake_completions *q, size_t n)
{
    q->n -= n;
    q->posted -= n;
    memmove(q->at, q->at + n, q->n * sizeof *q->at);
}

static void hash_answered(const struct fake_completion *c)
{
    fake_lt__note(c->torrent->session, FAKE_LT_HASH_ANSWERED, c->torrent, NULL, c->piece, 0);
    c->torrent->pieces[c->piece].hashing--;
}

static void write_aborted(const struct fake_completion *c)
{
    ltc_torrent *t = c->torrent;
    struct fake_piece *p = &t->pieces[c->piece];
    fake_lt__note(t->session, FAKE_LT_WRITE_ABORTED, t, NULL, c->piece, c->block);
    p->blocks[c->block] = BLOCK_NONE;
    p->n_none++;
    t->session->stats.aborts++;
    if (p->n_none == p->n_blocks - p->n_pad && p->hashing)
        fake_lt__lost(t, c->piece);
}

/* The answers of one hook: hashes before writes. */
static void complete(ltc_session *s, const struct fake_task *task)
{
    for (uint32_t k = 0; k < task->a && !s->break_order; k++)
        hash_answered(&s->hash_answers.at[k]);
    for (uint32_t k = 0; k < task->b; k++)
        write_aborted(&s->aborts.at[k]);
    for (uint32_t k = 0; k < task->a && s->break_order; k++)
        hash_answered(&s->hash_answers.at[k]);
    if (task->a)
        remove_first(&s->hash_answers, task->a);
    if (task->b)
        remove_first(&s->aborts, task->b);
}

void fake_lt__post_completions(ltc_session *s)
{
    size_t hashes = s->hash_answers.n - s->hash_answers.posted;
    size_t aborts = s->aborts.n - s->aborts.posted;
    if (!hashes && !aborts)
        return;
    s->hash_answers.posted = s->hash_answers.n;
    s->aborts.posted = s->aborts.n;
    fake_lt__post(s, ltc_now_ns(s), complete, NULL, (uint32_t)hashes, (uint32_t)aborts);
}

/* ---- blocks ---- */

/* Answered without asking the engine, which counts blocks itself. */
static void ask_hash(ltc_torrent *t, uint32_t piece)
{
    ltc_session *s = t->session;
    fake_lt__note(s, FAKE_LT_HASH_ASKED, t, NULL, piece, 0);
    s->stats.hashes++;
    t->pieces[piece].hashing++;
    add_completion(&s->hash_answers, t, piece, 0);
}

static bool slot_is_good(const ltc_session *s, int64_t slot)
{
    if (slot < 0 || slot >= s->n_slots) {
        fake_lt__violation("block was kept under slot %lld of %u", (long long)slot, s->n_slots);
        return false;
    }
    const struct fake_slot *other = &s->slots[slot];
    if (!other->torrent)
        return true;
    fake_lt__violation("slot %lld is withheld already, for block %u of piece %u", (long long)slot,
                       other->block, other->piece);
    return false;
}

/* Where libtorrent picks, the anchor is fetched once without the engine. */
static bool keeps_anchor(ltc_torrent *t, uint32_t piece, uint32_t block)
{
    if (!t->session->picks || piece != t->anchor || fake_lt__is_wanted(t, piece))
        return false;
    t->pieces[piece].blocks[block] = BLOCK_ANCHOR;
    return true;
}

void fake_lt__release_anchor(ltc_torrent *t)
{
    struct fake_piece *p = &t->pieces[t->anchor];
    for (uint32_t b = 0; b < p->n_blocks; b++) {
        if (p->blocks[b] != BLOCK_ANCHOR)
            continue;
        p->blocks[b] = BLOCK_ABORTING;
        add_completion(&t->session->aborts, t, (uint32_t)t->anchor, b);
    }
}

void fake_lt__block_came(ltc_torrent *t, uint32_t piece, uint32_t block, const void *bytes,
                         uint32_t len)
{
    ltc_session *s = t->session;
    struct fake_piece *p = &t->pieces[piece];
    if (p->blocks[block] != BLOCK_NONE) {
        s->stats.redundant++;
        return;
    }
    p->n_none--;
    if (keeps_anchor(t, piece, block))
        return;
    int64_t slot = s->hooks.block(t->user, piece, block, bytes, len);
    if (slot != LTC_DROPPED && slot_is_good(s, slot)) {
        s->slots[slot] = (struct fake_slot){t, piece, block};
        p->blocks[block] = BLOCK_WITHHELD;
        s->stats.withheld++;
        fake_lt__note(s, FAKE_LT_BLOCK_KEPT, t, NULL, piece, block);
    } else {
        p->blocks[block] = BLOCK_ABORTING;
        s->stats.dropped++;
        add_completion(&s->aborts, t, piece, block);
        fake_lt__note(s, FAKE_LT_BLOCK_DROPPED, t, NULL, piece, block);
    }
    if (p->n_none == 0)
        ask_hash(t, piece);
}

void ltc_write_done(ltc_session *s, uint32_t slot)
{
    if (!fake_lt__net_only(s, __func__))
        return;
    if (slot >= s->n_slots || !s->slots[slot].torrent) {
        fake_lt__violation("ltc_write_done() of slot %u, which is not withheld", slot);
        return;
    }
    struct fake_slot *at = &s->slots[slot];
    at->torrent->pieces[at->piece].blocks[at->block] = BLOCK_ABORTING;
    add_completion(&s->aborts, at->torrent, at->piece, at->block);
    s->stats.withheld--;
    at->torrent = NULL;
}

/* ---- the end of a torrent ---- */

void fake_lt__check_all_given_back(ltc_torrent *t)
{
    ltc_session *s = t->session;
    unsigned left = 0;
    for (uint32_t k = 0; k < s->n_slots; k++) {
        if (s->slots[k].torrent != t)
            continue;
        left++;
        ltc_write_done(s, k);
    }
    if (left)
        fake_lt__violation("stop left %u writes withheld", left);
}
