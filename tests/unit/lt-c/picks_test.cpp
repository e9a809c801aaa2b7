/* SPDX-License-Identifier: MIT
 *
 * Wishes as priorities of libtorrent's own picker, and what becomes of them while
 * memory is short. This program's operator new fails when a test says so: in the
 * test's own thread, or in libtorrent's for one size that nothing else has there. */
#include "lt-c/picks.hpp"

#include <atomic>
#include <climits>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/create_torrent.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/torrent_info.hpp>

#include "rig.h"

namespace lt = libtorrent;

namespace
{

thread_local bool is_test = false; /* its own thread */
thread_local bool starved = false;
std::atomic<std::size_t> refused_size{0}; /* once, to other threads */

} // namespace

/* Not inlined: the compiler would see malloc meet delete, and free meet new. */
[[gnu::noinline]] void *operator new(std::size_t size)
{
    std::size_t expected = size;
    void *p = nullptr;
    bool const refused = !is_test && refused_size.compare_exchange_strong(expected, 0);
    if (!starved && !refused)
        p = std::malloc(size ? size : 1);
    if (!p)
        throw std::bad_alloc();
    return p;
}

[[gnu::noinline]] void operator delete(void *p) noexcept
{
    std::free(p);
}

[[gnu::noinline]] void operator delete(void *p, std::size_t) noexcept
{
    std::free(p);
}

namespace
{

constexpr std::uint32_t n_pieces = 40;
constexpr std::uint32_t anchor = n_pieces - 1;
constexpr std::uint32_t anchor_blocks = 2;

lt::session quiet_session()
{
    lt::settings_pack p;
    p.set_str(lt::settings_pack::listen_interfaces, "");
    p.set_bool(lt::settings_pack::enable_dht, false);
    p.set_bool(lt::settings_pack::enable_lsd, false);
    p.set_bool(lt::settings_pack::enable_upnp, false);
    p.set_bool(lt::settings_pack::enable_natpmp, false);
    return lt::session(lt::session_params(std::move(p)));
}

/* A torrent in libtorrent that wants its anchor alone, and the wishes for it. */
struct scene {
    lt::session session = quiet_session();
    lt::torrent_handle torrent;
    ltc::picks picks;
    ltc::answers answers{8};

    scene()
    {
        lt::file_storage files;
        files.add_file("film", std::int64_t(n_pieces) * anchor_blocks * LTC_BLOCK);
        lt::create_torrent made(files, anchor_blocks * int(LTC_BLOCK), lt::create_torrent::v1_only);
        for (auto const i : files.piece_range())
            made.set_hash(i, lt::sha1_hash("01234567890123456789"));
        lt::add_torrent_params p;
        p.ti = std::make_shared<lt::torrent_info>(made.generate());
        p.flags = lt::torrent_flags::paused | lt::torrent_flags::default_dont_download;
        p.save_path = "/nonexistent";
        torrent = session.add_torrent(std::move(p));
        picks.begin(n_pieces, anchor, anchor_blocks);
        torrent.piece_priority(lt::piece_index_t(int(anchor)), lt::low_priority);
    }

    void want(std::vector<std::uint32_t> const &pieces, std::size_t awaited)
    {
        picks.want(pieces.data(), pieces.size(), awaited);
    }

    bool apply()
    {
        return picks.apply(torrent, answers);
    }

    int priority(std::uint32_t piece) const
    {
        return static_cast<std::uint8_t>(
            torrent.piece_priority(lt::piece_index_t(static_cast<int>(piece))));
    }

    /* All others: for nobody. */
    void expect(std::vector<std::pair<std::uint32_t, int>> const &some) const
    {
        std::vector<int> all(n_pieces, 0);
        for (auto const &each : some)
            all[each.first] = each.second;
        for (std::uint32_t p = 0; p < n_pieces; ++p)
            assert_int_equal(priority(p), all[p]);
    }
};

void what_is_awaited_comes_first_and_what_is_wanted_no_more_goes(void **)
{
    scene s;
    s.want({3, 4, 5}, 1);
    assert_true(s.apply());
    s.expect({{3, 7}, {4, 4}, {5, 4}});
    s.want({4, 9}, 2);
    assert_true(s.apply());
    s.expect({{4, 7}, {9, 7}});
}

void with_nothing_wanted_the_anchor_is(void **)
{
    scene s;
    s.want({3}, 0);
    assert_true(s.apply());
    s.expect({{3, 4}});
    s.want({}, 0);
    assert_true(s.apply());
    s.expect({{anchor, 1}});
}

void the_last_wish_counts_if_none_was_told_in_between(void **)
{
    scene s;
    s.want({1, 2}, 2);
    s.want({2, 7}, 0);
    assert_true(s.apply());
    s.expect({{2, 4}, {7, 4}});
}

/* Nobody repeats a wish: the reader waits. */
void a_wish_that_comes_while_memory_is_short_is_told_when_it_can_be(void **)
{
    scene s;
    std::vector<std::uint32_t> const many = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    starved = true;
    s.want(many, 1);
    bool const told = s.apply();
    starved = false;
    assert_false(told);
    assert_true(s.apply());
    assert_int_equal(s.priority(3), 7);
    assert_int_equal(s.priority(12), 4);
    assert_int_equal(s.priority(anchor), 0);
}

void writes_of_the_anchor_are_held_until_somebody_wants_it(void **)
{
    scene s;
    int answered = 0;
    for (std::uint32_t i = 0; i < anchor_blocks; ++i) {
        ltc::write_fn f = [&](lt::storage_error const &) { ++answered; };
        assert_true(s.picks.withhold(anchor, f));
    }
    s.answers.flush();
    assert_int_equal(answered, 0);
    s.want({anchor}, 1);
    assert_true(s.apply());
    s.answers.flush();
    assert_int_equal(answered, anchor_blocks);
    ltc::write_fn f = [](lt::storage_error const &) {};
    assert_false(s.picks.withhold(anchor, f)); /* it is the caller's now */
}

/* ---- in a session ---- */

constexpr std::uint32_t odd = 12347; /* pieces: so many bytes nobody else asks for then */

/* The least that a caller is. What follows `ready` finds no memory for the wishes. */
ltc_hooks idle_hooks()
{
    ltc_hooks h{};
    h.work = [](void *) { return std::int64_t(INT64_MAX); };
    h.ready = [](void *, ltc_info *) {
        refused_size.store(odd);
        return std::int64_t(odd - 1);
    };
    h.stop = h.removed = [](void *) {};
    return h;
}

/* What stops the torrent. */
ltc_event wait_for_error(ltc_session *s)
{
    ltc_event e{};
    for (int i = 0; i < 200 && e.kind != LTC_EVENT_TORRENT_ERROR; ++i)
        ltc_wait_events(s, &e, 1, 100);
    return e;
}

/* Without them it would want nothing for ever, and a reader wait as long. */
void a_torrent_without_memory_for_its_wishes_is_stopped_with_a_word(void **)
{
    char *folder = rig_folder();
    rig_file(folder, "film.mkv", std::size_t(odd) * LTC_BLOCK, 1);
    ltc_info *info = rig_torrent(folder, "film.mkv", "v1", LTC_BLOCK);
    assert_int_equal(ltc_info_get(info)->n_pieces, odd);
    ltc_hooks const hooks = idle_hooks();
    ltc_settings settings{};
    settings.listen = "127.0.0.1:0";
    settings.user_agent = "test";
    settings.peer_id_prefix = "-LG0000-";
    settings.slots = 8;
    settings.max_peers = 8;
    settings.libtorrent_picks = true;
    ltc_session *session = nullptr;
    ltc_torrent *torrent = nullptr;
    ltc_add add{};
    add.info = info;
    char user;
    assert_int_equal(ltc_session_new(&session, &settings, &hooks, nullptr, nullptr), 0);
    assert_int_equal(ltc_torrent_add(session, &torrent, &add, &user, nullptr), 0);
    ltc_event const e = wait_for_error(session);
    assert_int_equal(refused_size.load(), 0);
    assert_int_equal(e.kind, LTC_EVENT_TORRENT_ERROR);
    assert_ptr_equal(e.torrent, &user);
    assert_string_equal(e.text, "out of memory");
    ltc_session_free(session);
    ltc_info_unref(info);
    rig_remove(folder);
}

} // namespace

int main()
{
    is_test = true;
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_is_awaited_comes_first_and_what_is_wanted_no_more_goes),
        cmocka_unit_test(with_nothing_wanted_the_anchor_is),
        cmocka_unit_test(the_last_wish_counts_if_none_was_told_in_between),
        cmocka_unit_test(a_wish_that_comes_while_memory_is_short_is_told_when_it_can_be),
        cmocka_unit_test(writes_of_the_anchor_are_held_until_somebody_wants_it),
        cmocka_unit_test(a_torrent_without_memory_for_its_wishes_is_stopped_with_a_word),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
