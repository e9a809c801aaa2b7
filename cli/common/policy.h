/* SPDX-License-Identifier: MIT
 *
 * What happens to a slow reader of a stream, by the names that users and requests
 * write. Pure. */
#ifndef CLI_COMMON_POLICY_H
#define CLI_COMMON_POLICY_H

#include <gostream/ring.h>

/* All of them, for sentences. */
#define POLICY_NAMES "drop_oldest, drop_to_latest, disconnect, block or drop_new"

/* '-' is as good as '_'. 0, or -1: there is none of that name. */
int policy_parse(enum gos_ring_policy *out, const char *name);

const char *policy_name(enum gos_ring_policy policy);

#endif
