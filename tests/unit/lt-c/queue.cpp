/* SPDX-License-Identifier: MIT
 *
 * A look into libtorrent itself, which lt-c.h does not offer: pieces that its
 * picker has lost. The pump thread; it waits for the network thread. */
#include <vector>

#include <libtorrent/torrent_handle.hpp>

#include "lt-c/swarm.hpp"
#include "rig.h"

unsigned rig_lost_pieces(struct rig_torrent *t)
{
    unsigned lost = 0;
    for (auto const &piece : t->torrent->handle.get_download_queue())
        lost += piece.finished + piece.writing + piece.requested == 0;
    return lost;
}
