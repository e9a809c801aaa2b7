/* SPDX-License-Identifier: MIT
 *
 * The queue of events: filled by the network thread and tests, emptied by the
 * pump. Time-outs follow the session's clock. */
#include <stdio.h>
#include <string.h>

#include "support/fake_lt_internal.h"

void fake_lt__event(ltc_session *s, enum ltc_event_kind kind, void *torrent, const char *text)
{
    fake_lt__event_of(s, kind, torrent, NULL, text);
}

void fake_lt__event_of(ltc_session *s, enum ltc_event_kind kind, void *torrent, void *other,
                       const char *text)
{
    pthread_mutex_lock(&s->lock);
    s->events = fake_lt__grow(s->events, &s->events_room, s->n_events + 1, sizeof *s->events);
    struct ltc_event *e = &s->events[s->n_events++];
    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->torrent = torrent;
    e->other = other;
    snprintf(e->text, sizeof e->text, "%s", text);
    pthread_cond_broadcast(&s->events_came);
    pthread_mutex_unlock(&s->lock);
}

static void wait_locked(ltc_session *s, int64_t deadline)
{
    if (deadline == INT64_MAX || s->mode == FAKE_LT_MANUAL) {
        pthread_cond_wait(&s->events_came, &s->lock);
        return;
    }
    struct timespec until = {deadline / SECOND, deadline % SECOND};
    pthread_cond_timedwait(&s->events_came, &s->lock, &until);
}

int ltc_wait_events(ltc_session *s, struct ltc_event *events, int n, int timeout_ms)
{
    fake_lt__pump_only(s, __func__);
    int64_t deadline = timeout_ms < 0 ? INT64_MAX : ltc_now_ns(s) + timeout_ms * MS;
    pthread_mutex_lock(&s->lock);
    while (!s->n_events && !s->interrupted && ltc_now_ns(s) < deadline)
        wait_locked(s, deadline);
    s->interrupted = false;
    size_t k = n < 0 ? 0 : (size_t)n < s->n_events ? (size_t)n : s->n_events;
    if (k) {
        memcpy(events, s->events, k * sizeof *events);
        s->n_events -= k;
        memmove(s->events, s->events + k, s->n_events * sizeof *events);
    }
    pthread_mutex_unlock(&s->lock);
    return (int)k;
}

void ltc_interrupt(ltc_session *s)
{
    pthread_mutex_lock(&s->lock);
    s->interrupted = true;
    pthread_cond_broadcast(&s->events_came);
    pthread_mutex_unlock(&s->lock);
}
