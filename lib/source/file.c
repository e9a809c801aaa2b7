/* SPDX-License-Identifier: MIT
 *
 * A file on disk as a source. Runs on the reader's threads; pread(2) has no
 * position, so there is no lock. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gostream/source.h>

#include "base/alloc.h"
#include "base/error.h"

struct file {
    int fd;
    int64_t size; /* when it was opened */
    char *path;   /* for sentences */
};

#define SHOWN_PATH 160 /* of a path in a sentence */

static const char *shown(char *out, const char *path)
{
    return gos__error_escape(out, SHOWN_PATH, path, strlen(path));
}

static int64_t file_pread(void *self, void *buf, size_t len, uint64_t off, const struct gos_io *io)
{
    struct file *f = self;
    char name[SHOWN_PATH];
    ssize_t n;

    (void)io; /* a disk is waited for, like any file read is */
    do {
        n = pread(f->fd, buf, len, (off_t)off);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        int code = -errno;
        return gos__error(code, "read %s: %s", shown(name, f->path), gos_strerror(code));
    }
    if (n == 0)
        return gos__error(GOS_EIO, "%s became shorter than %lld bytes", shown(name, f->path),
                          (long long)f->size);
    return n;
}

static int64_t file_size(void *self)
{
    struct file *f = self;

    return f->size;
}

static int file_advise(void *self, uint64_t off, uint64_t len, enum gos_advice what)
{
    struct file *f = self;
    int advice = what == GOS_ADVICE_WILLNEED ? POSIX_FADV_WILLNEED : POSIX_FADV_DONTNEED;

    return -posix_fadvise(f->fd, (off_t)off, (off_t)len, advice);
}

static int64_t file_present(void *self, uint64_t off, uint64_t len)
{
    (void)self;
    (void)off;
    return (int64_t)len; /* nothing that a deadline could help with */
}

static void file_close(void *self)
{
    struct file *f = self;

    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    gos__free(f->path);
    gos__free(f);
}

static const struct gos_source_ops file_ops = {
    .struct_size = sizeof file_ops,
    .name = "file",
    .pread = file_pread,
    .size = file_size,
    .advise = file_advise,
    .present = file_present,
    .close = file_close,
};

static int open_regular(struct file *f, const char *path)
{
    char name[SHOWN_PATH];
    struct stat st;

    /* O_NONBLOCK: a FIFO without a writer must be refused, not waited for. */
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0 || fstat(f->fd, &st) < 0) {
        int code = -errno;
        return gos__error(code, "open %s: %s", shown(name, path), gos_strerror(code));
    }
    if (!S_ISREG(st.st_mode))
        return gos__error(GOS_EINVAL, "%s is not a regular file", shown(name, path));
    f->size = st.st_size;
    return 0;
}

int gos_source_file(gos_source **out, const char *path)
{
    if (!out || !path)
        return gos__error(GOS_EINVAL, "no place for the source, or no path");
    struct file *f = gos__calloc(1, sizeof *f);
    if (!f)
        return gos__error_nomem();
    int rc = open_regular(f, path);
    if (rc < 0)
        goto fail;
    f->path = gos__strdup(path);
    if (!f->path) {
        rc = gos__error_nomem();
        goto fail;
    }
    rc = gos_source_new(out, &file_ops, f);
    if (rc < 0)
        goto fail;
    return 0;
fail:
    file_close(f);
    return rc;
}
