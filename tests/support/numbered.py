# SPDX-License-Identifier: MIT
"""Numbered records through streams: who wrote them, which one, and bytes that
follow from both. Writers and readers of them, as threads over raw HTTP, which
count what they did and keep the first thing that was wrong."""

import os
import random
import re
import socket
import struct
import threading

from harness import check, equal, patience
from rawhttp import Wire, quote

RECORD = 4096
HEAD = struct.Struct(">III")
WORD = HEAD.size + 4


def record(writer, number):
    """RECORD bytes; they say all of it again in each word."""
    word = HEAD.pack(writer, number, (writer * 0x9E3779B1 + number * 0x85EBCA6B) & 0xFFFFFFFF)
    return (word + b"\x5a\xa5\xff\x00") * (RECORD // WORD)


def dice():
    """Decisions of a test; its seed is printed, and taken from GOS_TEST_SEED."""
    number = int(os.environ.get("GOS_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"  seed {number}")
    return random.Random(number)


def descriptors(server):
    return len(os.listdir(f"/proc/{server.child.pid}/fd"))


class Order:
    """What one reader saw. Any record may be the first; then each writer's numbers
    rise by one, unless gaps are expected: those are counted."""

    def __init__(self, lossy=False):
        self.lossy = lossy
        self.first, self.last = {}, {}
        self.records = self.skipped = 0
        self.rest = b""

    def take(self, data):
        data = self.rest + data if self.rest else data
        for at in range(0, len(data) - RECORD + 1, RECORD):
            self._one(data[at:at + RECORD])
        left = len(data) % RECORD
        self.rest = data[-left:] if left else b""

    def _one(self, data):
        writer, number, _ = HEAD.unpack_from(data)
        if data != record(writer, number):
            check(False, f"behind {self.last}: not a record: {data[:32]!r}…{data[-16:]!r}")
        want = self.last.get(writer, number - 1) + 1
        if number != want and not (self.lossy and number > want):
            check(False, f"writer {writer}: record {number} where {want} was due")
        self.skipped += number - want
        self.first.setdefault(writer, number)
        self.last[writer] = number
        self.records += 1

    def whole(self, what):
        equal(self.rest, b"", f"{what}: half a record at the end")


class Chunks:
    """A chunked body, fed as it arrives."""

    SIZE = re.compile(rb"([0-9a-fA-F]{1,16})\r\n")

    def __init__(self):
        self.data, self.ended, self.trailers = b"", False, {}

    def feed(self, data):
        """The payload that is complete now."""
        self.data += data
        out, at = [], 0
        while not self.ended:
            size = self.SIZE.match(self.data, at)
            if not size:
                break
            begin, n = size.end(), int(size[1], 16)
            if n == 0:
                self.ended = self._trailers(begin)
                break
            if len(self.data) < begin + n + 2:
                break
            equal(self.data[begin + n:begin + n + 2], b"\r\n", "behind a chunk")
            out.append(self.data[begin:begin + n])
            at = begin + n + 2
        self.data = self.data[at:]
        return b"".join(out)

    def _trailers(self, at):
        text = self.data[at:]
        if not (text == b"\r\n" or text.endswith(b"\r\n\r\n")):
            return False
        for line in text.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                self.trailers[name.lower()] = value.strip()
        return True


class Worker(threading.Thread):
    """A thread whose first error is kept."""

    def __init__(self):
        super().__init__(daemon=True)
        self.wrong = None
        self.over = threading.Event()

    def run(self):
        try:
            self.work()
        except Exception as error:  # the case that joins us tells it
            self.wrong = error

    def stop(self):
        self.over.set()
        return self


def finish(workers, timeout=30):
    """Join all; none may hang or have failed."""
    for worker in workers:
        worker.join(timeout * patience())
    stuck = [worker.name for worker in workers if worker.is_alive()]
    wrong = [f"{type(w).__name__}: {w.wrong!r}" for w in workers if w.wrong]
    equal((stuck, wrong[:5]), ([], []), "threads that hang, and failures")


class Writer(Worker):
    """PUTs of `batch` records each on one connection, until stopped or `total`."""

    def __init__(self, server, path, number, total=None, batch=16, pause=0):
        super().__init__()
        self.server, self.path, self.number = server, path, number
        self.total, self.batch, self.pause = total, batch, pause
        self.written = self.requests = 0
        self.refused = []  # statuses that were not 200
        self.broken = None  # how the connection ended, if it did

    def work(self):
        try:
            with Wire(self.server, timeout=30) as wire:
                while not self.over.wait(self.pause) if self.pause else not self.over.is_set():
                    if not self._put(wire):
                        return
        except (OSError, AssertionError) as error:
            self.broken = error

    def _put(self, wire):
        n = self.batch if self.total is None else min(self.batch, self.total - self.written)
        if n <= 0:
            return False
        data = b"".join(record(self.number, self.written + i) for i in range(n))
        answer = wire.ask(f"PUT /files?path={quote(self.path)}", data)
        self.requests += 1
        if answer.status == 200:
            self.written += n
        else:
            self.refused.append((answer.status, answer.body))
        return answer.headers.get("connection") != "close"


class Uploader(Worker):
    """One chunked PUT, each chunk a record, until stopped or `total`."""

    def __init__(self, server, path, number, total=None):
        super().__init__()
        self.server, self.path, self.number, self.total = server, path, number, total
        self.written, self.status, self.broken = 0, None, None

    def work(self):
        try:
            with Wire(self.server, timeout=30) as wire:
                wire.begin(f"PUT /files?path={quote(self.path)}", None,
                           ["Transfer-Encoding: chunked"])
                while not self.over.is_set() and self.written != self.total:
                    wire.send(b"%x\r\n" % RECORD + record(self.number, self.written) + b"\r\n")
                    self.written += 1
                wire.send(b"0\r\n\r\n")
                self.status = wire.answer().status
        except (OSError, AssertionError) as error:
            self.broken = error


class Reader(Worker):
    """A streaming read to its end. `begun` is set once its head is there."""

    def __init__(self, server, path, more="", lossy=False, buffer=None, nap=0):
        super().__init__()
        self.order, self.chunks = Order(lossy), Chunks()
        self.begun, self.nap, self.bytes = threading.Event(), nap, 0
        self.broken = None  # how it ended without its last chunk, if it did
        self.head = None
        self.request = (server, path, more, buffer)

    def work(self):
        server, path, more, buffer = self.request
        with Wire(server, timeout=30, recv_buffer=buffer) as wire:
            self.wire = wire
            self.head = wire.stream(path, more)
            self.begun.set()
            equal(self.head.status, 200, f"head of a reader: {self.head.headers}")
            self._take(wire.rest)
            try:
                while not self.chunks.ended:
                    if self.nap:
                        self.over.wait(self.nap)
                    data = wire.sock.recv(1 << 17)
                    if not data:
                        raise EOFError("closed without a last chunk")
                    self._take(data)
            except (ConnectionError, EOFError, socket.timeout) as error:
                self.broken = error

    def _take(self, data):
        payload = self.chunks.feed(data)
        self.bytes += len(payload)
        self.order.take(payload)

    def properly(self, what, why=None):
        """It must have ended with a last chunk."""
        check(self.chunks.ended, f"{what}: cut: {self.broken!r}")
        self.order.whole(what)
        if why:
            equal(self.chunks.trailers.get("x-stream-end"), why, f"{what}: why it ended")

    def dropped(self):
        return int(self.chunks.trailers["x-stream-dropped-bytes"])


def begin(workers):
    """Start all; readers are inside when this returns."""
    for worker in workers:
        worker.start()
    for worker in workers:
        if isinstance(worker, Reader):
            check(worker.begun.wait(20 * patience()), f"a reader does not begin: {worker.wrong!r}")
    return workers
