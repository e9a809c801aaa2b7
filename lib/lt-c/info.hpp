/* SPDX-License-Identifier: MIT
 *
 * Metadata between libtorrent and the C view of it. */
#ifndef GOS_LTC_INFO_HPP
#define GOS_LTC_INFO_HPP

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <libtorrent/bdecode.hpp>
#include <libtorrent/sha1_hash.hpp>
#include <libtorrent/span.hpp>
#include <libtorrent/torrent_info.hpp>

#include "lt-c/lt-c.h"

/* An immutable thing but for its count, and `layers`, which fill later. */
struct ltc_info {
    std::atomic<unsigned> refs{1};
    std::vector<char> bytes; /* the .torrent, or one made around the metadata */
    bool from_peers = false;
    std::string name;
    std::vector<std::string> paths;
    std::vector<ltc_file> files;
    std::vector<libtorrent::sha256_hash> roots;
    std::unique_ptr<std::atomic<std::uint8_t const *>[]> layers;
    std::vector<std::vector<std::uint8_t>> layer_bytes; /* behind `layers` */
    ltc_info_view view{};
};

namespace ltc
{

namespace lt = libtorrent;

/* Decode with all limits. -EBADMSG and a sentence when it cannot be used.
 * `of` needs `bytes` to live. */
int decode(lt::bdecode_node &of, lt::span<char const> bytes, ltc_error *err);

/* What libtorrent would not say clearly, or not at all. NULL: nothing wrong. */
char const *what_is_wrong(lt::bdecode_node const &torrent);

/* Make one path of the torrent's own: relative, no empty or dot elements, each
 * 255 bytes at most and valid UTF-8. "_" if nothing is left. */
std::string tidy_path(std::string const &path);

/* The paths as the torrent writes them, elements joined by '/', in the order of
 * libtorrent's files without pad files of v2. */
std::vector<std::string> raw_paths(lt::bdecode_node const &info_dict);
std::string raw_name(lt::bdecode_node const &info_dict);

/* Make the paths differ from each other and from every folder, whatever the
 * case of their letters: "name.1.ext". */
void make_unique(std::vector<std::string> &paths, std::vector<bool> const &hidden);

/* From the metadata that peers sent: the same rules as ltc_info_parse(). */
int info_from_section(ltc_info **out, lt::span<char const> info_dict, ltc_error *err);

/* libtorrent's own copy, without trackers and web seeds. Throws. */
std::shared_ptr<lt::torrent_info> info_for_libtorrent(ltc_info const *info);

struct tracker {
    std::string url;
    int tier;
};
std::vector<tracker> trackers_of(ltc_info const *info);
std::vector<tracker> trackers_of(lt::bdecode_node const &torrent);

/* Take the layers that are in a .torrent; false: one is missing or wrong. */
bool info_read_layers(ltc_info &info, lt::bdecode_node const &torrent);
void info_give_layers(ltc_info const &info, lt::torrent_info &to);
/* True: no file lacks its layer (now). Pump. */
bool info_has_layers(ltc_info const *info);
bool info_take_layers(ltc_info *info, std::vector<std::vector<lt::sha256_hash>> const &layers);

} // namespace ltc

#endif
