/* SPDX-License-Identifier: MIT
 *
 * Swarms that are hostile, and swarms and readers that do anything at all. What
 * holds whatever happens: bytes that are given are right, every read ends, and
 * at the end nothing is lent out and nothing is misused. GOS_SEED repeats a run. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KIB 1024u
#define MIB (1024u * 1024u)

/* ---- one liar that is asked nothing ---- */

/* It sends a wrong block of the piece all the time, before the honest peer can. */
static void a_liar_that_sends_unasked_cannot_keep_a_piece_from_us(void **state)
{
    struct rig r;
    struct rig_read rr;
    (void)state;
    rig_open(&r, 16 * MIB,
             rig_script(64 * KIB, MIB,
                        "peer latency_ms=40\n"
                        "peer have=none corrupt=0 corrupt_block=3\n"));
    assert_int_equal(rig_start(&rr, r.file, 0, 64 * KIB, false, 0), 0);
    for (int i = 0; i < 1000 && !rig_is_done(&rr); i++) {
        fake_lt_peer_send(r.lt, 0, 1, 0, 3);
        fake_lt_advance(r.lt, 10 * RIG_MS);
        fake_lt_settle(r.lt);
    }
    rig_finish(&r, &rr, RIG_SECOND);
    rig_check(&rr);
    rig_free(&rr);
    assert_in_range(rig_stats(&r).failed_pieces, 1, 2); /* not one each time */
    assert_int_equal(rig_stats(&r).banned_peers, 1);
    rig_close(&r);
}

/* ---- storms ---- */

#define ROUNDS_MAX 200
#define REAL_NS (4 * RIG_SECOND)
#define READERS 12
#define STEPS 150
#define SIZE (6 * MIB)

static unsigned seed;

static unsigned below(unsigned n)
{
    return (unsigned)rand_r(&seed) % n;
}

static int pick(const int *from, unsigned n)
{
    return from[below(n)];
}
#define PICK(...) pick((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static const char *random_peers(void)
{
    static char text[2048];
    size_t n = 0;
    for (unsigned i = 1 + below(5); i > 0; i--)
        n += (size_t)snprintf(
            text + n, sizeof text - n,
            "peer latency_ms=%d rate=%d real_cap=%d fast=%d choke_every_ms=%d corrupt_ppm=%d "
            "corrupt_times=%d stall_after=%d disconnect_after=%d reconnect_ms=%d "
            "ignores_cancel=%d dup=%d unasked_ms=%d have_spam_ms=%d unchoke_ms=%d\n",
            PICK(0, 5, 50, 900), PICK(0, 0, 200000, 3000000), PICK(-1, -1, 0, 1, 9), PICK(0, 1),
            PICK(-1, -1, 30, 500), PICK(0, 0, 5000, 300000), PICK(-1, 3), PICK(-1, -1, 0, 40),
            PICK(-1, -1, 7, 90), PICK(10, 300), PICK(0, 1), PICK(0, 0, 1), PICK(-1, 20, 200),
            PICK(-1, -1, 3), PICK(0, 0, 60, -1));
    return text;
}

static void start_somewhere(struct rig *r, struct rig_read *rr)
{
    size_t len = 1 + below(below(2) ? 200 * KIB : 300);
    uint64_t off = below(SIZE - (unsigned)len);
    (void)rig_start(rr, r->file, off, len, below(2), PICK(0, 1, 60) * RIG_SECOND);
}

static void end_one(struct rig_read *rr)
{
    rig_wait(rr);
    if (rr->result >= 0)
        rig_check(rr);
    rig_free(rr);
}

static void disturb(struct rig *r)
{
    static const char *const attributes[] = {"stall_after=0", "stall_after=-1", "corrupt_ppm=0",
                                             "corrupt_ppm=500000", "latency_ms=2000"};
    int peer = (int)below(5);
    switch (below(6)) {
    case 0:
        fake_lt_peer_choke(r->lt, 0, peer, below(2));
        break;
    case 1:
        fake_lt_peer_drop(r->lt, 0, peer);
        break;
    case 2:
        fake_lt_peer_set(r->lt, 0, peer, attributes[below(5)]);
        break;
    case 3:
        fake_lt_peer_add(r->lt, 0, "latency_ms=10 n=1");
        break;
    case 4:
        gos_source_advise(r->file, below(SIZE), below(MIB),
                          below(2) ? GOS_ADVICE_WILLNEED : GOS_ADVICE_DONTNEED);
        break;
    default:
        fake_lt_peer_send(r->lt, 0, peer, below(24), below(4));
    }
}

static void one_storm(void)
{
    struct rig r;
    struct rig_read reader[READERS];
    bool busy[READERS] = {false};
    uint32_t piece = (uint32_t)PICK(16, 64, 256) * KIB;
    rig_open(&r, 5 * MIB, rig_script(piece, SIZE, random_peers()));
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = below(READERS);
        if (busy[i] && (rig_is_done(&reader[i]) || below(8) == 0)) {
            gos_read_cancel(&reader[i].read);
            end_one(&reader[i]);
            busy[i] = false;
        } else if (!busy[i]) {
            start_somewhere(&r, &reader[i]);
            busy[i] = true;
        }
        if (below(3) == 0)
            disturb(&r);
        fake_lt_advance(r.lt, PICK(0, 1, 20, 700) * RIG_MS);
    }
    bool by_close = below(2);
    for (unsigned i = 0; i < READERS; i++) {
        if (busy[i] && !by_close)
            gos_read_cancel(&reader[i].read);
        if (busy[i] && !by_close)
            end_one(&reader[i]);
    }
    if (by_close) { /* with readers waiting */
        assert_int_equal(gos_session_close(r.session, 20 * RIG_SECOND), 0);
        for (unsigned i = 0; i < READERS; i++)
            if (busy[i])
                end_one(&reader[i]);
        gos_source_unref(r.file);
        gos_torrent_unref(r.torrent);
        if (fake_lt_violation())
            fail_msg("%s", fake_lt_violation());
        return;
    }
    struct gos_session_stats st = {.struct_size = sizeof st};
    assert_int_equal(gos_session_get_stats(r.session, &st), 0);
    assert_int_equal(st.borrowed, 0);
    assert_int_equal(st.waiting_reads, 0);
    rig_close(&r);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * RIG_SECOND + t.tv_nsec;
}

static void storms_pass_and_leave_nothing_behind(void **state)
{
    (void)state;
    const char *given = getenv("GOS_SEED");
    unsigned first = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    int64_t end = now_ns() + REAL_NS;
    for (unsigned i = 0; i < ROUNDS_MAX && (i == 0 || (!given && now_ns() < end)); i++) {
        seed = first + i;
        print_message("GOS_SEED=%u\n", seed);
        one_storm();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_liar_that_sends_unasked_cannot_keep_a_piece_from_us),
        cmocka_unit_test(storms_pass_and_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
