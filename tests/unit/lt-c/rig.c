/* SPDX-License-Identifier: MIT
 *
 * What a test calls of the smallest engine over lt-c: sessions, torrents, and
 * waiting for what the hooks make true. See rig.h. */
#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void *pump(void *arg)
{
    struct rig *r = arg;
    for (;;) {
        struct ltc_event e[4];
        pthread_mutex_lock(&r->lock);
        while (r->breaks > 0)
            pthread_cond_wait(&r->changed, &r->lock);
        pthread_mutex_unlock(&r->lock);
        pthread_mutex_lock(&r->pumping);
        int n = ltc_wait_events(r->session, e, 4, -1);
        pthread_mutex_unlock(&r->pumping);
        pthread_mutex_lock(&r->lock);
        for (int i = 0; i < n && r->n_events < 64; i++)
            r->events[r->n_events++] = e[i];
        bool end = r->end;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        if (end)
            return NULL;
    }
}

void rig_be_pump(struct rig *r)
{
    pthread_mutex_lock(&r->lock);
    r->breaks++;
    pthread_mutex_unlock(&r->lock);
    ltc_interrupt(r->session); /* also when it has not begun to wait yet */
    pthread_mutex_lock(&r->pumping);
}

void rig_be_pump_no_more(struct rig *r)
{
    pthread_mutex_unlock(&r->pumping);
    pthread_mutex_lock(&r->lock);
    r->breaks--;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

int rig_scene_begin(void **state, size_t size, unsigned piece)
{
    struct rig_scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    rig_film_begin(&s->film, size, piece);
    *state = s;
    return 0;
}

int rig_scene_end(void **state)
{
    struct rig_scene *s = *state;
    rig_film_end(&s->film);
    free(s);
    return 0;
}

static void start(struct rig *r, uint32_t slots, bool picks)
{
    memset(r, 0, sizeof *r);
    r->picks = picks;
    pthread_mutex_init(&r->pumping, NULL);
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attr);
    r->slots = slots;
    r->arena = malloc((size_t)slots * LTC_BLOCK);
    r->withheld = calloc(slots, sizeof *r->withheld);
    assert_non_null(r->arena);
    struct ltc_settings settings = {
        .listen = "127.0.0.1:0",
        .user_agent = "test",
        .peer_id_prefix = "-LG0000-",
        .slots = slots,
        .max_peers = 50,
        .pex = true,
        .libtorrent_picks = picks,
    };
    struct ltc_error err;
    if (ltc_session_new(&r->session, &settings, &rig_hooks, r, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(pthread_create(&r->pump, NULL, pump, r), 0);
}

void rig_start(struct rig *r, uint32_t slots)
{
    start(r, slots, false);
}

void rig_start_picking(struct rig *r, uint32_t slots)
{
    start(r, slots, true);
}

void rig_want(struct rig_torrent *t, uint32_t first, uint32_t n)
{
    pthread_mutex_lock(&t->rig->lock);
    t->want = first;
    t->want_n = n;
    pthread_mutex_unlock(&t->rig->lock);
    ltc_wake(t->rig->session);
}

void rig_end(struct rig *r)
{
    pthread_mutex_lock(&r->lock);
    r->end = true;
    pthread_mutex_unlock(&r->lock);
    ltc_interrupt(r->session);
    pthread_join(r->pump, NULL);
    ltc_session_free(r->session);
    for (int i = 0; i < 64; i++)
        assert_true(!r->torrents[i] || r->torrents[i]->removed == 1);
    free(r->arena);
    free(r->withheld);
}

int rig_add(struct rig *r, struct rig_torrent *t, const struct ltc_add *add,
            const uint8_t *expected, uint32_t first_slot)
{
    bool refuse_peers = t->refuse_peers, refuse_ready = t->refuse_ready;
    bool drop_at_last = t->drop_at_last;
    uint32_t budget = t->budget;
    memset(t, 0, sizeof *t);
    t->rig = r;
    t->expected = expected;
    t->first_slot = first_slot;
    t->wants = true;
    t->refuse_peers = refuse_peers;
    t->refuse_ready = refuse_ready;
    t->drop_at_last = drop_at_last;
    t->budget = budget;
    if (add->info)
        t->info = ltc_info_ref(add->info);
    struct ltc_error err;
    ltc_torrent *torrent = NULL;
    rig_be_pump(r);
    int rc = ltc_torrent_add(r->session, &torrent, add, t, &err);
    rig_be_pump_no_more(r);
    if (rc < 0) {
        ltc_info_unref(t->info);
        return rc;
    }
    pthread_mutex_lock(&r->lock);
    t->torrent = torrent;
    for (int i = 0; i < 64; i++) {
        if (!r->torrents[i]) {
            r->torrents[i] = t;
            break;
        }
    }
    pthread_mutex_unlock(&r->lock);
    ltc_wake(r->session);
    return 0;
}

static bool is_removed(void *arg)
{
    return ((struct rig_torrent *)arg)->removed > 0;
}

void rig_leave(struct rig_torrent *t)
{
    struct rig *r = t->rig;
    rig_be_pump(r);
    ltc_torrent_remove(t->torrent);
    rig_be_pump_no_more(r);
    assert_true(rig_wait(r, is_removed, t, 10));
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < 64; i++) {
        if (r->torrents[i] == t)
            r->torrents[i] = NULL;
    }
    for (int i = 0; i < RIG_PEERS; i++)
        assert_null(t->peers[i].peer);
    assert_int_equal(t->removed, 1);
    assert_int_equal(t->joined, t->left);
    for (uint32_t n = 0; n < t->n_blocks; n++)
        assert_false(r->withheld[t->first_slot + n]);
    pthread_mutex_unlock(&r->lock);
    ltc_info_unref(t->info);
    free(t->block);
    free(t->pad);
    free(t->whole);
    free(t->verified);
    free(t->drop);
    free(t->used);
}

void rig_drop(struct rig_torrent *t, uint32_t piece)
{
    pthread_mutex_lock(&t->rig->lock);
    t->drop[piece] = true;
    t->verified[piece] = false;
    pthread_mutex_unlock(&t->rig->lock);
    ltc_wake(t->rig->session);
}

bool rig_wait(struct rig *r, bool (*is_so)(void *arg), void *arg, double seconds)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)seconds;
    end.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    if (end.tv_nsec >= 1000000000) {
        end.tv_nsec -= 1000000000;
        end.tv_sec++;
    }
    pthread_mutex_lock(&r->lock);
    bool so;
    while (!(so = is_so(arg)) && pthread_cond_timedwait(&r->changed, &r->lock, &end) == 0)
        ;
    pthread_mutex_unlock(&r->lock);
    return so;
}

struct piece_wish {
    struct rig_torrent *t;
    int64_t piece;
};

static bool is_verified(void *arg)
{
    struct piece_wish *w = arg;
    if (!w->t->verified)
        return false;
    if (w->piece >= 0)
        return w->t->verified[w->piece] && !w->t->drop[w->piece];
    for (uint32_t p = 0; p < ltc_info_get(w->t->info)->n_pieces; p++) {
        if (!w->t->verified[p] || w->t->drop[p])
            return false;
    }
    return true;
}

bool rig_wait_piece(struct rig_torrent *t, int64_t piece, double seconds)
{
    struct piece_wish w = {t, piece};
    return rig_wait(t->rig, is_verified, &w, seconds);
}
