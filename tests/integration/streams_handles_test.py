#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""/handles of `pfs serve`: files by number, with the flags of both alphabets."""

import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, eventually, main
from pfs_tool import Server
from rawhttp import Wire, ask, ask_json, content_of, error, message, put, quote, stat

MIB = 1 << 20
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")


def open_handle(server, path, flags=0, more="&mode=420&lease=60"):
    status, handle = ask_json(server, f"POST /handles/open?path={quote(path)}&flags={flags}{more}", {})
    equal(status, 200, f"open {path}: {handle}")
    return handle["handle_id"]


def read(server, handle, query=""):
    answer = ask(server, f"GET /handles/{handle}/read{query}")
    equal((answer.status, answer.headers["content-type"], answer.headers["x-bytes-read"]),
          (200, "application/octet-stream", str(len(answer.body))), f"read {query}")
    return answer.body


def write(server, handle, data, query=""):
    answer = ask(server, f"PUT /handles/{handle}/write{query}", data)
    equal(answer.status, 200, f"write: {answer.body}")
    return answer.json()


@case
def open_tells_the_handle_under_both_names(_):
    server = Server()
    status, handle = ask_json(server, "POST /handles/open?path=/streamfs/h&flags=0&mode=420&lease=60")
    equal((status, handle["path"], handle["flags"], handle["lease"]), (200, "/streamfs/h", 0, 60), "open")
    equal(handle["id"], handle["handle_id"], "both names")
    check(isinstance(handle["handle_id"], int) and TIME.fullmatch(handle["expires_at"]), f"{handle}")
    status, info = ask_json(server, f"GET /handles/{handle['id']}")
    check(status == 200 and {"created_at", "last_access"} <= info.keys(), f"{info}")
    equal(content_of(server, "/streamfs/h")["active_readers"], "1", "a reader at once")
    message(server, f"DELETE /handles/{handle['id']}", 200, "handle closed")
    equal(content_of(server, "/streamfs/h")["active_readers"], "0", "and it is gone")
    error(server, f"DELETE /handles/{handle['id']}", 404, "not found")


@case
def errors_of_handles(_):
    server = Server()
    error(server, "POST /handles/open?path=/streamfs/h&flags=rw", 400,
          "invalid flags parameter: must be a number")
    error(server, "POST /handles/open?path=/none/h", 404, "openhandle: /none/h: not found")
    for request in ("GET /handles/x", "DELETE /handles/x", "GET /handles/x/read", "GET /handles/-1",
                    "GET /handles/1x"):
        error(server, request, 400, "invalid handle ID: must be a number")
    for request in ("GET /handles/99", "GET /handles/99/read", "PUT /handles/99/write",
                    "GET /handles/18446744073709551616"):
        error(server, request, 404, "not found")
    h = open_handle(server, "/streamfs/h")
    for operation in ("renew", "truncate"):
        error(server, f"POST /handles/{h}/{operation}", 404, f"unknown operation: {operation}")
    error(server, f"POST /handles/{h}/read", 405, "method not allowed")
    error(server, f"POST /handles/{h}/seek", 400, "offset parameter is required")
    error(server, f"POST /handles/{h}/seek?offset=0&whence=3", 400,
          "invalid whence parameter (must be 0, 1, or 2)")
    error(server, f"POST /handles/{h}/seek?offset=-1&whence=0", 500, "negative offset")
    message(server, f"POST /handles/{h}/sync", 200, "synced")
    equal(ask(server, f"PUT /handles/{h}/write", b"x").status, 403, "writing to what was opened to read")


@case
def the_list_and_its_redirect(_):
    server = Server()
    moved = ask(server, "GET /handles")
    equal((moved.status, moved.headers["location"]), (301, "/api/v1/handles/"), "GET /handles")
    equal(ask(server, "POST /handles", b"").status, 307, "POST /handles")
    equal(ask_json(server, "GET /handles/"), (200, {"handles": [], "count": 0, "max": 10000}), "none")
    h = open_handle(server, "/streamfs/h")
    _, listed = ask_json(server, "GET /handles/")
    equal((listed["count"], listed["handles"][0]["handle_id"]), (1, h), "one")


@case
def reads_of_a_stream_go_on_where_the_last_one_ended(_):
    server = Server()
    put(server, "/streamfs/h", b"history")
    h = open_handle(server, "/streamfs/h")
    put(server, "/streamfs/h", b"live bytes")
    equal(read(server, h), b"history", "one record at a time")
    equal(read(server, h, "?size=4"), b"live", "a part of one")
    equal(read(server, h, "?size=100"), b" bytes", "the rest of it")
    equal(read(server, h, "?size=0"), b"", "size 0")
    got = []
    reader = threading.Thread(target=lambda: got.append(read(server, h)))
    reader.start()
    put(server, "/streamfs/h", b"awaited")
    reader.join()
    equal(got, [b"awaited"], "a read that waits")
    message(server, "DELETE /files?path=/streamfs/h", 200, "deleted")
    equal(read(server, h), b"", "the end")
    error(server, f"GET /handles/{h}/stat", 404, "stream not found: /h")


@case
def a_client_that_gives_up_waiting_costs_nothing(_):
    server = Server()
    h = open_handle(server, "/streamfs/h")
    with Wire(server) as wire:
        wire.begin(f"GET /handles/{h}/read")
        eventually(lambda: b"\npfs_connections 2\n" in ask(server, "GET /metrics").body, "it waits")
    # The one that asks is left.
    eventually(lambda: b"\npfs_connections 1\n" in ask(server, "GET /metrics").body, "it went")
    put(server, "/streamfs/h", b"next")
    equal(read(server, h), b"next", "what comes is for the next read")


@case
def reads_at_an_offset_count_from_where_the_handle_began(_):
    server = Server("--ring-buffer-size", "8MB")
    put(server, "/streamfs/h", b"before")
    h = open_handle(server, "/streamfs/h")
    put(server, "/streamfs/h", b"0123456789")
    equal(read(server, h, "?size=4&offset=6"), b"0123", "at 6")
    equal(read(server, h, "?size=4&offset=9"), b"3456", "at 9")
    equal(read(server, h, "?offset=1000"), b"", "behind the end")
    block = os.urandom(MIB)
    for _ in range(3):
        put(server, "/streamfs/h", block)
    equal(read(server, h, f"?size=100&offset={16 + 2 * MIB + 5}"), block[5:105], "after 2 MiB")
    equal(read(server, h), b"before", "the position has not moved")
    error(server, f"GET /handles/{h}/read?offset=-1", 500, "negative offset")


@case
def bytes_that_are_no_longer_kept_are_an_error_and_never_others(_):
    server = Server("--ring-buffer-size", "64KB", "--channel-buffer-size", "64KB")
    h = open_handle(server, "/streamfs/h")
    for n in range(4):
        put(server, "/streamfs/h", bytes([n]) * 65536)
    equal(ask(server, f"GET /handles/{h}/read?offset=10").status, 410, "the first block")


@case
def what_a_handle_lost_is_told_with_the_bytes_behind_it(_):
    server = Server("--ring-buffer-size", "64KB", "--channel-buffer-size", "64KB")
    put(server, "/streamfs/h", b"before")
    h = open_handle(server, "/streamfs/h")
    equal(read(server, h), b"before", "nothing is lost yet")
    for n in range(4):
        put(server, "/streamfs/h", bytes([n]) * 65536)
    answer = ask(server, f"GET /handles/{h}/read?size=1")
    first = 6 + answer.body[0] * 65536
    check(first > 6, "something was lost")
    equal([answer.headers.get(f"x-stream-{name}") for name in ("gaps", "dropped-bytes", "gap-list")],
          ["1", str(first - 6), f"6-{first}"], "what")
    answer = ask(server, f"GET /handles/{h}/read?size=1")
    check("x-stream-gaps" not in answer.headers, f"told once: {answer.headers}")


@case
def what_a_handle_lost_before_the_end_is_told_with_the_end(_):
    server = Server("--ring-buffer-size", "64KB", "--channel-buffer-size", "64KB", "--policy", "drop_new")
    put(server, "/streamfs/h", b"before")
    h = open_handle(server, "/streamfs/h")
    equal(read(server, h), b"before", "nothing is lost yet")
    for n in range(8):
        put(server, "/streamfs/h", bytes([n]) * 16384)
    message(server, "POST /streams/close?path=/streamfs/h", 200, "stream closed")
    got, lost = 0, 0
    while True:
        answer = ask(server, f"GET /handles/{h}/read?size=16384")
        got += len(answer.body)
        lost += int(answer.headers.get("x-stream-dropped-bytes", 0))
        if not answer.body:
            break
    check(lost > 0, "something was lost")
    equal(got + lost, 8 * 16384, "what it got, and what it was told of")


@case
def seek_moves_the_position_of_a_stream(_):
    server = Server()
    h = open_handle(server, "/streamfs/h")
    put(server, "/streamfs/h", b"0123456789")
    for query, want in (("offset=4", 4), ("offset=1&whence=1", 5), ("offset=-2&whence=2", 8),
                        ("offset=0&whence=0", 0)):
        equal(ask_json(server, f"POST /handles/{h}/seek?{query}", {}),
              (200, {"position": want, "offset": want}), query)
        equal(read(server, h, "?size=1"), b"0123456789"[want:want + 1], query)
        ask(server, f"POST /handles/{h}/seek?offset={want}", b"")
    equal(ask(server, f"POST /handles/{h}/seek?offset=11", b"").status, 400, "behind the end")


@case
def the_handles_stream_ends_with_the_handle(_):
    server = Server()
    h = open_handle(server, "/streamfs/h")
    with Wire(server) as wire:
        wire.begin(f"GET /handles/{h}/stream")
        head = wire.head()
        equal((head.status, head.headers["transfer-encoding"], head.headers["x-content-type-options"]),
              (200, "chunked", "nosniff"), "its head comes at once")
        put(server, "/streamfs/h", b"hello")
        equal(wire.chunk(), b"hello", "live")
        equal(content_of(server, "/streamfs/h")["active_readers"], "1", "one reader, not two")
        error(server, f"GET /handles/{h}/stream", 409, "handle is being streamed already")
        error(server, f"GET /handles/{h}/read?size=10", 409, "handle is being streamed")
        w = open_handle(server, "/streamfs/h", 1)
        error(server, f"PUT /handles/{w}/write?offset=-5", 500, "negative offset", b"x")
        message(server, f"DELETE /handles/{h}", 200, "handle closed")
        wire.rest_of(head)
        equal((head.body, head.trailers["x-stream-end"]), (b"", "closed"), "the end")
    eventually(lambda: content_of(server, "/streamfs/h")["active_readers"] == "0", "no reader is left")


@case
def after_a_broken_stream_the_handle_reads_on(_):
    server = Server()
    h = open_handle(server, "/streamfs/h")
    with Wire(server) as wire:
        wire.begin(f"GET /handles/{h}/stream")
        wire.head()
        put(server, "/streamfs/h", b"one")
        equal(wire.chunk(), b"one", "live")
    eventually(lambda: ask(server, f"POST /handles/{h}/seek?offset=0&whence=1", b"").status == 200,
               "the reader is back")
    put(server, "/streamfs/h", b"two")
    equal(read(server, h), b"two", "where it was")


@case
def fuse_writes_as_it_was_seen_to(_):
    server = Server()
    # create: POST /files, open with the flags of Linux, stat, write; then close.
    message(server, "POST /files?path=/streamfs/f", 201, "file created")
    h = open_handle(server, "/streamfs/f", 577, "&mode=100644")
    equal(stat(server, "/streamfs/f")["size"], 0, "stat")
    equal(write(server, h, b"abc", "?offset=0"), {"bytes_written": 3, "position": 0}, "write")
    equal(write(server, h, b"def", "?offset=3"), {"bytes_written": 3, "position": 0}, "and again")
    equal(content_of(server, "/streamfs/f")["active_readers"], "0", "write-only is no reader")
    message(server, f"DELETE /handles/{h}", 200, "handle closed")
    # ">" on what exists: open, truncate, write.
    h = open_handle(server, "/streamfs/f", 1)
    message(server, "POST /truncate?path=/streamfs/f&size=0", 200, "truncated")
    write(server, h, b"ghi")
    equal(stat(server, "/streamfs/f")["size"], 9, "streams only grow")
    message(server, "DELETE /files?path=/streamfs/f&recursive=false", 200, "deleted")
    error(server, f"PUT /handles/{h}/write", 409, "stream is closed", b"x")


@case
def files_in_memory_have_handles_too(_):
    server = Server()
    put(server, "/memfs/f", b"0123456789")
    h = open_handle(server, "/memfs/f", 2)
    equal(read(server, h, "?size=4"), b"0123", "first read")
    equal(read(server, h, "?size=4"), b"4567", "second")
    equal(read(server, h, "?size=3&offset=1"), b"123", "at an offset")
    equal(write(server, h, b"AB"), {"bytes_written": 2, "position": 10}, "at the position")
    equal(write(server, h, b"xy", "?offset=1"), {"bytes_written": 2, "position": 3}, "at an offset")
    equal(ask(server, "GET /files?path=/memfs/f").body, b"0xy34567AB", "content")
    equal(ask_json(server, f"POST /handles/{h}/seek?offset=-3&whence=2", {})[1]["position"], 7, "seek")
    equal(read(server, h), b"7AB", "to the end")
    equal(read(server, h), b"", "at the end")
    equal(ask_json(server, f"GET /handles/{h}/stat")[1]["size"], 10, "stat")


@case
def both_alphabets_of_flags(_):
    server = Server()
    put(server, "/memfs/f", b"content")
    # 64 is truncate in the one and create in the other: it never truncates.
    open_handle(server, "/memfs/f", 1 | 64)
    equal(stat(server, "/memfs/f")["size"], 7, "64 does not truncate")
    for flags in (8 | 1, 1025):
        h = open_handle(server, "/memfs/f", flags)
        size = stat(server, "/memfs/f")["size"]
        equal(write(server, h, b"+", "?offset=0")["position"], size + 1, f"flags {flags} append")
    open_handle(server, "/memfs/f", 577)
    equal(stat(server, "/memfs/f")["size"], 0, "512 truncates")
    for flags in (17, 65):
        open_handle(server, f"/memfs/new{flags}", flags)
        equal(stat(server, f"/memfs/new{flags}")["size"], 0, f"{flags} creates")
    equal(ask(server, "POST /handles/open?path=/memfs/none&flags=0", b"").status, 404, "without create")
    equal(ask(server, "POST /handles/open?path=/memfs/f&flags=49", b"").status, 409, "exclusive")
    equal(ask(server, "POST /handles/open?path=/memfs&flags=0", b"").status, 500, "a folder")


@case
def readme_and_null_have_handles(_):
    server = Server()
    text = ask(server, "GET /files?path=/streamfs/README").body
    h = open_handle(server, "/streamfs/README")
    equal(read(server, h, "?size=100000"), text, "README")
    equal(read(server, h), b"", "and its end")
    h = open_handle(server, "/dev/null", 2)
    equal(write(server, h, b"gone")["bytes_written"], 4, "into null")
    equal(read(server, h), b"", "out of null")


@case
def unmount_closes_handles(_):
    server = Server("--threads", "1")
    h = open_handle(server, "/streamfs/h")
    seen = 0

    def requests():
        nonlocal seen
        text = ask(server, "GET /metrics").body.decode()
        seen += 1
        return int(re.search(r"^pfs_requests_total (\d+)$", text, re.M).group(1)) - seen

    others = requests()
    with Wire(server) as wire:
        wire.begin(f"GET /handles/{h}/read")
        # With one loop, what is asked for after the read was counted comes after it began to wait.
        eventually(lambda: requests() == others + 1, "the read is there")
        equal(ask_json(server, "POST /unmount", {"path": "/streamfs"})[0], 200, "unmount")
        before = time.monotonic()
        answer = wire.answer()
        equal((answer.status, answer.body), (200, b""), "the read that waited")
        check(time.monotonic() - before < 20, "it was ended and not given up")
    error(server, f"GET /handles/{h}", 404, "not found")


if __name__ == "__main__":
    main()
