# SPDX-License-Identifier: MIT
"""Just enough of the BitTorrent peer protocol (BEP 3) to ask a peer.

`serves_all()` tells whether a seeder is ready, `download()` fetches a torrent,
which tests the seeders themselves.
"""

import itertools
import os
import socket
import struct

GREETING = b"\x13BitTorrent protocol"
CHOKE, UNCHOKE, INTERESTED, HAVE, BITFIELD, REQUEST, PIECE, CANCEL = 0, 1, 2, 4, 5, 6, 7, 8
REJECT, EXTENDED = 16, 20
BLOCK = 16 * 1024
# Each probe comes from an address of its own: Transmission keeps one connection
# per address, and would mistake whoever connects next for the probe.
_probe_addresses = itertools.cycle(f"127.0.77.{i}" for i in range(1, 255))


class WireError(Exception):
    pass


class Wire:
    """One connection; messages in and out."""

    def __init__(self, sock):
        self.sock = sock
        self.pending = b""

    def take(self, n):
        while len(self.pending) < n:
            more = self.sock.recv(1 << 18)
            if not more:
                raise WireError("peer closed the connection")
            self.pending += more
        out, self.pending = self.pending[:n], self.pending[n:]
        return out

    def greet(self, info_hash, extensions=False, fast=False):
        reserved = bytes([0, 0, 0, 0, 0, 0x10 if extensions else 0, 0, 4 if fast else 0])
        self.sock.sendall(GREETING + reserved + info_hash + b"-TS0100-" + os.urandom(12))

    def read_greeting(self):
        if self.take(20) != GREETING:
            raise WireError("not a plain BitTorrent greeting")
        return self.take(48)[8:28]

    def send(self, kind, body=b""):
        self.sock.sendall(struct.pack(">IB", len(body) + 1, kind) + body)

    def receive(self):
        """(kind, body) of the next message that is not a keep-alive."""
        while True:
            length = struct.unpack(">I", self.take(4))[0]
            if length:
                message = self.take(length)
                return message[0], message[1:]


def connect(address, timeout=10):
    host = address[0]
    source = (next(_probe_addresses), 0) if host.startswith("127.") else None
    sock = socket.create_connection(address, timeout=timeout, source_address=source)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def full_bitfield(n):
    bits = bytearray(b"\xff" * (-(-n // 8)))
    if n % 8:
        bits[-1] = (0xFF << (8 - n % 8)) & 0xFF
    return bytes(bits)


def serves_all(address, torrent):
    """Whether the peer greets us and says that it has every piece, right now."""
    try:
        with connect(address, timeout=2) as sock:
            wire = Wire(sock)
            wire.greet(torrent.info_hash)
            if wire.read_greeting() != torrent.info_hash:
                return False
            have = bytearray(len(full_bitfield(torrent.n_pieces)))
            while bytes(have) != full_bitfield(torrent.n_pieces):
                kind, body = wire.receive()
                if kind == BITFIELD:
                    have = bytearray(body)
                elif kind == HAVE:
                    index = struct.unpack(">I", body)[0]
                    have[index // 8] |= 0x80 >> index % 8
            return True
    except (OSError, WireError):
        return False


def download(address, torrent, timeout=60):
    """The bytes of all pieces, from one peer, in order, 64 requests at a time."""
    blocks = [(index, at, min(BLOCK, size - at))
              for index, size in enumerate(torrent.piece_sizes())
              for at in range(0, size, BLOCK)]
    got, asked, choked = {}, 0, True
    with connect(address, timeout) as sock:
        wire = Wire(sock)
        wire.greet(torrent.info_hash)
        wire.read_greeting()
        wire.send(INTERESTED)
        while len(got) < len(blocks):
            while not choked and asked < len(blocks) and asked - len(got) < 64:
                wire.send(REQUEST, struct.pack(">III", *blocks[asked]))
                asked += 1
            kind, body = wire.receive()
            if kind == UNCHOKE:
                choked = False
            elif kind == PIECE:
                got[struct.unpack(">II", body[:8])] = body[8:]
    return b"".join(got[block[:2]] for block in blocks)
