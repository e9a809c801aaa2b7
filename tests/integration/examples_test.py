#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The examples that fetch, with a real seeder: the bytes are right, what they
say is so, and they end when they are told to."""

import os
import pty
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import Skip, built, case, check, contains, equal, eventually, main, run, same_bytes, spawn
from seeders import seed
from torrentmaker import Entry, MIB, make_v1, pattern


def example(name):
    return built(f"examples/example_{name}")


@case
def cat_magnet_gives_the_bytes_of_a_file(work):
    contents = [pattern(3 * MIB + 17), pattern(2 * MIB + 5, seed=2)]
    torrent = make_v1("two", [Entry([f"{i}.mkv"], c) for i, c in enumerate(contents)], 256 * 1024)
    magnet = torrent.magnet(peers=[seed(torrent, work).peer])
    for argv, want in ([magnet], contents[0]), ([magnet, "1"], contents[1]):
        done = run([example("cat_magnet"), *argv], timeout=40)
        equal(done.returncode, 0, f"status, with {done.stderr!r}")
        same_bytes(done.stdout, want, "stdout")
    done = run([example("cat_magnet"), magnet, "2"], timeout=40)
    equal(done.returncode, 1, "status for a file that is not there")
    contains(done.stderr, b"cat_magnet: ", "stderr")


@case
def cat_magnet_ends_when_nobody_takes_its_bytes(work):
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    torrent = make_v1("film.mkv", pattern(2 * MIB), 256 * 1024)
    magnet = torrent.magnet(peers=[seed(torrent, work).peer])
    with open("/dev/full", "wb") as full:
        done = run([example("cat_magnet"), magnet], timeout=40, stdout=full)
    equal(done.returncode, 1, "status")


@case
def progress_fetches_the_largest_files_and_shows_it(work):
    films = [pattern(5 * MIB + 3), pattern(7 * MIB, seed=3)]
    one = make_v1("one.mkv", films[0], 256 * 1024)
    two = make_v1("two", [Entry(["a.nfo"], b"words"), Entry(["cd", "two.mkv"], films[1])], MIB)
    peers = [seed(one, work).peer, seed(two, work).peer]
    folder = os.path.join(work, "out")
    os.mkdir(folder)
    done = run([example("progress"), "-p", peers[0], folder, one.save(os.path.join(work, "one.torrent")),
                two.magnet(peers=[peers[1]])], timeout=40)
    equal(done.returncode, 0, f"status, with {done.stderr!r}")
    for name, film in zip(("one.mkv", "two.mkv"), films):
        with open(os.path.join(folder, name), "rb") as file:
            same_bytes(file.read(), film, name)
    equal(sorted(os.listdir(folder)), ["one.mkv", "two.mkv"], "the folder")
    last = done.stderr.decode().splitlines()[-2:]
    for line, name in zip(last, ("one.mkv", "two")):
        check(re.match(rf"{name} +100\.0 % +[\d.]+ MB/s  peers \d+/\d+\+\d+ .*done$", line), f"{line!r}")


@case
def progress_says_who_waits_and_ends_with_ctrl_c(work):
    torrent = make_v1("film.mkv", pattern(2 * MIB), 256 * 1024)
    file = torrent.save(os.path.join(work, "film.torrent"))
    ours, theirs = pty.openpty()
    child = spawn([example("progress"), work, file], stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""

    def waits():
        nonlocal shown
        shown += os.read(ours, 65536)
        return re.search(rb"film\.mkv .* waits 1\.\d s", shown)
    eventually(waits, "the reader is said to wait")
    contains(shown, b"\x1b[1A", "what the terminal got")
    child.send_signal(signal.SIGINT)
    equal(child.wait(timeout=20), 130, "status")
    os.close(ours)


@case
def progress_says_what_is_wrong(work):
    done = run([example("progress"), work])
    equal(done.returncode, 2, "status without torrents")
    contains(done.stderr, b"Usage: ", "stderr")
    done = run([example("progress"), work, os.path.join(work, "none.torrent")])
    equal(done.returncode, 1, "status of a file that is not there")
    contains(done.stderr, b"none.torrent", "stderr")


if __name__ == "__main__":
    main()
