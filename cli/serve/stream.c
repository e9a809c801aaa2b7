/* SPDX-License-Identifier: MIT
 *
 * Streams and their hubs; see stream.h. A hub belongs to the thread of its loop;
 * only the watch's wake runs elsewhere, and it does nothing but post. */
#include "serve/stream.h"

#include <stdlib.h>
#include <string.h>

#include "serve/fs.h"
#include "serve/owner.h"

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

static void wake(struct gos_ring_watch *watch)
{
    struct hub *hub = watch->user;
    http_loop_post(hub->loop, &hub->task);
}

static void run_hub(struct http_task *task);

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
    s->n_hubs = n_loops;
    for (unsigned i = 0; i < n_loops; i++) {
        struct hub *hub = &s->hubs[i];
        hub->stream = s;
        hub->watch = (struct gos_ring_watch){
            .struct_size = sizeof hub->watch, .wake = wake, .user = hub};
        hub->task.run = run_hub;
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

/* On the loop, after the watch has fired. */
static void run_hub(struct http_task *task)
{
    struct hub *hub = OWNER(task, struct hub, task);
    struct hub_waiter *list = NULL;
    /* Its wake has posted this task, but may not have returned. */
    gos_ring_disarm(hub->stream->ring, &hub->watch);
    /* Onto a list of their own: who waits again must not be woken again. */
    while (hub->first) {
        struct hub_waiter *waiter = hub->first;
        unlink_waiter(waiter);
        link_waiter(&list, waiter);
    }
    hub->armed = false;
    while (list) {
        struct hub_waiter *waiter = list;
        unlink_waiter(waiter);
        waiter->wake(waiter);
    }
    stream_unref(hub->stream);
}

bool stream_wait(struct stream *s, struct http_loop *loop, struct hub_waiter *waiter,
                 uint64_t offset)
{
    struct hub *hub = &s->hubs[http_loop_index(loop)];
    if (!hub->armed) {
        hub->loop = loop;
        /* Armed from before the call: the wake may come before it returns. Its task
         * runs on this thread, so it cannot come in between. */
        hub->armed = true;
        stream_ref(s);
        if (gos_ring_arm(s->ring, offset, &hub->watch) != 0) {
            hub->armed = false;
            stream_unref(s);
            return false;
        }
    }
    link_waiter(&hub->first, waiter);
    return true;
}

void stream_leave(struct stream *s, struct http_loop *loop, struct hub_waiter *waiter)
{
    if (!waiter->where)
        return;
    unlink_waiter(waiter);
    struct hub *hub = &s->hubs[http_loop_index(loop)];
    if (hub->first || !hub->armed)
        return;
    gos_ring_disarm(s->ring, &hub->watch);
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
