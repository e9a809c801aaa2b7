/* SPDX-License-Identifier: MIT
 *
 * lttorrent: makes a .torrent of a file or a folder, for the tests.
 *   lttorrent [--kind v1|v2|hybrid] [--piece BYTES] --out FILE PATH */
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <getopt.h>

#include <libtorrent/bencode.hpp>
#include <libtorrent/create_torrent.hpp>
#include <libtorrent/file_storage.hpp>

namespace lt = libtorrent;

namespace
{

int usage()
{
    std::cerr << "usage: lttorrent [--kind v1|v2|hybrid] [--piece BYTES] --out FILE PATH\n";
    return 2;
}

/* "/a/b/" and "/a/b" are both b in /a. */
std::string parent_of(std::string &path)
{
    while (path.size() > 1 && path.back() == '/')
        path.pop_back();
    auto const slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

void make(std::string path, std::string const &out, int piece, lt::create_flags_t kind)
{
    std::string const parent = parent_of(path);
    lt::file_storage files;
    lt::add_files(files, path);
    if (files.num_files() == 0)
        throw std::runtime_error(path + ": no files");
    lt::create_torrent torrent(files, piece, kind);
    lt::set_piece_hashes(torrent, parent);
    std::vector<char> bytes;
    lt::bencode(std::back_inserter(bytes), torrent.generate());
    std::ofstream to(out, std::ios::binary);
    to.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!to.flush())
        throw std::runtime_error(out + ": cannot be written");
}

} // namespace

int main(int argc, char **argv)
{
    static option const options[] = {{"kind", required_argument, nullptr, 'k'},
                                     {"piece", required_argument, nullptr, 'p'},
                                     {"out", required_argument, nullptr, 'o'},
                                     {nullptr, 0, nullptr, 0}};
    std::string out, kind = "v1";
    int piece = 1 << 20;
    for (int c; (c = getopt_long(argc, argv, "", options, nullptr)) != -1;) {
        switch (c) {
        case 'k':
            kind = optarg;
            break;
        case 'p':
            piece = std::atoi(optarg);
            break;
        case 'o':
            out = optarg;
            break;
        default:
            return usage();
        }
    }
    lt::create_flags_t flags;
    if (kind == "v1")
        flags = lt::create_torrent::v1_only;
    else if (kind == "v2")
        flags = lt::create_torrent::v2_only;
    else if (kind != "hybrid")
        return usage();
    if (out.empty() || optind + 1 != argc)
        return usage();
    try {
        make(argv[optind], out, piece, flags);
    } catch (std::exception const &e) {
        std::cerr << "lttorrent: " << e.what() << "\n";
        return 1;
    }
    return 0;
}
