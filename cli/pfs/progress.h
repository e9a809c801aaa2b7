/* SPDX-License-Identifier: MIT
 *
 * The line that says how far a long transfer is and how fast it goes; on a
 * terminal only. One thread. */
#ifndef CLI_PFS_PROGRESS_H
#define CLI_PFS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct pfs_progress {
    const char *what; /* "sent" */
    uint64_t of;      /* the whole, 0: not known */
    int64_t start_ns, shown_ns;
    bool wanted;
    uint64_t shown; /* bytes when it was last drawn */
};

/* `output_fd`: where the bytes go, -1: to the server. Nothing is shown if that is
 * a terminal, too. */
void pfs_progress_begin(struct pfs_progress *p, const char *what, uint64_t of, int output_fd);
void pfs_progress_show(struct pfs_progress *p, uint64_t bytes);
void pfs_progress_end(void);

#endif
