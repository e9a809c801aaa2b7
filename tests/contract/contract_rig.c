/* SPDX-License-Identifier: MIT
 *
 * Setting up a source of the maker whose turn it is. */
#include "contract_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/data.h"

static const struct source_maker *maker; /* of the group that runs */

void contract_use(const struct source_maker *m)
{
    maker = m;
}

int contract_set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);

    assert_non_null(r);
    r->buf = malloc(SIZE);
    assert_non_null(r->buf);
    assert_int_equal(maker->open(&r->source, &r->state, SEED, SIZE), 0);
    *state = r;
    return 0;
}

int contract_tear_down(void **state)
{
    struct rig *r = *state;

    gos_source_unref(r->source);
    maker->close(r->state);
    free(r->buf);
    free(r);
    return 0;
}

void assert_reads(gos_source *s, void *buf, size_t len, uint64_t off)
{
    size_t due = off >= SIZE ? 0 : len < SIZE - off ? len : (size_t)(SIZE - off);

    assert_int_equal(gos_source_pread(s, buf, len, off, NULL), due);
    assert_int_equal(data_check(buf, due, SEED, off), due);
}
