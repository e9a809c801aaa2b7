#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`pfs serve` as a program: what is due by time, what it survives, how it ends."""

import os
import random
import resource
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import (Failure, Skip, case, check, equal, eventually, long, main, patience,
                     sanitized)
from pfs_tool import Server, resident
from rawhttp import Wire, ask, content_of, put

MIB = 1 << 20


def config(work, text):
    path = os.path.join(work, "pfs.toml")
    with open(path, "w") as out:
        out.write(text)
    return path


# ---- time ----

@case
def history_ages_and_idle_streams_go(work):
    path = config(work, '[server]\naddress = ":0"\n[plugins.streamfs]\npath = "/s"\n'
                  '[plugins.streamfs.config]\nmax_age = "300ms"\nidle_ttl = "1s"\n')
    server = Server("--config", path)
    put(server, "/s/x", b"old")
    eventually(lambda: ask(server, "GET /stat?path=/s/x").status == 404, "the idle stream is gone")
    with Wire(server) as reader:
        reader.stream("/s/y")
        put(server, "/s/y", b"kept")
        equal(reader.read(4), b"kept", "what was read in time")
        eventually(lambda: content_of(server, "/s/y")["oldest"] == "4", "its history is gone")
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            equal(ask(server, "GET /stat?path=/s/y").status, 200, "a stream with a reader stays")
            time.sleep(0.1)


# ---- faults ----

@case
def delete_and_unmount_under_readers_and_writers(_):
    server = Server()
    stop = threading.Event()
    failures = []

    def keep(action):
        while not stop.is_set():
            try:
                action()
            except (OSError, ValueError) as error:
                failures.append(repr(error))
                return
            except AssertionError:
                pass  # the stream went in the middle of it, which is the point

    def read():
        answer = ask(server, "GET /files?path=/streamfs/s&stream=true")
        if answer.status not in (200, 404):
            failures.append(f"read: {answer.status}")

    def write():
        answer = ask(server, "PUT /files?path=/streamfs/s", bytes(10_000))
        if answer.status not in (200, 404, 409):
            failures.append(f"write: {answer.status}")

    threads = [threading.Thread(target=keep, args=(read,)) for _ in range(16)]
    threads += [threading.Thread(target=keep, args=(write,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(30):
        if n % 3 == 2:
            ask(server, "POST /unmount", b'{"path":"/streamfs"}')
            ask(server, "POST /mount", b'{"fstype":"streamfs","path":"/streamfs"}')
        else:
            ask(server, "DELETE /files?path=/streamfs/s", b"")
        time.sleep(0.02)
    stop.set()
    ask(server, "POST /unmount", b'{"path":"/streamfs"}')
    for thread in threads:
        thread.join(timeout=20 * patience())
        check(not thread.is_alive(), "a client hangs")
    equal(failures, [], "failures")
    equal(ask(server, "GET /health").status, 200, "the server")
    equal(server.terminate(), 0, "its end")


@case
def stopping_under_readers_and_writers(_):
    server = Server("--drain-timeout", "5")
    ended = []

    def read():
        with Wire(server) as wire:
            wire.stream("/streamfs/s")
            while wire.chunk():
                pass
            ended.append("eof")

    def write():
        try:
            while True:
                if ask(server, "PUT /files?path=/streamfs/s", bytes(10_000)).status != 200:
                    break
        except (OSError, AssertionError):
            pass  # nobody listens any more
        ended.append("writer")
    threads = [threading.Thread(target=f) for f in [read] * 16 + [write] * 4]
    for thread in threads:
        thread.start()
    eventually(lambda: int(content_of(server, "/streamfs/s")["total_written"]) > MIB, "some bytes")
    equal(server.terminate(), 0, "exit status")
    for thread in threads:
        thread.join(timeout=20 * patience())
    equal(ended.count("eof"), 16, "readers that saw the end")


@case(timeout=180)
def join_and_leave_churn(_):
    seed = random.randrange(1 << 32)
    print(f"  seed {seed}")
    server = Server("--channel-buffer-size", "256KB", "--ring-buffer-size", "512KB")
    stop = threading.Event()
    problems, joins, holes = [], [0], [0]

    def write():
        n = 0
        with Wire(server) as wire:
            while not stop.is_set():
                if wire.ask("PUT /files?path=/streamfs/s", block(n)).status != 200:
                    problems.append("a write failed")
                n += 1

    def join(rng):
        while not stop.is_set():
            with Wire(server) as wire:
                wire.stream("/streamfs/s")
                wanted, data = rng.randrange(1, 20), b""
                while len(data) < wanted * len(block(0)):
                    data += wire.chunk()
            numbers = [struct.unpack_from(">Q", data, i)[0]
                       for i in range(0, wanted * len(block(0)), len(block(0)))]
            steps = [after - before for before, after in zip(numbers, numbers[1:])]
            if min(steps, default=1) < 1:
                problems.append(f"records {numbers}")
            holes[0] += sum(step > 1 for step in steps)
            joins[0] += 1
    threads = [threading.Thread(target=write)]
    threads += [threading.Thread(target=join, args=(random.Random(seed + i),)) for i in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(60 if long() else 3)
    stop.set()
    for thread in threads:
        thread.join(timeout=30 * patience())
    equal(problems, [], "problems")
    check(joins[0] > 20, f"only {joins[0]} joins")
    # On a machine that is busy elsewhere the server may fall behind; then it says so.
    gaps = int(content_of(server, "/streamfs/s")["gaps"])
    check(holes[0] <= gaps, f"{holes[0]} holes that readers saw, {gaps} that are told")
    eventually(lambda: content_of(server, "/streamfs/s")["active_readers"] == "0", "readers are gone")


def block(n):
    return struct.pack(">Q", n) * 2048


@case
def two_writers_and_64_readers_see_numbered_records_in_one_order(_):
    server = Server()
    rounds = 100

    def write(letter):
        with Wire(server) as wire:
            for n in range(rounds):
                wire.ask("PUT /files?path=/streamfs/s", struct.pack(">cI", letter, n) * 200)
    wires = [Wire(server) for _ in range(64)]
    for wire in wires:
        wire.stream("/streamfs/s", "&policy=block")
    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for thread in writers:
        thread.start()
    total, got = 2 * rounds * 1000, {}
    for n, wire in enumerate(wires):
        data = bytearray()
        while len(data) < total:
            data += wire.chunk()
        got[bytes(data)] = n
        wire.close()
    for thread in writers:
        thread.join()
    equal(len(got), 1, "orders that were seen")
    records = [next(iter(got))[i:i + 1000] for i in range(0, total, 1000)]
    for letter in (b"a", b"b"):
        mine = [r for r in records if r[:1] == letter]
        equal(mine, [struct.pack(">cI", letter, n) * 200 for n in range(rounds)], "records of one")


@case
def kill_9_is_an_error_for_clients_and_never_silence(_):
    server = Server()
    with Wire(server) as reader, Wire(server) as writer:
        reader.stream("/streamfs/s")
        writer.begin("PUT /files?path=/streamfs/s", None, ["Transfer-Encoding: chunked"])
        writer.send(b"5\r\nhello\r\n")
        equal(reader.chunk(), b"hello", "live")
        server.kill()
        try:
            rest = reader.to_the_end()
        except ConnectionError:
            rest = b""
        check(not rest.endswith(b"0\r\n\r\n"), "it looks like a proper end")


def limit(server, what, value):
    resource.prlimit(server.child.pid, what, (value, value))


@case
def descriptor_exhaustion_refuses_and_streams_go_on(_):
    if sanitized():
        raise Skip("a sanitizer opens descriptors of its own")
    server = Server()
    limit(server, resource.RLIMIT_NOFILE, 80)
    with Wire(server) as reader, Wire(server) as writer:
        reader.stream("/streamfs/s")
        writer.ask("PUT /files?path=/streamfs/s", b"before")
        equal(reader.read(6), b"before", "before")
        crowd = []
        for _ in range(160):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", server.port))
            crowd.append(sock)
        for n in range(20):
            equal(writer.ask("PUT /files?path=/streamfs/s", b"during").status, 200, "a write")
            equal(reader.read(6), b"during", "the stream goes on")
        for sock in crowd:
            sock.close()
        eventually(lambda: ask(server, "GET /health").status == 200, "others may come again")


@case
def memory_exhaustion_refuses_and_streams_go_on(_):
    if sanitized():
        raise Skip("a sanitizer has memory of its own")
    server = Server()
    with Wire(server) as reader, Wire(server) as writer:
        reader.stream("/streamfs/s")
        writer.ask("PUT /files?path=/streamfs/s", b"before")
        equal(reader.read(6), b"before", "before")
        with open(f"/proc/{server.child.pid}/statm") as statm:
            now = int(statm.read().split()[0]) * resource.getpagesize()
        limit(server, resource.RLIMIT_AS, now + 48 * MIB)

        def status_of(request, body=b""):
            try:
                return ask(server, request, body).status
            except (OSError, Failure):
                return "cut"  # there was no memory for an answer, or for the connection

        def room_is_given_back():
            for n in range(200):
                status_of(f"DELETE /files?path=/streamfs/hog{n}")
            return status_of("PUT /files?path=/streamfs/room", bytes(MIB)) == 200

        statuses = {status_of(f"PUT /files?path=/streamfs/hog{n}", bytes(MIB)) for n in range(200)}
        check({200} < statuses <= {200, 503, "cut"}, f"statuses {statuses}")
        eventually(room_is_given_back, "what was refused left nothing broken behind")
        for _ in range(20):
            equal(writer.ask("PUT /files?path=/streamfs/s", b"behind").status, 200, "a write")
            equal(reader.read(6), b"behind", "the stream goes on")
    equal(server.terminate(), 0, "its end")


@case(timeout=400)
def thousands_of_idle_readers(_):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n = min(10_000 if long() else 2_000, hard - 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (n + 1000, hard))
    server = Server()
    before = resident(server)
    wires = []
    for i in range(n):
        wire = Wire(server)
        wire.begin("GET /files?path=/streamfs/s&stream=true")
        wires.append(wire)
    for wire in wires:
        equal(wire.head().status, 200, "a reader")
    equal(content_of(server, "/streamfs/s")["active_readers"], str(n), "active_readers")
    each = (resident(server) - before) / n
    print(f"  {n} readers, {each:.0f} bytes each")
    if not sanitized():
        check(each <= 4096, f"{each:.0f} bytes for each idle reader")
    put(server, "/streamfs/s", b"wake up")
    for wire in wires:
        equal(wire.read(7), b"wake up", "each gets it")
        wire.close()
    eventually(lambda: content_of(server, "/streamfs/s")["active_readers"] == "0", "all are gone")


def worker_time(server):
    """Ticks of processor time that the searching threads have had."""
    ticks = 0
    tasks = f"/proc/{server.child.pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/stat") as stat:
            name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
            if name == "pfs-worker":
                ticks += int(rest.split()[11])
    return ticks


@case
def searches_under_way_are_dropped_at_the_end(_):
    for _ in range(5):
        server = Server("--drain-timeout", "0")
        put(server, "/memfs/f", b"a\n" * (1 << 20))
        with Wire(server) as wire:
            wire.begin("POST /grep", b'{"path":"/memfs/f","pattern":"b"}')
            equal(server.terminate(), 0, "the end")


@case
def a_search_that_takes_for_ever_does_not_keep_the_server(_):
    server = Server("--drain-timeout", "0")
    put(server, "/memfs/f", (b"a" * (32 << 10) + b"\n") * 128)
    with Wire(server) as wire:
        wire.begin("POST /grep", b'{"path":"/memfs/f","pattern":"(a?){600}a{600}b"}')
        eventually(lambda: worker_time(server) > 10, "the search is under way")
        equal(ask(server, "GET /health").status, 200, "others meanwhile")
        equal(server.terminate(), 0, "the end")


if __name__ == "__main__":
    main()
