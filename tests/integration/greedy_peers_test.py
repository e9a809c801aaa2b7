#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Peers that want our memory: they say what libtorrent would write down each time,
or ask for what is long and take no answer."""

import os
import re
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, eventually, main, patience
from mounting import Mount
from peerwire import BITFIELD, GREETING, Wire, full_bitfield
from scripted import ScriptedPeer
from seeders import seed, source_of
from torrentmaker import KIB, MAKERS, MIB, make_v1, make_v2, merkle, pattern

ALLOWED_FAST, HASH_REQUEST = 17, 21
PIECE = 16 * KIB
MILLIONS = 40
HASHES = 2048  # that one request asks for: 64 KiB


def anonymous(mount):
    """Bytes of memory that belong to no file."""
    with open(f"/proc/{mount.child.pid}/status") as status:
        figures = dict(re.findall(r"(VmRSS|RssFile):\s+(\d+) kB", status.read()))
    return (int(figures["VmRSS"]) - int(figures["RssFile"])) * KIB


class AllowedFastFlood(ScriptedPeer):
    """Allows the same piece millions of times."""

    fast = True

    def __init__(self, torrent):
        self.millions = 0
        super().__init__(torrent)

    def _begin(self, wire):
        super()._begin(wire)
        threading.Thread(target=self._flood, args=(wire,), daemon=True).start()

    def _flood(self, wire):
        some = struct.pack(">IBI", 5, ALLOWED_FAST, 3) * 10_000
        try:
            while self.millions < MILLIONS:
                for _ in range(100):
                    wire.sock.sendall(some)
                self._count("millions")
        except OSError:
            pass


class HashHog(ScriptedPeer):
    """Asks for hashes on and on, and reads nothing."""

    def __init__(self, torrent, root):
        self.request = (struct.pack(">IB", 49, HASH_REQUEST) + root
                        + struct.pack(">IIII", 0, 0, HASHES, 0))
        self.asked = self.closed = 0
        super().__init__(torrent)

    def _talk(self, sock):
        with sock:
            Wire(sock).read_greeting()
            sock.sendall(GREETING + bytes([0, 0, 0, 0, 0, 0x10, 0, 0x14])
                         + self.torrent.info_hash + b"-TS0100-hashhashhash")
            wire = Wire(sock)
            wire.send(BITFIELD, full_bitfield(self.torrent.n_pieces))
            self._count("greetings")
            try:
                while self.asked < 100:
                    sock.sendall(self.request * 1000)  # 64 MiB of answers
                    self._count("asked")
                while True:
                    sock.sendall(bytes(4))
                    threading.Event().wait(0.1)
            except OSError:
                self._count("closed")


@case
def one_that_allows_without_end(work):
    torrent = make_v1("film.mkv", pattern(2 * MIB), 256 * KIB)
    hostile = AllowedFastFlood(torrent)
    mount = Mount(work, [source_of(torrent, work, "torrent")], peers=[hostile.peer])
    check(hostile.wait_for("millions", 1), "the flood does not begin")
    before = anonymous(mount)
    check(hostile.wait_for("millions", MILLIONS, 20 * patience()), "the flood has stopped")
    # Each that was remembered would take 4 bytes at least, 160 MB in all; buffers take
    # some, once: 6 to 37 MB were seen.
    check(anonymous(mount) - before < 80 * MIB, f"memory grew from {before} to {anonymous(mount)}")
    mount.end()


@case
def one_that_asks_for_hashes_and_takes_none(work):
    content = pattern(PIECE * HASHES)
    torrent = make_v2("film.mkv", content, PIECE)
    hostile = HashHog(torrent, merkle(content, PIECE)[0])
    mount = Mount(work, [source_of(torrent, work, "torrent")], peers=[hostile.peer])
    before = peak = anonymous(mount)

    def is_sent_away():
        nonlocal peak
        peak = max(peak, anonymous(mount))
        return hostile.closed > 0

    eventually(is_sent_away, "it was sent away")
    check(peak - before < 16 * MIB, f"memory grew from {before} to {peak}")
    mount.end()


@case(each=[("v2",), ("hybrid",)])
def a_peer_that_was_dropped_is_greeted_again(work, kind):
    """With the right hash, although it may not ask for hashes any more."""
    torrent = MAKERS[kind]("film.mkv", pattern(MIB), PIECE)
    seeder = seed(torrent, work)
    mount = Mount(work, [source_of(torrent, work, "torrent")], peers=[seeder.peer])
    mount.verify(torrent)
    seeder.stop()
    eventually(lambda: mount.figure("peers") == 0, "it is missed")
    seed(torrent, work, port=seeder.port)
    eventually(lambda: mount.figure("peers") == 1, "it is back")
    mount.end()


main()
