/* SPDX-License-Identifier: MIT
 *
 * Whether a loop that has nothing to do should look again and again for a moment
 * before it sleeps. To wake a processor that idles takes 5 to 50 us, on a virtual
 * machine the most; who answers a client that waits for the answer pays that for
 * each request. Looking is worth it only if what one waits for comes that soon:
 * this learns from what the last waits were like. Pure; one thread for each. */
#ifndef CLI_HTTP_LOOK_H
#define CLI_HTTP_LOOK_H

#include <stdbool.h>
#include <stdint.h>

struct http_look {
    int64_t most_ns; /* look so long at most; 0: never */
    unsigned vain;   /* looks that found nothing, in a row */
    unsigned owed;   /* waits that must have been short before the next look */
};

struct http_look http_look_init(int64_t most_ns);

/* How long to look now: `most_ns` or 0. */
int64_t http_look_for(const struct http_look *k);

/* A look is over; `found`: something came. */
void http_look_looked(struct http_look *k, bool found);

/* A sleep has ended so long after the loop had nothing more to do: a look in vain
 * before it is part of that. */
void http_look_slept(struct http_look *k, int64_t slept_ns);

#endif
