# SPDX-License-Identifier: MIT
"""The programs that are measured, one small class each: how it is started on a
torrent, and where its bytes are read. To add one, write a class and name it in ALL."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from harness import Failure, built, end
from mounting import QUIET, is_mounted

from measure import cpu_seconds, memory_bytes
from scenery import SEED

RAM = 64 << 20


class Reader:
    """swarm_reader, told what to do line by line."""

    def __init__(self, words, **options):
        argv = [built("swarm_reader"), "--seed", SEED, *words, "-"]
        self.child = subprocess.Popen(list(map(str, argv)), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True, **options)

    def do(self, operation):
        """What it prints for one operation; a wrong byte ends everything."""
        self.child.stdin.write(f"{operation}\n")
        self.child.stdin.flush()
        results = []
        for line in self.child.stdout:
            result = json.loads(line)
            if result["op"] == "done":
                return results
            if result.get("wrong"):
                raise Failure(f"wrong bytes at {result['off']} + {result['got']}: {operation}")
            if result.get("error"):
                raise Failure(f"{operation}: {result['error']}")
            results.append(result)
        raise Failure(f"the reader ended at {operation}")

    def stop(self):
        self.child.stdin.close()
        try:
            self.child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()


class Program:
    """One start of a program. `began` is the time before its fork."""

    name = "?"
    ours = False
    slow = False  # it is given fewer starts
    patience = 150  # seconds for one operation

    @classmethod
    def missing(cls):
        """Why it cannot be measured here; None if it can."""
        return None

    def __init__(self, swarm, form, scratch, ram=RAM):
        self.swarm, self.film, self.form, self.ram = swarm, swarm.film, form, ram
        self.work = tempfile.mkdtemp(prefix=f"{self.name}.", dir=scratch)
        self.reader = self.child = None
        self.lines = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def spawn(self, *argv, **options):
        env = dict(os.environ, HOME=self.work, TMPDIR=self.work)
        self.log = os.path.join(self.work, "log")
        options.setdefault("stderr", open(self.log, "wb"))
        self.began = time.monotonic()
        self.child = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, cwd=self.work, env=env, **options)

    def do(self, operation):
        """As Reader.do(). A read that never ends is ended with its program."""
        watchdog = threading.Timer(self.patience, self._give_up)
        watchdog.start()
        try:
            return self.reader.do(operation)
        finally:
            watchdog.cancel()

    def _give_up(self):
        self.reader.child.kill()
        self.child.kill()

    def cpu(self):
        return cpu_seconds(self.child.pid)

    def memory(self):
        return memory_bytes(self.child.pid)

    def stats(self):
        """What it says of itself: waste in percent, peers; may be empty."""
        return {}

    def kill_child(self):
        if self.child and self.child.poll() is None:
            end(self.child)

    def stop(self):
        # The reader first: a file that is open would keep a mount busy.
        if self.reader:
            self.reader.stop()
        self.kill_child()
        shutil.rmtree(self.work, ignore_errors=True)


class Mounted(Program):
    """What shows the film as a file below `point`."""

    def make_point(self):
        self.point = os.path.join(self.work, "mnt")
        os.makedirs(self.point)
        self.path = os.path.join(self.point, self.film.name)

    def stop(self):
        if self.reader:
            self.reader.stop()
            self.reader = None
        self.kill_child()
        if is_mounted(self.point):
            subprocess.run(["fusermount3", "-uz", self.point], stderr=subprocess.DEVNULL)
        super().stop()


class Mount(Mounted):
    name = "mount"
    ours = True
    waits_for_figures = True

    def start(self):
        self.make_point()
        source = self.film.torrent if self.form == "torrent" else self.film.magnet()
        peers = [word for peer in self.swarm.peers for word in ("--peer", peer)]
        self.spawn(built("gostream-mount"), *QUIET, "--listen", "127.0.0.1:0", "--ram", self.ram,
                   "-v", *peers, source, self.point, stderr=subprocess.PIPE)
        threading.Thread(target=self._listen, args=(self.child.stderr,), daemon=True).start()
        self.reader = Reader(["--wait", "file", self.path])

    def _listen(self, pipe):
        with pipe:
            for line in pipe:
                self.lines.append(line.decode(errors="replace"))

    def stats(self):
        """The figures of its next -v line, which comes within a second; or of the last."""
        seen, deadline = len(self.lines), time.monotonic() + 3 * self.waits_for_figures
        while len(self.lines) == seen and time.monotonic() < deadline:
            time.sleep(0.01)
        for line in reversed(self.lines):
            if ": peers " in line:
                pairs = re.findall(r"(peers|answering|late|redundant|received) ([\d.]+)", line)
                return {name: float(value) for name, value in pairs}
        return {}


class Library(Program):
    """The same by the library's own functions: the reader is the program. What
    comparing the bytes costs it is taken off its processor time."""

    name = "library"
    ours = True

    def start(self):
        source = self.film.torrent if self.form == "torrent" else self.film.magnet()
        peers = [word for peer in self.swarm.peers for word in ("--peer", peer)]
        self.began = time.monotonic()
        self.reader = Reader(["--ram", self.ram, *peers, "library", source])
        self.child = self.reader.child
        self.checking = 0

    def do(self, operation):
        results = super().do(operation)
        self.checking += sum(r.get("check_s", 0) for r in results)
        return results

    def cpu(self):
        return super().cpu() - self.checking

    def stats(self):
        figures = {}
        for part in self.reader.do("stats"):
            figures.update(part)
        received = max(1, figures["received"])
        for waste in ("late", "redundant", "hedged"):
            figures[f"{waste}_bytes"] = figures[waste]
            figures[waste] = 100 * figures[waste] / received
        return figures

    def kill_child(self):
        pass  # the end of its input has ended it


class Btfs(Mounted):
    """Debian's btfs. It is told of peers by a tracker, its magnet by x.pe as well."""

    name = "btfs"
    slow = True

    @classmethod
    def missing(cls):
        return None if shutil.which("btfs") else "btfs is not installed"

    def start(self):
        self.make_point()
        tracker = self.swarm.tracker.url
        source = (self.film.with_tracker(os.path.join(self.work, "film.torrent"), tracker)
                  if self.form == "torrent" else self.film.magnet(self.swarm.peers, tracker))
        data = os.path.join(self.work, "data")
        os.makedirs(data)
        self.spawn("btfs", "-f", f"--data-directory={data}", "--min-port=7901", "--max-port=7909",
                   source, self.point)
        self.reader = Reader(["--wait", "file", self.path])


class Rqbit(Program):
    """rqbit's server, read over HTTP; its files are on the scratch folder's tmpfs."""

    name = "rqbit"
    port = 7907

    @staticmethod
    def binary():
        return os.environ.get("RQBIT") or shutil.which("rqbit")

    @classmethod
    def missing(cls):
        return None if cls.binary() else "rqbit is not found: neither $RQBIT nor in PATH"

    def ask(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body)
        return urllib.request.urlopen(request, timeout=60).read()

    def wait_for_api(self):
        while True:
            try:
                return self.ask("/torrents")
            except OSError:
                if self.child.poll() is not None or time.monotonic() > self.began + 30:
                    raise Failure("rqbit does not answer") from None
                time.sleep(0.002)

    def start(self):
        self.spawn(self.binary(), "--disable-dht", "--disable-upnp-port-forward",
                   "--http-api-listen-addr", f"127.0.0.1:{self.port}", "server", "start",
                   os.path.join(self.work, "data"))
        self.wait_for_api()
        with open(self.film.torrent, "rb") as torrent:
            body = torrent.read() if self.form == "torrent" else self.film.magnet().encode()
        peers = urllib.parse.quote(",".join(self.swarm.peers))
        self.ask(f"/torrents?overwrite=true&initial_peers={peers}", body)
        self.reader = Reader(["http", "127.0.0.1", self.port, "/torrents/0/stream/0",
                              self.film.size])


class Baseline:
    """A plain download by libtorrent, in order, onto a tmpfs; compared afterwards."""

    name = "baseline"
    ours = slow = False

    @classmethod
    def missing(cls):
        return None


ALL = {c.name: c for c in (Mount, Library, Baseline, Rqbit, Btfs)}
