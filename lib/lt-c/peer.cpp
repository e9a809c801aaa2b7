/* SPDX-License-Identifier: MIT
 *
 * One connection: what it is, and what comes from it; what it is sent is in
 * peer_sending.cpp. Network thread only. */
#include <algorithm>
#include <utility>

#include <libtorrent/bdecode.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/peer_info.hpp>

#include "lt-c/convert.hpp"
#include "lt-c/hashes.hpp"
#include "lt-c/info.hpp"
#include "lt-c/session.hpp"
#include "lt-c/socket.hpp"
#include "lt-c/swarm.hpp"

namespace lt = libtorrent;

namespace
{

constexpr std::uint8_t max_sets = 4;

/* Bytes that a peer lets us keep for it: two answers with hashes, and as much again. */
constexpr int max_waiting = 1 << 20;

std::uint32_t number(lt::piece_index_t piece) noexcept
{
    return static_cast<std::uint32_t>(static_cast<int>(piece));
}

} // namespace

bool ltc_peer::begin() noexcept
{
    ltc_peer_addr addr{};
    ltc::from_endpoint(addr.sa, connection.remote());
    addr.outgoing = connection.is_outgoing();
    accepted = torrent->session.hooks->peer_new(torrent->user, this, &addr, &user);
    return accepted;
}

void ltc_peer::leave() noexcept
{
    bool const told = std::exchange(accepted, false);
    if (told)
        torrent->session.hooks->peer_left(torrent->user, user);
}

bool ltc_peer::gone() const noexcept
{
    return connection.native_handle() == nullptr;
}

void ltc_peer::doom() noexcept
{
    doomed = true;
    torrent->session.sweep_soon();
}

void ltc_peer::sweep() noexcept
{
    if (gone()) {
        /* It ended without on_disconnect(). */
        leave();
        torrent->drop_peer(this);
        return;
    }
    if (std::exchange(doomed, false)) {
        ltc::quietly([&] {
            connection.disconnect(lt::error_code(lt::errors::peer_banned),
                                  lt::operation_t::bittorrent);
        });
        return;
    }
    if (!accepted || !joined)
        return;
    if (std::exchange(repeat, false) && wanted) {
        wanted = false;
        interested();
    }
    if (torrent->may_ask && news && patience > 0) {
        news = false;
        --patience;
        torrent->session.hooks->peer_have(torrent->user, user, -1);
    }
}

/* Messages may be sent when libtorrent has sent what must come first: that is
 * the case when the peer's first message is here, or at the next tick. */
bool ltc_peer::hears() noexcept
{
    if (!accepted)
        return false;
    if (!joined && shaken && !gone() && !connection.in_handshake())
        join(0);
    return joined;
}

/* A seeder on libtorrent writes the 13 bytes of a PIECE header alone, and its kernel
 * keeps the block back until they are acknowledged (Nagle); ours would wait 40 ms for
 * data to send along. So each answer of a peer that was idle came 40 ms late. */
void ltc_peer::know_socket() noexcept
{
    if (over_utp())
        return;
    ltc::quietly([&] { fd = ltc::find_socket(connection.local_endpoint(), connection.remote()); });
    if (fd >= 0)
        ltc::send_at_once(fd);
}

void ltc_peer::join(std::uint32_t max_requests) noexcept
{
    if (!joined)
        know_socket();
    joined = true;
    news = true;
    torrent->session.hooks->peer_joined(torrent->user, user, fast, max_requests);
    torrent->session.sweep_soon();
}

bool ltc_peer::has(std::uint32_t piece) const noexcept
{
    /* libtorrent does not check the index, and its array is empty before. */
    if (!joined || !accepted || !torrent->may_ask || gone())
        return false;
    if (piece >= ltc_info_get(torrent->info)->n_pieces)
        return false;
    if (arriving == std::int64_t(piece))
        return true;
    return connection.has_piece(lt::piece_index_t(static_cast<int>(piece)));
}

bool ltc_peer::over_utp() const noexcept
{
    bool utp = false;
    ltc::quietly([&] {
        lt::peer_info info;
        if (!gone())
            connection.get_peer_info(info);
        utp = bool(info.flags & lt::peer_info::utp_socket);
    });
    return utp;
}

void ltc_peer::on_disconnect(lt::error_code const &)
{
    if (std::exchange(hashless, false))
        ltc::allow_hashes(connection);
    leave();
    torrent->session.pulse.wake();
    torrent->drop_peer(this); /* may be the last reference but libtorrent's */
}

bool ltc_peer::on_handshake(lt::span<char const> reserved)
{
    shaken = true;
    give_no_hashes();
    fast = reserved.size() >= 8 && (reserved[7] & 4) != 0;
    return true;
}

bool ltc_peer::on_extension_handshake(lt::bdecode_node const &h)
{
    if (!hears() || h.type() != lt::bdecode_node::dict_t)
        return true;
    auto const reqq = h.dict_find_int_value("reqq", 0);
    if (reqq > 0)
        join(static_cast<std::uint32_t>(reqq < INT32_MAX ? reqq : INT32_MAX));
    return true;
}

bool ltc_peer::on_choke()
{
    unchoked = false;
    outstanding = 0;
    if (hears()) {
        torrent->session.hooks->peer_choked(torrent->user, user);
        torrent->session.pulse.wake();
    }
    return false;
}

bool ltc_peer::on_unchoke()
{
    unchoked = true;
    asked_at = ltc_now_ns(&torrent->session);
    if (hears()) {
        torrent->session.hooks->peer_unchoked(torrent->user, user);
        torrent->session.pulse.wake();
    }
    return false;
}

/* libtorrent calls plugins before it takes the message itself, so the caller
 * is told in the next beat, when ltc_peer_has() knows. Who changes it without an
 * end is heard once a second. */
bool ltc_peer::has_changed() noexcept
{
    if (hears()) {
        news = true;
        if (patience > 0)
            torrent->session.sweep_soon();
    }
    return false;
}

/* One piece is told at once, in constant time and without a sweep: a peer may send
 * a hundred thousand of these. Until libtorrent has taken it, has() answers for it.
 * What comes before the metadata, or again, is not told. */
bool ltc_peer::on_have(lt::piece_index_t piece)
{
    if (!hears() || !torrent->may_ask || news || gone())
        return false;
    if (static_cast<int>(piece) < 0 || number(piece) >= ltc_info_get(torrent->info)->n_pieces ||
        connection.has_piece(piece))
        return false;
    arriving = number(piece);
    torrent->session.hooks->peer_have(torrent->user, user, arriving);
    arriving = -1;
    torrent->session.pulse.wake();
    return false;
}

/* It comes once, behind the handshake. libtorrent takes it as often as it comes, and
 * walks over all pieces each time. */
bool ltc_peer::whole_set() noexcept
{
    if (sets == max_sets) {
        doom();
        return true;
    }
    ++sets;
    return has_changed();
}

bool ltc_peer::on_dont_have(lt::piece_index_t)
{
    return has_changed();
}

bool ltc_peer::on_bitfield(lt::bitfield const &)
{
    return whole_set();
}

bool ltc_peer::on_have_all()
{
    return whole_set();
}

bool ltc_peer::on_have_none()
{
    return whole_set();
}

/* Nobody is asked who chokes us. libtorrent would put each on a list without an end,
 * also the same one again. */
bool ltc_peer::on_allowed_fast(lt::piece_index_t)
{
    (void)hears();
    return true;
}

void ltc_peer::note_heard() noexcept
{
    if (outstanding > 0)
        --outstanding;
    nudges = 0;
    nudge_at = 0;
    if (std::exchange(heard, accepted) || !accepted)
        return;
    auto &all = torrent->session.heard;
    ltc::quietly([&] {
        if (std::find(all.begin(), all.end(), this) == all.end())
            all.push_back(this);
    });
}

/* Never true: libtorrent would leave an entry in its queue for each such block. */
bool ltc_peer::on_piece(lt::peer_request const &r, lt::span<char const>)
{
    note_heard();
    if (hears() && torrent->is_ready && r.start % int(LTC_BLOCK) == 0 && r.length >= 0)
        torrent->session.hooks->received(torrent->user, user, number(r.piece),
                                         static_cast<std::uint32_t>(r.start) / LTC_BLOCK,
                                         static_cast<std::uint32_t>(r.length));
    return false;
}

bool ltc_peer::on_reject(lt::peer_request const &r)
{
    if (hears() && torrent->is_ready && r.start >= 0 && r.start % int(LTC_BLOCK) == 0) {
        torrent->session.hooks->peer_rejected(torrent->user, user, number(r.piece),
                                              static_cast<std::uint32_t>(r.start) / LTC_BLOCK);
        torrent->session.pulse.wake();
    }
    return false;
}

void ltc_peer::sent_not_interested()
{
    if (wanted) {
        repeat = true;
        torrent->session.sweep_soon();
    }
}

/* Pieces are checked by the hashes of v1, if there are such, and not by libtorrent; of
 * v2 alone it has to fetch them first if they came from a magnet. */
void ltc_peer::give_no_hashes() noexcept
{
    if (hashless || !torrent->info || gone())
        return;
    ltc_info_view const &v = *ltc_info_get(torrent->info);
    if (v.v2 && (v.v1 || ltc::info_has_layers(torrent->info)))
        hashless = ltc::withhold_hashes(connection);
}

/* What was asked while libtorrent fetched hashes itself. Who asks on and on and takes
 * no answer would fill our memory. */
bool ltc_peer::takes_answers() const noexcept
{
    int waiting = 0;
    ltc::quietly([&] {
        lt::peer_info info;
        if (!gone())
            connection.get_peer_info(info);
        waiting = info.send_buffer_size;
    });
    return waiting <= max_waiting;
}

void ltc_peer::tick()
{
    if (accepted && !takes_answers()) {
        doom();
        return;
    }
    give_no_hashes(); /* they may be known since */
    if (!hears())
        return;
    if (patience == 0) {
        patience = 1;
        if (news)
            torrent->session.sweep_soon();
    }
    if (torrent->picks.on())
        stay_known();
}

/* Where libtorrent's picker idles, what it would ask for is not put on the wire. */
bool ltc_peer::write_request(lt::peer_request const &)
{
    if (!torrent->picks.on())
        return true;
    asked_at = ltc_now_ns(&torrent->session);
    heard = false;
    ++outstanding;
    return false;
}

extern "C" {

bool ltc_peer_has(ltc_peer const *p, uint32_t piece)
{
    return p->has(piece);
}

bool ltc_peer_utp(ltc_peer const *p)
{
    return p->over_utp();
}

void ltc_peer_ban(ltc_peer *p)
{
    p->doom();
}

} // extern "C"
