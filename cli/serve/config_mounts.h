/* SPDX-License-Identifier: MIT
 *
 * What config.c and config_mounts.c share. */
#ifndef CLI_SERVE_CONFIG_MOUNTS_H
#define CLI_SERVE_CONFIG_MOUNTS_H

#include "serve/config.h"

/* "FILE:LINE: " and a sentence in `why`. Always -1. */
int config_fail(const struct config *c, unsigned line, char why[CONFIG_WHY], const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* Those of a server without a file. 0, or -1: out of memory. */
int config_mounts_standard(struct config *c);

/* Those of [plugins], instead of all that are there. 0, or -1 and why. */
int config_mounts_read(struct config *c, const struct conf_node *plugins, char why[CONFIG_WHY]);

void config_mounts_drop(struct config *c);

#endif
