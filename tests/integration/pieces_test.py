#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every size of piece, one file and several, both versions of the format."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, equal, main
from mounting import Mount
from seeders import seed, source_of
from torrentmaker import KIB, MAKERS, MIB, Entry, pattern

SIZES = {"16K": 16 * KIB, "64K": 64 * KIB, "256K": 256 * KIB, "1M": MIB, "4M": 4 * MIB,
         "16M": 16 * MIB}


def content(layout, piece):
    """A little over two pieces; in several files, borders fall inside pieces."""
    total = max(2 * piece + 70_001, 600_000)
    if layout == "single":
        return pattern(total)
    third = total // 3
    return [Entry("a/first.bin", pattern(third, 1)), Entry("a/small.txt", b"small\n"),
            Entry("b/second.bin", pattern(third + 1, 2)), Entry("none", b""),
            Entry("third.bin", pattern(total - 2 * third, 3))]


@case(each=[(size, kind, layout) for size in SIZES for kind in MAKERS
            for layout in ("single", "several")])
def read_whole(work, size, kind, layout):
    torrent = MAKERS[kind]("show", content(layout, SIZES[size]), SIZES[size])
    seeder = seed(torrent, work)
    mount = Mount(work, [source_of(torrent, work, "torrent")], peers=[seeder.peer])
    mount.verify(torrent)
    mount.end()


@case(each=[(client,) for client in ("aria2c", "transmission")])
def hybrid_from_a_client_of_version_1(work, client):
    torrent = MAKERS["hybrid"]("show", content("several", MIB), MIB)
    seeder = seed(torrent, work, client)
    mount = Mount(work, [source_of(torrent, work, "torrent")], peers=[seeder.peer])
    mount.verify(torrent)
    mount.end()


@case(each=[("hex", "btmh"), ("btmh", "hex")])
def a_hybrid_by_its_hash_of_each_version_is_shown_once(work, first, second):
    """Only the metadata tells that the two links are one torrent."""
    torrent = MAKERS["hybrid"]("film.mkv", content("single", MIB), MIB)
    mount = Mount(work, [torrent.magnet(first), torrent.magnet(second)],
                  peers=[seed(torrent, work).peer])
    mount.verify(torrent)
    equal(sum("is the same torrent as one before" in line for line in mount.lines), 1, "said")
    mount.end()


@case(each=[("hybrid", "hex"), ("hybrid", "btmh"), ("hybrid", "both"), ("v2", "btmh")])
def version_2_from_a_magnet(work, kind, form):
    torrent = MAKERS[kind]("show", content("several", 256 * KIB), 256 * KIB)
    seeder = seed(torrent, work)
    mount = Mount(work, [source_of(torrent, work, form)], peers=[seeder.peer])
    mount.verify(torrent)
    mount.end()


if __name__ == "__main__":
    main()
