#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tools of the tests do what the tests believe: torrents are well-formed,
and each seeder really hands out every byte."""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import bencode
import seeders
from harness import built, case, equal, main, run, same_bytes
from peerwire import download
from scripted import ScriptedPeer
from torrentmaker import BLOCK, KIB, MAKERS, Entry, make_hybrid, make_v1, merkle, pattern


def several_files():
    return [Entry("a.bin", pattern(100_000, 1)), Entry("sub/b.bin", pattern(300_001, 2)),
            Entry("sub/empty", b""), Entry("z.bin", pattern(17, 3))]


@case
def bencode_round_trip(_):
    value = {b"a": [1, -5, b"", b"\xff"], b"": {b"z": 0}}
    equal(bencode.decode(bencode.encode(value)), (value, len(bencode.encode(value))), "decoded")


@case
def merkle_root_of_a_small_file_ignores_the_piece_length(_):
    data = pattern(3 * BLOCK + 5)
    equal(merkle(data, 64 * KIB), merkle(data, 1024 * KIB), "root and layer")


@case
def hybrid_files_start_on_piece_boundaries(_):
    torrent = make_hybrid("h", several_files(), 64 * KIB)
    at = 0
    for entry in torrent.entries:
        if not entry.padding and entry.data:
            equal(at % torrent.piece_length, 0, "offset in its piece")
        at += len(entry.data)


@case(each=[("v1",), ("v2",), ("hybrid",)])
def torrents_are_what_libtorrent_makes(work, kind):
    ours = MAKERS[kind]("several", several_files(), 64 * KIB)
    made = os.path.join(work, "made.torrent")
    folder = os.path.join(ours.lay_out(work), "several")
    if os.path.isdir(os.path.join(folder, ".pad")):
        shutil.rmtree(os.path.join(folder, ".pad"))
    ended = run([built("lttorrent"), "--kind", kind, "--piece", 64 * KIB, "--out", made, folder])
    equal(ended.returncode, 0, f"lttorrent {ended.stderr}")
    with open(made, "rb") as file:
        theirs = bencode.decode(file.read())[0]
    mine = bencode.decode(ours.encode())[0]
    keys = {"v1": [b"pieces"], "v2": [b"file tree"], "hybrid": [b"file tree", b"pieces"]}[kind]
    if kind == "v1":  # libtorrent lists the files in another order
        theirs, mine = sorted_files(theirs), sorted_files(mine)
        keys = [b"files"]
    if kind == "hybrid":  # libtorrent also pads behind the last file
        for info in (theirs[b"info"], mine[b"info"]):
            info[b"pieces"] = info[b"pieces"][:-20]
    for key in keys:
        equal(mine[b"info"][key], theirs[b"info"][key], key)
    equal(mine.get(b"piece layers"), theirs.get(b"piece layers"), "piece layers")


def sorted_files(metainfo):
    files = [{b"length": f[b"length"], b"path": f[b"path"]} for f in metainfo[b"info"][b"files"]]
    metainfo[b"info"][b"files"] = sorted(files, key=lambda f: f[b"path"])
    return metainfo


@case(each=[("transmission", "v1"), ("transmission", "hybrid"), ("aria2c", "v1"),
            ("aria2c", "hybrid"), ("libtorrent", "v1"), ("libtorrent", "hybrid"),
            ("libtorrent", "v2")])
def seeder_hands_out_every_byte(work, client, kind):
    torrent = MAKERS[kind]("several", several_files(), 64 * KIB)
    seeder = seeders.seed(torrent, work, client)
    got = download(seeder.address, torrent)
    want = torrent.stream() if torrent.v1 else b"".join(e.data for e in torrent.entries)
    same_bytes(got, want, "downloaded")


@case
def scripted_peer_lies_where_it_is_told_to(_):
    torrent = make_v1("one", pattern(300_000), 64 * KIB)
    honest, liar = ScriptedPeer(torrent), ScriptedPeer(torrent, lies=[1])
    same_bytes(download(honest.address, torrent), torrent.stream(), "from the honest one")
    got = download(liar.address, torrent)
    equal([got[i:i + 65536] == torrent.stream()[i:i + 65536] for i in range(0, 300_000, 65536)],
          [True, False, True, True, True], "true pieces")


if __name__ == "__main__":
    main()
