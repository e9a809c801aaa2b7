/* SPDX-License-Identifier: MIT
 *
 * The socket of a connection is found among all that the process has open, and
 * its options are set. Loopback; no libtorrent runs. */
#include "lt-c/socket.hpp"

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

extern "C" {
#include <cmocka.h>
}

#include <libtorrent/address.hpp>

namespace lt = libtorrent;

namespace
{

using name_fn = int (*)(int, sockaddr *, socklen_t *);

lt::tcp::endpoint name_of(int fd, name_fn name)
{
    lt::tcp::endpoint e;
    socklen_t len = static_cast<socklen_t>(e.capacity());
    assert_int_equal(name(fd, e.data(), &len), 0);
    e.resize(len);
    return e;
}

/* Both ends of a connection are in this process, as with a seeder beside us. */
struct pair {
    int ours = -1, theirs = -1;
    lt::tcp::endpoint local() const
    {
        return name_of(ours, getsockname);
    }
    lt::tcp::endpoint remote() const
    {
        return name_of(ours, getpeername);
    }
};

struct listener {
    int fd = -1;
    lt::tcp::endpoint at;
};

/* Its descriptor is -1 where the machine has no such addresses. */
listener listen_on(lt::address const &address)
{
    listener l;
    lt::tcp::endpoint const any(address, 0);
    l.fd = socket(any.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l.fd >= 0 &&
        (bind(l.fd, any.data(), static_cast<socklen_t>(any.size())) < 0 || listen(l.fd, 16) < 0)) {
        close(l.fd);
        l.fd = -1;
    }
    if (l.fd >= 0)
        l.at = name_of(l.fd, getsockname);
    return l;
}

pair connect_to(listener const &l)
{
    pair p;
    p.ours = socket(l.at.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(p.ours >= 0);
    assert_int_equal(connect(p.ours, l.at.data(), static_cast<socklen_t>(l.at.size())), 0);
    p.theirs = accept4(l.fd, nullptr, nullptr, SOCK_CLOEXEC);
    assert_true(p.theirs >= 0);
    return p;
}

void hang_up(pair const &p)
{
    close(p.ours);
    close(p.theirs);
}

void each_of_several_is_found(lt::address const &address)
{
    listener const l = listen_on(address);
    if (l.fd < 0)
        skip();
    pair p[4];
    for (pair &one : p)
        one = connect_to(l);
    for (pair const &one : p) {
        assert_int_equal(ltc::find_socket(one.local(), one.remote()), one.ours);
        assert_int_equal(ltc::find_socket(one.remote(), one.local()), one.theirs);
    }
    for (pair const &one : p)
        hang_up(one);
    close(l.fd);
}

void each_of_several_is_found_over_ipv4(void **)
{
    each_of_several_is_found(lt::make_address("127.0.0.1"));
}

void each_of_several_is_found_over_ipv6(void **)
{
    each_of_several_is_found(lt::make_address("::1"));
}

void what_is_not_connected_so_is_not_found(void **)
{
    listener const l = listen_on(lt::make_address("127.0.0.1"));
    assert_true(l.fd >= 0);
    pair const p = connect_to(l), q = connect_to(l);
    lt::tcp::endpoint const local = p.local(), remote = p.remote();
    assert_int_equal(ltc::find_socket(q.local(), p.local()), -1); /* two that exist, not a pair */
    assert_int_equal(ltc::find_socket(l.at, l.at), -1);
    assert_int_equal(ltc::find_socket({}, {}), -1);
    hang_up(p);
    assert_int_equal(ltc::find_socket(local, remote), -1);
    hang_up(q);
    close(l.fd);
}

void looking_for_one_leaves_no_descriptor_open(void **)
{
    listener const l = listen_on(lt::make_address("127.0.0.1"));
    pair const p = connect_to(l);
    int const before = dup(p.ours);
    close(before);
    for (int i = 0; i < 10; i++)
        ltc::find_socket(p.local(), p.remote());
    int const after = dup(p.ours);
    close(after);
    assert_int_equal(after, before);
    hang_up(p);
    close(l.fd);
}

void small_messages_are_sent_at_once(void **)
{
    listener const l = listen_on(lt::make_address("127.0.0.1"));
    pair const p = connect_to(l);
    int on = -1;
    socklen_t len = sizeof on;
    assert_int_equal(getsockopt(p.ours, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_equal(on, 0);
    ltc::send_at_once(p.ours);
    assert_int_equal(getsockopt(p.ours, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_not_equal(on, 0);
    hang_up(p);
    close(l.fd);
}

void what_came_is_acknowledged_at_once(void **)
{
    listener const l = listen_on(lt::make_address("127.0.0.1"));
    pair const p = connect_to(l);
    int off = 0, on = -1;
    socklen_t len = sizeof on;
    assert_int_equal(setsockopt(p.ours, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off), 0);
    ltc::acknowledge_at_once(p.ours);
    assert_int_equal(getsockopt(p.ours, IPPROTO_TCP, TCP_QUICKACK, &on, &len), 0);
    assert_int_not_equal(on, 0);
    hang_up(p);
    close(l.fd);
}

/* The connection may have ended a moment ago. */
void a_socket_that_is_gone_does_no_harm(void **)
{
    ltc::send_at_once(-1);
    ltc::acknowledge_at_once(-1);
    assert_int_equal(ltc::find_socket({}, {}), -1);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(each_of_several_is_found_over_ipv4),
        cmocka_unit_test(each_of_several_is_found_over_ipv6),
        cmocka_unit_test(what_is_not_connected_so_is_not_found),
        cmocka_unit_test(looking_for_one_leaves_no_descriptor_open),
        cmocka_unit_test(small_messages_are_sent_at_once),
        cmocka_unit_test(what_came_is_acknowledged_at_once),
        cmocka_unit_test(a_socket_that_is_gone_does_no_harm),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
