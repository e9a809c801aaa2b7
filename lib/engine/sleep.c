/* SPDX-License-Identifier: MIT
 *
 * Torrents that sleep: they leave libtorrent when they were not read for long,
 * and come back, from their file, with the next read. Who shall leave is found
 * out on the network thread, since that is the one that has a clock to be called
 * by; the pump does what may wait for the disk or for libtorrent. A read never
 * waits here: it wakes the torrent and becomes a waiter like any other. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/minmax.h"
#include "engine/engine.h"
#include "engine/torrent_file.h"

/* ---- waking ---- */

static void begin_to_wake_locked(gos_session *s, gos_torrent *t) GOS_REQUIRES(s->lock)
{
    t->place = GOS__TORRENT_WAKING;
    t->wake_again = false;
    t->refs++; /* the pump's */
    gos__pump_post_locked(s, &t->wake);
    ltc_interrupt(s->lt);
}

void gos__sleep_used_locked(gos_session *s, gos_torrent *t, int64_t now)
{
    t->used_ns = now;
    if (s->closing || !t->path)
        return;
    if (t->place == GOS__TORRENT_ASLEEP)
        begin_to_wake_locked(s, t);
    else if (t->place == GOS__TORRENT_LEAVING)
        t->wake_again = true;
}

/* Whether the file still is what was learnt of it. The hashes say so; that the
 * numbers agree too is what keeps offsets inside of pieces, whatever the hashes
 * are worth. */
static bool is_the_same(const struct gos__meta *m, const struct ltc_info_view *v)
{
    return m->v1 == v->v1 && m->v2 == v->v2 && !memcmp(m->v1_hash, v->v1_hash, sizeof m->v1_hash) &&
           !memcmp(m->v2_hash, v->v2_hash, sizeof m->v2_hash) &&
           m->piece_length == v->piece_length && m->n_pieces == v->n_pieces &&
           m->length == v->total_size;
}

static int read_info(gos_torrent *t, ltc_info **info)
{
    char *bytes = NULL;
    size_t len = 0;
    struct ltc_error err = {0};
    int rc = gos__torrent_file_read(&bytes, &len, t->path);
    if (rc < 0)
        return rc;
    rc = ltc_info_parse(info, bytes, len, &err);
    gos__free(bytes);
    if (rc < 0)
        return gos__error(rc, "%s", err.text);
    if (is_the_same(&t->meta, ltc_info_get(*info)))
        return 0;
    ltc_info_unref(*info);
    *info = NULL;
    return gos__error(GOS_EMETADATA, "is another torrent now");
}

/* Anything but want of memory is the file's fault: it was good when it was added. */
static int blame_the_file(const gos_torrent *t, int rc)
{
    char shown[128], why[96];
    if (rc == GOS_ENOMEM || rc == GOS_EEXIST)
        return rc;
    snprintf(why, sizeof why, "%s", gos_last_error());
    return gos__error(GOS_EMETADATA, "%s: %s",
                      gos__error_escape(shown, sizeof shown, t->path, strlen(t->path)), why);
}

static int bring_back(gos_torrent *t)
{
    ltc_info *info = NULL;
    int rc = read_info(t, &info);
    if (rc < 0)
        return blame_the_file(t, rc);
    rc = gos__torrent_equip(t, info);
    if (rc >= 0)
        rc = gos__adding_enter(t, NULL);
    if (rc < 0)
        gos__torrent_strip(t);
    ltc_info_unref(info);
    return rc;
}

static void wake_for_those_here_locked(gos_session *s, const gos_torrent *t) GOS_REQUIRES(s->lock)
{
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next) {
        struct gos__waiter *w = GOS__LIST_OWNER(l, struct gos__waiter, link);
        w->woke |= w->torrent == t;
    }
}

/* End the reads that it was woken for. True: others have come since. */
static bool fail_those_locked(gos_session *s, const gos_torrent *t, int rc) GOS_REQUIRES(s->lock)
{
    bool others = false;
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next) {
        struct gos__waiter *w = GOS__LIST_OWNER(l, struct gos__waiter, link);
        if (w->torrent != t)
            continue;
        if (w->woke)
            gos__waiters_end_locked(s, w, rc);
        else
            others = true;
    }
    return others;
}

/* It stays known and asleep; the next read tries again, also one that came since. */
static void could_not_wake(gos_session *s, gos_torrent *t, int rc)
{
    gos__lock(&s->lock);
    t->place = GOS__TORRENT_ASLEEP;
    snprintf(t->fail_text, sizeof t->fail_text, "%s", gos_last_error());
    if (fail_those_locked(s, t, rc) && !s->closing)
        begin_to_wake_locked(s, t);
    gos__unlock(&s->lock);
    /* Last: it calls the user's function, which may make errors of its own. */
    gos__log(&s->log, GOS_LOG_WARN, "engine", "a torrent cannot be woken: %s", gos_last_error());
}

static void wake(gos_session *s, gos_torrent *t)
{
    int rc = bring_back(t);
    if (rc < 0) {
        could_not_wake(s, t, rc);
        return;
    }
    gos__lock(&s->lock);
    gos__event_torrent_locked(s, GOS_EVENT_AWAKE, t);
    gos__unlock(&s->lock);
}

void gos__sleep_wake(struct gos__call *call)
{
    gos_torrent *t = GOS__LIST_OWNER(call, gos_torrent, wake);
    gos_session *s = t->session;
    gos__lock(&s->lock);
    bool wanted = t->refs > 1 && !s->closing; /* by others than us */
    if (!wanted)
        t->place = GOS__TORRENT_ASLEEP;
    else
        wake_for_those_here_locked(s, t);
    gos__unlock(&s->lock);
    if (wanted)
        wake(s, t);
    gos_torrent_unref(t);
}

void gos__sleep_awake_locked(gos_session *s, gos_torrent *t)
{
    t->place = GOS__TORRENT_AWAKE;
    gos__list_append(&s->awake, &t->awake_link);
    if (s->closing)
        return;
    if (t->path && s->sleep_after_ns != INT64_MAX) {
        s->next_sleep = gos__min_i64(s->next_sleep, t->used_ns + s->sleep_after_ns);
        ltc_wake(s->lt); /* to know when to look */
    }
}

/* ---- falling asleep ---- */

static void fall_asleep_locked(gos_session *s, gos_torrent *t) GOS_REQUIRES(s->lock)
{
    /* When it wakes, what was read so long ago is not what to fetch first. */
    for (struct gos__list *l = t->sources.next; l != &t->sources; l = l->next) {
        struct gos__torrent_source *f = GOS__LIST_OWNER(l, struct gos__torrent_source, link);
        gos__window_forget(&f->window, 0, f->size);
        gos__list_remove(&f->use_link);
    }
    gos__torrent_leave_locked(s, t);
}

int64_t gos__sleep_look_locked(gos_session *s, int64_t now)
{
    int64_t next = INT64_MAX;
    /* A read that waits is a use, however long it waits. */
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next)
        GOS__LIST_OWNER(l, struct gos__waiter, link)->torrent->used_ns = now;
    for (struct gos__list *l = s->awake.next; l != &s->awake; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, awake_link);
        if (!t->path || t->place != GOS__TORRENT_AWAKE || s->closing)
            continue;
        if (now - t->used_ns >= s->sleep_after_ns)
            fall_asleep_locked(s, t);
        else
            next = gos__min_i64(next, t->used_ns + s->sleep_after_ns);
    }
    return next;
}

void gos__sleep_asleep_locked(gos_session *s, gos_torrent *t)
{
    gos__list_remove(&t->awake_link);
    t->place = GOS__TORRENT_ASLEEP;
    t->lt = NULL; /* when it wakes, hooks run before the pump knows the next one */
    t->stats.asleep = true;
    t->stats.peers = t->stats.peers_unchoked = 0;
    t->stats.peers_connecting = t->stats.peers_stalled = 0;
    t->needs_layers = false;
    /* Not `refs`: the hash thread may hold for a moment what nobody wants. */
    if (s->closing || t->given_up || !t->path)
        return;
    if (t->state == GOS__TORRENT_FAILED)
        t->state = GOS__TORRENT_READY; /* whatever libtorrent stopped it for: it begins anew */
    gos__event_torrent_locked(s, GOS_EVENT_ASLEEP, t);
    if (t->wake_again)
        begin_to_wake_locked(s, t);
}
