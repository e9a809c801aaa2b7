/* SPDX-License-Identifier: MIT
 *
 * Pauses between tries; see retry.h. */
#include "pfs/retry.h"

#include "common/clock.h"
#include "pfs/interrupt.h"

#define FIRST_PAUSE_MS 50
#define LONGEST_PAUSE_MS 1000

void pfs_retry_reset(struct pfs_retry *r)
{
    r->until_ns = 0;
    r->pause_ms = 0;
}

bool pfs_retry_again(struct pfs_retry *r)
{
    int64_t now = clock_ns();
    if (!r->until_ns)
        r->until_ns = now + r->window_ns;
    if (now >= r->until_ns || pfs_interrupted())
        return false;
    r->pause_ms = r->pause_ms ? r->pause_ms * 2 : FIRST_PAUSE_MS;
    if (r->pause_ms > LONGEST_PAUSE_MS)
        r->pause_ms = LONGEST_PAUSE_MS;
    pfs_interrupt_sleep(r->pause_ms);
    return !pfs_interrupted();
}
