#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The budget is a real limit: what is read again after it was given up is
fetched again, and is the same."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import Skip, case, check, equal, main, same_bytes, sanitized
from mounting import Mount, drop_pages, read_direct
from seeders import seed, source_of
from torrentmaker import MIB, make_v1, pattern


def mounted(work, size, piece, ram):
    content = pattern(size)
    torrent = make_v1("film.mkv", content, piece)
    seeder = seed(torrent, work)
    mount = Mount(work, [source_of(torrent, work, "torrent")], "--ram", ram, peers=[seeder.peer])
    return mount, mount.path("film.mkv"), content


@case
def evicted_bytes_are_fetched_again(work):
    mount, path, content = mounted(work, 64 * MIB, MIB, "16M")
    same_bytes(mount.read("film.mkv"), content, "first time")
    before = mount.received()
    drop_pages(path)
    same_bytes(mount.read("film.mkv"), content, "second time")
    again = mount.received() - before
    check(again >= 48 * MIB, f"only {again} bytes were received for the second reading")
    mount.end()


@case
def evicted_bytes_are_fetched_again_with_direct_reads(work):
    mount, path, content = mounted(work, 32 * MIB, MIB, "8M")
    for turn in range(2):
        for at in range(0, 32 * MIB, 4 * MIB):
            same_bytes(read_direct(path, at, 4 * MIB), content[at:at + 4 * MIB], f"{turn}: {at}")
        if turn == 0:
            before = mount.received()
    check(mount.received() - before >= 24 * MIB, "the second turn was not fetched")
    mount.end()


@case
def seeking_to_and_fro_over_what_was_evicted(work):
    mount, path, content = mounted(work, 48 * MIB, MIB, "8M")
    before = mount.received()
    for turn in range(4):
        for at in (0, 40 * MIB, 20 * MIB, 47 * MIB):
            drop_pages(path)
            got = read_direct(path, at, 64 * 1024)
            same_bytes(got, content[at:at + 64 * 1024], f"turn {turn} at {at}")
    check(mount.received() > before, "nothing was received")
    mount.end()


@case
def the_arena_stays_inside_the_budget(work):
    if sanitized():
        raise Skip("a sanitizer has memory of its own")
    mount, path, content = mounted(work, 48 * MIB, MIB, "12M")
    same_bytes(mount.read("film.mkv"), content, "film")
    with open(f"/proc/{mount.child.pid}/status") as status:
        peak = {line.split(":")[0]: line.split() for line in status}
    resident = (int(peak["VmHWM"][1]) - int(peak["RssFile"][1])) * 1024
    limit = 12 * MIB + 24 * MIB + MIB // 2
    check(resident <= limit, f"{resident} bytes resident, want {limit} at most")
    mount.end()


@case(timeout=120)
def sixteen_readers_of_sixteen_large_pieces(work):
    piece = 16 * MIB
    mount, path, content = mounted(work, 16 * piece, piece, "36M")
    finished = []

    def reader(number):
        at = number * piece + 5 * MIB
        got = read_direct(path, at, 128 * 1024)
        if got == content[at:at + 128 * 1024]:
            finished.append(number)

    for turn in range(2):
        finished.clear()
        before = mount.received()
        threads = [threading.Thread(target=reader, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(sorted(finished), list(range(16)), f"readers that finished, turn {turn}")
        check(mount.received() - before >= 13 * piece, "most pieces were fetched in this turn")
    mount.end()


if __name__ == "__main__":
    main()
