/* SPDX-License-Identifier: MIT
 *
 * The store of events: told by every thread of the session, taken by callers'
 * threads. Its descriptor is an eventfd that is readable while there is
 * something to take; nobody pays for it before it was asked for. */
#include "engine/events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/opts.h"
#include "engine/engine.h"

/* ---- the store ---- */

int gos__events_init(struct gos__events *e, uint32_t mask)
{
    *e = (struct gos__events){.mask = mask, .fd = -1};
    int rc = gos__cond_init(&e->came);
    if (rc < 0)
        return rc;
    e->ready = true;
    e->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->fd < 0)
        return gos__error(-errno, "make an eventfd");
    if (!mask)
        return 0;
    e->ring = gos__calloc(GOS__EVENTS_MAX, sizeof *e->ring);
    e->texts = gos__calloc(GOS__EVENT_TEXTS, sizeof *e->texts);
    return e->ring && e->texts ? 0 : gos__error_nomem();
}

void gos__events_finish(struct gos__events *e)
{
    if (!e->ready)
        return;
    gos__free(e->ring);
    gos__free(e->texts);
    gos__cond_finish(&e->came);
    if (e->fd >= 0)
        close(e->fd);
    e->ready = false;
}

static bool any_locked(const struct gos__events *e)
{
    return e->count > 0 || e->lost > 0;
}

/* Make the descriptor say what is so. A write of 1 to an eventfd that is 0, and
 * a read of one that is 1, never block. */
static void show_locked(struct gos__events *e)
{
    uint64_t one = 1;
    bool any = any_locked(e);
    if (!e->fd_used || any == e->fd_set)
        return;
    ssize_t n = any ? write(e->fd, &one, sizeof one) : read(e->fd, &one, sizeof one);
    e->fd_set = n == (ssize_t)sizeof one ? any : e->fd_set;
}

static struct gos__event_record *push_locked(struct gos__events *e)
{
    struct gos__event_record *r = &e->ring[(e->first + e->count++) % GOS__EVENTS_MAX];
    *r = (struct gos__event_record){0};
    return r;
}

/* A place for one more, or NULL: it is counted as lost. What was lost before it
 * gets its place first, so that the order is that of time. */
static struct gos__event_record *place_locked(struct gos__events *e, int64_t now)
{
    uint32_t need = e->lost > 0 ? 2 : 1;
    if (e->count + need > GOS__EVENTS_MAX) {
        e->lost++;
        return NULL;
    }
    if (e->lost > 0) {
        struct gos__event_record *r = push_locked(e);
        r->kind = GOS_EVENT_LOST;
        r->time_ns = now;
        r->lost = e->lost;
        e->lost = 0;
    }
    return push_locked(e);
}

/* ---- telling ---- */

/* A record of that kind to be filled in, or NULL: nobody wants it, or it is lost. */
static struct gos__event_record *tell_locked(gos_session *s, enum gos_event_kind kind,
                                             uint64_t torrent) GOS_REQUIRES(s->lock)
{
    struct gos__events *e = &s->events;
    if (!(e->mask & GOS_EVENT_BIT(kind)))
        return NULL;
    int64_t now = gos__session_now_locked(s);
    struct gos__event_record *r = place_locked(e, now);
    if (r) {
        r->kind = (uint8_t)kind;
        r->time_ns = now;
        r->torrent = torrent;
        gos__cond_signal(&e->came);
    }
    show_locked(e);
    return r;
}

static void keep_error_locked(struct gos__events *e, struct gos__event_record *r, int code,
                              const char *text)
{
    r->error.code = code;
    r->error.text = e->n_texts++;
    snprintf(e->texts[r->error.text % GOS__EVENT_TEXTS], GOS__EVENT_TEXT_SIZE, "%s", text);
}

void gos__event_locked(gos_session *s, const struct gos_event *e)
{
    struct gos__event_record *r = tell_locked(s, e->kind, e->torrent);
    if (!r)
        return;
    switch (e->kind) {
    case GOS_EVENT_PIECE:
    case GOS_EVENT_BAD_PIECE:
        r->piece = e->piece;
        break;
    case GOS_EVENT_BLOCKED:
    case GOS_EVENT_UNBLOCKED:
        r->reader.id = e->reader;
        r->reader.since_ns = e->since_ns;
        break;
    case GOS_EVENT_ERROR:
        keep_error_locked(&s->events, r, e->code, e->text);
        break;
    case GOS_EVENT_METADATA:
    case GOS_EVENT_PEER_JOINED: /* gos__event_peer_locked() */
    case GOS_EVENT_PEER_LEFT:
    case GOS_EVENT_PEER_BANNED:
    case GOS_EVENT_AWAKE:
    case GOS_EVENT_ASLEEP:
    case GOS_EVENT_REMOVED:
    case GOS_EVENT_LOST:
        break;
    }
}

void gos__event_torrent_locked(gos_session *s, enum gos_event_kind kind, const gos_torrent *t)
{
    (void)tell_locked(s, kind, t->id);
}

void gos__event_metadata_locked(gos_session *s, gos_torrent *t)
{
    if (!t->metadata_told)
        gos__event_torrent_locked(s, GOS_EVENT_METADATA, t);
    t->metadata_told = true;
}

void gos__event_piece_locked(gos_session *s, enum gos_event_kind kind, const gos_torrent *t,
                             uint32_t piece)
{
    struct gos__event_record *r = tell_locked(s, kind, t->id);
    if (r)
        r->piece = piece;
}

void gos__event_error_locked(gos_session *s, const gos_torrent *t, int code, const char *text)
{
    struct gos__event_record *r = tell_locked(s, GOS_EVENT_ERROR, t->id);
    if (r)
        keep_error_locked(&s->events, r, code, text);
}

void gos__event_peer_locked(gos_session *s, enum gos_event_kind kind, const gos_torrent *t,
                            const struct gos__endpoint *peer)
{
    struct gos__event_record *r = tell_locked(s, kind, t->id);
    if (r)
        r->peer = *peer;
}

void gos__events_close_locked(gos_session *s)
{
    gos__cond_broadcast(&s->events.came);
}

/* ---- taking ---- */

static void unpack_locked(const struct gos__events *e, const struct gos__event_record *r,
                          struct gos_event *out)
{
    *out = (struct gos_event){.struct_size = sizeof *out,
                              .kind = (enum gos_event_kind)r->kind,
                              .time_ns = r->time_ns,
                              .torrent = r->torrent};
    switch (out->kind) {
    case GOS_EVENT_PIECE:
    case GOS_EVENT_BAD_PIECE:
        out->piece = r->piece;
        break;
    case GOS_EVENT_PEER_JOINED:
    case GOS_EVENT_PEER_LEFT:
    case GOS_EVENT_PEER_BANNED:
        gos__address_text(out->peer, sizeof out->peer, &r->peer);
        break;
    case GOS_EVENT_BLOCKED:
    case GOS_EVENT_UNBLOCKED:
        out->reader = r->reader.id;
        out->since_ns = r->reader.since_ns;
        break;
    case GOS_EVENT_ERROR:
        out->code = r->error.code;
        snprintf(out->text, sizeof out->text, "%s",
                 e->n_texts - r->error.text <= GOS__EVENT_TEXTS
                     ? e->texts[r->error.text % GOS__EVENT_TEXTS]
                     : gos_strerror(out->code));
        break;
    case GOS_EVENT_LOST:
        out->lost = r->lost;
        break;
    case GOS_EVENT_METADATA:
    case GOS_EVENT_AWAKE:
    case GOS_EVENT_ASLEEP:
    case GOS_EVENT_REMOVED:
        break;
    }
}

/* The oldest one; there is one. */
static void take_locked(struct gos__events *e, int64_t now, struct gos_event *out)
{
    if (e->count > 0) {
        unpack_locked(e, &e->ring[e->first], out);
        e->first = (e->first + 1) % GOS__EVENTS_MAX;
        e->count--;
    } else {
        *out = (struct gos_event){
            .struct_size = sizeof *out, .kind = GOS_EVENT_LOST, .time_ns = now, .lost = e->lost};
        e->lost = 0;
    }
    show_locked(e);
}

/* Wait for one until `deadline` (0: not at all), and take it. 1, 0, or GOS_ECANCELED. */
static int wait_locked(gos_session *s, struct gos_event *out, int64_t deadline)
    GOS_REQUIRES(s->lock)
{
    bool in_time = deadline > 0;
    while (!any_locked(&s->events)) {
        if (s->closing)
            return gos__error(GOS_ECANCELED, "the session is closed");
        if (!in_time)
            return 0;
        in_time = gos__cond_wait_until(&s->events.came, &s->lock, deadline);
    }
    take_locked(&s->events, gos__session_now_locked(s), out);
    return 1;
}

int gos_session_next_event(gos_session *s, struct gos_event *out, int64_t timeout_ns)
{
    if (!s || !out)
        return gos__error(GOS_EINVAL, "no session, or no place for the event");
    if (out->struct_size < sizeof out->struct_size) /* before one is taken for nothing */
        return gos__error(GOS_EINVAL, "the struct to fill has no struct_size");
    struct gos_event e;
    int64_t now = gos__clock_ns(), deadline = INT64_MAX;
    if (timeout_ns >= 0 && timeout_ns < INT64_MAX - now)
        deadline = timeout_ns ? now + timeout_ns : 0;
    gos__lock(&s->lock);
    s->refs++; /* the session stays while this waits, should it be closed meanwhile */
    int rc = wait_locked(s, &e, deadline);
    gos__session_unref_locked(s);
    if (rc == 1)
        gos__opts_give(out, &e, sizeof e);
    return rc;
}

int gos_session_event_fd(gos_session *s)
{
    if (!s)
        return gos__error(GOS_EINVAL, "no session");
    gos__lock(&s->lock);
    s->events.fd_used = true;
    show_locked(&s->events);
    gos__unlock(&s->lock);
    return s->events.fd;
}
