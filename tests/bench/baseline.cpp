/* SPDX-License-Identifier: MIT
 *
 * What a plain download costs: libtorrent's own session and its posix disk back
 * end, in order, from one peer, into a folder (a tmpfs, to leave the disk out).
 *     baseline TORRENT FOLDER ADDRESS PORT
 * Prints first_s, total_s (from adding the torrent), mb_per_s (from the first
 * piece to the end) and cpu_s (user and system time of this process). */
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/resource.h>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/posix_disk_io.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <libtorrent/torrent_handle.hpp>
#include <libtorrent/torrent_info.hpp>

namespace lt = libtorrent;
using P = lt::settings_pack;

namespace
{

double now()
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

double cpu_seconds()
{
    rusage r;
    getrusage(RUSAGE_SELF, &r);
    return double(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           double(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

lt::session_params params()
{
    lt::session_params params;
    params.extensions.clear();
    params.disk_io_constructor = lt::posix_disk_io_constructor;
    P &p = params.settings;
    p.set_str(P::listen_interfaces, "127.0.0.1:0");
    for (int off : {P::enable_dht, P::enable_lsd, P::enable_upnp, P::enable_natpmp,
                    P::enable_incoming_utp, P::enable_outgoing_utp})
        p.set_bool(off, false);
    p.set_int(P::out_enc_policy, P::pe_disabled);
    p.set_int(P::in_enc_policy, P::pe_disabled);
    p.set_int(P::alert_mask, int(static_cast<std::uint32_t>(lt::alert_category::status |
                                                            lt::alert_category::error |
                                                            lt::alert_category::piece_progress)));
    return params;
}

/* The time of the first piece; the time of the last is when this returns. */
double wait_until_done(lt::session &session)
{
    double first = 0;
    for (;;) {
        session.wait_for_alert(std::chrono::seconds(1));
        std::vector<lt::alert *> alerts;
        session.pop_alerts(&alerts);
        for (lt::alert const *a : alerts) {
            if (first == 0 && lt::alert_cast<lt::piece_finished_alert>(a))
                first = now();
            if (lt::alert_cast<lt::torrent_finished_alert>(a))
                return first;
            if (lt::alert_cast<lt::torrent_error_alert>(a) ||
                lt::alert_cast<lt::file_error_alert>(a))
                throw std::runtime_error(a->message());
        }
    }
}

void download(char **argv)
{
    lt::session session(params());
    lt::add_torrent_params add;
    add.ti = std::make_shared<lt::torrent_info>(std::string(argv[1]));
    add.save_path = argv[2];
    add.flags &= ~(lt::torrent_flags::auto_managed | lt::torrent_flags::paused);
    add.flags |= lt::torrent_flags::sequential_download;
    add.peers.emplace_back(lt::make_address(argv[3]),
                           static_cast<std::uint16_t>(std::atoi(argv[4])));
    double const size = double(add.ti->total_size());

    double const begin = now();
    session.add_torrent(add);
    double const first = wait_until_done(session);
    double const end = now();
    std::printf("first_s %.4f\ntotal_s %.4f\nmb_per_s %.1f\ncpu_s %.3f\n", first - begin,
                end - begin, size / 1e6 / (end - first), cpu_seconds());
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 5) {
        std::fprintf(stderr, "usage: baseline TORRENT FOLDER ADDRESS PORT\n");
        return 2;
    }
    try {
        download(argv);
    } catch (std::exception const &e) {
        std::fprintf(stderr, "baseline: %s\n", e.what());
        return 1;
    }
    return 0;
}
