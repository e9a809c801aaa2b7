#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A collection of torrents: a folder of .torrent files of which few are in the
swarm; they fall asleep, wake when they are read, and give the right bytes."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, contains, equal, eventually, main, raises, same_bytes
from mounting import LOOPBACK, QUIET, Mount, drop_pages, read_direct, refused, tool
from seeders import seed
from torrentmaker import KIB, MIB, make_v1, pattern

KNOWN, READ = 300, 10
EIO = 5


def collection(work, n=KNOWN):
    """A folder of n torrents; all names and contents differ."""
    folder = os.path.join(work, "torrents")
    os.makedirs(folder)
    torrents = [make_v1(f"film {i:04}.mkv", pattern(300 * KIB if i < READ else 20 * KIB, i + 1),
                        64 * KIB) for i in range(n)]
    for i, torrent in enumerate(torrents):
        torrent.save(os.path.join(folder, f"{i:04}.torrent"))
    return folder, torrents


def connections(seeder):
    """Established TCP connections of the seeder's port."""
    port = f":{seeder.port:04X}"
    n = 0
    with open("/proc/net/tcp") as table:
        for line in list(table)[1:]:
            fields = line.split()
            n += fields[1].endswith(port) and fields[3] == "01"
    return n


@case(timeout=240)
def ten_of_three_hundred_are_read_and_sleep_and_are_read_again(work):
    folder, torrents = collection(work)
    seeders = [seed(torrent, work) for torrent in torrents[:READ]]
    mount = Mount(work, [folder], "--sleep-after", "1", peers=[s.peer for s in seeders])
    equal(len(os.listdir(mount.point)), KNOWN, "files in the mount")
    equal(sum(connections(s) for s in seeders), 0, "connections before anything was read")
    for torrent in torrents[:READ]:
        mount_reads(mount, torrent)
    for seeder in seeders:
        eventually(lambda s=seeder: connections(s) == 0, "the seeder sees the connection end", 30)
    for torrent in torrents[:READ]:
        drop_pages(mount.path(torrent.name))
        mount_reads(mount, torrent)
    mount.end()


def mount_reads(mount, torrent):
    same_bytes(mount.read(torrent.name), torrent.entries[0].data, os.fsdecode(torrent.name))


@case
def a_file_that_stays_open_is_read_before_and_after_it_slept(work):
    torrent = make_v1("film.mkv", pattern(4 * MIB), 256 * KIB)
    seeder = seed(torrent, work)
    source = torrent.save(os.path.join(work, "film.torrent"))
    mount = Mount(work, [source], "--sleep-after", "0.5", peers=[seeder.peer])
    data = torrent.entries[0].data
    with open(mount.path("film.mkv"), "rb", buffering=0) as file:
        for at in (0, 2 * MIB, 3 * MIB):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            same_bytes(os.pread(file.fileno(), 64 * KIB, at), data[at:at + 64 * KIB], f"at {at}")
            eventually(lambda: connections(seeder) == 0, "it left the swarm", 30)
    mount.end()


@case
def a_file_that_is_gone_is_named_and_others_are_read(work):
    folder, torrents = collection(work, 12)
    seeder = seed(torrents[1], work)
    mount = Mount(work, [folder], peers=[seeder.peer])
    os.unlink(os.path.join(folder, "0000.torrent"))
    raises(EIO, read_direct, mount.path(torrents[0].name), 0, 4096)
    mount.wait_line(r"0000\.torrent: No such file")
    mount_reads(mount, torrents[1])
    torrents[0].save(os.path.join(folder, "0000.torrent"))
    late = seed(torrents[0], work, port=seeder.port + 1 if seeder.port < 65000 else 0)
    mount.end()
    mount = Mount(work, [folder], peers=[late.peer])
    mount_reads(mount, torrents[0])
    mount.end()


@case
def bad_files_of_a_folder_are_left_out(work):
    folder, torrents = collection(work, 3)
    with open(os.path.join(folder, "bad.torrent"), "w") as out:
        out.write("nonsense")
    with open(os.path.join(folder, "readme.txt"), "w") as out:
        out.write("no torrent")
    torrents[0].save(os.path.join(folder, "twin.torrent"))
    ended = tool("--list", folder)
    equal(ended.returncode, 0, "status")
    equal(len(ended.stdout.splitlines()), 3, "files listed")
    words = ended.stderr.decode()
    contains(words, "bad.torrent: warning: left out", "what is said")
    contains(words, "twin.torrent: is the same torrent", "what is said")
    check("readme" not in words, f"it speaks of another file: {words}")


@case
def a_folder_without_good_files_is_refused(work):
    empty = os.path.join(work, "empty")
    bad = os.path.join(work, "bad")
    os.makedirs(empty)
    os.makedirs(bad)
    with open(os.path.join(bad, "bad.torrent"), "w") as out:
        out.write("nonsense")
    refused(1, *QUIET, *LOOPBACK, "--list", empty, says=["empty", "without .torrent files"])
    refused(1, *QUIET, *LOOPBACK, "--list", bad, says=["bad.torrent", "without usable"])


@case
def it_ends_at_once_while_torrents_wake(work):
    folder, torrents = collection(work, 40)
    mount = Mount(work, [folder], "--sleep-after", "0.2")
    readers = [os.open(mount.path(t.name), os.O_RDONLY) for t in torrents]
    for fd in readers:
        os.posix_fadvise(fd, 0, 4096, os.POSIX_FADV_WILLNEED)
    for fd in readers:
        os.close(fd)
    mount.end(signal.SIGTERM)


if __name__ == "__main__":
    main()
