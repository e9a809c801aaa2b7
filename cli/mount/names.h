/* SPDX-License-Identifier: MIT
 *
 * Names of directory entries: at most 255 bytes, and none twice. Pure. */
#ifndef CLI_MOUNT_NAMES_H
#define CLI_MOUNT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_BYTES 255 /* NAME_MAX of Linux */

/* `name` (n bytes) as an entry: "" "." and ".." become "_", and what is longer
 * than a name may be is cut at a character's border, the extension of a file
 * kept. */
void names_fit(char out[NAME_BYTES + 1], const char *name, size_t n, bool is_dir);

/* The form of `name` to try when it is taken: "film (2).mkv", "folder (2)". */
void names_numbered(char out[NAME_BYTES + 1], const char *name, unsigned number, bool is_dir);

#endif
