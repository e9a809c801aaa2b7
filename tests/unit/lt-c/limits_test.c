/* SPDX-License-Identifier: MIT
 *
 * What may change while a session runs, and peers that send messages without end:
 * a scripted one, which answers the handshake and then says what it likes. */
#include <arpa/inet.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

#define PIECE (64u * 1024)
#define SIZE (8u * 1024 * 1024)
#define PIECES (SIZE / PIECE)
#define SLOTS (SIZE / LTC_BLOCK)
#define FLOOD 200000

enum { UNCHOKE = 1, HAVE = 4, REQUEST = 6, PIECE_OF = 7, HAVE_ALL = 14, HAVE_NONE = 15 };

static int begin(void **state)
{
    return rig_scene_begin(state, SIZE, PIECE);
}

/* ---- a scripted peer ---- */

struct talker {
    const struct rig_scene *scene;
    int listener;
    struct sockaddr_storage addr;
    pthread_t thread;
    bool repeats_have_all, serves;
    bool acknowledged_at_once; /* read after its end */
};

static bool is_named(int fd, int (*name)(int, struct sockaddr *, socklen_t *),
                     const struct sockaddr_in *expected)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    return name(fd, (struct sockaddr *)&sa, &len) == 0 && len == sizeof sa &&
           sa.sin_port == expected->sin_port;
}

/* Ours: the other end of this connection, which is in this process too. */
static int other_end(int fd)
{
    struct sockaddr_in local, remote;
    socklen_t len = sizeof local;
    getsockname(fd, (struct sockaddr *)&local, &len);
    len = sizeof remote;
    getpeername(fd, (struct sockaddr *)&remote, &len);
    for (int i = 3; i < 1024; i++) {
        if (i != fd && is_named(i, getpeername, &local) && is_named(i, getsockname, &remote))
            return i;
    }
    return -1;
}

/* Whether it comes to acknowledge what it gets without waiting for data of its own
 * to send along. */
static bool acknowledges_at_once(int fd)
{
    int ours = other_end(fd), on = 0;
    socklen_t len = sizeof on;
    for (int ms = 0; ours >= 0 && !on && ms < 5000; ms++) {
        usleep(1000);
        if (getsockopt(ours, IPPROTO_TCP, TCP_QUICKACK, &on, &len) < 0)
            return false;
    }
    return on;
}

static bool put(int fd, const void *bytes, size_t n)
{
    for (const char *at = bytes; n > 0;) {
        ssize_t did = send(fd, at, n, MSG_NOSIGNAL);
        if (did <= 0)
            return false;
        at += did;
        n -= (size_t)did;
    }
    return true;
}

static bool say(int fd, uint8_t what)
{
    const uint8_t m[5] = {0, 0, 0, 1, what};
    return put(fd, m, sizeof m);
}

static size_t have_message(uint8_t *to, uint32_t piece)
{
    const uint8_t m[9] = {
        0, 0, 0, 5, HAVE, 0, 0, (uint8_t)(piece >> 8), (uint8_t)piece,
    };
    memcpy(to, m, sizeof m);
    return sizeof m;
}

static void say_haves(int fd)
{
    static uint8_t buffer[9 * 1000];
    for (uint32_t n = 0; n < FLOOD;) {
        size_t used = 0;
        for (; used < sizeof buffer; n++)
            used += have_message(buffer + used, n % PIECES);
        if (!put(fd, buffer, used))
            return;
    }
}

static bool shake_hands(const struct talker *t, int fd)
{
    uint8_t theirs[68], ours[68] = "\023BitTorrent protocol";
    ours[27] = 4; /* the fast extension */
    memcpy(ours + 28, ltc_info_get(t->scene->film.info)->v1_hash, 20);
    memcpy(ours + 48, "-XX0000-123456789012", 20);
    return recv(fd, theirs, sizeof theirs, MSG_WAITALL) == sizeof theirs &&
           put(fd, ours, sizeof ours);
}

static uint32_t number(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* One message, at most 32 bytes of it kept. Its length, or -1. */
static int64_t hear(int fd, uint8_t message[32])
{
    uint8_t head[4];
    if (recv(fd, head, sizeof head, MSG_WAITALL) != sizeof head)
        return -1;
    uint32_t len = number(head);
    for (uint32_t got = 0; got < len; got++) {
        uint8_t byte;
        if (recv(fd, &byte, 1, MSG_WAITALL) != 1)
            return -1;
        if (got < 32)
            message[got] = byte;
    }
    return len;
}

/* All blocks, but of the last one the header alone, until that is acknowledged: so
 * would a system that waits for it. */
static void serve(struct talker *t, int fd)
{
    uint8_t m[32], head[13] = {0, 0, 0x40, 9, PIECE_OF};
    for (uint32_t served = 0; served < SLOTS;) {
        if (hear(fd, m) < 0)
            return;
        if (m[0] != REQUEST)
            continue;
        memcpy(head + 5, m + 1, 8);
        put(fd, head, sizeof head);
        if (++served == SLOTS)
            t->acknowledged_at_once = acknowledges_at_once(fd);
        put(fd, t->scene->film.bytes + (size_t)number(m + 1) * PIECE + number(m + 5), LTC_BLOCK);
    }
}

static void *talk(void *arg)
{
    struct talker *t = arg;
    char sink[4096];
    int fd = accept(t->listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    if (shake_hands(t, fd)) {
        say(fd, t->serves ? HAVE_ALL : HAVE_NONE);
        for (int i = 0; t->repeats_have_all && i < FLOOD && say(fd, HAVE_ALL); i++)
            ;
        if (!t->repeats_have_all && !t->serves)
            say_haves(fd);
        say(fd, UNCHOKE); /* behind all of it */
        if (t->serves)
            serve(t, fd);
        while (recv(fd, sink, sizeof sink, 0) > 0)
            ;
    }
    close(fd);
    return NULL;
}

static void talker_start(struct talker *t, const struct rig_scene *s)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t len = sizeof sa;
    t->scene = s;
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    t->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(t->listener, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(t->listener, 4), 0);
    assert_int_equal(getsockname(t->listener, (struct sockaddr *)&sa, &len), 0);
    memcpy(&t->addr, &sa, sizeof sa);
    assert_int_equal(pthread_create(&t->thread, NULL, talk, t), 0);
}

static void talker_end(struct talker *t)
{
    shutdown(t->listener, SHUT_RDWR);
    close(t->listener);
    pthread_join(t->thread, NULL);
}

static bool is_unchoked(void *torrent)
{
    const struct rig_torrent *t = torrent;
    return t->joined > 0 && t->peers[0].peer && !t->peers[0].choked;
}

static bool has_left(void *torrent)
{
    return ((struct rig_torrent *)torrent)->left > 0;
}

static void add_with(struct rig_scene *s, struct rig_torrent *t,
                     const struct sockaddr_storage *peers, size_t n)
{
    struct ltc_add a = {.info = s->film.info, .peers = peers, .n_peers = n};
    assert_int_equal(rig_add(&s->rig, t, &a, s->film.bytes, 0), 0);
}

static void end(struct rig_scene *s, struct rig_torrent *t)
{
    rig_leave(t);
    rig_end(&s->rig);
}

/* A session whose torrent has this peer. */
static void meet(struct rig_scene *s, struct rig_torrent *t, struct talker *talker)
{
    talker_start(talker, s);
    rig_start(&s->rig, SLOTS);
    add_with(s, t, &talker->addr, 1);
}

static void part(struct rig_scene *s, struct rig_torrent *t, struct talker *talker)
{
    end(s, t);
    talker_end(talker);
}

/* 200000 HAVEs of 128 pieces: told once each, and by number. Those that come before
 * libtorrent says how many pieces there are may be in one "all". */
static void a_flood_of_haves_tells_each_piece_once(void **state)
{
    struct rig_scene *s = *state;
    struct talker talker = {0};
    struct rig_torrent t = {0};
    meet(s, &t, &talker);
    assert_true(rig_wait(&s->rig, is_unchoked, &t, 20));
    assert_in_range(t.news, 1, 4);
    assert_in_range(t.haves, 0, PIECES);
    assert_int_equal(t.left, 0);
    part(s, &t, &talker);
}

/* Each costs libtorrent a walk over all pieces. */
static void who_says_again_and_again_that_it_has_all_is_left(void **state)
{
    struct rig_scene *s = *state;
    struct talker talker = {.repeats_have_all = true};
    struct rig_torrent t = {0};
    meet(s, &t, &talker);
    assert_true(rig_wait(&s->rig, has_left, &t, 20));
    assert_in_range(t.news, 0, 4);
    part(s, &t, &talker);
}

/* Else the reader would wait 40 ms for the end of a piece, with each libtorrent. */
static void who_is_asked_for_nothing_more_is_acknowledged_at_once(void **state)
{
    struct rig_scene *s = *state;
    struct talker talker = {.serves = true};
    struct rig_torrent t = {0};
    meet(s, &t, &talker);
    assert_true(rig_wait_piece(&t, -1, 20));
    part(s, &t, &talker);
    assert_true(talker.acknowledged_at_once);
}

/* ---- limits ---- */

static void set_limits(struct rig *r, uint32_t max_peers, uint64_t bps)
{
    const struct ltc_limits l = {.max_peers = max_peers, .download_bps = bps};
    rig_be_pump(r);
    assert_int_equal(ltc_set_limits(r->session, &l), 0);
    rig_be_pump_no_more(r);
}

static bool both_joined(void *torrent)
{
    return ((struct rig_torrent *)torrent)->joined == 2;
}

static void a_lowered_number_of_peers_drops_those_above_it_only(void **state)
{
    struct rig_scene *s = *state;
    struct seeder seeders[2];
    struct rig_torrent t = {0};
    for (int i = 0; i < 2; i++)
        rig_seed(&seeders[i], s->film.folder, "film.mkv", NULL);
    rig_start(&s->rig, SLOTS);
    struct sockaddr_storage peers[2] = {seeders[0].addr, seeders[1].addr};
    add_with(s, &t, peers, 2);
    assert_true(rig_wait(&s->rig, both_joined, &t, 20));
    set_limits(&s->rig, 50, 1 << 30);
    assert_false(rig_wait(&s->rig, has_left, &t, 0.3));
    set_limits(&s->rig, 1, 0);
    assert_true(rig_wait(&s->rig, has_left, &t, 20));
    assert_true(rig_wait_piece(&t, -1, 20)); /* the other one serves */
    assert_int_equal(t.left, 1);
    end(s, &t);
    for (int i = 0; i < 2; i++)
        rig_seed_end(&seeders[i]);
}

static void a_download_limit_holds_from_the_moment_it_is_set(void **state)
{
    struct rig_scene *s = *state;
    struct seeder seeder;
    struct rig_torrent t = {0};
    rig_seed(&seeder, s->film.folder, "film.mkv", NULL);
    rig_start(&s->rig, SLOTS);
    set_limits(&s->rig, 50, 2 << 20);
    add_with(s, &t, &seeder.addr, 1);
    assert_false(rig_wait_piece(&t, -1, 1.5)); /* 8 MiB would need 4 s */
    set_limits(&s->rig, 50, 0);
    assert_true(rig_wait_piece(&t, -1, 20));
    end(s, &t);
    rig_seed_end(&seeder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_of_haves_tells_each_piece_once),
        cmocka_unit_test(who_says_again_and_again_that_it_has_all_is_left),
        cmocka_unit_test(who_is_asked_for_nothing_more_is_acknowledged_at_once),
        cmocka_unit_test(a_lowered_number_of_peers_drops_those_above_it_only),
        cmocka_unit_test(a_download_limit_holds_from_the_moment_it_is_set),
    };
    return cmocka_run_group_tests(tests, begin, rig_scene_end);
}
