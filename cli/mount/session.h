/* SPDX-License-Identifier: MIT
 *
 * The FUSE session: mounted, served by its own threads, unmounted. Used by the
 * main thread. */
#ifndef CLI_MOUNT_SESSION_H
#define CLI_MOUNT_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "mount/reads.h"
#include "mount/tree.h"

struct session;

struct session_config {
    struct tree *tree; /* borrowed, as is what follows */
    struct reads *reads;
    bool allow_other;
    const char *const *options; /* further -o options */
    size_t n_options;
    int wake_fd; /* an eventfd: written when the mount has ended by itself */
};

/* Nothing is mounted yet. NULL if libfuse does not know an option (it has said
 * so) or there is no memory. */
struct session *session_new(const struct session_config *config);

/* Mount at `dir` and serve. 0, or -1 and it has been said why. */
int session_mount(struct session *s, const char *dir);

/* Whether somebody else unmounted it. */
bool session_ended(const struct session *s);

/* Stop serving and unmount; fine if nothing is mounted. After reads_end(). */
void session_unmount(struct session *s);
void session_free(struct session *s);

/* Tell the kernel that the root has a new entry. The caller holds no lock and
 * no request: the kernel may have to wait for a look-up to be answered. */
void session_root_grew(struct session *s, const struct tree_node *added);

#endif
