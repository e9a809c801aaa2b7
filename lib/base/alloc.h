/* SPDX-License-Identifier: MIT
 *
 * All memory of our C code comes from here, so that a test can make the Nth
 * allocation fail. In a normal build these are malloc and its family. */
#ifndef GOS_BASE_ALLOC_H
#define GOS_BASE_ALLOC_H

#include <stddef.h>

void *gos__malloc(size_t size);
void *gos__calloc(size_t n, size_t size); /* NULL also when n * size overflows */
void *gos__realloc(void *p, size_t size);
char *gos__strdup(const char *s);
void gos__free(void *p);

#ifdef GOS_TESTING
/* Let allocation number `n` from now (1 is the next) fail, or none (0). With
 * `for_ever` each one after it fails too. */
void gos__alloc_fail_at(long n, int for_ever);
/* Allocations since the last gos__alloc_fail_at(). */
long gos__alloc_count(void);
#endif

#endif
