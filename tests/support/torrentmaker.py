# SPDX-License-Identifier: MIT
"""Torrents for tests: version 1 (BEP 3), version 2 (BEP 52) and hybrids of both.

A torrent is made from `Entry` objects, keeps its bytes, and can lay its files
out on disk as a seeder wants to find them. Nothing is cleaned or checked: what
a test asks for is what is written, hostile or not.
"""

import base64
import hashlib
import os
import random
import urllib.parse

from bencode import Raw, encode

BLOCK = 16 * 1024
KIB = 1024
MIB = 1024 * 1024
CREATED = 1_600_000_000  # the creation date written into every torrent


def pattern(size, seed=1):
    """`size` bytes that are the same in every run and repeat nowhere."""
    source = random.Random(seed)
    parts = []
    while size > 0:
        step = min(size, MIB)
        parts.append(source.randbytes(step))
        size -= step
    return b"".join(parts)


class Entry:
    """One file of a torrent: path parts, bytes, and BEP 47 attributes."""

    def __init__(self, path, data=b"", attr="", symlink=None):
        parts = path.split("/") if isinstance(path, str) else list(path)
        self.path = [p.encode() if isinstance(p, str) else p for p in parts]
        self.data = data
        self.attr = attr + ("l" if symlink is not None else "")
        self.symlink = symlink

    @property
    def padding(self):
        return "p" in self.attr

    def v1_dict(self):
        out = {"length": len(self.data), "path": self.path}
        if self.attr:
            out["attr"] = self.attr
        if self.symlink is not None:
            out["symlink path"] = list(self.symlink)
        return out


class Torrent:
    """A finished torrent: its metainfo, its hashes, its files."""

    def __init__(self, name, entries, metainfo, piece_length, single):
        self.name = name.encode() if isinstance(name, str) else name
        self.entries = entries
        self.metainfo = metainfo
        self.piece_length = piece_length
        self.single = single
        info = metainfo["info"]
        self.info_bytes = encode(info)
        self.v1 = "pieces" in info
        self.v2 = "meta version" in info
        self.hash_v1 = hashlib.sha1(self.info_bytes).digest() if self.v1 else None
        self.hash_v2 = hashlib.sha256(self.info_bytes).digest() if self.v2 else None

    @property
    def info_hash(self):
        """The 20 bytes that peers greet each other with."""
        return self.hash_v1 or self.hash_v2[:20]

    def piece_sizes(self):
        """The length of each piece; in a v2 torrent a piece ends with its file."""
        if self.v1:
            spans = [sum(len(e.data) for e in self.entries)]
        else:
            spans = [len(e.data) for e in self.entries]
        size = self.piece_length
        return [min(size, span - at) for span in spans for at in range(0, span, size)]

    @property
    def n_pieces(self):
        return len(self.piece_sizes())

    def stream(self):
        """All bytes in piece order, with the padding a v2 torrent implies."""
        if self.v1:
            return b"".join(bytes(e.data) for e in self.entries)
        parts = []
        for entry in self.entries[:-1]:
            parts += [bytes(entry.data), bytes(-len(entry.data) % self.piece_length)]
        return b"".join(parts + [bytes(self.entries[-1].data)])

    def encode(self):
        return encode(self.metainfo)

    def save(self, path):
        with open(path, "wb") as out:
            out.write(self.encode())
        return path

    def lay_out(self, folder):
        """Write the files as a seeder finds them; padding included, links not."""
        for entry in self.entries:
            if entry.symlink is not None:
                continue
            parts = [self.name] if self.single else [self.name, *entry.path]
            path = os.path.join(os.fsencode(folder), *parts)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(entry.data)
        return folder

    def visible(self):
        """Path below the mount (bytes) and content of each file that is shown."""
        for entry in self.entries:
            if entry.padding or entry.symlink is not None:
                continue
            parts = [self.name] if self.single else [self.name, *entry.path]
            yield b"/".join(parts), entry.data

    def magnet(self, form="hex", peers=(), trackers=(), name=True):
        """A magnet link; form: hex, upper, base32, btmh or both."""
        topics = []
        if form in ("hex", "both"):
            topics.append("xt=urn:btih:" + self.hash_v1.hex())
        if form == "upper":
            topics.append("xt=urn:btih:" + self.hash_v1.hex().upper())
        if form == "base32":
            topics.append("xt=urn:btih:" + base64.b32encode(self.hash_v1).decode())
        if form in ("btmh", "both"):
            topics.append("xt=urn:btmh:1220" + self.hash_v2.hex())
        if name:
            topics.append("dn=" + urllib.parse.quote(self.name))
        topics += ["tr=" + urllib.parse.quote(t, safe="") for t in trackers]
        topics += ["x.pe=" + peer for peer in peers]
        return "magnet:?" + "&".join(topics)


# ---- hashes ----

def _pieces_v1(entries, piece_length):
    """The SHA-1 of each piece of all entries in a row."""
    hashes, running, room = [], hashlib.sha1(), piece_length
    for entry in entries:
        view = memoryview(entry.data)
        while len(view):
            running.update(view[:room])
            taken = min(room, len(view))
            view, room = view[taken:], room - taken
            if room == 0:
                hashes.append(running.digest())
                running, room = hashlib.sha1(), piece_length
    if room < piece_length:
        hashes.append(running.digest())
    return b"".join(hashes)


def _root(leaves, width):
    """Merkle root over `width` leaves (a power of two); missing ones are zero."""
    level, zero = leaves, bytes(32)
    while width > 1:
        if len(level) % 2:
            level = level + [zero]
        level = [hashlib.sha256(level[i] + level[i + 1]).digest()
                 for i in range(0, len(level), 2)]
        zero = hashlib.sha256(zero + zero).digest()
        width //= 2
    return level[0]


def _power_of_two(n):
    return 1 << max(0, (n - 1).bit_length())


def merkle(data, piece_length):
    """Root of a file's tree, and its piece layer (None if it fits one piece)."""
    view = memoryview(data)
    leaves = [hashlib.sha256(view[i:i + BLOCK]).digest() for i in range(0, len(view), BLOCK)]
    if len(view) <= piece_length:
        return _root(leaves, _power_of_two(len(leaves))), None
    per_piece = piece_length // BLOCK
    layer = [_root(leaves[i:i + per_piece], per_piece) for i in range(0, len(leaves), per_piece)]
    # A missing piece counts as a tree of zero leaves, which is what the leaves give.
    root = _root(leaves, _power_of_two(len(layer)) * per_piece)
    return root, b"".join(layer)


def _file_tree(entries, piece_length):
    tree, layers = {}, {}
    for entry in entries:
        about = {"length": len(entry.data)}
        if entry.attr:
            about["attr"] = entry.attr
        if entry.symlink is not None:
            about["symlink path"] = list(entry.symlink)
        elif len(entry.data):
            root, layer = merkle(entry.data, piece_length)
            about["pieces root"] = root
            if layer is not None:
                layers[root] = layer
        node = tree
        for part in entry.path:
            node = node.setdefault(part, {})
        node[b""] = about
    return tree, layers


# ---- makers ----

def _finish(name, entries, info, piece_length, single, outside):
    info = {"name": name, "piece length": piece_length, **info}
    metainfo = {"info": info, "creation date": CREATED, **outside}
    return Torrent(name, entries, metainfo, piece_length, single)


def _v1_layout(entries, single):
    if single:
        return {"length": len(entries[0].data)}
    return {"files": [entry.v1_dict() for entry in entries]}


def _padded(entries, piece_length):
    """The entries with a padding file after each that ends inside a piece."""
    out = []
    for entry in entries[:-1]:
        out.append(entry)
        gap = -len(entry.data) % piece_length
        if gap:
            out.append(Entry([".pad", str(gap)], bytes(gap), "p"))
    return out + entries[-1:]


def make_v1(name, content, piece_length=MIB, pad=False, info=None, **outside):
    """`content`: bytes for a single-file torrent, else a list of entries."""
    single = not isinstance(content, list)
    entries = [Entry([name], content)] if single else content
    if pad:
        entries = _padded(entries, piece_length)
    layout = _v1_layout(entries, single)
    layout["pieces"] = _pieces_v1(entries, piece_length)
    return _finish(name, entries, {**layout, **(info or {})}, piece_length, single, outside)


def make_v2(name, content, piece_length=MIB, hybrid=False, info=None, **outside):
    """As make_v1(); entries are put in the order that BEP 52 asks for."""
    single = not isinstance(content, list)
    entries = [Entry([name], content)] if single else sorted(content, key=lambda e: e.path)
    tree, layers = _file_tree(entries, piece_length)
    layout = {"meta version": 2, "file tree": tree}
    if hybrid:
        entries = _padded(entries, piece_length)
        layout.update(_v1_layout(entries, single))
        layout["pieces"] = _pieces_v1(entries, piece_length)
    layout.update(info or {})
    outside = {"piece layers": layers, **outside}
    return _finish(name, entries, layout, piece_length, single, outside)


def make_hybrid(name, content, piece_length=MIB, **more):
    return make_v2(name, content, piece_length, hybrid=True, **more)


MAKERS = {"v1": make_v1, "v2": make_v2, "hybrid": make_hybrid}


def nested(depth):
    """A value nested `depth` lists deep."""
    return Raw(b"l" * depth + b"e" * depth)
