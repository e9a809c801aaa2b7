/* SPDX-License-Identifier: MIT
 *
 * File names that can be shown. libtorrent cleans names already; this makes the
 * promises of lt-c.h hold whatever it did. Pure; any thread. */
#include <algorithm>
#include <deque>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "lt-c/info.hpp"

namespace ltc
{

namespace
{

constexpr std::size_t max_name = 255;

/* Bytes of the UTF-8 character at `at`, or 0 if it is none. */
std::size_t utf8_length(std::string const &s, std::size_t at)
{
    auto const byte = [&](std::size_t i) {
        return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u;
    };
    unsigned const c = byte(at);
    if (c < 0x80)
        return 1;
    std::size_t const n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    for (std::size_t i = 1; i < n; ++i) {
        if ((byte(at + i) & 0xc0) != 0x80)
            return 0;
    }
    unsigned const second = byte(at + 1);
    bool const bad = (c == 0xe0 && second < 0xa0)     /* longer than needed */
                     || (c == 0xed && second > 0x9f)  /* a surrogate */
                     || (c == 0xf0 && second < 0x90)  /* longer than needed */
                     || (c == 0xf4 && second > 0x8f); /* past U+10FFFF */
    return bad ? 0 : n;
}

std::string valid(std::string const &s)
{
    std::string to;
    to.reserve(s.size());
    for (std::size_t i = 0; i < s.size();) {
        std::size_t const n = utf8_length(s, i);
        /* C1 as well: a terminal takes U+009B for the beginning of a command. */
        bool const c1 = n == 2 && s[i] == '\xc2' && static_cast<unsigned char>(s[i + 1]) < 0xa0;
        bool const control = static_cast<unsigned char>(s[i]) < 0x20 || s[i] == 0x7f || c1;
        if (n == 0 || control)
            to += '_';
        else
            to.append(s, i, n);
        i += std::max<std::size_t>(n, 1);
    }
    return to;
}

/* Where the extension begins: a dot, not the first byte, and short. */
std::size_t extension_at(std::string const &name)
{
    auto const dot = name.rfind('.');
    bool const is_one = dot != std::string::npos && dot > 0 && name.size() - dot <= 16;
    return is_one ? dot : name.size();
}

/* Shorten in front of the extension, between characters, to `room` bytes. */
std::string shortened(std::string const &name, std::size_t room)
{
    if (name.size() <= room)
        return name;
    std::size_t const ext = extension_at(name);
    std::size_t cut = room - (name.size() - ext);
    while (cut > 0 && (static_cast<unsigned char>(name[cut]) & 0xc0) == 0x80)
        --cut;
    return name.substr(0, cut) + name.substr(ext);
}

std::string folded(std::string s)
{
    for (char &c : s) {
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    }
    return s;
}

/* "folder/name.ext" with a number: "folder/name.1.ext". */
std::string numbered(std::string const &path, unsigned n)
{
    auto const slash = path.rfind('/');
    std::size_t const from = slash == std::string::npos ? 0 : slash + 1;
    std::string const number = "." + std::to_string(n);
    std::string const name = shortened(path.substr(from), max_name - number.size());
    std::size_t const ext = extension_at(name);
    return path.substr(0, from) + name.substr(0, ext) + number + name.substr(ext);
}

} // namespace

std::string tidy_path(std::string const &path)
{
    std::string to;
    for (std::size_t at = 0; at <= path.size();) {
        std::size_t const end = std::min(path.find('/', at), path.size());
        std::string const name = path.substr(at, end - at);
        at = end + 1;
        if (name.empty() || name == "." || name == "..")
            continue;
        if (!to.empty())
            to += '/';
        to += shortened(valid(name), max_name);
    }
    return to.empty() ? "_" : to;
}

void make_unique(std::vector<std::string> &paths, std::vector<bool> const &hidden)
{
    /* The folders above a path are looked at in place: copies of all of them would
     * be as long as the path squared. */
    std::deque<std::string> names;
    std::unordered_set<std::string_view> taken;
    for (std::size_t i = 0; i < paths.size(); ++i) {
        std::string_view const path = names.emplace_back(folded(paths[i]));
        for (auto at = path.find('/'); !hidden[i] && at != std::string_view::npos;
             at = path.find('/', at + 1))
            taken.insert(path.substr(0, at));
    }
    /* Numbers go on where they ended: thousands of equal names stay cheap. */
    std::unordered_map<std::string, unsigned> numbers;
    for (std::size_t i = 0; i < paths.size(); ++i) {
        if (hidden[i] || taken.insert(names[i]).second)
            continue;
        unsigned &n = numbers[names[i]];
        std::string other;
        do {
            other = numbered(paths[i], ++n);
            names.push_back(folded(other));
        } while (!taken.insert(names.back()).second);
        paths[i] = std::move(other);
    }
}

} // namespace ltc
