/* SPDX-License-Identifier: MIT
 *
 * The fake tells each misuse of lt-c.h, so that a test that ends without a
 * violation proves something. */
#include "rig.h"

#include <pthread.h>
#include <string.h>

#define HEAD "fake-torrent 1\npiece 32768\nfile film 1000000\n"

static void expect(const char *words)
{
    const char *said = fake_lt_violation();
    if (!said || !strstr(said, words))
        fail_msg("wanted \"%s\", was told \"%s\"", words, said ? said : "nothing");
}

/* Let `what` run once in work, when there are peers that unchoked us. */
static void try_in_work(struct rig *r, void (*what)(struct rig *), const char *words)
{
    r->most_requests = 0; /* the rig itself asks nothing */
    rig_open(r, HEAD "peer cap=3 have=0-9 choke_every_ms=1000 choke_for_ms=5000\n");
    fake_lt_settle(r->session);
    assert_null(fake_lt_violation());
    r->in_work = what;
    ltc_wake(r->session);
    fake_lt_settle(r->session);
    expect(words);
    rig_close_after_misuse(r);
}

static void once(struct rig *r)
{
    r->in_work = NULL;
}

static void slot_out_of_range(void **state)
{
    struct rig *r = *state;
    r->wrong_slot = true;
    r->keep_slots = true;
    rig_open(r, HEAD "peer have=0\n");
    fake_lt_settle(r->session);
    expect("under slot 256 of 256");
    rig_close_after_misuse(r);
}

static void ask_too_much(struct rig *r)
{
    once(r);
    for (uint32_t k = 0; k < 4; k++)
        ltc_peer_request(r->peers[0].lt, k / 2, k % 2, LTC_BLOCK);
}

static void requests_beyond_the_cap(void **state)
{
    try_in_work(*state, ask_too_much, "beyond the number that it accepts");
}

static void ask_what_it_lacks(struct rig *r)
{
    once(r);
    ltc_peer_request(r->peers[0].lt, 10, 0, LTC_BLOCK);
}

static void request_of_a_piece_that_it_lacks(void **state)
{
    try_in_work(*state, ask_what_it_lacks, "of a piece that it does not have");
}

static void ask_wrong_length(struct rig *r)
{
    once(r);
    ltc_peer_request(r->peers[0].lt, 0, 0, LTC_BLOCK - 1);
}

static void request_with_a_wrong_length(void **state)
{
    try_in_work(*state, ask_wrong_length, "with the wrong length");
}

static void ask_nowhere(struct rig *r)
{
    once(r);
    ltc_peer_request(r->peers[0].lt, 0, 2, LTC_BLOCK);
}

static void request_of_no_block(void **state)
{
    try_in_work(*state, ask_nowhere, "of a block that does not exist");
}

static void ask_twice(struct rig *r)
{
    once(r);
    ltc_peer_request(r->peers[0].lt, 0, 0, LTC_BLOCK);
    ltc_peer_request(r->peers[0].lt, 0, 0, LTC_BLOCK);
}

static void request_twice(void **state)
{
    try_in_work(*state, ask_twice, "that it was asked for already");
}

static void ask_without_flush(struct rig *r)
{
    once(r);
    ltc_peer_request(r->peers[0].lt, 0, 0, LTC_BLOCK);
    r->peers[0].lt = NULL; /* the rig will not flush it */
}

static void request_without_a_flush(void **state)
{
    try_in_work(*state, ask_without_flush, "not flushed");
}

static void give_back_nothing(struct rig *r)
{
    once(r);
    ltc_write_done(r->session, 5);
}

static void write_done_of_a_free_slot(void **state)
{
    try_in_work(*state, give_back_nothing, "slot 5, which is not withheld");
}

static void ask_for_events(struct rig *r)
{
    once(r);
    ltc_set_limits(r->session, &(struct ltc_limits){.max_peers = 1});
}

static void pump_functions_on_the_network_thread(void **state)
{
    try_in_work(*state, ask_for_events, "ltc_set_limits() was called on the network thread");
}

static ltc_peer *gone;

static void remember_and_drop(struct rig *r)
{
    once(r);
    gone = r->peers[0].lt;
}

static void ask_the_gone(struct rig *r)
{
    once(r);
    ltc_peer_request(gone, 0, 0, LTC_BLOCK);
}

static void request_to_a_peer_that_left(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer\n");
    rig_download(r, RIG_SECOND);
    r->in_work = remember_and_drop;
    ltc_wake(r->session);
    fake_lt_settle(r->session);
    fake_lt_peer_drop(r->session, 0, 0);
    fake_lt_settle(r->session);
    r->in_work = ask_the_gone;
    ltc_wake(r->session);
    fake_lt_settle(r->session);
    expect("to peer 0, which has left");
    rig_close_after_misuse(r);
}

static void request_while_choked(void **state)
{
    struct rig *r = *state;
    r->most_requests = 0;
    rig_open(r, HEAD "peer unchoke_ms=-1\n");
    fake_lt_settle(r->session);
    r->in_work = ask_wrong_length;
    ltc_wake(r->session);
    fake_lt_settle(r->session);
    expect("with the wrong length");
    fake_lt_reset();
    r->in_work = ask_without_flush;
    ltc_wake(r->session);
    fake_lt_settle(r->session);
    expect("while it chokes us");
    rig_close_after_misuse(r);
}

static void net_functions_off_the_network_thread(void **state)
{
    struct rig *r = *state;
    rig_open(r, HEAD "peer\n");
    rig_download(r, RIG_SECOND);
    ltc_write_done(r->session, 0);
    expect("ltc_write_done() was called off the network thread");
    rig_close_after_misuse(r);
    assert_int_equal(fake_lt_violations(), 1);
}

static void a_stop_that_leaves_writes_withheld(void **state)
{
    struct rig *r = *state;
    r->keep_slots = true;
    rig_open(r, HEAD "peer\n");
    rig_download(r, RIG_SECOND);
    rig_close_after_misuse(r);
    expect("stop left 62 writes withheld");
}

static void *wait_elsewhere(void *rig)
{
    struct rig *r = rig;
    struct ltc_event e;
    ltc_wait_events(r->session, &e, 1, 0);
    return NULL;
}

static void a_second_pump_thread(void **state)
{
    struct rig *r = *state;
    pthread_t other;
    rig_open(r, HEAD);
    assert_int_equal(pthread_create(&other, NULL, wait_elsewhere, r), 0);
    pthread_join(other, NULL);
    expect("second pump thread");
    rig_close_after_misuse(r);
}

static void work_that_never_rests(void **state)
{
    struct rig *r = *state;
    rig_session(r);
    fake_lt_settle(r->session);
    assert_null(fake_lt_violation());
    r->busy = true;
    ltc_wake(r->session);
    fake_lt_settle(r->session);
    expect("in a row");
    rig_close_after_misuse(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(slot_out_of_range),
        T(requests_beyond_the_cap),
        T(request_of_a_piece_that_it_lacks),
        T(request_with_a_wrong_length),
        T(request_of_no_block),
        T(request_twice),
        T(request_without_a_flush),
        T(write_done_of_a_free_slot),
        T(pump_functions_on_the_network_thread),
        T(request_to_a_peer_that_left),
        T(request_while_choked),
        T(net_functions_off_the_network_thread),
        T(a_stop_that_leaves_writes_withheld),
        T(a_second_pump_thread),
        T(work_that_never_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
