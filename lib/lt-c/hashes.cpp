/* SPDX-License-Identifier: MIT
 *
 * See hashes.hpp. The one place that looks into libtorrent's inner headers, which are
 * installed beside the others: a virtual function, and a flag of a struct. */
#include "lt-c/hashes.hpp"

#include <libtorrent/peer_connection.hpp>
#include <libtorrent/torrent_peer.hpp>

namespace ltc
{

namespace
{

/* What libtorrent remembers of its address; null: nothing (any more). */
libtorrent::torrent_peer *address_of(libtorrent::peer_connection_handle const &peer) noexcept
{
    auto const connection = peer.native_handle();
    return connection ? connection->peer_info_struct() : nullptr;
}

} // namespace

bool withhold_hashes(libtorrent::peer_connection_handle const &peer) noexcept
{
    auto *const address = address_of(peer);
    if (!address || !address->protocol_v2)
        return false;
    address->protocol_v2 = false;
    return true;
}

void allow_hashes(libtorrent::peer_connection_handle const &peer) noexcept
{
    if (auto *const address = address_of(peer))
        address->protocol_v2 = true;
}

} // namespace ltc
