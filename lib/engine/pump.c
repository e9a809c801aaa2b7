/* SPDX-License-Identifier: MIT
 *
 * The pump: the one thread that waits for libtorrent's events and makes the
 * calls that may block on its network thread. At the end it takes the session
 * down, so that whoever closes it can stop waiting. */
#include "engine/engine.h"

#define LOOK_AROUND_MS 500 /* how often layers are asked for while some are missing */
#define N_EVENTS 16

void gos__pump_post_locked(gos_session *s, struct gos__call *call)
{
    gos__list_append(&s->calls, &call->link);
}

/* A call with somebody waiting for it. */
struct waited {
    struct gos__call call;
    gos_session *session;
    int (*run)(void *arg);
    void *arg;
    int rc;
    struct gos__error_text why; /* the pump's sentence, for the caller's thread */
    bool done;
};

static void run_waited(struct gos__call *call)
{
    struct waited *w = GOS__LIST_OWNER(call, struct waited, call);
    gos_session *s = w->session;
    w->rc = w->run(w->arg);
    gos__error_save(&w->why);
    gos__lock(&s->lock);
    w->done = true;
    gos__cond_broadcast(&s->changed);
    gos__unlock(&s->lock);
}

int gos__pump_call(gos_session *s, int (*run)(void *arg), void *arg)
{
    struct waited w = {.call.run = run_waited, .session = s, .run = run, .arg = arg};
    bool here = pthread_equal(pthread_self(), s->pump_thread);
    gos__lock(&s->lock);
    if (s->closing) {
        gos__unlock(&s->lock);
        return gos__error(GOS_ECANCELED, "the session is closed");
    }
    if (!here) {
        s->refs++; /* the session stays until we have seen the end of the call */
        gos__pump_post_locked(s, &w.call);
        /* Under the lock: the pump cannot free `lt` before it has seen the call. */
        ltc_interrupt(s->lt);
        while (!w.done)
            gos__cond_wait(&s->changed, &s->lock);
        gos__session_unref_locked(s);
        if (w.rc < 0)
            gos__error_restore(&w.why);
        return w.rc;
    }
    gos__unlock(&s->lock);
    return run(arg);
}

static void run_calls(gos_session *s)
{
    gos__lock(&s->lock);
    while (!gos__list_empty(&s->calls)) {
        struct gos__call *c = GOS__LIST_OWNER(s->calls.next, struct gos__call, link);
        gos__list_remove(&c->link);
        gos__unlock(&s->lock);
        c->run(c);
        gos__lock(&s->lock);
    }
    gos__unlock(&s->lock);
}

/* Whether a torrent that an event names is still ours; a reference then. */
static gos_torrent *known_torrent(gos_session *s, const void *named)
{
    gos_torrent *found = NULL;
    gos__lock(&s->lock);
    for (struct gos__list *l = s->awake.next; l != &s->awake; l = l->next) {
        gos_torrent *t = GOS__LIST_OWNER(l, gos_torrent, awake_link);
        if (t == named && t->refs > 0) {
            gos__torrent_ref_locked(t);
            found = t;
        }
    }
    gos__unlock(&s->lock);
    return found;
}

/* Two magnets turn out to be one torrent. The one that was added first stays, the
 * other one leaves before it goes on: it would meet it again. */
static void part_twins(gos_session *s, gos_torrent *one, gos_torrent *other)
{
    gos_torrent *stays = !one || (other && other->id < one->id) ? other : one;
    gos_torrent *goes = stays == one ? other : one;
    if (goes)
        gos__torrent_fail(goes, GOS_EEXIST, "it is the same torrent as one that is there already");
    gos__lock(&s->lock);
    if (goes && goes->place == GOS__TORRENT_AWAKE)
        gos__torrent_leave_locked(s, goes);
    gos__unlock(&s->lock);
    run_calls(s);
    gos__lock(&s->lock);
    ltc_torrent *lt = stays && stays->place == GOS__TORRENT_AWAKE ? stays->lt : NULL;
    if (lt)
        stays->redial = true; /* its peers have left it */
    gos__unlock(&s->lock);
    if (lt && ltc_torrent_go_on(lt) < 0)
        gos__torrent_fail(stays, GOS_EIO, "it stands still since the same torrent was added twice");
}

static void handle_event(gos_session *s, const struct ltc_event *e)
{
    gos_torrent *t = known_torrent(s, e->torrent);
    switch (e->kind) {
    case LTC_EVENT_TWINS: {
        gos_torrent *other = known_torrent(s, e->other);
        part_twins(s, t, other);
        gos_torrent_unref(other);
        break;
    }
    case LTC_EVENT_LISTEN_FAILED:
        gos__log(&s->log, GOS_LOG_WARN, "engine", "cannot listen: %s", e->text);
        break;
    case LTC_EVENT_TORRENT_ERROR:
        gos__log(&s->log, GOS_LOG_ERROR, "engine", "torrent stopped: %s", e->text);
        if (t)
            gos__torrent_fail(t, GOS_EIO, e->text);
        break;
    case LTC_EVENT_TRACKER_ERROR:
        gos__log(&s->log, GOS_LOG_INFO, "engine", "tracker: %s", e->text);
        break;
    case LTC_EVENT_METADATA_FAILED:
        gos__log(&s->log, GOS_LOG_WARN, "engine", "metadata from a peer is not usable: %s",
                 e->text);
        break;
    case LTC_EVENT_LISTENING:
        gos__log(&s->log, GOS_LOG_DEBUG, "engine", "listening on port %u",
                 (unsigned)ltc_listen_port(s->lt));
        break;
    }
    gos_torrent_unref(t);
}

/* Hashes of v2 pieces that did not come with a magnet's metadata. Returns
 * whether some are still missing. */
static bool fetch_layers(gos_session *s)
{
    bool missing = false;
    s->layers_round++;
    for (;;) {
        gos_torrent *t = NULL;
        gos__lock(&s->lock);
        for (struct gos__list *l = s->awake.next; l != &s->awake && !t; l = l->next) {
            gos_torrent *x = GOS__LIST_OWNER(l, gos_torrent, awake_link);
            if (x->needs_layers && x->layers_round != s->layers_round &&
                x->place == GOS__TORRENT_AWAKE && x->refs > 0)
                t = x;
        }
        if (!t) {
            gos__unlock(&s->lock);
            return missing;
        }
        t->layers_round = s->layers_round;
        gos__torrent_ref_locked(t);
        ltc_torrent *lt = t->lt;
        gos__unlock(&s->lock);
        bool all = ltc_torrent_fetch_layers(lt, t->info) > 0;
        gos__lock(&s->lock);
        for (struct gos__list *l = s->pieces.next; all && l != &s->pieces; l = l->next) {
            struct gos__piece *p = GOS__LIST_OWNER(l, struct gos__piece, link);
            if (p->owner == t && p->unjudged && !p->hashing)
                gos__hasher_add_locked(s, p);
        }
        t->needs_layers = !all;
        gos__unlock(&s->lock);
        gos_torrent_unref(t);
        missing = missing || !all;
    }
}

/* Pieces that were with the hash thread when everything stopped. */
static void drop_unjudged(gos_session *s, struct gos__list *list, bool borrowed)
{
    gos__lock(&s->lock);
    while (!gos__list_empty(list)) {
        struct gos__piece *p = GOS__LIST_OWNER(list->next, struct gos__piece, hash_link);
        gos_torrent *t = p->owner;
        gos__list_remove(&p->hash_link);
        for (uint32_t i = 0; borrowed && i < p->n_blocks; i++)
            gos__arena_unborrow(&s->arena, p->slots[i]);
        gos__piece_unpin(p);
        gos__unlock(&s->lock);
        gos_torrent_unref(t);
        gos__lock(&s->lock);
    }
    gos__unlock(&s->lock);
}

static void take_down(gos_session *s)
{
    ltc_session_abort(s->lt);
    ltc_session_free(s->lt);
    gos__lock(&s->lock);
    s->hash_quits = s->done_quits = true;
    gos__cond_broadcast(&s->hash_wakes);
    gos__cond_broadcast(&s->done_wakes);
    gos__unlock(&s->lock);
    pthread_join(s->hash_thread, NULL);
    pthread_join(s->done_thread, NULL);
    gos__lock(&s->lock);
    s->closed = true;
    gos__unlock(&s->lock);
    drop_unjudged(s, &s->to_hash, true);
    drop_unjudged(s, &s->hashed, false);
    run_calls(s); /* torrents that were given up meanwhile */
    gos__lock(&s->lock);
    gos__cond_broadcast(&s->changed);
    pthread_detach(pthread_self());
    gos__session_unref_locked(s);
}

void *gos__pump_main(void *session)
{
    gos_session *s = session;
    struct ltc_event events[N_EVENTS];
    bool closing = false, missing = false;
    while (!closing) {
        int n = ltc_wait_events(s->lt, events, N_EVENTS, missing ? LOOK_AROUND_MS : -1);
        for (int i = 0; i < n; i++)
            handle_event(s, &events[i]);
        run_calls(s);
        gos__lonely_help(s);
        missing = fetch_layers(s);
        gos__lock(&s->lock);
        closing = s->closing;
        gos__unlock(&s->lock);
    }
    run_calls(s);
    take_down(s);
    return NULL;
}
