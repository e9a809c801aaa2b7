/* SPDX-License-Identifier: MIT
 *
 * libtorrent's alerts and our own few events, for the one thread that waits for
 * them. What the session tells of itself comes from the network thread. */
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <poll.h>
#include <string>
#include <unistd.h>

#include <libtorrent/alert_types.hpp>

#include "lt-c/convert.hpp"
#include "lt-c/session.hpp"

namespace lt = libtorrent;

namespace
{

int64_t now_ms() noexcept
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return int64_t(t.tv_sec) * 1000 + t.tv_nsec / 1000000;
}

void fill(ltc_event &e, ltc_event_kind kind, void *torrent, std::string const &text) noexcept
{
    e.kind = kind;
    e.torrent = torrent;
    e.other = nullptr;
    ltc::escape(e.text, sizeof e.text, text);
}

/* That two torrents are one is told apart, of both together. */
bool is_error(lt::alert const *a) noexcept
{
    auto const *error = lt::alert_cast<lt::torrent_error_alert>(a);
    if (error)
        return error->error != lt::errors::duplicate_torrent;
    return lt::alert_cast<lt::file_error_alert>(a) != nullptr;
}

} // namespace

/* Any thread, libtorrent's among them. The descriptor is ours, not the session's. */
void ltc_session::notify() noexcept
{
    std::uint64_t const one = 1;
    /* Full means that the reader is woken already. */
    [[maybe_unused]] ssize_t const n = write(event_fd, &one, sizeof one);
}

void ltc_session::tell(ltc_event_kind kind, void *torrent, char const *text) noexcept
{
    {
        std::lock_guard<std::mutex> hold(lock_);
        if (n_own_events_ == own_events_.size())
            return; /* nobody listens */
        ltc_event &e = own_events_[n_own_events_++];
        e.kind = kind;
        e.torrent = torrent;
        e.other = nullptr;
        ltc::escape(e.text, sizeof e.text, text, std::strlen(text));
    }
    notify();
}

/* Not through the handle: to look into libtorrent's torrent would take a
 * reference to it, and this thread must never hold the last one. */
void *ltc_session::user_of(lt::torrent_handle const &h) const noexcept
{
    for (auto const &k : known) {
        if (k->handle == h)
            return k->user;
    }
    return nullptr;
}

bool ltc_session::tell_alert(lt::alert const *a, ltc_event &e)
{
    if (auto const *listening = lt::alert_cast<lt::listen_succeeded_alert>(a)) {
        if (listening->socket_type != lt::socket_type_t::tcp || port.load() != 0)
            return false;
        port.store(static_cast<std::uint16_t>(listening->port));
        fill(e, LTC_EVENT_LISTENING, nullptr, listening->message());
        return true;
    }
    if (auto const *failed = lt::alert_cast<lt::listen_failed_alert>(a)) {
        fill(e, LTC_EVENT_LISTEN_FAILED, nullptr, failed->message());
        return true;
    }
    auto const *of = dynamic_cast<lt::torrent_alert const *>(a);
    void *const torrent = of ? user_of(of->handle) : nullptr;
    if (!torrent)
        return false;
    if (auto const *twins = lt::alert_cast<lt::torrent_conflict_alert>(a)) {
        fill(e, LTC_EVENT_TWINS, torrent, std::string());
        e.other = user_of(twins->conflicting_torrent);
    } else if (is_error(a))
        fill(e, LTC_EVENT_TORRENT_ERROR, torrent, a->message());
    else if (lt::alert_cast<lt::tracker_error_alert>(a))
        fill(e, LTC_EVENT_TRACKER_ERROR, torrent, a->message());
    else if (lt::alert_cast<lt::metadata_failed_alert>(a))
        fill(e, LTC_EVENT_METADATA_FAILED, torrent, a->message());
    else
        return false;
    return true;
}

int ltc_session::wait_events(ltc_event *events, int n, int timeout_ms)
{
    std::int64_t const end = now_ms() + timeout_ms;
    for (int filled = 0;;) {
        {
            std::lock_guard<std::mutex> hold(lock_);
            int const take = std::min(n - filled, int(n_own_events_));
            std::copy_n(own_events_.begin(), take, events + filled);
            std::move(own_events_.begin() + take, own_events_.begin() + n_own_events_,
                      own_events_.begin());
            n_own_events_ -= static_cast<std::size_t>(take);
            filled += take;
        }
        if (alert_at == alerts.size() && !aborting.load()) {
            alerts.clear();
            alert_at = 0;
            session->pop_alerts(&alerts);
        }
        while (filled < n && alert_at < alerts.size())
            filled += tell_alert(alerts[alert_at++], events[filled]) ? 1 : 0;
        if (filled > 0)
            return filled;
        if (interrupted.exchange(false))
            return 0;
        std::int64_t const left = timeout_ms < 0 ? -1 : end - now_ms();
        if (timeout_ms >= 0 && left <= 0)
            return 0;
        pollfd p = {event_fd, POLLIN, 0};
        if (poll(&p, 1, static_cast<int>(left)) < 0 && errno != EINTR)
            return -errno;
        std::uint64_t count;
        [[maybe_unused]] ssize_t const drained = read(event_fd, &count, sizeof count);
    }
}

extern "C" {

int ltc_wait_events(ltc_session *s, ltc_event *events, int n, int timeout_ms)
{
    return ltc::guard(nullptr, [&] { return s->wait_events(events, n, timeout_ms); });
}

void ltc_interrupt(ltc_session *s)
{
    s->interrupted.store(true);
    s->notify();
}

} // extern "C"
