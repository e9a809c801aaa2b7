/* SPDX-License-Identifier: MIT
 *
 * Numbered records, and the parser that checks that none is torn, repeated, out
 * of order, or missing without a gap. */
#include "parser.h"

#include <string.h>

#define HEAD 24u

/* magic, length, writer, nothing; number */
static void head_fill(unsigned char head[HEAD], uint32_t len, uint32_t writer, uint64_t number)
{
    uint32_t words[4] = {0x52494e47u, len, writer, 0};

    memcpy(head, words, sizeof words);
    memcpy(head + 16, &number, sizeof number);
}

static unsigned char byte_at(uint32_t writer, uint64_t number, uint64_t i)
{
    return (unsigned char)(writer * 37 + number * 11 + i);
}

void record_fill(unsigned char *buf, uint32_t len, uint32_t writer, uint64_t number)
{
    head_fill(buf, len, writer, number);
    for (uint32_t i = HEAD; i < len; i++)
        buf[i] = byte_at(writer, number, i);
}

void parser_init(struct parser *p, struct truth *truth)
{
    memset(p, 0, sizeof *p);
    p->truth = truth;
}

static void fail(struct parser *p, const char *what)
{
    if (!p->wrong)
        p->wrong = what;
}

static uint32_t word(const struct parser *p, unsigned i)
{
    uint32_t w;

    memcpy(&w, p->head + 4 * (size_t)i, sizeof w);
    return w;
}

static uint64_t number_of(const struct parser *p)
{
    uint64_t n;

    memcpy(&n, p->head + 16, sizeof n);
    return n;
}

/* The head is whole: whose record is it, and may it come now? */
static void check_head(struct parser *p)
{
    uint32_t len = word(p, 1), writer = word(p, 2);
    uint64_t number = number_of(p), none = 0, mine = (uint64_t)writer << 48 | number;

    if (word(p, 0) != 0x52494e47u || len < RECORD_MIN || writer >= WRITERS_MAX) {
        fail(p, "no record begins where one has to");
        return;
    }
    if (p->last[writer] && p->last[writer] + 1 != number)
        fail(p, "a writer's records are out of order, or one is missing without a gap");
    p->last[writer] = number;
    uint64_t slot = p->record / RECORD_MIN;
    if (slot < p->truth->cap && !atomic_compare_exchange_strong(&p->truth->at[slot], &none, mine) &&
        none != mine)
        fail(p, "two readers saw different records at one offset");
}

static size_t take_head(struct parser *p, const unsigned char *bytes, size_t len)
{
    size_t n = HEAD - (size_t)p->in_record;

    if (p->in_record == 0)
        p->record = p->next;
    if (n > len)
        n = len;
    memcpy(p->head + p->in_record, bytes, n);
    p->in_record += n;
    if (p->in_record == HEAD)
        check_head(p);
    return n;
}

static size_t take_body(struct parser *p, const unsigned char *bytes, size_t len)
{
    uint32_t writer = word(p, 2);
    uint64_t number = number_of(p), left = word(p, 1) - p->in_record;
    size_t n = left < len ? (size_t)left : len;

    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != byte_at(writer, number, p->in_record + i)) {
            fail(p, "a byte is wrong");
            break;
        }
    }
    p->in_record += n;
    if (p->in_record == word(p, 1))
        p->in_record = 0;
    return n;
}

static void take_bytes(struct parser *p, const unsigned char *bytes, size_t len)
{
    while (len > 0 && !p->wrong) {
        size_t n = p->in_record < HEAD ? take_head(p, bytes, len) : take_body(p, bytes, len);
        bytes += n;
        len -= n;
        p->next += n;
        p->read += n;
    }
}

static void take_note(struct parser *p, const struct gos_ring_note *note)
{
    if (!p->begun) {
        p->begun = true;
        p->start = p->next = note->events & GOS_RING_GAP ? note->gap_from : note->offset;
    }
    if (note->events & GOS_RING_GAP) {
        if (note->gap_from != p->next || note->gap_to <= note->gap_from)
            fail(p, "a gap does not begin where the bytes ended");
        p->lost += note->gap_to - note->gap_from;
        p->next = note->gap_to;
        p->in_record = 0; /* goes on with a whole record */
        memset(p->last, 0, sizeof p->last);
    }
    if (note->offset != p->next)
        fail(p, "bytes do not begin where the last ones ended");
}

void parser_take(struct parser *p, const struct gos_ring_view *v)
{
    if (v->note.events & GOS_RING_HEAD)
        return;
    take_note(p, &v->note);
    for (unsigned i = 0; i < v->n_slices; i++)
        take_bytes(p, v->slices[i].base, v->slices[i].len);
}
