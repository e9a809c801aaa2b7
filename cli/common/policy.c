/* SPDX-License-Identifier: MIT
 *
 * Names of policies; see policy.h. */
#include "common/policy.h"

#include <stddef.h>

static const char *const names[] = {
    [GOS_RING_DROP_OLDEST] = "drop_oldest", [GOS_RING_DROP_LATEST] = "drop_to_latest",
    [GOS_RING_DISCONNECT] = "disconnect",   [GOS_RING_BLOCK] = "block",
    [GOS_RING_DROP_NEW] = "drop_new",
};

static int same(const char *name, const char *typed)
{
    for (; *name && (*typed == *name || (*typed == '-' && *name == '_')); name++)
        typed++;
    return !*name && !*typed;
}

int policy_parse(enum gos_ring_policy *out, const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (same(names[i], name)) {
            *out = (enum gos_ring_policy)i;
            return 0;
        }
    }
    return -1;
}

const char *policy_name(enum gos_ring_policy policy)
{
    return names[policy];
}
