/* SPDX-License-Identifier: MIT
 *
 * The SOURCEs of the command line as torrents: added at the start, their
 * metadata awaited by one thread, their files put into the tree. */
#ifndef CLI_MOUNT_SOURCES_H
#define CLI_MOUNT_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gostream.h>

#include "common/opt.h"
#include "mount/tree.h"

struct sources;

enum source_state {
    SOURCE_WAITING, /* for metadata */
    SOURCE_KNOWN,
    SOURCE_REFUSED,
};

struct source {
    const char *text; /* as on the command line */
    gos_torrent *torrent;
    enum source_state state;
    char why[512];     /* it was refused */
    bool told;         /* the main thread has dealt with its state */
    uint64_t received; /* at the last line of -v */
    int64_t received_ns;
};

/* Whether a SOURCE is a magnet link. */
bool source_is_magnet(const char *text);

/* Add them all; `peers` are numeric. NULL, and it has been said why, if one is
 * refused. News are announced on the eventfd `wake_fd`. */
struct sources *sources_new(gos_session *session, const struct opt_list *texts,
                            const struct opt_list *peers, int wake_fd);

/* End the thread and give the torrents back. NULL is fine. */
void sources_free(struct sources *s);

size_t sources_count(const struct sources *s);

/* One of them; only the main thread asks, and only its thread's news change it,
 * taken over by sources_update(). */
struct source *sources_at(struct sources *s, size_t index);
void sources_update(struct sources *s);

/* Put the files of a known source into the tree and say what was left out.
 * The new entry of the root, or NULL and it has been said why. */
const struct tree_node *source_plant(struct source *source, struct tree *tree, int64_t now);

#endif
