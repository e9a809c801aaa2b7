/* SPDX-License-Identifier: MIT
 *
 * Whom libtorrent gives hashes to: nobody, once it needs none itself. A request of 53
 * bytes is answered by up to 256 KiB, thousands of them are read and answered in one
 * go, and there is neither a hook nor a limit on the way. But who is not known for
 * speaking v2 is sent away at his first request. We have nothing to give, so nobody
 * who means well asks. Network thread only. */
#ifndef GOS_LTC_HASHES_HPP
#define GOS_LTC_HASHES_HPP

#include <libtorrent/peer_connection_handle.hpp>

namespace ltc
{

/* From now on libtorrent neither asks this peer for hashes nor answers it. False: it
 * does not speak v2 in any case. */
bool withhold_hashes(libtorrent::peer_connection_handle const &peer) noexcept;
/* The contrary, before it leaves: the address is remembered with what it speaks, which
 * decides on the hash that it is greeted with the next time. */
void allow_hashes(libtorrent::peer_connection_handle const &peer) noexcept;

} // namespace ltc

#endif
