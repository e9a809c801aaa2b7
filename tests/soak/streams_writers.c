/* SPDX-License-Identifier: MIT
 *
 * Writers of soak_streams, a thread each: they come to a ring under a new number,
 * append records in every way there is, and go. An append may fail only for a
 * reason that is known here. */
#include "soak/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 4u

struct visit {
    struct streams *s;
    struct stream *st;
    gos_ring_writer *w;
    struct soak_dice *d;
    struct bell *bell;
    uint32_t id;
    uint64_t number;
    unsigned char *buf;
};

static bool is_open(const struct stream *st)
{
    struct gos_ring_stats stats = {.struct_size = sizeof stats};
    return gos_ring_get_stats(st->ring, &stats) == 0 && stats.state == GOS_RING_STATE_OPEN;
}

static uint32_t random_len(struct visit *v)
{
    uint64_t most = (uint64_t)SOAK_PICK(v->d, 200, 200, 5000, 70000, 1 << 20);
    if (most > v->st->truth.max_record)
        most = v->st->truth.max_record;
    return (uint32_t)(RECORDS_MIN + soak_below(v->d, most - RECORDS_MIN + 1));
}

static void rung(struct gos_ring_watch *watch)
{
    bell_ring(watch->user);
}

/* Never waits in the ring, but for its word. */
static int64_t append_trying(struct visit *v, const struct gos_slice *parts, uint32_t len,
                             uint32_t flags)
{
    int64_t until = soak_now_ns() + 200 * STREAM_MS;
    for (;;) {
        int64_t n = gos_ring_writer_try_appendv(v->w, parts, PARTS, flags);
        if (n != GOS_EAGAIN)
            return n;
        if (soak_now_ns() > until || atomic_load(&v->s->over))
            return GOS_ETIMEDOUT;
        struct gos_ring_watch watch = {.struct_size = sizeof watch, .wake = rung, .user = v->bell};
        int rc = gos_ring_writer_arm(v->w, len, &watch);
        if (rc == 0)
            bell_wait(v->bell, 50 * STREAM_MS);
        gos_ring_disarm(v->st->ring, &watch);
        if (rc < 0)
            soak_fail("a writer cannot wait for room: %s", gos_last_error());
    }
}

static int64_t append_some(struct visit *v, uint32_t len)
{
    uint32_t flags = (soak_chance(v->d, 40) ? GOS_RING_MARK : 0) |
                     (soak_chance(v->d, 400) ? GOS_RING_NEW_EPOCH : 0);
    struct gos_io io = {.struct_size = sizeof io,
                        .cancel = v->s->cancel,
                        .deadline_ns = soak_now_ns() + 200 * STREAM_MS};
    if (soak_chance(v->d, 2))
        return gos_ring_writer_append(v->w, v->buf, len, flags, &io);
    struct gos_slice parts[PARTS];
    size_t at = 0;
    for (unsigned i = 0; i < PARTS; i++) {
        size_t n = i + 1 < PARTS ? soak_below(v->d, len - at + 1) : len - at;
        parts[i] = (struct gos_slice){v->buf + at, n};
        at += n;
    }
    if (soak_chance(v->d, 2))
        return gos_ring_writer_appendv(v->w, parts, PARTS, flags, &io);
    return append_trying(v, parts, len, flags);
}

/* False: nothing more can be written here. */
static bool judge(struct visit *v, int64_t n, uint32_t len, struct starving before)
{
    switch (n) {
    case -EPIPE:
        if (is_open(v->st))
            soak_fail("an open stream refused a record: %s", gos_last_error());
        return false;
    case GOS_ENOMEM:
        if (!starved_since(v->s, before))
            soak_fail("an append had no memory although there was some");
        return true;
    case GOS_EBUDGET: /* the set is full, and what others lent is out */
        atomic_fetch_add(&v->s->refused, 1);
        return true;
    case GOS_ETIMEDOUT: /* a blocking reader is slow */
        return true;
    case GOS_ECANCELED:
        if (!atomic_load(&v->s->over))
            soak_fail("an append was cancelled by nobody");
        return false;
    default:
        if (n != len)
            soak_fail("an append of %u gave %lld, %s", len, (long long)n,
                      n < 0 ? gos_last_error() : "less than a record");
        return n == len;
    }
}

static bool write_one(struct visit *v)
{
    uint32_t len = random_len(v);
    if (atomic_load(&v->st->appended) + len > v->st->bytes_most) {
        gos_ring_seal(v->st->ring);
        return false;
    }
    /* Counted before: nobody may read what is not yet counted. */
    atomic_fetch_add(&v->st->appended, len);
    struct starving before = starving_before(v->s);
    record_fill(v->buf, len, v->id, v->number);
    int64_t n = append_some(v, len);
    if (n == len)
        v->number++;
    else
        atomic_fetch_sub(&v->st->appended, len);
    if (n > 0)
        soak_add(SOAK_BYTES, (uint64_t)n);
    soak_add(SOAK_OPERATIONS, 1);
    return judge(v, n, len, before);
}

static void visit(struct visit *v)
{
    static const char *const names[] = {NULL, NULL, "camera", "other"};
    struct starving before = starving_before(v->s);
    struct gos_ring_writer_opts opts = {.struct_size = sizeof opts,
                                        .name = names[soak_below(v->d, 4)],
                                        .id = v->id,
                                        .flags = soak_chance(v->d, 20) ? GOS_RING_NEW_EPOCH : 0};
    int rc = gos_ring_writer_open(&v->w, v->st->ring, &opts);
    if (rc == GOS_ENOMEM ? !starved_since(v->s, before) : rc == -EPIPE ? is_open(v->st) : rc < 0)
        soak_fail("a writer cannot come: %d, %s", rc, gos_last_error());
    if (rc < 0)
        return;
    for (uint64_t left = 1 + soak_below(v->d, 2000); left > 0; left--) {
        if (!write_one(v) || atomic_load(&v->s->over))
            break;
        if (soak_chance(v->d, 500))
            soak_nap((int64_t)soak_below(v->d, 3 * STREAM_MS));
    }
    gos_ring_writer_close(v->w);
}

void *stream_writer(void *arg)
{
    struct member *m = arg;
    unsigned char *buf = malloc(1 << 20);
    struct bell bell;
    bell_begin(&bell);
    while (buf && !atomic_load(&m->s->over)) {
        struct soak_dice d = soak_dice(m->s->seed, m->index, m->operation++);
        struct stream *st = stream_take(m->s, soak_below(&d, STREAM_PLACES));
        if (!st) {
            soak_nap(STREAM_MS);
            continue;
        }
        atomic_fetch_add(&st->writers, 1);
        struct visit v = {.s = m->s,
                          .st = st,
                          .d = &d,
                          .bell = &bell,
                          .id = atomic_fetch_add(&st->next_id, 1),
                          .number = 1,
                          .buf = buf};
        if (v.id == 0) /* the ring's own numbers are not ours */
            v.id = atomic_fetch_add(&st->next_id, 1);
        if (v.id < RECORDS_IDS)
            visit(&v);
        else
            gos_ring_seal(st->ring);
        atomic_fetch_sub(&st->writers, 1);
        stream_drop(st);
    }
    bell_end(&bell);
    free(buf);
    return NULL;
}
