#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command line of gostream-mount."""

import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import Skip, case, check, contains, equal, eventually, main, same_bytes
from mounting import Mount, refused, tool
from seeders import seed, source_of
from torrentmaker import KIB, MIB, Entry, make_v1, pattern

CONTENT = pattern(1_000_000)


def torrent(name="film.mkv"):
    return make_v1(name, CONTENT, 64 * KIB)


def empty_folder(work):
    point = os.path.join(work, "mnt")
    os.makedirs(point)
    return point


def usage(*arguments, says=()):
    return refused(2, *arguments, says=says)


@case
def help_goes_to_stdout(_):
    for option in ("--help", "-h"):
        ended = tool(option)
        equal((ended.returncode, ended.stderr), (0, b""), option)
        contains(ended.stdout.decode(), "SOURCE", option)
        for name in ("--ram", "--peer", "--listen", "--no-dht", "--no-lsd", "--no-pex",
                     "--download-rate", "--read-timeout", "--metadata-timeout", "--allow-other",
                     "--list", "--version"):
            contains(ended.stdout.decode(), name, option)


@case
def version_goes_to_stdout(_):
    ended = tool("--version")
    equal((ended.returncode, ended.stderr), (0, b""), "--version")
    check(re.fullmatch(rb"gostream-mount .*\d+\.\d+\.\d+.*\n", ended.stdout.splitlines(True)[0]),
          f"--version says {ended.stdout}")


@case
def wrong_words(work):
    source = source_of(torrent(), work, "torrent")
    usage(says=["SOURCE"])
    usage(source, says=["MOUNTPOINT"])
    usage("--list", says=["SOURCE"])
    usage("--nonsense", source, work, says=["--nonsense"])
    usage("--ram", says=["--ram"])
    usage("--list=yes", source, says=["--list"])


@case
def sizes_that_are_none(work):
    for option in ("--ram", "--download-rate"):
        for size in ("", "x", "-1", "1X", "M", "1.5", "64 M", "64Mb", "1e3", "nan", "inf",
                     "99999999999999999999", "0x10", "1..5M", "8E", "64MiBx", "+1M"):
            usage(option, size, "film.torrent", work, says=[option, "example"])
    usage("--ram", "0", "film.torrent", work, says=["--ram"])


@case
def times_that_are_none(work):
    for option in ("--read-timeout", "--metadata-timeout"):
        for text in ("", "x", "-1", "1h", "nan", "1e9999"):
            usage(option, text, "film.torrent", work, says=[option])


@case
def addresses_that_are_none(work):
    for peer in ("", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", ":6881",
                 "::1:6881", "[::1]", "[::1:6881", "127.0.0.1:x"):
        usage("--peer", peer, "film.torrent", work, says=["--peer"])
    for listen in ("", "127.0.0.1", "6881", "example.org:6881", "[::1]"):
        usage("--listen", listen, "film.torrent", work, says=["--listen"])


@case
def a_read_write_mount_cannot_be_asked_for(work):
    usage("-o", "rw", "film.torrent", work, says=["read-only"])


@case(each=[("bogus", "bogus"), ("noatime,bogus=3", "bogus=3"), ("max_read=x", "max_read=x")])
def what_is_no_option_of_a_mount_is_named_in_one_line(work, given, named):
    words = usage("-o", given, source_of(torrent(), work, "torrent"), empty_folder(work),
                  says=[f"-o {named}: "])
    equal(words.count("\n"), 1, f"lines of {words!r}")


@case(each=[("",), (",noatime",), ("noatime,",), ("noatime,,noexec",)])
def an_empty_option_of_a_mount(work, given):
    usage("-o", given, "film.torrent", work, says=["names no option", "example"])


@case
def a_size_that_is_too_large_is_not_taken_for_none(work):
    words = usage("--ram", "99999P", "film.torrent", work, says=["99999P: is too large"])
    check("not a size" not in words, words)


@case
def more_memory_than_there_is_cannot_be_had(work):
    refused(1, "--ram", "8000P", source_of(torrent(), work, "torrent"), empty_folder(work),
            says=["--ram", "this machine"])


@case
def to_list_no_memory_is_needed(work):
    """Pieces of 64 MiB, which a budget of 1 MiB could not fetch; nor is a huge one taken."""
    large = make_v1("film.mkv", pattern(65 * MIB), 64 * MIB)
    source = source_of(large, work, "torrent")
    for size in ("1M", "8000P"):
        ended = tool("--ram", size, "--list", source)
        equal((ended.returncode, ended.stderr), (0, b""), f"--ram {size} --list")
        contains(ended.stdout.decode(), "film.mkv", f"--ram {size} --list")


@case(each=[("64M",), ("64MiB",), ("64MB",), ("0.0625G",), ("65536K",), ("67108864",), ("64m",)])
def sizes_are_powers_of_1024(work, size):
    """The least budget for these pieces is just 64 MiB: 2 x 30 + 4."""
    large = make_v1("film.mkv", pattern(31 * MIB), 30 * MIB)
    source = source_of(large, work, "torrent")
    Mount(work, [source], "--ram", size).end()


@case
def just_below_the_least_budget(work):
    large = make_v1("film.mkv", pattern(31 * MIB), 30 * MIB)
    source = source_of(large, work, "torrent")
    refused(1, "--ram", "67108863", source, empty_folder(work), says=["65536 KiB", "--ram"])


@case
def a_rate_of_zero_is_no_limit(work):
    one = torrent()
    mount = Mount(work, [source_of(one, work, "torrent")], "--download-rate", "0",
                  peers=[seed(one, work).peer])
    mount.verify(one)
    mount.end()


@case
def a_rate_limit_is_kept(work):
    """1 MB at 250 KB/s cannot be there in a second; how much later is no matter."""
    one = torrent()
    mount = Mount(work, [source_of(one, work, "torrent")], "--download-rate", "250K",
                  peers=[seed(one, work).peer])
    began = time.monotonic()
    mount.verify(one)
    check(time.monotonic() - began > 1, "the whole file came in less than a second")
    mount.end()


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@case
def a_peer_by_ipv6(work):
    if not has_ipv6():
        raise Skip("no IPv6 loopback")
    one = torrent()
    seeder = seed(one, work, host="::1")
    mount = Mount(work, [source_of(one, work, "torrent")], peers=[seeder.peer],
                  listen=("--listen", "[::1]:0"))
    mount.verify(one)
    mount.end()


@case
def a_peer_by_name(work):
    one = torrent()
    port = seed(one, work).port
    mount = Mount(work, [source_of(one, work, "torrent")], peers=[f"localhost:{port}"])
    mount.verify(one)
    mount.end()


@case
def several_peers_on_one_address(work):
    """They differ only in the port, and all of them are connected to."""
    one = torrent()
    seeders = [seed(one, work) for _ in range(3)]
    mount = Mount(work, [source_of(one, work, "torrent")], peers=[s.peer for s in seeders])
    mount.verify(one)
    eventually(lambda: mount.figure("peers") == 3, "three peers are connected")
    mount.end()


@case
def several_torrents_share_the_options(work):
    one, two = torrent("one.mkv"), make_v1("two", [Entry("a", CONTENT)], 64 * KIB)
    sources = [one.save(os.path.join(work, "1.torrent")), two.magnet()]
    mount = Mount(work, sources, peers=[seed(one, work).peer, seed(two, work).peer])
    equal(sorted(os.listdir(mount.point)), ["one.mkv", "two"], "files")
    same_bytes(mount.read("one.mkv"), CONTENT, "one")
    same_bytes(mount.read("two", "a"), CONTENT, "two")
    mount.end()


@case
def fuse_options_reach_the_mount(work):
    mount = Mount(work, [source_of(torrent(), work, "torrent")], "-o", "noatime,fsname=films")
    with open("/proc/self/mountinfo") as table:
        line = next(line for line in table if line.split()[4] == os.path.realpath(mount.point))
    contains(line.split()[5], "noatime", "mount options")
    contains(line, " films ", "mount source")
    for flag in ("ro", "nosuid", "nodev"):
        contains(line.split()[5].split(","), flag, "mount options")
    mount.end()


@case
def a_busy_port_is_said(work):
    """And not replaced by another one in silence."""
    one = torrent()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        listen = f"127.0.0.1:{busy.getsockname()[1]}"
        mount = Mount(work, [source_of(one, work, "torrent")], peers=[seed(one, work).peer],
                      listen=("--listen", listen))
        mount.wait_line(rf"cannot listen.*{listen}")
        mount.verify(one)
        mount.end()


@case
def progress_says_where_and_how_many(work):
    mount = Mount(work, [source_of(torrent(), work, "torrent")])
    mount.wait_line(rf"^mounted 1 file at {mount.point}$")
    mount.end()


@case
def quiet_on_stdout_and_a_line_now_and_then(work):
    one = torrent()
    mount = Mount(work, [source_of(one, work, "torrent")], verbose=False,
                  peers=[seed(one, work).peer])
    mount.verify(one)
    mount.end()


if __name__ == "__main__":
    main()
