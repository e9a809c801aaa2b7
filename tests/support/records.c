/* SPDX-License-Identifier: MIT
 *
 * Records that say who wrote them and which they are, and the one who follows a
 * reader's bytes. Each follower belongs to one thread. */
#include "support/records.h"

#include <pthread.h>
#include <string.h>

#include "support/data.h"

#define MAGIC 0x53545247u
#define BODIES 65536u /* where in the pattern a body may begin */
#define PATTERN (BODIES + (1u << 20) + 64)

struct head {
    uint32_t magic, len, id, check;
    uint64_t number;
};
_Static_assert(sizeof(struct head) == RECORDS_MIN, "a record begins with its head");

static unsigned char pattern[PATTERN];
static pthread_once_t pattern_once = PTHREAD_ONCE_INIT;

static void make_pattern(void)
{
    data_fill(pattern, sizeof pattern, 5, 0);
}

static uint32_t check_of(uint32_t len, uint32_t id, uint64_t number)
{
    uint64_t h = (len * UINT64_C(0x9E3779B97F4A7C15)) ^ (id * UINT64_C(0xC2B2AE3D27D4EB4F)) ^
                 (number * UINT64_C(0x165667B19E3779F9));
    return (uint32_t)(h >> 29);
}

static const unsigned char *body_of(const struct head *h)
{
    return pattern + h->check % BODIES;
}

void record_fill(void *buf, uint32_t len, uint32_t id, uint64_t number)
{
    struct head h = {MAGIC, len, id, check_of(len, id, number), number};
    pthread_once(&pattern_once, make_pattern);
    memcpy(buf, &h, sizeof h);
    memcpy((char *)buf + sizeof h, body_of(&h), len - sizeof h);
}

/* ---- following ---- */

void follower_begin(struct follower *f, struct records_truth *truth)
{
    memset(f, 0, sizeof *f);
    f->truth = truth;
    pthread_once(&pattern_once, make_pattern);
}

static void blame(struct follower *f, const char *what)
{
    if (!f->wrong)
        f->wrong = what;
}

static struct head head_of(const struct follower *f)
{
    struct head h;
    memcpy(&h, f->head, sizeof h);
    return h;
}

static void check_number(struct follower *f, const struct head *h)
{
    uint64_t before = f->last[h->id].number;
    bool next = h->number == before + 1;
    if (h->number <= before)
        blame(f, "a record came twice, or too late");
    else if (before > 0 && f->last[h->id].gaps == f->gaps && !next)
        blame(f, "a record is missing without a gap");
    else if (before == 0 && f->start == 0 && f->gaps == 0 && !next)
        blame(f, "a writer's first record is missing");
    f->last[h->id].number = h->number;
    f->last[h->id].gaps = f->gaps;
}

static void check_head(struct follower *f)
{
    struct head h = head_of(f);
    if (h.magic != MAGIC || h.len < RECORDS_MIN || h.len > f->truth->max_record ||
        h.id >= RECORDS_IDS || h.check != check_of(h.len, h.id, h.number)) {
        blame(f, "no record begins where one has to");
        return;
    }
    check_number(f, &h);
    uint64_t slot = f->record / RECORDS_MIN, none = 0;
    uint64_t mine = (uint64_t)(h.id + 1) << 48 | h.number;
    if (slot >= f->truth->n)
        blame(f, "an offset that nothing was written at");
    else if (!atomic_compare_exchange_strong(&f->truth->at[slot], &none, mine) && none != mine)
        blame(f, "two readers saw different records at one offset");
}

static size_t take_head(struct follower *f, const unsigned char *bytes, size_t len)
{
    size_t n = RECORDS_MIN - (size_t)f->in_record;
    if (f->in_record == 0)
        f->record = f->next;
    if (n > len)
        n = len;
    memcpy(f->head + f->in_record, bytes, n);
    f->in_record += n;
    if (f->in_record == RECORDS_MIN)
        check_head(f);
    return n;
}

static size_t take_body(struct follower *f, const unsigned char *bytes, size_t len)
{
    struct head h = head_of(f);
    size_t left = (size_t)(h.len - f->in_record), n = left < len ? left : len;
    if (memcmp(bytes, body_of(&h) + (f->in_record - RECORDS_MIN), n) != 0)
        blame(f, "a byte is wrong");
    f->in_record += n;
    return n;
}

void follower_bytes(struct follower *f, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    while (len > 0 && !f->wrong) {
        size_t n = f->in_record < RECORDS_MIN ? take_head(f, at, len) : take_body(f, at, len);
        if (f->in_record >= RECORDS_MIN && f->in_record == head_of(f).len)
            f->in_record = 0;
        at += n;
        len -= n;
        f->next += n;
        f->read += n;
    }
}

void follower_note(struct follower *f, const struct gos_ring_note *note)
{
    bool gap = note->events & GOS_RING_GAP;
    if (!f->begun) {
        f->begun = true;
        f->start = f->next = gap ? note->gap_from : note->offset;
    }
    if (gap) {
        if (note->gap_from != f->next || note->gap_to <= note->gap_from)
            blame(f, "a gap does not begin where the bytes ended");
        f->lost += note->gap_to - note->gap_from;
        f->gaps++;
        f->next = note->gap_to;
        f->in_record = 0; /* goes on with a whole record */
    }
    if (note->offset != f->next)
        blame(f, "bytes do not begin where the last ones ended");
}
