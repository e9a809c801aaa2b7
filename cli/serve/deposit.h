/* SPDX-License-Identifier: MIT
 *
 * A body that becomes the content of a file: its parts are put where they will stay
 * as they come, so that a large one costs the loop nothing at its end. */
#ifndef CLI_SERVE_DEPOSIT_H
#define CLI_SERVE_DEPOSIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/server.h"

/* Whether a body is better gathered: it is short, and most likely here already. */
bool deposit_is_short(const struct http_exchange *x);

/* Have the body replace what is at the normalised `path`, and answer. In `request`. */
void deposit_start(struct server *sv, struct http_exchange *x, const char *path);

/* "Written N bytes". */
void deposit_answer(struct http_exchange *x, size_t n);

#endif
