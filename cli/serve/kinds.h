/* SPDX-License-Identifier: MIT
 *
 * The kinds of filesystems that can be mounted: what they are called, which
 * parameters they take, and how one is made from a configuration. */
#ifndef CLI_SERVE_KINDS_H
#define CLI_SERVE_KINDS_H

#include <stddef.h>

#include "common/conf.h"
#include "serve/fs.h"
#include "serve/problem.h"

struct stream_room;

struct fs_param {
    const char *name;
    const char *type; /* "string", "int": as GET /plugins tells it */
    const char *standard;
    const char *description;
};

struct fs_kind {
    const char *name;
    const struct fs_param *params;
    size_t n_params;
    /* `config` is a table whose keys are all known, or NULL. `line` is where in
     * its file the problem is. */
    int (*make)(struct fs **out, const struct conf_node *config, struct stream_room *room,
                unsigned *line, struct problem *p);
};

/* All kinds, in the order in which they are told. */
const struct fs_kind *const *kinds_all(size_t *n);

/* NULL: there is none of this name. */
const struct fs_kind *kinds_find(const char *name);

/* Check the names of the parameters and make the filesystem. */
int kinds_make(const struct fs_kind *kind, struct fs **out, const struct conf_node *config,
               struct stream_room *room, unsigned *line, struct problem *p);

#endif
