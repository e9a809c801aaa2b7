# SPDX-License-Identifier: MIT
"""The soak over HTTP: churn of writers, joiners, deleters and mounts around one
`pfs serve`, numbered records in and out.

No PUT may fail without its cause: a stream of the places is deleted only by us,
and a PUT then makes a new one; only what was sealed or unmounted refuses. No byte
may be wrong, no record torn, repeated or out of order, and what a reader misses
it is told of. At the end memory and descriptors of the server come back.

Each worker is a thread with decisions of its own, from the seed. Clients are
plain Python: it is the server that may carry a sanitizer.
"""

import os
import random
import resource
import socket
import threading
import time

from harness import Failure, end_children, eventually, patience, sanitized
from numbered import RECORD, Reader, Uploader, Writer, record
from pfs_tool import Server
from rawhttp import Wire, ask, ask_json, quote

KIB, MIB = 1 << 10, 1 << 20
PLACES = [f"/streamfs/{name}" for name in "abcd"] + ["/live/x", "/live/y"]
REPORT_EVERY = 10
LONGEST_WAIT = 30
# What churn may leave in a server: buffers of its allocator, the largest rings.
MEMORY_KEPT = 48 * MIB


class Tally:
    def __init__(self, seed):
        self.seed, self.began = seed, time.monotonic()
        self.lock = threading.Lock()
        self.operations = self.faults = self.bytes = self.failures = 0
        self.joins = self.gaps = self.dropped = self.refused = 0

    def add(self, **more):
        with self.lock:
            for name, n in more.items():
                setattr(self, name, getattr(self, name) + n)

    def fail(self, text):
        self.add(failures=1)
        print(f"FAILURE seed {self.seed}: {text}", flush=True)

    def line(self, more=""):
        print(f"{time.monotonic() - self.began:5.0f} s: operations {self.operations}, faults "
              f"{self.faults}, bytes {self.bytes}, failures {self.failures} ({self.joins} joins, "
              f"{self.dropped} bytes dropped and told, {self.refused} refused{more})", flush=True)


class Churn:
    def __init__(self, chosen):
        self.tally = Tally(chosen.seed)
        self.over = threading.Event()
        self.server = Server("--channel-buffer-size", "256KB", "--ring-buffer-size", "512KB",
                             "--threads", "2")
        self.writers = 0  # numbers that were given out
        self.number = threading.Lock()
        self.mount()
        # What has been touched once is not a leak.
        for path in PLACES:
            ask(self.server, f"PUT /files?path={quote(path)}", record(0, 0))
        self.before = self.descriptors()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.server.child.pid}/fd"))

    def resident(self):
        with open(f"/proc/{self.server.child.pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    def new_number(self):
        with self.number:
            self.writers += 1
            return self.writers

    def mount(self):
        return ask_json(self.server, "POST /mount", {
            "fstype": "streamfs", "path": "/live",
            "config": {"channel_buffer_size": "128KB", "ring_buffer_size": "256KB",
                       "policy": "drop_to_latest", "max_age": "200ms", "idle_ttl": "100ms"}})

    # ---- workers ----

    def work(self, name, act):
        chance = random.Random(f"{self.tally.seed}/{name}")
        while not self.over.is_set():
            try:
                act(chance)
            except (Failure, OSError, ValueError, KeyError) as error:
                if self.over.is_set() and isinstance(error, OSError):
                    return
                self.tally.fail(f"{name}: {type(error).__name__}: {error}")
            self.tally.add(operations=1)

    def write(self, chance):
        path = chance.choice(PLACES)
        if chance.random() < 0.2:
            return self.upload(path, chance)
        writer = Writer(self.server, path, self.new_number(), total=chance.randrange(1, 400),
                        batch=chance.choice([1, 1, 4, 16]))
        writer.work()
        self.tally.add(bytes=writer.written * RECORD, operations=writer.requests)
        if writer.broken:
            self.tally.fail(f"a writer of {path} was cut: {writer.broken!r}")
        for status, body in writer.refused:
            self.refused(path, status, body)
        return None

    def upload(self, path, chance):
        upload = Uploader(self.server, path, self.new_number(), total=chance.randrange(1, 200))
        upload.work()
        self.tally.add(bytes=upload.written * RECORD)
        # It ends with the stream that it began with.
        if upload.status not in (200, 404, 409) and not upload.broken:
            self.tally.fail(f"an upload to {path} was answered {upload.status}")

    def refused(self, path, status, body, what="a write to"):
        """A stream of /streamfs is never sealed but by seal(), which says so."""
        self.tally.add(refused=1)
        if status == 409 and (b"closed" in body or b"hold" in body):
            if path.startswith("/live") or path == PLACES[-3]:
                return
        elif status == 404 and path.startswith("/live"):
            return
        self.tally.fail(f"{what} {path} failed: {status} {body!r}")

    def join(self, chance):
        path = chance.choice(PLACES)
        policy = chance.choice(["", "", "&policy=block", "&policy=drop_to_latest",
                                "&policy=drop_new", "&policy=disconnect"])
        start = chance.choice(["", "", "&from=now", "&from=-100KB&align=true", "&from=latest",
                               "&from=-1s"])
        slow = chance.random() < 0.3
        reader = Joiner(self, path, policy + start, chance.choice([20, 200, 2000, None]),
                        buffer=65536 if slow else None, nap=0.002 if slow else 0)
        reader.work()
        self.tally.add(joins=1, bytes=reader.bytes, dropped=reader.lost())
        if reader.wrong:
            self.tally.fail(f"a reader of {path}{policy}{start}: {reader.wrong}")

    def handle(self, chance):
        """As a mounted file is used: opened, written, read, closed."""
        path = chance.choice(PLACES)
        flags = chance.choice([0, 1, 2, 577])
        opened = ask(self.server, f"POST /handles/open?path={quote(path)}&flags={flags}&mode=420",
                     b"")
        if opened.status != 200:
            return self.refused(path, opened.status, opened.body, "opening")
        handle = f"/handles/{opened.json()['handle_id']}"
        if flags:
            answer = ask(self.server, f"PUT {handle}/write", record(self.new_number(), 0))
            if answer.status != 200:
                self.refused_handle(answer)
            elif flags == 2:
                expect(ask(self.server, f"GET {handle}/read?size=100000"), (200, 404), "read")
        expect(ask(self.server, f"GET {handle}/stat"), (200, 404), "stat of a handle")
        expect(ask(self.server, f"DELETE {handle}", b""), (200, 404), "close of a handle")
        return None

    def refused_handle(self, answer):
        """The stream of a handle may be deleted: it gets no new one."""
        self.tally.add(refused=1)
        if answer.status not in (404, 409) and b"closed" not in answer.body:
            self.tally.fail(f"a write by a handle failed: {answer.status} {answer.body!r}")

    def disturb(self, chance):
        what = chance.random()
        path = chance.choice(PLACES)
        if what < 0.5:
            expect(ask(self.server, f"DELETE /files?path={quote(path)}", b""), (200, 404), "delete")
        elif what < 0.6:
            path = PLACES[-3]  # the one that may be sealed: refused() knows
            expect(ask(self.server, f"POST /streams/close?path={path}", b""), (200, 404), "close")
            self.over.wait(0.05)
            expect(ask(self.server, f"DELETE /files?path={path}", b""), (200, 404), "delete")
        elif what < 0.75:
            # Two of us may do it at once.
            status, answer = ask_json(self.server, "POST /unmount", {"path": "/live"})
            if status not in (200, 404):
                raise Failure(f"unmount: {status} {answer}")
            status, answer = self.mount()
            if status not in (200, 409):
                raise Failure(f"mount: {status} {answer}")
        elif what < 0.9:
            self.abuse(chance)
        else:
            for request in ("GET /directories?path=/streamfs", "GET /streams/stats", "GET /mounts",
                            "GET /health"):
                expect(ask(self.server, request), (200,), request)
        self.tally.add(faults=1)
        self.over.wait(chance.random() * 0.03)

    def abuse(self, chance):
        """Connections that break: half a request, half a body, a reset."""
        with Wire(self.server, timeout=LONGEST_WAIT) as wire:
            path = quote(chance.choice(PLACES[:3]))
            if chance.random() < 0.5:
                wire.stream(chance.choice(PLACES[:3]))
            else:
                head = f"PUT /api/v1/files?path={path} HTTP/1.1\r\nHost: x\r\n"
                data = f"{head}Content-Length: {RECORD}\r\n\r\n".encode() + record(0, 1)
                wire.send(data[:chance.randrange(len(data))])
            if chance.random() < 0.5:
                wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    # ---- the end ----

    def settle(self):
        """All have gone: nothing of them may be left in the server."""
        if self.server.child.poll() is not None:
            self.tally.fail(f"the server ended with {self.server.child.returncode}: "
                            + self.server.child.stderr.read().decode()[-4000:])
            return
        for path in PLACES:
            ask(self.server, f"DELETE /files?path={quote(path)}", b"")
        try:
            eventually(lambda: self.descriptors() <= self.before, "descriptors come back")
            stats = ask_json(self.server, "GET /streams/stats")[1]
            if stats["streams"] or stats["memory"]:
                self.tally.fail(f"left behind: {stats}")
        except Failure as error:
            self.tally.fail(f"{error}: {self.descriptors()}, {self.before} before")


def expect(answer, statuses, what):
    if answer.status not in statuses:
        raise Failure(f"{what}: {answer.status} {answer.body!r}")


class Joiner(Reader):
    """Leaves after `records`, or stays until the stream ends or the time is over."""

    def __init__(self, churn, path, more, records, **options):
        super().__init__(churn.server, path, more, lossy=True, **options)
        self.churn, self.records, self.why = churn, records, more

    def work(self):
        server, path, more, buffer = self.request
        try:
            with Wire(server, timeout=LONGEST_WAIT, recv_buffer=buffer) as wire:
                self.head = wire.stream(path, more)
                if self.head.status != 200:
                    return self._refused(path)
                wire.sock.settimeout(0.2)
                self._follow(wire)
        except (ConnectionError, EOFError) as error:
            # A reader that may be disconnected was.
            if "disconnect" not in more and "block" not in more:
                self.wrong = f"cut: {error!r}"
        except Failure as error:
            self.wrong = str(error)
        return None

    def _refused(self, path):
        if self.head.status not in (404, 409) or not path.startswith("/live"):
            self.wrong = f"answered {self.head.status}"

    def _follow(self, wire):
        data = wire.rest
        while True:
            self._take(data)
            if self.chunks.ended:
                return self._ended()
            if self.churn.over.is_set() or (self.records and self.order.records >= self.records):
                return None
            if self.nap:
                self.churn.over.wait(self.nap)
            try:
                data = wire.sock.recv(1 << 17)
            except socket.timeout:
                data = b""
                continue
            if not data:
                raise EOFError("closed without a last chunk")

    def _ended(self):
        start = int(self.head.headers["x-stream-start"])
        end = int(self.chunks.trailers["x-stream-next"])
        if start + self.bytes + self.lost() != end:
            self.wrong = f"{start} + {self.bytes} + {self.lost()} are not {end}"
        elif self.order.rest:
            self.wrong = "half a record at the end"
        elif not self.lost() and self.order.skipped:
            self.wrong = f"{self.order.skipped} records are missing without a word"

    def lost(self):
        return int(self.chunks.trailers.get("x-stream-dropped-bytes", 0))


def soak(chosen):
    churn = Churn(chosen)
    tally = churn.tally
    print(f"seed {chosen.seed}", flush=True)
    acts = [churn.write] * 4 + [churn.join] * 8 + [churn.handle] + [churn.disturb] * 2
    threads = [threading.Thread(target=churn.work, args=(f"{act.__name__}{n}", act), daemon=True)
               for n, act in enumerate(acts)]
    memory = churn.resident()
    for thread in threads:
        thread.start()
    until, next_line = time.monotonic() + chosen.seconds, time.monotonic() + REPORT_EVERY
    while time.monotonic() < until and churn.server.child.poll() is None and tally.failures < 50:
        churn.over.wait(0.1)
        if time.monotonic() >= next_line:
            next_line += REPORT_EVERY
            tally.line(f", RSS {churn.resident() // MIB} MiB")
    churn.over.set()
    for thread in threads:
        thread.join(LONGEST_WAIT * 2 * patience())
        if thread.is_alive():
            tally.fail("a worker hangs")
    churn.settle()
    grown = churn.resident() - memory if churn.server.child.poll() is None else 0
    if grown > MEMORY_KEPT and not sanitized():  # which keep what is freed for a while
        tally.fail(f"memory has grown by {grown // MIB} MiB")
    status = churn.server.terminate() if churn.server.child.poll() is None else None
    said = churn.server.child.stderr.read().decode(errors="replace")
    if status != 0 or "ERROR:" in said or "WARNING:" in said or "runtime error" in said:
        tally.fail(f"the server ended with {status}: {said[-6000:]}")
    tally.line(f", grown by {grown // MIB} MiB")
    end_children()
    return 1 if tally.failures else 0
