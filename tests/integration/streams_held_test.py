#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What slow clients make `pfs serve` hold has one limit for all of them together."""

import contextlib
import os
import resource
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import Skip, case, check, equal, eventually, main, sanitized
from pfs_tool import Server, resident
from rawhttp import Wire, ask

MIB = 1 << 20
LIMIT = 256 * MIB


@case
def parts_of_chunks_that_are_held_have_one_limit(_):
    clients, part = 5000, b"x" * 60000
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < clients + 100:
        raise Skip("too few descriptors for so many clients")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    server = Server()
    before = resident(server)
    wires = [Wire(server, timeout=60) for _ in range(clients)]
    head = (b"PUT /api/v1/files?path=/streamfs/s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"ffff\r\n")
    try:
        for wire in wires:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused already
                wire.send(head)
                wire.send(part)
        # Each is held in 64 KiB: 320 MiB all together.
        room = LIMIT // 65536
        for wire in wires:
            wire.sock.setblocking(False)
        eventually(lambda: sum(map(is_refused, wires)) >= clients - room, "those without room are refused")
        refused = [wire for wire in wires if is_refused(wire)]
        check(len(refused) < clients - room // 2, f"{len(refused)} were refused")
        with Wire(server, timeout=60) as another:
            another.send(head)
            another.send(part)
            equal(another.answer().status, 503, "a refusal")
        if not sanitized():
            check(resident(server) - before < LIMIT + 64 * MIB, f"it takes {resident(server) >> 20} MiB")
        equal(ask(server, "GET /health").status, 200, "others")
    finally:
        for wire in wires:
            wire.close()
    # What was held is given back.
    eventually(lambda: b"\npfs_connections 1\n" in ask(server, "GET /metrics").body, "all are gone")
    with Wire(server) as wire:
        wire.send(head)
        wire.send(b"y" * 65535 + b"\r\n0\r\n\r\n")
        equal(wire.answer().status, 200, "another chunk")


def is_refused(wire):
    """Told so, and maybe closed since."""
    try:
        wire.sock.recv(1, socket.MSG_PEEK)
        return True
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@case(timeout=120)
def files_that_never_end_leave_room_for_other_requests(_):
    """Chunked bodies that stop in the middle hold what they have sent, and no more of
    what may wait than their part."""
    server = Server()
    piece = b"%x\r\n%s\r\n" % (1 << 20, bytes(1 << 20))
    with contextlib.ExitStack() as open_wires:
        for number in range(5):
            wire = open_wires.enter_context(Wire(server))
            wire.begin(f"PUT /files?path=/memfs/{number}", headers=["Transfer-Encoding: chunked"])
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused
                for _ in range(60):
                    wire.send(piece)
        equal(wire.answer().status, 503, "the last one, for which there is no room")
        answer = ask(server, "PUT /files?path=/memfs/small", bytes(300_000))
        equal((answer.status, answer.json().get("message")), (200, "Written 300000 bytes"), "others")


if __name__ == "__main__":
    main()
