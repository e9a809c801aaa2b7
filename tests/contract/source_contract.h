/* SPDX-License-Identifier: MIT
 *
 * The contract of a source as tests. Whoever makes a new kind of source adds a
 * maker to makers.c, and all of them run over it. */
#ifndef TESTS_CONTRACT_SOURCE_CONTRACT_H
#define TESTS_CONTRACT_SOURCE_CONTRACT_H

#include <gostream/source.h>

struct source_maker {
    const char *name;
    /* Make a source of `size` bytes of the pattern `seed` (support/data.h). One
     * reference is the caller's. `*state` is for close. Returns 0 or an error. */
    int (*open)(gos_source **out, void **state, uint64_t seed, uint64_t size);
    /* Called after the last unref; waits until the source is closed and frees
     * what open made beside it. */
    void (*close)(void *state);
};

/* Ends with NULL. */
extern const struct source_maker *const source_makers[];

/* Run every test over one maker. Returns how many failed. */
int source_contract_run(const struct source_maker *maker);

#endif
