#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Peers that lie, fall silent, or are not there at all."""

import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, eventually, main, raises, same_bytes
from mounting import Mount, start_reader
from scripted import ScriptedPeer
from seeders import free_port, seed, source_of, start_aria2c
from torrentmaker import KIB, MIB, make_v1, make_v2, pattern

CONTENT = pattern(8 * MIB + 99)


def spoilt_aria2c(torrent, work, piece):
    """aria2c that seeds a film with one wrong byte, unchecked."""
    data = torrent.lay_out(os.path.join(work, "spoilt"))
    with open(os.path.join(data, "film.mkv"), "r+b") as file:
        file.seek(piece * torrent.piece_length + 5)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    return start_aria2c(torrent, data, work)


@case(each=[("v1",), ("v2",)])
def a_liar_among_honest_peers_is_banned(work, kind):
    make = make_v1 if kind == "v1" else make_v2
    torrent = make("film.mkv", CONTENT, 256 * KIB)
    liar = ScriptedPeer(torrent, lies=range(torrent.n_pieces))
    ports = [free_port(), free_port()]
    mount = Mount(work, [source_of(torrent, work, "torrent")],
                  peers=[liar.peer, *(f"127.0.0.1:{port}" for port in ports)])
    reader = start_reader(mount.path("film.mkv"))
    check(liar.wait_for("lied", 1), "the liar was not asked")
    for port in ports:  # only now, so that the liar is believed first
        seed(torrent, work, port=port)
    same_bytes(mount.read("film.mkv"), CONTENT, "film")
    equal(reader.wait(20), 0, "the reader who came first")
    eventually(lambda: mount.figure("banned") > 0, "the liar is banned")
    mount.wait_line(r"wrong data.* banned")
    equal(mount.figure("banned"), 1, "peers banned")
    mount.end()


@case
def one_spoilt_piece_of_a_real_client(work):
    torrent = make_v1("film.mkv", CONTENT, 256 * KIB)
    liar = spoilt_aria2c(torrent, work, 3)
    port = free_port()
    mount = Mount(work, [source_of(torrent, work, "torrent")],
                  peers=[liar.peer, f"127.0.0.1:{port}"])
    fd = os.open(mount.path("film.mkv"), os.O_RDONLY)
    same_bytes(os.pread(fd, 512 * KIB, 0), CONTENT[:512 * KIB], "before the spoilt piece")
    os.close(fd)
    eventually(lambda: mount.figure("failed") > 0, "the spoilt piece came and was refused")
    seed(torrent, work, port=port)
    same_bytes(mount.read("film.mkv"), CONTENT, "film")
    mount.end()


@case
def a_silent_peer_among_honest_ones(work):
    torrent = make_v1("film.mkv", CONTENT, 256 * KIB)
    silent = ScriptedPeer(torrent, silent=True)
    honest = seed(torrent, work)
    mount = Mount(work, [source_of(torrent, work, "torrent")], peers=[silent.peer, honest.peer])
    same_bytes(mount.read("film.mkv"), CONTENT, "film")
    check(silent.wait_for("greetings", 1), "the silent peer was not connected to")
    mount.end()


@case
def only_a_silent_peer(work):
    torrent = make_v1("film.mkv", CONTENT, 256 * KIB)
    silent = ScriptedPeer(torrent, silent=True)
    mount = Mount(work, [source_of(torrent, work, "torrent")], "--read-timeout", "3",
                  peers=[silent.peer])
    raises(errno.EIO, mount.read, "film.mkv")
    check(silent.requests > 0, "the silent peer was not asked")
    mount.end()


@case
def no_peer_at_all(work):
    torrent = make_v1("film.mkv", CONTENT, 256 * KIB)
    mount = Mount(work, [source_of(torrent, work, "torrent")], "--read-timeout", "3")
    raises(errno.EIO, mount.read, "film.mkv")
    mount.end()


@case
def a_read_that_failed_succeeds_when_a_peer_comes_back(work):
    torrent = make_v1("film.mkv", CONTENT, 256 * KIB)
    seeder = seed(torrent, work)
    mount = Mount(work, [source_of(torrent, work, "torrent")], "--read-timeout", "3",
                  "--ram", "6M", peers=[seeder.peer])
    fd = os.open(mount.path("film.mkv"), os.O_RDONLY)
    same_bytes(os.pread(fd, 4096, 0), CONTENT[:4096], "with the seeder")
    seeder.stop()
    raises(errno.EIO, os.pread, fd, 4096, 8 * MIB)
    seed(torrent, work, port=seeder.port)

    def read():
        try:
            return os.pread(fd, 99, 8 * MIB)
        except OSError:
            return None
    same_bytes(eventually(read, "the read succeeds", 40), CONTENT[8 * MIB:], "after it came back")
    os.close(fd)
    mount.end()


if __name__ == "__main__":
    main()
