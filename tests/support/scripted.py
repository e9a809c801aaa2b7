# SPDX-License-Identifier: MIT
"""Peers that behave as a test wants, in threads of the test.

`ScriptedPeer` is a seeder that is honest, lies about some pieces, or is silent
when asked; it also hands out metadata (BEP 9), true or not. `HashRelay` stands
before a client that knows a torrent by another hash.
"""

import socket
import struct
import threading

import bencode
from peerwire import (BITFIELD, EXTENDED, PIECE, REQUEST, UNCHOKE, Wire, WireError, connect,
                      full_bitfield)

METADATA_PART = 16 * 1024


class ScriptedPeer:
    """A seeder, and what hostile.py makes worse ones of. `lies`: pieces answered with wrong bytes; `silent`: requests are
    read and never answered; `metadata`: what it says the info dictionary is.
    Counts what it was asked for."""

    fast = False  # says that it speaks the fast extension

    def __init__(self, torrent, lies=(), silent=False, metadata=None, host="127.0.0.1"):
        self.torrent = torrent
        self.metadata = torrent.info_bytes if metadata is None else metadata
        self.metadata_size = len(self.metadata)  # what it says
        self.stream = torrent.stream()
        self.lies = frozenset(lies)
        self.silent = silent
        self.requests = 0
        self.lied = 0
        self.greetings = 0
        self.metadata_requests = 0
        self.changed = threading.Condition()
        self.listener = socket.create_server((host, 0))
        self.address = self.listener.getsockname()[:2]
        self.peer = "%s:%d" % self.address
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock):
        try:
            with sock:
                wire = Wire(sock)
                if wire.read_greeting() != self.torrent.info_hash:
                    return
                self._count("greetings")
                wire.greet(self.torrent.info_hash, extensions=True, fast=self.fast)
                self._say_extensions(wire)
                self._begin(wire)
                while True:
                    kind, body = wire.receive()
                    if kind == REQUEST:
                        self._answer(wire, *struct.unpack(">III", body))
                    elif kind == EXTENDED:
                        self._extended(wire, body[0], body[1:])
                    else:
                        self._told(wire, kind, body)
        except (OSError, WireError):
            pass

    def _begin(self, wire):
        wire.send(BITFIELD, full_bitfield(self.torrent.n_pieces))
        wire.send(UNCHOKE)

    def _told(self, wire, kind, body):
        """Any other message."""

    def _answer(self, wire, index, begin, length):
        self._count("requests")
        if self.silent:
            return
        start = index * self.torrent.piece_length + begin
        block = self.stream[start:start + length]
        if index in self.lies:
            block = bytes(b ^ 0x55 for b in block[:16]) + block[16:]
            self._count("lied")
        wire.send(PIECE, struct.pack(">II", index, begin) + block)

    def _say_extensions(self, wire):
        about = {"m": {"ut_metadata": 1}, "metadata_size": self.metadata_size}
        wire.send(EXTENDED, b"\0" + bencode.encode(about))

    def _extended(self, wire, kind, body):
        message = bencode.decode(body)[0]
        if kind == 0:
            wire.their_metadata = message.get(b"m", {}).get(b"ut_metadata", 0)
        elif kind == 1 and message.get(b"msg_type") == 0:
            self._count("metadata_requests")
            answer = self._metadata_answer(message[b"piece"])
            if answer:
                head, data = answer
                wire.send(EXTENDED, bytes([wire.their_metadata]) + bencode.encode(head) + data)

    def _metadata_answer(self, part):
        """The dictionary and the bytes behind it; None: silence."""
        at = part * METADATA_PART
        return ({"msg_type": 1, "piece": part, "total_size": len(self.metadata)},
                self.metadata[at:at + METADATA_PART])

    def _count(self, what):
        with self.changed:
            setattr(self, what, getattr(self, what) + 1)
            self.changed.notify_all()

    def wait_for(self, what, n, timeout=20):
        with self.changed:
            return self.changed.wait_for(lambda: getattr(self, what) >= n, timeout)

    def stop(self):
        self.listener.close()



class HashRelay:
    """Passes connections on to a peer that knows the torrent by another hash.
    Everything but the hash in the two greetings goes through untouched."""

    def __init__(self, target, outer_hash, inner_hash):
        self.target = target
        self.hashes = outer_hash, inner_hash
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()[:2]
        self.peer = "%s:%d" % self.address
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        outer, inner = self.hashes
        while True:
            near, _ = self.listener.accept()
            try:
                far = connect(self.target, timeout=None)
            except OSError:
                near.close()
                continue
            for source, sink, old, new in ((near, far, outer, inner), (far, near, inner, outer)):
                threading.Thread(target=_pass_on, args=(source, sink, old, new), daemon=True).start()


def _pass_on(source, sink, old, new):
    try:
        greeting = Wire(source)
        head = greeting.take(48)
        if head[28:] != old:
            raise WireError("another torrent")
        sink.sendall(head[:28] + new + greeting.pending)
        while data := source.recv(1 << 18):
            sink.sendall(data)
    except (OSError, WireError):
        pass
    for sock in (source, sink):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
