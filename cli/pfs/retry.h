/* SPDX-License-Identifier: MIT
 *
 * How long to try again after a broken connection. One thread. */
#ifndef CLI_PFS_RETRY_H
#define CLI_PFS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct pfs_retry {
    int64_t window_ns; /* so long after the break */
    int64_t until_ns;  /* 0: nothing is broken */
    int pause_ms;
};

/* Something moved: the next break begins anew. */
void pfs_retry_reset(struct pfs_retry *r);

/* Sleep a little, longer each time. False: it has been tried long enough, or a
 * signal came. */
bool pfs_retry_again(struct pfs_retry *r);

#endif
