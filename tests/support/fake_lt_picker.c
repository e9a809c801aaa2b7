/* SPDX-License-Identifier: MIT
 *
 * libtorrent's own picker, for a session that lets it pick: what is wanted is
 * asked in order, those with readers first, from the first unchoked peer that has
 * it. A block that was dropped, rejected or given back is asked for again. With
 * nothing wanted the anchor is fetched, once. Network thread. */
#include <stdlib.h>
#include <string.h>

#include "support/fake_lt_internal.h"

#define DEPTH 50 /* requests at one peer */

void ltc_torrent_want(ltc_torrent *t, const uint32_t *pieces, size_t n, size_t awaited)
{
    if (!fake_lt__net_only(t->session, __func__) || !t->session->picks)
        return;
    if (t->removed) {
        fake_lt__violation("ltc_torrent_want() of a torrent that was removed");
        return;
    }
    t->n_wanted = 0;
    if (!t->ready) {
        fake_lt__violation("ltc_torrent_want() before ready");
        return;
    }
    t->wanted = fake_lt__grow(t->wanted, &t->wanted_room, n, sizeof *t->wanted);
    for (size_t k = 0; k < n; k++) {
        if (pieces[k] >= t->info->view.n_pieces)
            fake_lt__violation("ltc_torrent_want() of piece %u of %u", pieces[k],
                               t->info->view.n_pieces);
        else
            t->wanted[t->n_wanted++] = pieces[k];
    }
    t->n_awaited = awaited < t->n_wanted ? awaited : t->n_wanted;
    if (t->anchor >= 0 && fake_lt__is_wanted(t, (uint32_t)t->anchor))
        fake_lt__release_anchor(t);
}

bool fake_lt__is_wanted(const ltc_torrent *t, uint32_t piece)
{
    for (size_t k = 0; k < t->n_wanted; k++)
        if (t->wanted[k] == piece)
            return true;
    return false;
}

static bool is_asked(const ltc_torrent *t, uint32_t piece, uint32_t block)
{
    for (size_t p = 0; p < t->n_peers; p++) {
        const ltc_peer *c = t->peers[p]->connection;
        for (size_t k = 0; c && k < c->asked.n; k++)
            if (c->asked.at[k].piece == piece && c->asked.at[k].block == block)
                return true;
    }
    return false;
}

static ltc_peer *first_with_room(const ltc_torrent *t, uint32_t piece)
{
    for (size_t p = 0; p < t->n_peers; p++) {
        ltc_peer *c = t->peers[p]->connection;
        if (!c || !c->joined || c->leaving || c->choked || !c->who->have[piece])
            continue;
        if (c->asked.n < DEPTH && (!c->cap || c->asked.n < c->cap))
            return c;
    }
    return NULL;
}

static void ask_piece(ltc_torrent *t, uint32_t piece)
{
    const struct fake_piece *p = &t->pieces[piece];
    for (uint32_t b = 0; b < p->n_blocks; b++) {
        if (p->blocks[b] != BLOCK_NONE || is_asked(t, piece, b))
            continue;
        ltc_peer *c = first_with_room(t, piece);
        if (!c)
            return;
        fake_lt__list_add(&c->asked, (struct fake_message){.piece = piece, .block = b});
        fake_lt__list_add(&c->unflushed, (struct fake_message){.piece = piece, .block = b});
        if (c->asked.n > c->who->stats.most_outstanding)
            c->who->stats.most_outstanding = c->asked.n;
    }
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void sort(uint32_t *pieces, size_t from, size_t to)
{
    if (from < to) /* there may be no array at all */
        qsort(pieces + from, to - from, sizeof *pieces, by_number);
}

void fake_lt__pick(ltc_session *s)
{
    for (size_t k = 0; k < s->n_torrents && s->picks; k++) {
        ltc_torrent *t = s->torrents[k];
        if (!t->ready || t->stopped)
            continue;
        if (!t->n_wanted && t->anchor >= 0)
            ask_piece(t, (uint32_t)t->anchor);
        sort(t->wanted, 0, t->n_awaited);
        sort(t->wanted, t->n_awaited, t->n_wanted);
        for (size_t w = 0; w < t->n_wanted; w++)
            ask_piece(t, t->wanted[w]);
        for (size_t p = 0; p < t->n_peers; p++)
            if (t->peers[p]->connection && !t->peers[p]->connection->leaving)
                fake_lt__send_unflushed(t->peers[p]->connection);
    }
}
