/* SPDX-License-Identifier: MIT
 *
 * The wall between C++ and C: guards that turn exceptions into a negative errno
 * and a sentence, escaping of foreign text, and addresses in both notations.
 * Pure; any thread. */
#ifndef GOS_LTC_CONVERT_HPP
#define GOS_LTC_CONVERT_HPP

#include <cerrno>
#include <exception>
#include <new>
#include <string>

#include <libtorrent/error_code.hpp>
#include <libtorrent/socket.hpp>

#include "lt-c/lt-c.h"

namespace ltc
{

namespace lt = libtorrent;

/* Copy `text`, with everything but printable ASCII as \xNN, cut to fit. */
void escape(char *to, std::size_t size, char const *text, std::size_t len) noexcept;
void escape(char *to, std::size_t size, std::string const &text) noexcept;

/* Fill `err`, if there is one. The text is escaped. */
void say(ltc_error *err, char const *text) noexcept;
/* The same, and the errno given: `return refuse(err, -EBADMSG, "...")`. */
int refuse(ltc_error *err, int code, char const *text) noexcept;

/* Run the body of an entry; nothing that it throws gets past. */
template <typename Body>
int guard(ltc_error *err, Body &&body) noexcept
{
    try {
        return body();
    } catch (std::bad_alloc const &) {
        return refuse(err, -ENOMEM, "out of memory");
    } catch (std::exception const &e) {
        return refuse(err, -EINVAL, e.what());
    } catch (...) {
        return refuse(err, -EINVAL, "an unknown exception from libtorrent");
    }
}

/* For places with no one to tell: what libtorrent cannot do then, it tries
 * again on its next tick. */
template <typename Body>
void quietly(Body &&body) noexcept
{
    try {
        body();
    } catch (...) {
    }
}

/* False: neither IPv4 nor IPv6. */
bool to_endpoint(lt::tcp::endpoint &to, sockaddr_storage const &from) noexcept;
void from_endpoint(sockaddr_storage &to, lt::tcp::endpoint const &from) noexcept;

} // namespace ltc

#endif
