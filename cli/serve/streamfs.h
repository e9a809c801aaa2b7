/* SPDX-License-Identifier: MIT
 *
 * streamfs: a flat map from paths to streams, and a README. */
#ifndef CLI_SERVE_STREAMFS_H
#define CLI_SERVE_STREAMFS_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/fs.h"
#include "serve/stream.h"
#include "serve/streamconf.h"

#define STREAMFS_README "/README"

int streamfs_new(struct fs **out, const struct streamconf *conf, const struct stream_room *room,
                 struct problem *p);

bool streamfs_is(const struct fs *fs);

const struct streamconf *streamfs_conf(const struct fs *fs);

/* The text of the README; static. */
const char *streamfs_readme(void);

/* The stream at a path, with a reference. `create`: make it if there is none. */
int streamfs_open(struct fs *fs, const char *path, bool create, struct stream **out,
                  struct problem *p);

/* All streams, sorted by name, each with a reference, in a malloc'd array. */
int streamfs_snapshot(struct fs *fs, struct stream ***out, size_t *n, struct problem *p);

/* Seal all streams; new ones cannot be made any more. */
void streamfs_seal_all(struct fs *fs);

/* What is due by time: about once a second. */
void streamfs_sweep(struct fs *fs);

#endif
