/* SPDX-License-Identifier: MIT
 *
 * Life of a torrent: made, in libtorrent or not, let go. Its places and who moves
 * it between them:
 *
 *   ASLEEP --- read, or added --> WAKING --- pump --> AWAKE
 *      ^                            |                   |
 *      |<------- not possible ------+        not wanted, or not read for long
 *      +---- libtorrent: `removed` ---- LEAVING <-------+
 *
 * What may block on libtorrent is done by the pump. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/minmax.h"
#include "engine/engine.h"
#include "engine/torrent_file.h"

static void torrent_free(gos_torrent *t)
{
    if (!t)
        return;
    gos__torrent_strip(t);
    gos__blame_free(t->blame);
    gos__free(t->meta.files);
    gos__free(t->given_peers);
    gos__free(t->path);
    gos__free(t);
}

/* Free it if nobody can reach it any more. Unlocks. */
static void settle_and_unlock(gos_session *s, gos_torrent *t) GOS_RELEASES(s->lock)
{
    if (t->refs > 0 || t->place != GOS__TORRENT_ASLEEP || t->leaving) {
        gos__unlock(&s->lock);
        return;
    }
    gos__list_remove(&t->link);
    gos__stats_keep_locked(s, t);
    if (t->entered || t->metadata_told) /* else adding it failed, and nobody was told of it */
        gos__event_torrent_locked(s, GOS_EVENT_REMOVED, t);
    gos__session_unref_locked(s);
    torrent_free(t);
}

/* The pump. */
static void leave(struct gos__call *call)
{
    gos_torrent *t = GOS__LIST_OWNER(call, gos_torrent, leave);
    gos_session *s = t->session;
    gos__lock(&s->lock);
    /* Else the session ended first. */
    ltc_torrent *lt = t->place == GOS__TORRENT_LEAVING ? t->lt : NULL;
    gos__unlock(&s->lock);
    if (lt)
        ltc_torrent_remove(lt); /* `removed` comes from the network thread */
    gos__lock(&s->lock);
    t->leaving = false;
    settle_and_unlock(s, t);
}

void gos__torrent_leave_locked(gos_session *s, gos_torrent *t)
{
    t->place = GOS__TORRENT_LEAVING;
    t->leaving = true;
    gos__pump_post_locked(s, &t->leave);
    if (!s->closing)
        ltc_interrupt(s->lt);
}

void gos__torrent_removed(gos_torrent *t)
{
    gos_session *s = t->session;
    gos__torrent_strip(t); /* it is not live any more: nobody else looks at that */
    if (t->blame && gos__blame_bans(t->blame) == 0) {
        gos__blame_free(t->blame);
        t->blame = NULL;
    } else if (t->blame) {
        gos__blame_rest(t->blame);
    }
    gos__lock(&s->lock);
    gos__sleep_asleep_locked(s, t);
    settle_and_unlock(s, t);
}

void gos__torrent_ref_locked(gos_torrent *t)
{
    t->refs++;
}

void gos_torrent_unref(gos_torrent *t)
{
    if (!t)
        return;
    gos_session *s = t->session;
    gos__lock(&s->lock);
    /* The hash thread may hold it for a moment again after that. */
    if (--t->refs == 0) {
        t->given_up = true;
        gos__registry_take(&s->registry, &t->entries[0]); /* it may be added again */
        gos__registry_take(&s->registry, &t->entries[1]);
        if (t->place == GOS__TORRENT_AWAKE)
            gos__torrent_leave_locked(s, t);
    }
    settle_and_unlock(s, t);
}

void gos__torrent_fail(gos_torrent *t, int code, const char *text)
{
    gos_session *s = t->session;
    gos__lock(&s->lock);
    if (t->place == GOS__TORRENT_ASLEEP) { /* told late: when it wakes it begins anew */
        gos__unlock(&s->lock);
        return;
    }
    if (t->state != GOS__TORRENT_FAILED) {
        t->state = GOS__TORRENT_FAILED;
        t->fail_code = code;
        snprintf(t->fail_text, sizeof t->fail_text, "%s", text);
        gos__event_error_locked(s, t, code, t->fail_text);
    }
    gos__waiters_fail_locked(s, t, code == GOS_EBUDGET ? code : GOS_EIO);
    gos__cond_broadcast(&s->changed);
    gos__unlock(&s->lock);
}

/* ---- making ---- */

int gos__torrent_new(gos_torrent **out, gos_session *s, const char *path)
{
    gos_torrent *t = gos__calloc(1, sizeof *t);
    if (!t)
        return gos__error_nomem();
    t->session = s;
    t->refs = 1;
    t->stats.asleep = true;
    t->leave.run = leave;
    t->wake.run = gos__sleep_wake;
    gos__list_init(&t->link);
    gos__list_init(&t->awake_link);
    gos__list_init(&t->sources);
    gos__list_init(&t->peers);
    gos__list_init(&t->net_link);
    int rc = path ? gos__torrent_file_path(&t->path, path) : 0;
    if (rc < 0) {
        torrent_free(t);
        return rc;
    }
    gos__lock(&s->lock);
    s->refs++;
    t->id = ++s->last_torrent_id;
    gos__list_append(&s->torrents, &t->link);
    gos__unlock(&s->lock);
    *out = t;
    return 0;
}

static int enlist_locked(gos_session *s, gos_torrent *t, const uint8_t *const hashes[2])
    GOS_REQUIRES(s->lock)
{
    if (s->closing)
        return gos__error(GOS_ECANCELED, "the session is closed");
    for (unsigned i = 0; i < 2; i++) {
        if (hashes[i] && gos__registry_has(&s->registry, hashes[i]))
            return gos__error(GOS_EEXIST, "the torrent is in this session already");
    }
    for (unsigned i = 0; i < 2; i++) {
        int rc = hashes[i] ? gos__registry_put(&s->registry, &t->entries[i], hashes[i]) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

int gos__torrent_enlist(gos_torrent *t, const uint8_t *v1_hash, const uint8_t *v2_hash)
{
    gos_session *s = t->session;
    gos__lock(&s->lock);
    int rc = enlist_locked(s, t, (const uint8_t *const[]){v1_hash, v2_hash});
    gos__unlock(&s->lock);
    return rc;
}

/* ---- what is there only while libtorrent has it ---- */

int gos__torrent_equip(gos_torrent *t, ltc_info *info)
{
    const struct ltc_info_view *v = ltc_info_get(info);
    t->info = ltc_info_ref(info);
    t->view = v;
    t->order = gos__calloc(gos__min_u64(v->n_pieces, t->session->arena.n_slots), sizeof *t->order);
    t->padding = gos__calloc(v->piece_length / LTC_BLOCK, 1);
    t->pieces = gos__calloc(v->n_pieces, sizeof(struct gos__piece *));
    if (!t->order || !t->padding || !t->pieces)
        return gos__error_nomem();
    return gos__sched_new(&t->sched, &gos__net_sched_out, t);
}

void gos__torrent_strip(gos_torrent *t)
{
    gos__sched_free(t->sched);
    gos__free(t->pieces);
    gos__free(t->order);
    gos__free(t->padding);
    ltc_info_unref(t->info);
    t->sched = NULL;
    t->pieces = NULL;
    t->order = NULL;
    t->padding = NULL;
    t->info = NULL;
    t->view = NULL;
    t->n_order = t->n_awaited = 0;
    t->ordered = t->changed = false;
    t->next_step = 0;
    t->hedges = 0;
    t->tcp_peers = t->tries = 0;
}
