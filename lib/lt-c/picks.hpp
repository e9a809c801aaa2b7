/* SPDX-License-Identifier: MIT
 *
 * The fallback: libtorrent's own picker asks, for the pieces that the caller wants.
 * Network thread only.
 *
 * The anchor. A torrent that wants nothing is finished for libtorrent, which tells
 * its peers so, and seeds leave. Swallowing what it asks of an anchor piece is no
 * way here: those requests would never be answered, and so fill the short queues of
 * its peers for ever. So the anchor is fetched in earnest, once, when nothing else
 * is wanted, and its writes are withheld without the bytes: it stays wanted, is
 * never asked for again, and costs no memory. When the caller wants that piece
 * its writes are given back, as those of a piece that was dropped. */
#ifndef GOS_LTC_PICKS_HPP
#define GOS_LTC_PICKS_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include <libtorrent/torrent_handle.hpp>
#include <libtorrent/units.hpp>

#include "lt-c/answers.hpp"

namespace ltc
{

class picks
{
public:
    /* Without it libtorrent does not pick in this torrent. Throws. */
    void begin(std::uint32_t n_pieces, std::uint32_t anchor, std::uint32_t anchor_blocks);
    bool on() const noexcept
    {
        return !level_.empty(); /* what begin() made last */
    }
    std::uint32_t anchor() const noexcept
    {
        return anchor_;
    }

    void want(std::uint32_t const *pieces, std::size_t n, std::size_t awaited) noexcept;
    /* In the beat, before writes are answered: what is given back must not be asked
     * for again when it is not wanted any more. False: for want of memory libtorrent
     * does not know yet; call it again. */
    bool apply(lt::torrent_handle const &to, answers &out) noexcept;

    /* A block of the anchor that nobody wants; false: it is not that. */
    bool withhold(std::uint32_t piece, write_fn &handler) noexcept;
    void release(answers &out) noexcept; /* answer what is withheld */

private:
    void tell(lt::torrent_handle const &to);

    std::uint32_t anchor_ = 0;
    std::vector<std::uint8_t> level_; /* the priority of each piece, as the caller wants it */
    std::vector<std::uint8_t> told_;  /* ... and as libtorrent has it */
    bool due_ = false;                /* they may differ */
    std::vector<write_fn> held_;
};

} // namespace ltc

#endif
