/* SPDX-License-Identifier: MIT
 *
 * A magnet whose first peer sends metadata of the wrong hash. The peer is a thread
 * of the test that speaks just enough of BEP 3, 9 and 10. */
#include <arpa/inet.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

#define PIECE 65536u
#define SLOTS 256
#define EXTENDED 20

struct liar {
    struct sockaddr_storage addr;
    pthread_t thread;
    int listening;
    uint8_t hash[20];
    char metadata[100];
};

static bool take(int fd, void *to, size_t n)
{
    return recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

static void put_extended(int fd, uint8_t number, const char *text, size_t text_len,
                         const char *data, size_t len)
{
    uint8_t message[1024];
    uint32_t size = htonl((uint32_t)(2 + text_len + len));
    assert_true(6 + text_len + len <= sizeof message);
    memcpy(message, &size, 4);
    message[4] = EXTENDED;
    message[5] = number;
    memcpy(message + 6, text, text_len);
    memcpy(message + 6 + text_len, data, len);
    (void)!send(fd, message, 6 + text_len + len, MSG_NOSIGNAL);
}

static bool greet(int fd, const uint8_t *hash)
{
    uint8_t greeting[68];
    if (!take(fd, greeting, sizeof greeting))
        return false;
    memset(greeting + 20, 0, 8);
    greeting[25] = 0x10;
    memcpy(greeting + 28, hash, 20);
    memcpy(greeting + 48, "-XX0000-a liar's nam", 20);
    return send(fd, greeting, sizeof greeting, MSG_NOSIGNAL) == sizeof greeting;
}

/* The number of this protocol on the other side. */
static uint8_t number_in(const char *handshake)
{
    const char *at = strstr(handshake, "ut_metadatai");
    return at ? (uint8_t)atoi(at + strlen("ut_metadatai")) : 0;
}

static void talk(const struct liar *l, int fd)
{
    char text[4096], head[100];
    size_t len = sizeof l->metadata;
    uint8_t theirs = 0;
    if (!greet(fd, l->hash))
        return;
    int n = snprintf(head, sizeof head, "d1:md11:ut_metadatai3ee13:metadata_sizei%zuee", len);
    put_extended(fd, 0, head, (size_t)n, "", 0);
    for (;;) {
        uint32_t size;
        if (!take(fd, &size, 4))
            return;
        size = ntohl(size);
        if (size >= sizeof text || !take(fd, text, size))
            return;
        text[size] = '\0';
        if (size < 2 || text[0] != EXTENDED)
            continue;
        if (text[1] == 0) {
            theirs = number_in(text + 2);
        } else if (text[1] == 3) {
            n = snprintf(head, sizeof head, "d8:msg_typei1e5:piecei0e10:total_sizei%zuee", len);
            put_extended(fd, theirs, head, (size_t)n, l->metadata, len);
        }
    }
}

static void *run(void *arg)
{
    struct liar *l = arg;
    for (;;) {
        int fd = accept(l->listening, NULL, NULL);
        if (fd < 0)
            return NULL;
        talk(l, fd);
        close(fd);
    }
}

static void liar_begin(struct liar *l, const uint8_t *hash)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof l->addr;
    memset(l, 0, sizeof *l);
    memcpy(l->hash, hash, 20);
    memset(l->metadata, 'x', sizeof l->metadata);
    l->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(l->listening >= 0);
    assert_int_equal(bind(l->listening, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(l->listening, 8), 0);
    assert_int_equal(getsockname(l->listening, (struct sockaddr *)&l->addr, &len), 0);
    assert_int_equal(pthread_create(&l->thread, NULL, run, l), 0);
}

/* When the session, and so each connection, has ended. */
static void liar_end(struct liar *l)
{
    shutdown(l->listening, SHUT_RDWR);
    pthread_join(l->thread, NULL);
    close(l->listening);
}

static bool has_failed(void *arg)
{
    const struct rig *r = arg;
    for (unsigned i = 0; i < r->n_events; i++) {
        if (r->events[i].kind == LTC_EVENT_METADATA_FAILED)
            return true;
    }
    return false;
}

static bool is_ready(void *arg)
{
    return ((struct rig_torrent *)arg)->readies > 0;
}

static void metadata_of_a_wrong_hash_is_told_and_the_next_peer_is_asked(void **state)
{
    char *folder = *state;
    struct rig rig;
    struct seeder seeder;
    struct liar liar;
    struct rig_torrent t = {0};
    char path[PATH_MAX];
    size_t size;
    rig_file(folder, "one.mkv", 200003, 9);
    snprintf(path, sizeof path, "%s/one.mkv", folder);
    uint8_t *expected = rig_read(path, &size);
    ltc_info *info = rig_torrent(folder, "one.mkv", "v1", PIECE);
    const uint8_t *hash = ltc_info_get(info)->v1_hash;
    liar_begin(&liar, hash);
    rig_seed(&seeder, folder, "one.mkv", NULL);
    rig_start(&rig, SLOTS);
    struct ltc_add add = {.v1_hash = hash, .peers = &liar.addr, .n_peers = 1};
    assert_int_equal(rig_add(&rig, &t, &add, expected, 0), 0);
    assert_true(rig_wait(&rig, has_failed, &rig, 20));
    assert_false(is_ready(&t));
    rig_be_pump(&rig);
    assert_int_equal(ltc_torrent_add_peer(t.torrent, &seeder.addr), 0);
    rig_be_pump_no_more(&rig);
    assert_true(rig_wait(&rig, is_ready, &t, 20));
    assert_true(rig_wait_piece(&t, -1, 20));
    rig_leave(&t);
    rig_end(&rig);
    liar_end(&liar);
    rig_seed_end(&seeder);
    free(expected);
    ltc_info_unref(info);
}

static int begin(void **state)
{
    *state = rig_folder();
    return 0;
}

static int finish(void **state)
{
    rig_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(metadata_of_a_wrong_hash_is_told_and_the_next_peer_is_asked,
                                        begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
