#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `pfs serve` refuses: names, sizes, bodies and heads that are no good, on the
wire. Each is answered or cut, none is a stream afterwards, and the server goes on."""

import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import built, case, check, contains, equal, eventually, main, patience, run
from numbered import Reader, begin, descriptors, dice, finish, record
from pfs_tool import Server, environment
from rawhttp import Wire, ask, ask_json, content_of, put, quote, stat

KIB, MIB = 1 << 10, 1 << 20
LONGEST = "n" * 1024


def streams(server, mount="/streamfs"):
    _, listed = ask_json(server, f"GET /directories?path={mount}")
    return [entry["name"] for entry in listed["files"]]


def alive(server):
    """It answers, and nothing of what was sent has become a stream."""
    equal(ask(server, "GET /health").status, 200, "health")
    equal(streams(server), ["README"], "streams")
    check(server.child.poll() is None, "the server has ended")


# ---- names ----

WAYS = [("PUT /files?{}", b"x"), ("POST /files?{}", b""), ("POST /touch?{}", b""),
        ("POST /write?{}", b"x"), ("GET /files?{}&stream=true", None),
        ("POST /handles/open?{}&flags=1&mode=420", b""),
        ("POST /handles/open?{}&flags=66&mode=420", b"")]

BAD_UTF8 = ["%FF", "a%C0%AFb", "%ED%A0%80", "%F5%80%80%80", "%E2%82", "ok%80", "%C3%28"]


@case
def no_way_leads_to_a_stream_without_a_good_name(_):
    server = Server()
    names = {"the root": ["%2Fstreamfs", "/streamfs/", "/streamfs//", "/streamfs/.",
                          "/streamfs/a/..", "//streamfs", "/streamfs/x/../../streamfs"],
             "README": ["/streamfs/README", "/streamfs//README", "/streamfs/./README",
                        "/streamfs/d/../README", "/streamfs/README/", "%2Fstreamfs%2FREADME"],
             "a NUL": ["/streamfs/a%00b", "/streamfs/%00", "%00", "/streamfs%00/x"],
             "bad UTF-8": ["/streamfs/" + name for name in BAD_UTF8],
             "too long": ["/streamfs/" + LONGEST + "n", "/streamfs/" + "%C3%A9" * 513,
                          "/streamfs/d/" + LONGEST]}
    for kind, paths in names.items():
        for path in paths:
            for request, body in WAYS:
                request = request.format("path=" + path)
                if kind == "README" and ("stream=true" in request or "flags=" in request):
                    continue  # these read it
                answer = ask(server, request, body)
                check(400 <= answer.status < 500, f"{kind}: {request[:80]}: {answer.status}")
                check(answer.json()["error"], f"{kind}: no words")
    for request, body in WAYS:
        for query in ("", "path=", "path", "paths=/streamfs/x", "path%3D/streamfs/x"):
            answer = ask(server, request.format(query), body)
            equal((answer.status, answer.json()), (400, {"error": "path parameter is required"}),
                  request.format(query))
    alive(server)


@case
def dots_lead_out_of_a_mount_and_not_out_of_the_tree(_):
    server = Server()
    for path in ("/streamfs/../memfs/f", "/../../memfs/g", "/memfs/../../memfs/h/.",
                 "/streamfs/a/b/../../../memfs/i", "..%2Fmemfs%2Fj", "%2e%2e/memfs/k"):
        put_raw(server, path)
    equal(streams(server, "/memfs"), list("fghijk"), "files")
    for path in ("/streamfs/../etc/passwd", "/..", "/../etc", "/memfs/../.."):
        check(ask(server, f"PUT /files?path={path}", b"x").status in (403, 404), path)
    put_raw(server, "/streamfs/..hidden")
    put_raw(server, "/streamfs/...")
    equal(streams(server), ["README", "...", "..hidden"], "dots that are names")


def put_raw(server, encoded):
    equal(ask(server, f"PUT /files?path={encoded}", b"x").status, 200, encoded)


@case
def a_name_is_the_same_in_every_encoding(_):
    """Random names, each written in one encoding and found in another."""
    server, chance, kept = Server(), dice(), set()
    alphabet = "ab/.+ %&=?#\"\\\n\t\x01\x7f~é€😀\u202e\ufeff"
    for _ in range(150):
        name = "".join(chance.choice(alphabet) for _ in range(chance.randrange(1, 24)))
        every = "".join(f"%{byte:02{chance.choice('xX')}}" for byte in name.encode())
        plus = quote(name).replace("%20", "+")
        first, second = chance.sample([every, plus, quote(name)], 2)
        answer = ask(server, f"PUT /files?path=/streamfs/{first}", name.encode())
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            check(answer.status in (200, 403, 404), f"{name!r}: {answer.status}")
            continue
        equal(answer.status, 200, f"{name!r}: {answer.body!r}")
        found = ask(server, f"GET /stat?path=/streamfs/{second}")
        equal((found.status, found.json()["name"]), (200, parts[-1]), f"{name!r}")
        kept.add("/".join(parts))
    listed = set(streams(server))
    check(kept <= listed, f"not listed: {sorted(kept - listed)[:3]}")
    metrics = raw(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").body.decode()
    for line in metrics.splitlines():
        check(re.fullmatch(r"#.*|\w+(\{.*\})? [-+.0-9eE]+", line), f"no metric: {line!r}")
    longest = ask(server, f"PUT /files?path=/streamfs/{LONGEST}", b"x")
    equal(longest.status, 200, "1,024 bytes")
    equal(stat(server, f"/streamfs/{LONGEST}")["size"], 1, "its size")


def raw(server, data):
    with Wire(server) as wire:
        wire.send(data)
        return wire.answer()


# ---- sizes ----

BAD_SIZES = ["0", "-1", "-5MB", "0KB", "12XB", "1TB", "9223372036854775808", "1e99", "NaN", "",
             " ", "MB", "1 2MB", "0x10", "99999999999999999999GB", "8388608TB", "½MB"]


@case
def sizes_that_cannot_be_honoured_are_refused_at_the_mount(_):
    server = Server()
    for key in ("ring_buffer_size", "channel_buffer_size"):
        for size in [*BAD_SIZES, 0, -1, 1 << 62, (1 << 63) - 1, 1 << 63, 1e300, 0.5, True, None, [],
                     {}]:
            status, answer = ask_json(server, "POST /mount", {
                "fstype": "streamfs", "path": "/live", "config": {key: size}})
            equal(status, 400, f"{key} {size!r}")
            contains(answer["error"], key, f"{size!r}")
    equal([m["path"] for m in ask_json(server, "GET /mounts")[1]["mounts"]],
          ["/dev", "/memfs", "/streamfs"], "mounts")
    alive(server)


@case
def sizes_in_a_configuration_are_refused_with_file_and_line(work):
    path = os.path.join(work, "pfs.toml")
    for n, size in enumerate([f'"{size}"' for size in BAD_SIZES] + ["0", "-1", "true", "[]",
                                                                   "9223372036854775807"]):
        key = ("ring_buffer_size", "channel_buffer_size")[n % 2]
        with open(path, "w") as out:
            out.write(f'[plugins.streamfs]\nenabled = true\npath = "/s"\n\n'
                      f"[plugins.streamfs.config]\n{key} = {size}\n")
        status, err = serve_fails("--config", path)
        equal(status, 1, f"{key} = {size}: {err}")
        contains(err, f"{path}:6", f"{key} = {size}")
        contains(err, key, f"{key} = {size}")
    for broken, line in (("[server\n", 1), ("\n\nx = = 1\n", 3), ("[server]\nadress = ':80'\n", 2),
                         ("[plugins.streamfs]\npath = '/a'\nfoo = 1\n", 3)):
        with open(path, "w") as out:
            out.write(broken)
        status, err = serve_fails("--config", path)
        equal(status, 1, f"{broken!r}: {err}")
        contains(err, f"{path}:{line}", f"{broken!r}")


def serve_fails(*options):
    ended = run([built("pfs"), "serve", "--listen", "127.0.0.1:0", *options], env=environment())
    equal(ended.stdout, b"", f"stdout of {options}")
    return ended.returncode, ended.stderr.decode()


@case
def sizes_on_the_command_line_are_refused(_):
    for option in ("--ring-buffer-size", "--channel-buffer-size", "--memory-limit"):
        for size in ("0", "-1", "12XB", "9223372036854775808", ""):
            status, err = serve_fails(option, size)
            check(status in (1, 2) and err.strip(), f"{option} {size!r}: {status} {err!r}")
    for options in (["--ring-buffer-size", "1TB"], ["--listen", "0.0.0.0:0"], ["--port", "65536"],
                    ["--policy", "hope"], ["--config", "/nowhere"], ["--nonsense"]):
        status, err = serve_fails(*options)
        check(status in (1, 2) and err.strip(), f"{options}: {status} {err!r}")


# ---- bodies ----

@case
def bodies_over_the_limit_are_refused_on_every_way_and_nothing_is_kept(_):
    server = Server("--max-body", "1M")
    before = descriptors(server)
    for request in ("PUT /files?path=/memfs/big", "POST /write?path=/memfs/big"):
        for headers, body in ((["Content-Length: 1048577"], b"x"),
                              (["Content-Length: 9223372036854775807"], b"x"),
                              (["Transfer-Encoding: chunked"],
                               b"80000\r\n" + bytes(0x80000) + b"\r\n80001\r\n" + bytes(0x80001))):
            with Wire(server) as wire:
                wire.begin(request, None, headers)
                try:
                    wire.send(body)
                except OSError:
                    pass  # it may be refused before it is all sent
                answer = wire.answer()
                equal((answer.status, answer.headers.get("connection")), (413, "close"), headers)
    for request in ("POST /mount", "POST /digest", "POST /grep", "POST /rename?path=/memfs/x"):
        with Wire(server) as wire:
            wire.begin(request, None, ["Content-Length: 1048577"])
            equal(wire.answer().status, 413, request)
    equal(ask(server, "GET /stat?path=/memfs/big").status, 404, "a file of it")
    eventually(lambda: descriptors(server) <= before, "descriptors")
    alive(server)


@case
def bodies_that_are_cut_leave_whole_bytes_and_no_writer(_):
    """A chunked upload is cut at a random byte: the stream has a beginning of it."""
    server, chance = Server(), dice()
    put(server, "/streamfs/s", b"")
    content = b""
    before = descriptors(server)
    for _ in range(60):
        piece = chance.randbytes(chance.choice([1, 30, 5000]))
        wire = b"%x\r\n%s\r\n0\r\n\r\n" % (len(piece), piece)
        cut = chance.randrange(len(wire))
        with Wire(server) as half:
            half.begin("PUT /files?path=/streamfs/s", None, ["Transfer-Encoding: chunked"])
            half.send(wire[:cut])
            # It is over when the server has closed, and not when there is no writer yet.
            half.sock.shutdown(socket.SHUT_WR)
            half.to_the_end()
        eventually(lambda: content_of(server, "/streamfs/s")["active_writers"] == "0", "it is gone")
        whole = ask(server, "GET /files?path=/streamfs/s&stream=true&until=tail").body
        check(whole.startswith(content), "what was there is there")
        check(piece.startswith(whole[len(content):]), f"not a beginning of {piece[:20]!r}")
        content = whole
    check(content, "nothing of all of them")
    # A memfs file is written by a whole body or not at all.
    for headers in (["Content-Length: 10"], ["Transfer-Encoding: chunked"]):
        with Wire(server) as half:
            half.begin("PUT /files?path=/memfs/f", None, headers)
            half.send(b"5\r\nhello\r\n"[:9])
    eventually(lambda: descriptors(server) <= before, "descriptors")
    equal(ask(server, "GET /stat?path=/memfs/f").status, 404, "half a file")


BAD_CHUNKS = [b"11111111111111111\r\n", b"00000000000000001\r\nx\r\n", b"ffffffffffffffff\r\n",
              b"8000000000000000\r\n", b"-1\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"g\r\n",
              b"\r\n", b" 5\r\nhello\r\n", b"5\nhello\r\n", b"5\r\nhelloX\r\n", b"5\r\nhello\n\n",
              b"5" + b" " * 9000, b"5;" + b"x" * 100_000 + b"\r\nhello\r\n",
              b"0\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n", b"5\r\nhello\r\n0\r\r\n\r\n"]


@case
def chunks_that_are_no_chunks_are_400_and_the_connection_ends(_):
    server = Server()
    for bad in BAD_CHUNKS:
        for target in ("/streamfs/bad", "/memfs/bad"):
            with Wire(server) as wire:
                wire.begin(f"PUT /files?path={target}", None, ["Transfer-Encoding: chunked"])
                try:
                    wire.send(bad)
                except OSError:
                    pass
                answer = wire.answer()
                check(answer.status in (400, 413, 431), f"{bad[:30]!r}: {answer.status}")
                equal(answer.headers.get("connection"), "close", bad[:30])
                equal(wire.to_the_end(), b"", "behind the answer")
    equal(ask(server, "GET /stat?path=/memfs/bad").status, 404, "a file of it")
    equal(content_of(server, "/streamfs/bad")["active_writers"], "0", "writers")
    # A chunk before the bad one has been forwarded; nothing behind it is.
    check(stat(server, "/streamfs/bad")["size"] <= 5 * len(BAD_CHUNKS), "bytes from nowhere")


# ---- heads ----

GET = b"GET /api/v1/health "
BAD_HEADS = [
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"GET /" + b"a" * 70_000, 414),
    (GET + b"HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    (GET + b"HTTP/1.1\r\nHost: x\r\n" + b"X-Y: zzzzzzzzzzzz\r\n" * 5000 + b"\r\n", 431),
    (GET + b"HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
    (GET + b"HTTP/1.1\r\n\r\n", 400),
    (GET + b"HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    (GET + b"HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    (GET + b"HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
    (GET + b"http/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET  /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"\x00\x01\x02\x03\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    (GET + b"HTTP/1.1\r\nHost: x\r\n folded: x\r\n\r\n", 400),
    (GET + b"HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    (GET + b"HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
    (GET + b"HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
    (b"PUT /api/v1/files?path=/streamfs/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
     b"Content-Length: 2\r\n\r\nab", 400),
    (b"PUT /api/v1/files?path=/streamfs/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"PUT /api/v1/files?path=/streamfs/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"PUT /api/v1/files?path=/streamfs/x HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400),
    (b"PUT /api/v1/files?path=/streamfs/x HTTP/1.1\r\nHost: x\r\n"
     b"Content-Length: 99999999999999999999\r\n\r\na", 400),
    (b"PUT /api/v1/files?path=/streamfs/x HTTP/1.1\r\nHost: x\r\n"
     b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"PUT /api/v1/files?path=/streamfs/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"0\r\n\r\n", 400),
]


@case
def heads_that_are_no_heads_are_told_why_and_closed(_):
    server = Server()
    before = descriptors(server)
    for head, status in BAD_HEADS:
        with Wire(server) as wire:
            try:
                wire.send(head)
            except OSError:
                pass
            answer = wire.answer()
            check(answer.status in (status if isinstance(status, tuple) else (status,)),
                  f"{head[:50]!r}: {answer.status}, want {status}")
            check(answer.json()["error"], "no words")
            equal(wire.to_the_end(), b"", f"{head[:50]!r}: behind the answer")
    eventually(lambda: descriptors(server) <= before, "descriptors")
    alive(server)


@case
def random_bytes_and_random_changes_of_good_requests_do_no_harm(_):
    server, chance = Server(), dice()
    good = [b"GET /api/v1/stat?path=%2Fstreamfs HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
            b"POST /api/v1/mount HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\n"
            b'{"fstype": "nothing", "path": "x"}',
            b"PUT /api/v1/files?path=%2Fmemfs%2Ff HTTP/1.1\r\nHost: x\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\n",
            b"GET /api/v1/files?path=/streamfs/README&stream=true HTTP/1.0\r\n\r\n"]
    answered = 0
    for _ in range(600):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.randrange(256)
            else:
                data[at:at + chance.randrange(8)] = chance.randbytes(chance.randrange(8))
        if chance.random() < 0.1:
            data = chance.randbytes(chance.randrange(1, 3000))
        with Wire(server, timeout=5) as wire:
            try:
                wire.send(bytes(data))
                wire.sock.shutdown(1)
                got = wire.to_the_end()
            except ConnectionError:
                continue
            check(not got or got.startswith(b"HTTP/1."), f"to {bytes(data)!r}: {got[:40]!r}")
            answered += got.startswith(b"HTTP/1.")
    check(answered > 300, f"only {answered} of 600 were answered")
    eventually(lambda: ask(server, "GET /health").status == 200, "it goes on")
    check(server.child.poll() is None, "the server has ended")


@case
def other_versions_and_methods(_):
    server = Server()
    put(server, "/memfs/f", b"content")
    put(server, "/streamfs/s", b"stream", "&seal=true")
    for request, want in ((b"GET /api/v1/files?path=/memfs/f HTTP/1.0\r\n\r\n", b"content"),
                          (b"GET /api/v1/files?path=/streamfs/s&stream=1&stream=true HTTP/1.0\r\n"
                           b"Host: x\r\n\r\n", None),
                          (b"GET /api/v1/files?path=/streamfs/s&stream=true HTTP/1.0\r\n\r\n",
                           b"stream")):
        with Wire(server) as wire:
            wire.send(request)
            answer = wire.head()
            check("transfer-encoding" not in answer.headers, f"{request!r} is answered in chunks")
            body = wire.to_the_end()  # and it is closed
            if want:
                equal((answer.status, body), (200, want), request)
    with Wire(server) as wire:
        wire.send(b"PUT /api/v1/files?path=/streamfs/t HTTP/1.0\r\nContent-Length: 2\r\n\r\nab")
        equal(wire.answer().status, 200, "PUT by HTTP/1.0")
    for method in ("HEAD", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "X" * 20):
        for target in ("/files?path=/memfs/f", "/files?path=/streamfs/s&stream=true",
                       "/stat?path=/", "/mounts"):
            with Wire(server) as wire:
                wire.begin(f"{method} {target}", None)
                answer = wire.head()
                check(answer.status in (400, 405, 501), f"{method} {target}: {answer.status}")
                if method == "HEAD":
                    equal(wire.ask("GET /version").status, 200, "the same connection goes on")
                else:
                    wire.rest_of(answer)


@case(timeout=90)
def slow_clients_are_ended_and_nobody_else_notices(_):
    """Heads that trickle, from 100 clients; one that says nothing at all."""
    server = Server()
    before = descriptors(server)
    loris = [Wire(server, timeout=40) for _ in range(100)]
    head = b"GET /api/v1/files?path=/memfs/f HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 4000
    ended = threading.Event()
    reader = begin([Reader(server, "/streamfs/s")])

    def trickle():
        for at in range(len(head)):
            for wire in loris[1:]:
                try:
                    wire.send(head[at:at + 1])
                except OSError:
                    pass
            if ended.wait(0.2):
                return
    thread = threading.Thread(target=trickle, daemon=True)
    began = time.monotonic()
    thread.start()
    slowest, n = 0, 0
    while time.monotonic() - began < 40 * patience() and descriptors(server) > before + 2:
        asked = time.monotonic()
        put(server, "/streamfs/s", record(1, n))
        slowest, n = max(slowest, time.monotonic() - asked), n + 1
        ended.wait(0.02)
    taken = time.monotonic() - began
    ended.set()
    thread.join()
    print(f"  gone after {taken:.1f} s; {n} writes beside them, slowest {slowest * 1000:.0f} ms")
    check(descriptors(server) <= before + 2, f"{descriptors(server)} descriptors, {before} before")
    check(slowest < 1 * patience(), "a write had to wait for them")
    for wire in loris:
        wire.close()
    equal(ask(server, "DELETE /files?path=/streamfs/s", b"").status, 200, "delete")
    finish(reader)
    equal(reader[0].order.records, n, "records that its reader got")


if __name__ == "__main__":
    main()
