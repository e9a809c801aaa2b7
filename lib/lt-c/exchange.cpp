/* SPDX-License-Identifier: MIT
 *
 * See exchange.hpp. Network thread only. */
#include "lt-c/exchange.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <libtorrent/bdecode.hpp>
#include <libtorrent/entry.hpp>
#include <libtorrent/extensions/ut_metadata.hpp>

#include "lt-c/convert.hpp"
#include "lt-c/lt-c.h"

namespace lt = libtorrent;

namespace
{

constexpr std::int64_t second = 1000000000;
constexpr std::int64_t patience = 5 * second;      /* for a part */
constexpr std::int64_t lie_rest = 20 * second;     /* for who made a wrong copy */
constexpr std::int64_t refusal_rest = 10 * second; /* for who says that it has none */

constexpr std::size_t max_copies = 8;
constexpr std::int64_t max_bytes = 3 * std::int64_t(LTC_MAX_METADATA); /* of all copies */
constexpr std::size_t max_liars = 64;

/* Bytes that a copy may take. Where no size was said, the first part brings one. */
std::int64_t cost(std::int64_t size) noexcept
{
    return size > 0 ? size : std::int64_t(LTC_MAX_METADATA);
}

constexpr std::int64_t part_size = 16 * 1024;

std::int64_t parts_of(std::int64_t total) noexcept
{
    return (total + part_size - 1) / part_size;
}

} // namespace

namespace ltc
{

metadata_exchange::metadata_exchange(lt::torrent_handle const &h, metadata_verdict &verdict,
                                     bool known)
    : handle_(h), verdict_(verdict), known_(known), home_(std::make_shared<metadata_copy>())
{
    home_->plugin = lt::create_ut_metadata_plugin(h, {});
}

std::shared_ptr<lt::peer_plugin>
metadata_exchange::new_connection(lt::peer_connection_handle const &c)
{
    if (c.type() != lt::connection_type::bittorrent || !home_->plugin)
        return nullptr; /* a private torrent, for one: its metadata stays where it is */
    auto p = std::make_shared<metadata_peer>(c, shared_from_this());
    recall(*p);
    p->sit(home_);
    peers_.push_back(p);
    return p;
}

/* Its port is the one it listens on only if we have called it. So another port of the
 * address does not rest, but may not join others either. */
void metadata_exchange::recall(metadata_peer &p) const
{
    auto const from = p.connection_.remote();
    for (auto const &l : liars_) {
        if (l.from.address() == from.address())
            p.alone_ = true;
        if (l.from == from)
            p.rests_until_ = l.until;
    }
}

std::vector<metadata_exchange::peer_ref> metadata_exchange::sitting_at(copy_ref const &copy) const
{
    std::vector<peer_ref> found;
    for (auto const &each : peers_) {
        auto p = each.lock();
        if (p && p->copy_ && (!copy || p->copy_ == copy))
            found.push_back(std::move(p));
    }
    return found;
}

/* An own copy, or that of those who say the same size. Null: there is no room. */
metadata_exchange::copy_ref metadata_exchange::place_for(metadata_peer const &p)
{
    for (auto const &copy : copies_) {
        if (!p.alone_ && copy->shared && copy->size == p.size_)
            return copy;
    }
    if (!make_room(p.size_))
        return nullptr;
    auto copy = std::make_shared<metadata_copy>();
    copy->plugin = lt::create_ut_metadata_plugin(handle_, {});
    if (!copy->plugin)
        return nullptr;
    copy->size = p.size_;
    copy->shared = !p.alone_;
    copies_.push_back(copy);
    return copy;
}

/* Shared copies that everybody has left are kept for those who come, as long as there
 * is room. */
bool metadata_exchange::make_room(std::int64_t size)
{
    for (;;) {
        std::int64_t sum = cost(size);
        for (auto const &copy : copies_)
            sum += cost(copy->size);
        if (copies_.size() < max_copies && sum <= max_bytes)
            return true;
        auto const empty = std::find_if(copies_.begin(), copies_.end(), [this](auto const &copy) {
            return sitting_at(copy).empty();
        });
        if (empty == copies_.end())
            return false;
        copies_.erase(empty);
    }
}

void metadata_exchange::seat(metadata_peer &p)
{
    std::int64_t const now = ltc_now_ns(nullptr);
    if (known_ || p.gone() || p.its_number_ == 0 || p.copy_ != home_ || p.rests_until_ > now)
        return;
    auto const copy = place_for(p);
    if (!copy)
        return;
    if (sitting_at(copy).empty())
        copy->began = copy->moved = now;
    p.sit(copy);
    p.introduce();
}

void metadata_exchange::break_up(copy_ref const &copy)
{
    auto const theirs = sitting_at(copy);
    copies_.erase(std::remove(copies_.begin(), copies_.end(), copy), copies_.end());
    for (auto const &p : theirs) {
        p->alone_ = true;
        p->sit(home_);
    }
    for (auto const &p : theirs)
        seat(*p);
}

/* The last part of a copy came from `p`, and the hash is wrong. */
void metadata_exchange::failed(metadata_peer &p)
{
    auto const copy = p.copy_;
    auto const theirs = sitting_at(copy);
    bool const only_one = !copy->deserted &&
                          std::count_if(theirs.begin(), theirs.end(),
                                        [](auto const &each) { return each->gave_; }) == 1;
    if (only_one)
        condemn(p);
    break_up(copy);
}

void metadata_exchange::condemn(metadata_peer &p)
{
    std::int64_t const until = ltc_now_ns(nullptr) + lie_rest;
    auto const from = p.connection_.remote();
    liars_.erase(
        std::remove_if(liars_.begin(), liars_.end(), [&](liar const &l) { return l.from == from; }),
        liars_.end());
    if (liars_.size() == max_liars)
        liars_.erase(liars_.begin());
    liars_.push_back({from, until});
    p.alone_ = true;
    p.rest(lie_rest);
}

/* All are served from what libtorrent has. Copies that are not ready would be handed
 * out as if they were. */
void metadata_exchange::settle()
{
    known_ = true;
    for (auto const &p : sitting_at(nullptr)) {
        p->sit(home_);
        if (p->its_number_ != 0)
            p->introduce();
    }
    copies_.clear();
    liars_.clear();
}

/* A shared copy that stands still is broken up: one who is asked again and again, and
 * does not answer, would be in the way of the others. If somebody waits, one who makes
 * a copy alone gives way when it stands still, and else when his turn is over; the
 * next one is twice as long, so that who is just slow will be ready some time. */
void metadata_exchange::stir(std::int64_t now)
{
    auto const all = sitting_at(nullptr);
    bool const waiting = std::any_of(all.begin(), all.end(), [&](auto const &p) {
        return p->copy_ == home_ && p->its_number_ != 0 && p->rests_until_ <= now;
    });
    for (auto const &copy : std::vector<copy_ref>(copies_)) {
        auto const theirs = sitting_at(copy);
        if (theirs.empty())
            continue;
        bool const still = now - copy->moved >= patience;
        bool const over = waiting && now - copy->began >= theirs.front()->turn_;
        if (theirs.size() > 1 && (still || over)) {
            break_up(copy);
        } else if (waiting && (still || over)) {
            theirs.front()->turn_ *= over ? 2 : 1;
            theirs.front()->rest(patience);
        }
    }
}

/* Those first who never had a place, then those who rested longest. */
void metadata_exchange::seat_waiting()
{
    auto waiting = sitting_at(home_);
    std::stable_sort(waiting.begin(), waiting.end(), [](auto const &a, auto const &b) {
        return a->rests_until_ < b->rests_until_;
    });
    for (auto const &p : waiting)
        seat(*p);
}

void metadata_exchange::tick()
{
    peers_.erase(
        std::remove_if(peers_.begin(), peers_.end(), [](auto const &p) { return p.expired(); }),
        peers_.end());
    if (known_)
        return;
    ltc::quietly([&] {
        if (handle_.torrent_file()) {
            settle(); /* nobody said so: libtorrent drops alerts when nobody fetches them */
            return;
        }
        stir(ltc_now_ns(nullptr));
        seat_waiting();
    });
}

metadata_peer::metadata_peer(lt::peer_connection_handle const &c,
                             std::shared_ptr<metadata_exchange> x)
    : connection_(c), exchange_(std::move(x))
{
}

bool metadata_peer::gone() const
{
    return !connection_.native_handle() || connection_.is_disconnecting();
}

void metadata_peer::sit(std::shared_ptr<metadata_copy> const &at)
{
    if (copy_ && gave_)
        copy_->deserted = true;
    gave_ = false;
    theirs_.reset();
    auto const before = std::exchange(copy_, at);
    auto &copies = exchange_->copies_;
    if (before && before != at && !before->shared)
        copies.erase(std::remove(copies.begin(), copies.end(), before), copies.end());
    if (at && !gone())
        theirs_ = at->plugin->new_connection(connection_);
}

void metadata_peer::rest(std::int64_t ns)
{
    rests_until_ = ltc_now_ns(nullptr) + ns;
    sit(exchange_->home_);
}

/* Tells libtorrent's plugin what the peer said in its handshake, which was long ago. */
void metadata_peer::introduce()
{
    auto const plugin = theirs_;
    if (!plugin)
        return;
    char text[80];
    int const n = std::snprintf(text, sizeof text, "d1:md11:ut_metadatai%dee13:metadata_sizei%dee",
                                static_cast<int>(its_number_), static_cast<int>(size_));
    lt::error_code ec;
    auto const said = lt::bdecode(lt::span<char const>(text, n), ec);
    if (!ec)
        plugin->on_extension_handshake(said);
}

void metadata_peer::add_handshake(lt::entry &h)
{
    if (!theirs_)
        return;
    theirs_->add_handshake(h);
    if (auto const *numbers = h.find_key("m")) {
        if (auto const *ours = numbers->find_key("ut_metadata"))
            our_number_ = static_cast<int>(ours->integer());
    }
}

/* False: it does not speak this; libtorrent forgets this object then. */
bool metadata_peer::on_extension_handshake(lt::bdecode_node const &h)
{
    if (h.type() != lt::bdecode_node::dict_t)
        return false;
    auto const numbers = h.dict_find_dict("m");
    auto const message = numbers ? numbers.dict_find_int_value("ut_metadata", 0) : 0;
    if (message <= 0 || message > 255)
        return false;
    auto const size = h.dict_find_int_value("metadata_size", 0);
    its_number_ = message;
    size_ = size > 0 && size <= LTC_MAX_METADATA ? size : 0;
    if (exchange_->known_) {
        introduce();
        return true;
    }
    sit(exchange_->home_); /* it may have said something else before */
    exchange_->seat(*this);
    return true;
}

/* Of a message of this protocol what we look at. It may refer to memory that is gone
 * when libtorrent's plugin has had it, so it is copied. */
struct metadata_peer::message {
    enum { none = -1, part = 1, refusal = 2 };
    std::int64_t kind = none;
    std::int64_t index = -1, total = 0, len = 0; /* of a part */

    explicit message(lt::span<char const> body)
    {
        lt::error_code ec;
        lt::bdecode_node const head = lt::bdecode(body, ec);
        if (ec || head.type() != lt::bdecode_node::dict_t)
            return;
        kind = head.dict_find_int_value("msg_type", none);
        index = head.dict_find_int_value("piece", -1);
        total = head.dict_find_int_value("total_size", 0);
        len = body.size() - head.data_section().size();
    }
};

/* False: the part contradicts what the peer said before, or itself. libtorrent drops
 * such a part and asks the same peer for it again, for ever. */
bool metadata_peer::is_sound(message const &m) const
{
    if (m.total <= 0 || m.total > LTC_MAX_METADATA || (size_ > 0 && m.total != size_))
        return false;
    return m.index >= 0 && m.index < parts_of(m.total) &&
           m.len == std::min(part_size, m.total - m.index * part_size);
}

bool metadata_peer::on_extended(int length, int number, lt::span<char const> body)
{
    auto &x = *exchange_;
    auto const mine = copy_; /* both may be left in the middle, when it disconnects */
    auto const plugin = theirs_;
    if (!plugin)
        return false;
    if (x.known_ || mine == x.home_ || number != our_number_ || body.size() != length)
        return plugin->on_extended(length, number, body);
    message const m(body);
    if (m.kind == message::part) {
        if (!is_sound(m)) {
            ltc::quietly([&] { x.condemn(*this); });
            return true;
        }
        gave_ = true;
        if (mine->parts++ < parts_of(m.total))
            mine->moved = ltc_now_ns(nullptr);
    }
    x.verdict_ = metadata_verdict::none;
    bool const taken = plugin->on_extended(length, number, body);
    if (x.verdict_ == metadata_verdict::right)
        ltc::quietly([&] { x.settle(); });
    else if (mine != copy_)
        return taken; /* it has gone */
    else if (x.verdict_ == metadata_verdict::wrong)
        ltc::quietly([&] { x.failed(*this); });
    else if (m.kind == message::refusal)
        ltc::quietly([&] { rest(refusal_rest); });
    return taken;
}

void metadata_peer::on_disconnect(lt::error_code const &)
{
    sit(nullptr);
}

void metadata_peer::tick()
{
    if (auto const plugin = theirs_)
        plugin->tick();
}

} // namespace ltc
