/* SPDX-License-Identifier: MIT
 *
 * Readers that writers have to think of: those that block, and those that keep
 * what they have. Runs on writers' threads and, when such a reader moves, on
 * its. */
#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "ring/ring.h"

/* How far a reader may lag. One that still reads its history may be as far
 * behind as there are bytes. */
static uint64_t limit_of(const gos_ring *ring, const gos_ring_reader *r)
{
    return r->caught_up ? r->opts.max_lag : ring->storage;
}

/* Records may be so short that their entries are all in use before the storage
 * is; then it is the one who still needs the oldest that holds writers up. */
static bool fills_index_locked(gos_ring *ring, gos_ring_reader *r) GOS_REQUIRES(ring->lock)
{
    struct gos__span span = gos__window_span_locked(ring);

    /* In the middle of the oldest, too: its entry goes with all of it. */
    return span.records - span.first >= ring->max_records &&
           r->pos < gos__window_begin(ring, &span, span.first + 1);
}

/* The reader's time runs while writers wait, or try again and again. */
static void note_blocked_locked(gos_ring *ring, gos_ring_reader *r, int64_t now)
    GOS_REQUIRES(ring->lock)
{
    bool waited_for = ring->room_watches.first || !gos__list_empty(&ring->room_sleepers);

    if (r->blocked_since == 0 || (!waited_for && now - r->blocked_seen > GOS__SECOND))
        r->blocked_since = now;
    r->blocked_seen = now;
}

/* Whether the reader lets a record of `len` bytes come; sets out->until. */
static bool ask_blocking_locked(gos_ring *ring, gos_ring_reader *r, uint64_t tail, uint64_t len,
                                int64_t now, struct gos__room *out) GOS_REQUIRES(ring->lock)
{
    uint64_t limit = limit_of(ring, r);

    /* Who has read everything lets any record come. */
    if (r->pos >= tail || (tail + len - r->pos <= limit && !fills_index_locked(ring, r))) {
        r->blocked_since = 0;
        out->until = gos__min_u64(out->until, r->pos + limit);
        return true;
    }
    note_blocked_locked(ring, r, now);
    if (now - r->blocked_since < r->opts.block_ns) {
        out->retry_ns = gos__min_i64(out->retry_ns, r->blocked_since + r->opts.block_ns);
        return false;
    }
    gos__reader_disconnect_locked(ring, r, GOS_ETIMEDOUT);
    ring->alarms++; /* whoever watches looks after its readers */
    out->alarm = true;
    return true;
}

static void ask_keeping_locked(gos_ring *ring, gos_ring_reader *r, uint64_t tail, uint64_t len,
                               struct gos__room *out) GOS_REQUIRES(ring->lock)
{
    uint64_t limit = limit_of(ring, r);

    if (r->stop != GOS__RING_NONE)
        return; /* it loses what comes anyway */
    if (r->pos < ring->floor)
        return; /* what it had is given up already, for age or for another ring */
    if (r->caught_up && r->pos < tail && tail + len - r->pos > limit)
        r->stop = tail;
    else
        out->until = gos__min_u64(out->until, r->pos + limit);
}

bool gos__room_check_locked(gos_ring *ring, uint64_t len, int64_t now, struct gos__room *out)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    bool room = true;

    *out = (struct gos__room){.until = UINT64_MAX, .retry_ns = INT64_MAX};
    struct gos__list *next;
    for (struct gos__list *l = ring->holders.next; l != &ring->holders; l = next) {
        gos_ring_reader *r = GOS__LIST_OWNER(l, gos_ring_reader, holder_link);
        next = l->next; /* a reader that is disconnected leaves the list */
        if (!r->settled)
            continue;
        if (r->opts.policy == GOS_RING_BLOCK)
            room = ask_blocking_locked(ring, r, tail, len, now, out) && room;
    }
    if (!room)
        return false;
    for (struct gos__list *l = ring->holders.next; l != &ring->holders; l = l->next) {
        gos_ring_reader *r = GOS__LIST_OWNER(l, gos_ring_reader, holder_link);
        if (r->settled && r->opts.policy == GOS_RING_DROP_NEW)
            ask_keeping_locked(ring, r, tail, len, out);
    }
    return true;
}

uint64_t gos__room_pinned_locked(gos_ring *ring)
{
    uint64_t least = GOS__RING_NONE;

    for (struct gos__list *l = ring->holders.next; l != &ring->holders; l = l->next) {
        gos_ring_reader *r = GOS__LIST_OWNER(l, gos_ring_reader, holder_link);
        if (r->settled && r->opts.policy == GOS_RING_BLOCK)
            least = gos__min_u64(least, r->pos);
    }
    return least;
}

void gos__room_keep_locked(gos_ring *ring, struct gos__segment *s)
{
    for (struct gos__list *l = ring->holders.next; l != &ring->holders; l = l->next) {
        gos_ring_reader *r = GOS__LIST_OWNER(l, gos_ring_reader, holder_link);
        if (r->stop == GOS__RING_NONE || r->pos >= s->base + s->size || s->base >= r->stop ||
            r->kept_end == r->kept_cap)
            continue;
        gos__segment_ref(s);
        r->kept[r->kept_end++] = s;
    }
}

/* ---- waiting for room ---- */

bool gos__room_moved_locked(gos_ring *ring)
{
    struct gos__room room;
    uint64_t least = GOS__RING_NONE;

    for (struct gos_ring_watch *w = ring->room_watches.first; w; w = w->lib.ptr[1])
        least = gos__min_u64(least, w->lib.num[1]);
    for (struct gos__list *l = ring->room_sleepers.next; l != &ring->room_sleepers; l = l->next)
        least = gos__min_u64(least, GOS__LIST_OWNER(l, struct gos__sleeper, link)->need);
    if (least == GOS__RING_NONE)
        return false;
    return gos__room_check_locked(ring, least, gos__clock_ns(), &room) || room.alarm;
}

/* Whether a record of s->need bytes fits, or the stream is over. If not, `s` is
 * put where who makes room finds it. */
static bool look_for_room(gos_ring *ring, struct gos__sleeper *s, struct gos__room *room)
{
    gos__lock(&ring->lock);
    bool fits = gos__room_check_locked(ring, s->need, gos__clock_ns(), room) ||
                gos__wake_ended(ring);
    if (!fits) {
        gos__sleeper_prepare(s);
        gos__list_append(&ring->room_sleepers, &s->link);
    }
    gos__unlock(&ring->lock);
    if (room->alarm)
        gos__wake_room(ring); /* a reader was disconnected */
    return fits;
}

/* Sleep until there may be room, a reader's time is up, or the deadline. */
static int sleep_for_room(gos_ring *ring, struct gos__sleeper *s, int64_t deadline_ns)
{
    struct gos__room room;
    int64_t began = gos__clock_ns();

    if (look_for_room(ring, s, &room))
        return 0;
    gos__sleeper_sleep(s, gos__min_i64(deadline_ns, room.retry_ns));
    int64_t now = gos__clock_ns();
    gos__lock(&ring->lock);
    gos__list_remove(&s->link);
    ring->blocked_ns += (uint64_t)(now - began);
    gos__unlock(&ring->lock);
    if (atomic_load(&s->cancelled))
        return GOS_ECANCELED;
    return now >= deadline_ns ? GOS_ETIMEDOUT : GOS_EAGAIN;
}

int gos__room_wait(gos_ring *ring, uint64_t len, const struct gos_io *io)
{
    struct gos__sleeper s = {.need = len};
    int64_t deadline_ns = gos__sleeper_deadline(io, gos__clock_ns());
    int rc;

    gos__list_init(&s.link);
    gos__sleeper_begin(&s, io->cancel);
    do {
        rc = sleep_for_room(ring, &s, deadline_ns);
    } while (rc == GOS_EAGAIN);
    gos__sleeper_end(&s, io->cancel);
    if (rc == GOS_ECANCELED)
        return gos__error(rc, "cancelled");
    return rc < 0 ? gos__error(rc, "deadline passed, a reader holds writers up") : 0;
}
