/* SPDX-License-Identifier: MIT
 *
 * One run of gostream-mount, from checked options to its end. Main thread. */
#ifndef CLI_MOUNT_RUN_H
#define CLI_MOUNT_RUN_H

#include "mount/options.h"

struct run_result {
    int status; /* of exit(2) */
    int signal; /* not 0: end by this signal instead */
};

struct run_result run(const struct options *options);

#endif
