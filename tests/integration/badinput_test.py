#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is refused: with which status, and with words that help."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import bencode
from harness import case, check, equal, main
from mounting import QUIET, Mount, need_fuse, refused, tool
from scripted import ScriptedPeer
from seeders import source_of
from torrentmaker import KIB, MIB, Entry, Torrent, make_v1, make_v2, nested, pattern

CONTENT = pattern(100_000)
LISTEN = ("--listen", "127.0.0.1:0")


def good(piece=16 * KIB):
    return make_v1("film.mkv", CONTENT, piece)


def mount_point(work):
    point = os.path.join(work, "mnt")
    os.makedirs(point, exist_ok=True)
    return point


def refused_file(work, data, says, name="bad.torrent"):
    """A .torrent file of these bytes is refused, the same when only listed."""
    path = os.path.join(work, name)
    with open(path, "wb") as out:
        out.write(data)
    refused(1, *QUIET, *LISTEN, path, mount_point(work), says=[name, *says])
    refused(1, *QUIET, *LISTEN, "--list", path, says=[name, *says])


def with_info(**changes):
    """A single-file torrent with changed fields (None takes one away)."""
    info = {**good().metainfo["info"]}
    for key, value in changes.items():
        key = key.replace("_", " ")
        if value is None:
            info.pop(key)
        else:
            info[key] = value
    return bencode.encode({"info": info})


@case
def missing_file(work):
    refused(1, os.path.join(work, "no.torrent"), mount_point(work),
            says=["no.torrent", os.strerror(2)])


@case
def a_symbolic_link_to_nothing(work):
    link = os.path.join(work, "link.torrent")
    os.symlink("/nowhere/film.torrent", link)
    for words in ([link, mount_point(work)], ["--list", link]):
        refused(1, *QUIET, *LISTEN, *words, says=["link.torrent", "symbolic link"])


@case
def a_folder_for_a_file(work):
    refused(1, work, mount_point(work), says=[os.path.basename(work)])


@case
def empty_file(work):
    refused_file(work, b"", says=["empty"])


@case
def truncated_file(work):
    whole = good().encode()
    for length in (1, 20, len(whole) // 2, len(whole) - 1):
        refused_file(work, whole[:length], says=[])


@case
def something_else_than_a_torrent(work):
    refused_file(work, b"<html>not found</html>\n", says=[])
    refused_file(work, b"de", says=[])
    refused_file(work, b"i1e", says=[])
    refused_file(work, b"4:info", says=[])


@case
def over_sixteen_mebibytes(work):
    torrent = bencode.encode({**good().metainfo, "comment": b"x" * (16 * MIB)})
    refused_file(work, torrent, says=["16"])


@case
def nesting(work):
    refused_file(work, bencode.encode({**good().metainfo, "x": nested(101)}), says=["nested"])
    refused_file(work, bencode.encode({**good().metainfo, "x": nested(100_000)}), says=["nested"])
    refused_file(work, b"l" * 1_000_000, says=[])


@case
def no_file_with_bytes(work):
    empty = [Entry("a", b""), Entry("b", b"")]
    refused_file(work, make_v1("show", empty).encode(), says=[])
    refused_file(work, make_v2("show", empty).encode(), says=[])
    refused_file(work, with_info(length=0, pieces=b""), says=[])
    refused_file(work, bencode.encode({"info": {**make_v1("s", empty).metainfo["info"],
                                                "files": []}}), says=[])
    only_padding = [Entry("a", bytes(20_000), "p")]
    refused_file(work, make_v1("show", only_padding, 16 * KIB).encode(), says=[])


@case(each=[(0,), (-16384,), (1,), (16383,), (24 * KIB + 1,), (1 << 40,), (1 << 63,), (1 << 64,)])
def piece_length(work, length):
    refused_file(work, with_info(piece_length=length), says=["piece"])


@case(each=[(-1,), (-(1 << 40),), (1 << 62,), (1 << 63,), (1 << 64,), (1 << 70,)])
def sizes(work, size):
    refused_file(work, with_info(length=size), says=[])
    files = [{"length": size, "path": ["a"]}, {"length": 100, "path": ["b"]}]
    refused_file(work, with_info(length=None, files=files), says=[])


@case
def sizes_that_overflow_only_together(work):
    files = [{"length": (1 << 62) - 1, "path": [str(i)]} for i in range(4)]
    refused_file(work, with_info(length=None, files=files), says=[])


@case
def wrong_count_of_hashes(work):
    pieces = good().metainfo["info"]["pieces"]
    for wrong in (b"", pieces[:-20], pieces[:-1], pieces + bytes(20)):
        refused_file(work, with_info(pieces=wrong), says=[])


@case
def piece_layers_that_do_not_lead_to_the_root(work):
    torrent = make_v2("film.mkv", pattern(200_000), 16 * KIB)
    for spoil in (lambda layer: bytes([layer[0] ^ 1]) + layer[1:], lambda layer: layer[:-32]):
        layers = {root: spoil(layer) for root, layer in torrent.metainfo["piece layers"].items()}
        refused_file(work, bencode.encode({**torrent.metainfo, "piece layers": layers}), says=[])
    refused_file(work, bencode.encode({"info": torrent.metainfo["info"]}), says=[])


@case
def mutilated_torrents_never_crash_it(work):
    number = random.SystemRandom().randrange(1 << 32)
    print(f"  seed {number}")
    chance = random.Random(number)
    models = [good().encode(), make_v2("s", [Entry("a", CONTENT), Entry("b", b"x")]).encode()]
    path = os.path.join(work, "bad.torrent")
    for _ in range(50):
        data = bytearray(chance.choice(models))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(data))
            data[at:at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        with open(path, "wb") as out:
            out.write(data)
        ended = tool("--list", path)
        check(ended.returncode in (0, 1), f"status {ended.returncode} for {bytes(data)!r}")


# ---- magnets ----

@case(each=[("magnet:?dn=film",), ("magnet:?xt=urn:btih:",), ("magnet:?xt=urn:btih:zz",),
            ("magnet:?xt=urn:sha1:" + "A" * 32,), ("magnet:",), ("magnet:?xt=urn:btmh:1220aa",)])
def magnet_without_a_hash(work, uri):
    refused(1, uri, mount_point(work), says=["magnet"])


@case
def magnet_with_two_different_hashes(work):
    one, two = "a" * 40, "b" * 40
    refused(1, f"magnet:?xt=urn:btih:{one}&xt=urn:btih:{two}", mount_point(work),
            says=["two different"])


@case
def magnet_whose_metadata_never_comes(work):
    need_fuse()
    refused(1, *QUIET, *LISTEN, "--metadata-timeout", "1", good().magnet(), mount_point(work),
            says=["metadata"])


def metadata_refused(work, info, says, *options):
    """Metadata from a peer with these bytes is refused like that of a file."""
    torrent = Torrent("film.mkv", [Entry("film.mkv", CONTENT)], {"info": bencode.Raw(info)}, 16384,
                      True) if isinstance(info, bytes) else info
    peer = ScriptedPeer(torrent)
    words = refused(1, *QUIET, *LISTEN, *options, "--peer", peer.peer, "--metadata-timeout", "20",
                    torrent.magnet(), mount_point(work), says=says, timeout=60)
    check(peer.metadata_requests > 0, f"the metadata was not asked for: {words}")


@case
def metadata_from_peers_has_the_same_limits(work):
    info = good().metainfo["info"]
    for changes in ({"piece length": 0}, {"piece length": 20_000}, {"length": -1},
                    {"length": 0, "pieces": b""}, {"x": nested(101)}):
        torrent = good()
        torrent.metainfo = {"info": {**info, **changes}}
        torrent = Torrent(torrent.name, torrent.entries, torrent.metainfo, 16 * KIB, True)
        metadata_refused(work, torrent, says=[])


# ---- the budget ----

@case
def a_budget_too_small_for_the_pieces(work):
    torrent = make_v1("film.mkv", pattern(9 * MIB), 4 * MIB)
    source = source_of(torrent, work, "torrent")
    refused(1, *QUIET, *LISTEN, "--ram", "11M", source, mount_point(work), says=["--ram", "12288 KiB"])
    mount = Mount(work, [source], "--ram", "12M")
    mount.end()


@case
def a_budget_too_small_is_known_once_the_metadata_is(work):
    torrent = make_v1("film.mkv", pattern(9 * MIB), 4 * MIB)
    metadata_refused(work, torrent, ["12288 KiB"], "--ram", "11M")


# ---- mount points ----

@case
def mount_point_missing(work):
    refused(1, source_of(good(), work, "torrent"), os.path.join(work, "nowhere"),
            says=["nowhere", "does not exist"])


@case
def mount_point_not_empty(work):
    point = mount_point(work)
    with open(os.path.join(point, "mine"), "w"):
        pass
    refused(1, source_of(good(), work, "torrent"), point, says=[point, "not empty"])


@case
def mount_point_not_a_directory(work):
    path = os.path.join(work, "file")
    with open(path, "w"):
        pass
    refused(1, source_of(good(), work, "torrent"), path, says=[path, "not a directory"])


# ---- the rest ----

@case
def one_bad_source_among_good_ones(work):
    bad = os.path.join(work, "bad.torrent")
    with open(bad, "wb") as out:
        out.write(b"nonsense")
    refused(1, *QUIET, *LISTEN, source_of(good(), work, "torrent"), bad, mount_point(work),
            says=["bad.torrent"])


@case
def names_are_escaped_in_messages(work):
    name = "no\x1b[31m\nsuch\xff.torrent"
    words = refused(1, os.path.join(work, name), mount_point(work))
    check("\x1b" not in words, f"escape in {words!r}")
    equal(len(words.splitlines()), 1, f"lines in {words!r}")


if __name__ == "__main__":
    main()
