/* SPDX-License-Identifier: MIT
 *
 * libtorrent's completions that wait: writes withheld under the caller's slot
 * numbers, and answers that are due. All memory is taken when the session starts,
 * so keeping and answering cannot fail. Network thread only.
 *
 * The order of a flush matters: hashes first, then writes. When all writes of a
 * piece are aborted while libtorrent still counts a hash of it as running, its
 * picker has lost the piece: it stays in the download list with nothing to do. A
 * hash is due as soon as it is asked for, and is never asked for in a flush, so
 * none is running when a write is aborted. */
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

    /* Answer "aborted" at the next flush, before any write. */
    void refuse_hash(lt::piece_index_t piece, hash_fn &&handler) noexcept;

    void forget(ltc_torrent *t) noexcept;      /* give all back that t has here */
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
        lt::piece_index_t piece;
    };

    std::vector<held> held_;
    std::vector<write_fn> writes_, writes_now_;
    std::vector<hash_answer> hashes_, hashes_now_;
    std::vector<std::function<void()>> others_, others_now_;
    bool flushing_ = false;
};

} // namespace ltc

#endif
