/* SPDX-License-Identifier: MIT
 *
 * What `pfs serve` was told on its command line. */
#ifndef CLI_SERVE_OPTIONS_H
#define CLI_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "serve/config.h"

struct serve_options {
    const char *config;
    const char *listen;
    const char *port;
    const char *unix_socket;
    const char *ring_size;
    const char *channel_size;
    const char *policy;
    const char *threads;
    const char *busy_poll;
    const char *log_level;
    const char *ready_fd;
    uint64_t body_max;        /* 0: not given */
    uint64_t memory_limit;    /* 0: not given */
    int64_t drain_timeout_ns; /* negative: not given */
    bool print_config;
    bool help;
};

/* argv[0] is "serve". 0, or -1 and a line in `why`. */
int serve_options_parse(struct serve_options *out, int argc, char **argv, char *why,
                        size_t why_size);
void serve_options_help(FILE *out);

/* Put them over the configuration. 0, or -1 and a line in `why`. */
int serve_options_apply(const struct serve_options *o, struct config *c, char why[CONFIG_WHY]);

#endif
