/* SPDX-License-Identifier: MIT
 *
 * The life of a fake session, and its settings. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fake_lt_internal.h"

#define PORT 6881

static void listening(ltc_session *s, const struct fake_task *task)
{
    (void)task;
    atomic_store_explicit(&s->port, PORT, memory_order_release);
    fake_lt__event(s, LTC_EVENT_LISTENING, NULL, "listening on port 6881");
}

static void init_locks(ltc_session *s)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->to_net, &a);
    pthread_cond_init(&s->from_net, &a);
    pthread_cond_init(&s->events_came, &a);
    pthread_condattr_destroy(&a);
}

static void session_free(ltc_session *s)
{
    for (size_t k = 0; k < s->n_torrents; k++) {
        ltc_torrent *t = s->torrents[k];
        for (size_t p = 0; p < t->n_peers; p++)
            fake_lt__peer_free(t->peers[p]);
        fake_lt__pieces_free(t);
        free(t->peers);
        free(t->wanted);
        ltc_info_unref(t->info);
        ltc_info_unref(t->promised);
        free(t);
    }
    while (s->connections) {
        ltc_peer *c = s->connections;
        s->connections = c->next;
        free(c->unflushed.at);
        free(c->queue.at);
        free(c->asked.at);
        free(c);
    }
    free(s->torrents);
    free(s->heap);
    free(s->slots);
    free(s->hash_answers.at);
    free(s->aborts.at);
    free(s->events);
    pthread_cond_destroy(&s->to_net);
    pthread_cond_destroy(&s->from_net);
    pthread_cond_destroy(&s->events_came);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static int fail(struct ltc_error *err, int rc, const char *what)
{
    if (err)
        snprintf(err->text, sizeof err->text, "%s: %s", what, strerror(-rc));
    return rc;
}

int ltc_session_new(ltc_session **out, const struct ltc_settings *settings,
                    const struct ltc_hooks *hooks, void *user, struct ltc_error *err)
{
    int rc = fake_lt__fails(FAKE_LT_NEW);
    if (rc < 0)
        return fail(err, rc, "the test lets the session fail");
    if (!settings->slots)
        return fail(err, -EINVAL, "a session without slots");
    ltc_session *s = fake_lt__alloc(1, sizeof *s);
    s->mode = fake_lt__mode();
    s->break_order = fake_lt__order_is_broken();
    s->hooks = *hooks;
    s->user = user;
    s->n_slots = settings->slots;
    s->max_peers = settings->max_peers ? settings->max_peers : UINT32_MAX;
    s->slots = fake_lt__alloc(s->n_slots, sizeof *s->slots);
    s->stats.download_limit = settings->download_bps;
    s->stats.max_peers = s->max_peers;
    s->stats.dht = settings->dht;
    s->stats.lsd = settings->lsd;
    s->picks = settings->libtorrent_picks;
    s->work_at = INT64_MAX;
    s->target = FAKE_LT_START_NS;
    s->calls_end = &s->calls;
    atomic_init(&s->now, FAKE_LT_START_NS);
    init_locks(s);
    fake_lt__post(s, ltc_now_ns(s), listening, NULL, 0, 0);
    rc = -pthread_create(&s->thread, NULL, fake_lt__network_main, s);
    if (rc < 0) {
        session_free(s);
        return fail(err, rc, "the network thread");
    }
    fake_lt__remember(s);
    *out = s;
    return 0;
}

static void abort_session(ltc_session *s)
{
    pthread_mutex_lock(&s->lock);
    s->aborted = true;
    pthread_cond_signal(&s->to_net);
    pthread_mutex_unlock(&s->lock);
}

void ltc_session_abort(ltc_session *s)
{
    if (fake_lt__on_net(s))
        fake_lt__violation("ltc_session_abort() was called on the network thread");
    abort_session(s);
}

void ltc_session_free(ltc_session *s)
{
    if (!s)
        return;
    if (fake_lt__on_net(s)) {
        fake_lt__violation("ltc_session_free() was called on the network thread");
        return;
    }
    abort_session(s);
    fake_lt__forget(s);
    pthread_join(s->thread, NULL);
    fake_lt__wait_end_released();
    session_free(s);
}

/* The newest go first, those above the new number only. */
static void leave_above(ltc_session *s)
{
    uint64_t staying = 0;
    for (ltc_peer *c = s->connections; c; c = c->next)
        staying += !c->left && !c->leaving;
    for (ltc_peer *c = s->connections; c && staying > s->max_peers; c = c->next) {
        if (c->left || c->leaving)
            continue;
        fake_lt__peer_leave(c);
        staying--;
    }
}

static void set_limits(ltc_session *s, void *arg)
{
    const struct ltc_limits *l = arg;
    s->stats.download_limit = l->download_bps;
    s->max_peers = l->max_peers ? l->max_peers : UINT32_MAX;
    s->stats.max_peers = s->max_peers;
    s->limit_busy = 0; /* what waited for the old limit is let through */
    s->stats.dht = l->dht;
    s->stats.lsd = l->lsd;
    leave_above(s);
}

static void set_utp(ltc_session *s, void *arg)
{
    s->stats.outgoing_utp = *(const bool *)arg;
}

int ltc_set_limits(ltc_session *s, const struct ltc_limits *l)
{
    fake_lt__pump_only(s, __func__);
    struct ltc_limits copy = *l;
    fake_lt__call(s, set_limits, &copy);
    return 0;
}

int ltc_set_outgoing_utp(ltc_session *s, bool on)
{
    fake_lt__pump_only(s, __func__);
    fake_lt__call(s, set_utp, &on);
    return 0;
}

uint16_t ltc_listen_port(ltc_session *s)
{
    return (uint16_t)atomic_load_explicit(&s->port, memory_order_acquire);
}
