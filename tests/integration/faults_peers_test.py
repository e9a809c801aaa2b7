#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Peers that break the protocol, or keep it in a way that hurts: what is read is
right all the same, and nothing grows. Beside them there is one honest peer, unless
the case says otherwise."""

import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, eventually, main, patience, same_bytes
from hostile import (Busy, Dialling, Garbage, HaveFlood, PexFlood, Rejecting, Stalling, Trap)
from mounting import QUIET, Mount, drop_pages
from scripted import ScriptedPeer
from seeders import free_port, seed, source_of
from torrentmaker import KIB, MIB, make_v1, pattern

CONTENT = pattern(8 * MIB + 99)


def film(piece=256 * KIB):
    return make_v1("film.mkv", CONTENT, piece)


def read_beside(work, hostile, torrent, met, *options, **more):
    """Read the film from the hostile peer and an honest one that comes once `met`
    (what the hostile one counts) has happened. The mount goes on running."""
    port = free_port()
    mount = Mount(work, [source_of(torrent, work, "torrent")], *options,
                  peers=[hostile.peer, f"127.0.0.1:{port}"], **more)
    with open(mount.path("film.mkv"), "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 4096, os.POSIX_FADV_WILLNEED)  # does not wait
        check(hostile.wait_for(met, 1), f"the hostile peer has not counted {met!r}")
        seed(torrent, work, port=port)
        began = time.monotonic()
        same_bytes(file.read(len(CONTENT)), CONTENT, "film")
    print(f"  read {time.monotonic() - began:.1f} s after the honest peer came")
    return mount


def anonymous(mount):
    """Bytes of memory that belong to no file."""
    with open(f"/proc/{mount.child.pid}/status") as status:
        figures = dict(re.findall(r"(VmRSS|RssFile):\s+(\d+) kB", status.read()))
    return (int(figures["VmRSS"]) - int(figures["RssFile"])) * KIB


# ---- claims to have everything ----

@case
def one_that_rejects_every_request(work):
    hostile = Rejecting(film())
    mount = read_beside(work, hostile, film(), "requests")
    equal(mount.figure("banned"), 0, "banned: it did not lie about bytes")
    before = hostile.requests
    time.sleep(1)
    check(hostile.requests - before < 50, f"asked {hostile.requests - before} times in a second")
    mount.end()


@case
def one_that_stalls_for_ever_in_mid_piece(work):
    mount = read_beside(work, Stalling(film(), after=7), film(), "served")
    mount.end()


@case
def one_that_leaves_in_mid_piece_again_and_again(work):
    """Alone: each connection brings a few blocks."""
    torrent = make_v1("film.mkv", CONTENT[:2 * MIB], 256 * KIB)
    hostile = Stalling(torrent, after=19, leaves=True)
    mount = Mount(work, [source_of(torrent, work, "torrent")], peers=[hostile.peer])
    same_bytes(mount.read("film.mkv"), CONTENT[:2 * MIB], "film")
    check(hostile.greetings > 3, f"it was met {hostile.greetings} times")
    mount.end()


# ---- noise ----

@case
def one_that_sends_garbage_behind_its_greeting(work):
    mount = read_beside(work, Garbage(film()), film(), "greetings")
    mount.end()


@case
def one_that_floods_with_haves(work):
    hostile = HaveFlood(film(16 * KIB))
    mount = read_beside(work, hostile, film(16 * KIB), "haves")
    before, seen = anonymous(mount), hostile.haves
    check(hostile.wait_for("haves", seen + 300, 20 * patience()), "the flood has stopped")
    check(anonymous(mount) - before < 8 * MIB, f"memory grew from {before} to {anonymous(mount)}")
    same_bytes(mount.read("film.mkv"), CONTENT, "film, while it goes on")
    mount.end()


@case(each=[(0.02,), (62,)], timeout=120)
def one_that_floods_with_addresses(work, every):
    """Many messages, and one as often as the protocol allows: 5,000 addresses each."""
    trap = Trap()
    hostile = PexFlood(film(), trap.port, every)
    quiet = [option for option in QUIET if option != "--no-pex"]
    mount = read_beside(work, hostile, film(), "greetings", quiet=quiet)
    before = anonymous(mount)
    eventually(lambda: hostile.told >= hostile.PER_MESSAGE, "it has told addresses")
    time.sleep(6)
    print(f"  told {hostile.told} addresses, {trap.visits} tried, memory from {before} to "
          f"{anonymous(mount)}")
    check(trap.visits <= 1000, f"{trap.visits} connections were tried")
    check(anonymous(mount) - before < 8 * MIB, f"memory grew from {before} to {anonymous(mount)}")
    drop_pages(mount.path("film.mkv"))
    same_bytes(mount.read("film.mkv"), CONTENT, "film, while it goes on")
    mount.end()


# ---- requests ----

@case(each=[(12, 5000), (12, 0), (64, 64)], timeout=90)
def one_that_takes_fewer_requests_than_it_says(work, takes, reqq):
    """Alone, and it drops what is cancelled without a word."""
    hostile = Busy(film(), rate=20 * MIB, takes=takes, reqq=reqq)
    mount = Mount(work, [source_of(film(), work, "torrent")], peers=[hostile.peer])
    number = random.SystemRandom().randrange(1 << 32)
    print(f"  seed {number}")
    chance, worst = random.Random(number), 0
    fd = os.open(mount.path("film.mkv"), os.O_RDONLY)
    for _ in range(6):
        drop_pages(mount.path("film.mkv"))
        at, began = chance.randrange(len(CONTENT) - KIB), time.monotonic()
        same_bytes(os.pread(fd, KIB, at), CONTENT[at:at + KIB], f"a KiB at {at}")
        worst = max(worst, time.monotonic() - began)
    same_bytes(os.pread(fd, 2 * MIB, 0), CONTENT[:2 * MIB], "the first 2 MiB")
    os.close(fd)
    print(f"  longest wait {worst:.2f} s, at most {hostile.most} requests, {hostile.dropped} "
          f"dropped, {hostile.cancels} cancels")
    check(hostile.most <= max(reqq, 500), "it was asked more than it says, and more than 500")
    mount.end()


@case(timeout=90)
def cancels_that_are_not_answered(work):
    """Alone, slow, and jumped about on: most of what it was asked is cancelled."""
    hostile = Busy(film(), rate=4 * MIB, takes=512, reqq=512)
    mount = Mount(work, [source_of(film(), work, "torrent")], peers=[hostile.peer])
    fd = os.open(mount.path("film.mkv"), os.O_RDONLY)
    worst = 0
    for at in (0, 6 * MIB, 2 * MIB, 7 * MIB, 4 * MIB, 0, 5 * MIB):
        drop_pages(mount.path("film.mkv"))
        began = time.monotonic()
        same_bytes(os.pread(fd, 64 * KIB, at), CONTENT[at:at + 64 * KIB], f"at {at}")
        worst = max(worst, time.monotonic() - began)
    os.close(fd)
    same_bytes(mount.read("film.mkv"), CONTENT, "film")
    print(f"  longest wait {worst:.2f} s, {hostile.cancels} cancels")
    check(worst < 9 * patience(), f"a jump took {worst:.1f} s")
    mount.end()


# ---- liars ----

@case(timeout=90)
def one_corrupt_of_five(work):
    """The liar is banned, the innocent stay connected."""
    torrent = film()
    liar = seed(torrent, work, host="127.0.5.1", options=("--corrupt", "3"))
    honest = [seed(torrent, work, host=f"127.0.5.{i}", options=("--rate", str(2 * MIB)))
              for i in range(2, 6)]
    mount = Mount(work, [source_of(torrent, work, "torrent")], "--ram", "6M",
                  peers=[liar.peer, *(peer.peer for peer in honest)])
    eventually(lambda: mount.figure("peers") == 5, "all are connected")

    def banned():  # once it was asked for that piece
        drop_pages(mount.path("film.mkv"))
        same_bytes(mount.read("film.mkv"), CONTENT, "film")
        return re.search(r"wrong data.* banned", mount.said())
    eventually(banned, "the liar is banned", 50)
    print(f"  {mount.figure('failed')} pieces failed")
    eventually(lambda: mount.figure("peers") == 4, "the innocent are there")
    equal(mount.figure("banned"), 1, "banned")
    mount.end()


# ---- connections ----

@case
def one_that_comes_back_from_another_port(work):
    """It connects to us, leaves in the middle, and goes on from another port."""
    torrent = film()
    port = free_port()
    visitor = Dialling(torrent)
    mount = Mount(work, [source_of(torrent, work, "torrent")],
                  listen=("--listen", f"127.0.0.1:{port}"))
    with open(mount.path("film.mkv"), "rb", buffering=0) as file:
        for i in range(4):
            visitor.come(("127.0.0.1", port))
            part = file.read(2 * MIB)
            same_bytes(part, CONTENT[2 * i * MIB:2 * (i + 1) * MIB], f"part {i}")
            drop_pages(mount.path("film.mkv"))
        visitor.come(("127.0.0.1", port))
        same_bytes(file.read(), CONTENT[8 * MIB:], "the rest")
    equal(len(set(visitor.ports)), 5, "ports it came from")
    eventually(lambda: mount.figure("peers") == 1, "only its last connection counts")
    mount.end()


# ---- metadata ----

@case(each=[("same size",), ("another size",)], timeout=90)
def metadata_of_the_wrong_hash(work, length):
    """From one peer; the next has the right one. More of these: metadata_liars_test.py."""
    torrent = film()
    wrong = ScriptedPeer(torrent, metadata=film(64 * KIB).info_bytes
                         if length == "another size" else torrent.info_bytes[:-1] + b"f")
    port = free_port()
    mount = Mount(work, [torrent.magnet()], "--metadata-timeout", "80",
                  peers=[wrong.peer, f"127.0.0.1:{port}"], wait=False)
    check(wrong.wait_for("metadata_requests", 1), "the wrong metadata was not asked for")
    seed(torrent, work, port=port)
    began = time.monotonic()
    mount.wait_mounted(70)
    print(f"  {time.monotonic() - began:.1f} s after the honest peer came")
    same_bytes(mount.read("film.mkv"), CONTENT, "film")
    mount.end()


def with_padding(size):
    """A film whose info dictionary has this many bytes that mean nothing."""
    return make_v1("film.mkv", CONTENT, 256 * KIB, info={"x": bytes(size)})


@case(timeout=90)
def metadata_of_nearly_sixteen_mebibytes(work):
    torrent = with_padding(16 * MIB - 64 * KIB)
    peer = ScriptedPeer(torrent)
    mount = Mount(work, [torrent.magnet()], peers=[peer.peer], wait=False)
    mount.wait_mounted(60)
    same_bytes(mount.read("film.mkv"), CONTENT, "film")
    mount.end()


@case(each=[(16 * MIB + 1,), (100 * MIB,), ((1 << 31) - 1,), (0,), (-5,)])
def one_that_claims_metadata_of_an_impossible_size(work, size):
    torrent = film()
    hostile = ScriptedPeer(torrent)
    hostile.metadata_size = size
    honest = seed(torrent, work)
    mount = Mount(work, [torrent.magnet()], peers=[hostile.peer, honest.peer], wait=False)
    mount.wait_mounted()
    check(anonymous(mount) < 100 * MIB, f"{anonymous(mount)} bytes of memory")
    same_bytes(mount.read("film.mkv"), CONTENT, "film")
    mount.end()


if __name__ == "__main__":
    main(at_once=4)
