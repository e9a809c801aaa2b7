/* SPDX-License-Identifier: MIT
 *
 * Priorities for libtorrent's picker, and the anchor. See picks.hpp. */
#include "lt-c/picks.hpp"

#include <algorithm>

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
    level_.resize(n_pieces, for_nobody);
    anchor_ = anchor;
    level_[anchor] = for_the_anchor;
}

void picks::want(std::uint32_t const *pieces, std::size_t n, std::size_t awaited) noexcept
{
    if (!on())
        return;
    auto const &last = due_ ? next_ : wanted_;
    std::size_t const last_awaited = due_ ? next_awaited_ : awaited_;
    awaited = std::min(awaited, n);
    if (awaited == last_awaited && n == last.size() && std::equal(pieces, pieces + n, last.begin()))
        return;
    quietly([&] {
        next_.assign(pieces, pieces + n);
        next_awaited_ = awaited;
        due_ = true;
    });
}

void picks::set(std::uint32_t piece, std::uint8_t level)
{
    if (piece >= level_.size() || level_[piece] == level)
        return;
    level_[piece] = level;
    changes_.emplace_back(lt::piece_index_t(static_cast<int>(piece)),
                          lt::download_priority_t(level));
}

/* Throws before it changes anything. */
void picks::find_changes()
{
    std::vector<bool> stays(level_.size());
    changes_.reserve(changes_.size() + wanted_.size() + next_.size() + 1);
    for (std::size_t i = 0; i < next_.size(); ++i) {
        if (next_[i] < stays.size())
            stays[next_[i]] = true;
        set(next_[i], i < next_awaited_ ? for_a_reader : for_later);
    }
    for (std::uint32_t p : wanted_) {
        if (p < stays.size() && !stays[p])
            set(p, for_nobody);
    }
    if (!stays[anchor_])
        set(anchor_, next_.empty() || !held_.empty() ? for_the_anchor : for_nobody);
    wanted_.swap(next_);
    awaited_ = next_awaited_;
    due_ = false;
}

void picks::apply(lt::torrent_handle const &to, answers &out) noexcept
{
    if (!due_ && changes_.empty())
        return;
    quietly([&] {
        if (due_)
            find_changes();
        to.prioritize_pieces(changes_);
        changes_.clear();
    });
    if (level_[anchor_] > for_the_anchor)
        release(out);
}

bool picks::withhold(std::uint32_t piece, write_fn &handler) noexcept
{
    if (!on() || piece != anchor_ || level_[anchor_] > for_the_anchor ||
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
