/* SPDX-License-Identifier: MIT
 *
 * soak_fake --seconds N --seed S [--round R]: rounds of random operations and
 * faults over the scripted swarm, each with a session of its own. In a calm the
 * faults stop and an honest peer comes: then every read has to end with its
 * bytes. The main thread decides; the rest of the threads is in fake_threads.c. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#define STUCK (120 * SOAK_SECOND)
#define CALM_STEP (50 * SOAK_MS)
#define CALM_STEPS 6000 /* five minutes of the swarm's time */

struct options {
    int64_t seconds;
    uint64_t seed;
    int64_t round; /* only this one; -1: all */
};

/* ---- a calm ---- */

static bool workers_moved(struct soak_round *r, const unsigned before[SOAK_WORKERS])
{
    bool any_reader = false;
    for (unsigned i = 0; i < SOAK_READERS; i++)
        any_reader |= r->reader[i].source != NULL;
    for (unsigned i = 0; any_reader && i < SOAK_WORKERS; i++)
        if (atomic_load(&r->worker_reads[i]) == before[i])
            return false;
    return true;
}

static void say_who_waits(struct soak_round *r)
{
    struct gos_session_stats all = {.struct_size = sizeof all};
    gos_session_get_stats(r->session, &all);
    printf("  session: %llu of %llu bytes used, %llu borrowed, %u reads wait\n",
           (unsigned long long)all.arena_used, (unsigned long long)all.ram,
           (unsigned long long)all.borrowed, all.waiting_reads);
    for (unsigned i = 0; i < SOAK_READS; i++) {
        struct soak_read *rd = &r->read[i];
        if (rd->in_use)
            printf("  waits: %zu bytes at %llu of pattern %llu, %s\n", rd->read.len,
                   (unsigned long long)rd->read.off, (unsigned long long)rd->seed,
                   rd->read.buf ? "copied" : "borrowed");
    }
    for (unsigned i = 0; i < SOAK_TORRENTS; i++) {
        struct soak_torrent *t = &r->torrent[i];
        struct gos_torrent_stats st = {.struct_size = sizeof st};
        if (!t->torrent || gos_torrent_get_stats(t->torrent, &st) != 0)
            continue;
        printf("  torrent of patterns from %llu: %u peers, %u unchoked, %u stalled, %llu received, "
               "%llu resident, %u reads wait%s\n",
               (unsigned long long)t->seed, st.peers, st.peers_unchoked, st.peers_stalled,
               (unsigned long long)st.received, (unsigned long long)st.resident, st.waiting_reads,
               st.asleep ? ", asleep" : "");
    }
}

/* Time of the swarm goes on faster than that of the hash thread: after all steps
 * the last ones are repeated slowly. */
static bool calm(struct soak_round *r)
{
    unsigned before[SOAK_WORKERS];
    struct gos_session_limits none = {.struct_size = sizeof none};
    int rc = gos_session_set_limits(r->session, &none);
    if (rc != 0)
        soak_fail("limits cannot be lifted: %d, %s", rc, gos_last_error());
    soak_feed(r);
    for (unsigned i = 0; i < SOAK_WORKERS; i++)
        before[i] = atomic_load(&r->worker_reads[i]);
    for (unsigned step = 0; step < CALM_STEPS + 200; step++) {
        if (step % 200 == 0)
            soak_honest_peers(r);
        fake_lt_advance(r->lt, CALM_STEP);
        soak_nap(step < CALM_STEPS ? SOAK_MS / 10 : 50 * SOAK_MS);
        soak_judge_done(r);
        if (soak_all_done(r) && workers_moved(r, before))
            return true;
    }
    soak_fail("%s did not end although an honest peer was there",
              soak_all_done(r) ? "a worker's read" : "a read");
    say_who_waits(r);
    return false;
}

/* ---- operations ---- */

static void set_limits(struct soak_round *r, struct soak_dice *d)
{
    struct gos_session_limits limits = {
        .struct_size = sizeof limits,
        .download_bps = (uint64_t)SOAK_PICK(d, 0, 100000, 1000000),
        .ahead = (uint64_t)SOAK_PICK(d, 0, 1, 100000, 1 << 30),
    };
    unsigned starvings = atomic_load(&r->starvings);
    bool starved = atomic_load(&r->starved);
    int rc = gos_session_set_limits(r->session, &limits);
    starved |= starvings != atomic_load(&r->starvings);
    if (rc != 0 && !(rc == GOS_ENOMEM && starved))
        soak_fail("limits cannot be set: %d, %s", rc, gos_last_error());
}

static void operate(struct soak_round *r, struct soak_dice *d)
{
    uint64_t what = soak_below(d, 100);
    if (what < 36)
        soak_start_read(r, d);
    else if (what < 42)
        soak_cancel_reads(r, d, 12);
    else if (what < 43)
        soak_cancel_reads(r, d, 1); /* a storm */
    else if (what < 51)
        soak_release_one(r, d);
    else if (what < 58)
        soak_open_reader(r, d);
    else if (what < 61)
        soak_close_reader(r, d);
    else if (what < 63)
        soak_add_torrent(r, d);
    else if (what < 64)
        soak_remove_torrent(r, d);
    else if (what < 68)
        soak_advise(r, d);
    else if (what < 69)
        set_limits(r, d);
    else
        soak_fault(r, d);
}

static void operations(struct soak_round *r, uint64_t n)
{
    for (uint64_t i = 0; i < n && soak_now_ns() < r->until; i++) {
        struct soak_dice d = soak_dice(r->seed, r->number, ++r->operation);
        soak_at(r->seed, r->number, r->operation);
        operate(r, &d);
        soak_add(SOAK_OPERATIONS, 1);
        fake_lt_advance(r->lt, SOAK_PICK(&d, 0, 0, 1, 20, 20, 700) * SOAK_MS);
        soak_judge_done(r);
    }
}

/* ---- a round ---- */

static bool begin(struct soak_round *r, struct soak_dice *d)
{
    r->piece = (uint32_t)((uint64_t)SOAK_PICK(d, 16, 64, 64, 256, 1024) * SOAK_KIB);
    r->ram = 2 * r->piece + 4 * SOAK_MIB + soak_below(d, 8) * SOAK_MIB;
    r->next_content = 1;
    pthread_mutex_init(&r->lock, NULL);
    for (unsigned i = 0; i < SOAK_READS; i++)
        pthread_mutex_init(&r->read[i].lock, NULL);
    fake_lt_reset();
    strcpy(r->folder, "/tmp/gos-soak.XXXXXX");
    if (!mkdtemp(r->folder) || gos_cancel_new(&r->cancel) != 0) {
        soak_fail("no folder for torrents");
        return false;
    }
    int rc = gos_session_new(&r->session,
                             GOS_OPTS(gos_session_opts, .ram = r->ram, .events = GOS_EVENT_ALL,
                                      .sleep_after_ns = SOAK_PICK(d, 0, -1, 1, 5) * SOAK_SECOND));
    if (rc != 0) {
        soak_fail("no session: %d, %s", rc, gos_last_error());
        return false;
    }
    r->lt = fake_lt_last_session();
    return true;
}

static void remove_folder(struct soak_round *r)
{
    for (uint64_t i = 0; i < r->next_content; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%llu", r->folder, (unsigned long long)i);
        unlink(path);
    }
    rmdir(r->folder);
}

static void let_go(struct soak_round *r)
{
    for (unsigned i = 0; i < SOAK_READERS; i++)
        gos_source_unref(r->reader[i].source);
    for (unsigned i = 0; i < SOAK_TORRENTS; i++)
        gos_torrent_unref(r->torrent[i].torrent);
}

/* Nobody waits, nobody borrows, no torrent is left: no byte may be held. */
static void check_that_nothing_is_held(struct soak_round *r)
{
    struct gos_session_stats st = {.struct_size = sizeof st};
    for (unsigned i = 0; i < 2000; i++) {
        fake_lt_advance(r->lt, 10 * SOAK_MS);
        gos_session_get_stats(r->session, &st);
        if (!st.arena_used && !st.borrowed && !st.waiting_reads)
            return;
        soak_nap(SOAK_MS);
    }
    soak_fail("at the end %llu bytes are held, %llu borrowed, %u reads wait",
              (unsigned long long)st.arena_used, (unsigned long long)st.borrowed, st.waiting_reads);
}

static void end(struct soak_round *r, bool in_order)
{
    if (in_order) {
        soak_allow_all(r, SOAK_MAY_CANCEL);
        soak_cancel_reads(r, &(struct soak_dice){0}, 1);
        soak_threads_end(r);
        soak_end_reads(r);
        let_go(r);
        check_that_nothing_is_held(r);
    }
    soak_allow_all(r, SOAK_MAY_CANCEL);
    atomic_store(&r->over, true); /* a worker's read may be cancelled from now on */
    int rc = gos_session_close(r->session, 60 * SOAK_SECOND);
    if (rc != 0)
        soak_fail("the session did not close: %d, %s", rc, gos_last_error());
    if (!in_order) {
        soak_end_reads(r);
        soak_threads_end(r);
        let_go(r);
    }
    if (fake_lt_violation())
        soak_fail("misuse of lt-c: %s", fake_lt_violation());
    if (fake_lt_lost_pieces())
        soak_fail("%u pieces were lost for ever", fake_lt_lost_pieces());
}

static void one_round(uint64_t seed, uint64_t number, int64_t until)
{
    static struct soak_round round; /* large */
    struct soak_round *r = &round;
    memset(r, 0, sizeof *r);
    r->seed = seed;
    r->number = number;
    r->until = until;
    struct soak_dice d = soak_dice(seed, number, 0);
    soak_at(seed, number, 0);
    if (!begin(r, &d))
        return;
    for (unsigned i = 0; i < 3; i++)
        soak_add_torrent(r, &d);
    for (unsigned i = 0; i < SOAK_READERS; i++)
        soak_open_reader(r, &d);
    soak_threads_begin(r);
    for (uint64_t calms = 1 + soak_below(&d, 6); calms > 0 && soak_now_ns() < until; calms--) {
        operations(r, 20 + soak_below(&d, 300));
        if (!calm(r))
            break; /* what follows would only repeat it */
    }
    operations(r, soak_below(&d, 50));
    soak_feed(r);
    end(r, soak_chance(&d, 2));
    gos_cancel_free(r->cancel);
    remove_folder(r);
}

/* ---- the program ---- */

static int usage(void)
{
    fputs("usage: soak_fake --seconds N --seed S [--round R]\n", stderr);
    return 2;
}

static bool parse(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {{"seconds", required_argument, NULL, 's'},
                                          {"seed", required_argument, NULL, 'S'},
                                          {"round", required_argument, NULL, 'r'},
                                          {NULL, 0, NULL, 0}};
    bool seeded = false;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        char *rest = optarg;
        if (c == 's')
            o->seconds = strtoll(optarg, &rest, 10);
        else if (c == 'S')
            o->seed = strtoull(optarg, &rest, 10);
        else if (c == 'r')
            o->round = strtoll(optarg, &rest, 10);
        else
            return false;
        if (*rest || rest == optarg)
            return false;
        seeded |= c == 'S';
    }
    return optind == argc && seeded && (o->seconds > 0 || o->round >= 0);
}

int main(int argc, char **argv)
{
    struct options o = {.round = -1};
    if (!parse(&o, argc, argv))
        return usage();
    printf("seed %llu\n", (unsigned long long)o.seed);
    soak_report_begin(STUCK);
    int64_t until = soak_now_ns() + o.seconds * SOAK_SECOND;
    if (o.round >= 0)
        one_round(o.seed, (uint64_t)o.round, INT64_MAX);
    for (uint64_t n = 0; o.round < 0 && soak_now_ns() < until; n++)
        one_round(o.seed, n, until);
    soak_report_end();
    return soak_count(SOAK_FAILURES) > 0;
}
