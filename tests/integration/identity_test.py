#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the swarm is told about us: who we are in a peer's greeting and at a
tracker; plain text first, encrypted where a peer wants nothing else."""

import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, main
from mounting import Mount, tool
from torrentmaker import MIB, make_v1, pattern

GREETING = b"\x13BitTorrent protocol"
CONTENT = pattern(2 * MIB)


def save(work, **more):
    return make_v1("film.mkv", CONTENT, MIB, **more).save(os.path.join(work, "t.torrent"))


def receive(sock, n):
    got = b""
    while len(got) < n:
        part = sock.recv(n - len(got))
        check(part, f"the connection ended after {len(got)} bytes")
        got += part
    return got


@case
def a_peer_is_greeted_in_plain_text_by_our_name(work):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        mount = Mount(work, [save(work)], peers=["127.0.0.1:%d" % listener.getsockname()[1]])
        with listener.accept()[0] as sock:
            sock.settimeout(20)
            greeting = receive(sock, 68)
        equal(greeting[:20], GREETING, "the first bytes")
        equal(greeting[48:56], b"-LG0100-", "the peer id")
        mount.end()


@case
def a_peer_that_hangs_up_on_plain_text_is_tried_encrypted(work):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(40)
        mount = Mount(work, [save(work)], peers=["127.0.0.1:%d" % listener.getsockname()[1]])
        first = [GREETING]
        while first[-1][:20] == GREETING and len(first) < 8:
            with listener.accept()[0] as sock:
                sock.settimeout(20)
                first.append(receive(sock, 68))
        check(len(first) > 2, "it was not tried in plain text first")
        check(first[-1][:20] != GREETING, "it was never tried encrypted")
        mount.end()


@case
def a_tracker_is_told_our_name_and_version(work):
    version = tool("--version").stdout.decode().split()[-1]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        url = "http://127.0.0.1:%d/announce" % listener.getsockname()[1]
        mount = Mount(work, [save(work, announce=url)])
        with listener.accept()[0] as sock:
            sock.settimeout(20)
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += receive(sock, 1)
            sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nd8:intervali1800e5:peers0:e")
        text = asked.decode("latin-1")
        agent = re.search(r"(?im)^user-agent: (.*)\r$", text)
        check(agent, "the request names no user agent")
        equal(agent.group(1), "libgostream/" + version, "the user agent")
        check("peer_id=-LG0100-" in text, "the peer id is not in the request: " + text)
        mount.end()


if __name__ == "__main__":
    main()
