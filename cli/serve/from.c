/* SPDX-License-Identifier: MIT
 *
 * Beginnings of readers; see from.h. Pure. */
#include "serve/from.h"

#include <string.h>

#include "serve/sizes.h"

static int set(struct gos_ring_reader_opts *opts, enum gos_ring_start start, uint64_t value)
{
    opts->start = start;
    opts->start_value = value;
    return 0;
}

/* "-5s" is a time, "-5M" and "-5" are bytes: units of time are lower case. */
static int back(struct gos_ring_reader_opts *opts, const char *text)
{
    size_t digits = strspn(text, "0123456789.");
    uint64_t bytes;
    int64_t ns;
    if (text[digits] >= 'a' && text[digits] <= 'z' && duration_parse(&ns, text) == 0)
        return set(opts, GOS_RING_TIME_BACK, (uint64_t)ns);
    if (size_parse(&bytes, text) == 0)
        return set(opts, GOS_RING_BYTES_BACK, bytes);
    return -1;
}

int from_parse(struct gos_ring_reader_opts *opts, const char *text)
{
    uint64_t offset;
    if (strcmp(text, "oldest") == 0)
        return set(opts, GOS_RING_OLDEST, 0);
    if (strcmp(text, "now") == 0)
        return set(opts, GOS_RING_NOW, 0);
    if (strcmp(text, "mark") == 0 || strcmp(text, "last-mark") == 0)
        return set(opts, GOS_RING_LAST_MARK, 0);
    if (strcmp(text, "latest") == 0) {
        /* The newest record, whole. */
        opts->flags |= GOS_RING_ALIGN;
        return set(opts, GOS_RING_BYTES_BACK, 1);
    }
    if (text[0] == '-')
        return back(opts, text + 1);
    if (strspn(text, "0123456789") != strlen(text) || size_parse(&offset, text) < 0)
        return -1;
    return set(opts, GOS_RING_OFFSET, offset);
}
