/* SPDX-License-Identifier: MIT
 *
 * Who is blamed for a bad copy, and who keeps a number. */
#include "engine/blame.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/address.h"
#include "engine/scheduler.h"

#define NOBODY GOS__SCHED_NOBODY

static int setup(void **state)
{
    return gos__blame_new((struct gos__blame **)state);
}

static int teardown(void **state)
{
    gos__blame_free(*state);
    return 0;
}

static uint32_t who(struct gos__blame *b, const char *address, bool outgoing)
{
    struct sockaddr_storage sa;
    assert_int_equal(gos__address_parse(&sa, address), 0);
    int64_t n = gos__blame_who(b, &sa, outgoing);
    assert_true(n >= 0 && n < NOBODY);
    return (uint32_t)n;
}

/* ---- identities ---- */

static void address_keeps_its_number_whatever_the_port(void **state)
{
    struct gos__blame *b = *state;
    uint32_t a = who(b, "192.0.2.1:6881", true);
    assert_int_equal(who(b, "192.0.2.1:6881", true), a);
    assert_int_equal(who(b, "192.0.2.1:50000", false), a);
    assert_int_equal(who(b, "[::ffff:192.0.2.1]:7", true), a);
    assert_true(who(b, "192.0.2.2:6881", true) != a);
    assert_int_equal(who(b, "[2001:db8::1]:1", true), who(b, "[2001:db8::1]:2", false));
}

static void ports_tell_peers_on_loopback_apart(void **state)
{
    struct gos__blame *b = *state;
    static const char *const text[] = {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.2:1", "[::1]:1",
                                       "[::1]:2"};
    uint32_t n[5];
    for (int i = 0; i < 5; i++) {
        n[i] = who(b, text[i], i & 1);
        for (int k = 0; k < i; k++)
            assert_true(n[i] != n[k]);
    }
    assert_int_equal(who(b, "[::ffff:127.0.0.1]:1", false), n[0]);
}

static void ban_stays_and_counts_once(void **state)
{
    struct gos__blame *b = *state;
    uint32_t a = who(b, "192.0.2.1:1", true);
    assert_false(gos__blame_banned(b, a));
    gos__blame_ban(b, a);
    gos__blame_ban(b, a);
    gos__blame_ban(b, 777); /* never heard of */
    gos__blame_ban(b, NOBODY);
    assert_true(gos__blame_banned(b, who(b, "192.0.2.1:9", false)));
    assert_false(gos__blame_banned(b, who(b, "192.0.2.2:1", true)));
    assert_false(gos__blame_banned(b, NOBODY));
    assert_int_equal(gos__blame_bans(b), 1);
}

static uint32_t number(struct gos__blame *b, uint32_t i)
{
    struct sockaddr_storage sa = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&sa;
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(0x0a000000 + i);
    int64_t n = gos__blame_who(b, &sa, true);
    assert_true(n >= 0);
    return (uint32_t)n;
}

static void strangers_are_forgotten_before_the_guilty(void **state)
{
    struct gos__blame *b = *state;
    uint32_t guilty = number(b, 0), second = number(b, 1), met_again = number(b, 2);
    gos__blame_ban(b, guilty);
    for (uint32_t i = 3; i < 65536; i++)
        number(b, i);
    assert_int_equal(number(b, 2), met_again);
    for (uint32_t i = 65536; i < 130000; i++)
        number(b, i);
    assert_int_equal(number(b, 0), guilty);
    assert_true(gos__blame_banned(b, guilty));
    assert_int_equal(number(b, 2), met_again);
    assert_true(number(b, 1) != second);
    /* All guilty: still bounded, and the newest is known. */
    for (uint32_t i = 0; i < 66000; i++)
        gos__blame_ban(b, number(b, 1000000 + i));
    assert_true(gos__blame_banned(b, number(b, 1000000 + 65999)));
}

/* ---- prints ---- */

static void print_tells_every_bit_and_length_apart(void **state)
{
    uint8_t block[16384] = {0};
    (void)state;
    uint64_t zero = gos__blame_print(1, block, sizeof block);
    assert_true(gos__blame_print(1, block, sizeof block) == zero);
    assert_true(gos__blame_print(2, block, sizeof block) != zero);
    for (size_t bit = 0; bit < 8 * sizeof block; bit += 37) {
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(gos__blame_print(1, block, sizeof block) != zero);
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < 300; len++)
        assert_true(gos__blame_print(1, block, len) != gos__blame_print(1, block, len + 1));
    block[16383] = 1;
    assert_true(gos__blame_print(1, block, 16383) != gos__blame_print(1, block, 16384));
}

static void print_needs_no_alignment(void **state)
{
    uint8_t bytes[1000], moved[1008];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(moved + shift, bytes, sizeof bytes);
        assert_true(gos__blame_print(9, moved + shift, sizeof bytes) ==
                    gos__blame_print(9, bytes, sizeof bytes));
    }
}

/* ---- liars ---- */

static void single_sender_of_a_bad_copy_is_the_liar(void **state)
{
    struct gos__blame *b = *state;
    uint32_t liars[4] = {0};
    uint64_t prints[3] = {1, 2, 3};
    uint32_t senders[3] = {7, NOBODY, 7};
    assert_int_equal(gos__blame_failed(b, 5, prints, senders, 3, liars, 4), 1);
    assert_int_equal(liars[0], 7);
    assert_false(gos__blame_suspects(b, 5));
}

static void good_copy_convicts_the_senders_of_blocks_that_differ(void **state)
{
    struct gos__blame *b = *state;
    uint32_t liars[4], suspects[8];
    uint64_t first[4] = {1, 99, 3, 4}, second[4] = {98, 2, 97, 4}, good[4] = {1, 2, 3, 4};
    uint32_t from_first[4] = {10, 11, 12, NOBODY}, from_second[4] = {13, 10, 13, NOBODY};
    assert_int_equal(gos__blame_failed(b, 5, first, from_first, 4, liars, 4), 0);
    assert_int_equal(gos__blame_failed(b, 5, second, from_second, 4, liars, 4), 0);
    assert_true(gos__blame_suspects(b, 5));
    assert_false(gos__blame_suspects(b, 6));
    assert_int_equal(gos__blame_senders(b, 5, suspects, 8), 4);
    assert_int_equal(gos__blame_senders(b, 5, suspects, 2), 2);
    assert_int_equal(gos__blame_senders(b, 6, suspects, 8), 0);

    assert_int_equal(gos__blame_good(b, 6, good, 4, liars, 4), 0);
    assert_int_equal(gos__blame_good(b, 5, good, 4, liars, 4), 2);
    assert_int_equal(liars[0], 11);
    assert_int_equal(liars[1], 13);
    assert_false(gos__blame_suspects(b, 5));
    assert_int_equal(gos__blame_good(b, 5, good, 4, liars, 4), 0);
}

static void no_more_liars_are_given_than_fit(void **state)
{
    struct gos__blame *b = *state;
    uint32_t liars[1];
    uint64_t bad[2] = {8, 9}, good[2] = {1, 2};
    uint32_t senders[2] = {3, 4};
    assert_int_equal(gos__blame_failed(b, 0, bad, senders, 2, liars, 1), 0);
    assert_int_equal(gos__blame_good(b, 0, good, 2, liars, 1), 1);
    assert_int_equal(liars[0], 3);
}

static void copy_that_nobody_sent_blames_nobody(void **state)
{
    struct gos__blame *b = *state;
    uint32_t liars[1], senders[2] = {NOBODY, NOBODY};
    uint64_t prints[2] = {1, 2};
    assert_int_equal(gos__blame_failed(b, 0, prints, senders, 2, liars, 1), 0);
    assert_false(gos__blame_suspects(b, 0));
}

static void oldest_suspicion_is_forgotten(void **state)
{
    struct gos__blame *b = *state;
    static uint64_t prints[1024];
    static uint32_t senders[1024];
    uint32_t liars[1];
    senders[1] = 1;
    for (uint32_t piece = 0; piece < 1000; piece++)
        assert_int_equal(gos__blame_failed(b, piece, prints, senders, 1024, liars, 1), 0);
    assert_false(gos__blame_suspects(b, 0));
    assert_true(gos__blame_suspects(b, 999));
}

static void lack_of_memory_is_told(void **state)
{
    struct gos__blame *b = *state;
    struct gos__blame *other;
    struct sockaddr_storage sa = {.ss_family = AF_INET6};
    uint64_t prints[2] = {1, 2};
    uint32_t senders[2] = {3, 4}, liars[2];
    gos__alloc_fail_at(1, 1);
    assert_int_equal(gos__blame_new(&other), GOS_ENOMEM);
    assert_int_equal(gos__blame_who(b, &sa, true), GOS_ENOMEM);
    assert_int_equal(gos__blame_failed(b, 1, prints, senders, 2, liars, 2), GOS_ENOMEM);
    gos__alloc_fail_at(0, 0);
    assert_false(gos__blame_suspects(b, 1));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(address_keeps_its_number_whatever_the_port),
        T(ports_tell_peers_on_loopback_apart),
        T(ban_stays_and_counts_once),
        T(strangers_are_forgotten_before_the_guilty),
        T(print_tells_every_bit_and_length_apart),
        T(print_needs_no_alignment),
        T(single_sender_of_a_bad_copy_is_the_liar),
        T(good_copy_convicts_the_senders_of_blocks_that_differ),
        T(no_more_liars_are_given_than_fit),
        T(copy_that_nobody_sent_blames_nobody),
        T(oldest_suspicion_is_forgotten),
        T(lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
