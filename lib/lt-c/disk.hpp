/* SPDX-License-Identifier: MIT
 *
 * libtorrent's disk, without a disk. */
#ifndef GOS_LTC_DISK_HPP
#define GOS_LTC_DISK_HPP

#include <memory>

#include <libtorrent/disk_interface.hpp>
#include <libtorrent/io_context.hpp>

struct ltc_session;

namespace ltc
{

/* libtorrent owns it and destroys it with its session. */
std::unique_ptr<libtorrent::disk_interface> make_disk(ltc_session &session,
                                                      libtorrent::io_context &ios);

} // namespace ltc

#endif
