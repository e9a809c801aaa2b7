/* SPDX-License-Identifier: MIT
 *
 * Streams and their hubs; see stream.h. A hub belongs to the thread of its loop;
 * only the watch's wake runs elsewhere; it looks how much there is, and posts. */
#include "serve/stream.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "serve/fs.h"
#include "serve/owner.h"

/* A hub rests after rounds of so many readers that take so long, so long at most,
 * and until so many bytes have come. */
#define REST_READERS 4u
#define REST_FROM_NS 40000
#define REST_MOST_NS 1000000
#define REST_BYTES (256u << 10)
/* So many readers and bytes for all of them together are less work than waking a
 * thread. */
#define LIGHT_READERS 2u
#define LIGHT_BYTES (16u << 10)

static int new_ring(struct stream *s, gos_ring_set *set, struct problem *p)
{
    struct gos_ring_opts opts = {.struct_size = sizeof opts,
                                 .ring_bytes = s->conf.ring_bytes,
                                 .channel_bytes = s->conf.channel_bytes,
                                 .max_age_ns = s->conf.max_age_ns,
                                 .idle_ns = s->conf.idle_ttl_ns,
                                 .head_bytes = (uint32_t)s->conf.head_bytes,
                                 .max_readers = (uint32_t)s->conf.max_readers,
                                 .set = set};
    int rc = gos_ring_new(&s->ring, &opts);
    return rc < 0 ? stream_problem(p, rc) : 0;
}

/* `offset` stays as it is while the watch is armed or its wake runs. The first who
 * waits arms the watch before he is counted. */
static bool is_light(struct hub *hub)
{
    unsigned n = atomic_load_explicit(&hub->n_waiting, memory_order_relaxed);
    return n <= LIGHT_READERS &&
           (n ? n : 1) * (stream_span(hub->stream).tail - hub->offset) <= LIGHT_BYTES;
}

static void wake(struct gos_ring_watch *watch)
{
    struct hub *hub = watch->user;
    if (is_light(hub))
        http_loop_post_light(hub->loop, &hub->task);
    else
        http_loop_post(hub->loop, &hub->task);
}

static void run_hub(struct http_task *task);
static void end_rest(struct http_timer *timer);

struct stream *stream_new(const char *name, const struct streamconf *conf, gos_ring_set *set,
                          unsigned n_loops, struct problem *p)
{
    struct stream *s = calloc(1, sizeof *s + n_loops * sizeof *s->hubs);
    if (!s) {
        problem_nomem(p);
        return NULL;
    }
    atomic_init(&s->refs, 1);
    s->conf = *conf;
    s->made_ns = fs_now_ns();
    s->n_hubs = n_loops;
    for (unsigned i = 0; i < n_loops; i++) {
        struct hub *hub = &s->hubs[i];
        hub->stream = s;
        hub->watch = (struct gos_ring_watch){
            .struct_size = sizeof hub->watch, .wake = wake, .user = hub};
        hub->task.run = run_hub;
        hub->rest.run = end_rest;
    }
    s->name = strdup(name);
    if (!s->name) {
        problem_nomem(p);
        stream_unref(s);
        return NULL;
    }
    if (new_ring(s, set, p) < 0) {
        stream_unref(s);
        return NULL;
    }
    return s;
}

struct stream *stream_ref(struct stream *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void stream_unref(struct stream *s)
{
    /* Release what this thread did, acquire what the others did before freeing. */
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    gos_ring_unref(s->ring);
    free(s->name);
    free(s);
}

struct gos_ring_stats stream_stats(struct stream *s)
{
    struct gos_ring_stats stats = {.struct_size = sizeof stats};
    gos_ring_get_stats(s->ring, &stats);
    return stats;
}

struct gos_ring_span stream_span(struct stream *s)
{
    struct gos_ring_span span = {.struct_size = sizeof span};
    gos_ring_get_span(s->ring, &span);
    return span;
}

bool stream_is_deleted(struct stream *s)
{
    return stream_span(s).state == GOS_RING_STATE_DELETED;
}

static void unlink_waiter(struct hub_waiter *waiter)
{
    *waiter->where = waiter->next;
    if (waiter->next)
        waiter->next->where = waiter->where;
    waiter->where = NULL;
}

static void link_waiter(struct hub_waiter **list, struct hub_waiter *waiter)
{
    waiter->next = *list;
    if (waiter->next)
        waiter->next->where = &waiter->next;
    waiter->where = list;
    *list = waiter;
}

/* ---- rounds and rests ---- */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* So much may come together during a rest: four of the largest chunks, and never so
 * much that a reader of a small ring would lose any of it. */
static uint64_t rest_bytes(const struct stream *s)
{
    uint64_t most = s->conf.channel_bytes / 4;
    return most < REST_BYTES ? most : REST_BYTES;
}

/* Rounds of which each follows the one before. */
static void begin_round(struct hub *hub, unsigned n_woken)
{
    int64_t now = n_woken >= REST_READERS ? now_ns() : 0;
    bool busy = now && hub->begun_ns && hub->round_ns >= REST_FROM_NS &&
                now - hub->begun_ns < 4 * hub->round_ns;
    hub->rest_for_ns = !busy ? 0 : hub->round_ns < REST_MOST_NS ? hub->round_ns : REST_MOST_NS;
    hub->begun_ns = now;
    hub->round_ns = 0;
}

/* One of its readers is done. A slow one comes long after the others: it was not
 * what the round took. */
static void note_round(struct hub *hub)
{
    int64_t spent = hub->begun_ns ? now_ns() - hub->begun_ns : 0;
    if (spent < 2 * REST_MOST_NS)
        hub->round_ns = spent;
}

static void run_round(struct hub *hub)
{
    struct hub_waiter *list = NULL;
    unsigned n = 0;
    /* Onto a list of their own: who waits again must not be woken again. */
    while (hub->first) {
        struct hub_waiter *waiter = hub->first;
        unlink_waiter(waiter);
        link_waiter(&list, waiter);
        n++;
    }
    begin_round(hub, n);
    hub->armed = false;
    while (list) {
        struct hub_waiter *waiter = list;
        unlink_waiter(waiter);
        atomic_fetch_sub_explicit(&hub->n_waiting, 1, memory_order_relaxed);
        waiter->wake(waiter);
    }
    stream_unref(hub->stream);
}

/* On the loop, after the watch has fired. */
static void run_hub(struct http_task *task)
{
    struct hub *hub = OWNER(task, struct hub, task);
    /* Its wake has posted this task, but may not have returned. */
    gos_ring_disarm(hub->stream->ring, &hub->watch);
    http_timer_clear(hub->loop, &hub->rest);
    run_round(hub);
}

/* What has come by the end of the rest is enough; if nothing has, wait for it. */
static void end_rest(struct http_timer *timer)
{
    struct hub *hub = OWNER(timer, struct hub, rest);
    gos_ring_disarm(hub->stream->ring, &hub->watch);
    if (atomic_load(&hub->task.queued))
        return; /* it had fired: the task does it */
    if (gos_ring_arm(hub->stream->ring, hub->offset, &hub->watch) != 0)
        run_round(hub);
}

static int arm(struct hub *hub, uint64_t offset)
{
    int64_t rest_ns = hub->rest_for_ns;
    hub->offset = offset;
    if (!rest_ns)
        return gos_ring_arm(hub->stream->ring, offset, &hub->watch);
    int rc = gos_ring_arm(hub->stream->ring, offset + rest_bytes(hub->stream), &hub->watch);
    /* The first of a round comes here: the round itself takes the first half. */
    if (rc == 0)
        http_timer_set(hub->loop, &hub->rest, now_ns() + 2 * rest_ns);
    return rc;
}

bool stream_wait(struct stream *s, struct http_loop *loop, struct hub_waiter *waiter,
                 uint64_t offset)
{
    struct hub *hub = &s->hubs[http_loop_index(loop)];
    note_round(hub);
    if (!hub->armed) {
        hub->loop = loop;
        /* Armed from before the call: the wake may come before it returns. Its task
         * runs on this thread, so it cannot come in between. */
        hub->armed = true;
        stream_ref(s);
        if (arm(hub, offset) != 0) {
            hub->armed = false;
            stream_unref(s);
            return false;
        }
    }
    link_waiter(&hub->first, waiter);
    atomic_fetch_add_explicit(&hub->n_waiting, 1, memory_order_relaxed);
    return true;
}

void stream_leave(struct stream *s, struct http_loop *loop, struct hub_waiter *waiter)
{
    if (!waiter->where)
        return;
    unlink_waiter(waiter);
    struct hub *hub = &s->hubs[http_loop_index(loop)];
    atomic_fetch_sub_explicit(&hub->n_waiting, 1, memory_order_relaxed);
    if (hub->first || !hub->armed)
        return;
    hub->begun_ns = hub->rest_for_ns = 0; /* who comes next is not one of many */
    gos_ring_disarm(s->ring, &hub->watch);
    http_timer_clear(loop, &hub->rest);
    /* Wake cannot run any more. If it has, its task comes and does the rest. */
    if (atomic_load(&hub->task.queued))
        return;
    hub->armed = false;
    stream_unref(s);
}

int stream_problem(struct problem *p, int64_t code)
{
    switch (code) {
    case -EPIPE:
    case GOS_ENOENT:
        return problem_set(p, 409, "stream is closed");
    case GOS_EBUDGET:
        return problem_set(p, 403, "limit reached: %s", gos_last_error());
    case GOS_ELAPPED:
        return problem_set(p, 410, "these bytes are no longer kept");
    case GOS_ENOMEM:
        return problem_nomem(p);
    default:
        return problem_set(p, 500, "%s", gos_last_error());
    }
}
