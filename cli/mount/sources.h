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
#include "mount/expand.h"
#include "mount/tree.h"

struct sources;

enum source_state {
    SOURCE_WAITING, /* for metadata */
    SOURCE_KNOWN,
    SOURCE_TWIN, /* its metadata shows that it is the same torrent as another one */
    SOURCE_REFUSED,
};

struct source {
    const char *text; /* as on the command line, or the path of a file in a folder there */
    gos_torrent *torrent;
    enum source_state state;
    char *why; /* it was refused; NULL: there was no memory to say why */
    bool told; /* the main thread has dealt with its state */
};

struct sources_config {           /* borrowed until sources_free() */
    const struct opt_list *texts; /* of the command line */
    const struct opt_list *peers; /* numeric */
    bool list;                    /* they are to be listed only: nothing needs the swarm */
    int wake_fd;                  /* an eventfd: written when there is news */
};

/* Add them all. NULL, and it has been said why, if one is refused; of a folder
 * only when none of its files can be used. */
struct sources *sources_new(gos_session *session, const struct sources_config *config);

/* End the thread and give the torrents back. NULL is fine. */
void sources_free(struct sources *s);

size_t sources_count(const struct sources *s);

/* One of them; only the main thread asks, and only its thread's news change it,
 * taken over by sources_update(). */
struct source *sources_at(struct sources *s, size_t index);
void sources_update(struct sources *s);

void sources_say_twin(const struct source *source);

/* Put the files of a known source into the tree and say what was left out.
 * The new entry of the root, or NULL and it has been said why. */
const struct tree_node *source_plant(struct source *source, struct tree *tree, int64_t now);

#endif
