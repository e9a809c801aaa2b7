/* SPDX-License-Identifier: MIT
 *
 * Runs the contract of a source over every kind of source. */
#include "source_contract.h"

int main(void)
{
    int failed = 0;

    for (const struct source_maker *const *m = source_makers; *m; m++)
        failed += source_contract_run(*m);
    return failed != 0;
}
