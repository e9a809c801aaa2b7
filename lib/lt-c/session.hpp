/* SPDX-License-Identifier: MIT
 *
 * What is behind an ltc_session: libtorrent's session, the beat of its network
 * thread, the waiting answers and the list of torrents. The fields are grouped
 * by the thread that may touch them. */
#ifndef GOS_LTC_SESSION_HPP
#define GOS_LTC_SESSION_HPP

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <libtorrent/fwd.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/torrent_handle.hpp>

#include "lt-c/answers.hpp"
#include "lt-c/lt-c.h"
#include "lt-c/pulse.hpp"
#include "lt-c/swarm.hpp"
#include "lt-c/verdict.hpp"

struct ltc_session {
    ltc_session(ltc_settings const &settings, ltc_hooks const *h, void *u);
    ~ltc_session();

    void start(ltc_settings const &settings);
    void abort() noexcept;

    /* network thread */
    void beat() noexcept;
    void sweep_soon() noexcept; /* any thread: sweep() in the next beat */
    void adopt(std::shared_ptr<ltc_torrent> const &t) noexcept;
    ltc_torrent *find(std::weak_ptr<void> const &libtorrents) noexcept;

    /* events.cpp */
    void tell(ltc_event_kind kind, void *torrent, char const *text) noexcept; /* any thread */
    void notify() noexcept;                                                   /* any thread */
    int wait_events(ltc_event *events, int n, int timeout_ms);                /* pump */

    /* immutable after start */
    ltc_hooks const *const hooks;
    void *const user;
    int const event_fd;
    bool const pex;
    bool const picks; /* libtorrent's picker asks */
    std::unique_ptr<libtorrent::session> session;

    /* any thread */
    ltc::pulse pulse;
    std::atomic<std::uint16_t> port{0};
    std::atomic<bool> interrupted{false};
    std::atomic<bool> aborting{false};
    std::atomic<bool> sweep_due{false};

    /* network thread; with it ended, the thread that frees */
    ltc::answers answers;
    ltc_torrent *torrents = nullptr;
    std::vector<ltc_peer *> heard; /* who sent blocks and may need a nudge */
    ltc::metadata_verdict verdict = ltc::metadata_verdict::none;

    /* pump */
    std::optional<libtorrent::session_proxy> proxy;
    /* what was added and not removed; keeps each alive for ltc_torrent_remove() */
    std::vector<std::shared_ptr<ltc_torrent>> known;
    std::vector<libtorrent::alert *> alerts; /* popped; those before `alert_at` are told */
    std::size_t alert_at = 0;

private:
    static void beat_of(void *self) noexcept;
    void sweep() noexcept;
    void pick() noexcept;
    void nudge() noexcept;
    bool tell_alert(libtorrent::alert const *a, ltc_event &e);
    void *user_of(libtorrent::torrent_handle const &h) const noexcept;

    std::mutex lock_;
    /* guarded by lock_: events of our own, the oldest first */
    std::array<ltc_event, 32> own_events_;
    std::size_t n_own_events_ = 0;
};

#endif
