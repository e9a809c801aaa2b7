/* SPDX-License-Identifier: MIT
 *
 * Posting and timing without allocation. See pulse.hpp for the threads. */
#include "lt-c/pulse.hpp"

#include <chrono>
#include <new>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

namespace ltc
{

void *slabs::take(std::size_t size)
{
    if (size <= sizeof(slab::bytes)) {
        for (slab &s : slabs_) {
            if (!s.used.test_and_set(std::memory_order_acquire))
                return s.bytes;
        }
    }
    return ::operator new(size);
}

void slabs::give(void *p) noexcept
{
    for (slab &s : slabs_) {
        if (p == s.bytes) {
            s.used.clear(std::memory_order_release);
            return;
        }
    }
    ::operator delete(p);
}

struct on_wake {
    pulse *owner;
    using allocator_type = slab_allocator<void>;
    allocator_type get_allocator() const noexcept
    {
        return allocator_type(&owner->slabs_);
    }
    void operator()() const noexcept
    {
        owner->woken();
    }
};

struct on_time {
    pulse *owner;
    using allocator_type = slab_allocator<void>;
    allocator_type get_allocator() const noexcept
    {
        return allocator_type(&owner->slabs_);
    }
    void operator()(boost::system::error_code const &ec) const noexcept
    {
        owner->timed(ec);
    }
};

void pulse::open(lt::io_context &ios)
{
    ios_ = &ios;
    timer_.emplace(ios);
    open_.store(true, std::memory_order_release);
}

void pulse::stop() noexcept
{
    open_.store(false, std::memory_order_release);
    try {
        if (timer_)
            timer_->cancel(); /* a wait would keep the network thread alive */
    } catch (...) {
    }
}

void pulse::shut() noexcept
{
    stop();
    timer_.reset();
}

void pulse::wake() noexcept
{
    if (!open_.load(std::memory_order_acquire))
        return;
    if (due_.exchange(true, std::memory_order_acq_rel))
        return;
    try {
        boost::asio::post(*ios_, on_wake{this});
    } catch (...) {
        /* Cannot happen while a slab is free; were it to, libtorrent's tick wakes. */
        due_.store(false, std::memory_order_release);
    }
}

void pulse::woken() noexcept
{
    /* Cleared first: what is asked for from here on needs another beat. */
    due_.store(false, std::memory_order_release);
    if (open_.load(std::memory_order_acquire))
        beat_(arg_);
}

void pulse::at(std::int64_t ns) noexcept
{
    if (ns == INT64_MAX || !timer_ || !open_.load(std::memory_order_acquire))
        return;
    if (armed_ && armed_at_ <= ns)
        return; /* that beat will ask again */
    try {
        using clock = std::chrono::steady_clock;
        auto const since = std::chrono::nanoseconds(ns);
        timer_->expires_at(clock::time_point(std::chrono::duration_cast<clock::duration>(since)));
        timer_->async_wait(on_time{this});
        armed_ = true;
        armed_at_ = ns;
        timer_failed_ = false;
    } catch (...) {
        armed_ = false;
        timer_failed_ = true;
    }
}

void pulse::timed(boost::system::error_code const &ec) noexcept
{
    if (ec == boost::asio::error::operation_aborted)
        return;
    armed_ = false;
    if (open_.load(std::memory_order_acquire))
        beat_(arg_);
}

} // namespace ltc
