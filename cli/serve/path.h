/* SPDX-License-Identifier: MIT
 *
 * Paths as clients send them, made into one form: absolute, no empty part, no
 * "." and "..", no slash at the end, valid UTF-8. Pure. */
#ifndef CLI_SERVE_PATH_H
#define CLI_SERVE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/problem.h"

/* With the NUL at the end. */
#define PATH_BYTES 4096

/* `in` has `n` bytes, which may be any. 0, or -1 and a problem of status 400. */
int path_normalise(char out[PATH_BYTES], const char *in, size_t n, struct problem *p);

/* The last part of a normalised path; of the root, "/". */
const char *path_name(const char *path);

/* The folder that holds `path`; of the root, the root. */
void path_parent(char out[PATH_BYTES], const char *path);

/* Whether `path` is `folder` or below it. */
bool path_within(const char *path, const char *folder);

/* `folder` and `name` (which may be absolute: then it alone), normalised. */
int path_join(char out[PATH_BYTES], const char *folder, const char *name, struct problem *p);

#endif
