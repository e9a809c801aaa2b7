#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real clients that are slow to answer, stop, or are stopped, and a line that goes
away: reading goes on when they do. The long form (GOS_TEST_LONG) takes the times
and sizes that are promised."""

import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import (Failure, Skip, case, check, equal, eventually, isolated, long, main, need,
                     need_long, patience, run, same_bytes)
from mounting import Mount, drop_pages
from seeders import free_port, seed, source_of
from torrentmaker import KIB, MIB, make_v1, pattern

STEP = MIB
AWAY = 30 if long() else 3  # seconds for which somebody is not there


def read_in_sequence(path, content):
    """Read and compare all of it; returns the seconds of the first read and of
    the slowest of the others."""
    waits = []
    with open(path, "rb", buffering=0) as file:
        for at in range(0, len(content), STEP):
            began = time.monotonic()
            part = file.read(min(STEP, len(content) - at))
            waits.append(time.monotonic() - began)
            same_bytes(part, content[at:at + STEP], f"{STEP} bytes at {at}")
    return waits[0], max(waits[1:])


@case(each=[("torrent",), ("magnet",)], timeout=120)
def the_only_peer_is_away_for_longer_than_libtorrent_tries(work, form):
    """libtorrent gives up on a peer after a few failures; a peer that was given is
    dialled again all the same, and the read that waited goes on."""
    content = pattern(8 * MIB)
    torrent = make_v1("film.mkv", content, MIB)
    port = free_port()
    seeder = seed(torrent, work, port=port)
    mount = Mount(work, [source_of(torrent, work, form)], peers=[seeder.peer])
    path = mount.path("film.mkv")
    fd = os.open(path, os.O_RDONLY)
    same_bytes(os.pread(fd, KIB, 0), content[:KIB], "the first KiB")
    seeder.stop()
    drop_pages(path)
    result = []
    reader = threading.Thread(
        target=lambda: result.append((os.pread(fd, KIB, 5 * MIB), time.monotonic())))
    reader.start()
    # As time passes: it is the number of failures within it that counts.
    time.sleep(90 if long() else 25)
    seed(torrent, work, port=port)
    back = time.monotonic()
    reader.join(60)
    check(result, "the read goes on")
    same_bytes(result[0][0], content[5 * MIB:5 * MIB + KIB], "what it read")
    print(f"  {result[0][1] - back:.1f} s after it was back")
    check(result[0][1] - back < 10 * patience(), "soon after it was back")
    os.close(fd)
    mount.end()


@case(each=[("transmission",), ("aria2c",)], timeout=300)
def reading_in_sequence_and_seeking(work, client):
    size, seeks, ram = (320, 20, "64M") if long() else (48, 5, "16M")
    content = pattern(size * MIB)
    torrent = make_v1("film.mkv", content, MIB)
    mount = Mount(work, [source_of(torrent, work, "torrent")], "--ram", ram,
                  peers=[seed(torrent, work, client).peer])
    path = mount.path("film.mkv")
    began = time.monotonic()
    first, longest = read_in_sequence(path, content)
    rate = size / (time.monotonic() - began - first)
    number = random.SystemRandom().randrange(1 << 32)
    print(f"  seed {number}")
    chance, waits = random.Random(number), []
    fd = os.open(path, os.O_RDONLY)
    for _ in range(seeks):
        drop_pages(path)
        at, began = chance.randrange(len(content) - 64 * KIB), time.monotonic()
        same_bytes(os.pread(fd, 64 * KIB, at), content[at:at + 64 * KIB], f"64 KiB at {at}")
        waits.append(time.monotonic() - began)
    os.close(fd)
    print(f"  {size} MiB at {rate:.0f} MiB/s, first {first:.2f} s, longest wait {longest:.2f} s; "
          f"{seeks} seeks: median {sorted(waits)[seeks // 2] * 1000:.0f} ms, longest "
          f"{max(waits) * 1000:.0f} ms")
    equal(mount.figure("peers"), 1, "peers kept")
    check(longest < 8 * patience(), f"a read in sequence took {longest:.1f} s")
    check(max(waits) < 8 * patience(), f"a seek took {max(waits):.1f} s")
    mount.end()


# ---- nobody there for a while ----

class Reading:
    """Reads a whole file in a thread, and tells how far it is."""

    def __init__(self, path, content):
        self.path, self.content = path, content
        self.at, self.longest, self.error = 0, 0, None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            with open(self.path, "rb", buffering=0) as file:
                while self.at < len(self.content):
                    began = time.monotonic()
                    part = file.read(128 * KIB)
                    self.longest = max(self.longest, time.monotonic() - began)
                    same_bytes(part, self.content[self.at:self.at + 128 * KIB], f"at {self.at}")
                    self.at += len(part)
        except (OSError, Failure) as error:
            self.error = error

    def wait_until_at(self, offset):
        eventually(lambda: self.at >= offset or self.error, f"it reads up to {offset}")

    def finish(self, timeout):
        self.thread.join(timeout * patience())
        check(not self.thread.is_alive(), f"it hangs at {self.at}")
        if self.error:
            raise Failure(f"at {self.at}: {self.error}")


def begin_slow_film(work, *options):
    """A film that takes about 4 s, being read; and its seeder, the only one."""
    content = pattern(24 * MIB + 5)
    torrent = make_v1("film.mkv", content, MIB)
    seeder = seed(torrent, work, options=("--rate", str(6 * MIB)))
    # Little memory, so that not all of it is there when the seeder goes.
    mount = Mount(work, [source_of(torrent, work, "torrent")], "--ram", "6M", *options,
                  peers=[seeder.peer])
    reading = Reading(mount.path("film.mkv"), content)
    reading.wait_until_at(4 * MIB)
    return mount, seeder, reading


def went_on(mount, reading):
    reading.finish(40 + AWAY)
    print(f"  longest wait {reading.longest:.1f} s, of them {AWAY} s of nobody there")
    mount.end()


@case(timeout=120)
def the_only_seeder_is_stopped_and_goes_on(work):
    mount, seeder, reading = begin_slow_film(work)
    seeder.freeze()
    time.sleep(AWAY)
    os.kill(seeder.child.pid, signal.SIGCONT)
    went_on(mount, reading)


@case(timeout=120)
def the_only_seeder_is_killed_and_started_again(work):
    mount, seeder, reading = begin_slow_film(work)
    seeder.child.kill()
    seeder.child.wait()
    time.sleep(AWAY)
    content = reading.content
    seed(make_v1("film.mkv", content, MIB), work, port=seeder.port)
    went_on(mount, reading)


@case(timeout=120)
def the_mount_itself_is_stopped_and_goes_on(work):
    mount, _, reading = begin_slow_film(work)
    mount.child.send_signal(signal.SIGSTOP)
    time.sleep(AWAY)
    mount.child.send_signal(signal.SIGCONT)
    went_on(mount, reading)


@case(timeout=120)
def the_network_goes_away_and_comes_back(work):
    if not isolated():
        raise Skip("needs a network namespace of its own")
    need("ip")
    mount, _, reading = begin_slow_film(work)
    equal(run(["ip", "link", "set", "lo", "down"]).returncode, 0, "lo down")
    time.sleep(AWAY)
    equal(run(["ip", "link", "set", "lo", "up"]).returncode, 0, "lo up")
    went_on(mount, reading)


@case(timeout=300)
def a_player_that_pauses_for_three_minutes(work):
    need_long()
    content = pattern(96 * MIB)
    torrent = make_v1("film.mkv", content, MIB)
    peers = [seed(torrent, work, client).peer for client in ("libtorrent", "aria2c")]
    mount = Mount(work, [source_of(torrent, work, "torrent")], "--ram", "32M", peers=peers)
    fd = os.open(mount.path("film.mkv"), os.O_RDONLY)
    same_bytes(os.pread(fd, 4 * MIB, 0), content[:4 * MIB], "before the pause")
    equal(mount.figure("peers"), 2, "peers before the pause")
    after = len(mount.lines)
    time.sleep(180)
    kept = {line.split("peers ")[1].split(",")[0] for line in mount.lines[after:]
            if line and ": peers " in line}
    began = time.monotonic()
    same_bytes(os.pread(fd, 4 * MIB, 4 * MIB), content[4 * MIB:8 * MIB], "where it stopped")
    near = time.monotonic() - began
    began = time.monotonic()
    same_bytes(os.pread(fd, 64 * KIB, 90 * MIB), content[90 * MIB:90 * MIB + 64 * KIB], "far away")
    print(f"  peers during the pause: {sorted(kept)}; then 4 MiB in {near * 1000:.0f} ms, a far "
          f"seek {(time.monotonic() - began) * 1000:.0f} ms")
    equal(kept, {"2"}, "peers during the pause")
    os.close(fd)
    mount.end()


if __name__ == "__main__":
    main(at_once=4)
