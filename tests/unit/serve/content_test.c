/* SPDX-License-Identifier: MIT
 *
 * Blocks that are shared, against an array that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "serve/content.h"

#define MOST (5u * CONTENT_BLOCK)

static unsigned char data[MOST];

static void fill(unsigned seed)
{
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7 + i / 251 + seed * 31 + 1);
}

static void holds(const struct content *c, const void *want, size_t n)
{
    assert_int_equal(c->size, n);
    char *got = malloc(n + 1);
    content_copy(c, got);
    if (n > 0)
        assert_memory_equal(got, want, n);
    free(got);
}

static void writes_are_read_back_across_blocks(void **state)
{
    struct content c = {0};
    (void)state;
    fill(1);
    assert_int_equal(content_write(&c, 0, data, 3 * CONTENT_BLOCK + 5), 0);
    holds(&c, data, 3 * CONTENT_BLOCK + 5);
    struct content part = {0};
    assert_int_equal(content_share(&part, &c, CONTENT_BLOCK - 3, CONTENT_BLOCK + 6), 0);
    holds(&part, data + CONTENT_BLOCK - 3, CONTENT_BLOCK + 6);
    struct iovec slices[8];
    assert_int_equal(content_slices(&part, 0, slices, 8), 3);
    assert_int_equal(content_slices(&part, 0, slices, 2), 2);
    assert_int_equal(content_slices(&part, part.size - 1, slices, 8), 1);
    assert_int_equal(content_slices(&part, part.size, slices, 8), 0);
    content_free(&part);
    content_free(&c);
}

static void what_is_shared_stays_as_it_was(void **state)
{
    struct content c = {0}, then = {0};
    (void)state;
    fill(2);
    assert_int_equal(content_write(&c, 0, data, 2 * CONTENT_BLOCK + 100), 0);
    assert_int_equal(content_share(&then, &c, 0, c.size), 0);
    assert_int_equal(content_write(&c, CONTENT_BLOCK - 1, "xyz", 3), 0);
    assert_int_equal(content_write(&c, 2 * CONTENT_BLOCK + 100, "more", 4), 0);
    assert_int_equal(content_resize(&c, 10), 0);
    assert_int_equal(content_resize(&c, CONTENT_BLOCK), 0);
    holds(&then, data, 2 * CONTENT_BLOCK + 100);
    content_free(&c);
    holds(&then, data, 2 * CONTENT_BLOCK + 100);
    content_free(&then);
}

/* A block of which the end was cut off must not come back. */
static void what_was_cut_off_is_zero_when_it_grows_again(void **state)
{
    static unsigned char zeros[CONTENT_BLOCK];
    struct content c = {0}, kept = {0};
    (void)state;
    fill(3);
    assert_int_equal(content_write(&c, 0, data, CONTENT_BLOCK), 0);
    for (int shared = 0; shared < 2; shared++) {
        if (shared)
            assert_int_equal(content_share(&kept, &c, 0, c.size), 0);
        assert_int_equal(content_resize(&c, 60), 0);
        assert_int_equal(content_resize(&c, 2 * CONTENT_BLOCK), 0);
        char *got = malloc(c.size);
        content_copy(&c, got);
        assert_memory_equal(got, data, 60);
        assert_memory_equal(got + 60, zeros, CONTENT_BLOCK - 60);
        assert_memory_equal(got + CONTENT_BLOCK, zeros, CONTENT_BLOCK);
        free(got);
        assert_int_equal(content_write(&c, 0, data, CONTENT_BLOCK), 0);
    }
    content_free(&kept);
    content_free(&c);
}

static void cost_follows_the_size(void **state)
{
    (void)state;
    assert_int_equal(content_cost(0), 0);
    assert_in_range(content_cost(1), 64, 200);
    for (uint64_t n = 1; n < 3 * CONTENT_BLOCK; n += 777) {
        assert_true(content_cost(n) >= n && content_cost(n) <= 2 * n + 4096);
        assert_true(content_cost(n) >= content_cost(n - 1));
    }
    assert_true(content_cost(INT64_MAX) > (uint64_t)INT64_MAX);
}

struct model {
    unsigned char bytes[MOST];
    size_t size;
};

static void step(struct content *c, struct model *m)
{
    size_t at = (size_t)rand() % (MOST / 2), n = (size_t)rand() % (MOST / 2);
    int what = rand() % 4;
    if (what == 0) {
        size_t size = (size_t)rand() % MOST;
        assert_int_equal(content_resize(c, size), 0);
        if (size > m->size)
            memset(m->bytes + m->size, 0, size - m->size);
        m->size = size;
        return;
    }
    if (what == 1) /* as appends are */
        n %= MOST - m->size < 300 ? 1 : 300, at = m->size;
    if (what == 3) {
        struct content piece = {0};
        size_t skip = at % CONTENT_BLOCK;
        assert_int_equal(content_write(&piece, skip, data, n), 0);
        if (n > 0) {
            piece.skip = skip;
            piece.size -= skip;
        }
        assert_int_equal(content_splice(c, at, &piece), 0);
        content_free(&piece);
    } else {
        assert_int_equal(content_write(c, at, data, n), 0);
    }
    if (n > 0 && at > m->size)
        memset(m->bytes + m->size, 0, at - m->size);
    memcpy(m->bytes + at, data, n);
    if (n > 0 && at + n > m->size)
        m->size = at + n;
}

static void any_steps_come_to_the_same_as_in_an_array(void **state)
{
    static struct model now, before;
    struct content c = {0}, then = {0};
    unsigned seed = (unsigned)time(NULL);
    (void)state;
    printf("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 600; i++) {
        fill((unsigned)i);
        if (i % 5 == 0) {
            content_free(&then);
            before = now;
            assert_int_equal(content_share(&then, &c, 0, c.size), 0);
        }
        step(&c, &now);
        holds(&c, now.bytes, now.size);
        holds(&then, before.bytes, before.size);
    }
    content_free(&then);
    content_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_are_read_back_across_blocks),
        cmocka_unit_test(what_is_shared_stays_as_it_was),
        cmocka_unit_test(what_was_cut_off_is_zero_when_it_grows_again),
        cmocka_unit_test(cost_follows_the_size),
        cmocka_unit_test(any_steps_come_to_the_same_as_in_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
