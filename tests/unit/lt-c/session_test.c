/* SPDX-License-Identifier: MIT
 *
 * A session with real seeders on loopback: blocks come, go and come again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "rig.h"

#define PIECE (256u * 1024)
#define SIZE (8u * 1024 * 1024 + 5000)
#define PIECES (SIZE / PIECE + 1)
#define SLOTS 2048

struct scene {
    char *folder;
    uint8_t *bytes;
    ltc_info *info;
    struct seeder seeder;
    struct rig rig;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int begin(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    size_t size;
    char path[4200];
    s->folder = rig_folder();
    rig_file(s->folder, "film.mkv", SIZE, 1);
    snprintf(path, sizeof path, "%s/film.mkv", s->folder);
    s->bytes = rig_read(path, &size);
    assert_int_equal(size, SIZE);
    s->info = rig_torrent(s->folder, "film.mkv", "v1", PIECE);
    rig_seed(&s->seeder, s->folder, "film.mkv", NULL);
    *state = s;
    return 0;
}

static int finish(void **state)
{
    struct scene *s = *state;
    rig_seed_end(&s->seeder);
    ltc_info_unref(s->info);
    free(s->bytes);
    rig_remove(s->folder);
    free(s);
    return 0;
}

static void add(struct scene *s, struct rig_torrent *t)
{
    struct ltc_add a = {.info = s->info, .peers = &s->seeder.addr, .n_peers = 1};
    assert_int_equal(rig_add(&s->rig, t, &a, s->bytes, 0), 0);
}

static void every_piece_arrives(void **state)
{
    struct scene *s = *state;
    struct rig_torrent t = {0};
    rig_start(&s->rig, SLOTS);
    double began = seconds();
    add(s, &t);
    assert_true(rig_wait_piece(&t, 0, 20));
    print_message("first piece after %.0f ms\n", (seconds() - began) * 1e3);
    assert_true(rig_wait_piece(&t, -1, 20));
    assert_int_equal(t.readies, 1);
    assert_int_equal(t.wrong, 0);
    rig_leave(&t);
    rig_end(&s->rig);
}

static void a_dropped_piece_comes_again_and_again(void **state)
{
    struct scene *s = *state;
    struct rig_torrent t = {0};
    rig_start(&s->rig, SLOTS);
    add(s, &t);
    assert_true(rig_wait_piece(&t, -1, 20));
    uint64_t before = s->rig.blocks_in;
    for (unsigned i = 0; i < 200; i++) {
        uint32_t piece = i * 7 % PIECES;
        rig_drop(&t, piece);
        if (!rig_wait_piece(&t, piece, 20))
            fail_msg("piece %u was lost at round %u", piece, i);
    }
    assert_true(s->rig.blocks_in - before >= 150 * (PIECE / LTC_BLOCK));
    assert_int_equal(t.left, 0); /* nobody was blamed */
    rig_leave(&t);
    rig_end(&s->rig);
}

static void no_piece_is_lost_in_a_storm_of_drops(void **state)
{
    struct scene *s = *state;
    struct rig_torrent t = {0};
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    rig_start(&s->rig, SLOTS);
    add(s, &t);
    assert_true(rig_wait_piece(&t, 0, 20));
    pthread_mutex_lock(&s->rig.lock);
    t.spite = seed | 1;
    pthread_mutex_unlock(&s->rig.lock);
    for (double end = seconds() + 3; seconds() < end;) {
        for (int i = 0; i < 4; i++)
            rig_drop(&t, (uint32_t)rand_r(&seed) % PIECES);
        nanosleep(&(struct timespec){.tv_nsec = rand_r(&seed) % 1000000}, NULL);
    }
    assert_true(rig_wait_piece(&t, -1, 20));
    assert_int_equal(t.wrong, 0);
    assert_int_equal(t.left, 0);
    assert_true(s->rig.last_drops > 0);
    print_message("%llu blocks, %llu dropped, %llu pieces dropped at their last block\n",
                  (unsigned long long)s->rig.blocks_in, (unsigned long long)s->rig.blocks_dropped,
                  (unsigned long long)s->rig.last_drops);
    rig_leave(&t);
    rig_end(&s->rig);
}

static bool all_were_dropped(void *arg)
{
    return ((struct rig *)arg)->last_drops_over == PIECES;
}

/* The requests of the caller would bring a lost piece back; those of libtorrent
 * would not. So look into libtorrent. */
static void libtorrent_forgets_a_piece_that_is_dropped_at_its_last_block(void **state)
{
    struct scene *s = *state;
    struct rig_torrent t = {.drop_at_last = true};
    rig_start(&s->rig, SLOTS);
    add(s, &t);
    assert_true(rig_wait(&s->rig, all_were_dropped, &s->rig, 20));
    assert_int_equal(rig_lost_pieces(&t), 0);
    rig_leave(&t);
    rig_end(&s->rig);
}

static void torrents_come_and_go(void **state)
{
    struct scene *s = *state;
    rig_start(&s->rig, SLOTS);
    double began = seconds();
    for (int i = 0; i < 50; i++) {
        struct rig_torrent t = {0};
        add(s, &t);
        if (i % 3)
            assert_true(rig_wait_piece(&t, 0, 20));
        rig_leave(&t);
    }
    print_message("50 torrents in %.0f ms\n", (seconds() - began) * 1e3);
    rig_end(&s->rig);
}

static void a_session_ends_while_writes_are_withheld(void **state)
{
    struct scene *s = *state;
    for (int whole = 0; whole < 2; whole++) {
        struct rig_torrent t = {0};
        rig_start(&s->rig, SLOTS);
        add(s, &t);
        assert_true(rig_wait_piece(&t, whole ? -1 : 0, 20));
        double began = seconds();
        rig_end(&s->rig);
        print_message("session ended in %.0f ms\n", (seconds() - began) * 1e3);
        assert_int_equal(t.stops, 1);
        assert_int_equal(t.removed, 1);
        assert_int_equal(t.left, t.joined);
        ltc_info_unref(t.info);
        free(t.block);
        free(t.pad);
        free(t.whole);
        free(t.verified);
        free(t.drop);
        free(t.used);
    }
}

static void the_same_torrent_is_not_added_twice(void **state)
{
    struct scene *s = *state;
    struct rig_torrent t = {0}, again = {0};
    rig_start(&s->rig, SLOTS);
    add(s, &t);
    struct ltc_add a = {.info = s->info};
    assert_int_equal(rig_add(&s->rig, &again, &a, s->bytes, 1024), -EEXIST);
    assert_int_equal(again.removed, 0);
    rig_leave(&t);
    rig_end(&s->rig);
}

static bool is_listening(void *arg)
{
    struct rig *r = arg;
    return ltc_listen_port(r->session) != 0 && r->n_events > 0;
}

static void the_port_is_told(void **state)
{
    struct scene *s = *state;
    rig_start(&s->rig, 16);
    assert_true(rig_wait(&s->rig, is_listening, &s->rig, 10));
    assert_int_equal(s->rig.events[0].kind, LTC_EVENT_LISTENING);
    rig_end(&s->rig);
}

static void a_peer_that_is_refused_never_joins(void **state)
{
    struct scene *s = *state;
    struct rig_torrent t = {.refuse_peers = true};
    rig_start(&s->rig, SLOTS);
    add(s, &t);
    assert_false(rig_wait_piece(&t, 0, 0.5));
    assert_int_equal(t.joined, 0);
    pthread_mutex_lock(&s->rig.lock);
    t.refuse_peers = false;
    pthread_mutex_unlock(&s->rig.lock);
    rig_be_pump(t.rig);
    int rc = ltc_torrent_add_peer(t.torrent, &s->seeder.addr);
    rig_be_pump_no_more(t.rig);
    assert_int_equal(rc, 0);
    assert_true(rig_wait_piece(&t, 0, 20));
    rig_leave(&t);
    rig_end(&s->rig);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool is_dialled(void *torrent)
{
    return ((struct rig_torrent *)torrent)->dialled_ns != 0;
}

/* Not by libtorrent's tick, which comes twice a second: that is what adding paused
 * and then resuming is for. Ten milliseconds are promised, this is 20 times that. */
static void peers_that_are_given_are_dialled_at_once(void **state)
{
    struct scene *s = *state;
    int64_t took[9];
    rig_start(&s->rig, SLOTS);
    for (unsigned i = 0; i < 9; i++) {
        struct rig_torrent t = {0};
        int64_t begin = ltc_now_ns(s->rig.session);
        add(s, &t);
        assert_true(rig_wait(&s->rig, is_dialled, &t, 20));
        took[i] = t.dialled_ns - begin;
        rig_leave(&t);
    }
    rig_end(&s->rig);
    qsort(took, 9, sizeof *took, by_size);
    assert_in_range(took[4], 0, 200000000);
}

static bool both_joined(void *torrent)
{
    return ((struct rig_torrent *)torrent)->joined == 2;
}

static void two_seeders_on_one_address_work(void **state)
{
    struct scene *s = *state;
    struct seeder second;
    struct rig_torrent t = {0};
    rig_seed(&second, s->folder, "film.mkv", NULL);
    rig_start(&s->rig, SLOTS);
    struct sockaddr_storage peers[2] = {s->seeder.addr, second.addr};
    struct ltc_add a = {.info = s->info, .peers = peers, .n_peers = 2};
    assert_int_equal(rig_add(&s->rig, &t, &a, s->bytes, 0), 0);
    /* One may have given all of it before the other is there. */
    assert_true(rig_wait(&s->rig, both_joined, &t, 20));
    assert_true(rig_wait_piece(&t, -1, 20));
    rig_leave(&t);
    rig_end(&s->rig);
    rig_seed_end(&second);
}

static void wrong_bytes_reach_the_caller_and_the_rest_is_right(void **state)
{
    struct scene *s = *state;
    struct seeder liar;
    struct rig_torrent t = {0};
    rig_seed(&liar, s->folder, "film.mkv", (const char *const[]){"--corrupt", "3", NULL});
    rig_start(&s->rig, SLOTS);
    struct ltc_add a = {.info = s->info, .peers = &liar.addr, .n_peers = 1};
    assert_int_equal(rig_add(&s->rig, &t, &a, s->bytes, 0), 0);
    for (uint32_t p = 0; p < PIECES; p++)
        assert_true(p == 3 || rig_wait_piece(&t, p, 20));
    assert_true(t.wrong > 0);
    assert_int_equal(t.left, 0); /* libtorrent was not told */
    rig_leave(&t);
    rig_end(&s->rig);
    rig_seed_end(&liar);
}

static bool somebody_unchoked(void *arg)
{
    struct rig_torrent *t = arg;
    return t->joined > 0 && !t->peers[0].choked && t->peers[0].asked == 64;
}

static void a_seeder_can_stall(void **state)
{
    struct scene *s = *state;
    struct seeder lame;
    struct rig_torrent t = {0};
    rig_seed(&lame, s->folder, "film.mkv", (const char *const[]){"--stall", NULL});
    rig_start(&s->rig, SLOTS);
    struct ltc_add a = {.info = s->info, .peers = &lame.addr, .n_peers = 1};
    assert_int_equal(rig_add(&s->rig, &t, &a, s->bytes, 0), 0);
    assert_true(rig_wait(&s->rig, somebody_unchoked, &t, 20));
    assert_false(rig_wait_piece(&t, 0, 0.3));
    assert_int_equal(s->rig.blocks_in, 0);
    rig_leave(&t);
    rig_end(&s->rig);
    rig_seed_end(&lame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_arrives),
        cmocka_unit_test(a_dropped_piece_comes_again_and_again),
        cmocka_unit_test(no_piece_is_lost_in_a_storm_of_drops),
        cmocka_unit_test(libtorrent_forgets_a_piece_that_is_dropped_at_its_last_block),
        cmocka_unit_test(torrents_come_and_go),
        cmocka_unit_test(a_session_ends_while_writes_are_withheld),
        cmocka_unit_test(the_same_torrent_is_not_added_twice),
        cmocka_unit_test(the_port_is_told),
        cmocka_unit_test(a_peer_that_is_refused_never_joins),
        cmocka_unit_test(peers_that_are_given_are_dialled_at_once),
        cmocka_unit_test(two_seeders_on_one_address_work),
        cmocka_unit_test(wrong_bytes_reach_the_caller_and_the_rest_is_right),
        cmocka_unit_test(a_seeder_can_stall),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
