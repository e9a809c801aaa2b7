#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Magnets between liars: whatever they send as metadata, and whoever comes first, one
honest peer is enough. The metadata is of several parts, so that parts of different
peers could be mixed."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import bencode
from harness import case, check, eventually, main, patience, same_bytes
from hostile import Dialling
from mounting import Mount
from peerwire import EXTENDED
from scripted import METADATA_PART, ScriptedPeer
from seeders import free_port, seed, source_of
from torrentmaker import KIB, MIB, make_v1, pattern

CONTENT = pattern(MIB + 99)
TORRENT = make_v1("film.mkv", CONTENT, 256 * KIB, info={"x": bytes(100 * KIB)})


class MetadataLiar(ScriptedPeer):
    """`way`: how it answers when it is asked for a part."""

    def __init__(self, way, **more):
        super().__init__(TORRENT, **more)
        self.way = way

    def _metadata_answer(self, part):
        head, data = super()._metadata_answer(part)
        if self.way == "wrong bytes":
            return head, data[:-1] + bytes([data[-1] ^ 1])
        if self.way == "a part too short":
            return head, data[:-1]
        if self.way == "another part":
            return {**head, "piece": 1000}, data
        if self.way == "another total":
            return {**head, "total_size": len(self.metadata) + 5}, data
        if self.way == "refusal":
            return {"msg_type": 2, "piece": part}, b""
        return (head, data) if self.way == "the truth" else None


class Dripping(ScriptedPeer):
    """Sends a part every two seconds, and is not ready in any useful time."""

    def __init__(self, number):
        super().__init__(TORRENT, metadata=bytes(MIB + number))

    def _metadata_answer(self, part):
        time.sleep(2)
        return super()._metadata_answer(part)


class Patient(MetadataLiar):
    """Answers once `other` was asked for metadata: what that one says is known then."""

    def __init__(self, other, way="the truth"):
        super().__init__(way)
        self.other = other

    def _metadata_answer(self, part):
        self.other.wait_for("metadata_requests", 1)
        return super()._metadata_answer(part)


def resolve(work, liars, within):
    """Mount a magnet; the honest peer comes once all liars are met."""
    port = free_port()
    mount = Mount(work, [TORRENT.magnet()], "--metadata-timeout", "60",
                  peers=[*(liar.peer for liar in liars), f"127.0.0.1:{port}"], wait=False)
    for liar in liars:
        check(liar.wait_for("greetings", 1), "a liar was not met")
    seed(TORRENT, work, port=port)
    began = time.monotonic()
    mount.wait_mounted(50)
    took = time.monotonic() - began
    print(f"  {took:.1f} s after the honest peer came; the liars were asked "
          f"{sum(liar.metadata_requests for liar in liars)} times")
    check(took < within * patience(), f"it took {took:.1f} s")
    same_bytes(mount.read("film.mkv"), CONTENT, "film")
    mount.end()


WAYS = ["wrong bytes", "a part too short", "another part", "another total", "refusal", "silence"]


@case(each=[(way,) for way in WAYS], timeout=90)
def one_liar_who_is_there_first(work, way):
    resolve(work, [MetadataLiar(way)], 12)


@case(each=[(way,) for way in WAYS], timeout=90)
def one_liar_who_says_another_size(work, way):
    resolve(work, [MetadataLiar(way, metadata=TORRENT.info_bytes + b"more")], 12)


@case(timeout=90)
def one_of_each_kind(work):
    resolve(work, [MetadataLiar(way) for way in WAYS], 25)


@case(timeout=90)
def more_who_are_silent_than_copies_are_made(work):
    resolve(work, [MetadataLiar("silence", metadata=TORRENT.info_bytes + bytes(i))
                   for i in range(12)], 25)


@case(timeout=120)
def more_who_drip_than_copies_are_made(work):
    resolve(work, [Dripping(i) for i in range(12)], 45)


@case(timeout=90)
def parts_of_a_liar_among_those_of_the_honest(work):
    """Both are asked for parts of one copy, and which of them lied cannot be known."""
    honest = ScriptedPeer(TORRENT)
    liar = Patient(honest, "wrong bytes")
    mount = Mount(work, [TORRENT.magnet()], "--metadata-timeout", "60",
                  peers=[liar.peer, honest.peer], wait=False)
    mount.wait_mounted(30)
    print(f"  asked {liar.metadata_requests} times the liar, {honest.metadata_requests} the other")
    same_bytes(mount.read("film.mkv"), CONTENT, "film")
    mount.end()


@case(timeout=90)
def one_who_says_another_size_behind_the_honest(work):
    liar = MetadataLiar("silence", metadata=TORRENT.info_bytes + b"more")
    honest = Patient(liar)
    mount = Mount(work, [TORRENT.magnet()], "--metadata-timeout", "60",
                  peers=[honest.peer, liar.peer], wait=False)
    mount.wait_mounted(30)
    same_bytes(mount.read("film.mkv"), CONTENT, "film")
    mount.end()


class Asking(Dialling):
    """Asks us for all parts of the metadata, as one who has none."""

    def __init__(self):
        super().__init__(TORRENT)
        self.parts = {}

    def _say_extensions(self, wire):
        wire.send(EXTENDED, b"\0" + bencode.encode({"m": {"ut_metadata": 7}}))

    def _begin(self, wire):
        """It has nothing."""

    def _extended(self, wire, kind, body):
        message, used = bencode.decode(body)
        if kind == 0:
            for part in range(-(-message.get(b"metadata_size", 0) // METADATA_PART)):
                ask = bencode.encode({"msg_type": 0, "piece": part})
                wire.send(EXTENDED, bytes([message[b"m"][b"ut_metadata"]]) + ask)
        elif kind == 7 and message[b"msg_type"] == 1:
            self.parts[message[b"piece"]] = body[used:]

    def got(self):
        return b"".join(self.parts[part] for part in sorted(self.parts))


@case(each=[("torrent",), ("magnet",)])
def others_get_it_from_us(work, kind):
    port, asking = free_port(), Asking()
    honest = seed(TORRENT, work)
    mount = Mount(work, [source_of(TORRENT, work, kind)], peers=[honest.peer],
                  listen=("--listen", f"127.0.0.1:{port}"))
    asking.come(("127.0.0.1", port))
    eventually(lambda: len(asking.got()) == len(TORRENT.info_bytes), "all parts came")
    same_bytes(asking.got(), TORRENT.info_bytes, "metadata")
    mount.end()


if __name__ == "__main__":
    main(at_once=6)
