/* SPDX-License-Identifier: MIT
 *
 * Withheld and due completions. Network thread only. */
#include "lt-c/answers.hpp"

#include <utility>

#include <boost/asio/error.hpp>

#include "lt-c/convert.hpp"
#include "lt-c/swarm.hpp"

namespace ltc
{

namespace
{

/* Blocks that are dropped, or slots that are used again, between two flushes:
 * room for one burst of many sockets. Beyond it the arrays grow. */
constexpr std::size_t spare = 8192;

/* The only error that libtorrent takes without blame, pause or disconnect. */
lt::storage_error aborted(lt::operation_t what) noexcept
{
    return lt::storage_error(lt::error_code(boost::asio::error::operation_aborted), what);
}

} // namespace

answers::answers(std::uint32_t slots) : held_(slots)
{
    for (auto *v : {&writes_, &writes_now_})
        v->reserve(slots + spare);
    for (auto *v : {&hashes_, &hashes_now_})
        v->reserve(spare); /* each is caused by a block that came since the last flush */
    for (auto *v : {&others_, &others_now_})
        v->reserve(256);
}

bool answers::withhold(std::uint32_t slot, ltc_torrent *t, write_fn &handler) noexcept
{
    if (slot >= held_.size() || held_[slot].torrent)
        return false;
    held_[slot].handler = std::move(handler);
    held_[slot].torrent = t;
    ++t->withheld;
    return true;
}

void answers::drop(write_fn &&handler) noexcept
{
    quietly([&] { writes_.push_back(std::move(handler)); });
}

void answers::give_back(std::uint32_t slot) noexcept
{
    if (slot >= held_.size() || !held_[slot].torrent)
        return;
    --held_[slot].torrent->withheld;
    held_[slot].torrent = nullptr;
    drop(std::exchange(held_[slot].handler, nullptr));
}

void answers::refuse_hash(lt::piece_index_t piece, hash_fn &&handler) noexcept
{
    quietly([&] { hashes_.push_back({std::move(handler), piece}); });
}

void answers::forget(ltc_torrent *t) noexcept
{
    for (std::uint32_t i = 0; t->withheld && i < held_.size(); ++i) {
        if (held_[i].torrent == t)
            give_back(i);
    }
}

void answers::later(std::function<void()> handler)
{
    others_.push_back(std::move(handler));
}

bool answers::due() const noexcept
{
    return !hashes_.empty() || !writes_.empty() || !others_.empty();
}

void answers::flush() noexcept
{
    if (flushing_)
        return;
    flushing_ = true;
    /* A handler may cause new answers: they gather in the other arrays, for the
     * next flush. */
    hashes_.swap(hashes_now_);
    writes_.swap(writes_now_);
    others_.swap(others_now_);
    for (hash_answer &a : hashes_now_)
        quietly([&] { a.handler(a.piece, lt::sha1_hash(), aborted(lt::operation_t::file_read)); });
    hashes_now_.clear();
    for (write_fn &f : writes_now_)
        quietly([&] { f(aborted(lt::operation_t::file_write)); });
    writes_now_.clear();
    for (auto &f : others_now_)
        quietly([&] { f(); });
    others_now_.clear();
    flushing_ = false;
}

void answers::clear() noexcept
{
    for (held &h : held_) {
        if (h.torrent)
            h.torrent->withheld = 0;
        h = held();
    }
    hashes_.clear();
    writes_.clear();
    others_.clear();
}

} // namespace ltc
