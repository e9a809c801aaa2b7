/* SPDX-License-Identifier: MIT
 *
 * One torrent in the network thread: ready, stopped, swept, detached. */
#include "lt-c/swarm.hpp"

#include <utility>

#include <libtorrent/download_priority.hpp>
#include <libtorrent/torrent_info.hpp>

#include "lt-c/convert.hpp"
#include "lt-c/info.hpp"
#include "lt-c/session.hpp"

namespace lt = libtorrent;

ltc_torrent::~ltc_torrent()
{
    ltc_info_unref(info);
}

/* It cannot be used. The caller is told, and libtorrent's torrent pauses. */
void ltc_torrent::stop_for(char const *why) noexcept
{
    session.tell(LTC_EVENT_TORRENT_ERROR, user, why);
    pause_due = true;
    session.sweep_soon();
}

void ltc_torrent::let_pick(std::uint32_t anchor) noexcept
{
    ltc_info_view const &v = *ltc_info_get(info);
    ltc_error err{};
    int const rc = ltc::guard(&err, [&] {
        picks.begin(v.n_pieces, anchor, v.piece_length / LTC_BLOCK);
        return 0;
    });
    if (rc < 0)
        stop_for(err.text);
}

void ltc_torrent::metadata_ready() noexcept
{
    if (detached || is_ready)
        return;
    bool const from_peers = info == nullptr;
    if (from_peers) {
        ltc_error err{};
        int const rc = ltc::guard(&err, [&] {
            auto const ti = own_handle.torrent_file();
            if (!ti)
                return ltc::refuse(&err, -EBADMSG, "libtorrent lost the metadata");
            return ltc::info_from_section(&info, ti->info_section(), &err);
        });
        if (rc < 0) {
            stop_for(err.text);
            return;
        }
    }
    is_ready = true;
    std::int64_t const anchor = session.hooks->ready(user, info);
    if (anchor >= 0 && anchor < std::int64_t(ltc_info_get(info)->n_pieces)) {
        if (session.picks)
            let_pick(std::uint32_t(anchor));
        ltc::quietly(
            [&] { own_handle.piece_priority(lt::piece_index_t(int(anchor)), lt::low_priority); });
        resume_due = !from_peers; /* a magnet runs already */
    } else {
        pause_due = true;
    }
    session.sweep_soon();
}

void ltc_torrent::stop() noexcept
{
    if (!detached && is_ready && (!stopped || withheld > 0)) {
        stopped = true;
        session.hooks->stop(user);
    }
    stopped = true;
    picks.release(session.answers);
    /* What the hook did not give back would keep libtorrent waiting for ever. */
    session.answers.forget(this);
}

void ltc_torrent::drop_peer(ltc_peer *p) noexcept
{
    p->forget();
    for (auto &each : peers) {
        if (each.get() == p) {
            /* Destroyed when the array is whole again. */
            auto const keep = std::move(each);
            each = std::move(peers.back());
            peers.pop_back();
            return;
        }
    }
}

void ltc_torrent::sweep() noexcept
{
    if (std::exchange(pause_due, false)) {
        resume_due = false;
        ltc::quietly([&] { own_handle.pause(); });
    }
    if (std::exchange(resume_due, false))
        ltc::quietly([&] { own_handle.resume(); });
    if (is_ready)
        may_ask = true;
    /* Backwards, as a peer may leave the array while it is swept. */
    for (std::size_t i = peers.size(); i-- > 0;) {
        if (i >= peers.size())
            continue;
        auto const p = peers[i];
        p->sweep();
    }
}

void ltc_torrent::detach() noexcept
{
    if (detached)
        return;
    bool const silent = stillborn.load();
    if (!silent)
        stop();
    detached = true;
    while (!peers.empty()) {
        auto const p = std::move(peers.back());
        peers.pop_back();
        p->forget();
        p->leave();
    }
    session.answers.forget(this);
    if (!silent)
        session.hooks->removed(user);
}

namespace ltc
{

std::shared_ptr<lt::peer_plugin> swarm::new_connection(lt::peer_connection_handle const &connection)
{
    ltc_torrent &t = *torrent_;
    if (t.detached)
        return nullptr;
    auto p = std::make_shared<ltc_peer>(connection, torrent_);
    t.peers.push_back(p);
    bool const bittorrent = connection.type() == lt::connection_type::bittorrent;
    if (!bittorrent || !p->begin())
        p->doom(); /* not here: libtorrent is in the middle of making it */
    return p;
}

void swarm::on_files_checked()
{
    torrent_->metadata_ready();
}

void swarm::tick()
{
    if (torrent_->detached)
        return;
    /* Connections that ended without a word are found by a sweep. */
    for (auto const &p : torrent_->peers) {
        if (p->gone())
            torrent_->session.sweep_soon();
    }
    if (torrent_->session.pulse.timer_failed())
        torrent_->session.pulse.wake();
}

} // namespace ltc
