/* SPDX-License-Identifier: MIT
 *
 * When to look before sleeping; see look.h. Pure. */
#include "http/look.h"

/* Two short waits begin a look. After each look in vain twice as many must be
 * short, up to 1,024: where requests come just too late for a look, looking costs
 * a part in a thousand. */
#define OWED_FIRST 2u
#define VAIN_MOST 9u

struct http_look http_look_init(int64_t most_ns)
{
    return (struct http_look){.most_ns = most_ns, .owed = OWED_FIRST};
}

int64_t http_look_for(const struct http_look *k)
{
    return k->owed ? 0 : k->most_ns;
}

void http_look_looked(struct http_look *k, bool found)
{
    if (found) {
        k->vain = 0;
        return;
    }
    k->owed = OWED_FIRST << k->vain;
    if (k->vain < VAIN_MOST)
        k->vain++;
}

/* Who sleeps is woken late, by about as much as he would have looked. */
void http_look_slept(struct http_look *k, int64_t slept_ns)
{
    if (k->owed && slept_ns <= 2 * k->most_ns)
        k->owed--;
}
