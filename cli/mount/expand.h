/* SPDX-License-Identifier: MIT
 *
 * The SOURCEs of the command line, one torrent each: a folder stands for the
 * .torrent files in it. */
#ifndef CLI_MOUNT_EXPAND_H
#define CLI_MOUNT_EXPAND_H

#include <stdbool.h>
#include <stddef.h>

#include "common/opt.h"

struct expanded {
    const char *text; /* a magnet link, or the path of a .torrent file */
    char *owned;      /* the same, when it came out of a folder; else NULL */
    bool magnet;
    size_t from; /* index of the SOURCE */
};

struct expansion {
    struct expanded *items;
    size_t n, room;
    size_t n_files; /* of them, .torrent files */
};

/* Whether a SOURCE is a magnet link. */
bool expand_is_magnet(const char *text);

/* 0, or -1 and it has been said why. Give it to expand_finish() in both cases. */
int expand(struct expansion *out, const struct opt_list *sources);
void expand_finish(struct expansion *e);

#endif
