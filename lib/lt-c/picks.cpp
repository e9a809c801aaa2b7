/* SPDX-License-Identifier: MIT
 *
 * Priorities for libtorrent's picker, and the anchor. See picks.hpp. */
#include "lt-c/picks.hpp"

#include <algorithm>
#include <utility>

#include <libtorrent/download_priority.hpp>

#include "lt-c/convert.hpp"

namespace ltc
{

namespace
{

constexpr std::uint8_t for_nobody = 0;
constexpr std::uint8_t for_the_anchor = 1;
constexpr std::uint8_t for_later = 4;
/* Those of the highest priority come first even in the order of numbers. */
constexpr std::uint8_t for_a_reader = 7;

} // namespace

void picks::begin(std::uint32_t n_pieces, std::uint32_t anchor, std::uint32_t anchor_blocks)
{
    held_.reserve(anchor_blocks);
    told_.resize(n_pieces, for_nobody);
    level_.resize(n_pieces, for_nobody);
    anchor_ = anchor;
    told_[anchor] = for_the_anchor;
}

/* No memory is needed: a wish that got lost would leave its reader waiting for ever. */
void picks::want(std::uint32_t const *pieces, std::size_t n, std::size_t awaited) noexcept
{
    if (!on())
        return;
    std::fill(level_.begin(), level_.end(), for_nobody);
    for (std::size_t i = 0; i < n; ++i) {
        if (pieces[i] < level_.size())
            level_[pieces[i]] = i < awaited ? for_a_reader : for_later;
    }
    if (level_[anchor_] == for_nobody && (n == 0 || !held_.empty()))
        level_[anchor_] = for_the_anchor;
    due_ = true;
}

/* What libtorrent does not know yet. Throws before it changes anything. */
void picks::tell(lt::torrent_handle const &to)
{
    std::vector<std::pair<lt::piece_index_t, lt::download_priority_t>> changes;
    for (std::size_t p = 0; p < level_.size(); ++p) {
        if (told_[p] != level_[p])
            changes.emplace_back(lt::piece_index_t(static_cast<int>(p)),
                                 lt::download_priority_t(level_[p]));
    }
    if (!changes.empty())
        to.prioritize_pieces(changes);
    told_ = level_; /* of the same size: no memory is needed */
    due_ = false;
}

bool picks::apply(lt::torrent_handle const &to, answers &out) noexcept
{
    if (!due_)
        return true;
    quietly([&] { tell(to); });
    if (told_[anchor_] > for_the_anchor)
        release(out);
    return !due_;
}

bool picks::withhold(std::uint32_t piece, write_fn &handler) noexcept
{
    if (!on() || piece != anchor_ || told_[anchor_] > for_the_anchor ||
        held_.size() == held_.capacity())
        return false;
    held_.push_back(std::move(handler));
    return true;
}

void picks::release(answers &out) noexcept
{
    for (write_fn &f : held_)
        out.drop(std::move(f));
    held_.clear();
}

} // namespace ltc
