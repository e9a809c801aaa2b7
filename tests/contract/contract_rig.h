/* SPDX-License-Identifier: MIT
 *
 * What the tests of the contract share: a source of one maker, set up for each
 * test and taken down after it. */
#ifndef TESTS_CONTRACT_CONTRACT_RIG_H
#define TESTS_CONTRACT_CONTRACT_RIG_H

#include "source_contract.h"

#define SIZE 300007u /* several pieces and blocks, and an odd end */
#define SEED 7u

struct rig {
    gos_source *source;
    void *state;
    unsigned char *buf; /* SIZE bytes */
};

/* Before the tests of a maker run. */
void contract_use(const struct source_maker *maker);
int contract_set_up(void **state);
int contract_tear_down(void **state);

#define CONTRACT_TEST(name)                                                                        \
    cmocka_unit_test_setup_teardown(name, contract_set_up, contract_tear_down)

/* A blocking read gives what is there of the range, and it is right. */
void assert_reads(gos_source *s, void *buf, size_t len, uint64_t off);

/* The half of the contract that speaks of reads that finish later. */
int source_contract_run_background(const struct source_maker *maker);

#endif
