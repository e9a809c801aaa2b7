#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Odd things in torrents that are accepted, and what is seen of each."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, main
from mounting import Mount, refused, tool
from seeders import seed, source_of
from torrentmaker import KIB, MAKERS, Entry, make_v1, pattern

PIECE = 16 * KIB


def shown(work, torrent, *, seeded=False):
    """The paths below the mount, its warnings, and the mount itself."""
    peers = [seed(torrent, work).peer] if seeded else []
    mount = Mount(work, [source_of(torrent, work, "torrent")], peers=peers)
    paths = sorted(path for path, size in mount.tree().items() if size is not None)
    return paths, mount


def with_files(*paths, name="show"):
    entries = [Entry(path, pattern(1000 + i, i)) for i, path in enumerate(paths)]
    return make_v1(name, entries, PIECE)


def list_of(torrent, work):
    ended = tool("--list", source_of(torrent, work, "torrent"))
    equal(ended.returncode, 0, f"exit status of --list ({ended.stderr})")
    return ended.stdout


@case(each=[(kind,) for kind in MAKERS])
def empty_files_are_empty(work, kind):
    torrent = MAKERS[kind]("show", [Entry("a", pattern(5000)), Entry("none", b""),
                                    Entry("sub/none", b"")], PIECE)
    paths, mount = shown(work, torrent, seeded=True)
    equal(paths, [b"show/a", b"show/none", b"show/sub/none"], "paths")
    equal((mount.read("show/none"), mount.read("show/sub/none")), (b"", b""), "empty files")
    mount.verify(torrent)
    mount.end()


@case(each=[("v1",), ("hybrid",)])
def padding_is_never_shown(work, kind):
    files = [Entry("a", pattern(5000)), Entry("b", pattern(70_000)), Entry("c", pattern(9))]
    torrent = make_v1("show", files, PIECE, pad=True) if kind == "v1" \
        else MAKERS["hybrid"]("show", files, PIECE)
    check(any(entry.padding for entry in torrent.entries), "the torrent has padding")
    paths, mount = shown(work, torrent, seeded=True)
    equal(paths, [b"show/a", b"show/b", b"show/c"], "paths")
    mount.verify(torrent)
    check(b".pad" not in list_of(torrent, work), "--list shows padding")
    mount.end()


@case(each=[("v1",), ("v2",)])
def links_are_left_out_with_a_warning(work, kind):
    torrent = MAKERS[kind]("show", [Entry("a", pattern(5000)),
                                    Entry("link", b"", symlink=["a"])], PIECE)
    paths, mount = shown(work, torrent)
    equal(paths, [b"show/a"], "paths")
    mount.wait_line(r"(?i)link")
    mount.end()


# Path in the torrent, path below the mount's "show" folder.
CLEANED = [
    ("parent", ["..", "film.mkv"], b"film.mkv"),
    ("parents", ["a", "..", "..", "..", "film.mkv"], b"a/film.mkv"),
    ("slash", ["a/../../film.mkv"], None),
    ("absolute", ["/etc/passwd"], None),
    ("empty", ["", "film.mkv"], None),
    ("nul", [b"fi\0lm.mkv"], None),
    ("invalid", [b"fi\xff\xfelm.mkv"], None),
    ("surrogate", [b"fi\xed\xa0\x80lm.mkv"], None),
    ("newline", ["fi\nlm.mkv"], None),
    ("escape", ["fi\x1b[31mlm.mkv"], None),
]


@case(each=[(row[0],) for row in CLEANED])
def unusable_names_are_cleaned_with_a_warning(work, which):
    path, want = next((row[1], row[2]) for row in CLEANED if row[0] == which)
    parts = [p.encode() if isinstance(p, str) else p for p in path]
    torrent = make_v1("show", [Entry(parts, pattern(1000)), Entry("other", pattern(2000))], PIECE)
    paths, mount = shown(work, torrent)
    equal(len(paths), 2, f"number of files in {paths}")
    equal(paths[-1] if paths[0] != b"show/other" else paths[1], paths[1], "order")
    cleaned = next(p for p in paths if p != b"show/other")
    check(cleaned.startswith(b"show/"), f"{cleaned} is outside the torrent's folder")
    cleaned.decode("utf-8", "strict")
    check(not any(byte < 0x20 for byte in cleaned), f"control characters in {cleaned}")
    if want is not None:
        equal(cleaned, b"show/" + want, "cleaned path")
    mount.wait_line(r"(?i)name|renam|clean")
    check("\x1b[" not in mount.said(), "a name was shown unescaped")
    mount.end()


@case(each=[("a/b",), ("a\\b",), (" ",), ("a\x1b[31m",), ("...",)])
def odd_names_of_torrents(work, name):
    paths, mount = shown(work, make_v1(name, pattern(3000), PIECE))
    equal(len(paths), 1, f"number of files in {paths}")
    check(b"/" not in paths[0], f"a folder in {paths}")
    equal(os.path.getsize(mount.path(paths[0])), 3000, "size")
    mount.end()


@case(each=[("..",), ("/",), ("",)])
def torrents_without_a_usable_name_are_refused(work, name):
    """libtorrent has no name left when it has cleaned these, and refuses them."""
    point = os.path.join(work, "mnt")
    os.mkdir(point)
    refused(1, source_of(make_v1(name, pattern(3000), PIECE), work, "torrent"), point,
            says=["source.torrent", "name"])


@case
def long_names_are_shortened_and_keep_their_extension(work):
    long = "ü" * 200 + ".mkv"
    torrent = with_files(long, "x" * 300 + ".srt", "d" * 300 + "/inside.bin")
    paths, mount = shown(work, torrent)
    equal(len(paths), 3, f"number of files in {paths}")
    for path in paths:
        for part in path.split(b"/"):
            check(len(part) <= 255, f"{len(part)} bytes in {part}")
            part.decode("utf-8", "strict")
    equal(sorted(p.rsplit(b".", 1)[1] for p in paths), [b"bin", b"mkv", b"srt"], "extensions")
    mount.end()


@case
def a_long_name_of_a_torrent_is_shortened(work):
    paths, mount = shown(work, make_v1("y" * 300 + ".mkv", pattern(3000), PIECE))
    equal(len(paths), 1, f"number of files in {paths}")
    check(200 < len(paths[0]) <= 255, f"{len(paths[0])} bytes")
    check(paths[0].startswith(b"yyy") and paths[0].endswith(b"yyy.mkv"), f"name {paths[0]}")
    mount.end()


@case
def equal_paths_are_numbered(work):
    torrent = with_files("film.mkv", "film.mkv", "film.mkv", "sub/film.mkv")
    paths, mount = shown(work, torrent)
    equal(paths, [b"show/film.1.mkv", b"show/film.2.mkv", b"show/film.mkv", b"show/sub/film.mkv"],
          "paths")
    sizes = {path: os.path.getsize(mount.path(path)) for path in paths}
    equal([sizes[b"show/film.mkv"], sizes[b"show/film.1.mkv"], sizes[b"show/film.2.mkv"]],
          [1000, 1001, 1002], "sizes, in the torrent's order")
    mount.end()


@case
def a_file_where_another_has_its_folder(work):
    paths, mount = shown(work, with_files("a", "a/b"))
    equal(len(paths), 2, f"number of files in {paths}")
    mount.end()


@case(each=[(form,) for form in ("hex", "upper", "base32", "both", "btmh")])
def forms_of_magnet_links(work, form):
    kind = "v1" if form in ("hex", "upper", "base32") else "hybrid"
    torrent = MAKERS[kind]("show", [Entry("a", pattern(50_000, 1)), Entry("b", pattern(20_000, 2))],
                           PIECE)
    mount = Mount(work, [torrent.magnet(form)], peers=[seed(torrent, work).peer])
    mount.verify(torrent)
    mount.end()


@case
def a_magnet_may_name_its_peers(work):
    torrent = make_v1("film.mkv", pattern(50_000), PIECE)
    mount = Mount(work, [torrent.magnet(peers=[seed(torrent, work).peer])])
    mount.verify(torrent)
    mount.end()


@case
def layout_is_the_same_for_torrent_and_magnet(work):
    for name, content in (("one.mkv", pattern(40_000)),
                          ("many", [Entry("x/a", pattern(9000)), Entry("b", pattern(10))]),
                          ("many-of-one", [Entry("only.mkv", pattern(9000))])):
        torrent = make_v1(name, content, PIECE)
        peer = seed(torrent, work).peer
        trees = []
        for form in ("torrent", "magnet"):
            mount = Mount(work, [source_of(torrent, work, form)], peers=[peer])
            trees.append(mount.tree())
            mount.end()
        equal(trees[1], trees[0], f"tree of {name}")
        equal({p: s for p, s in trees[0].items() if s is not None},
              {p: len(d) for p, d in torrent.visible()}, f"files of {name}")


@case
def list_prints_sizes_and_paths(work):
    torrent = make_v1("show", [Entry("a b.mkv", pattern(5000)), Entry("sub/c.srt", pattern(70))],
                      PIECE)
    lines = [line.split(None, 1) for line in list_of(torrent, work).splitlines()]
    equal(lines, [[b"5000", b"show/a b.mkv"], [b"70", b"show/sub/c.srt"]], "--list")


@case
def list_of_a_magnet(work):
    torrent = make_v1("film.mkv", pattern(50_000), PIECE)
    ended = tool("--list", "--no-dht", "--no-lsd", "--no-pex", "--listen", "127.0.0.1:0",
                 "--peer", seed(torrent, work).peer, torrent.magnet())
    equal(ended.stdout.split(None, 1), [b"50000", b"film.mkv\n"], f"--list ({ended.stderr})")


@case
def list_does_not_let_a_name_speak_to_the_terminal(work):
    out = list_of(with_files("a\x1b[31mb", "c\nd"), work)
    equal(len(out.splitlines()), 2, f"lines in {out}")
    check(b"\x1b" not in out, f"escape in {out}")


if __name__ == "__main__":
    main()
