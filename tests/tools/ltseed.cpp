/* SPDX-License-Identifier: MIT
 *
 * ltseed: a libtorrent seeder for the tests.
 *   ltseed --torrent FILE [--torrent FILE]... --dir DIR [--listen ADDR:PORT]
 *          [--rate BYTES] [--corrupt PIECE] [--stall] [--utp]
 * Prints `listening PORT` when it seeds, and `uploaded BYTES` (payload) on SIGUSR1; ends on
 * SIGTERM, SIGINT, or when its standard input is a pipe that closes. --corrupt serves wrong
 * bytes for that piece, --stall accepts and unchokes peers but never sends a block. No DHT,
 * LSD, UPnP. */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <getopt.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/extensions.hpp>
#include <libtorrent/extensions/ut_metadata.hpp>
#include <libtorrent/ip_filter.hpp>
#include <libtorrent/peer_class.hpp>
#include <libtorrent/peer_class_type_filter.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <libtorrent/torrent_handle.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>

namespace lt = libtorrent;
using P = lt::settings_pack;

namespace
{

struct options {
    std::vector<std::string> torrents;
    std::string dir;
    std::string listen = "127.0.0.1:0";
    int rate = 0;
    int corrupt = -1;
    bool stall = false;
    bool utp = false;
};

int usage()
{
    std::cerr << "usage: ltseed --torrent FILE [--torrent FILE]... --dir DIR [--listen ADDR:PORT]\n"
                 "              [--rate BYTES] [--corrupt PIECE] [--stall] [--utp]\n";
    return 2;
}

/* Answers requests itself where the seeder shall misbehave. */
struct bad_peer final : lt::peer_plugin {
    bad_peer(lt::peer_connection_handle c, options const &o) : connection(std::move(c)), opt(o)
    {
    }

    bool on_request(lt::peer_request const &r) override
    {
        if (opt.stall)
            return true;
        if (static_cast<int>(r.piece) != opt.corrupt || r.length < 0 || r.length > 1 << 17)
            return false;
        std::vector<char> m(13 + static_cast<std::size_t>(r.length), '\xbd');
        put(&m[0], 9 + static_cast<std::uint32_t>(r.length));
        m[4] = 7;
        put(&m[5], static_cast<std::uint32_t>(static_cast<int>(r.piece)));
        put(&m[9], static_cast<std::uint32_t>(r.start));
        connection.send_buffer(m.data(), static_cast<int>(m.size()));
        return true;
    }

    static void put(char *to, std::uint32_t v)
    {
        for (int i = 0; i < 4; ++i)
            to[i] = static_cast<char>(v >> (24 - 8 * i));
    }

    lt::peer_connection_handle connection;
    options const &opt;
};

struct bad_torrent final : lt::torrent_plugin {
    explicit bad_torrent(options const &o) : opt(o)
    {
    }
    std::shared_ptr<lt::peer_plugin> new_connection(lt::peer_connection_handle const &c) override
    {
        return std::make_shared<bad_peer>(c, opt);
    }
    options const &opt;
};

lt::session_params params_of(options const &o)
{
    lt::session_params params;
    params.extensions.clear();
    lt::settings_pack &p = params.settings;
    p.set_str(P::listen_interfaces, o.listen);
    for (int off : {P::enable_dht, P::enable_lsd, P::enable_upnp, P::enable_natpmp})
        p.set_bool(off, false);
    p.set_bool(P::enable_incoming_utp, o.utp);
    p.set_bool(P::enable_outgoing_utp, o.utp);
    p.set_bool(P::enable_incoming_tcp, true);
    p.set_bool(P::allow_multiple_connections_per_ip, true);
    p.set_int(P::unchoke_slots_limit, -1);
    p.set_bool(P::disable_hash_checks,
               true); /* else it reads a piece before it first gives of it */
    p.set_bool(P::close_redundant_connections, false);
    p.set_int(P::alert_mask, int(static_cast<std::uint32_t>(lt::alert_category::error |
                                                            lt::alert_category::status)));
    p.set_bool(P::rate_limit_ip_overhead, false); /* --rate is of what is sent, not of packets */
    if (o.rate > 0)
        p.set_int(P::upload_rate_limit, o.rate);
    return params;
}

/* Limits hold for loopback too: put every address into the global class. */
void limit_everyone(lt::session &s)
{
    lt::ip_filter all;
    auto const global = 1u << static_cast<std::uint32_t>(lt::session::global_peer_class_id);
    all.add_rule(lt::make_address("0.0.0.0"), lt::make_address("255.255.255.255"), global);
    all.add_rule(lt::make_address("::"),
                 lt::make_address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), global);
    s.set_peer_class_filter(all);
    s.set_peer_class_type_filter(lt::peer_class_type_filter());
}

void add(lt::session &s, std::string const &file, options const &o)
{
    lt::add_torrent_params p;
    p.ti = std::make_shared<lt::torrent_info>(file);
    p.save_path = o.dir;
    p.flags = lt::torrent_flags::seed_mode;
    p.extensions.push_back(&lt::create_ut_metadata_plugin);
    if (o.stall || o.corrupt >= 0)
        p.extensions.push_back([&o](lt::torrent_handle const &, lt::client_data_t) {
            return std::static_pointer_cast<lt::torrent_plugin>(std::make_shared<bad_torrent>(o));
        });
    s.add_torrent(std::move(p));
}

int port_of(lt::session &s)
{
    for (int tries = 0; tries < 100; ++tries) {
        s.wait_for_alert(std::chrono::milliseconds(100));
        std::vector<lt::alert *> alerts;
        s.pop_alerts(&alerts);
        for (lt::alert const *a : alerts) {
            if (auto const *l = lt::alert_cast<lt::listen_succeeded_alert>(a)) {
                if (l->socket_type == lt::socket_type_t::tcp)
                    return l->port;
            }
            if (lt::alert_cast<lt::listen_failed_alert>(a))
                throw std::runtime_error(a->message());
        }
    }
    throw std::runtime_error("it does not listen");
}

/* Only a pipe or a socket has somebody at its other end. */
bool stdin_can_close()
{
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* Whether to go on. */
bool on_signal(int signals, lt::session &s)
{
    signalfd_siginfo info{};
    if (read(signals, &info, sizeof info) != sizeof info || info.ssi_signo != SIGUSR1)
        return false;
    std::int64_t uploaded = 0;
    for (auto const &t : s.get_torrents())
        uploaded += t.status(lt::status_flags_t{}).total_payload_upload;
    std::printf("uploaded %lld\n", static_cast<long long>(uploaded));
    std::fflush(stdout);
    return true;
}

void wait_for_end(int signals, lt::session &s)
{
    pollfd p[2] = {{signals, POLLIN, 0}, {stdin_can_close() ? STDIN_FILENO : -1, POLLIN, 0}};
    for (;;) {
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[0].revents && !on_signal(signals, s))
            return;
        char c[64];
        if (p[1].revents && read(STDIN_FILENO, c, sizeof c) <= 0)
            return;
    }
}

void seed(options const &o)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, nullptr); /* before libtorrent's threads begin */
    int const signals = signalfd(-1, &set, SFD_CLOEXEC);

    lt::session s(params_of(o));
    if (o.rate > 0)
        limit_everyone(s);
    for (auto const &file : o.torrents)
        add(s, file, o);
    std::printf("listening %d\n", port_of(s));
    std::fflush(stdout);
    wait_for_end(signals, s);
    close(signals);
}

} // namespace

int main(int argc, char **argv)
{
    static option const known[] = {
        {"torrent", required_argument, nullptr, 't'}, {"dir", required_argument, nullptr, 'd'},
        {"listen", required_argument, nullptr, 'l'},  {"rate", required_argument, nullptr, 'r'},
        {"corrupt", required_argument, nullptr, 'c'}, {"stall", no_argument, nullptr, 's'},
        {"utp", no_argument, nullptr, 'u'},           {nullptr, 0, nullptr, 0}};
    options o;
    for (int c; (c = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
        switch (c) {
        case 't':
            o.torrents.emplace_back(optarg);
            break;
        case 'd':
            o.dir = optarg;
            break;
        case 'l':
            o.listen = optarg;
            break;
        case 'r':
            o.rate = std::atoi(optarg);
            break;
        case 'c':
            o.corrupt = std::atoi(optarg);
            break;
        case 's':
            o.stall = true;
            break;
        case 'u':
            o.utp = true;
            break;
        default:
            return usage();
        }
    }
    if (o.torrents.empty() || o.dir.empty() || optind != argc)
        return usage();
    try {
        seed(o);
    } catch (std::exception const &e) {
        std::cerr << "ltseed: " << e.what() << "\n";
        return 1;
    }
    return 0;
}
