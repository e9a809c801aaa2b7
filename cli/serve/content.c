/* SPDX-License-Identifier: MIT
 *
 * Counted blocks; see content.h. A block that one content alone has is written in
 * place; a shared one is never touched again. Any thread. */
#include "serve/content.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK CONTENT_BLOCK
#define LEAST 64u
#define PAGE 4096u

struct content_block {
    atomic_uint refs;
    unsigned room;
    unsigned char data[];
};

/* What is read where there is no block. Never written; not const, so that the
 * program is not larger by it. */
static unsigned char zeros[BLOCK];

/* ---- blocks ---- */

/* A last block is as large as its bytes need, roughly. */
static size_t room_for(size_t n)
{
    size_t room = LEAST;
    if (n > PAGE)
        return (n + PAGE - 1) / PAGE * PAGE;
    while (room < n)
        room *= 2;
    return room;
}

static void unref(struct content_block *b)
{
    /* Release what this one read, acquire what the others did before freeing. */
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}

/* Acquire: who had it before has read it before it is written again. */
static bool is_shared(const struct content_block *b)
{
    return atomic_load_explicit(&b->refs, memory_order_acquire) > 1;
}

/* Block `i` for writing, with room for `need` bytes. `whole`: all of these will be
 * written, so what they are does not matter. NULL: no memory, and nothing has changed. */
static struct content_block *own(struct content *c, size_t i, size_t need, bool whole)
{
    struct content_block *b = c->blocks[i];
    if (b && b->room >= need && !is_shared(b))
        return b;
    size_t room = room_for(need), kept = !b || whole ? 0 : b->room < room ? b->room : room;
    struct content_block *fresh = malloc(sizeof *fresh + room);
    if (!fresh)
        return NULL;
    atomic_init(&fresh->refs, 1);
    fresh->room = (unsigned)room;
    if (kept > 0)
        memcpy(fresh->data, b->data, kept);
    if (!whole)
        memset(fresh->data + kept, 0, room - kept);
    unref(b);
    c->blocks[i] = fresh;
    return fresh;
}

/* ---- size ---- */

static size_t blocks_of(uint64_t bytes)
{
    return (size_t)(bytes / BLOCK + (bytes % BLOCK != 0));
}

uint64_t content_cost(uint64_t size)
{
    uint64_t cost = blocks_of(size) * (sizeof(struct content_block) + sizeof(void *));
    if (size % BLOCK)
        cost += room_for(size % BLOCK);
    return cost + size / BLOCK * BLOCK;
}

static int reserve(struct content *c, size_t n)
{
    if (n <= c->room)
        return 0;
    size_t room = n > 2 * c->room ? n : 2 * c->room;
    struct content_block **blocks = realloc(c->blocks, room * sizeof(*blocks));
    if (!blocks)
        return -1;
    c->blocks = blocks;
    c->room = room;
    return 0;
}

/* How many bytes of block `i` are before the end of the content. */
static size_t end_in(const struct content *c, size_t i)
{
    uint64_t behind = c->size - (uint64_t)i * BLOCK;
    return behind < BLOCK ? (size_t)behind : BLOCK;
}

static void shrink(struct content *c, uint64_t size)
{
    size_t n = blocks_of(size), rest = size % BLOCK;
    while (c->n > n)
        unref(c->blocks[--c->n]);
    c->size = size;
    if (n == 0) {
        free(c->blocks);
        *c = (struct content){0};
        return;
    }
    /* A last block that is larger than what is told to be its cost. It may stay if
     * there is no memory for a smaller one, which is hardly ever. */
    struct content_block *last = c->blocks[n - 1];
    if (!rest || !last || last->room <= room_for(rest))
        return;
    struct content_block *fresh = malloc(sizeof *fresh + room_for(rest));
    if (!fresh)
        return;
    atomic_init(&fresh->refs, 1);
    fresh->room = (unsigned)room_for(rest);
    memcpy(fresh->data, last->data, rest);
    unref(last);
    c->blocks[n - 1] = fresh;
}

int content_resize(struct content *c, uint64_t size)
{
    if (size <= c->size) {
        shrink(c, size);
        return 0;
    }
    size_t n = blocks_of(size), rest = c->size % BLOCK;
    if (n > SIZE_MAX / sizeof(*c->blocks) || reserve(c, n) < 0)
        return -1;
    /* What is behind the end of the last block may be anything. */
    if (rest && c->blocks[c->n - 1]) {
        size_t need = n > c->n ? BLOCK : (size_t)(size - (uint64_t)(n - 1) * BLOCK);
        struct content_block *last = own(c, c->n - 1, need, false);
        if (!last)
            return -1;
        memset(last->data + rest, 0, last->room - rest);
    }
    while (c->n < n)
        c->blocks[c->n++] = NULL;
    c->size = size;
    return 0;
}

void content_free(struct content *c)
{
    while (c->n > 0)
        unref(c->blocks[--c->n]);
    free(c->blocks);
    *c = (struct content){0};
}

/* ---- writing ---- */

/* The bytes of block `i` that are in [at, end), from `*from` on. */
static size_t part_of(size_t i, uint64_t at, uint64_t end, size_t *from)
{
    uint64_t begin = (uint64_t)i * BLOCK;
    *from = at > begin ? (size_t)(at - begin) : 0;
    return (size_t)(end - begin < BLOCK ? end - begin : BLOCK) - *from;
}

/* Everything that may fail, before a byte that was there (of `before`) is changed. */
static int own_all(struct content *c, uint64_t before, uint64_t at, uint64_t end)
{
    for (size_t i = (size_t)(at / BLOCK); i < blocks_of(end); i++) {
        size_t from, need = end_in(c, i);
        size_t n = part_of(i, at, end, &from);
        if (!own(c, i, need, n == need && i >= blocks_of(before)))
            return -1;
    }
    return 0;
}

int content_write(struct content *c, uint64_t at, const void *data, size_t n)
{
    uint64_t before = c->size, end = at + n;
    const unsigned char *next = data;
    if (n == 0)
        return 0;
    if (end > before && content_resize(c, end) < 0)
        return -1;
    if (own_all(c, before, at, end) < 0) {
        if (end > before)
            content_resize(c, before);
        return -1;
    }
    for (size_t i = (size_t)(at / BLOCK); i < blocks_of(end); i++) {
        size_t from, part = part_of(i, at, end, &from);
        memcpy(c->blocks[i]->data + from, next, part);
        next += part;
    }
    return 0;
}

int content_splice(struct content *c, uint64_t at, const struct content *piece)
{
    uint64_t before = c->size, end = at + piece->size;
    size_t first = (size_t)(at / BLOCK), last = blocks_of(end) - 1, from, part;
    if (piece->size == 0)
        return 0;
    if (end > before && content_resize(c, end) < 0)
        return -1;
    const size_t edges[] = {first, last};
    for (int e = 0; e < 2; e++) {
        if (part_of(edges[e], at, end, &from) < end_in(c, edges[e]) &&
            !own(c, edges[e], end_in(c, edges[e]), false)) {
            content_resize(c, before);
            return -1;
        }
    }
    for (size_t i = first; i <= last; i++) {
        struct content_block *b = piece->blocks[i - first];
        part = part_of(i, at, end, &from);
        if (part < end_in(c, i)) {
            memcpy(c->blocks[i]->data + from, b ? b->data + from : zeros, part);
            continue;
        }
        if (b)
            atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
        unref(c->blocks[i]);
        c->blocks[i] = b;
    }
    return 0;
}

/* ---- reading ---- */

int content_share(struct content *out, const struct content *c, uint64_t at, uint64_t n)
{
    uint64_t begin = c->skip + at;
    size_t first = (size_t)(begin / BLOCK);
    if (n == 0)
        return 0;
    out->skip = begin % BLOCK;
    if (reserve(out, blocks_of(out->skip + n)) < 0)
        return -1;
    out->n = blocks_of(out->skip + n);
    out->size = n;
    for (size_t i = 0; i < out->n; i++) {
        out->blocks[i] = c->blocks[first + i];
        if (out->blocks[i])
            atomic_fetch_add_explicit(&out->blocks[i]->refs, 1, memory_order_relaxed);
    }
    return 0;
}

unsigned content_slices(const struct content *c, uint64_t at, struct iovec *out, unsigned max)
{
    unsigned n = 0;
    while (n < max && at < c->size) {
        struct content_block *b = c->blocks[(c->skip + at) / BLOCK];
        size_t from = (c->skip + at) % BLOCK, len = BLOCK - from;
        if (len > c->size - at)
            len = (size_t)(c->size - at);
        out[n++] = (struct iovec){.iov_base = b ? b->data + from : zeros, .iov_len = len};
        at += len;
    }
    return n;
}

void content_copy(const struct content *c, char *out)
{
    struct iovec part;
    for (uint64_t at = 0; content_slices(c, at, &part, 1) > 0; at += part.iov_len)
        memcpy(out + at, part.iov_base, part.iov_len);
}
