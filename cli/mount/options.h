/* SPDX-License-Identifier: MIT
 *
 * The command line of gostream-mount. */
#ifndef CLI_MOUNT_OPTIONS_H
#define CLI_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/opt.h"

struct options {
    uint64_t ram;
    uint64_t download_rate;      /* 0: no limit */
    int64_t read_timeout_ns;     /* 0: none */
    int64_t metadata_timeout_ns; /* 0: none */
    int64_t sleep_after_ns;      /* 0: never */
    struct opt_list peers;       /* checked, not looked up */
    const char *listen;          /* NULL: all interfaces, any port */
    bool no_dht, no_lsd, no_pex;
    bool allow_other;
    struct opt_list fuse;
    bool list, verbose, version, help;
    struct opt_list sources;
    const char *mountpoint; /* NULL with --list */
};

/* 0, or -1 and one line in `why`; give it to options_free() in both cases. */
int options_parse(struct options *out, int argc, char **argv, char *why, size_t why_size);
void options_free(struct options *o);
void options_help(FILE *out);

#endif
