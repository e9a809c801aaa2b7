/* SPDX-License-Identifier: MIT
 *
 * .torrent files; see torrent_file.h. */
#include "engine/torrent_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "lt-c/lt-c.h"

/* What the system says. */
static int system_error(void)
{
    int error = errno;
    return error == ENOMEM ? gos__error_nomem() : gos__error(-error, "%s", strerror(error));
}

/* Room for a byte more than the file has: that shows when it grows meanwhile. */
static int room_for(char **bytes, size_t *room, const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        return gos__error(-EISDIR, "is a folder");
    if (!S_ISREG(st->st_mode))
        return gos__error(GOS_EINVAL, "is not a file");
    if (st->st_size == 0)
        return gos__error(GOS_EMETADATA, "is empty");
    if ((uint64_t)st->st_size > LTC_MAX_METADATA)
        return gos__error(GOS_EMETADATA,
                          "is larger than 16 MiB, the most that a .torrent file may have");
    *room = (size_t)st->st_size + 1;
    *bytes = gos__malloc(*room);
    return *bytes ? 0 : gos__error_nomem();
}

static int fill(int fd, char *bytes, size_t room, size_t *len)
{
    *len = 0;
    while (*len < room) {
        ssize_t n = read(fd, bytes + *len, room - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return system_error();
        if (n == 0)
            return 0;
        *len += (size_t)n;
    }
    return gos__error(GOS_EMETADATA, "is being written");
}

int gos__torrent_file_read(char **bytes, size_t *len, const char *path)
{
    struct stat st;
    char *to = NULL;
    size_t room = 0;
    /* Not blocking: a pipe without a writer would hold the thread for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return system_error();
    int rc = fstat(fd, &st) < 0 ? system_error() : room_for(&to, &room, &st);
    if (rc >= 0)
        rc = fill(fd, to, room, len);
    close(fd);
    if (rc < 0) {
        gos__free(to);
        return rc;
    }
    *bytes = to;
    return 0;
}

int gos__torrent_file_path(char **out, const char *path)
{
    char here[PATH_MAX];
    if (path[0] == '/') {
        *out = gos__strdup(path);
        return *out ? 0 : gos__error_nomem();
    }
    if (!getcwd(here, sizeof here))
        return gos__error(-errno, "find the working directory");
    size_t n = strlen(here), more = strlen(path) + 1;
    char *joined = gos__malloc(n + 1 + more);
    if (!joined)
        return gos__error_nomem();
    memcpy(joined, here, n);
    joined[n] = '/';
    memcpy(joined + n + 1, path, more);
    *out = joined;
    return 0;
}
