/* SPDX-License-Identifier: MIT
 *
 * A server of two or three loops that poke each other: on each a stream or two, which
 * a poke feeds. No time limits and no looking: a loop that nobody wakes sleeps for
 * ever. */
#ifndef TESTS_HTTP_CREW_H
#define TESTS_HTTP_CREW_H

#include <pthread.h>

#include "rig.h"

#define POKES 500

/* What pokes do. */
enum what { FEED, CHAIN, END, TIMER, TIMER_NOW, TIMER_FAR, AGAIN };

struct tap {
    struct spot *spot;
    struct http_exchange *x; /* NULL: nobody is there */
    bool fed, ends;
    atomic_int sent;
};

/* One for each loop, touched in its turns. */
struct spot {
    struct http_task task, heavy;
    struct http_timer timer;
    struct http_loop *loop;
    struct tap tap[2];
    atomic_int what, again; /* of the pokes that come next */
    /* counted; `asked` before a post, `seen` what was asked when the task ran */
    atomic_int asked, seen, by_others, repeats, heavies, timers, taps, ended;
};

enum { LOOPS = 3 }; /* at most */

struct crew {
    struct http_server *server;
    struct spot spot[LOOPS];
    pthread_t thread[LOOPS];
    atomic_int taps;
    char address[128];
};

struct spot *crew_spot_by_timer(struct http_timer *timer);
void crew_poke_lightly(struct spot *s);
struct crew *crew_start(unsigned loops);
void crew_finish(struct crew *c);
struct http_stats crew_stats(const struct crew *c);
void crew_await_connections(const struct crew *c, uint64_t n);
void crew_poke(int fd);
void crew_await_seen(struct spot *s);
/* True: another loop's thread did it. Whether its own sleeps is not for tests to say. */
bool crew_poke_helps(struct crew *c, int fd, struct spot *s);
void crew_poke_until_helped(struct crew *c, int fd, struct spot *s);
int crew_open_tap(struct crew *c, const char *version);
/* On two loops, so that the poker pokes the tap's. */
struct spot *crew_tap_and_poker(struct crew *c, int *tap, int *poker);
void crew_leave(struct crew *c, int tap, int poker);

#endif
