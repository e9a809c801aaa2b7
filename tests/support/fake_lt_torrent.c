/* SPDX-License-Identifier: MIT
 *
 * The life of a torrent in the fake session: add, metadata, stop, removal.
 * Functions of lt-c.h: the pump; the rest: the network thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fake_lt_internal.h"

/* ---- metadata ---- */

static void become_ready(ltc_session *s, const struct fake_task *task)
{
    ltc_torrent *t = task->object;
    if (t->stopped || t->ready)
        return;
    fake_lt__pieces_init(t);
    t->ready = true;
    t->ready_at = ltc_now_ns(s);
    fake_lt__note(s, FAKE_LT_READY, t, NULL, 0, 0);
    t->anchor = s->hooks.ready(t->user, t->info);
    if (t->anchor >= t->info->view.n_pieces)
        fake_lt__violation("ready wants piece %lld of %u", (long long)t->anchor,
                           t->info->view.n_pieces);
    if (t->anchor < 0)
        fake_lt__torrent_stop(t);
    else
        fake_lt__torrent_is_ready(t);
}

static void metadata_came(ltc_session *s, const struct fake_task *task)
{
    ltc_torrent *t = task->object;
    if (t->stopped || t->info)
        return;
    enum fake_metadata how = t->promised->metadata;
    if (how == METADATA_WRONG || (how == METADATA_LATE && task->a == 0)) {
        fake_lt__event(s, LTC_EVENT_METADATA_FAILED, t->user, "the metadata does not match");
        if (how == METADATA_LATE)
            fake_lt__post(s, ltc_now_ns(s) + t->promised->metadata_ns, metadata_came, t, 1, 0);
        return;
    }
    t->info = t->promised;
    t->promised = NULL;
    become_ready(s, task);
}

void fake_lt__metadata_wanted(ltc_torrent *t)
{
    if (t->info || t->metadata_due || !t->promised || t->promised->metadata == METADATA_NEVER)
        return;
    t->metadata_due = true;
    fake_lt__post(t->session, ltc_now_ns(t->session) + t->promised->metadata_ns, metadata_came, t,
                  0, 0);
}

/* ---- add ---- */

struct adding {
    const struct ltc_add *add;
    ltc_torrent *torrent;
    int rc;
};

static bool same(const ltc_torrent *a, const ltc_torrent *b)
{
    return (a->has_v1 && b->has_v1 && !memcmp(a->v1, b->v1, 20)) ||
           (a->has_v2 && b->has_v2 && !memcmp(a->v2, b->v2, 32));
}

static void dial(ltc_torrent *t, const struct sockaddr_storage *sa)
{
    for (size_t k = 0; k < t->n_peers; k++)
        if (fake_lt__same_addr(&t->peers[k]->attrs.addr, sa))
            fake_lt__peer_arrive(t->peers[k], ltc_now_ns(t->session));
}

static void make_peers(ltc_torrent *t)
{
    const ltc_info *i = t->info ? t->info : t->promised;
    for (size_t k = 0; i && k < i->n_peers; k++)
        fake_lt__peer_new(t, &i->peers[k]);
}

static void run_add(ltc_session *s, void *arg)
{
    struct adding *a = arg;
    ltc_torrent *t = a->torrent;
    if (s->ending) {
        a->rc = -EINVAL;
        return;
    }
    for (size_t k = 0; k < s->n_torrents; k++) {
        if (s->torrents[k]->removing || !same(s->torrents[k], t))
            continue;
        a->rc = -EEXIST;
        return;
    }
    s->torrents = fake_lt__grow(s->torrents, &s->torrents_room, s->n_torrents + 1,
                                sizeof *s->torrents);
    t->index = (int)s->n_torrents;
    s->torrents[s->n_torrents++] = t;
    if (t->info)
        fake_lt__post(s, ltc_now_ns(s), become_ready, t, 0, 0);
    make_peers(t);
    for (size_t k = 0; k < a->add->n_peers; k++)
        dial(t, &a->add->peers[k]);
}

static ltc_torrent *new_torrent(ltc_session *s, const struct ltc_add *add, void *user)
{
    ltc_torrent *t = fake_lt__alloc(1, sizeof *t);
    const uint8_t *v1 = add->v1_hash, *v2 = add->v2_hash;
    if (add->info) {
        t->info = ltc_info_ref(add->info);
        v1 = t->info->view.v1 ? t->info->view.v1_hash : NULL;
        v2 = t->info->view.v2 ? t->info->view.v2_hash : NULL;
    } else {
        t->promised = fake_lt__find_magnet(v1, v2);
    }
    t->session = s;
    t->user = user;
    t->anchor = -1;
    t->has_v1 = v1 != NULL;
    t->has_v2 = v2 != NULL;
    if (v1)
        memcpy(t->v1, v1, 20);
    if (v2)
        memcpy(t->v2, v2, 32);
    return t;
}

int ltc_torrent_add(ltc_session *s, ltc_torrent **out, const struct ltc_add *add, void *torrent,
                    struct ltc_error *err)
{
    fake_lt__pump_only(s, __func__);
    struct adding a = {.add = add, .rc = fake_lt__fails(FAKE_LT_ADD)};
    if (!a.rc && !add->info && !add->v1_hash && !add->v2_hash)
        a.rc = -EINVAL;
    if (!a.rc) {
        a.torrent = new_torrent(s, add, torrent);
        fake_lt__call(s, run_add, &a);
    }
    if (a.rc < 0) {
        if (a.torrent) {
            ltc_info_unref(a.torrent->info);
            ltc_info_unref(a.torrent->promised);
            free(a.torrent);
        }
        if (err)
            snprintf(err->text, sizeof err->text, "%s",
                     a.rc == -EEXIST ? "the torrent is there already" : strerror(-a.rc));
    }
    if (!a.rc) /* hooks may have run by now, as with libtorrent */
        *out = a.torrent;
    return a.rc;
}

/* ---- stop and removal ---- */

static void call_stop(ltc_torrent *t)
{
    ltc_session *s = t->session;
    if (!t->ready) /* no storage, nothing withheld: libtorrent has nothing to stop */
        return;
    fake_lt__note(s, FAKE_LT_STOP, t, NULL, 0, 0);
    s->hooks.stop(t->user);
    fake_lt__check_all_given_back(t);
    fake_lt__post_completions(s);
}

static void all_leave(ltc_torrent *t)
{
    for (size_t k = 0; k < t->n_peers; k++)
        if (t->peers[k]->connection)
            fake_lt__peer_left_now(t->peers[k]->connection);
}

static void removed(ltc_session *s, const struct fake_task *task)
{
    ltc_torrent *t = task->object;
    fake_lt__note(s, FAKE_LT_REMOVED, t, NULL, 0, 0);
    t->removed = true;
    s->hooks.removed(t->user);
}

static void stop_now(ltc_session *s, const struct fake_task *task)
{
    ltc_torrent *t = task->object;
    const ltc_info *i = t->info ? t->info : t->promised;
    bool peers_first = i && i->peers_leave_first;
    t->stopped = true;
    if (peers_first)
        all_leave(t);
    call_stop(t);
    all_leave(t);
    fake_lt__post_completions(s);
    if (task->a) /* behind the answers that were just posted */
        fake_lt__post(s, ltc_now_ns(s), removed, t, 0, 0);
}

void fake_lt__torrent_stop(ltc_torrent *t)
{
    if (!t->removing && !t->stopped)
        fake_lt__post(t->session, ltc_now_ns(t->session), stop_now, t, 0, 0);
}

void fake_lt__torrent_end(ltc_torrent *t)
{
    if (t->removing)
        return;
    t->removing = true;
    fake_lt__post(t->session, ltc_now_ns(t->session), stop_now, t, 1, 0);
}

static void run_remove(ltc_session *s, void *arg)
{
    (void)s;
    ltc_torrent *t = arg;
    fake_lt__torrent_end(t);
}

void ltc_torrent_remove(ltc_torrent *t)
{
    fake_lt__pump_only(t->session, __func__);
    fake_lt__call(t->session, run_remove, t);
}

/* ---- the rest ---- */

struct dialling {
    ltc_torrent *torrent;
    const struct sockaddr_storage *sa;
};

static void run_add_peer(ltc_session *s, void *arg)
{
    (void)s;
    struct dialling *d = arg;
    if (d->torrent->removing)
        fake_lt__violation("ltc_torrent_add_peer() to a torrent that was removed");
    else
        dial(d->torrent, d->sa);
}

int ltc_torrent_add_peer(ltc_torrent *t, const struct sockaddr_storage *sa)
{
    fake_lt__pump_only(t->session, __func__);
    fake_lt__call(t->session, run_add_peer, &(struct dialling){t, sa});
    return 0;
}

struct layers {
    ltc_torrent *torrent;
    ltc_info *info;
    int rc;
};

static void run_fetch_layers(ltc_session *s, void *arg)
{
    struct layers *l = arg;
    int64_t after = l->info->layers_ns;
    if (after >= 0 && l->torrent->ready && ltc_now_ns(s) >= l->torrent->ready_at + after)
        atomic_store_explicit(&l->info->layers_known, true, memory_order_release);
    l->rc = atomic_load_explicit(&l->info->layers_known, memory_order_relaxed);
}

/* The fake never makes twins stand still: see fake_lt_emit_twins(). */
int ltc_torrent_go_on(ltc_torrent *t)
{
    fake_lt__pump_only(t->session, __func__);
    if (t->removed)
        fake_lt__violation("ltc_torrent_go_on() of a torrent that was removed");
    t->session->stats.goes_on++;
    return 0;
}

int ltc_torrent_fetch_layers(ltc_torrent *t, ltc_info *info)
{
    fake_lt__pump_only(t->session, __func__);
    struct layers l = {t, info, 0};
    fake_lt__call(t->session, run_fetch_layers, &l);
    return l.rc;
}
