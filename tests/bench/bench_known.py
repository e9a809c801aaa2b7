#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What torrents cost that are known but not read.

    bench_known.py [--known N] [--awake N] [--seconds N] [--pieces N]

A folder of N .torrent files with as many piece hashes each is mounted; then a
few of its files are read from real seeders, and the mount is left alone. Beside
it the same few alone. Start is from the fork to "mounted"; RSS and CPU (user
and system time of the process) are taken while it is idle. The .torrent files
were written just before, so they come from the page cache.

GOS_BUILD_DIR says where the programs are. One line a figure: name, value, unit.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import bencode
from bench_mount import cpu_of, say, status_of
from harness import Failure, end_children, equal, isolate, same_bytes
from mounting import Mount, drop_pages
from seeders import start_libtorrent
from torrentmaker import KIB, MIB, make_v1, pattern


def sleeper(i, pieces):
    """A .torrent whose content nobody has: only its description matters."""
    hashes = os.urandom(20 * 64) * (pieces // 64 + 1)
    return bencode.encode({"announce": "http://127.0.0.1:9/announce", "info": {
        "name": f"sleeping film number {i} (1999).mkv", "length": pieces * MIB,
        "piece length": MIB, "pieces": hashes[:20 * pieces]}})


def collection(folder, known, awake, pieces):
    """`awake` torrents that can be read, and sleepers up to `known` of all."""
    os.makedirs(folder)
    real = [make_v1(f"film {i}.mkv", pattern(MIB, i + 1), 64 * KIB) for i in range(awake)]
    for i, torrent in enumerate(real):
        torrent.save(os.path.join(folder, f"a{i}.torrent"))
    for i in range(known - awake):
        with open(os.path.join(folder, f"b{i}.torrent"), "wb") as out:
            out.write(sleeper(i, pieces))
    return real


def seed_all(real, work):
    """One seeder for all of them: with one each, every torrent would dial all."""
    data, more = os.path.join(work, "data"), []
    os.makedirs(data)
    for i, torrent in enumerate(real):
        torrent.lay_out(data)
        if i > 0:
            more += ["--torrent", torrent.save(os.path.join(work, f"seed{i}.torrent"))]
    return start_libtorrent(real[0], data, work, options=more)


def wake(mount, real):
    """Read all of the real ones; the longest first byte of them in ms."""
    longest = 0
    for torrent in real:
        path = mount.path(torrent.name)
        began = time.monotonic()
        with open(path, "rb", buffering=0) as file:
            os.pread(file.fileno(), 1, 0)
        longest = max(longest, time.monotonic() - began)
        same_bytes(mount.read(torrent.name), torrent.entries[0].data, os.fsdecode(torrent.name))
        drop_pages(path)
    return longest * 1e3


def measure(work, name, folder, real, seeder, seconds):
    began = time.monotonic()
    mount = Mount(work, [folder], "--ram", "64M", peers=[seeder.peer], verbose=False,
                  timeout=120)
    say(f"{name}_start", (time.monotonic() - began) * 1e3, "ms")
    pid = mount.child.pid
    say(f"{name}_asleep_rss", status_of(pid)["VmRSS"] / MIB, "MiB")
    say(f"{name}_first_byte_max", wake(mount, real), "ms")
    say(f"{name}_rss", status_of(pid)["VmRSS"] / MIB, "MiB")
    time.sleep(2)
    before, since = cpu_of(pid), time.monotonic()
    time.sleep(seconds)
    say(f"{name}_idle_cpu", (cpu_of(pid) - before) / (time.monotonic() - since) * 1e3, "ms/s")
    mount.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--known", type=int, default=3000)
    parser.add_argument("--awake", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pieces", type=int, default=2000)
    options = parser.parse_args()
    isolate()
    work = tempfile.mkdtemp(prefix="gos-known-")
    try:
        many, few = os.path.join(work, "many"), os.path.join(work, "few")
        real = collection(many, options.known, options.awake, options.pieces)
        collection(few, options.awake, options.awake, options.pieces)
        equal(len(os.listdir(many)), options.known, "torrents")
        seeder = seed_all(real, work)
        measure(work, "known", many, real, seeder, options.seconds)
        measure(work, "alone", few, real, seeder, options.seconds)
    except Failure as failure:
        sys.exit(f"bench_known.py: {failure}")
    finally:
        end_children()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
