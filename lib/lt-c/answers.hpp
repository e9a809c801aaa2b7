/* SPDX-License-Identifier: MIT
 *
 * libtorrent's completions that wait: writes withheld under the caller's slot
 * numbers, hashes that are being checked, and answers that are due. All memory
 * is taken when the session starts, so keeping and answering cannot fail.
 * Network thread only.
 *
 * The order of a flush matters: hashes first, then writes. When all writes of a
 * piece are aborted while libtorrent still counts a hash of it as running, the
 * piece is lost for ever: it stays in the download list with nothing to do. */
#ifndef GOS_LTC_ANSWERS_HPP
#define GOS_LTC_ANSWERS_HPP

#include <cstdint>
#include <functional>
#include <vector>

#include <libtorrent/error_code.hpp>
#include <libtorrent/sha1_hash.hpp>
#include <libtorrent/storage_defs.hpp>
#include <libtorrent/units.hpp>

struct ltc_torrent;

namespace ltc
{

namespace lt = libtorrent;

using write_fn = std::function<void(lt::storage_error const &)>;
using hash_fn =
    std::function<void(lt::piece_index_t, lt::sha1_hash const &, lt::storage_error const &)>;

class answers
{
public:
    explicit answers(std::uint32_t slots);

    /* False: the slot is out of range or in use. */
    bool withhold(std::uint32_t slot, ltc_torrent *t, write_fn &handler) noexcept;
    void drop(write_fn &&handler) noexcept;      /* answer "aborted" at the next flush */
    void give_back(std::uint32_t slot) noexcept; /* the same for a withheld one */

    /* False: no room, which means more pieces than slots. */
    bool await_hash(ltc_torrent *t, std::uint32_t piece, hash_fn &handler) noexcept;
    void hash_done(ltc_torrent *t, std::uint32_t piece) noexcept;
    void refuse_hash(std::uint32_t piece, hash_fn &&handler) noexcept;

    void forget(ltc_torrent *t) noexcept;      /* answer all that t has here */
    void later(std::function<void()> handler); /* after hashes and writes */

    bool due() const noexcept;
    void flush() noexcept;
    void clear() noexcept; /* drop everything unanswered: libtorrent is going */

private:
    struct held {
        write_fn handler;
        ltc_torrent *torrent = nullptr;
    };
    struct hash_answer {
        hash_fn handler;
        std::uint32_t piece = 0;
    };
    /* A node of a chained hash table; `next` is an index + 1, 0 ends a chain. */
    struct waiting {
        hash_fn handler;
        ltc_torrent *torrent = nullptr;
        std::uint32_t piece = 0;
        std::uint32_t next = 0;
    };
    std::uint32_t &bucket(ltc_torrent const *t, std::uint32_t piece) noexcept;
    void answer_hash(hash_fn &&handler, std::uint32_t piece) noexcept;
    void unlink(std::uint32_t &link) noexcept;

    std::vector<held> held_;
    std::vector<waiting> waiting_;
    std::vector<std::uint32_t> buckets_;
    std::uint32_t free_ = 0;

    std::vector<write_fn> writes_, writes_now_;
    std::vector<hash_answer> hashes_, hashes_now_;
    std::vector<std::function<void()>> others_, others_now_;
    bool flushing_ = false;
};

} // namespace ltc

#endif
