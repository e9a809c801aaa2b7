/* SPDX-License-Identifier: MIT
 *
 * Adding, removing and looking after torrents, from the pump. */
#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/extensions/ut_pex.hpp>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/torrent_flags.hpp>

#include "lt-c/convert.hpp"
#include "lt-c/exchange.hpp"
#include "lt-c/info.hpp"
#include "lt-c/session.hpp"

namespace lt = libtorrent;

namespace
{

void name_it(lt::add_torrent_params &p, ltc_add const &add)
{
    if (add.info) {
        p.ti = ltc::info_for_libtorrent(add.info);
        for (auto &t : ltc::trackers_of(add.info)) {
            p.trackers.push_back(std::move(t.url));
            p.tracker_tiers.push_back(t.tier);
        }
        return;
    }
    if (add.v1_hash)
        std::memcpy(p.info_hashes.v1.data(), add.v1_hash, 20);
    if (add.v2_hash)
        std::memcpy(p.info_hashes.v2.data(), add.v2_hash, 32);
    if (add.name)
        p.name = add.name;
    for (std::size_t i = 0; i < add.n_trackers; ++i)
        p.trackers.emplace_back(add.trackers[i]);
}

lt::add_torrent_params params_of(ltc_add const &add, std::shared_ptr<ltc_torrent> const &t,
                                 ltc_session const &s)
{
    bool const pex = s.pex;
    namespace f = lt::torrent_flags;
    lt::add_torrent_params p;
    name_it(p, add);
    /* Paused: peers that are given are dialled by resume() at once, but by
     * libtorrent's tick only if it was added running. */
    p.flags = f::paused | f::default_dont_download | f::duplicate_is_error;
    if (s.picks)
        p.flags |= f::sequential_download;
    if (!pex)
        p.flags |= f::disable_pex;
    p.save_path = "/nonexistent"; /* never used: see disk.cpp */
    for (std::size_t i = 0; i < add.n_peers; ++i) {
        lt::tcp::endpoint peer;
        if (ltc::to_endpoint(peer, add.peers[i]))
            p.peers.push_back(peer);
    }
    p.extensions.push_back([t](lt::torrent_handle const &h, lt::client_data_t) {
        bool const known = t->info != nullptr;
        auto x = std::make_shared<ltc::metadata_exchange>(h, t->session.verdict, known);
        return std::shared_ptr<lt::torrent_plugin>(std::move(x));
    });
    if (pex)
        p.extensions.push_back(&lt::create_ut_pex_plugin);
    p.extensions.push_back([t](lt::torrent_handle const &h, lt::client_data_t) {
        auto plugin = std::make_shared<ltc::swarm>(t);
        t->own_handle = h;
        t->session.adopt(t);
        return std::shared_ptr<lt::torrent_plugin>(std::move(plugin));
    });
    return p;
}

int add_torrent(ltc_session *s, ltc_torrent **out, ltc_add const &add, void *user, ltc_error *err)
{
    if (!add.info && !add.v1_hash && !add.v2_hash)
        return ltc::refuse(err, -EINVAL, "neither metadata nor a hash");
    if (s->aborting.load())
        return ltc::refuse(err, -EINVAL, "the session ends"); /* nobody would answer */
    auto const t = std::make_shared<ltc_torrent>(*s, user);
    if (add.info)
        t->info = ltc_info_ref(add.info);
    s->known.reserve(s->known.size() + 1);
    lt::error_code ec;
    try {
        t->handle = s->session->add_torrent(params_of(add, t, *s), ec);
    } catch (...) {
        t->stillborn.store(true);
        t->leaving.store(true);
        s->sweep_soon();
        throw;
    }
    if (ec) {
        bool const twice = ec == lt::errors::duplicate_torrent;
        return ltc::refuse(err, twice ? -EEXIST : -EINVAL, ec.message().c_str());
    }
    s->known.push_back(t);
    if (!add.info)
        t->handle.resume(); /* with metadata: when its files are "checked" */
    *out = t.get();
    return 0;
}

} // namespace

extern "C" {

int ltc_torrent_add(ltc_session *s, ltc_torrent **out, ltc_add const *add, void *torrent,
                    ltc_error *err)
{
    return ltc::guard(err, [&] { return add_torrent(s, out, *add, torrent, err); });
}

void ltc_torrent_remove(ltc_torrent *t)
{
    ltc_session *const s = &t->session;
    auto const at = std::find_if(s->known.begin(), s->known.end(),
                                 [&](auto const &k) { return k.get() == t; });
    if (at == s->known.end())
        return;
    auto const keep = std::move(*at);
    s->known.erase(at);
    /* First libtorrent, then we: its torrent is gone when ours says so. */
    ltc::quietly([&] { s->session->remove_torrent(t->handle); });
    t->leaving.store(true, std::memory_order_release);
    s->sweep_soon();
}

int ltc_torrent_add_peer(ltc_torrent *t, sockaddr_storage const *sa)
{
    return ltc::guard(nullptr, [&] {
        lt::tcp::endpoint peer;
        if (!ltc::to_endpoint(peer, *sa))
            return -EINVAL;
        /* As if a tracker had named it: only then is it forgiven its failures. */
        t->handle.connect_peer(peer, lt::peer_info::tracker);
        return 0;
    });
}

int ltc_torrent_go_on(ltc_torrent *t)
{
    return ltc::guard(nullptr, [&] {
        t->handle.clear_error();
        t->handle.resume(); /* the error has paused it */
        return 0;
    });
}

void ltc_torrent_want(ltc_torrent *t, uint32_t const *pieces, size_t n, size_t awaited)
{
    t->picks.want(pieces, n, awaited);
    t->session.pulse.wake(); /* done at the end of this beat, or of the next one */
}

int ltc_torrent_fetch_layers(ltc_torrent *t, ltc_info *info)
{
    return ltc::guard(nullptr, [&] {
        if (ltc::info_has_layers(info))
            return 1;
        if (t->session.aborting.load())
            return 0;
        return ltc::info_take_layers(info, t->handle.piece_layers()) ? 1 : 0;
    });
}

} // extern "C"
