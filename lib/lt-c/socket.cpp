/* SPDX-License-Identifier: MIT
 *
 * Options of a peer's TCP socket; see socket.hpp. libtorrent hands its sockets to
 * nobody, so the one of a connection is found among the descriptors of the
 * process by its two addresses, which no other can have at the same time. This
 * runs in the thread that alone opens and closes them. */
#include "lt-c/socket.hpp"

#include <cstdlib>
#include <cstring>

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace lt = libtorrent;

namespace
{

/* A program with more open files does without: the look must stay short. */
constexpr int max_looked_at = 4096;

using name_fn = int (*)(int, sockaddr *, socklen_t *);

bool is_named(int fd, name_fn name, lt::tcp::endpoint const &e) noexcept
{
    sockaddr_storage sa;
    socklen_t len = sizeof sa;
    return name(fd, reinterpret_cast<sockaddr *>(&sa), &len) == 0 && len == e.size() &&
           std::memcmp(&sa, e.data(), len) == 0;
}

} // namespace

int ltc::find_socket(lt::tcp::endpoint const &local, lt::tcp::endpoint const &remote) noexcept
{
    int found = -1;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return -1;
    int left = max_looked_at;
    for (dirent *d = readdir(dir); d && found < 0 && left > 0; d = readdir(dir), --left) {
        if (d->d_name[0] == '.')
            continue;
        int const fd = std::atoi(d->d_name);
        if (is_named(fd, getpeername, remote) && is_named(fd, getsockname, local))
            found = fd;
    }
    closedir(dir);
    return found;
}

void ltc::send_at_once(int fd) noexcept
{
    int const on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void ltc::acknowledge_at_once(int fd) noexcept
{
    int const on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}
