/* SPDX-License-Identifier: MIT
 *
 * Text and addresses across the wall. Pure; any thread. */
#include "lt-c/convert.hpp"

#include <cstring>
#include <netinet/in.h>

#include <libtorrent/address.hpp>

namespace ltc
{

void escape(char *to, std::size_t size, char const *text, std::size_t len) noexcept
{
    static char const digits[] = "0123456789abcdef";
    std::size_t used = 0;
    for (std::size_t i = 0; i < len; ++i) {
        auto const c = static_cast<unsigned char>(text[i]);
        bool const plain = c >= 0x20 && c < 0x7f;
        if (used + (plain ? 1 : 4) >= size)
            break;
        if (plain) {
            to[used++] = static_cast<char>(c);
            continue;
        }
        to[used++] = '\\';
        to[used++] = 'x';
        to[used++] = digits[c >> 4];
        to[used++] = digits[c & 15];
    }
    to[used] = '\0';
}

void escape(char *to, std::size_t size, std::string const &text) noexcept
{
    escape(to, size, text.data(), text.size());
}

void say(ltc_error *err, char const *text) noexcept
{
    if (err)
        escape(err->text, sizeof err->text, text, std::strlen(text));
}

int refuse(ltc_error *err, int code, char const *text) noexcept
{
    say(err, text);
    return code;
}

bool to_endpoint(lt::tcp::endpoint &to, sockaddr_storage const &from) noexcept
{
    if (from.ss_family == AF_INET) {
        sockaddr_in in;
        std::memcpy(&in, &from, sizeof in);
        to = {lt::address_v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
        return true;
    }
    if (from.ss_family == AF_INET6) {
        sockaddr_in6 in;
        std::memcpy(&in, &from, sizeof in);
        lt::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
        to = {lt::address_v6(bytes, in.sin6_scope_id), ntohs(in.sin6_port)};
        return true;
    }
    return false;
}

void from_endpoint(sockaddr_storage &to, lt::tcp::endpoint const &from) noexcept
{
    std::memset(&to, 0, sizeof to);
    if (from.address().is_v4()) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(from.port());
        in.sin_addr.s_addr = htonl(from.address().to_v4().to_uint());
        std::memcpy(&to, &in, sizeof in);
        return;
    }
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(from.port());
    auto const v6 = from.address().to_v6();
    auto const bytes = v6.to_bytes();
    std::memcpy(&in.sin6_addr, bytes.data(), bytes.size());
    in.sin6_scope_id = static_cast<std::uint32_t>(v6.scope_id());
    std::memcpy(&to, &in, sizeof in);
}

} // namespace ltc
