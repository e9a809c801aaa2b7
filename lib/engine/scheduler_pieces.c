/* SPDX-License-Identifier: MIT
 *
 * The scheduler's pieces: which blocks are stored, asked or free, and in which
 * order they are wanted. Network thread only. */
#include "engine/scheduler_private.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"

#define FIRST_BUCKETS 64

/* ---- the table ---- */

static struct gos__sched_piece **bucket(struct gos__sched_piece **buckets, uint32_t n,
                                        uint32_t number)
{
    /* Windows are runs of numbers, so the low bits spread them perfectly. */
    return &buckets[number & (n - 1)];
}

struct gos__sched_piece *gos__sched_find(const struct gos__sched *s, uint32_t number)
{
    if (!s->n_buckets)
        return NULL;
    struct gos__sched_piece *piece = *bucket(s->buckets, s->n_buckets, number);
    while (piece && piece->number != number)
        piece = piece->next;
    return piece;
}

static void insert(struct gos__sched_piece **buckets, uint32_t n, struct gos__sched_piece *piece)
{
    struct gos__sched_piece **head = bucket(buckets, n, piece->number);
    piece->next = *head;
    *head = piece;
}

/* More buckets when the chains grow. Without memory the old ones still do. */
static int grow_table(struct gos__sched *s)
{
    if (s->n_pieces < s->n_buckets)
        return 0;
    uint32_t n = s->n_buckets ? s->n_buckets * 2 : FIRST_BUCKETS;
    struct gos__sched_piece **buckets = gos__calloc(n, sizeof *buckets);
    if (!buckets)
        return s->n_buckets ? 0 : gos__error_nomem();
    for (uint32_t i = 0; i < s->n_buckets; i++) {
        for (struct gos__sched_piece *piece = s->buckets[i], *next; piece; piece = next) {
            next = piece->next;
            insert(buckets, n, piece);
        }
    }
    gos__free(s->buckets);
    s->buckets = buckets;
    s->n_buckets = n;
    return 0;
}

static void unlink_piece(struct gos__sched *s, const struct gos__sched_piece *piece)
{
    struct gos__sched_piece **at = bucket(s->buckets, s->n_buckets, piece->number);
    while (*at != piece)
        at = &(*at)->next;
    *at = piece->next;
    s->n_pieces--;
}

void gos__sched_drop_pieces(struct gos__sched *s)
{
    for (uint32_t i = 0; i < s->n_buckets; i++) {
        for (struct gos__sched_piece *piece = s->buckets[i], *next; piece; piece = next) {
            next = piece->next;
            gos__free(piece);
        }
    }
    gos__free(s->buckets);
    gos__free(s->order);
}

/* ---- blocks ---- */

bool gos__sched_sat_on(const struct gos__sched_piece *piece, const struct gos__sched_peer *p)
{
    return piece->sat_on >> (p->who % 64) & 1;
}

/* The piece has a block to ask for that it did not have. */
static void became_wanted(struct gos__sched *s, const struct gos__sched_piece *piece)
{
    if (piece->place < s->cursor)
        s->cursor = piece->place;
    s->change++;
}

static void make_free(struct gos__sched *s, struct gos__sched_piece *piece, uint32_t block)
{
    piece->block[block].state = GOS__SCHED_FREE;
    piece->n_free++;
    if (block < piece->first_free)
        piece->first_free = block;
    became_wanted(s, piece);
}

uint32_t gos__sched_first_free(struct gos__sched_piece *piece)
{
    assert(piece->n_free > 0);
    while (piece->block[piece->first_free].state != GOS__SCHED_FREE)
        piece->first_free++;
    return piece->first_free;
}

void gos__sched_own(struct gos__sched_piece *piece, uint32_t block, struct gos__sched_peer *p,
                    uint8_t slot)
{
    struct gos__sched_block *b = &piece->block[block];
    assert(b->n_owners < GOS__SCHED_OWNERS);
    b->owner[b->n_owners++] = (struct gos__sched_owner){p, slot};
    if (b->state == GOS__SCHED_FREE) {
        b->state = GOS__SCHED_ASKED;
        piece->n_free--;
        piece->n_asked++;
    }
}

bool gos__sched_owns(const struct gos__sched_block *b, const struct gos__sched_peer *p,
                     uint8_t *slot)
{
    for (unsigned i = 0; i < b->n_owners; i++) {
        if (b->owner[i].peer == p) {
            *slot = b->owner[i].slot;
            return true;
        }
    }
    return false;
}

void gos__sched_remove_owner(struct gos__sched_block *b, const struct gos__sched_peer *p)
{
    for (unsigned i = 0; i < b->n_owners; i++) {
        if (b->owner[i].peer == p) {
            b->owner[i] = b->owner[--b->n_owners];
            return;
        }
    }
}

void gos__sched_disown(struct gos__sched *s, uint32_t piece, uint32_t block,
                       const struct gos__sched_peer *p)
{
    struct gos__sched_piece *pc = gos__sched_find(s, piece);
    assert(pc && pc->block[block].state == GOS__SCHED_ASKED);
    gos__sched_remove_owner(&pc->block[block], p);
    if (pc->block[block].n_owners)
        return;
    pc->n_asked--;
    make_free(s, pc, block);
}

/* Take the block away from everybody who was asked for it. */
static void call_off(struct gos__sched *s, struct gos__sched_block *b, bool is_there)
{
    for (unsigned i = 0; i < b->n_owners; i++)
        gos__sched_give_up(s, b->owner[i].peer, b->owner[i].slot, is_there);
    b->n_owners = 0;
}

static void call_off_piece(struct gos__sched *s, struct gos__sched_piece *piece)
{
    for (uint32_t i = 0; piece->n_asked && i < piece->n_blocks; i++) {
        if (piece->block[i].state != GOS__SCHED_ASKED)
            continue;
        call_off(s, &piece->block[i], false);
        piece->n_asked--;
    }
}

void gos__sched_settle(struct gos__sched *s)
{
    struct gos__sched_piece *piece = s->arriving_piece;
    s->arriving_piece = NULL;
    if (piece && piece->block[s->arriving_block].state == GOS__SCHED_ARRIVING)
        make_free(s, piece, s->arriving_block);
}

void gos__sched_arrive(struct gos__sched *s, struct gos__sched_piece *piece, uint32_t block,
                       uint32_t who)
{
    struct gos__sched_block *b = &piece->block[block];
    gos__sched_settle(s);
    if (b->state == GOS__SCHED_STORED)
        return;
    b->sender = who; /* holds if it is stored; else the next copy says otherwise */
    if (b->n_owners)
        return; /* another peer is asked as well: if this copy is dropped, its one may come */
    if (b->state == GOS__SCHED_FREE)
        piece->n_free--;
    else
        piece->n_asked--;
    b->state = GOS__SCHED_ARRIVING;
    s->arriving_piece = piece;
    s->arriving_block = block;
}

bool gos__sched_takes(const struct gos__sched *s, uint32_t piece, uint32_t block)
{
    const struct gos__sched_piece *pc = gos__sched_find(s, piece);
    if (!pc || block >= pc->n_blocks || pc->only == GOS__SCHED_NOBODY)
        return true;
    return pc->block[block].sender == pc->only;
}

void gos__sched_stored(struct gos__sched *s, uint32_t piece, uint32_t block)
{
    struct gos__sched_piece *pc = gos__sched_find(s, piece);
    if (!pc || block >= pc->n_blocks)
        return;
    struct gos__sched_block *b = &pc->block[block];
    if (b->state == GOS__SCHED_FREE) {
        pc->n_free--;
    } else if (b->state == GOS__SCHED_ASKED) {
        call_off(s, b, true);
        pc->n_asked--;
    }
    b->state = GOS__SCHED_STORED;
}

uint32_t gos__sched_sender(const struct gos__sched *s, uint32_t piece, uint32_t block)
{
    const struct gos__sched_piece *pc = gos__sched_find(s, piece);
    if (!pc || block >= pc->n_blocks || pc->block[block].state != GOS__SCHED_STORED)
        return GOS__SCHED_NOBODY;
    return pc->block[block].sender;
}

/* ---- begin, restart, end ---- */

static void set_only(struct gos__sched *s, struct gos__sched_piece *piece, uint32_t only)
{
    s->n_only += (only != GOS__SCHED_NOBODY) - (piece->only != GOS__SCHED_NOBODY);
    piece->only = only;
}

void gos__sched_release_only(struct gos__sched *s, struct gos__sched_piece *piece)
{
    set_only(s, piece, GOS__SCHED_NOBODY);
    became_wanted(s, piece);
}

/* All blocks are free but those in `have`. Nobody owns one. */
static void reset_blocks(struct gos__sched *s, struct gos__sched_piece *piece, const uint8_t *have)
{
    piece->n_free = 0;
    piece->first_free = 0;
    piece->sat_on = 0;
    for (uint32_t i = 0; i < piece->n_blocks; i++) {
        struct gos__sched_block *b = &piece->block[i];
        b->sender = GOS__SCHED_NOBODY;
        b->state = have && have[i] ? GOS__SCHED_STORED : GOS__SCHED_FREE;
        piece->n_free += b->state == GOS__SCHED_FREE;
    }
    became_wanted(s, piece);
}

/* A piece that the order names already takes its place there. */
static void take_place(struct gos__sched *s, struct gos__sched_piece *piece)
{
    for (uint32_t i = 0; s->order_unbegun && i < s->order_len; i++) {
        struct gos__sched_place *at = &s->order[i];
        if (at->number != piece->number || at->piece)
            continue;
        at->piece = piece;
        piece->place = i;
        s->order_unbegun--;
        return;
    }
}

int gos__sched_begin(struct gos__sched *s, uint32_t piece, uint32_t n_blocks, const uint8_t *have)
{
    assert(n_blocks > 0);
    if (gos__sched_find(s, piece))
        return 0;
    struct gos__sched_piece *pc = gos__calloc(1, sizeof *pc + (size_t)n_blocks *
                                                                  sizeof(struct gos__sched_block));
    if (!pc || grow_table(s) < 0) {
        gos__free(pc);
        return gos__error_nomem();
    }
    pc->number = piece;
    pc->n_blocks = n_blocks;
    pc->place = GOS__SCHED_UNORDERED;
    pc->only = GOS__SCHED_NOBODY;
    insert(s->buckets, s->n_buckets, pc);
    s->n_pieces++;
    take_place(s, pc);
    reset_blocks(s, pc, have);
    return 0;
}

static void forget_arriving(struct gos__sched *s, const struct gos__sched_piece *piece)
{
    if (s->arriving_piece == piece)
        s->arriving_piece = NULL;
}

void gos__sched_end(struct gos__sched *s, uint32_t piece)
{
    struct gos__sched_piece *pc = gos__sched_find(s, piece);
    if (!pc)
        return;
    call_off_piece(s, pc);
    forget_arriving(s, pc);
    set_only(s, pc, GOS__SCHED_NOBODY);
    if (pc->place != GOS__SCHED_UNORDERED) {
        s->order[pc->place].piece = NULL;
        s->order_unbegun++;
    }
    unlink_piece(s, pc);
    gos__free(pc);
}

void gos__sched_restart(struct gos__sched *s, uint32_t piece, const uint8_t *have, uint32_t only)
{
    struct gos__sched_piece *pc = gos__sched_find(s, piece);
    if (!pc)
        return;
    call_off_piece(s, pc);
    forget_arriving(s, pc);
    set_only(s, pc, only);
    reset_blocks(s, pc, have);
}

/* ---- the order ---- */

/* Take all pieces out of the order; returns them as a chain. */
static struct gos__sched_piece *unlist(struct gos__sched *s)
{
    struct gos__sched_piece *first = NULL;
    for (uint32_t i = 0; i < s->order_len; i++) {
        struct gos__sched_piece *piece = s->order[i].piece;
        if (!piece)
            continue;
        piece->place = GOS__SCHED_UNORDERED;
        piece->was_listed = first;
        first = piece;
    }
    return first;
}

/* Nobody is asked for its blocks any more; they are free. */
static void free_asked(struct gos__sched *s, struct gos__sched_piece *piece)
{
    for (uint32_t i = 0; piece->n_asked && i < piece->n_blocks; i++) {
        if (piece->block[i].state != GOS__SCHED_ASKED)
            continue;
        call_off(s, &piece->block[i], false);
        piece->n_asked--;
        make_free(s, piece, i);
    }
}

int gos__sched_order(struct gos__sched *s, const uint32_t *pieces, size_t n, size_t awaited)
{
    assert(n < GOS__SCHED_UNORDERED && awaited <= n);
    if (n > s->order_cap) {
        struct gos__sched_place *order = gos__realloc(s->order, n * sizeof *order);
        if (!order)
            return gos__error_nomem();
        s->order = order;
        s->order_cap = (uint32_t)n;
    }
    struct gos__sched_piece *left = unlist(s);
    s->order_unbegun = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct gos__sched_piece *piece = gos__sched_find(s, pieces[i]);
        if (piece && piece->place != GOS__SCHED_UNORDERED)
            piece = NULL; /* listed before */
        if (piece)
            piece->place = i;
        else
            s->order_unbegun++;
        s->order[i] = (struct gos__sched_place){pieces[i], piece};
    }
    /* What is not named any more is called off: the line is needed elsewhere. What
     * comes all the same is kept for as long as the piece is. */
    for (; left; left = left->was_listed) {
        if (left->place == GOS__SCHED_UNORDERED)
            free_asked(s, left);
    }
    s->order_len = (uint32_t)n;
    s->awaited = (uint32_t)awaited;
    s->cursor = 0;
    s->change++;
    s->order_number++;
    return 0;
}
