#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The REST API of `pfs serve`: general rules and each call, on the wire."""

import hashlib
import json
import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import case, check, contains, equal, main, need, run
from pfs_tool import Server
from rawhttp import Wire, ask, ask_json, error, message, put, quote, stat

STREAM_MODE = "use stream mode for reading stream files"
BODY_MAX = 64 << 20


# ---- general rules ----

@case
def root_banner_health_ready_version_capabilities(_):
    server = Server()
    with Wire(server) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        banner = wire.answer()
    equal((banner.status, banner.json()),
          (200, {"service": "AGFS Server", "status": "running", "version": "1.4.0"}), "GET /")
    for method in ("GET", "POST", "PUT", "DELETE"):
        status, health = ask_json(server, f"{method} /health")
        equal((status, health["status"], health["ready"], health["degraded"], health["mounts"]),
              (200, "healthy", True, False, {"total": 3, "pending": 0, "mounted": 3, "failed": 0}),
              f"{method} /health")
        check({"version", "gitCommit", "buildTime"} <= health.keys(), f"keys of {health}")
    status, ready = ask_json(server, "GET /ready")
    equal((status, ready["ready"]), (200, True), "GET /ready")
    status, version = ask_json(server, "GET /version")
    check({"buildTime", "gitCommit", "version"} <= version.keys(), f"keys of {version}")
    status, able = ask_json(server, "GET /capabilities")
    check({"handlefs", "grep", "digest", "stream", "touch"} <= set(able["features"]), f"{able}")
    equal(able["version"], "1.4.0", "version of the protocol")


@case
def wrong_methods_are_405_and_unknown_urls_a_text_of_404(_):
    server = Server()
    for request in ("PATCH /files?path=/memfs/x", "OPTIONS /files", "PUT /stat?path=/memfs",
                    "GET /touch?path=/x", "DELETE /mounts", "POST /version", "GET /mount",
                    "POST /streams/stats", "GET /streams/close", "PATCH /handles/open"):
        error(server, request, 405, "method not allowed")
    head = ask(server, "HEAD /files?path=/memfs/x")
    equal(head.status, 405, "HEAD")
    for target in ("/files/", "/nothing", "/", "/stat/x", "/plugins/other"):
        answer = ask(server, f"GET {target}")
        equal((answer.status, answer.body.strip()), (404, b"404 page not found"), target)
        contains(answer.headers["content-type"], "text/plain", target)
    with Wire(server) as wire:
        wire.send(b"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n")
        equal(wire.answer().status, 404, "outside of the prefix")


@case
def connections_are_kept_and_requests_may_be_pipelined(_):
    server = Server()
    with Wire(server) as wire:
        for n in range(3):
            equal(wire.ask(f"PUT /files?path=/memfs/{n}", b"x" * n).status, 200, "PUT")
        for n in range(3):
            wire.begin(f"GET /files?path=/memfs/{n}")
        for n in range(3):
            equal(wire.answer().body, b"x" * n, "an answer of the pipeline")


@case
def a_path_is_required_and_normalised(_):
    server = Server()
    put(server, "/memfs/a b", b"found")
    for path in ("/memfs/a b", "memfs/a b", "//memfs//a b", "/memfs/./a b", "/memfs/x/../a b",
                 "/../memfs/a b", "/memfs/a b/"):
        answer = ask(server, f"GET /files?path={quote(path)}")
        equal((answer.status, answer.body), (200, b"found"), path)
    equal(ask(server, "GET /files?path=/memfs/a+b").body, b"found", "a plus is a space")
    equal(ask(server, "GET /files?path=%2Fmemfs%2Fa%20b&path=/other").body, b"found",
          "the first value counts")
    for request in ("GET /files", "GET /files?path=", "PUT /files", "POST /files", "DELETE /files",
                    "GET /stat", "POST /touch", "POST /truncate?size=1", "POST /directories",
                    "POST /handles/open", "POST /streams/close"):
        error(server, request, 400, "path parameter is required")


@case
def names_that_cannot_be_are_refused(_):
    server = Server()
    for path, says in (("%2Fstreamfs%2Fa%00b", "NUL"), ("%2Fstreamfs%2F%FF%FE", "UTF-8"),
                       ("%2Fstreamfs%2F%C0%AF", "UTF-8"), ("%2Fstreamfs%2F%ED%A0%80", "UTF-8")):
        for method in ("PUT", "GET", "POST"):
            answer = ask(server, f"{method} /files?path={path}&stream=true",
                         None if method == "GET" else b"x")
            equal(answer.status, 400, f"{method} {path}")
            contains(answer.json()["error"], says, path)
    longest = "/streamfs/" + "n" * 1024
    put(server, longest, b"x")
    error(server, f"PUT /files?path={longest}n", 400,
          "invalid stream name: longer than 1024 bytes", b"x")
    equal(ask(server, f"GET /files?path={longest}n&stream=true").status, 400, "a long name")
    equal(ask(server, f"GET /stat?path={longest}n").status, 404, "stat of a long name")
    bad = ask(server, "GET /stat?path=%2")
    equal(bad.status, 400, "half an escape")


@case
def percent_and_plus_encodings_of_stream_names(_):
    server = Server()
    name = "/streamfs/my stream/é&=+"
    encoded = "%2Fstreamfs%2Fmy+stream%2F%C3%A9%26%3D%2B"
    equal(ask(server, f"PUT /files?path={encoded}", b"abc").status, 200, "PUT as the SDK does it")
    equal(stat(server, name)["size"], 3, "size under its other encoding")
    _, listed = ask_json(server, "GET /directories?path=%2Fstreamfs")
    equal([f["name"] for f in listed["files"]], ["README", "my stream/é&=+"], "names")


@case
def a_body_over_the_limit_is_413_and_the_connection_ends(_):
    server = Server("--max-body", "1M")
    for headers, body in ((["Content-Length: 1048577"], b""),
                          (["Transfer-Encoding: chunked"], b"100001\r\n" + b"x" * 0x100001)):
        with Wire(server) as wire:
            wire.begin("PUT /files?path=/memfs/big", None, headers)
            try:
                wire.send(body)
            except OSError:
                pass  # it may be refused before it is all sent
            answer = wire.answer()
            equal((answer.status, answer.json()),
                  (413, {"error": "request body exceeds maximum size of 1048576 bytes"}), headers)
            equal(answer.headers.get("connection"), "close", "connection")
    put(server, "/memfs/fits", b"x" * (1 << 20))
    put(server, "/streamfs/no-limit", b"y" * (3 << 20))


@case
def the_standard_limit_is_64_mib(_):
    server = Server()
    with Wire(server) as wire:
        wire.begin("PUT /files?path=/memfs/big", None, [f"Content-Length: {BODY_MAX + 1}"])
        equal(wire.answer().json(),
              {"error": "request body exceeds maximum size of 67108864 bytes"}, "413")


@case
def expect_100_continue_is_answered(_):
    server = Server()
    with Wire(server) as wire:
        wire.begin("PUT /files?path=/memfs/f", None,
                   ["Content-Length: 3", "Expect: 100-continue"])
        equal(wire.line(), "HTTP/1.1 100 Continue", "interim answer")
        equal(wire.line(), "", "behind it")
        wire.send(b"abc")
        equal(wire.answer().status, 200, "answer")


@case
def what_is_not_mounted_is_not_found_and_nothing_is_made_there(_):
    server = Server()
    for request, verb in (("GET /files?path=/x", "read"), ("PUT /files?path=/x", "write"),
                          ("GET /stat?path=/x", "stat"), ("GET /directories?path=/x", "readdir"),
                          ("DELETE /files?path=/x", "remove"), ("POST /chmod?path=/x", "chmod"),
                          ("POST /rename?path=/x", "rename"), ("POST /touch?path=/x", "touch"),
                          ("POST /truncate?path=/x&size=0", "truncate"),
                          ("GET /files?path=/x&stream=true", "openstream"),
                          ("POST /handles/open?path=/x", "openhandle")):
        body = {"chmod": b'{"mode":420}', "rename": b'{"newPath":"/memfs/y"}'}.get(verb)
        error(server, request, 404, f"{verb}: /x: not found", body)
    error(server, "POST /files?path=/x", 403, "create: /x: permission denied "
          "(not allowed to create file in rootfs, use mount instead)")
    error(server, "POST /directories?path=/x", 403, "mkdir: /x: permission denied "
          "(not allowed to create directory in rootfs, use mount instead)")


@case
def the_root_and_mount_points_are_folders(_):
    server = Server()
    _, listed = ask_json(server, "GET /directories")
    equal([(f["name"], f["isDir"], f["mode"], f["meta"]["Name"], f["meta"]["Type"])
           for f in listed["files"]],
          [(name, True, 0o755, "rootfs", "mount-point") for name in ("dev", "memfs", "streamfs")],
          "the root")
    equal(ask_json(server, "GET /list?path=/")[1]["files"][0]["name"], "dev", "GET /list")
    root = stat(server, "/")
    equal((root["isDir"], root["meta"]["Type"]), (True, "root"), "stat /")
    equal(stat(server, "/streamfs")["name"], "streamfs", "name of a mount point")
    check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", root["modTime"]), root["modTime"])


@case
def dev_null_takes_all_and_gives_nothing(_):
    server = Server()
    put(server, "/dev/null", b"gone")
    equal(ask(server, "GET /files?path=/dev/null").body, b"", "reading it")
    _, listed = ask_json(server, "GET /directories?path=/dev")
    equal([f["name"] for f in listed["files"]], ["null"], "ls /dev")
    equal(ask(server, "POST /files?path=/dev/x", b"").status, 403, "another file")


# ---- files ----

@case
def a_file_is_created_written_read_and_deleted(_):
    server = Server()
    message(server, "POST /files?path=/memfs/f", 201, "file created")
    equal(ask(server, "POST /files?path=/memfs/f", b"").status, 409, "create again")
    put(server, "/memfs/f", b"0123456789")
    put(server, "/memfs/f", b"abcde")
    for query, want in (("", b"abcde"), ("&offset=1", b"bcde"), ("&offset=1&size=2", b"bc"),
                        ("&size=0", b""), ("&offset=5", b""), ("&offset=99", b""),
                        ("&offset=3&size=99", b"de"), ("&size=-1", b"abcde")):
        answer = ask(server, f"GET /files?path=/memfs/f{query}")
        equal((answer.status, answer.body, answer.headers["content-type"]),
              (200, want, "application/octet-stream"), query)
    for query, says in (("offset=x", "offset"), ("size=1x", "size"),
                        ("offset=9223372036854775808", "offset")):
        error(server, f"GET /files?path=/memfs/f&{query}", 400, f"invalid {says} parameter")
    error(server, "GET /files?path=/memfs/f&stream=true", 404,
          "filesystem does not support streaming: /memfs/f")
    message(server, "DELETE /files?path=/memfs/f", 200, "deleted")
    contains(error(server, "DELETE /files?path=/memfs/f", 404, "file not found: /f").json()["error"],
             "not found", "words that shells look for")


@case
def a_large_file_comes_back_whole(_):
    server = Server()
    data = os.urandom(1 << 20) * 9
    put(server, "/memfs/large", data)
    answer = ask(server, "GET /files?path=/memfs/large")
    equal((len(answer.body), hashlib.md5(answer.body).digest()),
          (len(data), hashlib.md5(data).digest()), "9 MiB")
    equal(answer.headers["content-length"], str(len(data)), "Content-Length")


@case
def post_write_takes_raw_bytes_and_json(_):
    server = Server()
    message(server, "POST /write?path=/memfs/f", 200, "Written 3 bytes", b"raw")
    answer = ask(server, "POST /write?path=/memfs/f", json.dumps({"data": "tëxt"}).encode(),
                 ["Content-Type: application/json"])
    equal((answer.status, answer.json()), (200, {"message": "Written 5 bytes"}), "JSON")
    equal(ask(server, "GET /files?path=/memfs/f").body, "tëxt".encode(), "content")
    bad = ask(server, "POST /write?path=/memfs/f", b"{", ["Content-Type: application/json"])
    equal((bad.status, bad.json()), (400, {"error": "invalid request body"}), "half an object")


@case
def directories_are_made_listed_and_removed(_):
    server = Server()
    equal(ask_json(server, "GET /directories?path=/memfs"), (200, {"files": None}), "empty")
    message(server, "POST /directories?path=/memfs/d&mode=0700", 201, "directory created")
    message(server, "POST /mkdir?path=/memfs/d/e", 201, "directory created")
    equal((stat(server, "/memfs/d")["mode"], stat(server, "/memfs/d/e")["mode"]),
          (0o700, 0o755), "modes")
    error(server, "POST /directories?path=/memfs/x&mode=9", 400, "invalid mode")
    equal(ask(server, "POST /mkdir?path=/memfs/d", b"").status, 409, "once more")
    equal(ask(server, "POST /mkdir?path=/memfs/no/e", b"").status, 404, "without its parent")
    put(server, "/memfs/d/e/f", b"x")
    equal(ask(server, "DELETE /files?path=/memfs/d", b"").status, 409, "not empty")
    message(server, "DELETE /directories?path=/memfs/d&recursive=true", 200, "deleted")
    equal(ask(server, "GET /stat?path=/memfs/d/e/f").status, 404, "what was in it")


@case
def stat_has_what_clients_ask_for(_):
    server = Server()
    put(server, "/memfs/f", b"12345")
    info = stat(server, "/memfs/f")
    equal({k: info[k] for k in ("name", "size", "mode", "isDir")},
          {"name": "f", "size": 5, "mode": 0o644, "isDir": False}, "stat")
    equal(info["meta"].keys(), {"Name", "Type", "Content"}, "meta")
    equal(info["meta"]["Content"], None, "Content where there is none")


@case
def rename_chmod_truncate_touch(_):
    server = Server()
    put(server, "/memfs/f", b"12345")
    message(server, "POST /rename?path=/memfs/f", 200, "renamed", b'{"newPath":"/memfs/g"}')
    error(server, "POST /rename?path=/memfs/g", 500, "cannot rename across different mounts",
          b'{"newPath":"/streamfs/g"}')
    error(server, "POST /rename?path=/memfs/g", 400, "invalid request body", b"[]")
    message(server, "POST /chmod?path=/memfs/g", 200, "permissions changed", b'{"mode":384}')
    equal(stat(server, "/memfs/g")["mode"], 0o600, "mode")
    message(server, "POST /truncate?path=/memfs/g&size=2", 200, "truncated")
    equal(ask(server, "GET /files?path=/memfs/g").body, b"12", "shorter")
    message(server, "POST /truncate?path=/memfs/g&size=4", 200, "truncated")
    equal(ask(server, "GET /files?path=/memfs/g").body, b"12\0\0", "longer")
    error(server, "POST /truncate?path=/memfs/g", 400, "size parameter is required")
    error(server, "POST /truncate?path=/memfs/g&size=x", 400, "invalid size parameter")
    error(server, "POST /truncate?path=/memfs/g&size=-1", 400, "size must be non-negative")
    message(server, "POST /touch?path=/memfs/new", 200, "touched")
    message(server, "POST /touch?path=/memfs/new", 200, "touched")
    equal(stat(server, "/memfs/new")["size"], 0, "touched")


@case
def symbolic_links_lead_where_they_say(_):
    server = Server()
    put(server, "/memfs/f", b"content")
    message(server, "POST /symlink?path=/memfs/link", 201, "symlink created", b'{"target":"f"}')
    message(server, "POST /symlink?path=/elsewhere", 201, "symlink created",
            b'{"target":"/streamfs"}')
    equal(ask_json(server, "GET /readlink?path=/memfs/link"), (200, {"target": "f"}), "readlink")
    equal(ask(server, "GET /files?path=/memfs/link").body, b"content", "through the link")
    info = stat(server, "/memfs/link")
    equal((info["mode"], info["meta"]["Type"]), (0o777, "symlink"), "stat of the link")
    put(server, "/elsewhere/s", b"x")
    equal(stat(server, "/streamfs/s")["size"], 1, "a stream through a link")
    check("link" in [f["name"] for f in ask_json(server, "GET /directories?path=/memfs")[1]["files"]],
          "the link is not listed")
    message(server, "DELETE /files?path=/memfs/link", 200, "deleted")
    equal(ask(server, "GET /files?path=/memfs/f").body, b"content", "what it led to is still there")
    for n in range(11):
        message(server, f"POST /symlink?path=/memfs/l{n}", 201, "symlink created",
                json.dumps({"target": f"l{n + 1}"}).encode())
    put(server, "/memfs/l11", b"end")
    equal(ask(server, "GET /files?path=/memfs/l1").body, b"end", "ten links")
    equal(ask(server, "GET /files?path=/memfs/l0").status, 500, "eleven links")
    message(server, "POST /symlink?path=/memfs/circle", 201, "symlink created",
            b'{"target":"circle"}')
    contains(ask(server, "GET /files?path=/memfs/circle").json()["error"], "too many levels", "circle")


@case
def digests(_):
    server = Server()
    data = b"The quick brown fox jumps over the lazy dog"
    put(server, "/memfs/f", data)
    put(server, "/memfs/empty", b"")

    def digest(algorithm, path="/memfs/f"):
        return ask_json(server, "POST /digest", {"algorithm": algorithm, "path": path})
    equal(digest("md5"), (200, {"algorithm": "md5", "path": "/memfs/f",
                                "digest": hashlib.md5(data).hexdigest()}), "md5")
    # Of the empty input XXH3-128 is 99aa06d3014798d86001c324468d497f.
    equal(digest("xxh3", "/memfs/empty")[1]["digest"], "6001c324468d497f", "xxh3 of nothing")
    equal(digest("md5", "/memfs/empty")[1]["digest"], hashlib.md5(b"").hexdigest(), "md5 of nothing")
    check(re.fullmatch("[0-9a-f]{16}", digest("xxh3")[1]["digest"]), "xxh3 has 16 digits")
    equal(digest("sha1"), (400, {"error": "unsupported algorithm: sha1 (supported: xxh3, md5)"}),
          "sha1")
    put(server, "/streamfs/s", b"x")
    equal(digest("md5", "/streamfs/s"),
          (500, {"error": f"failed to calculate digest: {STREAM_MODE}"}), "of a stream")


@case
def pages_of_other_sites_are_refused(_):
    server = Server()
    refused = (403, {"error": "permission denied: asked for by a page of another site"})

    def ask_as(request, *headers, host="localhost"):
        with Wire(server) as wire:
            wire.send("\r\n".join([f"{request} HTTP/1.1", f"Host: {host}", *headers,
                                   "Content-Length: 1", "", "x"]).encode())
            answer = wire.answer()
            return answer.status, answer.json()
    put_it = "PUT /api/v1/files?path=/memfs/f"
    equal(ask_as(put_it, host="evil.example:8080"), refused, "a name that was made to lead here")
    equal(ask_as(put_it, "Origin: http://evil.example"), refused, "a page of the web")
    equal(ask_as("POST /api/v1/files?path=/memfs/f", "Origin: null"), refused, "a page of nowhere")
    equal(ask_as("GET /api/v1/files?path=/streamfs/s&stream=true", "Sec-Fetch-Site: cross-site"),
          refused, "an image of a page of the web")
    equal(ask_as("GET /metrics", host="evil.example"), refused, "figures")
    error(server, "GET /stat?path=/memfs/f", 404, "file not found: /f")
    equal(ask_as(put_it, "Origin: http://localhost:3000")[0], 200, "a page of this machine")


@case
def grep_finds_lines(_):
    server = Server()
    put(server, "/memfs/f", b"one\nTwo\nthree two\n\xff two\n")
    ask(server, "POST /mkdir?path=/memfs/d", b"")
    put(server, "/memfs/d/g", b"two\r\n")
    put(server, "/streamfs/s", b"two\n")

    def grep(pattern, path="/memfs/f", **more):
        return ask_json(server, "POST /grep", {"path": path, "pattern": pattern, **more})
    third = {"file": "/memfs/f", "line": 3, "content": "three two"}
    fourth = {"file": "/memfs/f", "line": 4, "content": "\ufffd two"}
    equal(grep("two"), (200, {"matches": [third, fourth], "count": 2}), "grep")
    equal(grep("^two", case_insensitive=True)[1]["matches"],
          [{"file": "/memfs/f", "line": 2, "content": "Two"}], "in any case")
    equal(grep("nothing"), (200, {"matches": None, "count": 0}), "no match")
    equal(grep("two", limit=1)[1], {"matches": [third], "count": 1}, "limit")
    equal(grep("two", "/memfs"),
          (400, {"error": "path is a directory, use recursive=true to search"}), "a folder")
    equal(sorted(m["file"] for m in grep("two", "/memfs", recursive=True)[1]["matches"]),
          ["/memfs/d/g", "/memfs/f", "/memfs/f"], "recursive")
    equal(grep(r"t\d?wo$", "/memfs/d/g")[1]["count"], 1, "a line that ends in CR")
    equal(grep("two", "/streamfs", recursive=True)[1]["count"], 0, "streams are skipped")
    equal(grep("two", "/streamfs/s"), (500, {"error": f"grep failed: {STREAM_MODE}"}), "a stream")
    equal(grep(r"(?i)\bTW\w+?$")[1]["count"], 3, "the syntax of Go")
    equal(grep("("), (400, {"error": "invalid regex pattern: missing ): ("}), "no pattern")
    for pattern in ("(a{1000}){1000}", r"(a)\1", "x" * 2000, "((a{100}){100}){100}", r"\pL{900}"):
        equal(grep(pattern)[0], 400, pattern)


@case
def grep_streams_a_line_for_each_match(_):
    server = Server()
    put(server, "/memfs/f", b"a\nb\na\n")
    answer = ask(server, "POST /grep",
                 b'{"path":"/memfs/f","pattern":"a","stream":true}')
    equal((answer.headers["content-type"], answer.headers["transfer-encoding"]),
          ("application/x-ndjson", "chunked"), "head")
    lines = [json.loads(line) for line in answer.body.splitlines()]
    equal(lines, [{"file": "/memfs/f", "line": 1, "content": "a"},
                  {"file": "/memfs/f", "line": 3, "content": "a"},
                  {"count": 2, "type": "summary"}], "lines")


# ---- mounts ----

@case
def mounts_come_and_go(_):
    server = Server()
    config = {"channel_buffer_size": "512KB", "ring_buffer_size": "1MB"}
    equal(ask_json(server, "POST /mount", {"fstype": "streamfs", "path": "/live", "config": config}),
          (200, {"message": "plugin mounted"}), "mount")
    equal(ask_json(server, "POST /mount", {"fstype": "memfs", "path": "/a/b", "config": {}}),
          (200, {"message": "plugin mounted"}), "mount below a folder")
    _, listed = ask_json(server, "GET /mounts")
    equal([m["path"] for m in listed["mounts"]], ["/a/b", "/dev", "/live", "/memfs", "/streamfs"],
          "sorted")
    equal(next(m for m in listed["mounts"] if m["path"] == "/live"),
          {"path": "/live", "pluginName": "streamfs", "status": "mounted", "config": config}, "one")
    equal([f["name"] for f in ask_json(server, "GET /directories?path=/a")[1]["files"]], ["b"],
          "a folder that exists because of a mount")
    put(server, "/live/s", b"x")
    equal(ask_json(server, "POST /unmount", {"path": "/live"}),
          (200, {"message": "plugin unmounted"}), "unmount")
    equal(ask(server, "PUT /files?path=/live/s", b"x").status, 404, "after it")
    equal(ask_json(server, "POST /unmount", {"path": "/live"}),
          (404, {"error": "no mount at path: /live"}), "unmount again")


@case
def mounts_are_refused_with_the_words_of_the_protocol(_):
    server = Server()

    def refused(status, text, **request):
        equal(ask_json(server, "POST /mount", request), (status, {"error": text}), f"{request}")

    def streamfs(config):
        return {"fstype": "streamfs", "path": "/live", "config": config}
    refused(409, "mount already exists: /streamfs", fstype="streamfs", path="/streamfs")
    refused(400, "unknown filesystem type: x", fstype="x", path="/x")
    refused(400, "fstype is required", path="/x")
    refused(400, "path is required", fstype="memfs")
    equal(ask(server, "POST /mount", b"nonsense").json(), {"error": "invalid request body"}, "no JSON")
    format_error = "(expected format: number with optional unit B/KB/MB/GB/TB)"
    for key in ("ring_buffer_size", "channel_buffer_size"):
        for text in ("12XB", "", "KB", "-5", "1..5MB", "9223372036854775808", "0x10"):
            refused(400, f"failed to validate plugin: invalid {key}: invalid size format: {text} "
                    f"{format_error}", **streamfs({key: text}))
        for value in (True, [1], None):
            refused(400, f"failed to validate plugin: {key} must be a size string (e.g., '1MB') "
                    "or number", **streamfs({key: value}))
        for value in (0, -1, "0", "0KB"):
            refused(400, f"failed to validate plugin: invalid {key}: must be more than 0",
                    **streamfs({key: value}))
        answer = ask_json(server, "POST /mount", streamfs({key: "1TB"}))
        equal(answer[0], 400, "1TB")
        contains(answer[1]["error"], "are more than memory_limit", "1TB")
    status, answer = ask_json(server, "POST /mount", streamfs({"foo": 1, "ring_buffer_size": 1}))
    equal(status, 400, "an unknown parameter")
    contains(answer["error"], "failed to validate plugin: unknown configuration parameter(s) 'foo' - "
             "allowed parameters are: 'channel_buffer_size', 'ring_buffer_size', ", "its words")
    equal(ask_json(server, "GET /mounts")[1]["mounts"][-1]["path"], "/streamfs", "nothing is mounted")


@case
def sizes_are_powers_of_1024(_):
    server = Server()
    sizes = {"512KB": 512 << 10, "1mb": 1 << 20, "1.5MB": 3 << 19, "2 MB": 2 << 20, "64KiB": 64 << 10,
             "1M": 1 << 20, "131072": 131072, 262144: 262144, "70000B": 70000}
    for n, (given, want) in enumerate(sizes.items()):
        equal(ask_json(server, "POST /mount", {"fstype": "streamfs", "path": f"/m{n}",
                                               "config": {"ring_buffer_size": given}})[0], 200, given)
        put(server, f"/m{n}/s", b"x")
        _, stats = ask_json(server, f"GET /streams/stats?path=/m{n}/s")
        equal(stats["streams"][0]["ring_buffer_size"], want, given)


@case
def plugins_tell_the_truth_and_none_can_be_loaded(_):
    server = Server()
    plugins = {p["name"]: p for p in ask_json(server, "GET /plugins")[1]["plugins"]}
    equal(plugins.keys(), {"devfs", "memfs", "streamfs"}, "names")
    equal(plugins["streamfs"]["mounted_paths"], [{"path": "/streamfs"}], "where it is")
    params = {p["name"]: p for p in plugins["streamfs"]["config_params"]}
    for name in ("ring_buffer_size", "channel_buffer_size"):
        equal((params[name]["type"], params[name]["required"], params[name]["default"]),
              ("string", False, "6MB"), name)
    for request in ("POST /plugins/load", "POST /plugins/unload"):
        equal(ask(server, request, b'{"library_path":"x.so"}').status, 501, request)


@case
def a_unix_socket_serves_the_same(work):
    path = os.path.join(work, "pfs.sock")
    server = Server("--unix", path)
    put(server, "/streamfs/s", b"by tcp")
    with Wire(path) as wire:
        equal(wire.ask("GET /stat?path=/streamfs/s").json()["size"], 6, "by the socket")
    equal(os.stat(path).st_mode & 0o077, 0, "for its owner only")


@case
def curl_speaks_with_it(work):
    need("curl")
    server = Server()
    data = os.urandom(200_000)
    with open(os.path.join(work, "data"), "wb") as out:
        out.write(data)
    url = f"{server.url}/api/v1/files?path={urllib.parse.quote('/memfs/f')}"
    sent = run(["curl", "-sS", "-T", os.path.join(work, "data"), url])
    equal(json.loads(sent.stdout), {"message": "Written 200000 bytes"}, "PUT by curl")
    got = run(["curl", "-sS", url])
    equal(hashlib.md5(got.stdout).digest(), hashlib.md5(data).digest(), "GET by curl")


if __name__ == "__main__":
    main()
