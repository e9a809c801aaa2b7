# SPDX-License-Identifier: MIT
"""gostream-mount over the scripted swarm: no libtorrent, so ThreadSanitizer sees
all there is. What real peers do is tested elsewhere; here threads meet."""

import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import mounting
from harness import case, equal, eventually, main
from mounting import Mount, drop_pages, start_reader, wait_stuck

mounting.TOOL = "gostream-mount-fake"
os.environ["FAKE_LT_CLOCK"] = "real"

KIB, MIB = 1024, 1024 * 1024
SIZE = 12 * MIB + 345
SEED = 7


def script(work, name, size=SIZE, peers="peer latency_ms=2 rate=200000000 n=3"):
    path = os.path.join(work, name + ".torrent")
    with open(path, "w") as out:
        out.write(f"fake-torrent 1\nname {name}\npiece {256 * KIB}\nseed {SEED}\nfile {name} {size}\n{peers}\n")
    return path


def word(seed, index):
    """Eight bytes of the pattern that tests/support/data.c makes."""
    def mix(x):
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)
    return mix((mix(seed) + (index + 1) * 0x9E3779B97F4A7C15) % 2**64).to_bytes(8, "little")


def read_whole(path, step):
    with open(path, "rb", buffering=0) as file:
        return b"".join(iter(lambda: file.read(step), b""))


@case(timeout=120)
def many_readers_of_a_film_larger_than_the_budget(work):
    mount = Mount(work, [script(work, "film")], "--ram", "6M")
    path = mount.path("film")
    want = read_whole(path, MIB)
    equal(len(want), SIZE, "size read")
    for at in range(0, SIZE - 8, 1000 * 8):
        equal(want[at:at + 8], word(SEED, at // 8), f"bytes at {at}")
    wrong = []

    def reader(step, at):
        drop_pages(path)
        with open(path, "rb", buffering=0) as file:
            for offset in range(at, SIZE, 4 * step):
                got = os.pread(file.fileno(), step, offset)
                if got != want[offset:offset + step]:
                    wrong.append((step, offset, len(got)))

    readers = [threading.Thread(target=reader, args=(step, at))
               for step, at in ((MIB, 0), (64 * KIB, MIB), (4 * KIB, 5 * MIB), (300_000, 11 * MIB))]
    for thread in readers:
        thread.start()
    for thread in readers:
        thread.join()
    equal(wrong, [], "wrong reads (length, offset, got)")
    mount.end()


@case(timeout=120)
def stuck_readers_are_killed_beside_a_healthy_film(work):
    mount = Mount(work, [script(work, "dead", peers="peer unchoke_ms=-1"), script(work, "film")])
    dead, film = mount.path("dead"), mount.path("film")
    readers = [start_reader(dead, offset * MIB) for offset in range(8)]
    wait_stuck(readers, dead)
    equal(len(read_whole(film, MIB)), SIZE, "healthy size")
    for reader in readers:
        reader.kill()
    for reader in readers:
        equal(reader.wait(20), -signal.SIGKILL, "killed reader")
    mount.end()


@case(timeout=120)
def it_ends_while_readers_are_stuck(work):
    mount = Mount(work, [script(work, "dead", peers="peer dead=1")])
    readers = [start_reader(mount.path("dead"), offset * MIB) for offset in range(8)]
    wait_stuck(readers, mount.path("dead"))
    mount.end()
    for reader in readers:
        eventually(lambda r=reader: r.poll() is not None, "the reader got its EIO")


if __name__ == "__main__":
    main()
