/* SPDX-License-Identifier: MIT
 *
 * Options of any vintage, by the rule the kernel has for its extensible
 * structs. Pure; any thread. */
#include "base/opts.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"

static bool all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i])
            return false;
    }
    return true;
}

/* The size that a struct says it has, or 0 when that cannot be. */
static size_t told_size(const void *p)
{
    size_t size;

    memcpy(&size, p, sizeof size);
    return size < sizeof size ? 0 : size;
}

int gos__opts_copy(void *out, size_t size, const void *in)
{
    if (!in) {
        memset(out, 0, size);
        memcpy(out, &size, sizeof size);
        return 0;
    }
    size_t theirs = told_size(in);
    if (!theirs)
        return gos__error(GOS_EINVAL, "options have no struct_size");

    size_t common = theirs < size ? theirs : size;
    if (!all_zero((const unsigned char *)in + common, theirs - common))
        return gos__error(GOS_E2BIG, "options use fields that this library does not know");
    memcpy(out, in, common);
    memset((char *)out + common, 0, size - common);
    memcpy(out, &size, sizeof size);
    return 0;
}

int gos__opts_give(void *to, const void *ours, size_t size)
{
    size_t theirs = told_size(to);
    if (!theirs)
        return gos__error(GOS_EINVAL, "the struct to fill has no struct_size");

    size_t common = theirs < size ? theirs : size;
    memcpy((char *)to + sizeof theirs, (const char *)ours + sizeof theirs, common - sizeof theirs);
    memset((char *)to + common, 0, theirs - common);
    return 0;
}
