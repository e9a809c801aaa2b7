#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`pfs serve` under load: joins, ends and kills in the middle of
it. Numbered records show that nothing was lost, repeated or reordered unless it
was told, and that nobody is left without a word."""

import hashlib
import os
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, eventually, long, main, patience, sanitized
from numbered import RECORD, Reader, Uploader, Writer, begin, descriptors, dice, finish
from pfs_tool import Pfs, Server
from rawhttp import Wire, ask, ask_json, content_of, message, put, readers, seal, written

KIB, MIB = 1 << 10, 1 << 20
READERS, WRITERS = 16, 4
LOW_LATENCY = ("--channel-buffer-size", "256KB", "--ring-buffer-size", "512KB")


def loaded(server, more="", path="/streamfs/s", **options):
    """Readers who wait, then writers: all inside and under way."""
    all_readers = begin([Reader(server, path, more, **options) for _ in range(READERS)])
    writers = begin([Writer(server, path, n) for n in range(WRITERS)])
    eventually(lambda: written(server, path) > 4 * MIB, "writers are under way")
    return all_readers, writers


# ---- numbers ----

@case(timeout=120)
def two_writers_and_sixty_four_readers_agree(_):
    """Half of the readers are there first, half join while it runs; those that
    may lag are told of each byte they lose."""
    server, chance = Server(), dice()
    each = 4 * KIB if long() else KIB
    policies = ["&policy=block"] * 24 + [""] * 6 + ["&policy=drop_to_latest", "&policy=drop_new"]
    first = begin([Reader(server, "/streamfs/s", p, lossy=p != "&policy=block") for p in policies])
    writers = begin([Writer(server, "/streamfs/s", n, total=each, batch=1 + n * 7) for n in (0, 1)])
    late = []
    for policy in policies:
        at = chance.randrange(each)
        eventually(lambda: writers[0].written >= at or not writers[0].is_alive(), "its time")
        late += begin([Reader(server, "/streamfs/s", policy, lossy=policy != "&policy=block")])
    finish(writers, 90)
    for writer in writers:
        equal((writer.written, writer.refused), (each, []), "writes")
    seal(server)
    finish(first + late, 60)
    for reader, policy in zip(first + late, policies * 2):
        reader.properly(f"a reader{policy}", "sealed")
        start = int(reader.head.headers["x-stream-start"])
        equal(reader.bytes + reader.dropped(), 2 * each * RECORD - start, "bytes and losses")
        if policy == "&policy=block":
            equal((reader.dropped(), reader.order.skipped), (0, 0), "lost by one who blocks")
    for reader in first[:24]:
        equal((reader.order.first, reader.order.records), ({0: 0, 1: 0}, 2 * each), "all of it")


@case(timeout=300)
def eight_blocking_readers_of_hundreds_of_megabytes_have_equal_hashes(_):
    server = Server()
    total = (1 << 30) if long() else 96 * MIB if sanitized() else 256 * MIB

    class Hasher(Reader):
        def __init__(self):
            super().__init__(server, "/streamfs/s", "&policy=block")
            self.order = self
            self.hash, self.rest = hashlib.sha1(), b""

        def take(self, data):
            self.hash.update(data)

    hashers = begin([Hasher() for _ in range(8)])
    block, want = bytearray(os.urandom(MIB)), hashlib.sha1()
    with Wire(server, timeout=60) as wire:
        wire.begin("PUT /files?path=/streamfs/s&seal=true", None, [f"Content-Length: {total}"])
        for n in range(total // MIB):
            block[:8] = n.to_bytes(8, "big")
            want.update(block)
            wire.send(block)
        equal(wire.answer().json(), {"message": f"Written {total} bytes"}, "answer")
    finish(hashers, 60)
    for hasher in hashers:
        check(hasher.chunks.ended, f"cut: {hasher.broken!r}")
        equal((hasher.bytes, hasher.dropped()), (total, 0), "bytes")
        equal(hasher.hash.hexdigest(), want.hexdigest(), "hash")


@case(timeout=120)
def slow_lossy_readers_are_told_of_each_missing_byte(_):
    """Raw ones by their trailers, framed ones by frames between the records."""
    server, chance = Server(*LOW_LATENCY), dice()
    total = 16 * KIB  # records, 64 MiB
    slow = [Reader(server, "/streamfs/s", more, lossy=True, buffer=65536, nap=nap)
            for more, nap in (("", 0.01), ("", 0), ("&policy=drop_to_latest", chance.random() / 99),
                              ("&policy=drop_new", chance.random() / 99))]
    framed = [FramedReader(server, more, nap)
              for more, nap in (("", 0.01), ("&policy=drop_to_latest", chance.random() / 99),
                                ("&policy=drop_new", chance.random() / 99))]
    begin(slow + framed)
    finish(begin([Writer(server, "/streamfs/s", n, total=total // 2) for n in (0, 1)]), 60)
    seal(server)
    finish(slow + framed, 60)
    for reader in slow:
        reader.properly("a slow one", "sealed")
        lost = reader.dropped()
        equal(reader.bytes + lost, total * RECORD, "bytes and losses")
        at_end = sum(total // 2 - 1 - reader.order.last.get(n, -1) for n in (0, 1))
        equal((reader.order.skipped + at_end + sum(reader.order.first.values())) * RECORD, lost,
              "records that are missing, and what was told")
        if reader.chunks.trailers.get("x-stream-gap-list"):
            check(int(reader.chunks.trailers["x-stream-gaps"]) > 0, "gaps")
    for reader in framed:
        equal(reader.at, total * RECORD, "where the last frame ends")
        equal(reader.order.records * RECORD + reader.lost, total * RECORD, "records and gaps")
    lost = [r.dropped() for r in slow] + [r.lost for r in framed]
    print(f"  lost, all told: {lost}")
    check(sum(lost) > 0, "nobody lost anything, so nothing was tested")
    equal(int(content_of(server, "/streamfs/s")["dropped_bytes"]), sum(lost), "in stat")


class FramedReader(Reader):
    """Follows offsets: each frame must begin where the last one ended."""

    def __init__(self, server, more, nap):
        super().__init__(server, "/streamfs/s", "&framed=1" + more, lossy=True, buffer=65536,
                         nap=nap)
        self.frames, self.at, self.lost, self.gaps = b"", 0, 0, 0
        self.whole_order, self.order = self.order, self
        self.ended = False

    def take(self, data):
        self.frames += data
        at = 0
        while len(self.frames) - at >= 40:
            kind, length = self.frames[at], int.from_bytes(self.frames[at + 4:at + 8], "big")
            offset, number = struct.unpack_from(">QQ", self.frames, at + 8)
            if len(self.frames) - at < 40 + length:
                break
            equal(offset, self.at, "where a frame begins")
            self._frame(kind, offset, number, self.frames[at + 40:at + 40 + length])
            at += 40 + length
        self.frames = self.frames[at:]

    def _frame(self, kind, offset, number, payload):
        check(not self.ended, "a frame behind the end")
        if kind == 1:
            self.whole_order.take(payload)
            self.at += len(payload)
        elif kind == 2:
            check(number > offset, "an empty gap")
            self.lost += number - offset
            self.gaps += 1
            self.at = number
        else:
            equal(kind, 3, "type of a frame")
            self.ended = True

    def work(self):
        super().work()
        self.order = self.whole_order
        check(self.ended and self.chunks.ended, f"cut: {self.broken!r}")


# ---- joining ----

@case(timeout=120)
def joiners_under_load_miss_and_repeat_nothing(_):
    """The README's low-latency configuration. A joiner that blocks gets the whole
    history and then all that follows, in order."""
    server = Server(*LOW_LATENCY)
    writers = begin([Writer(server, "/streamfs/s", n, batch=16) for n in (0, 1)])
    eventually(lambda: written(server) > MIB, "the ring is full")
    joins = 200 if long() else 60
    for _ in range(joins):
        with Wire(server) as wire:
            head = wire.stream("/streamfs/s", "&policy=block")
            start, tail = (int(head.headers[f"x-stream-{name}"]) for name in ("start", "tail"))
            check(tail - start >= 512 * KIB - 2 * 64 * KIB, f"history of {tail - start} bytes")
            reader = Reader(server, "/streamfs/s")
            goal = (tail - start) + 256 * KIB  # the history, and some of what follows
            data = wire.rest
            while reader.bytes < goal:
                reader._take(data)
                data = wire.sock.recv(1 << 17)
                check(data, "closed")
            equal(reader.order.skipped, 0, "records that are missing")
    finish([w.stop() for w in writers])
    for writer in writers:
        equal((writer.refused, writer.broken), ([], None), "failed writes")
    eventually(lambda: readers(server) == 0, "all have left")
    print(f"  {joins} joins while {sum(w.written for w in writers) * RECORD / MIB:.0f} MiB passed")


@case(timeout=120)
def lossy_joiners_of_the_low_latency_configuration_lose_only_what_they_are_told(_):
    server, chance = Server(*LOW_LATENCY), dice()
    writers = begin([Writer(server, "/streamfs/s", n, batch=16) for n in (0, 1)])
    eventually(lambda: written(server) > MIB, "the ring is full")
    joiners = []
    for _ in range(24):
        policy = chance.choice(["", "&policy=drop_to_latest"])
        joiners += begin([Reader(server, "/streamfs/s", policy, lossy=True)])
    finish([w.stop() for w in writers])
    seal(server)
    finish(joiners)
    for reader in joiners:
        reader.properly("a joiner", "sealed")
        start = int(reader.head.headers["x-stream-start"])
        equal(start + reader.bytes + reader.dropped(), written(server), "bytes and losses")
        if reader.dropped() == 0:
            equal(reader.order.skipped, 0, "missing without a word")


# ---- ends ----

def ended_with(all_readers, why):
    finish(all_readers)
    for reader in all_readers:
        reader.properly("a reader", why)
        start = int(reader.head.headers["x-stream-start"])
        equal(start + reader.bytes + reader.dropped(),
              int(reader.chunks.trailers["x-stream-next"]), "bytes, losses and the end")


@case
def a_delete_under_load_ends_readers_and_fails_no_write(_):
    server = Server()
    all_readers, writers = loaded(server, lossy=True)
    for _ in range(20):
        at = [w.written for w in writers]
        equal(ask(server, "DELETE /files?path=/streamfs/s", b"").status, 200, "delete")
        eventually(lambda: all(w.written > n for w, n in zip(writers, at)), "writers go on")
    ended_with(all_readers, "deleted")
    finish([w.stop() for w in writers])
    equal([w.refused[:3] for w in writers] + [w.broken for w in writers],
          [[]] * WRITERS + [None] * WRITERS, "failed writes")
    equal((readers(server), content_of(server, "/streamfs/s")["active_writers"]), (0, "0"), "left")


@case
def an_unmount_under_load_ends_readers_and_tells_writers(_):
    server = Server()
    before = descriptors(server)
    equal(ask_json(server, "POST /mount", {"fstype": "streamfs", "path": "/live", "config": {}})[0],
          200, "mount")
    all_readers, writers = loaded(server, path="/live/s", lossy=True)
    uploads = begin([Uploader(server, "/live/s", 9)])
    equal(ask_json(server, "POST /unmount", {"path": "/live"})[0], 200, "unmount")
    ended_with(all_readers, "deleted")
    eventually(lambda: all(w.refused or w.broken for w in writers), "writers are told")
    finish([w.stop() for w in writers])
    for writer in writers:
        check(writer.broken is None, f"a writer was cut: {writer.broken!r}")
        equal({status for status, _ in writer.refused} - {404, 409}, set(), "how they are told")
    finish(uploads)
    check(uploads[0].status == 409 or uploads[0].broken, f"an upload: {uploads[0].status}")
    equal(ask_json(server, "POST /mount", {"fstype": "streamfs", "path": "/live", "config": {}})[0],
          200, "mount again")
    equal(ask(server, "GET /stat?path=/live/s").status, 404, "nothing of before is there")
    eventually(lambda: descriptors(server) <= before + 1, "descriptors")


@case
def a_stop_under_load_gives_readers_their_end_and_writers_an_error(_):
    server = Server()
    all_readers, writers = loaded(server, lossy=True)
    uploads = begin([Uploader(server, "/streamfs/s", 9)])
    server.child.send_signal(signal.SIGTERM)
    ended_with(all_readers, "sealed")
    finish(writers + uploads)
    for writer in writers:
        check(writer.broken or {status for status, _ in writer.refused} <= {409, 503},
              f"{writer.broken!r} {writer.refused[:1]}")
    check(uploads[0].status == 409 or uploads[0].broken, f"an upload: {uploads[0].status}")
    equal(server.child.wait(timeout=15 * patience()), 0, "exit status")


# ---- kills ----

@case
def a_killed_server_is_an_error_for_all_of_its_clients(_):
    """Readers and writers over HTTP, and pfs itself: none hangs, none takes it for
    an end."""
    server = Server()
    pfs = Pfs(server.url)
    cats = [pfs.start("cat", "--stream", "/streamfs/s", stdout=open(os.devnull, "wb"))
            for _ in range(2)]
    put(server, "/streamfs/idle", b"")
    idle_cat = pfs.start("cat", "--stream", "/streamfs/idle")
    all_readers, writers = loaded(server, lossy=True)
    idle = begin([Reader(server, "/streamfs/idle")])
    uploads = begin([Uploader(server, "/streamfs/s", 9)])
    write = pfs.start("write", "--stream", "/streamfs/t", stdin=open("/dev/zero", "rb"))
    eventually(lambda: written(server, "/streamfs/t") > MIB, "pfs write is under way")
    eventually(lambda: readers(server) == READERS + 2 and readers(server, "/streamfs/idle") == 2,
               "all are inside")
    server.kill()
    finish(all_readers + writers + idle + uploads)
    for reader in all_readers + idle:
        check(reader.broken and not reader.chunks.ended, "a reader took it for an end")
    for writer in writers + uploads:
        check(writer.broken, "a writer did not notice")
    for name, child in [("cat", c) for c in [*cats, idle_cat]] + [("write", write)]:
        status, _, err = child.end(timeout=60, stdin=False)
        equal(status, 1, f"pfs {name}: {err!r}")
        check(err.strip(), f"pfs {name} said nothing")


@case
def killed_readers_and_writers_leave_nothing_behind(_):
    server = Server()
    pfs = Pfs(server.url)
    before = descriptors(server)
    stay = begin([Reader(server, "/streamfs/s", "&policy=block")])
    steady = begin([Writer(server, "/streamfs/s", 1)])
    zeros = open("/dev/zero", "rb")
    for _ in range(3):
        cats = [pfs.start("cat", "--stream", "--policy", policy, "/streamfs/s", stdout=sink())
                for policy in ("block", "drop_oldest", "block")]
        writes = [pfs.start("write", "--stream", "/streamfs/other", stdin=zeros) for _ in range(2)]
        eventually(lambda: readers(server) == 4, "they read")
        eventually(lambda: written(server, "/streamfs/other") > MIB, "they write")
        for child in [*cats, *writes]:
            os.kill(child.pid, signal.SIGKILL)
            child.child.wait()
        eventually(lambda: readers(server) == 1, "dead readers are gone", timeout=2)
        eventually(lambda: content_of(server, "/streamfs/other")["active_writers"] == "0",
                   "dead writers are gone", timeout=2)
        message(server, "DELETE /files?path=/streamfs/other", 200, "deleted")
        at = steady[0].written
        eventually(lambda: steady[0].written > at + 100, "a death of one who blocks holds up")
    # One that blocks and is stopped, not dead, holds writers up; its death frees them.
    lazy = Wire(server, recv_buffer=4096)
    lazy.stream("/streamfs/s", "&policy=block")
    eventually(lambda: stands_still(steady[0]), "it is held up")
    lazy.close()
    at = steady[0].written
    eventually(lambda: steady[0].written > at + 100, "free again")
    finish([steady[0].stop()])
    seal(server)
    finish(stay)
    stay[0].properly("the one that stayed", "sealed")
    equal((stay[0].order.records, stay[0].dropped()), (steady[0].written, 0), "all of it")
    eventually(lambda: descriptors(server) <= before, "descriptors")


def sink():
    return open(os.devnull, "wb")


def stands_still(writer, seconds=0.3):
    """Nothing was written for so long."""
    at = writer.written
    time.sleep(seconds)
    return writer.written == at


if __name__ == "__main__":
    main()
