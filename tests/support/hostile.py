# SPDX-License-Identifier: MIT
"""Peers that are worse than liars: each breaks one rule of the protocol, or keeps
it in a way that hurts. All run in threads of the test.

Most are rude only to those who ask them, and count what they did, so that a test
can see that its subject was really exposed to them.
"""

import collections
import random
import socket
import struct
import threading
import time

import bencode
from peerwire import (BITFIELD, CANCEL, EXTENDED, HAVE, REJECT, UNCHOKE, Wire, WireError,
                      full_bitfield)
from scripted import ScriptedPeer


class Rejecting(ScriptedPeer):
    """Says that it has everything, and rejects each request."""

    fast = True

    def _answer(self, wire, index, begin, length):
        self._count("requests")
        wire.send(REJECT, struct.pack(">III", index, begin, length))


class Stalling(ScriptedPeer):
    """Goes silent after so many blocks, for ever; or leaves then, in mid-piece."""

    def __init__(self, torrent, after, leaves=False, **more):
        self.after, self.leaves, self.served = after, leaves, 0
        super().__init__(torrent, **more)

    def _answer(self, wire, index, begin, length):
        if self.served and self.served % self.after == 0:
            if not self.leaves:
                self._count("requests")
                return
            self._count("served")  # of the next connection
            raise WireError("it leaves")
        self._count("served")
        super()._answer(wire, index, begin, length)


class Garbage(ScriptedPeer):
    """Greets, and then sends anything but messages."""

    def _begin(self, wire):
        while True:
            wire.sock.sendall(random.randbytes(10_000))


class HaveFlood(ScriptedPeer):
    """Has nothing at first, and says HAVE as fast as it is taken, mostly of pieces
    it told of before. It serves what it is asked for."""

    def __init__(self, torrent, **more):
        self.haves = 0
        super().__init__(torrent, **more)

    def _begin(self, wire):
        wire.send(BITFIELD, bytes(len(full_bitfield(self.torrent.n_pieces))))
        wire.send(UNCHOKE)
        wire.sending = threading.Lock()
        threading.Thread(target=self._flood, args=(wire,), daemon=True).start()

    def _flood(self, wire):
        some = b"".join(struct.pack(">IBI", 5, HAVE, random.randrange(self.torrent.n_pieces))
                        for _ in range(1000))
        try:
            while True:
                with wire.sending:
                    wire.sock.sendall(some)
                self._count("haves")  # thousands
        except OSError:
            pass

    def _answer(self, wire, index, begin, length):
        with wire.sending:
            super()._answer(wire, index, begin, length)


class PexFlood(ScriptedPeer):
    """Tells of `n` new addresses in each message of its peer exchange (BEP 11), one
    message every `every` seconds. All are on loopback, with the port given."""

    PER_MESSAGE = 5000

    def __init__(self, torrent, port, every, **more):
        self.port, self.every = port, every
        self.told = 0
        super().__init__(torrent, **more)

    def _say_extensions(self, wire):
        about = {"m": {"ut_metadata": 1, "ut_pex": 2}, "metadata_size": self.metadata_size}
        wire.send(EXTENDED, b"\0" + bencode.encode(about))

    def _extended(self, wire, kind, body):
        super()._extended(wire, kind, body)
        pex = bencode.decode(body)[0].get(b"m", {}).get(b"ut_pex", 0) if kind == 0 else 0
        if pex:
            threading.Thread(target=self._flood, args=(wire, pex), daemon=True).start()

    def _flood(self, wire, pex):
        try:
            while True:
                first, self.told = self.told, self.told + self.PER_MESSAGE
                added = b"".join(struct.pack(">IH", 0x7f400000 + n, self.port)
                                 for n in range(first, self.told))
                message = {"added": added, "added.f": bytes(self.PER_MESSAGE)}
                wire.send(EXTENDED, bytes([pex]) + bencode.encode(message))
                time.sleep(self.every)
        except OSError:
            pass


class Busy(ScriptedPeer):
    """Serves in the order it was asked, at a rate, as a client with a full line
    does. `reqq` is how many requests it says it takes; what comes beyond `takes`
    is dropped, and so is what is cancelled: without a word (Transmission 3.00)."""

    def __init__(self, torrent, rate, takes, reqq, **more):
        self.rate, self.takes, self.reqq = rate, takes, reqq
        self.cancels = self.dropped = self.most = 0
        super().__init__(torrent, **more)

    def _say_extensions(self, wire):
        about = {"m": {"ut_metadata": 1}, "metadata_size": self.metadata_size, "reqq": self.reqq}
        wire.send(EXTENDED, b"\0" + bencode.encode(about))

    def _begin(self, wire):
        wire.queue, wire.changed = collections.deque(), threading.Condition()
        threading.Thread(target=self._serve, args=(wire,), daemon=True).start()
        super()._begin(wire)

    def _serve(self, wire):
        try:
            while True:
                with wire.changed:
                    wire.changed.wait_for(lambda: wire.queue)
                    asked = wire.queue.popleft()
                time.sleep(asked[2] / self.rate)
                ScriptedPeer._answer(self, wire, *asked)
        except OSError:
            pass

    def _answer(self, wire, index, begin, length):
        with wire.changed:
            self.most = max(self.most, len(wire.queue) + 1)
            if len(wire.queue) >= self.takes:
                self._count("dropped")
                return
            wire.queue.append((index, begin, length))
            wire.changed.notify()

    def _told(self, wire, kind, body):
        if kind != CANCEL:
            return
        self._count("cancels")
        with wire.changed:
            asked = struct.unpack(">III", body)
            if asked in wire.queue:
                wire.queue.remove(asked)


class Dialling(ScriptedPeer):
    """Connects to us, `come()` by `come()`, each time from another port."""

    def come(self, address):
        self.leave()
        self.sock = socket.create_connection(address, source_address=("127.0.66.1", 0))
        self.ports = getattr(self, "ports", []) + [self.sock.getsockname()[1]]
        Wire(self.sock).greet(self.torrent.info_hash, extensions=True)
        threading.Thread(target=self._talk, args=(_Greeted(self.sock),), daemon=True).start()

    def leave(self):
        if getattr(self, "sock", None):
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class _Greeted:
    """A socket on which the greeting went out before: what sends it again is
    answered by nothing."""

    def __init__(self, sock):
        self.sock, self.greeted = sock, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def recv(self, n):
        return self.sock.recv(n)

    def sendall(self, data):
        if not self.greeted:
            self.greeted = True
            return
        self.sock.sendall(data)


class Trap:
    """Listens on one port of every loopback address, and counts who comes."""

    def __init__(self):
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        while True:
            try:
                self.listener.accept()[0].close()
            except OSError:
                return
            self.visits += 1
