/* SPDX-License-Identifier: MIT
 *
 * What a peer is sent: interest, requests, cancels, and what keeps its answers from
 * being held back. Network thread only. */
#include <algorithm>
#include <utility>

#include "lt-c/convert.hpp"
#include "lt-c/session.hpp"
#include "lt-c/socket.hpp"
#include "lt-c/swarm.hpp"

namespace
{

constexpr std::uint8_t msg_interested = 2;
constexpr std::uint8_t msg_request = 6;
constexpr std::uint8_t msg_cancel = 8;
constexpr std::size_t request_size = 17;

/* At 0, 1, 3, 7, 15 and 31 ms, if nothing comes and nothing else goes. */
constexpr std::uint8_t max_nudges = 6;
constexpr std::int64_t first_nudge_ns = 1000000;

/* A seed drops who asks for nothing for 60 s. */
constexpr std::int64_t silence_ns = std::int64_t(40) * 1000000000;

void big_endian(char *to, std::uint32_t v) noexcept
{
    to[0] = static_cast<char>(v >> 24);
    to[1] = static_cast<char>(v >> 16);
    to[2] = static_cast<char>(v >> 8);
    to[3] = static_cast<char>(v);
}

} // namespace

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
    if (id == msg_request)
        ++outstanding;
    else if (outstanding > 0)
        --outstanding;
}

/* A block came. Who sent it has more for us, but its system may hold the end of that
 * back until all before it is acknowledged (Nagle), and ours waits 40 ms for data that
 * an acknowledgement could go along with. Requests are such data. When there is
 * nothing more to ask for, which is just when a reader waits for the end of a piece, a
 * keep-alive of four bytes takes it along: now, and a few times more, as what came
 * may have been the header of a block alone. */
std::int64_t ltc_peer::nudge(std::int64_t now) noexcept
{
    if (!heard || !accepted || gone() || outstanding == 0 || nudges == max_nudges) {
        heard = false;
        return INT64_MAX;
    }
    if (now < nudge_at)
        return nudge_at;
    nudge_at = now + (first_nudge_ns << nudges++);
    if (fd >= 0) { /* no need to send anything */
        ltc::acknowledge_at_once(fd);
        return nudge_at;
    }
    char const keep_alive[4] = {0, 0, 0, 0};
    ltc::quietly([&] { connection.send_buffer(keep_alive, sizeof keep_alive); });
    return nudge_at;
}

void ltc_peer::forget() noexcept
{
    auto &all = torrent->session.heard;
    all.erase(std::remove(all.begin(), all.end(), this), all.end());
}

/* The caller's scheduler sees to that itself. The answer is a block that libtorrent
 * holds already, and so throws away. */
void ltc_peer::stay_known() noexcept
{
    std::uint32_t const anchor = torrent->picks.anchor();
    std::int64_t const now = ltc_now_ns(&torrent->session);
    if (!unchoked || !has(anchor) || now - asked_at < silence_ns)
        return;
    ltc_info_view const &v = *ltc_info_get(torrent->info);
    std::uint64_t const left = v.total_size - std::uint64_t(anchor) * v.piece_length;
    put(msg_request, anchor, 0, left < LTC_BLOCK ? std::uint32_t(left) : LTC_BLOCK);
    flush();
    asked_at = now;
}

void ltc_peer::flush() noexcept
{
    int const n = std::exchange(used, std::uint16_t(0));
    if (n == 0 || !accepted || gone())
        return;
    heard = false; /* the acknowledgement goes along */
    ltc::quietly([&] { connection.send_buffer(buffer.data(), n); });
    /* Behind the sending, which makes the kernel wait with the next ones. */
    if (fd >= 0)
        ltc::acknowledge_at_once(fd);
}

extern "C" {

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

} // extern "C"
