/* SPDX-License-Identifier: MIT
 *
 * One connection. Network thread only. */
#include <utility>

#include <libtorrent/bdecode.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/peer_info.hpp>

#include "lt-c/convert.hpp"
#include "lt-c/info.hpp"
#include "lt-c/session.hpp"
#include "lt-c/swarm.hpp"

namespace lt = libtorrent;

namespace
{

constexpr std::uint8_t msg_interested = 2;
constexpr std::uint8_t msg_request = 6;
constexpr std::uint8_t msg_cancel = 8;
constexpr std::size_t request_size = 17;

void big_endian(char *to, std::uint32_t v) noexcept
{
    to[0] = static_cast<char>(v >> 24);
    to[1] = static_cast<char>(v >> 16);
    to[2] = static_cast<char>(v >> 8);
    to[3] = static_cast<char>(v);
}

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
    if (torrent->may_ask && std::exchange(news, false))
        torrent->session.hooks->peer_have(torrent->user, user);
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

void ltc_peer::join(std::uint32_t max_requests) noexcept
{
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

void ltc_peer::interested() noexcept
{
    if (!accepted || wanted || gone())
        return;
    wanted = true;
    if (connection.is_interesting())
        return; /* libtorrent has said so */
    char const message[5] = {0, 0, 0, 1, msg_interested};
    ltc::quietly([&] { connection.send_buffer(message, sizeof message); });
}

void ltc_peer::put(std::uint8_t id, std::uint32_t piece, std::uint32_t block,
                   std::uint32_t len) noexcept
{
    if (!accepted)
        return;
    if (used + request_size > buffer.size())
        flush();
    char *m = buffer.data() + used;
    big_endian(m, request_size - 4);
    m[4] = static_cast<char>(id);
    big_endian(m + 5, piece);
    big_endian(m + 9, block * LTC_BLOCK);
    big_endian(m + 13, len);
    used = static_cast<std::uint16_t>(used + request_size);
}

void ltc_peer::flush() noexcept
{
    int const n = std::exchange(used, std::uint16_t(0));
    if (n == 0 || !accepted || gone())
        return;
    ltc::quietly([&] { connection.send_buffer(buffer.data(), n); });
}

void ltc_peer::on_disconnect(lt::error_code const &)
{
    leave();
    torrent->session.pulse.wake();
    torrent->drop_peer(this); /* may be the last reference but libtorrent's */
}

bool ltc_peer::on_handshake(lt::span<char const> reserved)
{
    shaken = true;
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
    if (hears()) {
        torrent->session.hooks->peer_choked(torrent->user, user);
        torrent->session.pulse.wake();
    }
    return false;
}

bool ltc_peer::on_unchoke()
{
    if (hears()) {
        torrent->session.hooks->peer_unchoked(torrent->user, user);
        torrent->session.pulse.wake();
    }
    return false;
}

/* libtorrent calls plugins before it takes the message itself, so the caller
 * is told in the next beat, when ltc_peer_has() knows. */
bool ltc_peer::has_changed() noexcept
{
    if (hears()) {
        news = true;
        torrent->session.sweep_soon();
    }
    return false;
}

bool ltc_peer::on_have(lt::piece_index_t)
{
    return has_changed();
}

bool ltc_peer::on_dont_have(lt::piece_index_t)
{
    return has_changed();
}

bool ltc_peer::on_bitfield(lt::bitfield const &)
{
    return has_changed();
}

bool ltc_peer::on_have_all()
{
    return has_changed();
}

bool ltc_peer::on_have_none()
{
    return has_changed();
}

bool ltc_peer::on_allowed_fast(lt::piece_index_t)
{
    return has_changed();
}

/* Never true: libtorrent would leave an entry in its queue for each such block. */
bool ltc_peer::on_piece(lt::peer_request const &r, lt::span<char const>)
{
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

void ltc_peer::tick()
{
    (void)hears();
}

/* libtorrent's picker idles: what it would ask for is not put on the wire. */
bool ltc_peer::write_request(lt::peer_request const &)
{
    return true;
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

void ltc_peer_interested(ltc_peer *p)
{
    p->interested();
}

void ltc_peer_request(ltc_peer *p, uint32_t piece, uint32_t block, uint32_t len)
{
    p->put(msg_request, piece, block, len);
}

void ltc_peer_cancel(ltc_peer *p, uint32_t piece, uint32_t block, uint32_t len)
{
    p->put(msg_cancel, piece, block, len);
}

void ltc_peer_flush(ltc_peer *p)
{
    p->flush();
}

void ltc_peer_ban(ltc_peer *p)
{
    p->doom();
}

} // extern "C"
