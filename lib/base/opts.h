/* SPDX-License-Identifier: MIT
 *
 * Copy an options struct of any vintage: an older and shorter one leaves the
 * rest zero, a newer and longer one may only carry zeros in what we do not
 * know. The same for structs that we fill for the caller. */
#ifndef GOS_BASE_OPTS_H
#define GOS_BASE_OPTS_H

#include <stddef.h>

/* `in` may be NULL: all defaults. 0, GOS_EINVAL (its struct_size is too small to
 * hold itself) or GOS_E2BIG. */
int gos__opts_copy(void *out, size_t size, const void *in);

/* Give a caller's struct (whose first member says how large it is to him) as
 * much of ours as fits; his struct_size stays, what we do not know is zeroed. */
int gos__opts_give(void *to, const void *ours, size_t size);

#endif
