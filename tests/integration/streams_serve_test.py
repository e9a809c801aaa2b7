#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`pfs serve` as a program: its options, its configuration, what it survives."""

import os
import random
import re
import resource
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import (Failure, Skip, built, case, check, contains, equal, eventually, long, main,
                     patience, run, sanitized, spawn)
from pfs_tool import Server
from rawhttp import Wire, ask, content_of, put

MIB = 1 << 20


def serve(*words, status):
    ended = run([built("pfs"), "serve", *words])
    equal(ended.returncode, status, f"{words}: {ended.stderr.decode()}")
    return ended.stdout.decode(), ended.stderr.decode()


def config(work, text):
    path = os.path.join(work, "pfs.toml")
    with open(path, "w") as out:
        out.write(text)
    return path


# ---- options and configuration ----

@case
def wrong_options_are_2_and_say_what_would_be_right(_):
    for words in (["--nonsense"], ["--port", "65536"], ["--port", "-1"], ["--threads", "0"], ["extra"],
                  ["--ring-buffer-size", "12XB"], ["--ring-buffer-size", "0"], ["--policy", "none"],
                  ["--drain-timeout", "x"], ["--ready-fd", "x"]):
        out, err = serve(*words, status=2)
        equal(out, "", f"{words} on stdout")
        check(err.startswith("pfs serve: "), f"{words}: {err}")


@case
def a_ready_fd_that_is_not_open_is_refused(_):
    for fd in ("3", "77"):  # 3 would be a descriptor of the server's own
        _, err = serve("--port", "0", "--ready-fd", fd, status=2)
        contains(err, "is not open", fd)


@case
def a_full_stdout_is_told(_):
    with open("/dev/full", "wb") as full:
        for words in (["--help"], ["--print-config"]):
            child = spawn([built("pfs"), "serve", *words], stdout=full, stderr=subprocess.PIPE)
            _, err = child.communicate(timeout=10 * patience())
            equal(child.returncode, 1, str(words))
            contains(err.decode(), "No space left on device", str(words))


@case
def addresses_that_are_not_loopback_are_refused(_):
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
        _, err = serve("--listen", address, status=1)
        contains(err, "loopback", address)


@case
def streams_larger_than_all_the_memory_are_refused(work):
    _, err = serve("--port", "0", "--memory-limit", "1K", status=1)
    contains(err, "ring_buffer_size: 6291456 bytes (standard) are more than", "--memory-limit")
    path = config(work, "[server]\nmemory_limit = \"1KB\"\n[plugins.streamfs]\npath = \"/s\"\n")
    _, err = serve("-c", path, "--port", "0", status=1)
    contains(err, "are more than memory_limit (1024)", "TOML")


@case
def a_port_that_is_taken_is_told(_):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        _, err = serve("--listen", f"127.0.0.1:{taken.getsockname()[1]}", status=1)
    contains(err, os.strerror(98), "its words")


@case
def mistakes_in_the_file_have_file_and_line(work):
    for text, says in (("[server]\nadress = 1\n", ":2: unknown key server.adress"),
                       ("[plugins.streamfs.config]\nring_buffer_size = \"12XB\"\n",
                        ":2: plugins.streamfs: invalid ring_buffer_size: invalid size format: 12XB"),
                       ("[plugins.streamfs.config]\nring_buffer_size = \"2TB\"\n", ":2: "),
                       ("[plugins.s3fs]\nenabled = true\n", ":1: plugins.s3fs is enabled, but"),
                       ("[server\n", ":1: ")):
        path = config(work, text)
        _, err = serve("--config", path, status=1)
        contains(err, path + says, text)
    _, err = serve("--config", os.path.join(work, "none.toml"), status=1)
    contains(err, os.strerror(2), "a file that is not there")


@case
def print_config_prints_what_would_be_used(work):
    path = config(work, '[server]\naddress = ":9000"\n[plugins.streamfs]\nenabled = true\n'
                  'path = "/live"\n[plugins.streamfs.config]\nring_buffer_size = "1MB"\n')
    out, err = serve("--config", path, "--ring-buffer-size", "2MB", "--port", "9001",
                     "--print-config", status=0)
    equal(err, "", "stderr")
    for line in ('address = ":9001"', 'path = "/live"', 'ring_buffer_size = "2MB"',
                 'channel_buffer_size = "6MB"'):
        check(line in out.splitlines(), f"no {line} in {out}")
    again, _ = serve("--config", config(work, out), "--print-config", status=0)
    equal(again, out, "printed again")


@case
def the_configuration_is_used(work):
    path = config(work, '[server]\naddress = ":0"\n'
                  '[[plugins.streamfs]]\nname = "a"\npath = "/a"\n'
                  '[plugins.streamfs.config]\nring_buffer_size = "64KB"\nchannel_buffer_size = "64KB"\n'
                  '[[plugins.streamfs]]\npath = "/b"\n')
    server = Server("--config", path)
    for mount in ("/a", "/b"):
        put(server, mount + "/s", bytes(128 << 10))
    check(0 < 131072 - int(content_of(server, "/a/s")["oldest"]) <= 65536, "history of /a")
    equal(content_of(server, "/b/s")["oldest"], "0", "history of /b")
    equal(ask(server, "GET /stat?path=/memfs").status, 404, "memfs is not in the file")
    equal(ask(server, "GET /stat?path=/dev/null").status, 200, "/dev is there all the same")


@case
def ready_fd_gets_the_addresses(work):
    out, into = os.pipe()
    path = os.path.join(work, "s.sock")
    child = spawn([built("pfs"), "serve", "--port", "0", "--unix", path, "--ready-fd", str(into)],
                  pass_fds=[into], stderr=subprocess.DEVNULL)
    os.close(into)
    with os.fdopen(out) as lines:
        told = lines.read().splitlines()
    check(re.fullmatch(r"http://127\.0\.0\.1:\d+", told[0]) and told[1] == "unix:" + path, f"{told}")
    child.terminate()
    equal(child.wait(timeout=10 * patience()), 0, "exit status")
    check(not os.path.exists(path), "the socket is still there")


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
    problems, joins = [], [0]

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
            if numbers != list(range(numbers[0], numbers[0] + wanted)):
                problems.append(f"records {numbers}")
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
    before = rss(server)
    wires = []
    for i in range(n):
        wire = Wire(server)
        wire.begin("GET /files?path=/streamfs/s&stream=true")
        wires.append(wire)
    for wire in wires:
        equal(wire.head().status, 200, "a reader")
    equal(content_of(server, "/streamfs/s")["active_readers"], str(n), "active_readers")
    each = (rss(server) - before) / n
    print(f"  {n} readers, {each:.0f} bytes each")
    if not sanitized():
        check(each <= 4096, f"{each:.0f} bytes for each idle reader")
    put(server, "/streamfs/s", b"wake up")
    for wire in wires:
        equal(wire.read(7), b"wake up", "each gets it")
        wire.close()
    eventually(lambda: content_of(server, "/streamfs/s")["active_readers"] == "0", "all are gone")


def rss(server):
    with open(f"/proc/{server.child.pid}/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def worker_time(server):
    """Ticks of processor time that the searching thread has had."""
    tasks = f"/proc/{server.child.pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/stat") as stat:
            name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
            if name == "pfs-worker":
                return int(rest.split()[11])
    return 0


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
    put(server, "/memfs/f", b"a" * (4 << 20))
    with Wire(server) as wire:
        wire.begin("POST /grep", b'{"path":"/memfs/f","pattern":"(a|a|a)*b"}')
        eventually(lambda: worker_time(server) > 10, "the search is under way")
        equal(ask(server, "GET /health").status, 200, "others meanwhile")
        equal(server.terminate(), 0, "the end")


if __name__ == "__main__":
    main()
