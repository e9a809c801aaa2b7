#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Metadata that comes while it is mounted: before all is known, and after it
was given up. What the kernel remembers of the folder must not hide it."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, eventually, main, same_bytes
from mounting import Mount
from seeders import free_port, seed, source_of
from torrentmaker import MIB, make_v1, pattern


def mount_early_and_late(work, *options):
    """A .torrent, and a magnet whose only peer is not there yet."""
    early = make_v1("early.mkv", pattern(2 * MIB, 1), MIB)
    late = make_v1("late.mkv", pattern(2 * MIB, 2), MIB)
    port = free_port()
    mount = Mount(work, [source_of(early, work, "torrent"), source_of(late, work, "magnet")],
                  *options, peers=[f"127.0.0.1:{port}"], wait=False)
    eventually(lambda: os.path.exists(mount.path("early.mkv")), "the first torrent is there")
    return mount, late, port


def remember_that_it_is_missing(mount):
    equal(os.listdir(mount.point), ["early.mkv"], "names")
    check(not os.path.exists(mount.path("late.mkv")), "it cannot be there")


def read_late(mount, late, port, work):
    seed(late, work, port=port)
    eventually(lambda: os.path.exists(mount.path("late.mkv")), "the late torrent is there", 60)
    equal(sorted(os.listdir(mount.point)), ["early.mkv", "late.mkv"], "names")
    same_bytes(mount.read("late.mkv"), pattern(2 * MIB, 2), "late.mkv")


@case(timeout=120)
def files_appear_when_their_metadata_is_there(work):
    mount, late, port = mount_early_and_late(work)
    remember_that_it_is_missing(mount)
    check("mounted" not in mount.said(), "it is announced when all are known")
    read_late(mount, late, port, work)
    equal(mount.wait_mounted(), 2, "files announced")
    mount.end()


@case(timeout=120)
def files_appear_after_their_metadata_was_given_up(work):
    mount, late, port = mount_early_and_late(work, "--metadata-timeout", "1")
    equal(mount.wait_mounted(), 1, "files announced")
    mount.wait_line("no metadata within 1 s")
    remember_that_it_is_missing(mount)
    read_late(mount, late, port, work)
    mount.end()


if __name__ == "__main__":
    main()
