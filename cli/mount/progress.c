/* SPDX-License-Identifier: MIT
 *
 * Lines on stderr from time to time; see progress.h. */
#include "mount/progress.h"

#include <inttypes.h>

#include "common/clock.h"
#include "common/say.h"
#include "common/text.h"

#define REDRAW_NS (SECOND / 5)
#define LINE_NS (5 * SECOND)
#define MB 1048576.0

void progress_init(struct progress *p, bool verbose, int64_t now_ns)
{
    *p = (struct progress){.verbose = verbose, .start_ns = now_ns};
    p->next_wait_ns = now_ns + (say_to_terminal() ? REDRAW_NS : LINE_NS);
    p->next_verbose_ns = now_ns + SECOND;
}

static void say_waiting(struct progress *p, struct sources *sources, int64_t now_ns)
{
    size_t unknown = 0, n = sources_count(sources);
    uint32_t peers = 0;
    for (size_t i = 0; i < n; i++) {
        const struct source *source = sources_at(sources, i);
        struct gos_torrent_stats stats = {.struct_size = sizeof stats};
        if (source->state != SOURCE_WAITING)
            continue;
        unknown++;
        if (gos_torrent_get_stats(source->torrent, &stats) == 0)
            peers += stats.peers;
    }
    say_status("waiting for the metadata of %zu of %zu torrents, peers %" PRIu32 ", %" PRId64 " s",
               unknown, n, peers, (now_ns - p->start_ns) / SECOND);
}

static const char *name_of(struct source *source)
{
    struct gos_torrent_info info = {.struct_size = sizeof info};
    return gos_torrent_get_info(source->torrent, &info) == 0 ? info.name : source->text;
}

/* What came for nothing, of all that came. */
static double percent(uint64_t part, const struct gos_traffic *t)
{
    return t->received ? 100.0 * (double)part / (double)t->received : 0;
}

/* One line: figures behind their names, so that scripts find them. */
static void say_torrent(struct source *source, const struct gos_session_stats *all)
{
    struct gos_torrent_stats stats = {.struct_size = sizeof stats};
    const struct gos_traffic *t = &stats.traffic;
    if (gos_torrent_get_stats(source->torrent, &stats) < 0 || stats.asleep)
        return;
    say_bare("%s: peers %" PRIu32 ", answering %" PRIu32 ", %.1f MB/s, arena %.1f of %.1f MB, "
             "waiting %" PRIu32 ", received %" PRIu64 ", late %.1f %%, redundant %.1f %%, "
             "failed %" PRIu64 ", banned %" PRIu64,
             SHOWN(name_of(source)), stats.peers, stats.peers_unchoked, (double)t->rate / MB,
             (double)stats.resident / MB, (double)all->ram / MB, stats.waiting_reads,
             stats.received, percent(t->late, t), percent(t->redundant, t), stats.failed_pieces,
             stats.banned_peers);
}

static void say_torrents(struct sources *sources, gos_session *session)
{
    struct gos_session_stats all = {.struct_size = sizeof all};
    if (gos_session_get_stats(session, &all) < 0)
        return;
    for (size_t i = 0; i < sources_count(sources); i++)
        say_torrent(sources_at(sources, i), &all);
}

void progress_tick(struct progress *p, struct sources *sources, gos_session *session, bool waiting,
                   int64_t now_ns)
{
    if (waiting && now_ns >= p->next_wait_ns) {
        say_waiting(p, sources, now_ns);
        p->next_wait_ns = now_ns + (say_to_terminal() ? REDRAW_NS : LINE_NS);
    }
    if (p->verbose && now_ns >= p->next_verbose_ns) {
        say_torrents(sources, session);
        p->next_verbose_ns = now_ns + SECOND;
    }
}

int64_t progress_next_ns(const struct progress *p, bool waiting)
{
    int64_t next = waiting ? p->next_wait_ns : INT64_MAX;
    if (p->verbose && p->next_verbose_ns < next)
        next = p->next_verbose_ns;
    return next;
}
