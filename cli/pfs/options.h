/* SPDX-License-Identifier: MIT
 *
 * The command line: which command, its options, its words. Options, those of
 * the server's address too, may stand before or after the command. */
#ifndef CLI_PFS_OPTIONS_H
#define CLI_PFS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/opt.h"
#include "pfs/command.h"

struct pfs_options {
    /* of all commands */
    const char *url;
    int64_t timeout_ns;
    bool help, version;
    /* of some */
    bool stream, seal, strict, no_create, recursive, follow, ignore_case, count;
    const char *from, *policy, *lines, *depth, *mode;
    int64_t retry_ns;

    const struct pfs_command *command; /* NULL with help, version */
    struct opt_list rest;              /* the command's name, then its words */
    const char **words;
    size_t n;
};

/* 0, or -1 and one line in `why`. pfs_options_free() in both cases. */
int pfs_options_parse(struct pfs_options *out, int argc, char **argv, char *why, size_t why_size);
void pfs_options_free(struct pfs_options *o);

/* Of one command, or (NULL) of the tool. */
void pfs_options_help(const struct pfs_command *command, const char *tool, FILE *out);

#endif
