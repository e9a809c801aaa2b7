#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Figures of `pfs serve`: of streams, of their readers, and what asking for them costs others."""

import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, contains, equal, eventually, main, patience
from pfs_tool import Server
from rawhttp import Wire, ask, ask_json, put, quote

# Takes much longer than a search may.
ENDLESS = b'{"path":"/memfs/f","pattern":"(a?){600}a{600}b"}'
ENDLESS_FILE = (b"a" * (32 << 10) + b"\n") * 128  # half a second for each line of it


def stream_of(server, path, more=""):
    _, stats = ask_json(server, f"GET /streams/stats?path={quote(path)}{more}")
    return stats["streams"][0]


# ---- readers ----

@case
def readers_are_listed_when_they_are_asked_for(_):
    server = Server()
    put(server, "/streamfs/s", b"12345")
    put(server, "/streamfs/other", b"1")
    with Wire(server) as first, Wire(server) as second:
        equal(first.stream("/streamfs/s").status, 200, "the first")
        equal(first.chunk(), b"12345", "which reads")
        equal(second.stream("/streamfs/s", "&from=2&policy=block").status, 200, "the second")
        equal(second.chunk(), b"345", "which begins later")
        put(server, "/streamfs/s", b"67")
        equal((first.chunk(), second.chunk()), (b"67", b"67"), "both go on")
        check("reader_list" not in stream_of(server, "/streamfs/s"), "nobody asked for it")
        stream = stream_of(server, "/streamfs/s", "&readers=1")
        _, all_of_them = ask_json(server, "GET /streams/stats?readers=1")
    equal((stream["path"], stream["readers_not_listed"]), ("/streamfs/s", 0), "all are listed")
    equal([(r["id"], r["position"], r["lag"], r["gaps"], r["dropped_bytes"], r["policy"])
           for r in stream["reader_list"]],
          [(1, 7, 0, 0, 0, "drop_oldest"), (2, 7, 0, 0, 0, "block")], "who they are")
    for reader in stream["reader_list"]:
        contains(reader["since"], time.strftime("%Y-", time.gmtime()), "since when")
    equal([(s["path"], len(s["reader_list"])) for s in all_of_them["streams"]],
          [("/streamfs/other", 0), ("/streamfs/s", 2)], "of all streams")


@case
def a_reader_that_lags_is_told_apart(_):
    server = Server("--ring-buffer-size", "64MB")
    with Wire(server, recv_buffer=4096) as slow, Wire(server) as fast:
        equal((slow.stream("/streamfs/s").status, fast.stream("/streamfs/s").status), (200, 200), "two")
        data = bytes(1 << 20)
        for _ in range(8):
            put(server, "/streamfs/s", data)
        read = 0
        while read < 8 * len(data):
            read += len(fast.chunk())
        lags = [reader["lag"] for reader in stream_of(server, "/streamfs/s", "&readers=1")["reader_list"]]
    check(lags[0] > 0 and lags[1] == 0, f"lags {lags}")


@case
def a_thousand_readers_are_listed_and_the_others_counted(_):
    server = Server()
    put(server, "/streamfs/s", b"1")
    wires = [Wire(server) for _ in range(1005)]
    try:
        for wire in wires:
            wire.begin("GET /files?path=/streamfs/s&stream=true")
        for wire in wires:
            equal(wire.head().status, 200, "a reader")
        stream = stream_of(server, "/streamfs/s", "&readers=true")
        equal((len(stream["reader_list"]), stream["readers_not_listed"], stream["readers"]),
              (1000, 5, 1005), "listed, not listed, all")
    finally:
        for wire in wires:
            wire.close()


# ---- what they cost ----

@case
def figures_of_many_streams_hold_nobody_up(work):
    path = os.path.join(work, "pfs.toml")
    with open(path, "w") as out:
        out.write('[plugins.streamfs]\n[plugins.streamfs.config]\nmax_streams = 10000\n')
    server = Server("--config", path, "--threads", "1", "--memory-limit", "4G")
    with Wire(server) as wire:
        for first in range(0, 10000, 100):
            for n in range(first, first + 100):
                wire.begin(f"POST /touch?path=/streamfs/{n}", b"")
            for _ in range(100):
                equal(wire.answer().status, 200, "a stream")
    # With one loop, an answer to what was asked later comes first only if figures are made
    # elsewhere.
    for question, least in (("GET /metrics", 100000), ("GET /streams/stats", 10000),
                            ("GET /directories?path=/streamfs", 10000)):
        with Wire(server, timeout=60) as asks, Wire(server) as other:
            overtaken = 0
            for _ in range(20):
                asks.begin(question)
                equal(other.ask("GET /health").status, 200, "another")
                asks.sock.setblocking(False)
                try:
                    asks.sock.recv(1, socket.MSG_PEEK)
                except BlockingIOError:
                    overtaken += 1
                asks.sock.settimeout(60)
                answer = asks.answer()
                equal(answer.status, 200, question)
                check(answer.body.count(b"/streamfs/") >= least
                      or answer.body.count(b'"name"') >= least, f"{question}: all of them")
            check(overtaken > 10, f"{question}: overtaken {overtaken} times of 20")


# ---- searches ----

def worker_time(server):
    """Ticks of processor time that the searching threads have had."""
    tasks, ticks = f"/proc/{server.child.pid}/task", 0
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/stat") as stat:
            name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
            if name == "pfs-worker":
                ticks += int(rest.split()[11])
    return ticks


@case
def a_search_ends_when_its_client_has_hung_up(_):
    server = Server()
    put(server, "/memfs/f", ENDLESS_FILE)
    wires = [Wire(server, timeout=60) for _ in range(8)]
    for wire in wires:  # more than are searched at once
        wire.begin("POST /grep", ENDLESS)
    eventually(lambda: worker_time(server) > 10, "searches are under way")
    for wire in wires:
        wire.sock.shutdown(socket.SHUT_WR)
    began = time.monotonic()
    with Wire(server, timeout=60) as wire:
        equal(wire.ask("POST /grep", b'{"path":"/memfs/f","pattern":"^a","limit":1}').status, 200, "another")
    # Of the eight each would take ten seconds, two at a time.
    check(time.monotonic() - began < 10 * patience(), "it had to wait for them")
    for wire in wires:
        equal(wire.to_the_end(), b"", "no answer")
        wire.close()


@case
def a_search_may_take_ten_seconds_and_figures_wait_for_none(_):
    server = Server()
    put(server, "/memfs/f", ENDLESS_FILE)
    with Wire(server, timeout=60) as first, Wire(server, timeout=60) as second:
        for wire in (first, second):
            wire.begin("POST /grep", ENDLESS)
        eventually(lambda: worker_time(server) > 10, "searches are under way")
        began = time.monotonic()
        for question in ("GET /metrics", "GET /streams/stats", "GET /directories?path=/memfs"):
            equal(ask(server, question).status, 200, question)
        check(time.monotonic() - began < 5 * patience(), "figures had to wait")
        for wire in (first, second):
            answer = wire.answer()
            equal(answer.status, 400, "the search")
            contains(answer.json()["error"], "the search took too long", "its words")


if __name__ == "__main__":
    main()
