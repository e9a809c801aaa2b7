/* SPDX-License-Identifier: MIT
 *
 * Blocks go to the hooks, never to files. Everything runs in the network
 * thread but the destructor and, rarely, remove_torrent(); nothing here waits,
 * and no completion runs inside one of these calls. */
#include "lt-c/disk.hpp"

#include <mutex>
#include <utility>
#include <vector>

#include <boost/asio/error.hpp>

#include <libtorrent/disk_buffer_holder.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/storage_defs.hpp>

#include "lt-c/session.hpp"

namespace ltc
{

namespace
{

lt::storage_error aborted(lt::operation_t what)
{
    return lt::storage_error(lt::error_code(boost::asio::error::operation_aborted), what);
}

class disk final : public lt::disk_interface
{
public:
    disk(ltc_session &session, lt::io_context &ios) : session_(session)
    {
        session_.pulse.open(ios);
    }

    ~disk() override
    {
        /* The io_context lives a little longer, peers do not. */
        session_.pulse.shut();
        session_.answers.clear();
    }

    lt::storage_holder new_torrent(lt::storage_params const &,
                                   std::shared_ptr<void> const &torrent) override
    {
        std::lock_guard<std::mutex> hold(lock_);
        std::size_t i = 0;
        while (i < storages_.size() && storages_[i].used)
            ++i;
        if (i == storages_.size())
            storages_.emplace_back();
        storages_[i].used = true;
        storages_[i].theirs = torrent;
        return lt::storage_holder(lt::storage_index_t(static_cast<std::uint32_t>(i)), *this);
    }

    /* From the destructor of libtorrent's torrent: its last reference may have
     * been in a handle of another thread. No job of it is left by then. */
    void remove_torrent(lt::storage_index_t storage) override
    {
        std::lock_guard<std::mutex> hold(lock_);
        auto &s = storages_[static_cast<std::uint32_t>(storage)];
        s = entry();
    }

    bool async_write(lt::storage_index_t storage, lt::peer_request const &r, char const *buf,
                     std::shared_ptr<lt::disk_observer>, write_fn handler,
                     lt::disk_job_flags_t) override
    {
        ltc_torrent *t = listener(storage);
        std::int64_t slot = LTC_DROPPED;
        session_.pulse.wake(); /* at its end libtorrent no longer calls submit_jobs() */
        if (t && !t->stopped && t->picks.withhold(number(r.piece), handler))
            return false;
        if (t && r.start % int(LTC_BLOCK) == 0)
            slot = session_.hooks->block(t->user, number(r.piece),
                                         static_cast<std::uint32_t>(r.start) / LTC_BLOCK, buf,
                                         static_cast<std::uint32_t>(r.length));
        if (slot < 0 || slot > UINT32_MAX ||
            !session_.answers.withhold(static_cast<std::uint32_t>(slot), t, handler))
            session_.answers.drop(std::move(handler));
        /* "True" would stop the peer until its writes are done: with withheld
         * writes, for ever. */
        return false;
    }

    /* The caller counts blocks and checks pieces itself. The answer is due before
     * any write of the piece is aborted: see answers.hpp. */
    void async_hash(lt::storage_index_t, lt::piece_index_t piece, lt::span<lt::sha256_hash>,
                    lt::disk_job_flags_t, hash_fn handler) override
    {
        session_.answers.refuse_hash(piece, std::move(handler));
        session_.pulse.wake();
    }

    void async_hash2(
        lt::storage_index_t, lt::piece_index_t piece, int, lt::disk_job_flags_t,
        std::function<void(lt::piece_index_t, lt::sha256_hash const &, lt::storage_error const &)>
            handler) override
    {
        later([handler = std::move(handler), piece] {
            handler(piece, lt::sha256_hash(), aborted(lt::operation_t::file_read));
        });
    }

    /* An upload. libtorrent "has" nothing, so nobody can ask. */
    void async_read(lt::storage_index_t, lt::peer_request const &,
                    std::function<void(lt::disk_buffer_holder, lt::storage_error const &)> handler,
                    lt::disk_job_flags_t) override
    {
        later([handler = std::move(handler)] {
            handler(lt::disk_buffer_holder(), aborted(lt::operation_t::file_read));
        });
    }

    /* "Nothing on disk": downloading starts at once. */
    void
    async_check_files(lt::storage_index_t, lt::add_torrent_params const *,
                      lt::aux::vector<std::string, lt::file_index_t>,
                      std::function<void(lt::status_t, lt::storage_error const &)> handler) override
    {
        later([handler = std::move(handler)] {
            handler(lt::status_t::no_error, lt::storage_error());
        });
    }

    void async_stop_torrent(lt::storage_index_t storage, std::function<void()> handler) override
    {
        if (ltc_torrent *t = listener(storage))
            t->stop();
        if (handler)
            later(std::move(handler));
        else
            session_.pulse.wake();
    }

    /* After a wrong hash, which is never told to libtorrent. */
    void async_clear_piece(lt::storage_index_t, lt::piece_index_t piece,
                           std::function<void(lt::piece_index_t)> handler) override
    {
        later([handler = std::move(handler), piece] { handler(piece); });
    }

    void async_release_files(lt::storage_index_t, std::function<void()> handler) override
    {
        if (handler)
            later(std::move(handler));
    }

    void async_move_storage(
        lt::storage_index_t, std::string path, lt::move_flags_t,
        std::function<void(lt::status_t, std::string const &, lt::storage_error const &)> handler)
        override
    {
        later([handler = std::move(handler), path = std::move(path)] {
            handler(lt::status_t::no_error, path, lt::storage_error());
        });
    }

    void async_rename_file(
        lt::storage_index_t, lt::file_index_t file, std::string name,
        std::function<void(std::string const &, lt::file_index_t, lt::storage_error const &)>
            handler) override
    {
        later([handler = std::move(handler), name = std::move(name), file] {
            handler(name, file, lt::storage_error());
        });
    }

    void async_delete_files(lt::storage_index_t, lt::remove_flags_t,
                            std::function<void(lt::storage_error const &)> handler) override
    {
        later([handler = std::move(handler)] { handler(lt::storage_error()); });
    }

    void async_set_file_priority(
        lt::storage_index_t, lt::aux::vector<lt::download_priority_t, lt::file_index_t> priorities,
        std::function<void(lt::storage_error const &,
                           lt::aux::vector<lt::download_priority_t, lt::file_index_t>)>
            handler) override
    {
        later([handler = std::move(handler), priorities = std::move(priorities)] {
            handler(lt::storage_error(), priorities);
        });
    }

    void update_stats_counters(lt::counters &) const override
    {
    }

    std::vector<lt::open_file_state> get_status(lt::storage_index_t) const override
    {
        return {};
    }

    void abort(bool) override
    {
        session_.answers.flush();
        session_.pulse.stop();
    }

    /* The end of a burst of calls. */
    void submit_jobs() override
    {
        session_.pulse.wake();
    }

    void settings_updated() override
    {
    }

private:
    struct entry {
        std::weak_ptr<void> theirs; /* libtorrent's torrent */
        std::shared_ptr<ltc_torrent> torrent;
        bool used = false;
    };

    static std::uint32_t number(lt::piece_index_t piece) noexcept
    {
        return static_cast<std::uint32_t>(static_cast<int>(piece));
    }

    void later(std::function<void()> f)
    {
        session_.answers.later(std::move(f));
        session_.pulse.wake();
    }

    /* The torrent that hears what happens to this storage, or none. Looked for
     * here, as libtorrent makes the storage before the plugin. Without the lock:
     * only this thread makes storages, and one that is in use is not removed. */
    ltc_torrent *listener(lt::storage_index_t i) noexcept
    {
        entry &s = storages_[static_cast<std::uint32_t>(i)];
        if (!s.torrent) {
            if (ltc_torrent *found = session_.find(s.theirs))
                s.torrent = found->shared_from_this();
        }
        ltc_torrent *t = s.torrent.get();
        return t && !t->detached && t->is_ready ? t : nullptr;
    }

    ltc_session &session_;
    std::mutex lock_; /* the table of storages; see listener() */
    std::vector<entry> storages_;
};

} // namespace

std::unique_ptr<lt::disk_interface> make_disk(ltc_session &session, lt::io_context &ios)
{
    return std::make_unique<disk>(session, ios);
}

} // namespace ltc
