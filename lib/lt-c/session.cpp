/* SPDX-License-Identifier: MIT
 *
 * Life and settings of a session, and the beat of its network thread: what the
 * callbacks left to do, the caller's own work, and then the answers. */
#include "lt-c/session.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include <libtorrent/address.hpp>
#include <libtorrent/alert.hpp>
#include <libtorrent/ip_filter.hpp>
#include <libtorrent/peer_class.hpp>
#include <libtorrent/peer_class_type_filter.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/settings_pack.hpp>

#include "lt-c/convert.hpp"
#include "lt-c/disk.hpp"

namespace lt = libtorrent;
using P = lt::settings_pack;

namespace
{

/* What failed for want of memory is tried again then. */
constexpr std::int64_t short_of_memory_ns = 100 * 1000000;

int make_event_fd()
{
    int const fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        throw std::system_error(errno, std::generic_category(), "eventfd");
    return fd;
}

int rate(std::uint64_t bps) noexcept
{
    return bps > INT32_MAX ? INT32_MAX : static_cast<int>(bps);
}

int count(std::uint32_t n) noexcept
{
    return n > INT32_MAX ? INT32_MAX : static_cast<int>(n);
}

/* Those that can be changed while it runs. */
void limit_settings(lt::settings_pack &p, ltc_limits const &l)
{
    p.set_int(P::download_rate_limit, rate(l.download_bps));
    p.set_int(P::connections_limit, count(l.max_peers));
    p.set_bool(P::enable_dht, l.dht);
    p.set_bool(P::enable_lsd, l.lsd);
}

/* Who we are and whom we may meet. */
void network_settings(lt::settings_pack &p, ltc_settings const &s)
{
    p.set_str(P::listen_interfaces, s.listen);
    /* A busy port is said, not silently replaced by another one: who names a
     * port has opened that one in a firewall. */
    p.set_int(P::max_retry_port_bind, 0);
    p.set_bool(P::listen_system_port_fallback, false);
    p.set_str(P::user_agent, s.user_agent);
    p.set_str(P::peer_fingerprint, s.peer_id_prefix);
    limit_settings(p, {s.download_bps, s.max_peers, s.dht, s.lsd});
    p.set_bool(P::enable_upnp, false);
    p.set_bool(P::enable_natpmp, false);
    /* A seeder that speaks TCP only would be tried by uTP first, for seconds. */
    p.set_bool(P::enable_outgoing_utp, false);
    p.set_int(P::mixed_mode_algorithm, P::prefer_tcp);
    p.set_int(P::in_enc_policy, P::pe_enabled);
    p.set_int(P::out_enc_policy, P::pe_enabled);
    p.set_int(P::allowed_enc_level, P::pe_both);
    p.set_bool(P::prefer_rc4, false);
    p.set_bool(P::allow_multiple_connections_per_ip, true);
    p.set_int(P::max_peerlist_size, 1000);
    p.set_int(P::stop_tracker_timeout, 1);
    p.set_int(P::max_metadata_size, int(LTC_MAX_METADATA));
}

/* Find peers soon, keep them, and let the caller decide what to ask. */
void download_settings(lt::settings_pack &p)
{
    p.set_int(P::connection_speed, 100);
    p.set_int(P::torrent_connect_boost, 60);
    p.set_bool(P::smooth_connects, false);
    p.set_int(P::min_reconnect_time, 1);
    p.set_int(P::max_failcount, 6); /* with a second more each time: given up after 21 s */
    p.set_int(P::inactivity_timeout, 3600);
    p.set_int(P::peer_connect_timeout, 5);
    p.set_int(P::handshake_timeout, 5);
    p.set_int(P::request_timeout, 20);
    p.set_int(P::piece_timeout, 10);
    p.set_int(P::request_queue_time, 1);
    p.set_int(P::max_out_request_queue, 250);
    p.set_int(P::whole_pieces_threshold, 0);
    p.set_bool(P::use_parole_mode, false);
    p.set_bool(P::close_redundant_connections, false);
    p.set_bool(P::piece_extent_affinity, false);
    p.set_bool(P::prioritize_partial_pieces, false);
    p.set_int(P::predictive_piece_announce, 0);
    /* Withheld writes count as queued, up to the whole of the caller's memory. */
    p.set_int(P::max_queued_disk_bytes, 1 << 30);
    /* Room for the largest message, of 8192 hashes. It does not bound what is read at
     * once: that is what the system holds, and at most what was asked for. The buffers
     * of sockets stay the system's: a fixed size is capped at 208 KiB by Linux as it
     * comes, 5 MB/s over 40 ms, and lies outside of our memory anyway. */
    p.set_int(P::max_peer_recv_buffer_size, 288 << 10);
    p.set_int(P::send_buffer_watermark, 64 << 10); /* nothing is uploaded */
    p.set_int(P::aio_threads, 1);
    p.set_int(P::hashing_threads, 1);
    auto const mask = lt::alert_category::error | lt::alert_category::status;
    p.set_int(P::alert_mask, int(static_cast<std::uint32_t>(mask)));
    p.set_int(P::alert_queue_size, 2000);
}

/* By default peers on the local network are in a class of their own, without
 * limits. A limit that was asked for holds for everyone. */
void limit_everyone(lt::session &s)
{
    auto const global = 1u << static_cast<std::uint32_t>(lt::session::global_peer_class_id);
    lt::ip_filter all;
    all.add_rule(lt::address_v4::any(), lt::address_v4::broadcast(), global);
    lt::address_v6::bytes_type last;
    last.fill(0xff);
    all.add_rule(lt::address_v6::any(), lt::address_v6(last), global);
    s.set_peer_class_filter(all);
    s.set_peer_class_type_filter(lt::peer_class_type_filter());
}

} // namespace

ltc_session::ltc_session(ltc_settings const &settings, ltc_hooks const *h, void *u)
    : hooks(h), user(u), event_fd(make_event_fd()), pex(settings.pex),
      picks(settings.libtorrent_picks), pulse(&ltc_session::beat_of, this), answers(settings.slots)
{
}

ltc_session::~ltc_session()
{
    abort();
    session.reset();
    proxy.reset(); /* waits for the network thread */
    while (torrents) {
        auto const t = std::move(torrents->self);
        torrents = t->next;
        t->detach();
    }
    close(event_fd);
}

void ltc_session::start(ltc_settings const &settings)
{
    lt::session_params params;
    params.settings = lt::settings_pack();
    network_settings(params.settings, settings);
    download_settings(params.settings);
    params.extensions.clear(); /* each torrent brings its own */
    params.extensions.push_back(std::make_shared<ltc::judge>(verdict));
    params.disk_io_constructor = [this](lt::io_context &ios, lt::settings_interface const &,
                                        lt::counters &) { return ltc::make_disk(*this, ios); };
    session = std::make_unique<lt::session>(std::move(params));
    limit_everyone(*session);
    session->set_alert_notify([this] { notify(); });
}

void ltc_session::abort() noexcept
{
    if (!session || aborting.load())
        return;
    /* First we, then libtorrent: a connection that has writes outstanding when
     * libtorrent ends is waited for until its next tick. */
    aborting.store(true);
    sweep_soon();
    for (auto const &t : known)
        ltc::quietly([&] { session->remove_torrent(t->handle); });
    ltc::quietly([&] { proxy = session->abort(); });
}

void ltc_session::sweep_soon() noexcept
{
    sweep_due.store(true, std::memory_order_release);
    pulse.wake();
}

void ltc_session::beat_of(void *self) noexcept
{
    static_cast<ltc_session *>(self)->beat();
}

void ltc_session::beat() noexcept
{
    if (sweep_due.exchange(false, std::memory_order_acq_rel))
        sweep();
    pulse.at(hooks->work(user));
    if (picks)
        pick();
    nudge();
    answers.flush();
    if (answers.due())
        pulse.wake();
}

void ltc_session::nudge() noexcept
{
    if (heard.empty())
        return;
    std::int64_t const now = ltc_now_ns(this);
    std::int64_t again = INT64_MAX;
    for (std::size_t i = heard.size(); i-- > 0;) {
        std::int64_t const next = heard[i]->nudge(now);
        again = std::min(again, next);
        if (next == INT64_MAX) {
            heard[i] = heard.back();
            heard.pop_back();
        }
    }
    pulse.at(again);
}

void ltc_session::pick() noexcept
{
    for (ltc_torrent *t = torrents; t; t = t->next) {
        if (!t->picks.apply(t->own_handle, answers))
            pulse.at(ltc_now_ns(this) + short_of_memory_ns);
    }
}

void ltc_session::sweep() noexcept
{
    for (ltc_torrent **link = &torrents; *link;) {
        ltc_torrent *t = *link;
        if (t->leaving.load(std::memory_order_acquire) || aborting.load()) {
            t->detach();
            *link = t->next;
            auto const last = std::move(t->self);
            continue;
        }
        t->sweep();
        link = &t->next;
    }
}

void ltc_session::adopt(std::shared_ptr<ltc_torrent> const &t) noexcept
{
    t->self = t;
    t->next = torrents;
    torrents = t.get();
    if (t->leaving.load() || aborting.load())
        sweep_soon();
}

ltc_torrent *ltc_session::find(std::weak_ptr<void> const &libtorrents) noexcept
{
    for (ltc_torrent *t = torrents; t; t = t->next) {
        auto const theirs = t->own_handle.native_handle();
        if (!theirs.owner_before(libtorrents) && !libtorrents.owner_before(theirs))
            return t;
    }
    return nullptr;
}

extern "C" {

int ltc_session_new(ltc_session **out, ltc_settings const *settings, ltc_hooks const *hooks,
                    void *user, ltc_error *err)
{
    return ltc::guard(err, [&] {
        auto s = std::make_unique<ltc_session>(*settings, hooks, user);
        s->start(*settings);
        *out = s.release();
        return 0;
    });
}

void ltc_session_abort(ltc_session *s)
{
    s->abort();
}

void ltc_session_free(ltc_session *s)
{
    delete s;
}

int64_t ltc_now_ns(ltc_session *)
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
}

void ltc_wake(ltc_session *s)
{
    s->pulse.wake();
}

int ltc_set_limits(ltc_session *s, ltc_limits const *l)
{
    return ltc::guard(nullptr, [&] {
        lt::settings_pack p;
        limit_settings(p, *l);
        s->session->apply_settings(std::move(p));
        return 0;
    });
}

int ltc_set_outgoing_utp(ltc_session *s, bool on)
{
    return ltc::guard(nullptr, [&] {
        lt::settings_pack p;
        p.set_bool(P::enable_outgoing_utp, on);
        s->session->apply_settings(std::move(p));
        return 0;
    });
}

uint16_t ltc_listen_port(ltc_session *s)
{
    return s->port.load(std::memory_order_relaxed);
}

void ltc_write_done(ltc_session *s, uint32_t slot)
{
    s->answers.give_back(slot);
    /* Due at the end of this beat; from another hook, in the next one. */
    s->pulse.wake();
}

} // extern "C"
