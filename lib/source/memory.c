/* SPDX-License-Identifier: MIT
 *
 * A buffer of the caller as a source. Runs on the reader's threads; nothing
 * changes after new, so there is no lock. */
#include <string.h>

#include <gostream/source.h>

#include "base/alloc.h"
#include "base/error.h"

struct memory {
    void *base;
    size_t len;
    void (*free_fn)(void *);
};

static int64_t memory_pread(void *self, void *buf, size_t len, uint64_t off,
                            const struct gos_io *io)
{
    struct memory *m = self;

    (void)io; /* never waits */
    memcpy(buf, (const char *)m->base + off, len);
    return (int64_t)len;
}

static int64_t memory_size(void *self)
{
    struct memory *m = self;

    return (int64_t)m->len;
}

static int64_t memory_present(void *self, uint64_t off, uint64_t len)
{
    (void)self;
    (void)off;
    return (int64_t)len; /* all of it; the range was cut at the end before */
}

static void memory_close(void *self)
{
    struct memory *m = self;

    if (m->free_fn)
        m->free_fn(m->base);
    gos__free(m);
}

static const struct gos_source_ops memory_ops = {
    .struct_size = sizeof memory_ops,
    .name = "memory",
    .pread = memory_pread,
    .size = memory_size,
    .present = memory_present,
    .close = memory_close,
};

int gos_source_memory(gos_source **out, void *base, size_t len, void (*free_fn)(void *))
{
    if (!out || (!base && len) || len > INT64_MAX)
        return gos__error(GOS_EINVAL, "no place for the source, or no buffer");
    struct memory *m = gos__calloc(1, sizeof *m);
    if (!m)
        return gos__error_nomem();
    *m = (struct memory){.base = base, .len = len, .free_fn = free_fn};
    int rc = gos_source_new(out, &memory_ops, m);
    if (rc < 0)
        gos__free(m);
    return rc;
}
