#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the Python SDK sends for each of its stream calls, byte for byte, and what
it must get. The requests were written down from the wire (requests 2.28); the
answers are those of the protocol."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, equal, main
from pfs_tool import Server
from rawhttp import Wire

COMMON = ("Host: localhost:8080\r\n"
          "User-Agent: python-requests/2.28.1\r\n"
          "Accept-Encoding: gzip, deflate\r\n"
          "Accept: */*\r\n"
          "Connection: keep-alive\r\n")


def request(line, more="", body=b""):
    """A request as the SDK sends it."""
    return f"{line} HTTP/1.1\r\n{COMMON}{more}\r\n".encode() + body


def get(target):
    return request(f"GET {target}")


def with_json(line, text):
    return request(line, f"Content-Length: {len(text)}\r\nContent-Type: application/json\r\n",
                   text.encode())


def empty(line):
    return request(line, "Content-Length: 0\r\n")


class Sdk:
    """One session: requests on one connection, as its pool does it."""

    def __init__(self):
        self.server = Server()
        self.wire = Wire(self.server)

    def __call__(self, data, status=200):
        self.wire.send(data)
        answer = self.wire.answer()
        equal(answer.status, status, f"{data[:60]!r}: {answer.body!r}")
        check("content-encoding" not in answer.headers, "an encoding nobody asked for")
        return answer

    def says(self, data, text, status=200):
        equal(self(data, status).json(), {"message": text}, f"{data[:60]!r}")

    def fails(self, data, status, text):
        equal(self(data, status).json(), {"error": text}, f"{data[:60]!r}")


WRITE = request("PUT /api/v1/files?path=%2Fstreamfs%2Fs", "Content-Length: 5\r\n", b"hello")


@case
def health(_):
    answer = Sdk()(get("/api/v1/health")).json()
    equal(answer["status"], "healthy", "health()")


@case
def ls(_):
    sdk = Sdk()
    sdk(WRITE)
    files = sdk(get("/api/v1/directories?path=%2Fstreamfs")).json()["files"]
    equal([(f["name"], f["isDir"]) for f in files], [("README", False), ("s", False)], "ls()")
    check(all("T" in f["modTime"] and f["modTime"].endswith("Z") for f in files), f"times of {files}")


@case
def stat(_):
    sdk = Sdk()
    sdk.fails(get("/api/v1/stat?path=%2Fstreamfs%2Fs"), 404, "stream not found: /s")
    sdk(WRITE)
    info = sdk(get("/api/v1/stat?path=%2Fstreamfs%2Fs")).json()
    equal((info["name"], info["size"], info["mode"], info["meta"]["Type"]), ("s", 5, 420, "stream"),
          "stat()")


@case
def cat_of_a_stream_is_an_error_and_of_readme_the_text(_):
    sdk = Sdk()
    sdk.fails(get("/api/v1/files?path=%2Fstreamfs%2Fs"), 500,
              "use stream mode for reading stream files")
    text = sdk(get("/api/v1/files?path=%2Fstreamfs%2FREADME")).body
    part = sdk(get("/api/v1/files?path=%2Fstreamfs%2FREADME&offset=4&size=6")).body
    equal(part, text[4:10], "cat(p, offset, size)")


@case
def cat_streaming(_):
    sdk = Sdk()
    sdk.wire.send(get("/api/v1/files?path=%2Fstreamfs%2Fs&stream=true"))
    head = sdk.wire.head()
    equal((head.status, head.headers["transfer-encoding"]), (200, "chunked"), "before any byte")
    with Wire(sdk.server) as writer:
        writer.send(WRITE)
        equal(writer.answer().json(), {"message": "Written 5 bytes"}, "write()")
        equal(sdk.wire.chunk(), b"hello", "cat(p, stream=True)")
        writer.send(empty("DELETE /api/v1/files?path=%2Fstreamfs%2Fs"))
        equal(writer.answer().json(), {"message": "deleted"}, "rm()")
    equal(sdk.wire.chunk(), b"", "its end")


@case
def write_bytes(_):
    Sdk().says(WRITE, "Written 5 bytes")


@case
def write_of_an_iterator(_):
    sdk = Sdk()
    sdk.says(request("PUT /api/v1/files?path=%2Fstreamfs%2Fs", "Transfer-Encoding: chunked\r\n",
                     b"2\r\naa\r\n2\r\nbb\r\n0\r\n\r\n"), "Written 4 bytes")
    info = sdk(get("/api/v1/stat?path=%2Fstreamfs%2Fs")).json()
    equal(info["meta"]["Content"]["records"], "2", "each chunk is a record")


@case
def names_with_spaces_and_signs(_):
    sdk = Sdk()
    path = "%2Fstreamfs%2Fmy+stream%2F%C3%A9%26%3D%2B"
    sdk.says(request(f"PUT /api/v1/files?path={path}", "Content-Length: 1\r\n", b"x"),
             "Written 1 bytes")
    files = sdk(get("/api/v1/directories?path=%2Fstreamfs")).json()["files"]
    equal(files[1]["name"], "my stream/é&=+", "the name")


@case
def create_touch_truncate(_):
    sdk = Sdk()
    create = empty("POST /api/v1/files?path=%2Fstreamfs%2Fs")
    sdk.says(create, "file created", 201)
    sdk.fails(create, 409, "stream already exists: /s")
    sdk.says(empty("POST /api/v1/touch?path=%2Fstreamfs%2Ft"), "touched")
    sdk.says(empty("POST /api/v1/truncate?path=%2Fstreamfs%2Fs&size=0"), "truncated")


@case
def rm(_):
    sdk = Sdk()
    sdk(WRITE)
    sdk.says(empty("DELETE /api/v1/files?path=%2Fstreamfs%2Fs"), "deleted")
    sdk.fails(empty("DELETE /api/v1/files?path=%2Fstreamfs%2Fs&recursive=true"), 404,
              "stream not found: /s")


@case
def mount_unmount_mounts_plugins(_):
    sdk = Sdk()
    mount = with_json("POST /api/v1/mount",
                      '{"fstype": "streamfs", "path": "/live", "config": '
                      '{"channel_buffer_size": "512KB", "ring_buffer_size": "1MB"}}')
    sdk.says(mount, "plugin mounted")
    sdk.fails(mount, 409, "mount already exists: /live")
    live = [m for m in sdk(get("/api/v1/mounts")).json()["mounts"] if m["path"] == "/live"]
    equal(live, [{"path": "/live", "pluginName": "streamfs", "status": "mounted",
                  "config": {"channel_buffer_size": "512KB", "ring_buffer_size": "1MB"}}], "mounts()")
    plugins = sdk(get("/api/v1/plugins")).json()["plugins"]
    paths = next(p for p in plugins if p["name"] == "streamfs")["mounted_paths"]
    equal([p["path"] for p in paths], ["/live", "/streamfs"], "plugins()")
    sdk.says(with_json("POST /api/v1/unmount", '{"path": "/live"}'), "plugin unmounted")
    sdk.fails(with_json("POST /api/v1/unmount", '{"path": "/live"}'), 404, "no mount at path: /live")


@case
def handles(_):
    sdk = Sdk()
    opened = sdk(empty("POST /api/v1/handles/open?path=%2Fstreamfs%2Fh&flags=17&mode=420&lease=60"))
    writer = opened.json()["handle_id"]
    opened = sdk(empty("POST /api/v1/handles/open?path=%2Fstreamfs%2Fh&flags=0&mode=420&lease=60"))
    reader = opened.json()["handle_id"]
    equal((opened.json()["path"], opened.json()["flags"], opened.json()["lease"]),
          ("/streamfs/h", 0, 60), "open_handle()")
    answer = sdk(request(f"PUT /api/v1/handles/{writer}/write", "Content-Length: 10\r\n", b"0123456789"))
    equal(answer.json(), {"bytes_written": 10, "position": 0}, "fh.write()")
    answer = sdk(get(f"/api/v1/handles/{reader}/read?size=10"))
    equal((answer.body, answer.headers["x-bytes-read"]), (b"0123456789", "10"), "fh.read()")
    equal(sdk(get(f"/api/v1/handles/{reader}/read?size=4&offset=0")).body, b"0123", "fh.read_at()")
    answer = sdk(empty(f"POST /api/v1/handles/{reader}/seek?offset=0&whence=0")).json()
    equal(answer["position"], 0, "fh.seek()")
    sdk.says(empty(f"POST /api/v1/handles/{writer}/sync"), "synced")
    equal(sdk(get(f"/api/v1/handles/{reader}/stat")).json()["size"], 10, "fh.stat()")
    for handle in (reader, writer):
        sdk.says(empty(f"DELETE /api/v1/handles/{handle}"), "handle closed")


@case
def list_handles_follows_the_redirect(_):
    sdk = Sdk()
    moved = sdk(get("/api/v1/handles"), 301)
    answer = sdk(get(moved.headers["location"])).json()
    equal((answer["handles"], answer["count"], answer["max"]), ([], 0, 10000), "list_handles()")


@case
def sessions_side_by_side_see_one_order(_):
    server = Server()
    rounds = 50

    def write(letter):
        with Wire(server) as wire:
            for n in range(rounds):
                body = f"{letter}{n:03d}".encode()
                wire.send(request("PUT /api/v1/files?path=%2Fstreamfs%2Fs",
                                  f"Content-Length: {len(body)}\r\n", body))
                equal(wire.answer().json(), {"message": "Written 4 bytes"}, "write()")
    with Wire(server) as one, Wire(server) as two:
        for wire in (one, two):
            wire.send(get("/api/v1/files?path=%2Fstreamfs%2Fs&stream=true"))
            equal(wire.head().status, 200, "cat(stream=True)")
        writers = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
        for thread in writers:
            thread.start()
        got = []
        for wire in (one, two):
            data = b""
            while len(data) < 2 * rounds * 4:
                data += wire.chunk()
            got.append(data)
        for thread in writers:
            thread.join()
    equal(got[0], got[1], "the order that both readers see")
    for letter in b"ab":
        mine = [got[0][i + 1:i + 4] for i in range(0, len(got[0]), 4) if got[0][i] == letter]
        equal(mine, [f"{n:03d}".encode() for n in range(rounds)], "the order of one writer")


if __name__ == "__main__":
    main()
