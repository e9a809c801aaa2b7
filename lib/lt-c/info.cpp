/* SPDX-License-Identifier: MIT
 *
 * Metadata as plain C arrays. Made in any thread, immutable afterwards; only
 * the layers of v2 metadata from peers come later, each published by one
 * atomic pointer. */
#include "lt-c/info.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <libtorrent/error_code.hpp>
#include <libtorrent/file_storage.hpp>

#include "lt-c/convert.hpp"

namespace lt = libtorrent;

namespace
{

int const max_pieces = lt::load_torrent_limits{}.max_pieces;

/* Not by the constructor that reads whole files: it wants layers, which metadata
 * from peers has not, and it makes equal paths different in quadratic time. */
std::shared_ptr<lt::torrent_info> parse(lt::bdecode_node const &torrent)
{
    lt::error_code ec;
    auto ti = std::make_shared<lt::torrent_info>(lt::info_hash_t());
    if (!ti->parse_info_section(torrent.dict_find_dict("info"), ec, max_pieces))
        throw lt::system_error(ec);
    return ti;
}

/* Paths below the torrent's folder, cleaned and different. */
void take_paths(ltc_info &i, lt::file_storage const &fs, lt::bdecode_node const &info_dict)
{
    std::vector<bool> hidden;
    std::string const folder = fs.name() + "/";
    for (lt::file_index_t const f : fs.file_range()) {
        std::string path = fs.file_path(f);
        bool const pad = fs.pad_file_at(f);
        hidden.push_back(pad);
        if (!pad && path.find('/') != std::string::npos)
            i.view.multi_file = true;
        if (path.compare(0, folder.size(), folder) == 0)
            path.erase(0, folder.size());
        i.paths.push_back(ltc::tidy_path(path));
    }
    ltc::make_unique(i.paths, hidden);

    std::string const raw_name = ltc::raw_name(info_dict);
    i.name = ltc::tidy_path(i.view.multi_file ? fs.name() : i.paths.front());
    auto const slash = i.name.rfind('/');
    if (slash != std::string::npos)
        i.name.erase(0, slash + 1);
    i.view.name_renamed = i.name != raw_name;

    /* In v2 torrents libtorrent adds pad files that the list does not have. */
    auto const raw = ltc::raw_paths(info_dict);
    bool const lists_pads = raw.size() == i.paths.size();
    std::size_t at = 0;
    for (std::size_t f = 0; f < i.paths.size(); ++f) {
        ltc_file file{};
        file.path = i.paths[f].c_str();
        if (hidden[f])
            file.flags |= LTC_FILE_PAD;
        if (hidden[f] && !lists_pads) {
            i.files.push_back(file);
            continue;
        }
        if (at >= raw.size() || raw[at] != i.paths[f])
            file.flags |= hidden[f] ? 0 : LTC_FILE_RENAMED;
        ++at;
        i.files.push_back(file);
    }
}

void take_files(ltc_info &i, lt::file_storage const &fs, bool v2)
{
    i.roots.resize(i.files.size());
    for (lt::file_index_t const f : fs.file_range()) {
        auto const n = static_cast<std::size_t>(static_cast<int>(f));
        ltc_file &file = i.files[n];
        file.size = static_cast<std::uint64_t>(fs.file_size(f));
        file.offset = static_cast<std::uint64_t>(fs.file_offset(f));
        if (fs.file_flags(f) & lt::file_storage::flag_symlink)
            file.flags |= LTC_FILE_SYMLINK;
        if (!v2 || file.size == 0 || (file.flags & (LTC_FILE_PAD | LTC_FILE_SYMLINK)))
            continue;
        i.roots[n] = fs.root(f);
        file.root = reinterpret_cast<std::uint8_t const *>(i.roots[n].data());
    }
    i.layers = std::make_unique<std::atomic<std::uint8_t const *>[]>(i.files.size());
    i.layer_bytes.resize(i.files.size());
}

void take_numbers(ltc_info &i, lt::torrent_info const &ti, lt::bdecode_node const &torrent)
{
    auto const info_dict = torrent.dict_find_dict("info");
    lt::file_storage const &fs = ti.orig_files();
    ltc_info_view &v = i.view;
    v.name = i.name.c_str();
    v.v1 = ti.info_hashes().has_v1();
    v.v2 = ti.info_hashes().has_v2();
    v.total_size = static_cast<std::uint64_t>(fs.total_size());
    v.n_pieces = static_cast<std::uint32_t>(fs.num_pieces());
    v.n_files = static_cast<std::uint32_t>(i.files.size());
    v.files = i.files.data();
    v.created = std::max<std::int64_t>(torrent.dict_find_int_value("creation date", 0), 0);
    if (v.v1) {
        std::memcpy(v.v1_hash, ti.info_hashes().v1.data(), 20);
        auto const pieces = info_dict.dict_find_string("pieces");
        v.piece_hashes = reinterpret_cast<std::uint8_t const *>(pieces.string_ptr());
    }
    if (v.v2)
        std::memcpy(v.v2_hash, ti.info_hashes().v2.data(), 32);
}

int fill(ltc_info &i, ltc_error *err)
{
    lt::bdecode_node torrent;
    int const rc = ltc::decode(torrent, i.bytes, err);
    if (rc < 0)
        return rc;
    if (char const *wrong = ltc::what_is_wrong(torrent))
        return ltc::refuse(err, -EBADMSG, wrong);
    std::shared_ptr<lt::torrent_info> ti;
    try {
        ti = parse(torrent);
    } catch (lt::system_error const &e) {
        return ltc::refuse(err, -EBADMSG, e.code().message().c_str());
    }
    auto const info_dict = torrent.dict_find_dict("info");
    i.view.piece_length = static_cast<std::uint32_t>(ti->piece_length());
    take_paths(i, ti->orig_files(), info_dict);
    take_files(i, ti->orig_files(), ti->info_hashes().has_v2());
    take_numbers(i, *ti, torrent);
    if (!i.from_peers && !ltc::info_read_layers(i, torrent))
        return ltc::refuse(err, -EBADMSG, "the hashes of a file's pieces are missing or wrong");
    return 0;
}

int make(ltc_info **out, std::vector<char> bytes, bool from_peers, ltc_error *err)
{
    auto i = std::make_unique<ltc_info>();
    i->bytes = std::move(bytes);
    i->from_peers = from_peers;
    int const rc = fill(*i, err);
    if (rc == 0)
        *out = i.release();
    return rc;
}

} // namespace

namespace ltc
{

int info_from_section(ltc_info **out, lt::span<char const> info_dict, ltc_error *err)
{
    static char const head[] = "d4:info";
    std::vector<char> bytes(head, head + sizeof head - 1);
    bytes.insert(bytes.end(), info_dict.begin(), info_dict.end());
    bytes.push_back('e');
    return make(out, std::move(bytes), true, err);
}

std::shared_ptr<lt::torrent_info> info_for_libtorrent(ltc_info const *info)
{
    lt::bdecode_node torrent;
    if (decode(torrent, info->bytes, nullptr) < 0)
        throw std::bad_alloc(); /* it was fine before */
    auto ti = parse(torrent);
    if (ti->v2())
        info_give_layers(*info, *ti);
    return ti;
}

std::vector<tracker> trackers_of(ltc_info const *info)
{
    lt::bdecode_node torrent;
    if (info->from_peers || decode(torrent, info->bytes, nullptr) < 0)
        return {};
    return trackers_of(torrent);
}

} // namespace ltc

extern "C" {

int ltc_info_parse(ltc_info **out, void const *bytes, size_t len, ltc_error *err)
{
    if (len > LTC_MAX_METADATA)
        return ltc::refuse(err, -EBADMSG, "it is larger than 16 MiB");
    if (len == 0)
        return ltc::refuse(err, -EBADMSG, "it is empty");
    return ltc::guard(err, [&] {
        auto const *first = static_cast<char const *>(bytes);
        return make(out, std::vector<char>(first, first + len), false, err);
    });
}

ltc_info *ltc_info_ref(ltc_info *i)
{
    i->refs.fetch_add(1, std::memory_order_relaxed);
    return i;
}

void ltc_info_unref(ltc_info *i)
{
    if (i && i->refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete i;
}

ltc_info_view const *ltc_info_get(ltc_info const *i)
{
    return &i->view;
}

} // extern "C"
