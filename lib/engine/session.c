/* SPDX-License-Identifier: MIT
 *
 * Life of a session: making its arena and threads, closing it.
 * Runs in callers' threads; the taking down itself is done by the pump. */
#include "engine/engine.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <gostream/version.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/minmax.h"
#include "base/opts.h"

#define DEFAULT_RAM (UINT64_C(256) << 20)
#define LEAST_RAM (UINT64_C(1) << 20)
#define DEFAULT_CLOSE_NS GOS__SECOND
#define DEFAULT_SLEEP_AFTER_NS (600 * GOS__SECOND)
#define LISTEN_EVERYWHERE "0.0.0.0:0,[::]:0"

static void session_free(gos_session *s)
{
    gos__arena_finish(&s->arena);
    gos__registry_finish(&s->registry);
    gos__plan_finish(s);
    gos__free(s->block_ptrs);
    gos__events_finish(&s->events);
    gos__cond_finish(&s->changed);
    gos__cond_finish(&s->done_wakes);
    gos__cond_finish(&s->hash_wakes);
    gos__mutex_finish(&s->lock);
    gos__free(s);
}

void gos__session_unref_locked(gos_session *s)
{
    bool last = --s->refs == 0;
    gos__unlock(&s->lock);
    if (last)
        session_free(s);
}

int64_t gos__session_now_locked(gos_session *s)
{
    /* The pump frees `lt` only after it has said `closing` is dealt with. */
    return s->closing || !s->lt ? gos__clock_ns() : ltc_now_ns(s->lt);
}

/* Whether this is one of the session's own threads. */
static bool in_callback(gos_session *s)
{
    pthread_t me = pthread_self();
    if (pthread_equal(me, s->done_thread) || pthread_equal(me, s->hash_thread) ||
        pthread_equal(me, s->pump_thread))
        return true;
    gos__lock(&s->lock);
    bool network = s->on_network && pthread_equal(me, s->network_thread);
    gos__unlock(&s->lock);
    return network;
}

/* "ADDR:PORT", port 0 allowed. */
static bool listen_item_ok(const char *item, size_t len)
{
    char text[128], *colon, *end, addr[16];
    if (len >= sizeof text)
        return false;
    memcpy(text, item, len);
    text[len] = 0;
    colon = strrchr(text, ':');
    if (!colon || colon[1] < '0' || colon[1] > '9')
        return false;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end || port > 65535)
        return false;
    *colon = 0;
    if (text[0] == '[' && colon[-1] == ']') {
        colon[-1] = 0;
        return inet_pton(AF_INET6, text + 1, addr) == 1;
    }
    return inet_pton(AF_INET, text, addr) == 1;
}

static int check_listen(const char *listen)
{
    for (const char *p = listen; *p;) {
        size_t len = strcspn(p, ",");
        if (!listen_item_ok(p, len)) {
            char shown[80];
            return gos__error(GOS_EINVAL,
                              "cannot listen on \"%s\": write ADDRESS:PORT, as in 0.0.0.0:6881 or "
                              "[::]:6881",
                              gos__error_escape(shown, sizeof shown, p, len));
        }
        p += len;
        if (*p == ',')
            p++;
    }
    return 0;
}

static int init_parts(gos_session *s, const struct gos_session_opts *o)
{
    int rc = gos__mutex_init(&s->lock);
    if (rc < 0)
        return rc;
    /* A condition cannot fail to be made on Linux; treat it as no memory. */
    if (gos__cond_init(&s->changed) < 0 || gos__cond_init(&s->done_wakes) < 0 ||
        gos__cond_init(&s->hash_wakes) < 0)
        return gos__error_nomem();
    gos__list_init(&s->torrents);
    gos__list_init(&s->awake);
    gos__list_init(&s->waiting);
    gos__list_init(&s->ready);
    gos__list_init(&s->to_hash);
    gos__list_init(&s->hashed);
    gos__list_init(&s->pieces);
    gos__list_init(&s->calls);
    gos__list_init(&s->known);
    gos__list_init(&s->readers);
    s->next_expiry = s->next_blocked = s->next_sleep = INT64_MAX;
    s->sleep_after_ns = o->sleep_after_ns ? o->sleep_after_ns : DEFAULT_SLEEP_AFTER_NS;
    if (s->sleep_after_ns < 0 || s->sleep_after_ns > INT64_MAX / 2) /* it is added to times */
        s->sleep_after_ns = INT64_MAX;
    s->limits = (struct gos_session_limits){.download_bps = o->download_bps,
                                            .max_peers = o->max_peers,
                                            .no_dht = o->no_dht,
                                            .no_lsd = o->no_lsd};
    gos__limits_fill(&s->limits);
    s->ahead_max = s->limits.ahead;
    s->libtorrent_picks = o->libtorrent_picks;
    s->refs = 2; /* the user's and the pump's */
    gos__log_init(&s->log, o->log, o->log_user, o->log_level ? o->log_level : GOS_LOG_INFO);
    if (getrandom(&s->print_key, sizeof s->print_key, 0) != (ssize_t)sizeof s->print_key)
        return gos__error(GOS_EIO, "the system has no random numbers");
    gos__registry_init(&s->registry, s->print_key);
    rc = gos__events_init(&s->events, o->events);
    if (rc >= 0)
        rc = gos__arena_init(&s->arena, o->ram);
    if (rc < 0)
        return rc;
    s->block_ptrs = gos__calloc(s->arena.n_slots, sizeof *s->block_ptrs);
    return s->block_ptrs ? gos__plan_init(s) : gos__error_nomem();
}

static void stop_workers(gos_session *s, bool hash, bool done)
{
    gos__lock(&s->lock);
    s->hash_quits = s->done_quits = true;
    gos__cond_broadcast(&s->hash_wakes);
    gos__cond_broadcast(&s->done_wakes);
    gos__unlock(&s->lock);
    if (hash)
        pthread_join(s->hash_thread, NULL);
    if (done)
        pthread_join(s->done_thread, NULL);
}

static int start_libtorrent(gos_session *s, const struct gos_session_opts *o)
{
    struct ltc_error err = {0};
    const struct ltc_settings settings = {
        .listen = o->listen && *o->listen ? o->listen : LISTEN_EVERYWHERE,
        .user_agent = "libgostream/" GOS_VERSION,
        .peer_id_prefix = "-LG0100-",
        .slots = s->arena.n_slots,
        .max_peers = s->limits.max_peers,
        .download_bps = o->download_bps,
        .dht = !o->no_dht,
        .lsd = !o->no_lsd,
        .pex = !o->no_pex,
        .libtorrent_picks = o->libtorrent_picks,
    };
    ltc_session *lt = NULL;
    int rc = ltc_session_new(&lt, &settings, &gos__net_hooks, s, &err);
    if (rc < 0)
        return gos__error(rc, "%s", err.text);
    gos__lock(&s->lock);
    s->lt = lt;
    gos__unlock(&s->lock);
    ltc_wake(lt);
    return 0;
}

static int start(gos_session *s, const struct gos_session_opts *o)
{
    int rc = gos__thread_start(&s->hash_thread, "gos-hash", gos__hasher_main, s);
    if (rc < 0)
        return rc;
    rc = gos__thread_start(&s->done_thread, "gos-done", gos__waiters_main, s);
    if (rc < 0) {
        stop_workers(s, true, false);
        return rc;
    }
    rc = start_libtorrent(s, o);
    if (rc >= 0) {
        /* Nobody joins the pump: it detaches itself, so that closing may leave it behind. */
        rc = gos__thread_start(&s->pump_thread, "gos-pump", gos__pump_main, s);
        if (rc < 0)
            ltc_session_free(s->lt);
    }
    if (rc < 0)
        stop_workers(s, true, true);
    return rc;
}

int gos_session_new(gos_session **out, const struct gos_session_opts *opts)
{
    struct gos_session_opts o;
    if (!out)
        return gos__error(GOS_EINVAL, "no place to put the session");
    int rc = gos__opts_copy(&o, sizeof o, opts);
    if (rc < 0)
        return rc;
    if (!o.ram)
        o.ram = DEFAULT_RAM;
    if (o.ram < LEAST_RAM)
        return gos__error(GOS_EINVAL, "a memory budget of %llu bytes is too small: 1 MiB at least",
                          (unsigned long long)o.ram);
    rc = o.listen ? check_listen(o.listen) : 0;
    if (rc < 0)
        return rc;
    gos_session *s = gos__calloc(1, sizeof *s);
    if (!s)
        return gos__error_nomem();
    rc = init_parts(s, &o);
    if (rc >= 0)
        rc = start(s, &o);
    if (rc < 0) {
        session_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

int gos_session_close(gos_session *s, int64_t timeout_ns)
{
    if (!s)
        return 0;
    if (in_callback(s))
        return gos__error(GOS_EDEADLK, "a session cannot be closed from its own callback");
    int64_t now = gos__clock_ns();
    int64_t deadline = now + gos__min_i64(timeout_ns > 0 ? timeout_ns : DEFAULT_CLOSE_NS,
                                          INT64_MAX - now);
    bool in_time = true;
    gos__lock(&s->lock);
    s->closing = true;
    gos__waiters_fail_locked(s, NULL, GOS_ECANCELED);
    gos__cond_broadcast(&s->changed);
    gos__events_close_locked(s);
    ltc_interrupt(s->lt); /* under the lock: the pump frees `lt` once it has seen `closing` */
    while (!s->closed && in_time)
        in_time = gos__cond_wait_until(&s->changed, &s->lock, deadline);
    bool closed = s->closed;
    gos__session_unref_locked(s);
    if (!closed)
        return gos__error(GOS_ETIMEDOUT, "the session did not end in time; it is left behind");
    return 0;
}
