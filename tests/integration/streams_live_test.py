#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Streams of `pfs serve` on the wire: what they are, reading, joining, ending."""

import os
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, eventually, main, patience, same_bytes
from pfs_tool import Server
from rawhttp import Wire, ask, ask_json, chunked_head, error, message, put, readers, stat
from torrentmaker import pattern

KIB, MIB = 1 << 10, 1 << 20
STREAM_MODE = "use stream mode for reading stream files"


# ---- operations on streams ----

@case
def operations_as_the_protocol_has_them(_):
    server = Server()
    message(server, "POST /files?path=/streamfs/s", 201, "file created")
    error(server, "POST /files?path=/streamfs/s", 409, "stream already exists: /s")
    put(server, "/streamfs/s", b"hello")
    put(server, "/streamfs/auto", b"")
    for path in ("/streamfs/s", "/streamfs/missing", "/streamfs"):
        error(server, f"GET /files?path={path}", 500, STREAM_MODE)
    equal(ask(server, "GET /stat?path=/streamfs/missing").status, 404, "stat makes nothing")
    error(server, "GET /stat?path=/streamfs/missing", 404, "stream not found: /missing")
    error(server, "DELETE /files?path=/streamfs/missing", 404, "stream not found: /missing")
    error(server, "DELETE /files?path=/streamfs&recursive=true", 404, "stream not found: /")
    error(server, "GET /directories?path=/streamfs/x", 500, "not a directory: /x")
    error(server, "POST /directories?path=/streamfs/d", 500, "streamfs does not support directories")
    error(server, "POST /rename?path=/streamfs/s", 500, "streamfs does not support rename",
          b'{"newPath":"/streamfs/t"}')
    error(server, "POST /chmod?path=/streamfs/s", 500, "streamfs does not support chmod",
          b'{"mode":420}')
    for path in ("/streamfs/s", "/streamfs/missing"):
        message(server, f"POST /truncate?path={path}&size=0", 200, "truncated")
    equal(stat(server, "/streamfs/s")["size"], 5, "truncate does nothing")
    message(server, "DELETE /files?path=/streamfs/s", 200, "deleted")
    put(server, "/streamfs/s", b"new")
    equal(stat(server, "/streamfs/s")["size"], 3, "a new stream under an old name")


@case
def stat_and_ls_of_a_stream(_):
    server = Server()
    put(server, "/streamfs/s1", b"hello")
    put(server, "/streamfs/a/b/c", b"x")
    info = stat(server, "/streamfs/s1")
    equal({k: info[k] for k in ("name", "size", "mode", "isDir")},
          {"name": "s1", "size": 5, "mode": 420, "isDir": False}, "stat")
    equal((info["meta"]["Name"], info["meta"]["Type"]), ("streamfs", "stream"), "meta")
    content = info["meta"]["Content"]
    equal((content["active_readers"], content["total_written"]), ("0", "5"), "Content")
    check(all(isinstance(v, str) for v in content.values()), f"strings in {content}")
    readme = stat(server, "/streamfs/README")
    equal((readme["mode"], readme["meta"]["Type"], readme["meta"]["Content"]), (0o444, "doc", None),
          "README")
    _, listed = ask_json(server, "GET /directories?path=/streamfs")
    equal([f["name"] for f in listed["files"]], ["README", "a/b/c", "s1"], "ls")
    equal(listed["files"][2]["meta"]["Content"]["total_written"], "5", "Content in ls")


@case
def the_root_and_readme_are_no_streams(_):
    server = Server()
    for path in ("/streamfs", "/streamfs/", "/streamfs/README", "/streamfs//README"):
        for request, body in ((f"PUT /files?path={path}", b"x"), (f"POST /files?path={path}", b""),
                              (f"POST /touch?path={path}", b"")):
            equal(ask(server, request, body).status, 403, request)
    equal(ask(server, "GET /files?path=/streamfs&stream=true").status, 403, "reading the root")
    equal(ask(server, "DELETE /files?path=/streamfs/README", b"").status, 403, "deleting README")
    plain = ask(server, "GET /files?path=/streamfs/README")
    equal(len(plain.body), stat(server, "/streamfs/README")["size"], "size of README")
    equal(ask(server, "GET /files?path=/streamfs/README&offset=3&size=4").body, plain.body[3:7], "part")
    live = ask(server, "GET /files?path=/streamfs/README&stream=true")
    equal((live.status, live.headers["transfer-encoding"], live.body), (200, "chunked", plain.body),
          "README as a stream ends")
    equal([f["name"] for f in ask_json(server, "GET /directories?path=/streamfs")[1]["files"]],
          ["README"], "no shadows")


@case
def touch_makes_a_stream_and_bumps_its_time(_):
    server = Server()
    message(server, "POST /touch?path=/streamfs/t", 200, "touched")
    first = stat(server, "/streamfs/t")
    message(server, "POST /touch?path=/streamfs/t", 200, "touched")
    second = stat(server, "/streamfs/t")
    equal((first["size"], second["size"]), (0, 0), "size")
    check(second["modTime"] > first["modTime"], f"{first['modTime']}, then {second['modTime']}")


# ---- reading ----

@case
def the_head_comes_at_once_and_a_reader_may_come_first(_):
    server = Server()
    with Wire(server) as wire:
        head = wire.stream("/streamfs/first")
        equal((head.version, head.status), ("HTTP/1.1", 200), "status")
        for name, value in (("content-type", "application/octet-stream"),
                            ("x-content-type-options", "nosniff"), ("transfer-encoding", "chunked")):
            equal(head.headers.get(name), value, name)
        check("date" in head.headers, "no Date")
        equal(head.headers["x-stream-start"], "0", "where it begins")
        equal(readers(server, "/streamfs/first"), 1, "active_readers")
        put(server, "/streamfs/first", b"hello")
        equal(wire.chunk(), b"hello", "the first bytes")


@case
def a_write_of_150000_bytes_comes_in_chunks_of_64_kib_at_most(_):
    server = Server()
    data = pattern(150_000)
    put(server, "/streamfs/s", data)
    with Wire(server) as wire:
        wire.stream("/streamfs/s")
        got = b""
        while len(got) < len(data):
            piece = wire.chunk()
            check(0 < len(piece) <= 64 * KIB, f"a chunk of {len(piece)} bytes")
            got += piece
        same_bytes(got, data, "history")


@case
def http_1_0_gets_bytes_up_to_the_close(_):
    server = Server()
    put(server, "/streamfs/s", b"abc", "&seal=true")
    with Wire(server) as wire:
        wire.send(b"GET /api/v1/files?path=/streamfs/s&stream=true HTTP/1.0\r\n\r\n")
        head = wire.head()
        equal((head.status, "transfer-encoding" in head.headers), (200, False), "head")
        equal(wire.to_the_end(), b"abc", "body")


@case
def a_client_that_went_is_gone_within_a_second_without_a_write(_):
    server = Server()
    wires = [Wire(server) for _ in range(8)]
    for wire in wires:
        wire.stream("/streamfs/s")
    equal(readers(server, "/streamfs/s"), 8, "readers")
    for wire in wires[:4]:
        wire.close()
    eventually(lambda: readers(server, "/streamfs/s") == 4, "the half that closed", timeout=1)
    # Reset instead of closed.
    for wire in wires[4:]:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
    eventually(lambda: readers(server, "/streamfs/s") == 0, "the rest", timeout=1)


@case
def from_says_where_a_reader_begins(_):
    server = Server()
    for piece in (b"aaaa", b"bbbb", b"cccc"):
        put(server, "/streamfs/s", piece, "&mark=true" if piece == b"bbbb" else "")
    for start, at in (("oldest", 0), ("now", 12), ("latest", 8), ("mark", 4), ("5", 5), ("-2", 10),
                      ("-1KB", 0), ("-1h", 0), ("12", 12), ("0", 0)):
        with Wire(server) as wire:
            head = wire.stream("/streamfs/s", f"&from={start}")
            equal((head.status, head.headers.get("x-stream-start")), (200, str(at)), f"from={start}")
            equal((head.headers["x-stream-oldest"], head.headers["x-stream-tail"]), ("0", "12"), start)
            if at < 12:
                equal(wire.read(12 - at), b"aaaabbbbcccc"[at:], f"from={start}")
    with Wire(server) as wire:
        equal(wire.stream("/streamfs/s", "&from=5&align=true").headers["x-stream-start"], "4", "aligned")
    for bad in ("x", "-", "-5y", "1e3", "1.5", "", "--5"):
        status = ask_or_head(server, f"&from={bad}")
        equal(status, 400 if bad else 200, f"from={bad}")
    equal(ask_or_head(server, "&from=13"), 416, "behind the end")
    for bad in ("&policy=never", "&until=dawn"):
        equal(ask_or_head(server, bad), 400, bad)


def ask_or_head(server, more):
    with Wire(server) as wire:
        return wire.stream("/streamfs/s", more).status


@case
def until_tail_reads_what_is_there_and_ends(_):
    server = Server()
    put(server, "/streamfs/s", b"history")
    answer = ask(server, "GET /files?path=/streamfs/s&stream=true&until=tail")
    equal((answer.body, answer.trailers["x-stream-end"]), (b"history", "until"), "history")
    ask(server, "POST /streams/close?path=/streamfs/s")
    for more in ("", "&framed=1"):
        answer = ask(server, "GET /files?path=/streamfs/s&stream=true&until=tail" + more)
        equal(answer.trailers["x-stream-end"], "sealed", f"where nothing comes any more {more}")
    empty = ask(server, "GET /files?path=/streamfs/new&stream=true&until=tail")
    equal((empty.status, empty.body), (200, b""), "of an empty stream")


@case(each=[("raw", ""), ("framed", "&framed=1")])
def until_tail_sends_no_later_bytes_to_a_reader_that_lost_the_end(_, _name, more):
    server = Server()
    put(server, "/streamfs/s", b"")
    for _ in range(5):
        put(server, "/streamfs/s", b"a" * MIB)
    with Wire(server, recv_buffer=4096) as lazy:
        head = lazy.stream("/streamfs/s", "&until=tail" + more)
        for _ in range(12):
            put(server, "/streamfs/s", b"b" * MIB)
        answer = lazy.rest_of(head)
    check(b"b" * 100 not in answer.body, "bytes that were written after it had begun")
    lost, after = int(answer.trailers["x-stream-dropped-bytes"]), int(answer.trailers["x-stream-next"])
    check(lost > 0, "it was not slow enough to lose anything")
    equal(answer.trailers["x-stream-end"], "until", "the end")
    if not more:
        equal(len(answer.body) + lost, after, "sent and lost")


@case
def create_false_makes_nothing(_):
    server = Server()
    error(server, "GET /files?path=/streamfs/no&stream=true&create=false", 404,
          "stream not found: /no")
    equal(ask(server, "GET /stat?path=/streamfs/no").status, 404, "stat")


# ---- the end ----

def trailers_after(server, action):
    with Wire(server) as wire:
        wire.stream("/streamfs/s")
        put(server, "/streamfs/s", b"last words")
        action()
        head = wire.rest_of(chunked_head())
        equal(head.body, b"last words", "drained")
        return head.trailers


@case
def delete_close_unmount_and_the_servers_end_are_eof_for_readers(_):
    server = Server()
    trailers = trailers_after(server, lambda: message(
        server, "DELETE /files?path=/streamfs/s", 200, "deleted"))
    equal((trailers["x-stream-end"], trailers["x-stream-gaps"], trailers["x-stream-dropped-bytes"]),
          ("deleted", "0", "0"), "after DELETE")
    trailers = trailers_after(server, lambda: message(
        server, "POST /streams/close?path=/streamfs/s", 200, "stream closed"))
    equal((trailers["x-stream-end"], trailers["x-stream-next"]), ("sealed", "10"), "after close")
    error(server, "PUT /files?path=/streamfs/s", 409, "stream is closed", b"more")
    late = ask(server, "GET /files?path=/streamfs/s&stream=true")
    equal(late.body, b"last words", "history of a closed stream")
    error(server, "POST /streams/close?path=/streamfs/none", 404, "stream not found: /none")
    message(server, "DELETE /files?path=/streamfs/s", 200, "deleted")
    trailers = trailers_after(server, lambda: equal(
        ask_json(server, "POST /unmount", {"path": "/streamfs"})[0], 200, "unmount"))
    equal(trailers["x-stream-end"], "deleted", "after unmount")


@case
def sigterm_seals_drains_and_ends_with_0(_):
    server = Server()
    with Wire(server) as reader, Wire(server) as writer:
        reader.stream("/streamfs/s")
        writer.begin("PUT /files?path=/streamfs/s", None, ["Transfer-Encoding: chunked"])
        writer.send(b"5\r\nhello\r\n")
        equal(reader.chunk(), b"hello", "live")
        server.child.send_signal(signal.SIGTERM)
        equal(reader.rest_of(chunked_head()).trailers["x-stream-end"], "sealed", "end of the reader")
        writer.send(b"5\r\nagain\r\n")
        equal(writer.answer().status, 409, "the writer is told")
    equal(server.child.wait(timeout=10 * patience()), 0, "exit status")


@case
def a_reader_that_never_reads_holds_the_end_up_for_the_drain_timeout_only(_):
    server = Server("--drain-timeout", "1")
    with Wire(server, recv_buffer=4096) as lazy:
        lazy.stream("/streamfs/s")
        put(server, "/streamfs/s", bytes(6 * MIB))
        began = time.monotonic()
        server.child.send_signal(signal.SIGTERM)
        equal(server.child.wait(timeout=10 * patience()), 0, "exit status")
        check(0.9 < time.monotonic() - began < 5 * patience(), "the drain timeout")


@case
def a_second_signal_ends_it_at_once(_):
    server = Server("--drain-timeout", "60")
    with Wire(server, recv_buffer=4096) as lazy:
        lazy.stream("/streamfs/s")
        put(server, "/streamfs/s", bytes(6 * MIB))
        server.child.send_signal(signal.SIGINT)
        eventually(lambda: b"ending" in os.read(server.child.stderr.fileno(), 4096), "the first")
        server.child.send_signal(signal.SIGINT)
        equal(server.child.wait(timeout=5 * patience()), -signal.SIGINT, "ended by the second")


if __name__ == "__main__":
    main()
