/* SPDX-License-Identifier: MIT
 *
 * A session with events; see telling.h. Tests run on the main thread. */
#include "telling.h"

#include <string.h>

#define MIB (1024u * 1024u)

void telling_open(struct rig *r, uint32_t events, const char *script)
{
    memset(r, 0, sizeof *r);
    fake_lt_reset();
    assert_int_equal(
        gos_session_new(&r->session, GOS_OPTS(gos_session_opts, .ram = 16 * MIB, .events = events)),
        0);
    r->lt = fake_lt_last_session();
    if (!script)
        return;
    assert_int_equal(gos_session_add_torrent(r->session, &r->torrent, script, strlen(script), NULL),
                     0);
    assert_int_equal(gos_torrent_open_file(r->torrent, 0, &r->file), 0);
}

void telling_drain(struct rig *r, struct told *t)
{
    fake_lt_settle(r->lt);
    for (t->n = 0; t->n < sizeof t->events / sizeof *t->events; t->n++) {
        struct gos_event *e = &t->events[t->n];
        e->struct_size = sizeof *e;
        int rc = gos_session_next_event(r->session, e, 0);
        assert_in_range(rc, 0, 1);
        if (rc == 0)
            return;
    }
    fail_msg("more events than there is room for");
}

size_t telling_count(const struct told *t, enum gos_event_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->events[i].kind == kind;
    return n;
}

const struct gos_event *telling_only(const struct told *t, enum gos_event_kind kind)
{
    assert_int_equal(telling_count(t, kind), 1);
    for (size_t i = 0;; i++) {
        if (t->events[i].kind == kind)
            return &t->events[i];
    }
}
