/* SPDX-License-Identifier: MIT
 *
 * Options of a peer's TCP socket that libtorrent has no setting for. Network
 * thread only. */
#ifndef GOS_LTC_SOCKET_HPP
#define GOS_LTC_SOCKET_HPP

#include <libtorrent/socket.hpp>

namespace ltc
{

/* The descriptor of the connection between these two, or -1. It is libtorrent's:
 * good for as long as the connection lives. */
int find_socket(libtorrent::tcp::endpoint const &local,
                libtorrent::tcp::endpoint const &remote) noexcept;
void send_at_once(int fd) noexcept;
void acknowledge_at_once(int fd) noexcept;

} // namespace ltc

#endif
