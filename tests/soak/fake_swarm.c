/* SPDX-License-Identifier: MIT
 *
 * Torrents and peers of a soak round, and what is done to them. Main thread. */
#include "fake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define SCRIPT_ROOM 8192
#define PEERS 6 /* faults hit one of the first so many of a torrent */

/* ---- scripts ---- */

/* Attributes of a peer that may be anything. */
static const char *random_peer(struct soak_dice *d)
{
    static char text[1024];
    snprintf(
        text, sizeof text,
        "latency_ms=%" PRIi64 " rate=%" PRIi64 " real_cap=%" PRIi64 " cap=%" PRIi64 " fast=%" PRIi64
        " choke_every_ms=%" PRIi64 " corrupt_ppm=%" PRIi64 " corrupt_times=%" PRIi64
        " stall_after=%" PRIi64 " disconnect_after=%" PRIi64 " reconnect_ms=%" PRIi64
        " ignores_cancel=%" PRIi64 " dup=%" PRIi64 " unasked_ms=%" PRIi64 " have_spam_ms=%" PRIi64
        " unchoke_ms=%" PRIi64 " idle_ms=%" PRIi64 " dead=%" PRIi64 " gains_ms=%" PRIi64 " have=%s",
        SOAK_PICK(d, 0, 5, 50, 900), SOAK_PICK(d, 0, 0, 20000, 200000, 3000000),
        SOAK_PICK(d, -1, -1, 0, 1, 9, 400), SOAK_PICK(d, 500, 500, 1, 0, 5000), SOAK_PICK(d, 0, 1),
        SOAK_PICK(d, -1, -1, 30, 500), SOAK_PICK(d, 0, 0, 0, 5000, 300000, 1000000),
        SOAK_PICK(d, -1, 3), SOAK_PICK(d, -1, -1, -1, 0, 40), SOAK_PICK(d, -1, -1, -1, 7, 90),
        SOAK_PICK(d, -1, 10, 300), SOAK_PICK(d, 0, 1), SOAK_PICK(d, 0, 0, 1),
        SOAK_PICK(d, -1, -1, 20, 200), SOAK_PICK(d, -1, -1, -1, 3),
        SOAK_PICK(d, 0, 0, 60, 10000, -1), SOAK_PICK(d, -1, -1, 60000),
        SOAK_PICK(d, 0, 0, 0, 0, 0, 0, 1), SOAK_PICK(d, -1, -1, -1, 50),
        soak_chance(d, 6) ? "0-3" : "all");
    return text;
}

/* Text that the fake takes for a .torrent; its content differs from all before. */
const char *soak_script(struct soak_round *r, struct soak_dice *d, struct soak_torrent *t)
{
    static char text[SCRIPT_ROOM];
    uint64_t most = soak_chance(d, 12) ? 80 * SOAK_MIB : 7 * SOAK_MIB;
    t->n_files = 1 + (unsigned)soak_below(d, SOAK_FILES);
    t->seed = r->next_content;
    r->next_content += SOAK_FILES;
    size_t n = (size_t)snprintf(
        text, sizeof text,
        "fake-torrent 1\nname t%" PRIu64 "\nmulti\npiece %u\nseed %" PRIu64 "\n%s%s", t->seed,
        r->piece, t->seed, (const char *[]){"", "", "v2\n", "hybrid\n"}[soak_below(d, 4)],
        soak_chance(d, 2) ? "peers_leave_first\n" : "");
    for (unsigned i = 0; i < t->n_files; i++) {
        t->size[i] = 1 + soak_below(d, soak_chance(d, 4) ? 70000 : most);
        n += (size_t)snprintf(text + n, sizeof text - n, "file f%u %" PRIu64 "\n", i, t->size[i]);
    }
    n += (size_t)snprintf(
        text + n, sizeof text - n, "metadata %s\nmetadata_ms %" PRIi64 "\nlayers_ms %" PRIi64 "\n",
        soak_chance(d, 3) ? "late" : "good", SOAK_PICK(d, 0, 20, 3000), SOAK_PICK(d, 0, 100, 2000));
    for (uint64_t i = soak_below(d, PEERS); i > 0; i--)
        n += (size_t)snprintf(text + n, sizeof text - n, "peer %s\n", random_peer(d));
    return text;
}

/* ---- torrents ---- */

static int add_as_file(struct soak_round *r, struct soak_torrent *t, const char *script,
                       bool asleep)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%" PRIu64, r->folder, t->seed);
    FILE *file = fopen(path, "w");
    if (!file || fputs(script, file) < 0 || fclose(file) != 0) {
        soak_fail("%s cannot be written", path);
        return GOS_ENOMEM;
    }
    return gos_session_add_file(r->session, &t->torrent, path,
                                GOS_OPTS(gos_add_opts, .asleep = asleep));
}

static int add_as_magnet(struct soak_round *r, struct soak_torrent *t, const char *script)
{
    uint8_t v1[20], v2[32];
    char uri[160] = "magnet:?xt=urn:btih:";
    if (!fake_lt_register(script)) {
        soak_fail("the fake does not take this script: %s", script);
        return GOS_EINVAL;
    }
    fake_lt_hashes(script, v1, v2);
    bool is_v2 = strstr(script, "\nv2\n");
    if (is_v2)
        strcpy(uri, "magnet:?xt=urn:btmh:1220");
    size_t n = strlen(uri);
    for (unsigned i = 0; i < (is_v2 ? sizeof v2 : sizeof v1); i++)
        n += (size_t)snprintf(uri + n, sizeof uri - n, "%02x", is_v2 ? v2[i] : v1[i]);
    return gos_session_add_magnet(r->session, &t->torrent, uri, NULL);
}

void soak_add_torrent(struct soak_round *r, struct soak_dice *d)
{
    struct soak_torrent *t = &r->torrent[soak_below(d, SOAK_TORRENTS)];
    uint64_t how = soak_below(d, 4);
    bool asleep = soak_chance(d, 2);
    unsigned starvings = atomic_load(&r->starvings);
    bool starved = atomic_load(&r->starved);
    if (t->torrent)
        return;
    struct soak_torrent fresh = {0};
    const char *script = soak_script(r, d, &fresh);
    int rc = how == 0   ? add_as_file(r, &fresh, script, asleep)
             : how == 1 ? add_as_magnet(r, &fresh, script)
                        : gos_session_add_torrent(r->session, &fresh.torrent, script,
                                                  strlen(script), NULL);
    r->torrents_added++;
    starved |= starvings != atomic_load(&r->starvings);
    if (rc < 0 && !(rc == GOS_ENOMEM && starved))
        soak_fail("a torrent cannot be added: %d, %s", rc, gos_last_error());
    pthread_mutex_lock(&r->lock); /* the onlooker asks for its figures */
    *t = fresh;
    pthread_mutex_unlock(&r->lock);
}

/* Its readers keep it until they are closed. */
void soak_remove_torrent(struct soak_round *r, struct soak_dice *d)
{
    struct soak_torrent *t = &r->torrent[soak_below(d, SOAK_TORRENTS)];
    pthread_mutex_lock(&r->lock);
    gos_torrent *torrent = t->torrent;
    t->torrent = NULL;
    pthread_mutex_unlock(&r->lock);
    gos_torrent_unref(torrent);
}

/* ---- peers ---- */

/* Torrents of the fake are numbered as they were added, and those that come back
 * from sleep are added again: with short sleeps, hundreds of times. Faults meet
 * the first ones, honest peers have to come to all. */
static int faulty_torrents(const struct soak_round *r)
{
    return 4 * r->torrents_added + 4;
}

void soak_honest_peers(struct soak_round *r)
{
    int n = 0; /* none, if all sleep */
    while (fake_lt_peer_add(r->lt, n, "latency_ms=10") >= 0)
        n++;
}

static void random_attribute(struct soak_round *r, struct soak_dice *d, int torrent, int peer)
{
    static const char *const attributes[] = {
        "stall_after=0",      "stall_after=-1",    "corrupt_ppm=0",
        "corrupt_ppm=500000", "corrupt_block=0",   "latency_ms=2000",
        "latency_ms=1",       "rate=2000",         "rate=0",
        "real_cap=0",         "real_cap=-1",       "have_spam_ms=1",
        "ignores_cancel=1",   "unasked_ms=1",      "dup=1",
        "disconnect_after=5", "reconnect_ms=1000", "choke_every_ms=9"};
    fake_lt_peer_set(r->lt, torrent, peer,
                     attributes[soak_below(d, sizeof attributes / sizeof *attributes)]);
}

static void starve(struct soak_round *r, struct soak_dice *d)
{
    long n = (long)SOAK_PICK(d, 1, 2, 3, 10, 50, 300);
    bool for_ever = soak_chance(d, 3);
    atomic_store(&r->starved, true);
    atomic_fetch_add(&r->starvings, 1);
    gos__alloc_fail_at(n, for_ever);
}

void soak_feed(struct soak_round *r)
{
    gos__alloc_fail_at(0, 0);
    atomic_store(&r->starved, false);
}

static void peers_fault(struct soak_round *r, struct soak_dice *d, int torrent, int peer)
{
    switch (soak_below(d, 8)) {
    case 0:
    case 1:
        fake_lt_peer_choke(r->lt, torrent, peer, soak_chance(d, 2));
        return;
    case 2:
        fake_lt_peer_drop(r->lt, torrent, peer);
        return;
    case 3:
        fake_lt_peer_have(r->lt, torrent, peer, soak_chance(d, 2) ? "all" : "0-1");
        return;
    case 4: {
        uint64_t piece = soak_below(d, 24), block = soak_below(d, 4);
        fake_lt_peer_send(r->lt, torrent, peer, (uint32_t)piece, (uint32_t)block);
        return;
    }
    default:
        random_attribute(r, d, torrent, peer);
    }
}

void soak_fault(struct soak_round *r, struct soak_dice *d)
{
    int torrent = (int)soak_below(d, (uint64_t)faulty_torrents(r));
    int peer = (int)soak_below(d, PEERS);
    uint64_t what = soak_below(d, 40);
    soak_add(SOAK_FAULTS, 1);
    if (what < 26) {
        peers_fault(r, d, torrent, peer);
    } else if (what < 30) {
        fake_lt_peer_add(r->lt, torrent, random_peer(d));
    } else if (what < 32) {
        fake_lt_peer_add(r->lt, torrent, "latency_ms=10");
    } else if (what < 34) {
        starve(r, d);
    } else if (what < 37) {
        soak_feed(r);
    } else if (what < 38) {
        fake_lt_advance(r->lt, SOAK_PICK(d, 30, 60, 300) * SOAK_SECOND);
    } else if (soak_chance(d, 10)) {
        atomic_store(&r->broken, true);
        fake_lt_emit_error(r->lt, torrent, "the soak stops it");
    }
}
