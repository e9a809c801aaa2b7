/* SPDX-License-Identifier: MIT
 *
 * Withheld, awaited and due completions. Network thread only. */
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

answers::answers(std::uint32_t slots) : held_(slots), waiting_(slots)
{
    std::size_t n = 16;
    while (n < slots)
        n *= 2;
    buckets_.assign(n, 0);
    for (std::uint32_t i = slots; i-- > 0;) {
        waiting_[i].next = free_;
        free_ = i + 1;
    }
    for (auto *v : {&writes_, &writes_now_})
        v->reserve(slots + spare);
    for (auto *v : {&hashes_, &hashes_now_})
        v->reserve(slots + spare / 8);
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

std::uint32_t &answers::bucket(ltc_torrent const *t, std::uint32_t piece) noexcept
{
    auto const h = reinterpret_cast<std::uintptr_t>(t) / alignof(ltc_torrent) + piece;
    return buckets_[(h * 0x9e3779b97f4a7c15ull >> 32) & (buckets_.size() - 1)];
}

bool answers::await_hash(ltc_torrent *t, std::uint32_t piece, hash_fn &handler) noexcept
{
    if (!free_)
        return false;
    std::uint32_t const at = free_;
    waiting &w = waiting_[at - 1];
    free_ = w.next;
    w.handler = std::move(handler);
    w.torrent = t;
    w.piece = piece;
    std::uint32_t &head = bucket(t, piece);
    w.next = head;
    head = at;
    return true;
}

/* Move the node that `link` names to the due answers. */
void answers::unlink(std::uint32_t &link) noexcept
{
    std::uint32_t const at = link;
    waiting &w = waiting_[at - 1];
    link = w.next;
    w.next = free_;
    free_ = at;
    w.torrent = nullptr;
    answer_hash(std::exchange(w.handler, nullptr), w.piece);
}

void answers::hash_done(ltc_torrent *t, std::uint32_t piece) noexcept
{
    for (std::uint32_t *link = &bucket(t, piece); *link; link = &waiting_[*link - 1].next) {
        waiting const &w = waiting_[*link - 1];
        if (w.torrent == t && w.piece == piece) {
            unlink(*link);
            return;
        }
    }
}

void answers::answer_hash(hash_fn &&handler, std::uint32_t piece) noexcept
{
    quietly([&] { hashes_.push_back({std::move(handler), piece}); });
}

void answers::refuse_hash(std::uint32_t piece, hash_fn &&handler) noexcept
{
    answer_hash(std::move(handler), piece);
}

void answers::forget(ltc_torrent *t) noexcept
{
    for (std::uint32_t &head : buckets_) {
        for (std::uint32_t *link = &head; *link;) {
            waiting &w = waiting_[*link - 1];
            if (w.torrent == t)
                unlink(*link);
            else
                link = &w.next;
        }
    }
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
    for (hash_answer &a : hashes_now_) {
        auto const piece = lt::piece_index_t(static_cast<int>(a.piece));
        quietly([&] { a.handler(piece, lt::sha1_hash(), aborted(lt::operation_t::file_read)); });
    }
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
    for (waiting &w : waiting_) {
        w.handler = nullptr;
        w.torrent = nullptr;
    }
    hashes_.clear();
    writes_.clear();
    others_.clear();
}

} // namespace ltc
