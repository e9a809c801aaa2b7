/* SPDX-License-Identifier: MIT
 *
 * What can be changed while a session runs. Asked for in callers' threads; the
 * pump does it, so that what is in force and what is said to be never differ. */
#include "base/opts.h"
#include "engine/engine.h"

#define DEFAULT_MAX_PEERS 200

void gos__limits_fill(struct gos_session_limits *l)
{
    l->struct_size = sizeof *l;
    if (!l->max_peers)
        l->max_peers = DEFAULT_MAX_PEERS;
    if (!l->ahead)
        l->ahead = GOS__WINDOW_MAX;
}

int gos_session_get_limits(gos_session *s, struct gos_session_limits *out)
{
    if (!s || !out)
        return gos__error(GOS_EINVAL, "no session, or no place for its limits");
    gos__lock(&s->lock);
    struct gos_session_limits l = s->limits;
    gos__unlock(&s->lock);
    return gos__opts_give(out, &l, sizeof l);
}

struct limits_call {
    struct gos__call call;
    gos_session *session;
    struct gos_session_limits limits;
    int rc;
};

static void set_on_pump(struct gos__call *call)
{
    struct limits_call *c = GOS__LIST_OWNER(call, struct limits_call, call);
    gos_session *s = c->session;
    const struct ltc_limits l = {.download_bps = c->limits.download_bps,
                                 .max_peers = c->limits.max_peers,
                                 .dht = !c->limits.no_dht,
                                 .lsd = !c->limits.no_lsd};
    c->rc = ltc_set_limits(s->lt, &l);
    if (c->rc < 0)
        return;
    gos__lock(&s->lock);
    s->limits = c->limits;
    s->ahead_max = c->limits.ahead;
    gos__plan_soon_locked(s); /* a plan hands both limits on */
    gos__unlock(&s->lock);
}

int gos_session_set_limits(gos_session *s, const struct gos_session_limits *limits)
{
    if (!s || !limits)
        return gos__error(GOS_EINVAL, "no session or no limits");
    struct limits_call c = {.call.run = set_on_pump, .session = s};
    int rc = gos__opts_copy(&c.limits, sizeof c.limits, limits);
    if (rc < 0)
        return rc;
    gos__limits_fill(&c.limits);
    rc = gos__pump_call(s, &c.call);
    if (rc < 0)
        return rc;
    return c.rc < 0 ? gos__error(c.rc, "the limits cannot be changed") : 0;
}
