#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Readers that ask for much: many at once in the least memory, many jumps, one byte
and 64 MiB. All of them get their bytes."""

import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import Failure, case, check, equal, eventually, long, main, patience, same_bytes
from mounting import Mount, drop_pages, read_direct
from seeders import seed, source_of
from torrentmaker import KIB, MIB, Entry, make_v1, pattern

READERS = 16
PIECE = 16 * MIB


def all_finish(readers, timeout):
    """Run functions side by side; each must return, and none may fail."""
    wrong = []

    def guarded(reader):
        try:
            reader()
        except (OSError, Failure) as error:
            wrong.append(error)
    threads = [threading.Thread(target=guarded, args=(r,), daemon=True) for r in readers]
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout * patience()
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    stuck = sum(thread.is_alive() for thread in threads)
    equal((stuck, [str(error) for error in wrong]), (0, []), "readers that hang, and failures")


def dice():
    number = random.SystemRandom().randrange(1 << 32)
    print(f"  seed {number}")
    return random.Random(number)


@case(timeout=240)
def sixteen_readers_of_one_file_in_the_least_memory(work):
    """Two pieces fit into the budget."""
    content = pattern(6 * PIECE + 12_345)
    torrent = make_v1("film.mkv", content, PIECE)
    mount = Mount(work, [source_of(torrent, work, "torrent")], "--ram", "36M",
                  peers=[seed(torrent, work).peer])
    path, chance = mount.path("film.mkv"), dice()
    places = [[chance.randrange(len(content) // 4096) * 4096 for _ in range(8 if long() else 3)]
              for _ in range(READERS)]

    def reader(mine):
        for at in mine:  # past the page cache, which would hide the mount
            same_bytes(read_direct(path, at, 64 * KIB), content[at:at + 64 * KIB], f"at {at}")
    began = time.monotonic()
    all_finish([lambda mine=mine: reader(mine) for mine in places], 180)
    print(f"  {time.monotonic() - began:.1f} s, received {mount.received() / MIB:.0f} MiB")
    mount.end()


@case(timeout=240)
def sixteen_readers_of_sixteen_files_in_the_least_memory(work):
    entries = [Entry(f"{i:02}.bin", pattern(5 * MIB + i * 1001, i)) for i in range(READERS)]
    torrent = make_v1("show", entries, PIECE)
    mount = Mount(work, [source_of(torrent, work, "torrent")], "--ram", "36M",
                  peers=[seed(torrent, work).peer])

    def reader(entry):
        path = mount.path("show", *entry.path)
        with open(path, "rb", buffering=0) as file:
            for at in range(0, len(entry.data), 512 * KIB):
                same_bytes(file.read(512 * KIB), entry.data[at:at + 512 * KIB], f"{path} at {at}")
    began = time.monotonic()
    all_finish([lambda entry=entry: reader(entry) for entry in entries], 180)
    print(f"  {time.monotonic() - began:.1f} s, received {mount.received() / MIB:.0f} MiB")
    mount.end()


def film(work, size, *options):
    content = pattern(size)
    torrent = make_v1("film.mkv", content, MIB)
    mount = Mount(work, [source_of(torrent, work, "torrent")], *options,
                  peers=[seed(torrent, work).peer])
    return mount, mount.path("film.mkv"), content


@case(timeout=120)
def fifty_jumps_a_second(work):
    """By impatient readers who do not wait for what they asked before; then the
    same mount reads in sequence as if nothing had been."""
    mount, path, content = film(work, 96 * MIB, "--ram", "16M")
    seconds, chance = (10 if long() else 4), dice()
    jumps = [(i / 50, chance.randrange(len(content) // 4096 - 16) * 4096)
             for i in range(50 * seconds)]
    began, late = time.monotonic(), []

    def reader(mine):
        for when, at in mine:
            time.sleep(max(0, began + when - time.monotonic()))
            asked = time.monotonic()
            same_bytes(read_direct(path, at, 64 * KIB), content[at:at + 64 * KIB], f"at {at}")
            late.append(time.monotonic() - asked)
    all_finish([lambda n=n: reader(jumps[n::10]) for n in range(10)], 60)
    taken = time.monotonic() - began
    late.sort()
    print(f"  {len(jumps)} jumps in {taken:.1f} s, median {late[len(late) // 2] * 1000:.0f} ms, "
          f"longest {late[-1] * 1000:.0f} ms, received {mount.received() / MIB:.0f} MiB")
    equal(mount.figure("peers"), 1, "peers kept")
    eventually(lambda: mount.figure("waiting") == 0, "nobody waits")
    began = time.monotonic()
    drop_pages(path)
    with open(path, "rb", buffering=0) as file:
        same_bytes(file.read(8 * MIB), content[:8 * MIB], "in sequence afterwards")
    check(time.monotonic() - began < 10 * patience(), "reading in sequence has become slow")
    mount.end()


@case(timeout=120)
def sixty_four_mebibytes_in_one_call_with_a_small_budget(work):
    mount, path, content = film(work, 70 * MIB + 3, "--ram", "6M")
    fd = os.open(path, os.O_RDONLY)
    same_bytes(os.pread(fd, 64 * MIB, 5 * MIB + 1), content[5 * MIB + 1:69 * MIB + 1], "64 MiB")
    os.close(fd)
    mount.end()


@case
def one_byte_at_a_time(work):
    mount, path, content = film(work, 3 * MIB + 1, "--ram", "6M")
    fd = os.open(path, os.O_RDONLY)
    for at in [*range(0, 3000), *range(MIB - 500, MIB + 500), *range(3 * MIB, 3 * MIB - 900, -1)]:
        equal(os.pread(fd, 1, at), content[at:at + 1], f"the byte at {at}")
    os.close(fd)
    mount.end()


if __name__ == "__main__":
    main()
