/* SPDX-License-Identifier: MIT
 *
 * Metadata from and to peers (BEP 9), so that no liar can keep a magnet from being
 * resolved. libtorrent's plugin speaks the protocol; this decides which peers put
 * which copy together. Network thread only.
 *
 * libtorrent's plugin alone takes one size for true, the one said last, mixes what
 * all peers send, and after a wrong hash asks the same peers again, the quickest
 * first: one liar of any kind stops it for ever. Here every *copy* is an instance of
 * that plugin, which sees only the peers that sit at it:
 *
 * - Peers that say the same size share a copy, which is the quick way.
 * - A shared copy that is wrong, or stands still, is broken up: from then on each of
 *   its peers makes a copy alone, so that a liar spoils nobody's but his own.
 * - Who made a wrong copy alone, or contradicts himself, rests for 20 s, and so
 *   does his address when it comes again. Nobody is banned: metadata can be damaged
 *   by chance, and it may be the only peer.
 * - Copies are limited in number and size, and made by turns if there are more peers. */
#ifndef GOS_LTC_EXCHANGE_HPP
#define GOS_LTC_EXCHANGE_HPP

#include <cstdint>
#include <memory>
#include <vector>

#include <libtorrent/address.hpp>
#include <libtorrent/extensions.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/socket.hpp>
#include <libtorrent/torrent_handle.hpp>

#include "lt-c/verdict.hpp"

namespace ltc
{

class metadata_peer;

struct metadata_copy {
    std::shared_ptr<libtorrent::torrent_plugin> plugin;
    std::int64_t size = 0;  /* said by its peers; 0: they do not know */
    bool shared = true;     /* others with this size may join */
    bool deserted = false;  /* somebody gave a part of it and left */
    std::int64_t parts = 0; /* that came, wrong ones and repeated ones too */
    std::int64_t began = 0; /* when the first one sat down */
    std::int64_t moved = 0; /* when the last one came that may have been new */
};

class metadata_exchange final : public libtorrent::torrent_plugin,
                                public std::enable_shared_from_this<metadata_exchange>
{
public:
    metadata_exchange(libtorrent::torrent_handle const &h, metadata_verdict &verdict, bool known);

    std::shared_ptr<libtorrent::peer_plugin>
    new_connection(libtorrent::peer_connection_handle const &c) override;
    void tick() override;

private:
    friend class metadata_peer;
    using copy_ref = std::shared_ptr<metadata_copy>;
    using peer_ref = std::shared_ptr<metadata_peer>;

    struct liar {
        libtorrent::tcp::endpoint from;
        std::int64_t until;
    };

    void settle();
    void seat(metadata_peer &p);
    copy_ref place_for(metadata_peer const &p);
    bool make_room(std::int64_t size);
    void break_up(copy_ref const &copy);
    void failed(metadata_peer &p);
    void condemn(metadata_peer &p);
    void recall(metadata_peer &p) const;
    void stir(std::int64_t now);
    void seat_waiting();
    std::vector<peer_ref> sitting_at(copy_ref const &copy) const; /* null: all */

    libtorrent::torrent_handle const handle_;
    metadata_verdict &verdict_; /* the session's */
    bool known_;
    /* Where those sit that make no copy: it is told nothing of them and so asks them
     * for nothing. Once the metadata is known all sit here, and are served. */
    copy_ref const home_;
    std::vector<copy_ref> copies_;
    std::vector<std::weak_ptr<metadata_peer>> peers_;
    std::vector<liar> liars_;
};

/* Stands between a connection and the instance of libtorrent's plugin for it. */
class metadata_peer final : public libtorrent::peer_plugin
{
public:
    metadata_peer(libtorrent::peer_connection_handle const &c,
                  std::shared_ptr<metadata_exchange> x);

    void add_handshake(libtorrent::entry &h) override;
    bool on_extension_handshake(libtorrent::bdecode_node const &h) override;
    bool on_extended(int length, int number, libtorrent::span<char const> body) override;
    void on_disconnect(libtorrent::error_code const &) override;
    void tick() override;

private:
    friend class metadata_exchange;

    bool gone() const;
    void sit(std::shared_ptr<metadata_copy> const &at);
    void introduce();
    void rest(std::int64_t ns);
    struct message;
    bool is_sound(message const &m) const;

    libtorrent::peer_connection_handle const connection_;
    std::shared_ptr<metadata_exchange> const exchange_;
    std::shared_ptr<metadata_copy> copy_; /* outlives theirs_, which refers to it */
    std::shared_ptr<libtorrent::peer_plugin> theirs_;
    int our_number_ = 0;          /* ours for this protocol */
    std::int64_t its_number_ = 0; /* its; 0: does not speak it, or has not said so yet */
    std::int64_t size_ = 0;       /* what it says; 0: it does not know */
    std::int64_t rests_until_ = 0;
    std::int64_t turn_ = std::int64_t(20) * 1000000000; /* to be ready in, if others wait */
    bool gave_ = false;                                 /* a part of the copy */
    bool alone_ = false;                                /* its copies are its own */
};

} // namespace ltc

#endif
