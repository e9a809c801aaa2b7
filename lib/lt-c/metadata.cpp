/* SPDX-License-Identifier: MIT
 *
 * What may come in as metadata: the limits, the refusals with a sentence, and
 * what the torrent itself wrote. Pure; any thread. */
#include "lt-c/info.hpp"

#include <cstdio>
#include <limits>

#include <libtorrent/error_code.hpp>

#include "lt-c/convert.hpp"

namespace ltc
{

namespace
{

using node = lt::bdecode_node;

constexpr int max_values = 3000000;
constexpr std::int64_t max_total = std::int64_t(1) << 62;
/* Of all paths written out. A tree names a folder once for all that is in it, so
 * without this 16 MiB could stand for terabytes. */
constexpr std::int64_t max_paths = 32 << 20;

char const *const too_deep = "its folders are nested too deep";

/* libtorrent looks a folder up by walking the list of all: ten times as many
 * would take minutes. */
constexpr int max_folders = 20000;

char const *const too_many_folders = "its files are in more than 20000 folders";

char const *const overflow = "its sizes overflow";

char const *add_size(std::int64_t &total, std::int64_t size)
{
    if (size < 0)
        return "a file has a negative size";
    if (size > max_total - total)
        return overflow;
    total += size;
    return nullptr;
}

/* The size in one file's dictionary; symlinks have none. */
char const *size_of(std::int64_t &size, node const &file)
{
    size = 0;
    if (file.type() != node::dict_t)
        return "an entry of its file list is no dictionary";
    node const length = file.dict_find("length");
    if (length && length.type() != node::int_t)
        return "the size of a file is no number";
    if (length)
        size = length.int_value();
    else if (file.dict_find_string_value("attr").find('l') == lt::string_view::npos)
        return "a file has no size";
    return nullptr;
}

bool is_pad(node const &file)
{
    return file.dict_find_string_value("attr").find('p') != lt::string_view::npos;
}

struct sums {
    std::int64_t total = 0;
    std::int64_t real = 0;  /* without padding */
    std::int64_t paths = 0; /* bytes of all of them */
    int folders = 0;        /* how often one file's folder is not that of the file before */
    lt::string_view folder;
};

/* The bencoded names above the last one: alike for files of one folder. */
lt::string_view folder_of(node const &path)
{
    lt::span<char const> const all = path.data_section();
    node const last = path.list_at(path.list_size() - 1);
    return {all.data(), static_cast<std::size_t>(last.data_section().data() - all.data())};
}

char const *add_path(sums &s, std::int64_t length)
{
    s.paths += length + 1;
    return s.paths > max_paths ? "its paths are too long" : nullptr;
}

char const *add_path(sums &s, node const &path)
{
    if (!path)
        return nullptr;
    if (path.list_size() > LTC_MAX_DEPTH)
        return too_deep;
    if (path.list_size() > 1 && s.folder != folder_of(path)) {
        s.folder = folder_of(path);
        if (++s.folders > max_folders)
            return too_many_folders;
    }
    std::int64_t length = 0;
    for (int i = 0; i < path.list_size(); ++i)
        length += static_cast<std::int64_t>(path.list_string_value_at(i).size()) + 1;
    return add_path(s, length);
}

char const *add_file(sums &s, node const &file)
{
    std::int64_t size = 0;
    if (char const *wrong = size_of(size, file))
        return wrong;
    if (char const *wrong = add_size(s.total, size))
        return wrong;
    if (!is_pad(file))
        s.real += size;
    return nullptr;
}

bool is_leaf(node const &n)
{
    return n.dict_size() == 1 && n.dict_at(0).first.empty();
}

/* The depth is bounded by the decoder. */
char const *add_tree(sums &s, node const &tree, std::int64_t above)
{
    for (int i = 0; i < tree.dict_size(); ++i) {
        auto const [name, n] = tree.dict_at(i);
        if (n.type() != node::dict_t)
            return "an entry of its file tree is no dictionary";
        std::int64_t const path = above + static_cast<std::int64_t>(name.size()) + 1;
        if (!is_leaf(n) && ++s.folders > max_folders)
            return too_many_folders;
        char const *wrong = is_leaf(n) ? add_file(s, n.dict_at(0).second) : add_tree(s, n, path);
        if (!wrong)
            wrong = add_path(s, path);
        if (wrong)
            return wrong;
    }
    return nullptr;
}

char const *add_list(sums &s, node const &files)
{
    char const *wrong = nullptr;
    for (int i = 0; !wrong && i < files.list_size(); ++i) {
        node const file = files.list_at(i);
        wrong = add_file(s, file);
        for (char const *key : {"path", "path.utf-8"}) {
            if (!wrong)
                wrong = add_path(s, file.dict_find_list(key));
        }
    }
    return wrong;
}

char const *wrong_piece_length(node const &info)
{
    node const n = info.dict_find("piece length");
    if (!n || n.type() != node::int_t)
        return "it has no piece length";
    std::int64_t const length = n.int_value();
    if (length == 0)
        return "its piece length is 0";
    if (length < 0)
        return "its piece length is negative";
    if (length % LTC_BLOCK)
        return "its piece length is no multiple of 16 KiB";
    if (length > (1 << 30))
        return "its piece length is over 1 GiB";
    return nullptr;
}

char const *wrong_hash_count(node const &info, std::int64_t total)
{
    node const pieces = info.dict_find_string("pieces");
    if (!pieces)
        return info.dict_find_dict("file tree") ? nullptr : "it has no piece hashes";
    std::int64_t const length = info.dict_find_int_value("piece length");
    std::int64_t const n = total / length + (total % length ? 1 : 0);
    if (pieces.string_length() % 20 || n != pieces.string_length() / 20)
        return "the number of its piece hashes does not fit its size";
    return nullptr;
}

void walk(std::vector<std::string> &to, std::string const &parent, node const &tree)
{
    for (int i = 0; i < tree.dict_size(); ++i) {
        auto const e = tree.dict_at(i);
        if (e.second.type() != node::dict_t)
            continue;
        std::string path = parent;
        path.append(e.first.data(), e.first.size());
        if (is_leaf(e.second)) {
            to.push_back(std::move(path));
        } else {
            path += '/';
            walk(to, path, e.second);
        }
    }
}

} // namespace

int decode(node &of, lt::span<char const> bytes, ltc_error *err)
{
    lt::error_code ec;
    int at = 0;
    of = lt::bdecode(bytes, ec, &at, LTC_MAX_DEPTH, max_values);
    if (!ec)
        return 0;
    if (ec == lt::bdecode_errors::depth_exceeded)
        return refuse(err, -EBADMSG, "its values are nested too deep");
    if (ec == lt::bdecode_errors::limit_exceeded)
        return refuse(err, -EBADMSG, "it has too many values");
    if (ec == lt::bdecode_errors::unexpected_eof || at >= bytes.size())
        return refuse(err, -EBADMSG, "it is cut short");
    char text[128];
    std::snprintf(text, sizeof text, "it is not a torrent (byte %d: %s)", at,
                  ec.message().substr(0, 80).c_str());
    return refuse(err, -EBADMSG, text);
}

char const *what_is_wrong(node const &torrent)
{
    if (torrent.type() != node::dict_t)
        return "it is not a torrent";
    node const info = torrent.dict_find_dict("info");
    if (!info)
        return "it has no info dictionary";
    if (char const *wrong = wrong_piece_length(info))
        return wrong;
    sums v1, v2;
    char const *wrong = nullptr;
    node const tree = info.dict_find_dict("file tree");
    node const files = info.dict_find_list("files");
    if (tree)
        wrong = add_tree(v2, tree, 0);
    if (files && !wrong)
        wrong = add_list(v1, files);
    if (!wrong && !files && (!tree || info.dict_find("length")))
        wrong = add_file(v1, info);
    if (wrong)
        return wrong;
    if (v1.real == 0 && v2.real == 0)
        return "no file in it has any bytes";
    return wrong_hash_count(info, v1.total);
}

std::vector<tracker> trackers_of(node const &torrent)
{
    std::vector<tracker> all;
    node const tiers = torrent.dict_find_list("announce-list");
    for (int i = 0; tiers && i < tiers.list_size(); ++i) {
        node const tier = tiers.list_at(i);
        for (int k = 0; tier.type() == node::list_t && k < tier.list_size(); ++k) {
            auto const url = tier.list_string_value_at(k);
            if (!url.empty())
                all.push_back({std::string(url.data(), url.size()), i < 255 ? i : 255});
        }
    }
    auto const url = torrent.dict_find_string_value("announce");
    if (all.empty() && !url.empty())
        all.push_back({std::string(url.data(), url.size()), 0});
    return all;
}

std::string raw_name(node const &info)
{
    node name = info.dict_find_string("name.utf-8");
    if (!name)
        name = info.dict_find_string("name");
    auto const v = name ? name.string_value() : lt::string_view();
    return std::string(v.data(), v.size());
}

std::vector<std::string> raw_paths(node const &info)
{
    std::vector<std::string> paths;
    node const tree = info.dict_find_dict("file tree");
    node const files = info.dict_find_list("files");
    if (info.dict_find_int_value("meta version", 0) >= 2 && tree) {
        walk(paths, std::string(), tree);
        return paths;
    }
    for (int i = 0; files && i < files.list_size(); ++i) {
        node const file = files.list_at(i);
        node path = file.dict_find_list("path.utf-8");
        if (!path)
            path = file.dict_find_list("path");
        std::string joined;
        for (int k = 0; path && k < path.list_size(); ++k) {
            auto const part = path.list_string_value_at(k);
            joined.append(k ? "/" : "").append(part.data(), part.size());
        }
        paths.push_back(std::move(joined));
    }
    if (!files)
        paths.push_back(raw_name(info));
    return paths;
}

} // namespace ltc
