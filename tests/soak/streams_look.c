/* SPDX-License-Identifier: MIT
 *
 * The one of soak_streams who looks records up and reads them by the ring as a
 * source, each whole. A thread of its own. */
#include "soak/streams.h"

#include <stdlib.h>

/* A record that is kept now; false: there is none, or it is gone already. */
static bool find_some(struct stream *st, struct soak_dice *d, struct gos_ring_record *out)
{
    struct gos_ring_stats stats = {.struct_size = sizeof stats};
    gos_ring_get_stats(st->ring, &stats);
    if (stats.oldest + stats.retained != stats.tail)
        soak_fail("oldest, retained and tail do not fit together");
    uint64_t at = stats.oldest + soak_below(d, stats.retained + 1);
    int rc = gos_ring_find(st->ring, at, out);
    if (rc == 0 && (out->offset > at || at - out->offset >= out->len))
        soak_fail("the record found at %llu is another one", (unsigned long long)at);
    if (rc != 0 && rc != GOS_ELAPPED && rc != GOS_EAGAIN)
        soak_fail("no record is found at %llu: %s", (unsigned long long)at, gos_last_error());
    return rc == 0;
}

static void compare(struct stream *st, const struct gos_ring_record *record, const void *buf)
{
    struct follower f;
    follower_begin(&f, &st->truth);
    f.start = f.next = record->offset;
    follower_bytes(&f, buf, record->len);
    if (f.wrong || f.in_record)
        soak_fail("the source: %s", f.wrong ? f.wrong : "another length than the record's");
    soak_add(SOAK_BYTES, record->len);
}

static void look(struct streams *s, struct stream *st, struct soak_dice *d, unsigned char *buf)
{
    struct starving before = starving_before(s);
    struct gos_ring_record record;
    gos_source *source;
    if (!find_some(st, d, &record))
        return;
    int rc = gos_ring_source(&source, st->ring);
    if (rc < 0) {
        if (rc != GOS_ENOMEM || !starved_since(s, before))
            soak_fail("the ring is no source: %s", gos_last_error());
        return;
    }
    struct gos_io io = {.struct_size = sizeof io, .deadline_ns = soak_now_ns() + STREAM_SECOND};
    int64_t n = gos_source_pread(source, buf, record.len, record.offset, &io);
    if (n == (int64_t)record.len)
        compare(st, &record, buf);
    else if (n != GOS_ELAPPED && !starved_since(s, before))
        soak_fail("the source gave %lld of %u bytes: %s", (long long)n, record.len,
                  gos_last_error());
    gos_source_unref(source);
}

void *stream_looker(void *arg)
{
    struct member *m = arg;
    unsigned char *buf = malloc(1 << 20);
    while (buf && !atomic_load(&m->s->over)) {
        struct soak_dice d = soak_dice(m->s->seed, m->index, m->operation++);
        struct stream *st = stream_take(m->s, soak_below(&d, STREAM_PLACES));
        if (st)
            look(m->s, st, &d, buf);
        stream_drop(st);
        soak_nap((int64_t)soak_below(&d, STREAM_MS));
        soak_add(SOAK_OPERATIONS, 1);
    }
    free(buf);
    return NULL;
}
