#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The limits of `pfs serve` hold for all mounts together, also for those made at run time."""

import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import built, case, check, contains, equal, main, run
from pfs_tool import Server
from rawhttp import Wire, ask, ask_json, error, message, put

MIB = 1 << 20


def config(work, text):
    path = os.path.join(work, "pfs.toml")
    with open(path, "w") as out:
        out.write(text)
    return path


def mount(server, path, **parameters):
    body = {"fstype": "streamfs", "path": path, "config": parameters}
    message(server, "POST /mount", 200, "plugin mounted", json.dumps(body).encode())


def metric(server, name):
    text = ask(server, "GET /metrics").body.decode()
    return int(re.search(rf"^{name} (\d+)$", text, re.M).group(1))


@case
def a_mount_may_not_have_more_memory_than_the_server(_):
    server = Server("--memory-limit", "64M")
    for size in ("65MB", 1 << 40):
        body = {"fstype": "streamfs", "path": "/big", "config": {"memory_limit": size}}
        answer = ask(server, "POST /mount", json.dumps(body).encode())
        equal(answer.status, 400, f"{size}")
        contains(answer.json()["error"],
                 "more than the memory_limit of the server (67108864)", "its words")
    mount(server, "/whole", memory_limit="64MB")


@case
def files_of_all_mounts_have_one_limit_too(_):
    server = Server("--memory-limit", "300M")
    body = {"fstype": "memfs", "path": "/more", "config": {"memory_limit": "151MB"}}
    answer = ask(server, "POST /mount", json.dumps(body).encode())
    equal(answer.status, 400, "more than the half that /memfs left")
    contains(answer.json()["error"], f"{150 * MIB} bytes are left", "its words")
    body["config"]["memory_limit"] = "4MB"
    for _ in range(3):  # given back by unmount
        message(server, "POST /mount", 200, "plugin mounted", json.dumps(body).encode())
        answer = ask(server, "PUT /files?path=/more/f", bytes(5 * MIB))
        equal(answer.status, 413, "a file that is larger than its mount")
        second = {"fstype": "memfs", "path": "/second"}
        message(server, "POST /mount", 200, "plugin mounted", json.dumps(second).encode())
        for path in ("/more", "/second"):
            message(server, "POST /unmount", 200, "plugin unmounted",
                    json.dumps({"path": path}).encode())


@case
def a_file_may_not_promise_more_memory_than_there_is(work):
    path = config(work, '[server]\naddress = ":0"\nmemory_limit = "64MB"\n[plugins.streamfs.config]\n'
                  'memory_limit = "65MB"\n')
    ended = run([built("pfs"), "serve", "--config", path])
    equal(ended.returncode, 1, "exit status")
    contains(ended.stderr.decode(), f"{path}:5: plugins.streamfs: invalid memory_limit: 68157440 "
             "bytes are more than the memory_limit of the server (67108864)", "its words")


@case
def files_may_not_be_promised_more_than_there_is_either(work):
    path = config(work, '[server]\naddress = ":0"\nmemory_limit = "64MB"\n'
                  '[[plugins.memfs]]\nname = "a"\npath = "/a"\n[plugins.memfs.config]\n'
                  'memory_limit = "60MB"\n'
                  '[[plugins.memfs]]\nname = "b"\npath = "/b"\n[plugins.memfs.config]\n'
                  'memory_limit = "5MB"\n')
    ended = run([built("pfs"), "serve", "--config", path])
    equal(ended.returncode, 1, "exit status")
    contains(ended.stderr.decode(), f"{path}:13: plugins.memfs: invalid memory_limit: of the "
             f"memory_limit of the server ({64 * MIB})", "its words")


@case
def memory_of_all_mounts_is_that_of_the_server(_):
    server = Server("--memory-limit", "8M", "--ring-buffer-size", "8M")
    for name in ("/a", "/b", "/c"):
        mount(server, name, memory_limit="8MB", ring_buffer_size="8MB")
    for name in ("/a", "/b", "/c", "/streamfs"):
        for _ in range(12):
            put(server, name + "/s", bytes(MIB))
        _, stats = ask_json(server, "GET /streams/stats")
        held = sum(stream["memory"] for stream in stats["streams"])
        check(held <= 8 * MIB, f"{held} bytes after {name}")
        equal((stats["memory"], metric(server, "pfs_memory_bytes")), (held, held), "what is told")
    check(held > 4 * MIB, f"{stats}")
    check(stats["evicted_bytes"] > 0, "history was given up for others")


@case
def a_mount_with_less_memory_keeps_to_it(_):
    server = Server()
    mount(server, "/small", memory_limit="2MB", ring_buffer_size="2MB", channel_buffer_size="2MB")
    for name in ("/small/a", "/small/b", "/small/c"):
        for _ in range(64):
            put(server, name, bytes(MIB // 16))
    _, stats = ask_json(server, "GET /streams/stats")
    equal(len(stats["streams"]), 3, "streams that are told")
    check(sum(stream["memory"] for stream in stats["streams"]) <= 2 * MIB, f"{stats}")
    equal(stats["memory"], sum(stream["memory"] for stream in stats["streams"]), "memory")


@case
def streams_and_readers_are_counted_over_all_mounts(work):
    server = Server("--config", config(work, '[server]\naddress = ":0"\nmax_streams = 3\n'
                                       'max_readers = 2\n[plugins.streamfs]\npath = "/s"\n'))
    mount(server, "/own", memory_limit="64MB", max_streams=1000, max_readers=1000)
    put(server, "/s/1", b"x")
    put(server, "/own/2", b"x")
    put(server, "/own/3", b"x")
    equal(metric(server, "pfs_streams"), 3, "pfs_streams")
    for path in ("/own/4", "/s/4"):
        answer = ask(server, f"PUT /files?path={path}", b"x")
        equal(answer.status, 403, path)
        contains(answer.json()["error"], "there are 3 streams already", path)
    message(server, "DELETE /files?path=/own/2", 200, "deleted")
    put(server, "/s/4", b"x")
    with Wire(server) as one, Wire(server) as two:
        equal(one.stream("/s/1").status, 200, "the first reader")
        equal(two.stream("/own/3").status, 200, "the second")
        for path in ("/own/3", "/s/1"):
            answer = ask(server, f"GET /files?path={path}&stream=true")
            equal(answer.status, 403, path)
            contains(answer.json()["error"], "there are 2 readers already", path)
    message(server, "POST /unmount", 200, "plugin unmounted", b'{"path":"/own"}')
    equal(metric(server, "pfs_streams"), 2, "those of the mount are gone")


@case
def what_is_asked_of_a_mount_in_vain_says_its_limit(_):
    server = Server()
    mount(server, "/few", max_streams=1)
    put(server, "/few/1", b"x")
    error(server, "PUT /files?path=/few/2", 403, "too many streams (limit 1)", b"x")


@case
def names_of_writers_have_a_limit_that_is_told(_):
    server = Server()
    for name, why in (("a" * 64, "64 bytes, a name has at most 63"), ("%00b", "a zero byte in the name")):
        error(server, f"PUT /files?path=/streamfs/s&writer={name}", 400,
              f"invalid writer parameter: {why}", b"x")
        equal(ask(server, "GET /stat?path=/streamfs/s").status, 404, "no stream was made")
    put(server, "/streamfs/s", b"x", "&writer=" + "a" * 63)


@case
def flags_are_true_or_false_and_nothing_else(_):
    server = Server()
    for flag in ("seal", "mark"):
        for value in ("yes", "TRUE", "2"):
            error(server, f"PUT /files?path=/streamfs/s&{flag}={value}", 400,
                  f"invalid {flag} parameter (must be true or false)", b"x")
    for flag in ("align", "framed", "create"):
        error(server, f"GET /files?path=/streamfs/s&stream=true&{flag}=on", 400,
              f"invalid {flag} parameter (must be true or false)")
    equal(ask(server, "GET /stat?path=/streamfs/s").status, 404, "a stream that nobody made")
    put(server, "/streamfs/s", b"x", "&seal=0&mark=false")
    put(server, "/streamfs/s", b"y", "&seal=1")
    error(server, "PUT /files?path=/streamfs/s", 409, "stream is closed", b"z")


if __name__ == "__main__":
    main()
