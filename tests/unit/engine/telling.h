/* SPDX-License-Identifier: MIT
 *
 * A session over the fake swarm that tells events, and what it told. */
#ifndef TESTS_ENGINE_TELLING_H
#define TESTS_ENGINE_TELLING_H

#include "rig.h"

#include "engine/engine.h"

struct told {
    struct gos_event events[GOS__EVENTS_MAX + 8];
    size_t n;
};

/* As rig_open(), but for the kinds of events that are named; no torrent without `script`. */
void telling_open(struct rig *r, uint32_t events, const char *script);
/* Take what is there. */
void telling_drain(struct rig *r, struct told *t);
size_t telling_count(const struct told *t, enum gos_event_kind kind);
/* The one of its kind, or the test fails. */
const struct gos_event *telling_only(const struct told *t, enum gos_event_kind kind);

#endif
