/* SPDX-License-Identifier: MIT
 *
 * For tests of who is told: a ring with a writer under a watchdog, and a watch that
 * counts. Nobody waits with a time limit: a wake that is lost hangs the test. */
#ifndef TESTS_UNIT_RING_BELL_H
#define TESTS_UNIT_RING_BELL_H

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define WATCHDOG_S 30

struct rig {
    gos_ring *ring;
    gos_ring_writer *w;
};

static int set_up(void **state)
{
    static struct rig rig;

    alarm(WATCHDOG_S);
    rig.ring = make_ring(MIB, 64 * KIB);
    rig.w = make_writer(rig.ring);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    take_down(rig->ring, rig->w, NULL);
    alarm(0);
    return 0;
}

/* A watch that counts. */
struct bell {
    struct gos_ring_watch watch;
    atomic_uint rung;
};

static void ring_bell(struct gos_ring_watch *w)
{
    struct bell *b = w->user;

    atomic_fetch_add(&b->rung, 1);
}

static void bell_init(struct bell *b)
{
    memset(b, 0, sizeof *b);
    b->watch = (struct gos_ring_watch){
        .struct_size = sizeof b->watch, .wake = ring_bell, .user = b};
}

static void fill(struct rig *rig)
{
    while (try_pattern(rig->w, KIB) == KIB)
        ;
}

#endif
