/* SPDX-License-Identifier: MIT
 *
 * TOML to a tree of configuration. */
#ifndef CLI_COMMON_TOML_H
#define CLI_COMMON_TOML_H

#include <stddef.h>

#include "common/conf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Read `n` bytes. 0 and the tree in `out`, to be freed by conf_free(); or -1,
 * one sentence in `why` and the line it speaks of (0: of none). Keys of one
 * table come in the order of their lines. */
int toml_read(struct conf_node **out, const char *text, size_t n, unsigned *line, char *why,
              size_t why_size);

#ifdef __cplusplus
}
#endif

#endif
