/* SPDX-License-Identifier: MIT
 *
 * A .torrent file on disk: its bytes, and a path that stays good. Any thread;
 * waits for the disk. */
#ifndef GOS_ENGINE_TORRENT_FILE_H
#define GOS_ENGINE_TORRENT_FILE_H

#include <stddef.h>

/* All bytes of the file, to be freed with gos__free(). GOS_EMETADATA: it is
 * empty, or too large; -EISDIR, GOS_EINVAL: no file of bytes; GOS_ENOMEM, -errno.
 * The sentence does not name it. */
int gos__torrent_file_read(char **bytes, size_t *len, const char *path);

/* The path from the root on, so that it is good when the working directory has
 * changed; links in it are left as they are. -errno, GOS_ENOMEM. */
int gos__torrent_file_path(char **out, const char *path);

#endif
