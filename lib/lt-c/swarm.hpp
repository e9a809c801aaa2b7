/* SPDX-License-Identifier: MIT
 *
 * A torrent and its peers as libtorrent's plugins see them. The plugins only
 * carry: each callback becomes a hook, each request becomes 17 bytes. Network
 * thread only, except where a field says otherwise.
 *
 * Lives. libtorrent keeps torrents and connections for as long as it likes, and
 * may even drop the last reference in another thread. So nothing here depends on
 * destructors: a torrent is *detached* (stop, peer_left for each peer, removed)
 * in one go in the network thread, and is deaf from then on. */
#ifndef GOS_LTC_SWARM_HPP
#define GOS_LTC_SWARM_HPP

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <libtorrent/extensions.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/torrent_handle.hpp>

#include "lt-c/lt-c.h"
#include "lt-c/picks.hpp"

struct ltc_peer final : libtorrent::peer_plugin {
    ltc_peer(libtorrent::peer_connection_handle c, std::shared_ptr<ltc_torrent> t)
        : connection(std::move(c)), torrent(std::move(t))
    {
    }

    bool begin() noexcept; /* peer_new; false: refused */
    void leave() noexcept; /* peer_left, once; the peer is deaf from then on */
    void sweep() noexcept; /* what could not be done in the middle of a callback */
    bool gone() const noexcept;
    bool has(std::uint32_t piece) const noexcept;
    bool over_utp() const noexcept;
    bool takes_answers() const noexcept;
    void give_no_hashes() noexcept;
    void interested() noexcept;
    void put(std::uint8_t id, std::uint32_t piece, std::uint32_t block, std::uint32_t len) noexcept;
    void flush() noexcept;
    void doom() noexcept;                          /* disconnect it in the next beat */
    std::int64_t nudge(std::int64_t now) noexcept; /* when again, or INT64_MAX */
    void forget() noexcept;                        /* nobody shall nudge it: it goes */
    void stay_known() noexcept;                    /* libtorrent picks: a request now and then */

    /* libtorrent's side */
    void on_disconnect(libtorrent::error_code const &) override;
    bool on_handshake(libtorrent::span<char const> reserved) override;
    bool on_extension_handshake(libtorrent::bdecode_node const &h) override;
    bool on_choke() override;
    bool on_unchoke() override;
    bool on_have(libtorrent::piece_index_t) override;
    bool on_dont_have(libtorrent::piece_index_t) override;
    bool on_bitfield(libtorrent::bitfield const &) override;
    bool on_have_all() override;
    bool on_have_none() override;
    bool on_allowed_fast(libtorrent::piece_index_t) override;
    bool on_piece(libtorrent::peer_request const &r, libtorrent::span<char const>) override;
    bool on_reject(libtorrent::peer_request const &r) override;
    void sent_not_interested() override;
    void tick() override;
    bool write_request(libtorrent::peer_request const &) override;

private:
    bool hears() noexcept; /* joins it when it is time; true: hooks may be called */
    void join(std::uint32_t max_requests) noexcept;
    void know_socket() noexcept;
    void note_heard() noexcept;
    bool has_changed() noexcept;
    bool whole_set() noexcept;

    libtorrent::peer_connection_handle connection;
    std::shared_ptr<ltc_torrent> const torrent;
    void *user = nullptr;
    int fd = -1;           /* its socket, libtorrent's; -1: not known */
    bool accepted = false; /* peer_new said yes and peer_left was not called */
    bool shaken = false;   /* its half of the handshake came */
    bool joined = false;
    bool fast = false;
    bool hashless = false; /* libtorrent gives it no hashes */
    bool doomed = false;
    bool unchoked = false;
    bool news = false;          /* what it has changed; told in the next beat */
    std::uint8_t sets = 0;      /* how often it said what it has altogether */
    std::uint8_t patience = 16; /* how often that may be told before the next tick */
    std::int64_t arriving = -1; /* a HAVE that is told, and not taken by libtorrent yet */
    bool wanted = false;        /* we said that we are interested */
    bool repeat = false;        /* libtorrent said the contrary since */
    std::uint16_t used = 0;
    std::uint32_t outstanding = 0; /* requests that were not answered, about */
    bool heard = false;      /* a block came and nothing was sent since; it is in session.heard */
    std::uint8_t nudges = 0; /* since then */
    std::int64_t nudge_at = 0;
    std::int64_t asked_at = 0; /* when it was last sent a request, or unchoked us */
    std::array<char, 17 * 256> buffer;
};

struct ltc_torrent : std::enable_shared_from_this<ltc_torrent> {
    ltc_torrent(ltc_session &s, void *u) : session(s), user(u)
    {
    }
    ~ltc_torrent();

    void metadata_ready() noexcept; /* files are checked: hooks->ready */
    void stop_for(char const *why) noexcept;
    void let_pick(std::uint32_t anchor) noexcept;
    void stop() noexcept; /* hooks->stop, and all answers of it are due */
    void sweep() noexcept;
    void detach() noexcept;
    void drop_peer(ltc_peer *p) noexcept;

    ltc_session &session;
    void *const user;
    ltc_info *info = nullptr;           /* a reference; of a magnet once it is known */
    libtorrent::torrent_handle handle;  /* the pump's */
    std::atomic<bool> leaving{false};   /* any thread: detach it */
    std::atomic<bool> stillborn{false}; /* the add failed: detach without a hook */

    libtorrent::torrent_handle own_handle; /* the network thread's */
    std::vector<std::shared_ptr<ltc_peer>> peers;
    ltc::picks picks; /* what libtorrent shall ask for, in a session in which it picks */
    std::uint32_t withheld = 0;
    bool detached = false;
    bool is_ready = false; /* hooks->ready was called */
    bool may_ask = false;  /* and the peers have learnt the number of pieces */
    bool stopped = false;  /* hooks->stop was called */
    bool resume_due = false;
    bool pause_due = false;

    /* The session's list; `self` keeps it alive while it is in there. */
    std::shared_ptr<ltc_torrent> self;
    ltc_torrent *next = nullptr;
};

namespace ltc
{

/* The plugin factory of one torrent. */
class swarm final : public libtorrent::torrent_plugin
{
public:
    explicit swarm(std::shared_ptr<ltc_torrent> t) noexcept : torrent_(std::move(t))
    {
    }
    std::shared_ptr<libtorrent::peer_plugin>
    new_connection(libtorrent::peer_connection_handle const &connection) override;
    void on_files_checked() override;
    void tick() override;

private:
    std::shared_ptr<ltc_torrent> const torrent_;
};

} // namespace ltc

#endif
