/* SPDX-License-Identifier: MIT
 *
 * The fallback: libtorrent's own picker over withheld writes, with real seeders.
 * More is read than fits: pieces are dropped and must come again. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

#define PIECE (512u * 1024)
#define SIZE (96u * 1024 * 1024 + 70000)
#define PIECES (SIZE / PIECE + 1)
#define BUDGET (64u * 1024 * 1024 / PIECE)
#define WINDOW 16
#define SLOTS (PIECES * (PIECE / LTC_BLOCK))

static int begin(void **state)
{
    return rig_scene_begin(state, SIZE, PIECE);
}

static void start(struct rig_scene *s, struct rig_torrent *t, const struct sockaddr_storage *peer)
{
    rig_start_picking(&s->rig, SLOTS);
    t->budget = BUDGET;
    struct ltc_add a = {.info = s->film.info, .peers = peer, .n_peers = 1};
    assert_int_equal(rig_add(&s->rig, t, &a, s->film.bytes, 0), 0);
}

static void start_seeded(struct rig_scene *s, struct rig_torrent *t, struct seeder *seeder)
{
    rig_seed(seeder, s->film.folder, "film.mkv", NULL);
    start(s, t, &seeder->addr);
}

static void end_seeded(struct rig_scene *s, struct rig_torrent *t, struct seeder *seeder)
{
    rig_leave(t);
    rig_end(&s->rig);
    rig_seed_end(seeder);
}

static void seek_at_random(struct rig_scene *s, struct rig_torrent *t, unsigned n)
{
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    for (unsigned i = 0; i < n; i++) {
        uint32_t at = (uint32_t)rand_r(&seed) % PIECES;
        rig_want(t, at, WINDOW);
        if (!rig_wait_piece(t, at, 20))
            fail_msg("piece %u was lost at seek %u", at, i);
    }
    print_message("%llu blocks, %llu dropped\n", (unsigned long long)s->rig.blocks_in,
                  (unsigned long long)s->rig.blocks_dropped);
}

static void pieces_are_fetched_again_and_none_is_lost(void **state)
{
    struct rig_scene *s = *state;
    struct seeder seeder;
    struct rig_torrent t = {0};
    start_seeded(s, &t, &seeder);
    seek_at_random(s, &t, getenv("GOS_TEST_LONG") ? 150 : 50);
    assert_int_equal(t.wrong, 0);
    assert_int_equal(t.left, 0); /* nobody was blamed, nobody was bored */
    assert_in_range(t.joined, 1, 1);
    end_seeded(s, &t, &seeder);
}

/* Another program, that answers in another order. */
static pid_t aria2(struct rig_scene *s, struct sockaddr_storage *addr)
{
    char torrent[PATH_MAX], dir[PATH_MAX], listen[64];
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t len = sizeof sa;
    int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(probe, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(getsockname(probe, (struct sockaddr *)&sa, &len), 0);
    close(probe);
    snprintf(torrent, sizeof torrent, "%s/film.mkv.torrent", s->film.folder);
    snprintf(dir, sizeof dir, "--dir=%s", s->film.folder);
    snprintf(listen, sizeof listen, "--listen-port=%u", ntohs(sa.sin_port));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), 1);
        execlp("aria2c", "aria2c", "--check-integrity=true", "--seed-ratio=0.0",
               "--enable-dht=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false",
               "--quiet=true", "--bt-seed-unverified=true", dir, listen, torrent, (char *)NULL);
        _exit(127);
    }
    memset(addr, 0, sizeof *addr);
    memcpy(addr, &sa, sizeof sa);
    return pid;
}

static bool has_joined(void *torrent)
{
    return ((struct rig_torrent *)torrent)->joined > 0;
}

static void join_when_it_listens(struct rig_torrent *t, const struct sockaddr_storage *addr)
{
    for (int i = 0; i < 100 && !rig_wait(t->rig, has_joined, t, 0.2); i++) {
        rig_be_pump(t->rig);
        ltc_torrent_add_peer(t->torrent, addr);
        rig_be_pump_no_more(t->rig);
    }
    assert_true(t->joined > 0);
}

static void none_is_lost_with_aria2_either(void **state)
{
    struct rig_scene *s = *state;
    if (system("aria2c --version >/dev/null 2>&1") != 0) {
        print_message("no aria2c\n");
        skip();
    }
    struct sockaddr_storage addr;
    struct rig_torrent t = {0};
    pid_t pid = aria2(s, &addr);
    start(s, &t, &addr);
    join_when_it_listens(&t, &addr);
    seek_at_random(s, &t, getenv("GOS_TEST_LONG") ? 150 : 50);
    assert_int_equal(t.wrong, 0);
    assert_int_equal(t.left, 0);
    rig_leave(&t);
    rig_end(&s->rig);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

static bool is_quiet(void *rig)
{
    struct rig *r = rig;
    return r->blocks_in > 0;
}

/* With nothing wanted no block reaches the caller, nobody leaves, and what is wanted
 * then comes at once; the anchor, too, which libtorrent has held for itself. */
static void a_torrent_that_wants_nothing_keeps_its_peers(void **state)
{
    struct rig_scene *s = *state;
    struct seeder seeder;
    struct rig_torrent t = {0};
    start_seeded(s, &t, &seeder);
    assert_true(rig_wait(&s->rig, has_joined, &t, 20));
    assert_false(rig_wait(&s->rig, is_quiet, &s->rig, 1.5));
    rig_want(&t, 3, 2);
    assert_true(rig_wait_piece(&t, 3, 20));
    rig_want(&t, 0, 0);
    rig_want(&t, PIECES - 1, 1);
    assert_true(rig_wait_piece(&t, PIECES - 1, 20));
    rig_drop(&t, PIECES - 1);
    assert_true(rig_wait_piece(&t, PIECES - 1, 20));
    assert_int_equal(t.left, 0);
    end_seeded(s, &t, &seeder);
}

static void a_session_ends_while_the_anchor_is_held(void **state)
{
    struct rig_scene *s = *state;
    struct seeder seeder;
    struct rig_torrent t = {0};
    start_seeded(s, &t, &seeder);
    assert_true(rig_wait(&s->rig, has_joined, &t, 20));
    assert_false(rig_wait(&s->rig, is_quiet, &s->rig, 0.5));
    end_seeded(s, &t, &seeder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_fetched_again_and_none_is_lost),
        cmocka_unit_test(none_is_lost_with_aria2_either),
        cmocka_unit_test(a_torrent_that_wants_nothing_keeps_its_peers),
        cmocka_unit_test(a_session_ends_while_the_anchor_is_held),
    };
    return cmocka_run_group_tests(tests, begin, rig_scene_end);
}
