/* SPDX-License-Identifier: MIT
 *
 * One consumer's position in a source. Used by one thread at a time. */
#include <stdio.h>

#include <gostream/source.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/minmax.h"

struct gos_reader {
    gos_source *source;
    int64_t pos;
};

int gos_reader_new(gos_reader **out, gos_source *s)
{
    if (!out || !s)
        return gos__error(GOS_EINVAL, "no place for the reader, or no source");
    gos_reader *r = gos__calloc(1, sizeof *r);
    if (!r)
        return gos__error_nomem();
    r->source = gos_source_ref(s);
    *out = r;
    return 0;
}

int64_t gos_reader_read(gos_reader *r, void *buf, size_t len, const struct gos_io *io)
{
    if (!r)
        return gos__error(GOS_EINVAL, "no reader");
    /* A position near the last one possible is simply past the end. */
    len = (size_t)gos__min_u64(len, (uint64_t)(INT64_MAX - r->pos));
    int64_t n = gos_source_pread(r->source, buf, len, (uint64_t)r->pos, io);
    if (n > 0)
        r->pos += n;
    return n;
}

/* What `whence` counts from, or an error. */
static int64_t origin(const gos_reader *r, int whence)
{
    switch (whence) {
    case SEEK_SET:
        return 0;
    case SEEK_CUR:
        return r->pos;
    case SEEK_END: {
        int64_t size = gos_source_size(r->source);
        if (size == GOS_SIZE_UNKNOWN)
            return gos__error(GOS_ENOTSUP, "the end is not known yet");
        return size;
    }
    default:
        return gos__error(GOS_EINVAL, "whence is none of SEEK_SET, SEEK_CUR, SEEK_END");
    }
}

int64_t gos_reader_seek(gos_reader *r, int64_t off, int whence)
{
    if (!r)
        return gos__error(GOS_EINVAL, "no reader");
    int64_t from = origin(r, whence);
    if (from < 0)
        return from;
    if (off > INT64_MAX - from || from + off < 0)
        return gos__error(GOS_EINVAL, "the position would be negative or overflow");
    r->pos = from + off;
    return r->pos;
}

void gos_reader_free(gos_reader *r)
{
    if (!r)
        return;
    gos_source_unref(r->source);
    gos__free(r);
}
