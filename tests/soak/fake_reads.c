/* SPDX-License-Identifier: MIT
 *
 * Readers and reads of a soak round: what they ask for, and the judgement of
 * what they got. The main thread starts, cancels and judges; `done` runs on the
 * session's thread. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

#define BIG_READ (64 * SOAK_MIB)
#define SLICE 16384

/* ---- readers ---- */

static struct soak_reader *any_reader(struct soak_round *r, struct soak_dice *d)
{
    struct soak_reader *reader = &r->reader[soak_below(d, SOAK_READERS)];
    return reader->source ? reader : NULL;
}

static bool starved(const struct soak_round *r, unsigned since)
{
    return atomic_load(&r->starved) || atomic_load(&r->starvings) != since;
}

static void opened(struct soak_round *r, struct soak_reader *place, gos_source *source,
                   unsigned torrent, unsigned file)
{
    struct soak_torrent *t = &r->torrent[torrent];
    if (gos_source_size(source) != (int64_t)t->size[file])
        soak_fail("file %u has %lld bytes instead of %llu", file,
                  (long long)gos_source_size(source), (unsigned long long)t->size[file]);
    pthread_mutex_lock(&r->lock);
    *place = (struct soak_reader){source, torrent, t->seed + file, t->size[file], 0};
    pthread_mutex_unlock(&r->lock);
}

void soak_open_reader(struct soak_round *r, struct soak_dice *d)
{
    struct soak_reader *place = &r->reader[soak_below(d, SOAK_READERS)];
    unsigned torrent = (unsigned)soak_below(d, SOAK_TORRENTS);
    struct soak_torrent *t = &r->torrent[torrent];
    unsigned file = (unsigned)soak_below(d, t->n_files);
    struct gos_torrent_reader_opts opts = {
        .struct_size = sizeof opts,
        .kind = (enum gos_reader_kind)soak_below(d, 4),
        .ahead = (uint64_t)SOAK_PICK(d, 0, 0, 1, 300000, 4 << 20, 1 << 30),
        .ahead_ns = SOAK_PICK(d, 0, 0, 1, 2) * SOAK_SECOND,
        .behind = (uint64_t)SOAK_PICK(d, 0, 0, 1, 100000, 1 << 30),
        .rate = (uint64_t)SOAK_PICK(d, 0, 0, 1000, 1 << 20),
    };
    bool plain = soak_chance(d, 3);
    unsigned starvings = atomic_load(&r->starvings);
    gos_source *source = NULL;
    if (place->source || !t->torrent)
        return;
    int rc = plain ? gos_torrent_open_file(t->torrent, file, &source)
                   : gos_torrent_open_reader(t->torrent, file, &opts, &source);
    if (rc == 0)
        opened(r, place, source, torrent, file);
    else if (rc != GOS_EAGAIN && !(rc == GOS_ENOMEM && starved(r, starvings)) &&
             !(rc == GOS_EIO && atomic_load(&r->broken)))
        soak_fail("a file cannot be opened: %d, %s", rc, gos_last_error());
}

void soak_close_reader(struct soak_round *r, struct soak_dice *d)
{
    struct soak_reader *reader = &r->reader[soak_below(d, SOAK_READERS)];
    pthread_mutex_lock(&r->lock);
    gos_source *source = reader->source;
    reader->source = NULL;
    pthread_mutex_unlock(&r->lock);
    gos_source_unref(source); /* its reads may go on */
}

void soak_advise(struct soak_round *r, struct soak_dice *d)
{
    struct soak_reader *reader = any_reader(r, d);
    uint64_t off = soak_below(d, 1 << 27), len = soak_below(d, 1 << 24);
    bool need = soak_chance(d, 2);
    enum gos_reader_kind kind = (enum gos_reader_kind)soak_below(d, 4);
    if (!reader)
        return;
    int rc = gos_source_advise(reader->source, off, len,
                               need ? GOS_ADVICE_WILLNEED : GOS_ADVICE_DONTNEED);
    if (rc < 0)
        soak_fail("advice gave %d, %s", rc, gos_last_error());
    rc = gos_torrent_reader_set_kind(reader->source, kind);
    if (rc < 0)
        soak_fail("a new kind of reader gave %d, %s", rc, gos_last_error());
}

/* ---- starting ---- */

static void on_done(struct gos_read *read)
{
    struct soak_read *rd = read->user;
    pthread_mutex_lock(&rd->lock);
    rd->done++;
    pthread_mutex_unlock(&rd->lock);
}

static uint64_t random_length(struct soak_dice *d, bool borrow, uint64_t size)
{
    uint64_t most = (uint64_t)SOAK_PICK(d, 1, 300, 16384, 131072, 131072, 1 << 20, 5 << 20);
    if (borrow)
        return 1 + soak_below(d, most < SOAK_MIB ? most : SOAK_MIB);
    if (size > 16 * SOAK_MIB && soak_chance(d, 20))
        return BIG_READ;
    return most == 1 ? 1 : 1 + soak_below(d, most);
}

static uint64_t random_place(struct soak_dice *d, const struct soak_reader *reader, uint64_t len)
{
    uint64_t anywhere = soak_below(d, reader->size), at = reader->position;
    uint64_t near = soak_below(d, SOAK_MIB);
    switch (soak_below(d, 10)) {
    case 0:
    case 1:
        return anywhere;
    case 2:
        return at > near ? at - near : 0;
    case 3:
        return at + near;
    case 4:
        return reader->size > len ? reader->size - len : 0; /* the last bytes */
    case 5:
        return reader->size - 1 + soak_below(d, 3); /* and what is behind them */
    default:
        return at < reader->size ? at : 0;
    }
}

static void judge(struct soak_read *rd);

void soak_start_read(struct soak_round *r, struct soak_dice *d)
{
    struct soak_read *rd = &r->read[soak_below(d, SOAK_READS)];
    struct soak_reader *reader = any_reader(r, d);
    bool borrow = soak_chance(d, 3);
    int64_t idle = SOAK_PICK(d, 0, 0, 1, 60), until = SOAK_PICK(d, 0, 0, 0, 10, 4000) * SOAK_MS;
    if (!reader || rd->in_use || rd->held)
        return;
    uint64_t len = random_length(d, borrow, reader->size);
    uint64_t off = random_place(d, reader, len);
    memset(&rd->read, 0, sizeof rd->read);
    rd->read.struct_size = sizeof rd->read;
    rd->read.off = off;
    rd->read.len = (size_t)len;
    rd->read.idle_ns = idle * SOAK_SECOND;
    rd->read.deadline_ns = until ? ltc_now_ns(r->lt) + until : GOS_NO_DEADLINE;
    rd->read.flags = soak_chance(d, 4) ? GOS_READ_PARTIAL : 0;
    rd->read.buf = borrow ? NULL : malloc((size_t)len);
    rd->read.slices = rd->slices;
    rd->read.max_slices = SOAK_SLICES;
    rd->read.done = on_done;
    rd->read.user = rd;
    rd->allowed = idle || until ? SOAK_MAY_TIME_OUT : 0;
    rd->allowed |= atomic_load(&r->starved) ? SOAK_MAY_NOMEM : 0;
    rd->starvings = atomic_load(&r->starvings);
    rd->seed = reader->seed;
    rd->size = reader->size;
    rd->done = 0;
    rd->in_use = true;
    reader->position = off + len;
    int rc = gos_source_start(reader->source, &rd->read);
    if (rc == 0)
        return;
    rd->done = 1; /* nobody else will say so */
    if (rc < 0)
        rd->read.result = rc;
    if (starved(r, rd->starvings))
        rd->allowed |= SOAK_MAY_NOMEM;
    if (atomic_load(&r->broken))
        rd->allowed |= SOAK_MAY_EIO;
    if (rc == GOS_EBUSY && borrow)
        rd->read.result = 0, rd->read.off = rd->size; /* too much is borrowed: no failure */
    judge(rd);
}

/* ---- judging ---- */

static bool is_allowed(const struct soak_read *rd)
{
    switch (rd->read.result) {
    case GOS_ECANCELED:
        return rd->allowed & SOAK_MAY_CANCEL;
    case GOS_ETIMEDOUT:
        return rd->allowed & SOAK_MAY_TIME_OUT;
    case GOS_ENOMEM:
        return rd->allowed & SOAK_MAY_NOMEM;
    case GOS_EIO:
        return rd->allowed & SOAK_MAY_EIO;
    default:
        return false;
    }
}

static bool bytes_are_right(const struct soak_read *rd)
{
    const struct gos_read *read = &rd->read;
    uint64_t off = read->off;
    if (read->buf)
        return fake_lt_pattern_is(rd->seed, off, read->buf, (size_t)read->result);
    for (unsigned i = 0; i < read->n_slices; i++) {
        if (!fake_lt_pattern_is(rd->seed, off, rd->slices[i].base, rd->slices[i].len))
            return false;
        off += rd->slices[i].len;
    }
    return off == read->off + (uint64_t)read->result;
}

static void judge(struct soak_read *rd)
{
    const struct gos_read *read = &rd->read;
    uint64_t left = read->off < rd->size ? rd->size - read->off : 0;
    uint64_t want = read->len < left ? read->len : left;
    bool may_be_short = rd->allowed || (read->flags & GOS_READ_PARTIAL);
    if (read->result < 0 && !is_allowed(rd))
        soak_fail("a read of %zu at %llu of %llu ended with %lld", read->len,
                  (unsigned long long)read->off, (unsigned long long)rd->size,
                  (long long)read->result);
    if (read->result > (int64_t)want ||
        (read->result >= 0 && read->result < (int64_t)want && (!may_be_short || !read->result)))
        soak_fail("a read of %zu at %llu of %llu gave %lld bytes", read->len,
                  (unsigned long long)read->off, (unsigned long long)rd->size,
                  (long long)read->result);
    if (read->result > 0 && !bytes_are_right(rd))
        soak_fail("wrong bytes: a read of %zu at %llu of pattern %llu", read->len,
                  (unsigned long long)read->off, (unsigned long long)rd->seed);
    if (read->result > 0)
        soak_add(SOAK_BYTES, (uint64_t)read->result);
    if (read->result < 0 && read->n_slices)
        soak_fail("a read that failed with %lld has %u slices", (long long)read->result,
                  read->n_slices);
    rd->in_use = false;
    rd->held = read->n_slices > 0;
    free(read->buf);
    rd->read.buf = NULL;
}

static bool is_done(struct soak_read *rd)
{
    pthread_mutex_lock(&rd->lock);
    int done = rd->done;
    pthread_mutex_unlock(&rd->lock);
    if (done > 1)
        soak_fail("done of one read was called %d times", done);
    return done;
}

static void judge_if_done(struct soak_round *r, struct soak_read *rd)
{
    if (!rd->in_use || !is_done(rd))
        return;
    if (starved(r, rd->starvings))
        rd->allowed |= SOAK_MAY_NOMEM;
    if (atomic_load(&r->broken))
        rd->allowed |= SOAK_MAY_EIO;
    judge(rd);
}

void soak_judge_done(struct soak_round *r)
{
    for (unsigned i = 0; i < SOAK_READS; i++)
        judge_if_done(r, &r->read[i]);
}

/* ---- ending ---- */

static void release(struct soak_read *rd)
{
    if (rd->held && !bytes_are_right(rd))
        soak_fail("bytes changed while they were borrowed: %zu at %llu", rd->read.len,
                  (unsigned long long)rd->read.off);
    gos_read_release(&rd->read);
    rd->held = false;
}

void soak_release_one(struct soak_round *r, struct soak_dice *d)
{
    struct soak_read *rd = &r->read[soak_below(d, SOAK_READS)];
    if (rd->held)
        release(rd);
}

void soak_cancel_reads(struct soak_round *r, struct soak_dice *d, unsigned one_in)
{
    for (unsigned i = 0; i < SOAK_READS; i++) {
        struct soak_read *rd = &r->read[i];
        if (!soak_chance(d, one_in) || !rd->in_use)
            continue;
        rd->allowed |= SOAK_MAY_CANCEL;
        pthread_mutex_lock(&rd->lock);
        if (!rd->done)
            gos_read_cancel(&rd->read);
        pthread_mutex_unlock(&rd->lock);
    }
}

void soak_allow_all(struct soak_round *r, unsigned allowed)
{
    for (unsigned i = 0; i < SOAK_READS; i++)
        r->read[i].allowed |= allowed;
}

bool soak_all_done(struct soak_round *r)
{
    for (unsigned i = 0; i < SOAK_READS; i++)
        if (r->read[i].in_use && !is_done(&r->read[i]))
            return false;
    return true;
}

void soak_end_reads(struct soak_round *r)
{
    int64_t end = soak_now_ns() + 60 * SOAK_SECOND;
    while (!soak_all_done(r) && soak_now_ns() < end)
        soak_nap(SOAK_MS);
    if (!soak_all_done(r))
        soak_fail("a read did not end with its session");
    soak_judge_done(r);
    for (unsigned i = 0; i < SOAK_READS; i++)
        if (r->read[i].held)
            release(&r->read[i]);
}
