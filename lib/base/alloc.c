/* SPDX-License-Identifier: MIT
 *
 * Memory for all rooms. With GOS_TESTING each allocation is counted and a test
 * may let the Nth fail; the counters are atomic because any thread allocates. */
#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef GOS_TESTING
#include <stdatomic.h>

static atomic_long allocations;
static atomic_long fail_at;
static atomic_bool fail_for_ever;

void gos__alloc_fail_at(long n, int for_ever)
{
    /* Off first: a thread that allocates meanwhile must not fail by a mixture
     * of the old count and the new aim. */
    atomic_store(&fail_at, 0);
    atomic_store(&allocations, 0);
    atomic_store(&fail_for_ever, for_ever != 0);
    atomic_store(&fail_at, n);
}

long gos__alloc_count(void)
{
    return atomic_load(&allocations);
}

static bool must_fail(void)
{
    long number = atomic_fetch_add(&allocations, 1) + 1;
    long at = atomic_load(&fail_at);

    return at > 0 && (number == at || (number > at && atomic_load(&fail_for_ever)));
}
#else
static inline bool must_fail(void)
{
    return false;
}
#endif

void *gos__malloc(size_t size)
{
    /* malloc(0) may be NULL, which callers would take for a failure. */
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *gos__calloc(size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        return NULL;
    return must_fail() ? NULL : calloc(n ? n : 1, size ? size : 1);
}

void *gos__realloc(void *p, size_t size)
{
    return must_fail() ? NULL : realloc(p, size ? size : 1);
}

char *gos__strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = gos__malloc(size);

    return copy ? memcpy(copy, s, size) : NULL;
}

void gos__free(void *p)
{
    free(p);
}
