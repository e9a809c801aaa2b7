/* SPDX-License-Identifier: MIT
 *
 * What is said from time to time: how the waiting for metadata goes, and with
 * -v what each torrent does. Main thread. */
#ifndef CLI_MOUNT_PROGRESS_H
#define CLI_MOUNT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "mount/sources.h"

struct progress {
    bool verbose;
    int64_t start_ns;
    int64_t next_wait_ns;    /* the next line on metadata */
    int64_t next_verbose_ns; /* the next lines on torrents */
};

void progress_init(struct progress *p, bool verbose, int64_t now_ns);

/* Say what is due. `waiting`: for metadata, still. */
void progress_tick(struct progress *p, struct sources *sources, gos_session *session, bool waiting,
                   int64_t now_ns);

/* When something is due next; INT64_MAX: never. */
int64_t progress_next_ns(const struct progress *p, bool waiting);

#endif
