/* SPDX-License-Identifier: MIT
 *
 * Torrents that are known by their hash only, and the kinds of torrents: v1, v2
 * and hybrid, one file and several. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "rig.h"

#define PIECE 65536u
#define SLOTS 1024

static const char *const names[] = {"a.mkv", "sub/b.srt", "sub/empty.txt", "z.bin"};
static const size_t sizes[] = {3000000, 70001, 0, 1000};

static char *folder;

static int begin(void **state)
{
    (void)state;
    folder = rig_folder();
    for (int i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof path, "many/%s", names[i]);
        rig_file(folder, path, sizes[i], (unsigned)i + 1);
    }
    rig_file(folder, "one.mkv", 2000003, 9);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    rig_remove(folder);
    return 0;
}

/* The bytes of the whole torrent, padding as zeros. */
static uint8_t *expected_of(const struct ltc_info_view *v, const char *name)
{
    uint8_t *all = calloc(1, v->total_size);
    assert_non_null(all);
    for (uint32_t f = 0; f < v->n_files; f++) {
        char path[PATH_MAX];
        size_t size;
        if (v->files[f].flags & LTC_FILE_PAD)
            continue;
        if (v->multi_file)
            snprintf(path, sizeof path, "%s/%s/%s", folder, name, v->files[f].path);
        else
            snprintf(path, sizeof path, "%s/%s", folder, v->files[f].path);
        uint8_t *bytes = rig_read(path, &size);
        assert_int_equal(size, v->files[f].size);
        memcpy(all + v->files[f].offset, bytes, size);
        free(bytes);
    }
    return all;
}

static bool is_ready(void *arg)
{
    return ((struct rig_torrent *)arg)->readies > 0;
}

static void assert_same_view(const struct ltc_info_view *a, const struct ltc_info_view *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->multi_file, b->multi_file);
    assert_int_equal(a->total_size, b->total_size);
    assert_int_equal(a->piece_length, b->piece_length);
    assert_int_equal(a->n_pieces, b->n_pieces);
    assert_int_equal(a->n_files, b->n_files);
    assert_memory_equal(a->v1_hash, b->v1_hash, 20);
    assert_memory_equal(a->v2_hash, b->v2_hash, 32);
    for (uint32_t f = 0; f < a->n_files; f++) {
        assert_string_equal(a->files[f].path, b->files[f].path);
        assert_int_equal(a->files[f].size, b->files[f].size);
        assert_int_equal(a->files[f].offset, b->files[f].offset);
        assert_int_equal(a->files[f].flags, b->files[f].flags);
        assert_int_equal(!a->files[f].root, !b->files[f].root);
    }
    assert_int_equal(!a->piece_hashes, !b->piece_hashes);
    if (a->piece_hashes)
        assert_memory_equal(a->piece_hashes, b->piece_hashes, a->n_pieces * 20u);
}

static void wait_for_layers(struct rig_torrent *t, const ltc_info *whole)
{
    int rc = 0;
    for (int tries = 0; tries < 500 && rc == 0; tries++) {
        rig_be_pump(t->rig);
        rc = ltc_torrent_fetch_layers(t->torrent, t->info);
        rig_be_pump_no_more(t->rig);
        if (rc == 0)
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    assert_int_equal(rc, 1);
    const struct ltc_info_view *v = ltc_info_get(whole);
    for (uint32_t f = 0; f < v->n_files; f++) {
        const uint8_t *layer = ltc_info_layer(whole, f);
        assert_int_equal(!layer, !ltc_info_layer(t->info, f));
        if (layer)
            assert_memory_equal(layer, ltc_info_layer(t->info, f),
                                (v->files[f].size + PIECE - 1) / PIECE * 32);
    }
}

static void download(const char *name, const char *kind, bool magnet)
{
    struct rig rig;
    struct seeder seeder;
    struct rig_torrent t = {0};
    ltc_info *info = rig_torrent(folder, name, kind, PIECE);
    const struct ltc_info_view *v = ltc_info_get(info);
    uint8_t *expected = expected_of(v, name);
    rig_seed(&seeder, folder, name, NULL);
    rig_start(&rig, SLOTS);
    struct ltc_add add = {.peers = &seeder.addr, .n_peers = 1};
    if (magnet && v->v1)
        add.v1_hash = v->v1_hash;
    else if (magnet)
        add.v2_hash = v->v2_hash;
    else
        add.info = info;
    assert_int_equal(rig_add(&rig, &t, &add, expected, 0), 0);
    assert_true(rig_wait(&rig, is_ready, &t, 20));
    assert_same_view(ltc_info_get(t.info), v);
    if (!rig_wait_piece(&t, -1, 20))
        fail_msg("%s %s: not all pieces came", name, kind);
    assert_int_equal(t.wrong, 0);
    assert_int_equal(t.left, 0);
    if (!v->v1) /* libtorrent asks for no layers where it has hashes of v1 */
        wait_for_layers(&t, info);
    rig_leave(&t);
    rig_end(&rig);
    rig_seed_end(&seeder);
    free(expected);
    ltc_info_unref(info);
}

static void v1_works(void **state)
{
    (void)state;
    download("one.mkv", "v1", false);
    download("many", "v1", false);
}

static void v2_works(void **state)
{
    (void)state;
    download("one.mkv", "v2", false);
    download("many", "v2", false);
}

static void hybrid_works(void **state)
{
    (void)state;
    download("one.mkv", "hybrid", false);
    download("many", "hybrid", false);
}

static void v1_magnet_works(void **state)
{
    (void)state;
    download("one.mkv", "v1", true);
    download("many", "v1", true);
}

static void v2_magnet_works_and_learns_its_layers(void **state)
{
    (void)state;
    download("one.mkv", "v2", true);
    download("many", "v2", true);
}

static void hybrid_magnet_works(void **state)
{
    (void)state;
    download("many", "hybrid", true);
}

static void a_magnet_without_peers_can_be_removed(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_torrent t = {0};
    static const uint8_t hash[20] = "no such torrent here";
    rig_start(&rig, 16);
    for (int i = 0; i < 20; i++) {
        struct ltc_add add = {.v1_hash = hash, .name = "x"};
        assert_int_equal(rig_add(&rig, &t, &add, NULL, 0), 0);
        rig_leave(&t);
    }
    struct ltc_add add = {.v1_hash = hash};
    assert_int_equal(rig_add(&rig, &t, &add, NULL, 0), 0);
    rig_end(&rig); /* and the session can end with it */
    assert_int_equal(t.removed, 1);
    assert_int_equal(t.stops, 0);
}

static void metadata_that_the_caller_refuses_stops_the_torrent(void **state)
{
    (void)state;
    struct rig rig;
    struct seeder seeder;
    struct rig_torrent t = {.refuse_ready = true};
    ltc_info *info = rig_torrent(folder, "one.mkv", "v1", PIECE);
    rig_seed(&seeder, folder, "one.mkv", NULL);
    rig_start(&rig, SLOTS);
    struct ltc_add add = {
        .v1_hash = ltc_info_get(info)->v1_hash, .peers = &seeder.addr, .n_peers = 1};
    assert_int_equal(rig_add(&rig, &t, &add, NULL, 0), 0);
    assert_true(rig_wait(&rig, is_ready, &t, 20));
    assert_false(rig_wait_piece(&t, 0, 0.3));
    pthread_mutex_lock(&rig.lock);
    assert_int_equal(t.joined, t.left);
    assert_int_equal(rig.blocks_in, 0);
    pthread_mutex_unlock(&rig.lock);
    rig_leave(&t);
    rig_end(&rig);
    rig_seed_end(&seeder);
    ltc_info_unref(info);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_works),
        cmocka_unit_test(v2_works),
        cmocka_unit_test(hybrid_works),
        cmocka_unit_test(v1_magnet_works),
        cmocka_unit_test(v2_magnet_works_and_learns_its_layers),
        cmocka_unit_test(hybrid_magnet_works),
        cmocka_unit_test(a_magnet_without_peers_can_be_removed),
        cmocka_unit_test(metadata_that_the_caller_refuses_stops_the_torrent),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
