/* SPDX-License-Identifier: MIT
 *
 * The beat of the network thread: one posted handler and one timer, both in
 * memory that exists before they are needed, so that a wake never allocates and
 * never throws. wake() runs in any thread, everything else in the network
 * thread, open() and shut() while it does not run or in it. */
#ifndef GOS_LTC_PULSE_HPP
#define GOS_LTC_PULSE_HPP

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <boost/asio/steady_timer.hpp>

#include <libtorrent/io_context.hpp>

namespace ltc
{

namespace lt = libtorrent;

/* A few fixed pieces of memory for asio's handlers. They outlive the
 * io_context, which frees what it never ran. */
class slabs
{
public:
    void *take(std::size_t size);
    void give(void *p) noexcept;

private:
    struct slab {
        alignas(std::max_align_t) unsigned char bytes[256];
        std::atomic_flag used = ATOMIC_FLAG_INIT;
    };
    std::array<slab, 6> slabs_;
};

template <typename T>
struct slab_allocator {
    using value_type = T;
    slabs *from;

    explicit slab_allocator(slabs *s) noexcept : from(s)
    {
    }
    template <typename U>
    slab_allocator(slab_allocator<U> const &o) noexcept : from(o.from)
    {
    }
    T *allocate(std::size_t n)
    {
        return static_cast<T *>(from->take(n * sizeof(T)));
    }
    void deallocate(T *p, std::size_t) noexcept
    {
        from->give(p);
    }
    template <typename U>
    bool operator==(slab_allocator<U> const &o) const noexcept
    {
        return from == o.from;
    }
    template <typename U>
    bool operator!=(slab_allocator<U> const &o) const noexcept
    {
        return from != o.from;
    }
};

class pulse
{
public:
    using beat_fn = void (*)(void *) noexcept;

    pulse(beat_fn beat, void *arg) noexcept : beat_(beat), arg_(arg)
    {
    }
    void open(lt::io_context &ios);
    void stop() noexcept; /* no further beat; the network thread may end */
    void shut() noexcept; /* before the io_context goes */

    void wake() noexcept;
    void at(std::int64_t ns) noexcept; /* a beat at that time, or earlier */
    bool timer_failed() const noexcept
    {
        return timer_failed_;
    }

private:
    friend struct on_wake;
    friend struct on_time;
    void woken() noexcept;
    void timed(boost::system::error_code const &ec) noexcept;

    beat_fn const beat_;
    void *const arg_;
    slabs slabs_;
    lt::io_context *ios_ = nullptr;
    /* any thread; `due_` says that a handler is posted and has not begun, so
     * there is at most one and its slab is free again when the next is posted */
    std::atomic<bool> due_{false};
    std::atomic<bool> open_{false};
    /* network thread */
    std::optional<boost::asio::steady_timer> timer_;
    bool armed_ = false;
    bool timer_failed_ = false;
    std::int64_t armed_at_ = 0;
};

} // namespace ltc

#endif
