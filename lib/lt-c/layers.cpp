/* SPDX-License-Identifier: MIT
 *
 * The hashes of the pieces of v2 files: checked against the root of their file,
 * then published by one atomic pointer each. Filled by the thread that makes
 * the metadata, later by the pump only; read in any thread. */
#include <atomic>
#include <map>
#include <utility>

#include <libtorrent/hasher.hpp>

#include "lt-c/info.hpp"

namespace lt = libtorrent;

namespace
{

/* The hash of a whole tree of `leaves` empty blocks. */
lt::sha256_hash empty_tree(std::uint32_t leaves)
{
    lt::sha256_hash h;
    for (; leaves > 1; leaves /= 2)
        h = lt::hasher256().update(h).update(h).final();
    return h;
}

/* Whether hashes of pieces lead to the root of their file. */
bool leads_to(lt::sha256_hash const &root, std::vector<lt::sha256_hash> layer,
              std::uint32_t piece_length)
{
    lt::sha256_hash pad = empty_tree(piece_length / LTC_BLOCK);
    while (layer.size() > 1) {
        if (layer.size() % 2)
            layer.push_back(pad);
        for (std::size_t i = 0; i < layer.size() / 2; ++i)
            layer[i] = lt::hasher256().update(layer[2 * i]).update(layer[2 * i + 1]).final();
        layer.resize(layer.size() / 2);
        pad = lt::hasher256().update(pad).update(pad).final();
    }
    return !layer.empty() && layer[0] == root;
}

std::uint64_t pieces_of(ltc_info const &i, ltc_file const &f)
{
    return (f.size + i.view.piece_length - 1) / i.view.piece_length;
}

bool has_layer(ltc_info const &i, ltc_file const &f)
{
    return f.root && f.size > i.view.piece_length;
}

/* Check and publish it. */
bool store_layer(ltc_info &i, std::size_t file, lt::string_view hashes)
{
    ltc_file const &f = i.files[file];
    std::size_t const n = static_cast<std::size_t>(pieces_of(i, f));
    if (hashes.size() != n * 32)
        return false;
    std::vector<lt::sha256_hash> layer(n);
    for (std::size_t k = 0; k < n; ++k)
        layer[k] = lt::sha256_hash(hashes.data() + 32 * k);
    if (!leads_to(lt::sha256_hash(reinterpret_cast<char const *>(f.root)), std::move(layer),
                  i.view.piece_length))
        return false;
    auto &kept = i.layer_bytes[file];
    kept.assign(hashes.begin(), hashes.end());
    i.layers[file].store(kept.data(), std::memory_order_release);
    return true;
}

} // namespace

namespace ltc
{

bool info_read_layers(ltc_info &info, lt::bdecode_node const &torrent)
{
    auto const dict = torrent.dict_find_dict("piece layers");
    std::map<std::string, lt::string_view> by_root;
    for (int i = 0; dict && i < dict.dict_size(); ++i) {
        auto const e = dict.dict_at(i);
        if (e.second.type() == lt::bdecode_node::string_t)
            by_root.emplace(std::string(e.first.data(), e.first.size()), e.second.string_value());
    }
    for (std::size_t f = 0; f < info.files.size(); ++f) {
        if (!has_layer(info, info.files[f]))
            continue;
        auto const found = by_root.find(info.roots[f].to_string());
        if (found == by_root.end() || !store_layer(info, f, found->second))
            return false;
    }
    return true;
}

void info_give_layers(ltc_info const &info, lt::torrent_info &to)
{
    if (!info_has_layers(&info))
        return; /* libtorrent asks peers for them */
    lt::aux::vector<lt::aux::vector<char>, lt::file_index_t> layers;
    for (auto const &bytes : info.layer_bytes) {
        layers.emplace_back();
        layers.back().assign(bytes.begin(), bytes.end());
    }
    to.set_piece_layers(std::move(layers));
}

bool info_has_layers(ltc_info const *info)
{
    for (std::size_t f = 0; f < info->files.size(); ++f) {
        if (has_layer(*info, info->files[f]) && !info->layers[f].load(std::memory_order_acquire))
            return false;
    }
    return true;
}

bool info_take_layers(ltc_info *info, std::vector<std::vector<lt::sha256_hash>> const &layers)
{
    static_assert(sizeof(lt::sha256_hash) == 32, "hashes lie side by side");
    bool all = true;
    for (std::size_t f = 0; f < info->files.size(); ++f) {
        if (!has_layer(*info, info->files[f]) || info->layers[f].load(std::memory_order_relaxed))
            continue;
        bool taken = false;
        if (f < layers.size() && !layers[f].empty()) {
            auto const *first = reinterpret_cast<char const *>(layers[f].data());
            taken = store_layer(*info, f, {first, layers[f].size() * 32});
        }
        all = all && taken;
    }
    return all;
}

} // namespace ltc

extern "C" {

uint8_t const *ltc_info_layer(ltc_info const *i, uint32_t file)
{
    if (file >= i->files.size())
        return nullptr;
    return i->layers[file].load(std::memory_order_acquire);
}

} // extern "C"
