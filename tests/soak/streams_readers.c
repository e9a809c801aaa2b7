/* SPDX-License-Identifier: MIT
 *
 * Readers of soak_streams, a thread each: they join somehow, read in every way
 * there is, keep what they borrowed for a while, and leave, or stay to the end.
 * Bytes read and gaps told have to add up. */
#include "soak/streams.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define VIEWS 3u
#define SLICES 12u
#define RECORDS 16u
#define COPY 100000u

struct hold {
    struct gos_slice slices[SLICES];
    struct gos_ring_record records[RECORDS];
    struct gos_ring_view v;
    uint64_t sum;
};

struct guest {
    struct streams *s;
    struct stream *st;
    struct soak_dice *d;
    struct bell *bell;
    gos_ring_reader *r;
    struct gos_ring_reader_opts opts;
    struct follower f, head;
    struct hold hold[VIEWS];
    unsigned char *copy;
    bool reading_head;
};

/* ---- what is borrowed ---- */

static uint64_t sum_of(const struct gos_ring_view *v)
{
    uint64_t sum = v->bytes;
    for (unsigned i = 0; i < v->n_slices; i++) {
        const unsigned char *at = v->slices[i].base, *end = at + v->slices[i].len;
        for (uint64_t word; end - at >= 8; at += 8) {
            memcpy(&word, at, 8);
            sum = (sum << 7 | sum >> 57) ^ word;
        }
        for (; at < end; at++)
            sum = (sum << 7 | sum >> 57) ^ *at;
    }
    return sum;
}

static void give_back(struct guest *g, struct hold *h)
{
    if (h->v.bytes && h->sum != sum_of(&h->v))
        soak_fail("borrowed bytes at %llu changed", (unsigned long long)h->v.note.offset);
    gos_ring_reader_release(g->r, &h->v);
    h->v = (struct gos_ring_view){0};
}

static void check_records(struct guest *g, const struct gos_ring_view *v)
{
    uint64_t end = v->note.offset + v->bytes;
    for (unsigned i = 0; i < v->n_records; i++) {
        const struct gos_ring_record *r = &v->records[i];
        if (i > 0 && r->offset != v->records[i - 1].offset + v->records[i - 1].len)
            soak_fail("records of a borrow do not follow each other");
        if (r->offset >= end || r->offset + r->len <= v->note.offset)
            soak_fail("a record of a borrow lies outside of its bytes");
        if (r->writer >= RECORDS_IDS || r->len > g->st->truth.max_record)
            soak_fail("a record of %u bytes by %u", r->len, r->writer);
    }
}

static void take_note(struct guest *g, const struct gos_ring_note *note)
{
    g->reading_head = note->events & GOS_RING_HEAD;
    if (note->events & GOS_RING_GAP)
        soak_add(SOAK_FAULTS, 1);
    follower_note(g->reading_head ? &g->head : &g->f, note);
}

static void take_bytes(struct guest *g, const void *bytes, size_t n)
{
    follower_bytes(g->reading_head ? &g->head : &g->f, bytes, n);
    soak_add(SOAK_BYTES, n);
}

static int64_t borrow(struct guest *g)
{
    struct hold *h = &g->hold[soak_below(g->d, VIEWS)];
    give_back(g, h);
    h->v = (struct gos_ring_view){.struct_size = sizeof h->v,
                                  .max_bytes = 1 + soak_below(g->d, 900000),
                                  .slices = h->slices,
                                  .max_slices = 1 + (unsigned)soak_below(g->d, SLICES)};
    if (soak_chance(g->d, 2)) {
        h->v.records = h->records;
        h->v.max_records = 1 + (unsigned)soak_below(g->d, RECORDS);
    }
    int64_t n = gos_ring_reader_borrow(g->r, &h->v);
    if (n < 0) {
        h->v.bytes = 0;
        return n;
    }
    take_note(g, &h->v.note);
    for (unsigned i = 0; i < h->v.n_slices; i++)
        take_bytes(g, h->slices[i].base, h->slices[i].len);
    check_records(g, &h->v);
    h->sum = sum_of(&h->v);
    return n;
}

static int64_t copy(struct guest *g)
{
    struct gos_ring_note note = {.struct_size = sizeof note};
    struct gos_io io = {.struct_size = sizeof io,
                        .cancel = g->s->cancel,
                        .deadline_ns = soak_now_ns() + (int64_t)soak_below(g->d, 5 * STREAM_MS)};
    int64_t n = gos_ring_reader_read(g->r, g->copy, 1 + soak_below(g->d, COPY), &io, &note);
    if (n >= 0) {
        take_note(g, &note);
        take_bytes(g, g->copy, (size_t)n);
    }
    return n == GOS_ECANCELED ? GOS_EAGAIN : n;
}

/* ---- waiting ---- */

static void rung(struct gos_ring_watch *watch)
{
    bell_ring(watch->user);
}

static void wait_by_watch(struct guest *g, int64_t ns)
{
    struct gos_ring_watch watch = {.struct_size = sizeof watch, .wake = rung, .user = g->bell};
    int rc = gos_ring_arm(g->st->ring, (uint64_t)gos_ring_reader_offset(g->r), &watch);
    if (rc == 0)
        bell_wait(g->bell, ns);
    gos_ring_disarm(g->st->ring, &watch);
    if (rc < 0)
        soak_fail("a reader cannot wait: %s", gos_last_error());
}

/* There is nothing: wait in one of the ways. Bytes that were there for a second of
 * sleep are a wake that was lost. */
static void wait_some(struct guest *g)
{
    int64_t ns = soak_chance(g->d, 50) ? 2 * STREAM_SECOND : 5 * STREAM_MS;
    int64_t until = soak_now_ns() + ns;
    struct gos_io io = {.struct_size = sizeof io, .cancel = g->s->cancel, .deadline_ns = until};
    int fd;
    switch (soak_below(g->d, 3)) {
    case 0:
        gos_ring_reader_wait(g->r, &io);
        break;
    case 1:
        wait_by_watch(g, ns);
        break;
    default:
        fd = gos_ring_reader_fd(g->r);
        struct pollfd p = {fd, POLLIN, 0};
        /* Armed by a borrow that finds nothing, which may have been before. */
        struct gos_ring_view v = {.struct_size = sizeof v, .slices = g->hold[0].slices};
        give_back(g, &g->hold[0]);
        v.max_slices = 1;
        int64_t n = fd < 0 ? 0 : gos_ring_reader_borrow(g->r, &v);
        if (n == GOS_EAGAIN)
            poll(&p, 1, (int)(ns / STREAM_MS));
        if (n >= 0)
            take_note(g, &v.note); /* of the end, too: a gap may come right before it */
        if (n > 0)
            take_bytes(g, v.slices[0].base, v.slices[0].len);
        gos_ring_reader_release(g->r, &v);
    }
    struct gos_ring_stats stats = {.struct_size = sizeof stats};
    gos_ring_get_stats(g->st->ring, &stats);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age = now.tv_sec * STREAM_SECOND + now.tv_nsec - stats.written_wall_ns;
    if (ns >= 2 * STREAM_SECOND && soak_now_ns() >= until && age > STREAM_SECOND &&
        stats.tail > (uint64_t)gos_ring_reader_offset(g->r))
        soak_fail("a reader slept over bytes that were there for %.1f s",
                  (double)age / (double)STREAM_SECOND);
}

/* ---- one visit ---- */

/* What a visit ended with has to be something that may happen to this reader. */
static void judge_reason(const struct guest *g, int64_t last, int status)
{
    enum gos_ring_policy policy = g->opts.policy;
    bool may = last >= 0 || last == GOS_EAGAIN || last == GOS_ETIMEDOUT ||
               (last == GOS_ELAPPED && policy == GOS_RING_DISCONNECT);
    if (!may)
        soak_fail("a reader of policy %d was ended with %lld, %s", policy, (long long)last,
                  gos_last_error());
    if (status == GOS_ETIMEDOUT && policy != GOS_RING_BLOCK)
        soak_fail("a reader that does not block was ended for it");
    if (policy == GOS_RING_BLOCK && g->f.lost && g->opts.start != GOS_RING_OFFSET)
        soak_fail("a blocking reader lost %llu bytes", (unsigned long long)g->f.lost);
}

static void judge_end(const struct guest *g, int64_t last)
{
    const struct follower *f = &g->f;
    struct gos_ring_reader_stats stats = {.struct_size = sizeof stats};
    gos_ring_reader_get_stats(g->r, &stats);
    judge_reason(g, last, stats.status);
    if (f->begun && f->read + f->lost != f->next - f->start)
        soak_fail("bytes read and lost do not add up");
    if (stats.read_bytes != f->read || stats.head_bytes != g->head.read)
        soak_fail("a reader has read %llu, it is told %llu", (unsigned long long)f->read,
                  (unsigned long long)stats.read_bytes);
    if (stats.dropped_bytes < f->lost)
        soak_fail("a reader has lost %llu, it is told %llu", (unsigned long long)f->lost,
                  (unsigned long long)stats.dropped_bytes);
    if (last == 0 && (f->next != stats.offset || stats.dropped_bytes != f->lost || f->in_record))
        soak_fail("a reader ended before the end");
}

static int64_t read_once(struct guest *g)
{
    if (!soak_chance(g->d, 4))
        return borrow(g);
    int64_t n = copy(g);
    struct gos_ring_reader_stats stats = {.struct_size = sizeof stats};
    if (n != GOS_ETIMEDOUT)
        return n;
    gos_ring_reader_get_stats(g->r, &stats);
    return stats.status < 0 ? stats.status : GOS_EAGAIN;
}

static int64_t read_judged(struct guest *g)
{
    struct starving before = starving_before(g->s);
    int64_t n = read_once(g);
    soak_add(SOAK_OPERATIONS, 1);
    if (n != GOS_ENOMEM)
        return n;
    if (!starved_since(g->s, before))
        soak_fail("a reader had no memory although there was some");
    return GOS_EAGAIN;
}

static void read_for_a_while(struct guest *g)
{
    bool slow = soak_chance(g->d, 3), to_the_end = soak_chance(g->d, 3);
    uint64_t left = to_the_end ? UINT64_MAX : 1 + soak_below(g->d, 1000);
    int64_t n = GOS_EAGAIN;
    while (left-- > 0 && n != 0 && !atomic_load(&g->s->over) && !g->f.wrong && !g->head.wrong) {
        n = read_judged(g);
        if (n == GOS_EAGAIN)
            wait_some(g);
        else if (n < 0)
            break;
        if (slow && soak_chance(g->d, 8))
            soak_nap((int64_t)soak_below(g->d, 2 * STREAM_MS));
    }
    if (g->f.wrong || g->head.wrong)
        soak_fail("%s, at %llu (policy %d, start %d, %llu gaps)",
                  g->f.wrong ? g->f.wrong : g->head.wrong, (unsigned long long)g->f.next,
                  g->opts.policy, g->opts.start, (unsigned long long)g->f.gaps);
    judge_end(g, n);
}

static struct gos_ring_reader_opts random_opts(struct soak_dice *d)
{
    return (struct gos_ring_reader_opts){
        .struct_size = sizeof(struct gos_ring_reader_opts),
        .start = (enum gos_ring_start)soak_below(d, 6),
        .policy = (enum gos_ring_policy)soak_below(d, 5),
        .start_value = (uint64_t)SOAK_PICK(d, 0, 0, 100, 70000, 1000000, 50000000),
        .max_lag = (uint64_t)SOAK_PICK(d, 0, 0, 1, 65536, 300000),
        .block_ns = SOAK_PICK(d, 0, 1000000, 20000000),
        .spin_ns = SOAK_PICK(d, 0, 0, -1, 50000),
        .flags = GOS_RING_ALIGN | (soak_chance(d, 2) ? GOS_RING_NO_HEAD : 0)};
}

static bool may_come(struct guest *g, int rc, struct starving before)
{
    switch (rc) {
    case 0:
        return true;
    case GOS_EINVAL: /* behind the tail; it may have grown since */
        if (g->opts.start != GOS_RING_OFFSET || g->opts.start_value == 0)
            soak_fail("a reader is refused: %s", gos_last_error());
        return false;
    case GOS_ENOMEM:
        if (!starved_since(g->s, before))
            soak_fail("a reader has no memory although there is some");
        return false;
    case GOS_EBUDGET:
        atomic_fetch_add(&g->s->refused, 1);
        return false;
    case GOS_ENOENT: /* deleted */
        return false;
    default:
        soak_fail("a reader cannot come: %d, %s", rc, gos_last_error());
        return false;
    }
}

static void visit(struct guest *g)
{
    struct starving before = starving_before(g->s);
    g->opts = random_opts(g->d);
    if (!may_come(g, gos_ring_reader_open(&g->r, g->st->ring, &g->opts), before))
        return;
    follower_begin(&g->f, &g->st->truth);
    follower_begin(&g->head, &g->st->truth);
    atomic_fetch_add(&g->s->joins, 1);
    read_for_a_while(g);
    atomic_fetch_add(&g->s->gaps, g->f.gaps);
    atomic_fetch_add(&g->s->lost, g->f.lost);
    for (unsigned i = 0; i < VIEWS; i++)
        give_back(g, &g->hold[i]);
    gos_ring_reader_close(g->r);
    g->r = NULL;
}

void *stream_reader(void *arg)
{
    struct member *m = arg;
    struct guest *g = calloc(1, sizeof *g);
    unsigned char *buf = malloc(COPY);
    struct bell bell;
    bell_begin(&bell);
    while (g && buf && !atomic_load(&m->s->over)) {
        struct soak_dice d = soak_dice(m->s->seed, m->index, m->operation++);
        g->s = m->s;
        g->d = &d;
        g->bell = &bell;
        g->copy = buf;
        g->st = stream_take(m->s, soak_below(&d, STREAM_PLACES));
        if (g->st) {
            visit(g);
            stream_drop(g->st);
        } else {
            soak_nap(STREAM_MS);
        }
    }
    bell_end(&bell);
    free(buf);
    free(g);
    return NULL;
}
