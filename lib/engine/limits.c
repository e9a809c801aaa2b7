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
    gos_session *session;
    struct gos_session_limits limits;
};

static int set_on_pump(void *call)
{
    const struct limits_call *c = call;
    gos_session *s = c->session;
    const struct ltc_limits l = {.download_bps = c->limits.download_bps,
                                 .max_peers = c->limits.max_peers,
                                 .dht = !c->limits.no_dht,
                                 .lsd = !c->limits.no_lsd};
    int rc = ltc_set_limits(s->lt, &l);
    if (rc < 0)
        return gos__error(rc, "the limits cannot be changed");
    gos__lock(&s->lock);
    s->limits = c->limits;
    s->ahead_max = c->limits.ahead;
    gos__plan_soon_locked(s); /* a plan hands both limits on */
    gos__unlock(&s->lock);
    return 0;
}

int gos_session_set_limits(gos_session *s, const struct gos_session_limits *limits)
{
    if (!s || !limits)
        return gos__error(GOS_EINVAL, "no session or no limits");
    struct limits_call c = {.session = s};
    int rc = gos__opts_copy(&c.limits, sizeof c.limits, limits);
    if (rc < 0)
        return rc;
    gos__limits_fill(&c.limits);
    return gos__pump_call(s, set_on_pump, &c);
}
