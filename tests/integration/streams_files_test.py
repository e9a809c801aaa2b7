#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files of memfs under many clients: large ones hold nobody up, and what is being sent stays."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, contains, equal, main
from pfs_tool import Server
from rawhttp import Wire, ask, error, message, put, stat

MIB = 1 << 20
FILE = "/files?path=/memfs/f"
CHUNKED = ["Transfer-Encoding: chunked"]
JSON = ["Content-Type: application/json"]


def noise(n, seed=1):
    return random.Random(seed).randbytes(n)


def content(server, path="/memfs/f"):
    with Wire(server) as wire:
        wire.begin(f"GET /files?path={path}")
        head = wire.head()
        equal(head.status, 200, path)
        return bytes(rest(wire, head))


def rest(wire, head):
    """The body of an answer, however large."""
    body, n = bytearray(wire.rest), int(head.headers["content-length"])
    while len(body) < n:
        data = wire.sock.recv(MIB)
        check(data, f"closed after {len(body)} of {n} bytes")
        body += data
    wire.rest = b""
    return body


@case
def small_requests_are_answered_while_large_ones_wait_for_their_clients(_):
    server = Server("--threads", "1")
    old, new = noise(48 * MIB), noise(48 * MIB, 2)
    put(server, "/memfs/f", old)
    with Wire(server, recv_buffer=65536) as reader, Wire(server) as writer:
        reader.begin("GET " + FILE)
        head = reader.head()
        writer.begin("PUT " + FILE, None, [f"Content-Length: {len(new)}"])
        writer.send(new[:40 * MIB])
        for n in range(50):
            put(server, f"/memfs/small{n}", b"x" * n)
            equal(content(server, f"/memfs/small{n}"), b"x" * n, "a small file")
        equal(stat(server, "/memfs/f")["size"], len(old), "half a file is none")
        writer.send(new[40 * MIB:])
        equal(writer.answer().status, 200, "the upload")
        check(content(server) == new, "the new file")
        check(rest(reader, head) == old, "who began before gets the old one to its end")


@case
def a_file_that_is_deleted_arrives_whole(_):
    server = Server()
    data = noise(16 * MIB)
    put(server, "/memfs/f", data)
    with Wire(server, recv_buffer=65536) as reader:
        reader.begin("GET " + FILE + "&offset=3")
        head = reader.head()
        message(server, "DELETE " + FILE, 200, "deleted")
        check(rest(reader, head) == data[3:], "its bytes")
    equal(ask(server, "GET " + FILE).status, 404, "afterwards")


@case
def an_upload_that_breaks_off_leaves_the_file_as_it_was(_):
    server = Server()
    put(server, "/memfs/f", b"before")
    for headers, data in ((["Content-Length: 2097152"], bytes(2 * MIB - 1)),
                          (CHUNKED, b"100000\r\n" + bytes(MIB) + b"\r\n")):
        with Wire(server) as writer:
            writer.begin("PUT " + FILE, None, headers)
            writer.send(data)
            equal(content(server), b"before", "during the upload")
        equal(content(server), b"before", str(headers))


@case
def chunked_uploads_become_files_within_the_limit(_):
    server = Server("--max-body", "4M")
    data = noise(4 * MIB)
    with Wire(server) as writer:
        writer.begin("PUT " + FILE, None, CHUNKED)
        for at in range(0, len(data), 100_000):
            piece = data[at:at + 100_000]
            writer.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
        writer.send(b"0\r\n\r\n")
        answer = writer.answer()
        equal(answer.json(), {"message": "Written 4194304 bytes"}, "the largest one")
    check(content(server) == data, "what came")
    with Wire(server) as writer:
        writer.begin("PUT " + FILE, None, CHUNKED)
        writer.send(b"400001\r\n" + data + b"x")
        answer = writer.answer()
    equal((answer.status, answer.json()),
          (413, {"error": "request body exceeds maximum size of 4194304 bytes"}), "one byte more")
    check(content(server) == data, "it stays")


@case
def large_uploads_have_one_limit_together(_):
    server = Server("--max-body", "100M")
    with Wire(server) as one, Wire(server) as two, Wire(server) as three:
        for wire in (one, two):
            wire.begin("PUT " + FILE, None, [f"Content-Length: {100 * MIB}"])
            wire.send(bytes(99 * MIB))
        three.begin("PUT " + FILE, None, [f"Content-Length: {100 * MIB}"])
        try:
            three.send(bytes(99 * MIB))
        except OSError:
            pass  # refused in the middle of it
        answer = three.answer()
        equal((answer.status, answer.json()), (503, {"error": "no room for the request body"}),
              "the third")
        one.send(bytes(MIB))
        equal(one.answer().status, 200, "the first")
    put(server, "/memfs/g", noise(2 * MIB))


@case
def what_a_file_cannot_do_is_refused_before_it_is_replaced(_):
    server = Server()
    put(server, "/memfs/f", b"precious")
    for data in (b"lost?", bytes(2 * MIB)):
        error(server, "PUT " + FILE + "&seal=true", 400,
              "/memfs/f is not a stream: it cannot be sealed", data)
        for offset in ("-5", "five", "9223372036854775808"):
            error(server, "PUT " + FILE + "&offset=" + offset, 400, "invalid offset parameter", data)
        answer = ask(server, "PUT " + FILE + "&offset=5", data)
        equal(answer.status, 400, "an offset")
        contains(answer.json()["error"], "files are replaced as a whole", "its words")
        answer = ask(server, "POST /write?path=/memfs/f&seal=true", data)
        equal(answer.status, 400, "POST /write")
        for word in ("seal=true", "offset=5"):
            answer = ask(server, "POST /write?path=/memfs/f&" + word, b'{"data":"lost?"}', JSON)
            equal(answer.status, 400, "POST /write with JSON and " + word)
        equal(content(server), b"precious", "the file")
    put(server, "/memfs/f", b"from the beginning", "&offset=0")
    equal(content(server), b"from the beginning", "offset=0 is what is done anyway")


@case
def what_json_cannot_say_of_a_stream_is_refused(_):
    server = Server()
    for word in ("seal=true", "mark=1", "writer=me"):
        answer = ask(server, "POST /write?path=/streamfs/s&" + word, b'{"data":"x"}', JSON)
        equal(answer.status, 400, "POST /write with JSON and " + word)
    answer = ask(server, "POST /write?path=/streamfs/s", b'{"data":"x"}', JSON)
    equal(answer.status, 200, "without")


@case
def a_large_file_needs_its_folder_and_its_room(_):
    server = Server()
    error(server, "PUT /files?path=/memfs/none/f", 404, "parent directory not found: /none",
          bytes(2 * MIB))
    message(server, "POST /mount", 200, "plugin mounted",
            b'{"fstype":"memfs","path":"/small","config":{"memory_limit":"3MB"}}')
    put(server, "/small/f", bytes(2 * MIB))
    answer = ask(server, "PUT /files?path=/small/g", bytes(2 * MIB))
    equal((answer.status, answer.json()), (413, {"error": "memfs is full (limit 3145728 bytes)"}),
          "a second one")
    equal(stat(server, "/small/f")["size"], 2 * MIB, "the first stays")
    equal(ask(server, "GET /stat?path=/small/g").status, 404, "nothing is left of it")
    put(server, "/small/f", bytes(2 * MIB + 1))


if __name__ == "__main__":
    main()
