/* SPDX-License-Identifier: MIT
 *
 * Magnet links as they are found in the wild, and hostile ones. */
#include "engine/magnet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"

#define HEX "0123456789abcdef0123456789abcdef01234567"
#define HEX_UPPER "0123456789ABCDEF0123456789ABCDEF01234567"
#define BASE32 "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH" /* the same hash */
#define OTHER "1123456789abcdef0123456789abcdef01234567"
#define V2 HEX "89abcdef0123456789abcdef"
#define LINK "magnet:?xt=urn:btih:" HEX

static const uint8_t hash[20] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23,
                                 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67};

static void all_spellings_of_a_hash_are_read(void **state)
{
    static const char *const links[] = {
        LINK,
        "magnet:?xt=urn:btih:" HEX_UPPER,
        "magnet:?xt=urn:btih:" BASE32,
        "magnet:?xt=urn:btih:aerukz4jvpg66ajdivtytk6n54asgrlh",
        "MAGNET:?XT=URN:BTIH:" HEX,
        "magnet:?xt.1=urn:btih:" HEX,
        "magnet:?xt=urn%3Abtih%3a" HEX,
        "magnet:?&&dn=a&xt=urn:btih:" HEX "&",
        "magnet:?dn=a&amp;xt=urn:btih:" HEX,
        "magnet:?xt=urn:btih:" HEX "&xt=urn:btih:" BASE32,
        "magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C&xt=urn:btih:" HEX,
    };
    (void)state;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        struct gos__magnet m;
        assert_int_equal(gos__magnet_parse(&m, links[i]), 0);
        assert_true(m.has_v1 && !m.has_v2);
        assert_memory_equal(m.v1, hash, sizeof hash);
        gos__magnet_finish(&m);
    }
}

static void v2_and_hybrid_links_are_read(void **state)
{
    struct gos__magnet m;
    (void)state;
    assert_int_equal(gos__magnet_parse(&m, "magnet:?xt=urn:btmh:1220" V2), 0);
    assert_true(!m.has_v1 && m.has_v2);
    assert_memory_equal(m.v2, hash, sizeof hash);
    assert_int_equal(m.v2[31], 0xef);
    gos__magnet_finish(&m);
    assert_int_equal(gos__magnet_parse(&m, LINK "&xt=urn:btmh:1220" V2), 0);
    assert_true(m.has_v1 && m.has_v2);
    gos__magnet_finish(&m);
}

static void name_trackers_and_peers_are_decoded(void **state)
{
    struct gos__magnet m;
    (void)state;
    assert_int_equal(
        gos__magnet_parse(&m, LINK "&dn=A+film%20%28x%29%zz%C3%A9%"
                                   "&tr=udp%3A%2F%2Ft.example%3A80%2Fa+b&tr.2=HTTPS://u.example/"
                                   "&tr=ftp://v.example&tr=wss://w.example&tr=http://x%0a.example"
                                   "&tr.x=http://y.example&x.pe=192.0.2.1:6881&x.pe=[::1]:2"
                                   "&so=0-2&ws=http://z.example&dn=second&dn"),
        0);
    assert_string_equal(m.name, "A film (x)%zz\xc3\xa9%");
    assert_int_equal(m.n_trackers, 2);
    assert_string_equal(m.trackers[0], "udp://t.example:80/a+b");
    assert_string_equal(m.trackers[1], "HTTPS://u.example/");
    assert_int_equal(m.n_peers, 2);
    assert_string_equal(m.peers[0], "192.0.2.1:6881");
    assert_string_equal(m.peers[1], "[::1]:2");
    gos__magnet_finish(&m);
}

static void nul_does_not_cut_a_name(void **state)
{
    struct gos__magnet m;
    (void)state;
    assert_int_equal(gos__magnet_parse(&m, LINK "&dn=a%00b"), 0);
    assert_string_equal(m.name, "a?b");
    gos__magnet_finish(&m);
}

static void lists_stop_at_64(void **state)
{
    static char link[16384];
    struct gos__magnet m;
    (void)state;
    strcpy(link, LINK);
    for (int i = 0; i < 100; i++)
        strcat(link, "&tr=udp://t:1&x.pe=1.2.3.4:5");
    assert_int_equal(gos__magnet_parse(&m, link), 0);
    assert_int_equal(m.n_trackers, 64);
    assert_int_equal(m.n_peers, 64);
    gos__magnet_finish(&m);
}

static void assert_refused(const char *link, const char *said)
{
    struct gos__magnet m;
    assert_int_equal(gos__magnet_parse(&m, link), GOS_EMETADATA);
    if (!strstr(gos_last_error(), said))
        fail_msg("\"%s\" does not say \"%s\"", gos_last_error(), said);
}

static void unusable_links_are_refused_with_a_reason(void **state)
{
    (void)state;
    assert_refused("", "not a magnet link");
    assert_refused("http://example/a.torrent", "not a magnet link");
    assert_refused("magnet:", "not a magnet link");
    assert_refused("magnet:?", "no info-hash");
    assert_refused("magnet:?dn=film", "no info-hash");
    assert_refused("magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C", "no info-hash");
    assert_refused("magnet:?xt=urn:btih:", "malformed btih");
    assert_refused("magnet:?xt=urn:btih:" HEX "0", "malformed btih");
    assert_refused("magnet:?xt=urn:btih:g123456789abcdef0123456789abcdef01234567", "malformed");
    assert_refused("magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRL1", "malformed");
    assert_refused("magnet:?xt=urn:btmh:" V2, "malformed btmh");
    assert_refused("magnet:?xt=urn:btmh:1114" HEX, "malformed btmh");
    assert_refused("magnet:?xt=urn:btmh:1220" V2 "00", "malformed btmh");
    assert_refused(LINK "&xt=urn:btih:" OTHER, "two different btih");
    assert_refused("magnet:?xt=urn:btmh:1220" V2 "&xt.2=urn:btmh:12201" V2, "malformed");
    assert_refused("magnet:?xt=urn:btih:\x1b[2J", "\\x1b");
    assert_null(strchr(gos_last_error(), '\x1b'));
}

static void huge_links_are_refused(void **state)
{
    size_t size = 70000;
    char *link = malloc(size);
    (void)state;
    assert_non_null(link);
    memset(link, 'a', size);
    memcpy(link, LINK, strlen(LINK));
    link[strlen(LINK)] = '&';
    link[size - 1] = '\0';
    assert_refused(link, "longer than 65536");
    link[65536] = '\0';
    struct gos__magnet m;
    assert_int_equal(gos__magnet_parse(&m, link), 0);
    gos__magnet_finish(&m);
    free(link);
}

static void lack_of_memory_is_told_and_nothing_leaks(void **state)
{
    (void)state;
    for (long n = 1;; n++) {
        struct gos__magnet m;
        gos__alloc_fail_at(n, 0);
        int rc = gos__magnet_parse(&m, LINK "&dn=a&tr=udp://t:1&x.pe=1.2.3.4:5");
        gos__alloc_fail_at(0, 0);
        if (rc == 0) {
            gos__magnet_finish(&m);
            assert_true(n > 4);
            return;
        }
        assert_int_equal(rc, GOS_ENOMEM);
    }
}

/* Pieces of links glued together, with bytes spoilt: must not crash or leak. */
static void random_links_are_survived(void **state)
{
    static const char *const parts[] = {
        "magnet:?", "xt=urn:btih:",  "xt.3=", HEX,     BASE32,     "&",
        "&amp;",    "urn:btmh:1220", V2,      "tr=",   "http://a", "%",
        "%4",       "%00",           "dn=",   "x.pe=", ".1",       "=",
        "+",        "\xff"};
    const char *given = getenv("GOS_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    (void)state;
    print_message("GOS_SEED=%u\n", seed);
    srand(seed);
    for (int i = 0; i < 20000; i++) {
        char link[1024] = "magnet:?";
        for (int n = rand() % 12; n > 0; n--)
            strcat(link, parts[(unsigned)rand() % (sizeof parts / sizeof *parts)]);
        for (int n = rand() % 3; n > 0; n--)
            link[(unsigned)rand() % (strlen(link) + 1)] = (char)rand();
        char *exact = strdup(link); /* so that a sanitizer sees a read behind it */
        struct gos__magnet m;
        int rc = gos__magnet_parse(&m, exact);
        assert_true(rc == 0 || rc == GOS_EMETADATA);
        if (rc == 0)
            gos__magnet_finish(&m);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_spellings_of_a_hash_are_read),
        cmocka_unit_test(v2_and_hybrid_links_are_read),
        cmocka_unit_test(name_trackers_and_peers_are_decoded),
        cmocka_unit_test(nul_does_not_cut_a_name),
        cmocka_unit_test(lists_stop_at_64),
        cmocka_unit_test(unusable_links_are_refused_with_a_reason),
        cmocka_unit_test(huge_links_are_refused),
        cmocka_unit_test(lack_of_memory_is_told_and_nothing_leaks),
        cmocka_unit_test(random_links_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
