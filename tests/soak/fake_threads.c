/* SPDX-License-Identifier: MIT
 *
 * Threads beside the main one of a soak round: workers that read as simple
 * callers do, waiting, and an onlooker who asks for all figures all the time.
 * Each has decisions of its own. */
#include "fake.h"

#include <stdlib.h>

#define MOST 300000

struct pick {
    gos_source *source;
    uint64_t seed, size;
};

static struct pick pick_source(struct soak_round *r, struct soak_dice *d)
{
    struct pick p = {0};
    struct soak_reader *reader = &r->reader[soak_below(d, SOAK_READERS)];
    pthread_mutex_lock(&r->lock);
    if (reader->source)
        p = (struct pick){gos_source_ref(reader->source), reader->seed, reader->size};
    pthread_mutex_unlock(&r->lock);
    return p;
}

/* ---- workers ---- */

/* What there was when a read began. Memory may be there again before it is judged. */
struct before {
    unsigned starvings; /* loaded first: it is counted last when a starving begins */
    bool starved;
};

static bool may_fail(struct soak_round *r, const struct before *b, int64_t result)
{
    bool starved = b->starved || atomic_load(&r->starved) ||
                   atomic_load(&r->starvings) != b->starvings;
    return (result == GOS_ECANCELED && atomic_load(&r->over)) ||
           (result == GOS_ENOMEM && starved) || (result == GOS_EIO && atomic_load(&r->broken));
}

static void read_once(struct soak_round *r, const struct pick *p, struct soak_dice *d,
                      unsigned char *buf)
{
    struct gos_io io = {.struct_size = sizeof io, .cancel = r->cancel};
    uint64_t off = soak_below(d, p->size), len = 1 + soak_below(d, MOST);
    struct before before = {.starvings = atomic_load(&r->starvings)};
    before.starved = atomic_load(&r->starved);
    int64_t want = (int64_t)(len < p->size - off ? len : p->size - off);
    int64_t n = gos_source_pread(p->source, buf, (size_t)len, off, &io);
    bool disturbed = may_fail(r, &before, GOS_ENOMEM) || may_fail(r, &before, GOS_EIO) ||
                     atomic_load(&r->over);
    if (n < 0 && !may_fail(r, &before, n))
        soak_fail("a worker's read of %lld at %llu ended with %lld, %s", (long long)want,
                  (unsigned long long)off, (long long)n, gos_last_error());
    if (n > want || (n >= 0 && n < want && !(disturbed && n > 0)))
        soak_fail("a worker's read of %lld at %llu gave %lld", (long long)want,
                  (unsigned long long)off, (long long)n);
    if (n > 0 && !fake_lt_pattern_is(p->seed, off, buf, (size_t)n))
        soak_fail("wrong bytes: a worker's read of %lld at %llu of pattern %llu", (long long)want,
                  (unsigned long long)off, (unsigned long long)p->seed);
    if (n > 0)
        soak_add(SOAK_BYTES, (uint64_t)n);
}

struct worker {
    struct soak_round *round;
    unsigned index;
};

static void *work(void *arg)
{
    struct worker w = *(struct worker *)arg;
    struct soak_round *r = w.round;
    unsigned char *buf = malloc(MOST + 1);
    free(arg);
    for (uint64_t n = 0; buf && !atomic_load(&r->over); n++) {
        struct soak_dice d = soak_dice(r->seed, r->number, (UINT64_C(1) + w.index) << 40 | n);
        struct pick p = pick_source(r, &d);
        if (!p.source) {
            soak_nap(SOAK_MS);
            continue;
        }
        read_once(r, &p, &d, buf);
        gos_source_unref(p.source);
        atomic_fetch_add(&r->worker_reads[w.index], 1);
    }
    free(buf);
    return NULL;
}

/* ---- the onlooker ---- */

void soak_check_stats(struct soak_round *r)
{
    struct gos_session_stats st = {.struct_size = sizeof st};
    if (gos_session_get_stats(r->session, &st) != 0)
        soak_fail("no figures of the session: %s", gos_last_error());
    if (st.arena_used > r->ram || st.arena_peak > r->ram || st.borrowed > r->ram)
        soak_fail("memory: %llu used, %llu at most, %llu borrowed, of %llu",
                  (unsigned long long)st.arena_used, (unsigned long long)st.arena_peak,
                  (unsigned long long)st.borrowed, (unsigned long long)r->ram);
}

static void look_at_torrent(struct soak_round *r, struct soak_dice *d)
{
    struct gos_torrent_stats st = {.struct_size = sizeof st};
    struct gos_torrent_info info = {.struct_size = sizeof info};
    pthread_mutex_lock(&r->lock);
    gos_torrent *t = r->torrent[soak_below(d, SOAK_TORRENTS)].torrent;
    if (t) {
        int rc = gos_torrent_get_stats(t, &st);
        if (rc != 0 || st.resident > r->ram)
            soak_fail("figures of a torrent: %d, %llu bytes resident", rc,
                      (unsigned long long)st.resident);
        rc = gos_torrent_get_info(t, &info);
        if (rc != 0 && rc != GOS_EAGAIN && rc != GOS_EIO)
            soak_fail("what is known of a torrent: %d", rc);
    }
    pthread_mutex_unlock(&r->lock);
}

static void look_at_reader(struct soak_round *r, struct soak_dice *d)
{
    struct gos_torrent_reader_stats st = {.struct_size = sizeof st};
    struct pick p = pick_source(r, d);
    if (!p.source)
        return;
    int64_t there = gos_source_present(p.source, soak_below(d, p.size), 100000);
    if (there < 0 || there > 100000)
        soak_fail("%lld of 100000 bytes are present", (long long)there);
    int rc = gos_torrent_reader_get_stats(p.source, &st);
    if (rc != 0 || st.hits > st.reads)
        soak_fail("figures of a reader: %d, %llu hits of %llu reads", rc,
                  (unsigned long long)st.hits, (unsigned long long)st.reads);
    gos_source_unref(p.source);
}

static void look_at_events(struct soak_round *r)
{
    struct gos_event e = {.struct_size = sizeof e};
    int rc;
    while ((rc = gos_session_next_event(r->session, &e, 0)) == 1)
        if (e.kind < GOS_EVENT_METADATA || (e.kind > GOS_EVENT_REMOVED && e.kind != GOS_EVENT_LOST))
            soak_fail("an event of kind %d", (int)e.kind);
    if (rc < 0 && rc != GOS_ECANCELED)
        soak_fail("the next event: %d, %s", rc, gos_last_error());
}

static void *look(void *arg)
{
    struct soak_round *r = arg;
    for (uint64_t n = 0; !atomic_load(&r->over); n++) {
        struct soak_dice d = soak_dice(r->seed, r->number, UINT64_C(99) << 40 | n);
        soak_check_stats(r);
        look_at_torrent(r, &d);
        look_at_reader(r, &d);
        if (soak_chance(&d, 8)) /* seldom enough that the store of events fills */
            look_at_events(r);
        soak_nap(SOAK_MS / 2);
    }
    return NULL;
}

/* ---- both ---- */

static void must_begin(pthread_t *thread, void *(*run)(void *), void *arg)
{
    if (pthread_create(thread, NULL, run, arg) == 0)
        return;
    soak_fail("no thread");
    exit(1);
}

void soak_threads_begin(struct soak_round *r)
{
    for (unsigned i = 0; i < SOAK_WORKERS; i++) {
        struct worker *w = malloc(sizeof *w);
        *w = (struct worker){r, i};
        must_begin(&r->worker[i], work, w);
    }
    must_begin(&r->onlooker, look, r);
}

void soak_threads_end(struct soak_round *r)
{
    atomic_store(&r->over, true);
    gos_cancel_fire(r->cancel);
    for (unsigned i = 0; i < SOAK_WORKERS; i++)
        pthread_join(r->worker[i], NULL);
    pthread_join(r->onlooker, NULL);
}
